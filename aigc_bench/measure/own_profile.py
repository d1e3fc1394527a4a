"""A profile made of a user's own model: ``run --model PATH`` instead of a file of cases."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

from aigc_bench.core import registry
from aigc_bench.core.errors import UnknownNameError
from aigc_bench.core.messages import message
from aigc_bench.core.records import Case, Mode, Precision, Record, Setting
from aigc_bench.core.run_records import System
from aigc_bench.measure.profiles import Profile
from aigc_bench.workloads._own import resolve
from aigc_bench.workloads._own_precision import refuse_unbuilt


class OwnCases(Record):
    """How a user's model is run: each mode with each batch size on each engine.

    Precision is bf16 on an accelerator and fp32 on a CPU unless given. ``settings`` are the family's own, ``changes`` are put over
    keys of the model's config.json.
    """

    modes: tuple[Mode, ...]
    batch_sizes: tuple[int, ...]
    engines: tuple[str, ...]
    precision: str | None
    settings: Mapping[str, Setting]
    changes: Mapping[str, Setting] | None


def profile_of(what: Path | str, cases: OwnCases, *, system: System) -> Profile:
    """Return the cases of the user's model on this machine; raises ``UsageError`` in one line.

    ``what`` is a config.json, a model's folder or ``module:function``.
    """
    resolved = resolve(what, changes=cases.changes)
    backend = "cuda" if system.accelerators else "cpu"
    precision = _precision(cases.precision, backend=backend)
    for engine in cases.engines:
        if engine not in registry.names("engines"):
            raise UnknownNameError("engine", engine, known=registry.names("engines"))
        refuse_unbuilt(resolved.quantization, path=str(what), engine=engine, precision=cases.precision)
    found = tuple(
        Case(
            workload=resolved.workload,
            preset=resolved.preset,
            model=resolved.model,
            mode=mode,
            batch_size=batch_size,
            engine=engine,
            precision=precision,
            backend=backend,
            settings=dict(cases.settings),
        )
        for mode, batch_size, engine in itertools.product(*map(dict.fromkeys, (cases.modes, cases.batch_sizes, cases.engines)))
    )
    for case in found:
        # Now rather than in the first trial: a wrong setting is the user's mistake.
        registry.load("workloads", case.workload).validate(case)
    return Profile(name=resolved.preset.lower(), title=message("Your model {what}", what=what), level="quick", cases=found)


def _precision(text: str | None, *, backend: str) -> Precision:
    own: tuple[Precision, ...] = get_args(Precision)
    wanted = text or ("fp32" if backend == "cpu" else "bf16")
    found = next((name for name in own if name == wanted), None)
    if found is None:
        raise UnknownNameError("precision", wanted, known=own)
    return found
