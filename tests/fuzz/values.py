"""Values that break readers: the extremes of numbers, texts that are no names, containers that are too large or too deep."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any


class Token(str):
    """Text that is written as it stands, without quotes: a number that Python cannot hold, or no value at all."""


class Pairs(list[tuple[str, Any]]):
    """A table whose keys may come twice."""


NUMBERS: tuple[Any, ...] = (
    0,
    -0.0,
    -1,
    1,
    2,
    0.5,
    1.9,
    1e-308,
    5e-324,
    1e-9,
    1e9,
    1e15,
    1e18,
    1.7e18,
    1e308,
    -1e308,
    2**31,
    2**63 - 1,
    2**63,
    2**64,
    10**30,
    -(2**63),
    1.0000000000000002,
    255,
    256,
    4097,
    100,
    101,
    99.999999,
)
ODD_NUMBERS: tuple[Token, ...] = tuple(
    map(
        Token,
        ("nan", "inf", "-inf", "NaN", "Infinity", "1e999", "-1e999", "1e-999", "0x7fffffffffffffffff", "9" * 400, "9" * 5_000),
    )
)
"""Written without quotes; some are numbers in TOML alone, some in JSON alone, some nowhere."""

TEXTS: tuple[str, ...] = (
    "",
    " ",
    "0",
    "-1",
    "1e308",
    "nan",
    "inf",
    "true",
    "null",
    "None",
    "\x00",
    "a\x00b",
    "\x1b[31mred",
    "\x1b]8;;http://x\x07",
    "\u202egnp",
    "\ud800",
    "\ufeffname",
    "漢字",
    "日本語のモデル",
    "é" * 50,
    "=1+1",
    "@SUM(A1)",
    "-2+3",
    "os:abort",
    "os:getcwd",
    "../../etc/passwd",
    "/dev/zero",
    "/dev/null",
    "a" * 300,
    "x" * 70_000,
    "%s%n",
    "{0}",
    "${HOME}",
    "~",
    ".",
    "..",
    "a/b",
    "a\\b",
    "\n",
    "line\nbreak",
    "\t",
    "'",
    '"',
    "`id`",
    "<script>",
    "<b>&amp;",
    "1,5",
    "2.5k",
    "1 000",
    "٣",
    "Ⅷ",
    "1_000",
    "+5",
    ".5",
    "5.",
    "1e5",
    "0x10",
    "90s",
    "0s",
    "5000y",
    "-2h",
    "1e400s",
    "99999999999999999999y",
    "2026-02-30",
    "cuda",
    "cpu",
    "H100",
    "gpt",
    "NULL",
    "#N/A",
    "TRUE",
)
TOML_ONLY: tuple[Token, ...] = tuple(
    map(Token, ("1979-05-27T07:32:00Z", "1979-05-27", "07:32:00", "0o777", "0b1", "1_000", "'''x\ny'''", "[[]]", "{}", "[]"))
)

Maker = Callable[[random.Random], Any]


def nested(depth: int, *, is_table: bool) -> Token:
    """Brackets in brackets, written out: no recursive writer gets that far."""
    return Token('{"a":' * depth + "1" + "}" * depth if is_table else "[" * depth + "]" * depth)


def extreme(draw: random.Random, *, dialect: str) -> Any:
    """Any value that a reader should be able to refuse; the costly ones are rare."""
    kind = draw.random()
    if kind < 0.34:
        return draw.choice(NUMBERS)
    if kind < 0.46:
        return draw.choice(ODD_NUMBERS)
    if kind < 0.76:
        return draw.choice(TEXTS)
    if kind < 0.84:
        return draw.choice((True, False, None))
    if kind < 0.88 and dialect == "toml":
        return draw.choice(TOML_ONLY)
    if kind < 0.985:
        return draw.choice(
            ([], Pairs(), [None], [[]], [1, "a", True], Pairs([("", 1)]), [0] * 3, [3, 2, 1], [1, 1, 1], list(range(25)))
        )
    return _costly(draw, dialect=dialect)


def _costly(draw: random.Random, *, dialect: str) -> Any:
    is_table = dialect == "json"
    makers: tuple[Callable[[], Any], ...] = (
        lambda: nested(draw.choice((63, 65, 70, 300, 2_000)), is_table=is_table and draw.random() < 0.5),
        lambda: list(range(10_001)),
        lambda: Pairs((f"key{number}", number) for number in range(10_001)),
        lambda: ["a" * 1_000] * 1_000,
        lambda: "y" * 1_000_000,
    )
    return draw.choice(makers)()
