"""Whether torch can use the devices that a run's cases need: asked once before the run, not found out by every trial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from aigc_bench.core.errors import AigcBenchError
from aigc_bench.core.messages import message
from aigc_bench.core.records import Case
from aigc_bench.core.run_records import System
from aigc_bench.measure.attempts import is_forked
from aigc_bench.measure.device_names import named_as_listed, with_parents
from aigc_bench.measure.torch_survey import SurveyedBackend, survey


@dataclass(frozen=True, kw_only=True)
class Readiness:
    """The backends that cases need and torch cannot use; of those that it can, versions of libraries and UUIDs of devices."""

    absent: Mapping[str, SurveyedBackend] = field(default_factory=lambda: MappingProxyType({}))
    software: Mapping[str, str | None] = field(default_factory=lambda: MappingProxyType({}))
    visible: tuple[str, ...] = ()

    @classmethod
    def of(cls, cases: Sequence[Case]) -> Readiness:
        """Ask torch about the backends of the cases; a CPU is always there, and nothing is asked of it.

        Raises ``NoTorch`` where torch cannot be imported.
        """
        backends = list(dict.fromkeys(case.backend for case in cases if not is_forked(case)))
        if not backends:
            return cls()
        found = survey(backends)
        absent = {name: backend for name, backend in found.backends.items() if backend.absence is not None}
        visible = tuple(device for backend in found.backends.values() for device in backend.device_ids)
        return cls(absent=absent, software=found.software, visible=visible)

    @property
    def problems(self) -> tuple[tuple[str, str | None], ...]:
        """One line for each backend that is absent, with its remedy."""
        return tuple(
            (message("{backend}: {reason}", backend=name, reason=found.absence), found.remedy)
            for name, found in self.absent.items()
        )

    def require_any(self, cases: Sequence[Case]) -> None:
        """Raise ``AigcBenchError`` where every case needs a device that torch cannot use: nothing would be measured."""
        if not cases or any(case.backend not in self.absent for case in cases):
            return
        lines, remedies = zip(*self.problems, strict=True)
        raise AigcBenchError(
            message("torch can use no device that these cases need ({reasons}).", reasons="; ".join(lines)), remedies[0]
        )

    def telemetry_devices(self, system: System) -> tuple[str, ...]:
        """The accelerators whose sensors are read: those that torch sees and the GPUs they are instances of; none stands for all.

        A run on the CPU alone reads all: any of them may disturb it.
        """
        listed = {device.uuid for device in system.accelerators}
        seen = named_as_listed(self.visible, system.accelerators)
        # A name that the driver does not list would read nothing.
        return with_parents(seen, system.accelerators) if seen and listed.issuperset(seen) else ()

    def completed(self, system: System) -> System:
        """The fingerprint with the versions of the devices' libraries."""
        return system.model_copy(update={"software": {**system.software, **self.software}})
