"""CPU cores that an accelerator asks of its host: measured where a run with a data pipeline told, else assumed by modality.

Cores load, decode, tokenise, augment and launch. A host with too few of them leaves its accelerators waiting, so an accelerator
counts for no more than the share ``cores there / cores asked``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from aigc_bench.core.records import Estimate
from aigc_bench.plan.records.machine import Capability
from aigc_bench.plan.stats.estimates import assumed

GENERAL = "unverified (general knowledge)"


def _cores(value: float, low: float, high: float, why: str) -> Estimate:
    return assumed(value, low=low, high=high, unit="cores", source=f"{why}; {GENERAL}")


BY_ITEM: Mapping[str, Estimate] = {
    "token": _cores(2, 1, 4, "one core drives the accelerator, another schedules and tokenises"),
    "sequence": _cores(2, 1, 4, "one core drives the accelerator, another tokenises"),
    "image": _cores(4, 1, 12, "images are decoded, resized and encoded on the host"),
    "audio-second": _cores(3, 1, 8, "sound is decoded and resampled on the host"),
    "video-second": _cores(8, 2, 24, "video is decoded and encoded on the host"),
}
"""What an item's modality asks where it was not measured, per busy accelerator."""
OTHERWISE = _cores(2, 1, 8, "one core drives the accelerator, another feeds it")


def cores_asked(capabilities: Iterable[Capability]) -> Estimate | None:
    """Cores per accelerator of the load that asks for most; ``None`` where none asks."""
    asked = [capability.cores_per_device or BY_ITEM.get(capability.item, OTHERWISE) for capability in capabilities]
    return max((one for one in asked if one.low > 0), key=lambda one: one.value, default=None)
