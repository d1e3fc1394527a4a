"""CPU cores that an accelerator needs of its host: measured by a run with a data pipeline, else assumed by modality.

Cores load, decode, tokenise, augment and launch. A host with too few of them stalls its accelerators, so an accelerator
counts for no more than the share ``cores available / cores needed``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from aigc_bench.core.messages import message
from aigc_bench.core.records import Estimate
from aigc_bench.plan.records.machine import Capability
from aigc_bench.plan.stats.estimates import assumed

GENERAL = message("unverified (general knowledge)")


def _cores(value: float, low: float, high: float, why: str) -> Estimate:
    return assumed(value, low=low, high=high, unit="cores", source=message("{of}; {general}", of=why, general=GENERAL))


BY_ITEM: Mapping[str, Estimate] = {
    "token": _cores(2, 1, 4, message("one core drives the accelerator, another schedules and tokenises")),
    "sequence": _cores(2, 1, 4, message("one core drives the accelerator, another tokenises")),
    "image": _cores(4, 1, 12, message("images are decoded, resized and encoded on the host")),
    "audio-second": _cores(3, 1, 8, message("sound is decoded and resampled on the host")),
    "video-second": _cores(8, 2, 24, message("video is decoded and encoded on the host")),
}
"""Cores per busy accelerator by item, where they were not measured."""
OTHERWISE = _cores(2, 1, 8, message("one core drives the accelerator, another feeds it"))


def cores_needed(capabilities: Iterable[Capability]) -> Estimate | None:
    """Return the cores per accelerator of the load that needs most; ``None`` where none needs any."""
    needed = [capability.cores_per_device or BY_ITEM.get(capability.item, OTHERWISE) for capability in capabilities]
    # The most demanding load counts and not the sum: an accelerator works for one load at a time.
    return max((one for one in needed if one.low > 0), key=lambda one: one.value, default=None)
