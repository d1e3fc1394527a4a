"""TOML and JSON of files that users pass in: one reader that checks their numbers and their shape.

    numbers     0, or between 1e-30 and 1e30 in size (``core.numbers``); no NaN, no infinity, no -0, at most 400 digits
    nesting     at most 64 tables or lists inside each other; refused before parsing, which is recursive
    keys        at most 10,000 in a file that people write, more where a program writes it; refused before parsing
    texts       no NUL character and no half of a surrogate pair, which no file name and no terminal takes
    names       no key twice in one table

What is refused is named by its key and place. Parsing itself is that of ``tomllib`` and ``json``.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import re
import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydantic_core

from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.numbers import MAX_DIGITS, problem_of
from aigc_bench.core.text_file import read_text

MAX_DEPTH = 64
MAX_KEYS = 10_000
"""Of files that people write."""
MAX_MACHINE_KEYS = 1_000_000
"""Of files that programs write: a run of 1,000 cases, the header of a large safetensors file."""
MAX_TOML_CHARACTERS = 4 * 2**20
"""Its parser is written in Python and reads about a megabyte a second."""
MAX_JSON_CHARACTERS = 16 * 2**20
"""As empty lists these take a gigabyte of memory."""
Place = tuple[str | int, ...]
"""Keys and positions in lists that lead to a value."""
_RIGHT_FILE = message("Is it the right file?")
_SHOWN = 60


@dataclass(frozen=True, kw_only=True)
class Refused:
    """A value that no document may hold, as it was written, and why: ``must be a finite number``."""

    written: str
    problem: str


def read_json(file: Path, *, max_keys: int = MAX_KEYS, may_be_infinite: bool = False) -> Any:
    """Return what a JSON file holds; raises ``UsageError`` with file, key and place where it cannot be read or taken."""
    return parse_json(read_text(file), where=str(file), max_keys=max_keys, may_be_infinite=may_be_infinite)


def parse_json(text: str, *, where: str, max_keys: int = MAX_KEYS, may_be_infinite: bool = False) -> Any:
    """Return what a JSON text holds; ``where`` begins every message. Raises ``UsageError`` like ``read_json``.

    ``may_be_infinite`` takes the word ``Infinity``, which model configurations write for "no limit".
    """
    parsed, refused = _parsed_json(text, where=where, max_keys=max_keys, may_be_infinite=may_be_infinite)
    if refused or _has_odd_escape(text):
        _raise_refused(parsed, where=where)
    return parsed


def check_measured(line: bytes, *, where: str, computed: Collection[str]) -> None:
    """Raise ``UsageError`` for a number of a JSON object that no measurement gives but its record takes: 1e-308 s, -0.

    What stands under the keys ``computed`` is a model's own output, which may be of any size. The line is looked through for
    signs of such numbers first, since a run has megabytes of sound ones; NaN, infinity and 1e300 are left to the records.
    """
    if _LONG_ZEROS not in line and _TINY_OR_MINUS_ZERO.search(line) is None:
        return
    parsed, refused = _parsed_json(line.decode("utf-8", errors="replace"), where=where, max_keys=MAX_MACHINE_KEYS)
    if refused and isinstance(parsed, dict):
        _raise_refused({key: value for key, value in parsed.items() if key not in computed}, where=where)


# A number below 1e-30 that is written without an exponent has at least this many zeros in a row.
_LONG_ZEROS = b"0" * 29
# Either an exponent of -30 or below, or -0 in any spelling up to the end of its value.
_TINY_OR_MINUS_ZERO = re.compile(rb"-(?:(?<=[eE]-)0*(?:[3-9]\d|[1-9]\d\d)|0(?:\.0*)?(?:[eE][-+]?\d+)?[,\]}\s])")
"""It begins with a fixed character, so that a megabyte is searched in a fraction of a millisecond."""


def check_keys_once(line: bytes, *, where: str) -> None:
    """Raise ``UsageError`` where an object of a JSON line has a key twice, of which a record would take the last in silence."""
    # What is no JSON at all is left to the records.
    with contextlib.suppress(ValueError):
        # Counted first, since looking at every object in Python takes twice as long as reading the line: as many names as are
        # written are left. A blank behind a quote may hide the colon of a name.
        is_plain = not any(blank in line for blank in (b'" ', b'"\t', b'"\r'))
        if not is_plain or line.count(b'":') != _num_keys(pydantic_core.from_json(line)):
            json.loads(line, object_pairs_hook=lambda pairs: _once(pairs, where=where))


def _num_keys(parsed: Any) -> int:
    """Return how many keys a document has in all its objects."""
    found, waiting = 0, [parsed]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            found += len(node)
            waiting += [inner for inner in node.values() if isinstance(inner, dict | list)]
        # The long lists of a run hold numbers alone.
        elif isinstance(node, list) and not isinstance(node[0] if node else 0, float | int):
            waiting += node
    return found


def _parsed_json(text: str, *, where: str, max_keys: int, may_be_infinite: bool = False) -> tuple[Any, list[Refused]]:
    """The document with ``Refused`` in place of numbers that are, and a list of these."""
    _check_length(text, where=where, most=MAX_JSON_CHARACTERS)
    # Brackets and colons inside of strings do not count.
    outside = _STRING.sub('""', text)
    _check_shape(outside, where=where, num_keys=outside.count(":"), max_keys=max_keys)
    refused: list[Refused] = []

    def kept(found: float | Refused) -> float | Refused:
        if isinstance(found, Refused):
            refused.append(found)
        return found

    try:
        parsed = json.loads(
            text,
            parse_int=lambda written: kept(_integer(written)),
            parse_float=lambda written: kept(_float(written)),
            # Called for NaN, Infinity and -Infinity, which are no JSON but are read by Python.
            parse_constant=lambda written: kept(_constant(written, may_be_infinite=may_be_infinite)),
            object_pairs_hook=lambda pairs: _once(pairs, where=where),
        )
    except json.JSONDecodeError as problem:
        # At the end of the text, or in a string that nothing closes: the rest of the file is missing.
        is_cut = problem.pos >= len(text.rstrip()) or problem.msg.startswith("Unterminated string")
        said = message("it is cut short") if is_cut else f"{problem.msg[0].lower()}{problem.msg[1:]}"
        problem_text = message(
            "{where}: line {line}: not JSON: {said}, at character {character}.",
            where=where,
            line=problem.lineno,
            said=said,
            character=problem.colno,
        )
        raise UsageError(problem_text, message("Is the file cut short, or another one?")) from None
    return parsed, refused


def read_toml(file: Path) -> dict[str, Any]:
    """Return the tables of a TOML file; raises ``UsageError`` with file, key and place where it cannot be read or taken."""
    # TOML ends lines in LF or CRLF; a lone CR is an end in the editors that write it.
    return parse_toml(read_text(file).replace("\r\n", "\n").replace("\r", "\n"), where=str(file))


def parse_toml(text: str, *, where: str) -> dict[str, Any]:
    """Return what a TOML text holds; ``where`` begins every message. Raises ``UsageError`` like ``read_toml``."""
    _check_length(text, where=where, most=MAX_TOML_CHARACTERS)
    # Lines stay, so that a problem found in what is left has the line number of the file.
    outside = _QUIET.sub(_blank, text)
    _check_shape(outside, where=where, num_keys=outside.count("=") + outside.count("\n["), max_keys=MAX_KEYS)
    _check_toml(outside, where=where)
    try:
        # tomllib has no such hook for integers; ``_check_toml`` has looked at those.
        parsed = tomllib.loads(text, parse_float=_float)
    except ValueError as problem:
        raise UsageError(message("{file}: not TOML: {problem}.", file=where, problem=_toml_words(str(problem)))) from None
    _raise_refused(parsed, where=where)
    return parsed


def _toml_words(said: str) -> str:
    """The parser's own words without Python's way to write places and lists of keys."""
    said = re.sub(r" \(at (line \d+), column (\d+)\)$", r", at \1, character \2", said)
    said = re.sub(r"\((('[^']*'(?:, )?)+),?\)", lambda found: found[1].replace("'", "").replace(", ", "."), said)
    return f"{said[0].lower()}{said[1:]}"


def _raise_refused(parsed: Any, *, where: str) -> None:
    """Raise ``UsageError`` that names what a document holds and may not hold, each by key and place."""
    found = [f"{place_words(place, parsed)}{problem}" for place, problem in _refused(parsed)]
    if found:
        raise mistakes(where, found)


def mistakes(where: Path | str, problems: Sequence[str]) -> UsageError:
    """One mistake is one line; several are one line each. A question keeps its mark."""
    ended = [problem.rstrip(".") for problem in problems]
    if len(ended) == 1:
        return UsageError(
            message("{where}: {ended}{more}", where=where, ended=ended[0], more="" if ended[0].endswith("?") else ".")
        )
    return UsageError(
        message("{where}: {num_mistakes} mistakes:", where=where, num_mistakes=len(ended)),
        details=[f"  {problem}" for problem in ended],
    )


def place_words(place: Sequence[str | int], parsed: Any) -> str:
    """``service 2 (chat), users``: keys with commas, positions counted from 1, with the name of the table there."""
    words: list[str] = []
    node = parsed
    for part in place:
        if isinstance(part, int):
            node = node[part] if isinstance(node, list) and part < len(node) else None
            name = node.get("name") if isinstance(node, Mapping) else None
            label = f"{words.pop() if words else 'entry'} {part + 1}"
            words.append(f"{label} ({cut(name)})" if isinstance(name, str) else label)
        else:
            node = node.get(part) if isinstance(node, Mapping) else None
            words.append(cut(part))
    return ", ".join(words)


def shown(value: object) -> str:
    """A value as a file writes it, its begin where it is long: ``true``, ``'chat'``, ``2026-11-30``, ``[1, 2]``."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return repr(cut(value))
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list | tuple):
        return cut(f"[{', '.join(shown(part) for part in value[:_SHOWN])}]")
    return cut(str(value)) if isinstance(value, int | float | datetime.date | datetime.time) else message("what is there")


