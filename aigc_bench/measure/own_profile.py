"""A profile made of a user's own model: ``run --model PATH`` instead of a file of cases."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import get_args

from aigc_bench.core import registry
from aigc_bench.core.errors import UnknownNameError
from aigc_bench.core.messages import message
from aigc_bench.core.records import Case, Mode, Precision, Setting
from aigc_bench.core.run_records import System
from aigc_bench.measure.profiles import Profile
from aigc_bench.workloads._own import resolve
from aigc_bench.workloads._own_precision import refuse_unbuilt


def own_profile(
    what: Path | str,
    *,
    system: System,
    modes: Sequence[Mode] = ("infer",),
    batch_sizes: Sequence[int] = (1,),
    precision: str | None = None,
    engines: Sequence[str] = ("torch-eager",),
    settings: Mapping[str, Setting] | None = None,
    changes: Mapping[str, Setting] | None = None,
) -> Profile:
    """Every mode, batch size and engine of the user's model on this machine; raises ``UsageError`` in one line.

    ``what`` is a config.json, a model's folder or ``module:function``; ``changes`` are put over keys of its config.json.
    Precision is bf16 on an accelerator and fp32 on a CPU unless given.
    """
    resolved = resolve(what, changes=changes)
    backend = "cuda" if system.accelerators else "cpu"
    chosen = _precision(precision, backend=backend)
    for engine in engines:
        if engine not in registry.names("engines"):
            raise UnknownNameError("engine", engine, known=registry.names("engines"))
        refuse_unbuilt(resolved.quantization, path=str(what), engine=engine, precision=precision)
    cases = tuple(
        Case(
            workload=resolved.workload,
            preset=resolved.preset,
            model=resolved.model,
            mode=mode,
            batch_size=batch_size,
            engine=engine,
            precision=chosen,
            backend=backend,
            settings=dict(settings or {}),
        )
        for mode, batch_size, engine in itertools.product(dict.fromkeys(modes), dict.fromkeys(batch_sizes), dict.fromkeys(engines))
    )
    for case in cases:
        # Now rather than in the first trial: a wrong setting is the user's mistake.
        registry.load("workloads", case.workload).validate(case)
    return Profile(name=resolved.preset.lower(), title=message("Your model {what}", what=what), level="quick", cases=cases)


def _precision(text: str | None, *, backend: str) -> Precision:
    own: tuple[Precision, ...] = get_args(Precision)
    wanted = text or ("fp32" if backend == "cpu" else "bf16")
    found = next((name for name in own if name == wanted), None)
    if found is None:
        raise UnknownNameError("precision", wanted, known=own)
    return found
