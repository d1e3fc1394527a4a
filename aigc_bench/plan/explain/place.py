"""Where the steps of an option are put, and the keys of what lies beside them."""

from __future__ import annotations

from dataclasses import dataclass

from aigc_bench.plan.explain.arithmetic import Inputs
from aigc_bench.plan.explain.step import Trail
from aigc_bench.plan.placement.site_limits import density_of, site_for, table_of
from aigc_bench.plan.records.demand import Demand, Site
from aigc_bench.plan.records.loads import Load
from aigc_bench.plan.records.plan import Option
from aigc_bench.plan.records.rules import Rules

OFF_PEAK = "demand.off_peak_share"


@dataclass(frozen=True, kw_only=True)
class Below:
    """An option that is explained below the key ``at``."""

    trail: Trail
    option: Option
    demand: Demand
    rules: Rules
    at: str

    def key(self, *parts: object) -> str:
        """A key of the option: ``key("factors", "power", "required")``."""
        return ".".join((self.at, *map(str, parts)))

    def load(self, name: str, field: str) -> str:
        """A key of a load."""
        return self.key("loads", name, field)

    def ability(self, name: str, *field: str) -> str:
        """A key of what the machine does for a load."""
        return self.key("machine", "capabilities", name, *field)

    def asked(self, name: str, *fields: str) -> list[str]:
        """Keys of what the demand says of a service or job."""
        kind = "services" if self.is_service(name) else "jobs"
        return [f"demand.{kind}.{name}.{field}" for field in fields]

    def is_service(self, name: str) -> bool:
        """Whether it answers requests; else it is a job."""
        return any(service.name == name for service in self.demand.services)

    @property
    def site(self) -> Site:
        """Whose limits hold for the option."""
        option = self.option
        return self.demand.site if option.machine is None else site_for(option.kind, option.machine, self.demand)

    def limit(self, field: str) -> str:
        """The key of a limit of that site; a colocation has one for power and heat of a rack."""
        option = self.option
        if option.kind == "colocated" and option.machine is not None and field in ("rack_power_w", "rack_cooling_w"):
            field = density_of(option.machine)
        return f"demand.{table_of(option.kind)}.{field}"

    @property
    def busy(self) -> list[Load]:
        """The loads that ask for anything."""
        return [load for load in self.option.loads if load.busy_machines.value > 0]

    def busy_keys(self, field: str, *, services: bool, among: tuple[str, ...] | None = None) -> list[str]:
        """A key of every service (or job) that asks for anything, of a pool's alone where its loads are named."""
        names = [load.name for load in self.busy if among is None or load.name in among]
        return [self.load(name, field) for name in names if self.is_service(name) is services]

    def mean_busy(self, of: Inputs) -> str:
        """The sum of mean busy machines of all loads."""
        return of.plus(self.load(load.name, "mean_machines") for load in self.option.loads)