def cut(text: str, *, length: int = _SHOWN) -> str:
    """The text in one line, or its begin where it is long."""
    text = re.sub(r"\s+", " ", text[: 4 * length])
    return text if len(text) <= length else f"{text[: length - 3]}..."


_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\Z)', re.DOTALL)
"""A string of JSON, to the end of the text where its quote is missing."""
# Possessive quantifiers (*+) never go back, so an unclosed quote costs linear time.
_QUIET = re.compile(
    r'"""(?:[^"\\]|\\.|"(?!""))*+(?:"""|\Z)'
    r"|'''(?:[^']|'(?!''))*+(?:'''|\Z)"
    r'|"[^"\\\n]*+(?:\\.[^"\\\n]*+)*+(?:"|(?=\n)|\Z)'
    r"|'[^'\n]*+(?:'|(?=\n)|\Z)"
    r"|#[^\n]*+",
    re.DOTALL,
)
"""Strings and comments of TOML."""


def _blank(found: re.Match[str]) -> str:
    """As many lines, and one word where a string may be a key."""
    return "" if found[0].startswith("#") else "_" + "\n" * found[0].count("\n")


def _check_length(text: str, *, where: str, most: int) -> None:
    if len(text) > most:
        raise UsageError(
            message(
                "{where}: {num_characters:,} characters; at most {most:,} are read.",
                where=where,
                num_characters=len(text),
                most=most,
            ),
            message("Split it."),
        )


