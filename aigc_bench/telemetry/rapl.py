"""CPU packages and memory through RAPL, the running-average power limit of Intel and AMD, as the kernel's powercap files give it.

``energy_uj`` counts microjoules and wraps at ``max_energy_range_uj`` (kernel, Documentation/power/powercap/powercap.rst): minutes
under load, so that between two readings there is one wrap at most. ``energy_j`` here goes on counting across wraps.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from aigc_bench.core.messages import message
from aigc_bench.core.run_records import SensorStatus
from aigc_bench.telemetry.base import SensorAbsent, Source, Value

_PERMISSION_REMEDY = message("sudo chmod a+r /sys/class/powercap/*/energy_uj")


class Rapl(Source):
    """Energy counters of the CPU packages and what lies below them; devices are ``package-0``, ``package-0/dram`` ..."""

    title = message("CPU energy (RAPL)")
    period_s = 0.1

    def __init__(self, *, powercap: Path = Path("/sys/class/powercap")) -> None:
        self._powercap = powercap
        self._domains: list[_Domain] = []
        self._absent: dict[str, str] = {}

    def open(self) -> None:
        """Open the counters; raises ``SensorAbsent`` with the remedy."""
        # AMD's counters have this name too; `intel-rapl-mmio:*` would be the same packages a second time.
        folders = sorted(self._powercap.glob("intel-rapl:*")) if self._powercap.is_dir() else []
        if not folders:
            raise SensorAbsent(
                message("the kernel offers no RAPL counters (a virtual machine, or intel_rapl_common is not loaded)")
            )
        self._domains, self._absent = [], {}
        for folder in folders:
            name = _name(folder)
            try:
                self._domains.append(_Domain(folder, name))
            # Kernels since 2020 let root alone read it: power traces leak secrets (CVE-2020-8694).
            except PermissionError:
                self._absent[f"energy_j @ {name}"] = message(
                    "readable by root only ({permission_remedy})", permission_remedy=_PERMISSION_REMEDY
                )
            except (OSError, ValueError) as problem:
                self._absent[f"energy_j @ {name}"] = str(problem)
        if not self._domains:
            raise SensorAbsent("; ".join(sorted(set(self._absent.values()))))

    def status(self) -> SensorStatus:
        """The domains that can be read."""
        devices = tuple(domain.name for domain in self._domains)
        return SensorStatus(source="rapl", available=bool(devices), devices=devices, metrics=("energy_j",), absent=self._absent)

    def read(self) -> Sequence[Value]:
        """Joules of each domain."""
        return [Value(domain.name, "energy_j", domain.energy_j()) for domain in self._domains]

    def read_energy(self) -> Sequence[Value]:
        """The same: RAPL has nothing but counters."""
        return self.read()

    def close(self) -> None:
        """Close the counters."""
        for domain in self._domains:
            os.close(domain.file)
        self._domains = []


class _Domain:
    """One counter, kept open."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self._range_uj = int((folder / "max_energy_range_uj").read_text())
        self.file = os.open(folder / "energy_uj", os.O_RDONLY | os.O_CLOEXEC)
        self._last_uj = self._total_uj = int(os.pread(self.file, 64, 0))

    def energy_j(self) -> float | None:
        """Joules, growing across wraps."""
        try:
            now_uj = int(os.pread(self.file, 64, 0))
        except (OSError, ValueError):
            return None
        step_uj = now_uj - self._last_uj
        # The counter takes the values 0 to the range, so that a wrap is the range and one.
        self._total_uj += step_uj if step_uj >= 0 else step_uj + self._range_uj + 1
        self._last_uj = now_uj
        return self._total_uj / 1e6


def _name(folder: Path) -> str:
    """``package-0`` for ``intel-rapl:0``, ``package-0/dram`` for ``intel-rapl:0:1`` below it."""
    name = (folder / "name").read_text().strip() if (folder / "name").exists() else folder.name
    parent = folder.parent / folder.name.rpartition(":")[0]
    return f"{_name(parent)}/{name}" if folder.name.count(":") > 1 and parent.is_dir() else name


source = Rapl()
