"""Whether a run of the user's own code may continue: the same ``module:function`` has to be typed again.

A run's files travel between people, so that the name in ``run.json`` is no permission to run anything.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.named_code import is_well_formed, load_named_code, permitted
from aigc_bench.core.records import Case
from aigc_bench.workloads._own import resolve


def _unpermitted(name: str, *, folder: Path) -> UsageError:
    """Return the error of a run whose code was not named with the command."""
    command = f"aigc-bench run --resume {shlex.quote(str(folder))} --model {name}"
    return UsageError(
        message("{folder}: its workload is the code {missing!r}, which a file alone never starts.", folder=folder, missing=name),
        message("If you trust that code, type its name: {command}", command=command)
        if is_well_formed(name)
        else message("It is no module:function."),
    )


def permit_code(cases: Sequence[Case], *, folder: Path, typed: str | None) -> None:
    """Load the code that the run's cases need, ``typed`` with the command; raises ``UsageError`` where it differs."""
    named = list(dict.fromkeys(case.workload for case in cases if ":" in case.workload))
    if typed is not None and typed not in named:
        made_with = message("with --model {named!r}", named=named[0]) if named else "without --model"
        raise UsageError(
            message("--model {typed}: {folder} was made {made_with}.", typed=typed, folder=folder, made_with=made_with),
            message("A run goes on with what it was started with."),
        )
    missing = [name for name in named if name != typed and permitted(name) is None]
    if missing:
        raise _unpermitted(missing[0], folder=folder)
    for name in named:
        load_named_code(name)
        # The hash of the code's file, as the cases recorded it.
        now = resolve(name).model.sha256
        if any(case.model is not None and case.model.sha256 != now for case in cases if case.workload == name):
            raise UsageError(
                message("{name}: its file has changed since this run was started.", name=name), message("Start a new run.")
            )
