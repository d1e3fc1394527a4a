"""Print how a number is derived, down to its leaves, with formulae, sources and basis."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence

from aigc_bench.core.arithmetic import in_words
from aigc_bench.core.messages import capitalized, looked_up, message, translated
from aigc_bench.core.records import Estimate
from aigc_bench.core.text_wrap import wrap
from aigc_bench.core.trail import SAME, Step, Trail
from aigc_bench.core.units import digits, quantity, scale, shown_money
from aigc_bench.core.visible import visible

NEAREST = 3
WIDTH = 116
LEAST = 44
"""Least width of a line, however deep it is indented."""
COUNTED = ("servers", "machines", "accelerators", "racks", "pieces", "users", "years", "devices", "days", "scenarios")
"""Units that have a singular."""
PLAIN = ("ratio", "fraction", "fraction/year", "count")
"""Units that are not printed in a calculation."""
_IN_SI = {"request/s": "requests/s", "request/min": "requests/min", "request/year": "requests/year", "day": "days"}
"""Units of a calculation that are printed otherwise than they are stored, without a change of size."""


def printed(value: Estimate) -> str:
    """Return a number with its interval and its basis."""
    text = amount_text(value.value, value.unit)
    if value.low != value.high:
        low, high = amount_text(value.low, value.unit), amount_text(value.high, value.unit)
        text = translated(message("{value} ({low} to {high})", value=text, low=low, high=high))
    return f"{text}, {looked_up(value.basis)}"


def in_numbers(trail: Trail, step: Step) -> str | None:
    """Return the step's arithmetic with the numbers of its inputs in SI units; ``None`` if it has none."""
    if step.arithmetic is None or step.arithmetic == "{0}":
        return None
    written = in_words(step.arithmetic, [_plain(trail[key].value) for key in step.inputs])
    return written.replace("+ -", "- ")


def _plain(value: Estimate) -> str:
    # A digit more than in tables, so that a reader who redoes the arithmetic comes close.
    is_money = value.unit.lower().startswith("usd")
    mark, size = shown_money(abs(value.value)) if is_money else ("", value.value)
    is_long = size % 1 or abs(size) >= 1e6
    number = (_with_remainder(size) if value.unit in COUNTED else digits(size, significant=4)) if is_long else f"{size:,.0f}"
    if is_money:
        return f"{'-' if value.value < 0 else ''}{mark}{number}{value.unit[3:]}"
    return number if value.unit in PLAIN else f"{number} {_unit_of(value.value, _IN_SI.get(value.unit, value.unit))}"


def _with_remainder(size: float) -> str:
    """Return four digits, or as many as keep a remainder: 130.04 machines are 131 when they are rounded up, 130.0 are 130."""
    usual = digits(size, significant=4)
    # Beyond a million, and after more digits than a reader would copy, the remainder decides nothing.
    finer = (digits(size, significant=significant) for significant in range(4, 9)) if abs(size) < 1e6 else ()
    return next((shown for shown in finer if "e" in shown or shown.partition(".")[2].strip("0")), usual)


def _unit_of(value: float, unit: str) -> str:
    """Return the unit of one thing in the singular: ``1 server``, ``1 machine/replica``."""
    what, slash, per = unit.partition("/")
    return f"{what[:-1]}{slash}{per}" if value == 1 and what in COUNTED else unit


def derivation(trail: Trail, key: str, *, short: Callable[[str], str], width: int = WIDTH) -> Iterator[str]:
    """Yield the lines of a step and everything below it; repeated steps are only named. ``short`` shortens a key."""
    seen: set[str] = set()

    def lines(one: str, depth: int) -> Iterator[str]:
        """Yield the lines of a step, indented by its depth, and of its inputs."""
        step, indent = trail[one], "  " * depth
        name = translated(step.title if depth else capitalized(step.title))
        # A leaf is short enough to be shown again.
        again = message(", see above") if one in seen and (step.inputs or step.source) else ""
        yield from _wrapped(f"{name}: {printed(step.value)}{translated(again)}  [{short(one)}]", indent, width=width)
        if one in seen:
            return
        seen.add(one)
        if step.formula and step.formula != SAME:
            yield from _wrapped(message("formula: {formula}", formula=step.formula), f"{indent}  ", width=width)
        numbers = in_numbers(trail, step)
        if numbers:
            yield from _wrapped(f"= {numbers}", f"{indent}  ", width=width)
        if step.source:
            yield from _wrapped(message("source: {source}", source=step.source), f"{indent}  ", width=width)
        for child in step.inputs:
            yield from lines(child, depth + 1)

    yield from lines(key, 0)


def _wrapped(text: str, indent: str, *, width: int) -> list[str]:
    # Keys and commands are copied from here, so they are never broken.
    return wrap(
        visible(translated(text)),
        max(width, len(indent) + LEAST),
        initial_indent=indent,
        subsequent_indent=f"{indent}    ",
        on_hyphens=False,
    )


def amount_text(value: float, unit: str, *, significant: int = 3) -> str:
    """Return a number with its unit; whole numbers without decimals."""
    factor, printed = scale(value, unit)
    is_whole = value == round(value) and abs(value) < 1e6 and factor == 1.0 and not unit.startswith("usd")
    return f"{value:,.0f} {_unit_of(value, printed)}".rstrip() if is_whole else quantity(value, unit, significant=significant)


def nearest(key: str, keys: Sequence[str]) -> list[str]:
    """Return up to three keys with similar spelling, else with a similar last part, else that contain the word."""
    last = {name: name.rpartition(".")[2] for name in keys}
    wanted = key.rpartition(".")[2]
    close = difflib.get_close_matches(key, keys, n=NEAREST, cutoff=0.7)
    ends = difflib.get_close_matches(wanted, list(dict.fromkeys(last.values())), n=NEAREST, cutoff=0.7)
    close += [name for end in ends for name in keys if last[name] == end]
    close += [name for name in keys if wanted.lower() in name.lower()]
    return list(dict.fromkeys(close))[:NEAREST]


def key_list(trail: Trail) -> str:
    """Return every key with its number and title, one a line."""
    size = max((len(key) for key in trail), default=0)
    steps = [trail[key] for key in trail]
    return "\n".join(
        visible(f"{one.key:<{size}}  {amount_text(one.value.value, one.value.unit)}  {translated(one.title)}") for one in steps
    )
