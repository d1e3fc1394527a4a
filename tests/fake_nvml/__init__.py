"""A fake GPU below the real pynvml: ``nvml.c`` built with cc, and the truth of its trace to compare with.

Two ways to use it::

    fake = FakeNvml.build(tmp_path, FakeGpu(power_w=square(low=100, high=300, period_s=0.1, duration_s=60)))
    subprocess.run([...], env={**os.environ, **fake.env})          # real time: t = 0 is when it was built
    fake.energy_j(start_s, end_s), fake.power_w(start_s, end_s)     # truth of a window given in Unix seconds of the run's clock

    with simulated(fake) as set_time_s:                             # this process, simulated time
        set_time_s(12.5)

Keys of a trace (``time_s,device,key,value``), a metric's own name where it has one:

- ``power_w``, ``power_shape`` (``linear``), ``power_instant_w`` and ``power_average_w`` (else from power_w), ``power_limit_w``,
  ``power_limit_default_w``
- ``energy_j`` (else the integral), ``energy_refresh_s``, ``energy_wrap_j``, ``energy_scale``, ``energy_offset_j``
- ``gpu_utilization``, ``memory_controller_utilization``, ``memory_bytes``, ``memory_used_bytes``, ``temperature_c``,
  ``temperature_slowdown_c``, ``sm_clock_hz``, ``sm_clock_max_hz``, ``memory_clock_hz``, ``memory_clock_max_hz``
- ``throttle_reasons``, ``throttle_supported``, ``pcie_generation``, ``pcie_width`` (each also with ``_max``), ``persistence``,
  ``ecc``, ``ecc_uncorrected``, ``mig``, ``mig_parent``, ``vbios``, ``compute_capability``, ``nvlinks``, ``pids`` (``12 34``)
- ``lost`` (1: off the bus), ``fail.KEY`` (``3 999``: the third call ends with 999); of device ``*``: ``driver``, ``nvml``,
  ``cuda``, ``count`` (how many devices it says there are)

Switches of the environment: ``FAKE_NVML_INIT=18`` (nvmlInit ends with 18), ``FAKE_NVML_REFUSE=3`` (every query of a device ends
with 3, but for its name and UUID), ``FAKE_NVML_REFUSE_NAMES=3`` (these two).
"""

from __future__ import annotations

import ctypes
import functools
import os
import shutil
import subprocess
import tempfile
import time
from _ctypes import dlclose
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

Series = Sequence[tuple[float, float | str]]
"""Points ``(time_s, value)``: a value holds from its time on."""

UNSUPPORTED: Series = ((0.0, "unsupported"),)

_IDLE_A100: Mapping[str, float | str] = {
    "memory_bytes": 85_899_345_920,
    "memory_used_bytes": 2_000_000_000,
    "gpu_utilization": 0.75,
    "memory_controller_utilization": 0.4,
    "temperature_c": 41,
    "temperature_slowdown_c": 89,
    "sm_clock_hz": 1.41e9,
    "sm_clock_max_hz": 1.41e9,
    "memory_clock_hz": 1.593e9,
    "memory_clock_max_hz": 1.593e9,
    "throttle_reasons": 0,
    "throttle_supported": 0x1FF,
    "pcie_generation": 4,
    "pcie_generation_max": 4,
    "pcie_width": 16,
    "pcie_width_max": 16,
    "power_limit_w": 400,
    "power_limit_default_w": 400,
    "persistence": 1,
    "ecc": 1,
    "ecc_uncorrected": 0,
    "mig": 0,
    "vbios": "92.00.36.00.01",
    "compute_capability": "8.0",
    "nvlinks": 12,
    "pids": "none",
}


@dataclass(frozen=True, kw_only=True)
class FakeGpu:
    """One device. ``power_w`` is the truth, held between its points or ``linear``; ``series`` sets any other key of the trace."""

    name: str = "NVIDIA A100-SXM4-80GB"
    uuid: str = "GPU-00000000-0000-0000-0000-000000000000"
    power_w: Sequence[tuple[float, float]] = ((0.0, 250.0),)
    linear: bool = False
    series: Mapping[str, Series | float | str] = field(default_factory=dict)

    def energy_j(self, start_s: float, end_s: float) -> float:
        """Exact integral of the power from ``start_s`` to ``end_s`` of the trace."""
        return self._joules(end_s) - self._joules(start_s)

    def _joules(self, time_s: float) -> float:
        first_s, first_w = self.power_w[0]
        if time_s <= first_s:
            return first_w * (time_s - first_s)
        total = 0.0
        for (a_s, a_w), (b_s, b_w) in pairwise([*self.power_w, (float("inf"), self.power_w[-1][1])]):
            until_s = min(b_s, time_s)
            slope = (b_w - a_w) / (b_s - a_s) if self.linear else 0.0
            total += (a_w + slope * (until_s - a_s) / 2) * (until_s - a_s)
            if time_s <= b_s:
                break
        return total

    def lines(self, index: int) -> Iterator[str]:
        """The trace lines of this device."""
        keys = {**_IDLE_A100, "name": self.name, "uuid": self.uuid, "power_w": self.power_w, **self.series}
        if self.linear:
            keys["power_shape"] = "linear"
        for key, series in keys.items():
            points = ((0.0, series),) if isinstance(series, int | float | str) else series
            yield from (f"{time_s!r},{index},{key},{value}" for time_s, value in points)


