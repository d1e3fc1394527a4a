"""The dense peak of a host processor, which no catalogue can know: threads x clock x FLOPs a cycle of its widest vector unit.

It is an upper bound: two fused multiply-add pipes of full width, every thread on a core of its own at the highest clock. Real
processors have less (Zen 4 splits its 512-bit products, hyperthreads share their pipes), so an MFU against it is a lower bound, and
an MFU above 1 means that the FLOPs are counted wrong.
"""

from __future__ import annotations

from collections.abc import Mapping

from aigc_bench.core.records import Case, Precision
from aigc_bench.core.run_records import System

ASSUMED_CLOCK_HZ = 4.2e9
"""Where the kernel states no highest clock, as in most virtual machines (``cpu MHz`` is the base clock there): just above the
boost clocks of server processors of 2019-2026, 3.5 GHz (EPYC 7763) to 4.1 GHz (EPYC 9755), of AMD's and Intel's product pages."""

FLOPS_PER_CYCLE: Mapping[Precision, Mapping[str, int]] = {
    "fp32": {"avx512f": 64, "sve": 64, "avx2": 32, "asimd": 32},
    "bf16": {"amx_bf16": 1024, "avx512_bf16": 128, "bf16": 128},
    "fp16": {"amx_fp16": 1024, "avx512_fp16": 128, "asimdhp": 64},
}
"""FLOPs a cycle and core by instruction set, widest first, a multiplication and an addition counting two. Two 512-bit pipes of 16
fp32 lanes give 64, two of 256 bits or Arm's four of 128 bits 32, A64FX's two of 512 bits 64; a 16-bit dot product doubles it. A
tile of AMX takes 16 x 16 x 32 products in 16 cycles. Sources: Intel 64 and IA-32 Optimization Reference Manual (2024); AMD Software
Optimization Guide for the Zen 5 Microarchitecture (2024); Arm Neoverse V1 and V2 Software Optimization Guides (2021, 2022)."""


def cpu_peak_flops_per_s(case: Case, system: System, *, threads: int | None = None) -> tuple[float | None, bool]:
    """(dense peak of the case's threads in FLOP/s, whether its clock is assumed); ``None`` where the instructions are not known.

    ``threads`` is the number that the trial used; at most the usable cores count.
    """
    features = str(system.details.get("cpu_features") or "").split()
    widths = FLOPS_PER_CYCLE.get(case.precision, {})
    per_cycle = next((flops for name, flops in widths.items() if name in features), None)
    clock_hz = system.details.get("cpu_clock_max_hz")
    # Some virtual machines state a clock of 0.
    is_assumed = not isinstance(clock_hz, int | float) or not clock_hz > 0
    if per_cycle is None:
        return None, is_assumed
    requested = next((count for count in (threads, case.threads) if count is not None and count > 0), system.num_usable_cores)
    # A quota may be a fraction of a core, and below one still runs a thread.
    cores = min(requested, max(1.0, system.num_usable_cores))
    return cores * float(ASSUMED_CLOCK_HZ if is_assumed else clock_hz or 0) * per_cycle, is_assumed
