"""Telemetry as arrays: one series per source, device and metric, cut to a window by binary search."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from aigc_bench.measure.store import Run

Floats = NDArray[np.float64]
ACCELERATOR_SOURCES = ("nvml",)
HOST_DEVICES = ("host", "worker")


@dataclass(frozen=True, kw_only=True)
class Series:
    """Readings of one sensor in time order: seconds of the run's clock and SI values; moments without a value are left out."""

    time_s: Floats
    value: Floats

    def between(self, start_s: float, end_s: float) -> Series:
        """The readings within [start, end]."""
        first, last = np.searchsorted(self.time_s, start_s, "left"), np.searchsorted(self.time_s, end_s, "right")
        return Series(time_s=self.time_s[first:last], value=self.value[first:last])

    def around(self, start_s: float, end_s: float) -> Series:
        """The readings within [start, end] and one on either side, where there is one."""
        first, last = np.searchsorted(self.time_s, start_s, "right"), np.searchsorted(self.time_s, end_s, "left")
        # One reading beyond either edge, to interpolate at it.
        chosen = slice(max(0, int(first) - 1), int(last) + 1)
        return Series(time_s=self.time_s[chosen], value=self.value[chosen])

    @classmethod
    def empty(cls) -> Series:
        """The series of a sensor that never answered."""
        return cls(time_s=np.empty(0), value=np.empty(0))

    def __len__(self) -> int:
        return int(self.time_s.size)


@dataclass(frozen=True, kw_only=True)
class Readings:
    """All series of a run."""

    series: Mapping[tuple[str, str, str], Series] = field(default_factory=dict)

    def get(self, source: str, device: str, metric: str) -> Series:
        """The series of that sensor, empty where it never answered."""
        return self.series.get((source, device, metric), Series.empty())

    def of_host(self, metric: str, *, device: str = "host") -> Series:
        """A series of the host source, about the machine or the worker."""
        return self.get("host", device, metric)

    def accelerator(self, device: str, metric: str) -> Series:
        """A series of an accelerator, from whichever source reads that device."""
        return next((self.series[key] for key in self._keys(device) if key[2] == metric), Series.empty())

    def accelerators(self) -> tuple[str, ...]:
        """Devices that an accelerator source reported on, sorted."""
        return tuple(sorted({device for source, device, _ in self.series if source in ACCELERATOR_SOURCES}))

    def packages(self) -> tuple[str, ...]:
        """Energy counters that add up to the host's: CPU packages and their memory. Cores lie inside a package, psys above it."""
        counted = {device for source, device, metric in self.series if source == "rapl" and metric == "energy_j"}
        return tuple(sorted(d for d in counted if d.endswith("/dram") or (d.startswith("package") and "/" not in d)))

    def _keys(self, device: str) -> Iterator[tuple[str, str, str]]:
        return (key for key in self.series if key[1] == device and key[0] in ACCELERATOR_SOURCES)


def readings_of(run: Run) -> Readings:
    """The run's telemetry, split into series once; values that a sensor did not give are dropped, equal values are kept."""
    frame = run.telemetry
    found: dict[tuple[str, str, str], Series] = {}
    if len(frame):
        answered = frame[frame["value"].notna()]
        # observed: of categories pandas would otherwise make every combination.
        for key, part in answered.groupby(["source", "device", "metric"], observed=True, sort=False):
            source, device, metric = (str(name) for name in key)
            found[source, device, metric] = Series(
                time_s=part["time_s"].to_numpy(dtype=np.float64), value=part["value"].to_numpy(dtype=np.float64)
            )
    return Readings(series=found)
