"""A third party's backend: the CPU posing as two devices, so that data parallelism runs for real, over gloo."""

from aigc_bench.accelerators.cpu import CpuBackend
from aigc_bench.core.records import Case


class CpuPair(CpuBackend):
    """Two ranks on one CPU."""

    title = "Two CPUs"

    def num_devices(self) -> int:
        return 2

    def unsupported(self, case: Case) -> str | None:
        return None if case.devices <= 2 else f"devices = {case.devices}, but there are 2"


backend = CpuPair()