def _check_shape(outside: str, *, where: str, num_keys: int, max_keys: int) -> None:
    """Raise where brackets outside of strings nest too deep, or there are too many keys."""
    if num_keys > max_keys:
        raise UsageError(
            message(
                "{where}: {num_keys:,} keys; at most {max_keys:,} are read.", where=where, num_keys=num_keys, max_keys=max_keys
            ),
            _RIGHT_FILE,
        )
    depth = 0
    for found in re.finditer(r"[\[\]{}]", outside):
        depth += 1 if found[0] in "[{" else -1
        if depth > MAX_DEPTH:
            line = _line(outside, found)
            raise UsageError(
                message(
                    "{where}: line {line}: more than {max_depth} lists or tables inside each other.",
                    where=where,
                    line=line,
                    max_depth=MAX_DEPTH,
                ),
                _RIGHT_FILE,
            )


def _line(text: str, found: re.Match[str]) -> int:
    """The number of the line, from 1, where a match begins."""
    return text.count("\n", 0, found.start()) + 1


_DOTTED = re.compile(rf"(?<![\w.-])[\w-]+(?:[ \t]*\.[ \t]*[\w-]+){{{MAX_DEPTH},}}")
_LONG = re.compile(rf"\d[\d_]{{{MAX_DIGITS},}}")
# tomllib makes -0 the integer 0, so the sign has to be found in the text.
_MINUS_ZERO = re.compile(r"(?<![\w.:+-])-0(?![\w.-])")
_KEY = re.compile(r"[{,]?[ \t]*([^\s={}\[\],]+)[ \t]*=[^=]*$")


