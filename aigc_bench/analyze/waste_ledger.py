"""The waste ledger of a case: where the window's wall time went. Shares add to 1; what no sensor measures is ``None``, not 0.

Losses are taken one after the other, each from what the ones before have left, so that none is counted twice:

    launch gap    no step under way on the device                                1 - device / wall
    data loading  stages that fetch or prepare inputs                            by stage name
    collectives   stages that only communicate                                   by stage name
    idle          a step under way, but no kernel on the device                  1 - utilisation, where a sensor reads it
    throttling    slowed by heat or a brake: share of such readings x clock lost  from throttle reasons and clocks
    padding       work on items that no one requested                             1 - useful share of items
    useful        the rest
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np

from aigc_bench.analyze.rows import CaseAnalysis
from aigc_bench.analyze.sensing import Scene
from aigc_bench.analyze.timing import launch_gap
from aigc_bench.analyze.verdicts import braked_share
from aigc_bench.core.record import Sentence
from aigc_bench.core.records import Record
from aigc_bench.core.throttle import MAX_SPOILED_SHARE, SPOILING

WasteKind = Literal["launch_gap", "data_loading", "collectives", "idle", "throttling", "padding", "useful"]

DATA_STAGES = ("preprocess", "data", "load", "fetch", "dataloader")
COLLECTIVE_STAGES = ("all_reduce", "all_gather", "reduce_scatter", "all_to_all", "collective", "communicat")


class WasteShare(Record):
    """One line of a ledger: a share of the window's wall time, and that in seconds; ``None`` with the reason where unknown."""

    kind: WasteKind
    share: float | None
    duration_s: float | None
    reason: Sentence | None = None


class WasteLedger(Record):
    """Where the wall time of a case's median trial went. The known shares add to 1."""

    case: str
    wall_s: float
    shares: tuple[WasteShare, ...]

    def share(self, kind: WasteKind) -> float | None:
        """The share of one kind, ``None`` where it is unknown."""
        return next(line.share for line in self.shares if line.kind == kind)


def ledger_of(analysis: CaseAnalysis) -> WasteLedger | None:
    """The ledger of the trial whose speed is the median one (the lower of two); ``None`` without finished trials."""
    if not analysis.scenes:
        return None
    order = sorted(analysis.scenes, key=lambda scene: scene.window.num_steps / scene.window.wall_s)
    scene = order[(len(order) - 1) // 2]
    return WasteLedger(case=analysis.case.id, wall_s=scene.window.wall_s, shares=tuple(_lines(scene)))


def _lines(scene: Scene) -> Iterator[WasteShare]:
    losses: tuple[tuple[WasteKind, float | None, str | None], ...] = (
        ("launch_gap", launch_gap(scene.trial), None),
        ("data_loading", _stage_fraction(scene, names=DATA_STAGES), None),
        ("collectives", _stage_fraction(scene, names=COLLECTIVE_STAGES), None),
        ("idle", *_idle(scene)),
        ("throttling", *_throttling(scene)),
        ("padding", 1.0 - scene.trial.work.useful_fraction if scene.trial.work else 0.0, None),
    )
    left = 1.0
    of_stages = left
    for kind, fraction, reason in losses:
        if fraction is None:
            yield WasteShare(kind=kind, share=None, duration_s=None, reason=reason)
            continue
        # A share of all stage time, like data loading before it: both are taken of the same base.
        base = of_stages if kind == "collectives" else left
        # Sensors and clocks err: no loss may take more than is left.
        share = min(left, base * max(fraction, 0.0))
        left -= share
        of_stages = left if kind == "launch_gap" else of_stages
        yield WasteShare(kind=kind, share=share, duration_s=share * scene.window.wall_s)
    yield WasteShare(kind="useful", share=left, duration_s=left * scene.window.wall_s)


def _stage_fraction(scene: Scene, *, names: tuple[str, ...]) -> float:
    """Share of all stage time that went to stages whose name begins with one of ``names``."""
    work, samples = scene.trial.work, scene.trial.samples
    if work is None or samples is None or not samples.duration_s:
        return 0.0
    chosen = [index for index, stage in enumerate(work.stages) if stage.name.startswith(names)]
    duration = np.asarray(samples.duration_s)
    total = float(duration.sum())
    return float(duration[np.isin(samples.stage, chosen)].sum()) / total if total > 0 else 0.0


def _idle(scene: Scene) -> tuple[float | None, str | None]:
    """Share of the device time in which no kernel ran, mean over the devices that the trial used."""
    if not scene.uses_accelerator:
        return None, "no_accelerator"
    busy = [scene.accelerator(device, "gpu_utilization").value for device in scene.devices]
    if any(values.size == 0 for values in busy):
        return None, "no_utilization_sensor"
    covered = 1.0 - (launch_gap(scene.trial) or 0.0)
    mean = sum(float(values.mean()) for values in busy) / len(busy)
    # The sensor's share is of wall time, and the launch gap has been taken off already.
    return (1.0 - min(1.0, mean / covered) if covered > 0 else 0.0), None


def _throttling(scene: Scene) -> tuple[float | None, str | None]:
    """Return the share of speed lost to throttling: over throttled readings, the clock below the highest one of the run."""
    if not scene.uses_accelerator:
        return None, "no_accelerator"
    if braked_share(scene) <= MAX_SPOILED_SHARE:
        known = all(len(scene.accelerator(device, "throttle_reasons")) for device in scene.devices)
        return (0.0, None) if known else (None, "throttle_unknown")
    lost = [_clock_lost(scene, device) for device in scene.devices]
    if any(share is None for share in lost):
        return None, "no_clock_sensor"
    return max(share for share in lost if share is not None), None


def _clock_lost(scene: Scene, device: str) -> float | None:
    masks = scene.accelerator(device, "throttle_reasons")
    clock, ever = scene.accelerator(device, "sm_clock_hz"), scene.readings.accelerator(device, "sm_clock_hz")
    if not len(clock) or not len(masks):
        return None
    braked = (masks.value.astype(np.int64) & SPOILING) != 0
    # Clock and reasons may be read at different moments.
    at_mask = np.interp(masks.time_s, clock.time_s, clock.value)
    return float(np.where(braked, 1.0 - at_mask / float(ever.value.max()), 0.0).mean())
