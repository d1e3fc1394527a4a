"""The in-run gate: was a device throttled by heat or a power brake while a window ran? Read from the sampler's spool.

It queries throttle *reasons*, not clocks: an idle device clocks low in perfect health. Thermal slow-down or a hardware brake
in more than ``MAX_SPOILED_SHARE`` of a window spoils it; the trial is run once more after the device has cooled.
"""

from __future__ import annotations

import contextlib
import math
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from aigc_bench.core.records import TrialResult
from aigc_bench.core.throttle import MAX_SPOILED_SHARE, SPOILING


def readings(spool: Path, *, offset: int, metric: str) -> Iterator[tuple[float, str, float]]:
    """``(time_s, device, value)`` of one metric, from a byte offset of the spool on.

    A line that is still being written has no end yet; it and anything that is not a number are skipped.
    """
    if not spool.is_file():
        return
    with spool.open("rb") as file:
        file.seek(offset)
        for line in file:
            fields = line.decode(errors="replace").rstrip("\n").split(",")
            if len(fields) != 5 or fields[3] != metric or not line.endswith(b"\n"):
                continue
            with contextlib.suppress(ValueError):
                time_s, value = float(fields[0]), float(fields[4])
                if math.isfinite(value):
                    yield time_s, fields[2], value


def throttled_fraction(spool: Path, *, offset: int, trial: TrialResult, devices: Sequence[str] | None = None) -> float:
    """Largest share, over the devices, of readings within the trial's window that name heat or a brake; 0 without readings.

    ``devices`` are the trial's own unless others are named: of an instance of MIG the whole GPU reports them.
    """
    judged = trial.devices if devices is None else devices
    if trial.window is None:
        return 0.0
    hits: defaultdict[str, list[bool]] = defaultdict(list)
    for time_s, device, value in readings(spool, offset=offset, metric="throttle_reasons"):
        if trial.window.start_s <= time_s <= trial.window.end_s and _counts(device, judged):
            hits[device].append(bool(int(value) & SPOILING))
    return max((sum(seen) / len(seen) for seen in hits.values()), default=0.0)


def is_spoiled(spool: Path, *, offset: int, trial: TrialResult, devices: Sequence[str] | None = None) -> bool:
    """Whether the trial's window was held back for longer than is tolerated."""
    return throttled_fraction(spool, offset=offset, trial=trial, devices=devices) > MAX_SPOILED_SHARE


def temperatures(spool: Path, *, offset: int = 0) -> dict[str, float]:
    """The last temperature of each device, in degrees Celsius."""
    return {device: value for _, device, value in readings(spool, offset=offset, metric="temperature_c")}


def _counts(device: str, devices: Collection[str]) -> bool:
    """Return whether a device judges the trial; every device judges a trial on the host alone, as throttling is the machine's."""
    return device in devices or set(devices) <= {"host"}