def _check_toml(outside: str, *, where: str) -> None:
    """Raise where a key has too many parts or a number is one that the parser would not return as written."""
    if found := _DOTTED.search(outside):
        line = _line(outside, found)
        raise UsageError(
            message("{where}: line {line}: a key of more than {max_depth} parts.", where=where, line=line, max_depth=MAX_DEPTH)
        )
    for pattern, problem in (
        (_LONG, message("a number must have at most {max_digits} digits", max_digits=MAX_DIGITS)),
        (_MINUS_ZERO, message("must be 0, not -0")),
    ):
        if found := pattern.search(outside):
            # Enough for a key; a file that is one long line stays cheap.
            before = outside[max(0, found.start() - 200) : found.start()].rpartition("\n")[2]
            key = _KEY.search(before)
            line = _line(outside, found)
            raise UsageError(
                message(
                    "{where}: line {line}{key}: {problem}.",
                    where=where,
                    line=line,
                    key=f", {cut(key[1])}" if key else "",
                    problem=problem,
                )
            )


def _integer(written: str) -> int | Refused:
    if len(written) > MAX_DIGITS:  # not converted, which takes time with the square of the digits
        return Refused(written=written, problem=message("must have at most {max_digits} digits", max_digits=MAX_DIGITS))
    value = int(written)
    # int() loses the sign.
    problem = problem_of(-0.0 if written == "-0" else value)
    return value if problem is None else Refused(written=written, problem=problem)


def _float(written: str) -> float | Refused:
    """The number, or why it is refused; one so small that it would become 0 is refused like others that are too small."""
    value = float(written)
    is_lost = value == 0 and re.match("[^eE]*[1-9]", written) is not None
    # Stands for any number too small to be a float.
    problem = problem_of(1e-300 if is_lost else value)
    return value if problem is None else Refused(written=written, problem=problem)


def _constant(written: str, *, may_be_infinite: bool) -> float | Refused:
    if may_be_infinite and written != "NaN":
        return float(written)
    return Refused(written=written, problem=message("must be a finite number"))


def _once(pairs: list[tuple[str, Any]], *, where: str) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in table if names.count(name) > 1)
        raise UsageError(
            message(
                "{where}: key {key!r} appears {count} times in one object.", where=where, key=cut(twice), count=names.count(twice)
            ),
            message("Keep one of them."),
        )
    return table


def _has_odd_escape(text: str) -> bool:
    r"""Whether a text may hold ``\u0000`` or half of a surrogate pair; looked for where there is an escape of that kind only."""
    return re.search(r"\\u(?:0000|[dD][89a-fA-F])", text) is not None or "\0" in text


def _refused(parsed: Any) -> Iterator[tuple[Place, str]]:
    """Every place of a document with what is wrong there; without recursion, however deep keys of many parts have made it."""
    waiting: list[tuple[Place, Any]] = [((), parsed)]
    while waiting:
        place, value = waiting.pop()
        if len(place) > MAX_DEPTH:
            # The first keys are enough to find it; all of them would fill the screen.
            yield place[:4], message(": more than {max_depth} lists or tables inside each other", max_depth=MAX_DEPTH)
            return
        if isinstance(value, Mapping):
            yield from (
                ((*place, key), message(": its name {problem}", problem=problem))
                for key in value
                if (problem := _odd_text(key)) is not None
            )
            # A stack: reversed, so that problems come in the order of the file.
            waiting += [((*place, key), inner) for key, inner in reversed(list(value.items()))]
        elif isinstance(value, list):
            waiting += [((*place, index), value[index]) for index in reversed(range(len(value)))]
        elif (problem := _problem(value)) is not None:
            yield place, problem


def _problem(value: object) -> str | None:
    """`` = 1e-308: must be ...``, to follow the place."""
    if isinstance(value, Refused):
        return f" = {cut(value.written, length=30)}: {value.problem}"
    if isinstance(value, str) and (odd := _odd_text(value)) is not None:
        return f": {odd}"
    if isinstance(value, int | float) and not isinstance(value, bool) and (wrong := problem_of(value)) is not None:
        # Digits of a hexadecimal number may be more than Python turns into text.
        written = (
            cut(str(value), length=30) if not isinstance(value, int) or value.bit_length() < 1000 else message("a number too large")
        )
        return f" = {written}: {wrong}"
    return None


def _odd_text(text: str) -> str | None:
    if "\0" in text:
        return message("must not hold a NUL character")
    return message("must not hold half of a surrogate pair") if re.search("[\ud800-\udfff]", text) else None
