"""What NVML answered, as a trace file: ``time_s,device,key,value``, seconds from the first reading, a line for each change.

The fake device of the tests replays such a file, so that a user's odd GPU becomes a test. Devices are numbered in the driver's
order; a metric that the device does not offer is ``unsupported``, a reading that failed is ``error:CODE`` with NVML's code (15: the
GPU is lost).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from aigc_bench.core.run_records import SensorStatus
from aigc_bench.telemetry._nvml_facts import GpuFacts, describe
from aigc_bench.telemetry.base import Value
from aigc_bench.telemetry.nvml import Nvml

HEADER = "time_s,device,key,value"
_SAMPLED_ELSEWHERE = frozenset({"num_processes", "num_foreign_processes"})


class TraceWriter:
    """Writes a trace while the sampler reads; NVML must be open."""

    def __init__(self, path: str | Path, *, source: Nvml) -> None:
        driver, gpus = describe()
        self._source = source
        status = source.status()
        self._numbers = {gpu.uuid: number for number, gpu in enumerate(gpus)}
        self._averaged = {gpu.uuid for gpu in gpus if "power_instant_w" in _absent_metrics(status, gpu.uuid)}
        self._last: dict[tuple[str, str], float | None] = {}
        self._start_ns: int | None = None
        # Line-buffered: a sampler that is killed leaves whole lines.
        self._file = Path(path).open("w", buffering=1)  # noqa: SIM115 - open as long as the sampler runs
        lines = [HEADER, *(f"0,*,{key},{value}" for key, value in driver.items() if value is not None)]
        for number, gpu in enumerate(gpus):
            lines += self._identity(number, gpu)
            lines += (f"0,{number},{metric},unsupported" for metric in _absent_metrics(status, gpu.uuid))
        self._file.write("\n".join(lines) + "\n")

    def _identity(self, number: int, gpu: GpuFacts) -> Iterator[str]:
        yield f"0,{number},name,{gpu.name}"
        yield f"0,{number},uuid,{gpu.uuid}"
        if gpu.parent in self._numbers:
            yield f"0,{number},mig_parent,{self._numbers[gpu.parent]}"
        for key, value in gpu.trace_keys().items():
            yield f"0,{number},{key},{int(value) if isinstance(value, bool) else value}"

    def write(self, monotonic_ns: int, values: Iterable[Value]) -> None:
        """Add the values that differ from the last written ones."""
        if self._start_ns is None:
            self._start_ns = monotonic_ns
        moment = f"{(monotonic_ns - self._start_ns) * 1e-9:.6f}"
        for device, metric, value in values:
            # -1 stands for "not yet written": no sensor reports it, and None is a value (a failed reading).
            if metric in _SAMPLED_ELSEWHERE or self._last.get((device, metric), -1.0) == value or device not in self._numbers:
                continue
            self._last[device, metric] = value
            text = repr(value) if value is not None else f"error:{self._source.failure_code(device, metric) or 999}"
            # On a device without instant power the one reading is the average, and the replay offers both calls.
            keys = (metric, "power_average_w") if metric == "power_w" and device in self._averaged else (metric,)
            self._file.writelines(f"{moment},{self._numbers[device]},{key},{text}\n" for key in keys)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _absent_metrics(status: SensorStatus, uuid: str) -> Iterator[str]:
    """Return the metrics that this device lacks, listed as ``metric`` or ``metric @ device``."""
    for listed in status.absent:
        metric, _, device = listed.partition(" @ ")
        if device in ("", uuid) and metric not in _SAMPLED_ELSEWHERE and " " not in metric:
            yield metric
