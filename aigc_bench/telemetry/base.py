"""What a sensor source is: opened once in the sampler's process, read at a fixed period, never in the hot path."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from aigc_bench.core.run_records import SensorStatus


class SensorAbsent(Exception):
    """The source cannot be read here; the message says why, for ``doctor`` and the report."""


class Value(NamedTuple):
    """One sensor value; ``None`` where the device did not answer this time."""

    device: str
    metric: str
    value: float | None


class Source(ABC):
    """One family of sensors. Metric names carry their unit: ``power_w``, ``energy_j``, ``temperature_c``."""

    title: ClassVar[str]
    period_s: ClassVar[float]
    slow_period_s: ClassVar[float] = 5.0
    """How often ``read_slow`` is called."""
    power_period_s: ClassVar[float] = 0.1
    """Mean time between two ``read_power`` where ``read_energy`` checks it."""
    lone_power_period_s: ClassVar[float] = 0.01
    """The same where a device has no energy counter, so that the integral of power is all there is."""

    def choose(self, devices: Sequence[str]) -> None:
        """Read these accelerators alone from the next ``open`` on, all where none is named; sources of the host read it anyway."""

    @abstractmethod
    def open(self) -> None:
        """Acquire handles; raises ``SensorAbsent``."""

    @abstractmethod
    def status(self) -> SensorStatus:
        """What was found: devices, metrics, and the metrics that are absent with the reason. Valid after ``open``."""

    @abstractmethod
    def read(self) -> Sequence[Value]:
        """All values now. A sensor that fails gives ``None``; a source that is gone raises ``SensorAbsent``."""

    def read_slow(self) -> Sequence[Value]:
        """Values that change rarely or cost much to read: link widths, limits, the processes on a device."""
        return ()

    def read_power(self) -> Sequence[Value]:
        """Return the present watts of the devices that report them; read at random moments, never in step with a load."""
        return ()

    def has_lone_power(self) -> bool:
        """Whether a device reports its power and has no energy counter. Valid after ``open``."""
        return False

    def read_energy(self) -> Sequence[Value]:
        """The energy counters alone, for the moment just before and after a window."""
        return ()

    def watch(self, pid: int | None) -> None:
        """Follow this worker process from now on (its CPU and RSS); ``None`` to follow none."""

    def close(self) -> None:
        """Release the handles."""
