"""Metrics of a trial's data pipeline: shares of the request, the data stall of a training step, cores that a device needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from aigc_bench.analyze.timing import Quantity
from aigc_bench.core.pipeline import DataUse, PipelineUse
from aigc_bench.core.records import Case, Samples, TrialResult, Work

PREPROCESS = "preprocess"


def pipeline_quantities(case: Case, trial: TrialResult) -> Iterator[Quantity]:
    """The metrics of a case that runs with a pipeline; nothing for others."""
    use, work, samples, window = trial.pipeline, trial.work, trial.samples, trial.window
    if use is None or work is None or samples is None or window is None or not samples.duration_s:
        return
    host_s, all_s = _time_s(work, samples, on_host=True), float(np.sum(samples.duration_s))
    yield Quantity(metric="pipeline_share", value=host_s / all_s if all_s > 0 else None, n=window.num_steps)
    if case.mode == "train":
        stall_s = _time_s(work, samples, name=PREPROCESS)
        yield Quantity(metric="data_stall", value=stall_s / all_s if all_s > 0 else None, n=window.num_steps)
    yield Quantity(metric="loader_workers", value=float(use.num_workers))
    cpu_s = host_cpu_s(use)
    if cpu_s is None:
        for metric in ("host_cpu_per_item", "cores_per_device"):
            yield Quantity(metric=metric, value=None, reasons=("no_host_sensor",))
        return
    # The counters are those of one rank, and so must its items be.
    items = work.items_per_step / work.replicas * window.num_steps
    yield Quantity(metric="host_cpu_per_item", value=cpu_s / items if items else None)
    device_s = all_s - host_s
    yield Quantity(metric="cores_per_device", value=cpu_s / device_s if device_s > 0 else None)
    cached = [source.cached_fraction for source in use.sources if source.cached_fraction is not None]
    if cached:
        # The source that is cached least decides whether a window was hot.
        yield Quantity(metric="data_cached", value=min(cached))


def data_read(trials: Iterable[TrialResult]) -> list[DataUse]:
    """Return each modality of each place once, with the figures of the trial that skipped most of it."""
    found: dict[tuple[str, str | None], DataUse] = {}
    for trial in trials:
        for source in trial.pipeline.sources if trial.pipeline is not None else ():
            key = (source.modality, source.path)
            if key not in found or source.num_skipped > found[key].num_skipped:
                found[key] = source
    return list(found.values())


def host_cpu_s(use: PipelineUse) -> float | None:
    """CPU seconds of the pipeline in the window: its stages' and its loader processes'; ``None`` where some are unknown."""
    if use.num_workers and use.workers_cpu_s is None:
        return None
    return sum(use.stage_cpu_s.values()) + (use.workers_cpu_s or 0.0)


def _time_s(work: Work, samples: Samples, *, on_host: bool | None = None, name: str | None = None) -> float:
    chosen = [
        index
        for index, stage in enumerate(work.stages)
        if (on_host is None or stage.on_host == on_host) and (name is None or stage.name == name)
    ]
    return float(np.asarray(samples.duration_s)[np.isin(samples.stage, chosen)].sum())
