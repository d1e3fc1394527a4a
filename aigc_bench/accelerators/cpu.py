"""The host's own processor: always there, no driver, no memory counters of its own; the clock is the host's."""

from __future__ import annotations

import functools
import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from aigc_bench.accelerators.base import Absence, Backend
from aigc_bench.core.control_group import find_cgroup
from aigc_bench.core.messages import message
from aigc_bench.core.records import Case

if TYPE_CHECKING:
    import torch

_NATIVE: dict[str, tuple[str, ...]] = {
    # precision: torch's names (``torch.cpu.get_capabilities``) of the instructions, any of which computes in it (x86, then Arm)
    "bf16": ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16"),
    "fp16": ("avx512_fp16", "amx_fp16", "fp16_arith"),
}


class CpuBackend(Backend):
    """One CPU device, computed on by ``case.threads`` threads (all usable cores unless set).

    A worker may be forked: torch is imported beforehand, but no parallel region has run, so no thread pool is lost.
    """

    title: ClassVar[str] = "CPU"
    is_forkable: ClassVar[bool] = True

    def absence(self) -> Absence | None:
        """Never absent."""
        return None

    def num_devices(self) -> int:
        """One: the host, with all its sockets."""
        return 1

    def unsupported(self, case: Case) -> str | None:
        """Why not: several devices, tf32, or a 16-bit precision that this processor would only emulate."""
        if case.devices > 1:
            return message("the cpu backend is one device; devices = {devices} needs an accelerator", devices=case.devices)
        return precision_reason(case.precision, capabilities=_capabilities())

    def select(self, case: Case, index: int = 0) -> torch.device:
        """Set the threads of one operator and true fp32 products; the device is ``cpu``."""
        import torch

        torch.set_num_threads(case.threads or usable_cores())
        # "medium" would let oneDNN compute fp32 products in bf16.
        torch.set_float32_matmul_precision("highest")
        return torch.device("cpu")

    def device_ids(self, case: Case) -> tuple[str, ...]:
        """``host``, as the host's telemetry calls itself."""
        return ("host",)

    def synchronize(self) -> None:
        """Nothing is queued: a CPU operator has finished when it returns."""

    def event(self) -> int:
        """The host's monotonic clock now, in nanoseconds."""
        return time.perf_counter_ns()

    def wait(self, event: Any) -> None:
        """Already reached."""

    def elapsed_s(self, start: Any, end: Any) -> float:
        """Wall time between two events, in seconds."""
        return float(end - start) / 1e9

    def reset_peak_memory(self) -> None:
        """There is no counter to reset; the host's peak is the worker's own high-water mark."""

    def peak_memory(self) -> tuple[int | None, int | None]:
        """Unknown: torch does not count the memory of its CPU allocator."""
        return None, None

    def is_out_of_memory(self, error: BaseException) -> bool:
        """``MemoryError``, or torch's allocator saying that it could not allocate."""
        if isinstance(error, MemoryError):
            return True
        text = str(error)
        # torch's DefaultCPUAllocator raises a plain RuntimeError; the text is all that tells.
        return isinstance(error, RuntimeError) and ("can't allocate memory" in text or "not enough memory" in text)

    def software(self) -> dict[str, str | None]:
        """The vector instructions that torch's kernels were chosen for, and the version of oneDNN in this torch."""
        import torch

        found = re.search(r"(?:MKL-DNN|oneDNN) v([0-9.]+)", torch.__config__.show())
        return {
            "cpu_capability": torch.backends.cpu.get_cpu_capability(),
            "onednn": found.group(1) if found else None,
        }


backend = CpuBackend()


def precision_reason(precision: str, *, capabilities: Mapping[str, Any]) -> str | None:
    """Why a CPU with these instructions does not compute in ``precision``, or ``None``.

    torch accepts bf16 and fp16 on any CPU and converts to fp32 and back around each operation: such a number would say
    nothing about the precision it is named after (an fp16 matrix product measured 34 times slower than fp32), so it is refused.
    """
    if precision == "tf32":
        return message("tf32 is a tensor-core format of NVIDIA Ampere and later; a CPU does not have it, use fp32")
    needed = _NATIVE.get(precision)
    if needed is None or any(capabilities.get(name) for name in needed):
        return None
    instructions = " or ".join(needed[:2])
    return message(
        "{precision} would be emulated: this CPU has no {instructions} instructions, use fp32",
        precision=precision,
        instructions=instructions,
    )


@functools.cache
def _capabilities() -> Mapping[str, Any]:
    """The processor's instruction sets by torch's names: from torch where it lists them, else from ``/proc/cpuinfo``."""
    import torch

    if hasattr(torch.cpu, "get_capabilities"):
        found: Mapping[str, Any] = torch.cpu.get_capabilities()
        return found
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    # x86 lists "flags", Arm "Features".
    flags = next((line.partition(":")[2].split() for line in lines if line.startswith(("flags", "Features"))), [])
    # The kernel's names on Arm to torch's; on x86 they are the same.
    arm = {"asimdhp": "fp16_arith", "svebf16": "sve_bf16"}
    return {arm.get(flag, flag): True for flag in flags}


def usable_cores(*, proc: Path = Path("/proc"), sys: Path = Path("/sys")) -> int:
    """Cores this process may use: its affinity mask, cut by the CPU quota of its control groups, at least 1."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    group = find_cgroup(proc=proc, sys=sys)
    quota = group.cpu_limit() if group is not None else None
    # Rounded down: a thread more than the quota would be throttled, and every parallel region waits for the slowest thread.
    return cores if quota is None else max(1, min(cores, int(quota)))
