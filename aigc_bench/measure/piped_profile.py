"""A profile whose cases run with the data pipeline: ``run --pipeline`` and ``run --data PATH``."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

from aigc_bench.core import registry
from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.pipeline import Cache, Modality, Pipeline
from aigc_bench.core.records import Case
from aigc_bench.data.files import find_files
from aigc_bench.measure.profiles import Profile
from aigc_bench.workloads.base import Workload


def pipelines(
    data: Path | str | None = None, *, caches: Sequence[Cache] = ("hot",), workers: Sequence[int] = ()
) -> tuple[Pipeline, ...]:
    """Every cache state with every number of loader processes; raises ``UsageError`` where there is nothing to read at ``data``."""
    found = None if data is None else find_files(data)
    path, sha256 = (None, None) if found is None else (found.root, found.sha256)
    pairs = itertools.product(dict.fromkeys(caches), dict.fromkeys(workers) or (None,))
    return tuple(Pipeline(data=path, sha256=sha256, cache=cache, workers=number) for cache, number in pairs)


def piped(profile: Profile, pipelines: Sequence[Pipeline]) -> Profile:
    """Each case once with each pipeline.

    A family that has none in a case's mode keeps the case as it is; where the user brings data, cases that read nothing of it are
    left out. Raises ``UsageError`` where none is left.
    """
    paths = {one.data for one in pipelines} - {None}
    known: dict[str | None, tuple[Modality, ...]] = {path: find_files(path).modalities for path in paths if path is not None}
    cases: list[Case] = []
    for case in profile.cases:
        workload: Workload = registry.load("workloads", case.workload)
        if not workload.has_pipeline(case.mode):
            cases += [] if paths else [case]
            continue
        for pipeline in pipelines:
            modalities = known.get(pipeline.data)
            if modalities is None or set(modalities) & set(workload.fed_with(case.mode)):
                cases.append(case.model_copy(update={"pipeline": pipeline}))
    if not cases:
        kinds = " and ".join(sorted({kind for found in known.values() for kind in found}))
        raise UsageError(
            message("--data: no case of profile {name!r} reads {kinds}.", name=profile.name, kinds=kinds),
            message("See `aigc-bench list workloads`."),
        )
    # By id, since several pipelines leave a case without one as it is.
    return profile.model_copy(update={"cases": tuple({case.id: case for case in cases}.values())})
