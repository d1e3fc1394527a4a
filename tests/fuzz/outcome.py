"""What came of an input: accepted, refused in words that a user can use, or a finding. The program's own main door decides."""

from __future__ import annotations

import contextlib
import io
import re
import traceback
import unicodedata
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

Files = Mapping[str, bytes]
"""Relative names and contents: one file, or a folder."""

MOST_CHARACTERS = 2_600
_FORBIDDEN = (
    ("says that the program is at fault", re.compile("fault of aigc-bench")),
    ("shows an address", re.compile(r" at 0x[0-9a-f]+")),
    ("shows a traceback", re.compile(r"Traceback|File \"[^\"]+\", line \d+")),
    (
        "shows a Python object",
        re.compile(
            r"<(?:class|function|module|built-in|generator|aigc_bench|_io)\b|\b(?:PosixPath|datetime\.\w+|OrderedDict|Token)\("
        ),
    ),
    ("shows words of pydantic", re.compile(r"input_value=|errors\.pydantic\.dev|validation errors? for")),
    ("shows a number of the system", re.compile(r"\[Errno \d+\]")),
)


class Outcome(NamedTuple):
    """``what`` is the same for inputs that find the same fault: a kind of error and the place that raised it."""

    kind: Literal["accepted", "refused", "finding"]
    what: str = ""
    text: str = ""
    trace: str = ""


class Fault(Exception):
    """What a reader of these tests itself finds wrong with what the program made."""


def outcome_of(read: Callable[[Path], None], folder: Path) -> Outcome:
    """What comes of reading the folder; nothing is raised but what ends a process."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            read(folder)
        except Fault as fault:
            return Outcome("finding", str(fault).partition(":")[0], str(fault)[:500])
        except MemoryError as problem:
            return Outcome("finding", f"over the limit of memory at {_place(problem)}", str(problem)[:200])
        except Exception as problem:
            return _of_error(problem)
    shown = [one for one in warned if issubclass(one.category, RuntimeWarning) and "aigc_bench" in Path(one.filename).parts]
    if shown:
        place = f"{Path(shown[0].filename).name}:{shown[0].lineno}"
        return Outcome("finding", f"{shown[0].category.__name__} at {place}", str(shown[0].message)[:500])
    return Outcome("accepted")


def _of_error(problem: Exception) -> Outcome:
    place, trace = _place(problem), "".join(traceback.format_exception(problem))[-6_000:]
    traceback.clear_frames(problem.__traceback__)  # what filled the memory goes, so that there is some to tell of it
    code, told = at_the_door(problem)
    fault = fault_of(told)
    if fault is not None:
        return Outcome("finding", f"{type(problem).__name__} at {place}: {fault}", told[:1_000], trace)
    if code not in (1, 2):
        return Outcome("finding", f"exit {code} at {place}", told[:1_000], trace)
    return Outcome("refused", "", told[:300])


def at_the_door(problem: Exception) -> tuple[int, str]:
    """The exit code and the words on stderr that the program ends with when a command raises this."""
    from aigc_bench import cli

    def raising(**_: Any) -> int:
        raise problem

    told = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="backslashreplace")
    own = vars(cli.group).get("main")
    cli.group.main = raising  # type: ignore[method-assign]
    try:
        with contextlib.redirect_stderr(told):
            code = cli.main(())
    finally:
        if own is None:
            del cli.group.main
        else:
            cli.group.main = own  # type: ignore[method-assign]
    told.flush()
    buffer = told.buffer
    assert isinstance(buffer, io.BytesIO), "made above"
    return code, buffer.getvalue().decode("utf-8")


def fault_of(told: str, *, most: int | None = MOST_CHARACTERS) -> str | None:
    """What is wrong with the words that a user is given, ``None`` where nothing is."""
    for fault, pattern in _FORBIDDEN:
        if pattern.search(told):
            return fault
    odd = next((letter for letter in told if letter != "\n" and (unicodedata.category(letter) == "Cc" or letter in _BIDI)), None)
    if odd is not None:
        return f"holds the raw character U+{ord(odd):04X}"
    if not told.strip():
        return "says nothing"
    return f"is longer than {most} characters" if most is not None and len(told) > most else None


_BIDI = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def _place(problem: BaseException) -> str:
    """The innermost frame of the package, ``toml_file.py:41 read_toml``; line numbers go, so that a finding keeps its name."""
    frames: Sequence[traceback.FrameSummary] = traceback.extract_tb(problem.__traceback__)
    own = [frame for frame in frames if "aigc_bench" in Path(frame.filename).parts]
    last = own[-1] if own else frames[-1] if frames else None
    return "?" if last is None else f"{Path(last.filename).name} {last.name}"