@dataclass(frozen=True, kw_only=True)
class FakeNvml:
    """A built library with its trace. ``env`` makes a child process see it; ``started_s`` is trace time 0 in Unix seconds."""

    gpus: tuple[FakeGpu, ...]
    trace: Path
    env: Mapping[str, str]
    started_s: float

    @classmethod
    def build(
        cls, folder: Path, *gpus: FakeGpu, driver: str = "570.86.15", cuda: int = 12080, more: Sequence[str] = ()
    ) -> FakeNvml:
        """Write the trace of ``gpus`` and ``more`` lines of it into ``folder``; trace time 0 is now."""
        trace = folder / "nvml_trace.csv"
        lines = ["time_s,device,key,value", f"0,*,driver,{driver}", f"0,*,nvml,12.{driver}", f"0,*,cuda,{cuda}"]
        for index, gpu in enumerate(gpus):
            lines += gpu.lines(index)
        trace.write_text("\n".join([*lines, *more]) + "\n", encoding="utf-8", errors="surrogateescape")
        return cls.replay(trace, gpus=gpus)

    @classmethod
    def replay(cls, trace: Path, *, gpus: tuple[FakeGpu, ...] = ()) -> FakeNvml:
        """A fake that plays an existing trace, recorded or written; trace time 0 is now."""
        monotonic_s, unix_s = time.monotonic(), time.time()
        env = {
            "LD_LIBRARY_PATH": os.pathsep.join(filter(None, [str(library().parent), os.environ.get("LD_LIBRARY_PATH")])),
            "FAKE_NVML_TRACE": str(trace),
            "FAKE_NVML_T0": repr(monotonic_s),
        }
        return cls(gpus=gpus, trace=trace, env=env, started_s=unix_s)

    def energy_j(self, start_s: float, end_s: float, *, device: int = 0) -> float:
        """True energy of a device over a window in Unix seconds."""
        return self.gpus[device].energy_j(start_s - self.started_s, end_s - self.started_s)

    def power_w(self, start_s: float, end_s: float, *, device: int = 0) -> float:
        """True mean power of a device over a window in Unix seconds."""
        return self.energy_j(start_s, end_s, device=device) / (end_s - start_s)


@functools.cache
def library() -> Path:
    """The compiled ``libnvidia-ml.so.1``, built once per process. Skips the test where there is no C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        import pytest

        pytest.skip("no C compiler to build the fake NVML with")
    path = Path(_folder().name) / "libnvidia-ml.so.1"
    source = Path(__file__).with_name("nvml.c")
    options = ["-shared", "-fPIC", "-O2", "-std=gnu11", f"-Wl,-soname,{path.name}"]
    subprocess.run([compiler, *options, "-o", str(path), str(source), "-lm"], check=True)
    return path


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="fake_nvml_")


@contextmanager
def simulated(fake: FakeNvml) -> Iterator[Callable[[float], None]]:
    """Let pynvml of *this* process see the fake, in simulated time that starts at 0; yields the setter of the time."""
    import pynvml

    loaded = ctypes.CDLL(str(library()))
    loaded.fake_nvml_set_time.argtypes = [ctypes.c_double]
    before = {key: os.environ.get(key) for key in fake.env}
    os.environ.update(fake.env)
    pynvml.nvmlLib = None
    pynvml._nvmlGetFunctionPointer_cache.clear()
    loaded.fake_nvml_set_time(0.0)
    try:
        yield loaded.fake_nvml_set_time
    finally:
        loaded.fake_nvml_set_time(-1.0)
        if pynvml.nvmlLib is not None:
            dlclose(pynvml.nvmlLib._handle)
        pynvml.nvmlLib = None
        pynvml._nvmlGetFunctionPointer_cache.clear()
        dlclose(loaded._handle)
        for key, value in before.items():
            if value is None:
                os.environ.pop(key, None)
            else:
                os.environ[key] = value


def square(*, low: float, high: float, period_s: float, duration_s: float, duty: float = 0.5) -> list[tuple[float, float]]:
    """A square wave that is ``high`` for the first ``duty`` of each period, until ``duration_s``."""
    num_periods = int(duration_s / period_s) + 1
    return [point for i in range(num_periods) for point in ((i * period_s, high), ((i + duty) * period_s, low))]
