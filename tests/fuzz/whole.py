"""Accepted inputs through whole commands: what a reader lets through must not break what comes behind it."""

from __future__ import annotations

import contextlib
import io
import json
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from aigc_bench.core.errors import UsageError
from tests.fuzz.batches import Task, read_all, write_files
from tests.fuzz.campaign import Tally, add
from tests.fuzz.corpus import folder_name
from tests.fuzz.kinds import Kind
from tests.fuzz.outcome import Fault, fault_of

CPU_LIMIT_S = 120.0
MEMORY_LIMIT_BYTES = 4 << 30
_BATCH = 25
_CODES = (0, 1, 2, 3, 4)


def through_commands(
    kind: Kind, numbers: Sequence[int], *, seed: int, num_children: int, told: Callable[[str], None], keep: Path
) -> Tally:
    """Give every numbered input to one of the kind's commands, in turn."""
    tally, started = Tally(kind=f"{kind.name}, whole"), time.monotonic()
    commands = {number: kind.commands[place % len(kind.commands)] for place, number in enumerate(numbers)}
    tasks = [
        Task(number, partial(kind.input, number, seed=seed), partial(run_command, command), CPU_LIMIT_S, MEMORY_LIMIT_BYTES)
        for number, command in commands.items()
    ]
    for done in read_all(tasks, num_children=num_children, batch=_BATCH):
        add(tally, done.number, done.outcome, cpu_s=done.cpu_s, grown_bytes=done.grown_bytes, told=told)
    for what, (number, outcome) in tally.met.items():
        place = keep / f"{kind.name}-whole" / folder_name(what)
        write_files(kind.input(number, seed=seed), place)
        notes = f"{what}\n{' '.join(commands[number])}\n\n{outcome.text}\n\n{outcome.trace}\n"
        place.with_suffix(".txt").write_text(notes, encoding="utf-8", errors="backslashreplace")
    tally.wall_s = time.monotonic() - started
    return tally


def run_command(command: Sequence[str], folder: Path) -> None:
    """Run a command line in this process; raises ``Fault`` where its words or its JSON are not fit for a user."""
    from aigc_bench import cli

    streams = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors=errors) for errors in ("strict", "backslashreplace")]
    with contextlib.redirect_stdout(streams[0]), contextlib.redirect_stderr(streams[1]):
        code = cli.main([word.replace("{}", str(folder)) for word in command])
    printed, said = (_text(stream) for stream in streams)
    if code not in _CODES:
        raise Fault(f"{command[0]} ends with exit code {code}: {said[-300:]}")
    for stream, text in (("stdout", printed), ("stderr", said)):
        fault = fault_of(text, most=None) if text.strip() else None
        if fault is not None:
            raise Fault(f"{command[0]}, {stream} {fault} ({_what(text)}): {text[-400:]}")
    if code in (1, 2) and not said.strip():
        raise Fault(f"{command[0]} ends with exit code {code} and says nothing: {printed[-300:]}")
    if code in (1, 2):
        raise UsageError(f"{command[0]} ends with exit code {code}.")
    if "--json" in command:
        json.loads(printed, parse_constant=_no_json)


def _what(text: str) -> str:
    """The kind of error that a fault of the program names, so that different faults are not taken for one."""
    _, _, rest = text.partition("fault of aigc-bench: ")
    return "".join(letter for letter in rest[:60] if not letter.isdigit())


def _no_json(name: str) -> float:
    raise Fault(f"JSON holds {name}")


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    buffer = stream.buffer
    assert isinstance(buffer, io.BytesIO), "made above"
    return buffer.getvalue().decode("utf-8")
