"""Name the keys of an option's steps, and of the demand and rules that they use."""

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
    """Hold an option that is explained below the key ``at``."""

    trail: Trail
    option: Option
    demand: Demand
    rules: Rules
    at: str

    def key(self, *parts: object) -> str:
        """Return a key of the option: ``key("factors", "power", "required")``."""
        return ".".join((self.at, *map(str, parts)))

    def load(self, name: str, field: str) -> str:
        """Return a key of a load."""
        return self.key("loads", name, field)

    def capability(self, name: str, *field: str) -> str:
        """Return a key of the machine's capability for a load."""
        return self.key("machine", "capabilities", name, *field)

    def demanded(self, name: str, *fields: str) -> list[str]:
        """Return keys of a service or job in the demand."""
        kind = "services" if self.is_service(name) else "jobs"
        return [f"demand.{kind}.{name}.{field}" for field in fields]

    def is_service(self, name: str) -> bool:
        """Return whether a load is a service; else it is a job."""
        return any(service.name == name for service in self.demand.services)

    @property
    def site(self) -> Site:
        """Return the site whose limits apply to the option."""
        option = self.option
        return self.demand.site if option.machine is None else site_for(option.kind, option.machine, self.demand)

    def limit(self, field: str) -> str:
        """Return the key of a limit of that site; a colocation has one limit for power and heat of a rack."""
        option = self.option
        if option.kind == "colocated" and option.machine is not None and field in ("rack_power_w", "rack_cooling_w"):
            field = density_of(option.machine)
        return f"demand.{table_of(option.kind)}.{field}"

    @property
    def busy(self) -> list[Load]:
        """Return the loads that are not zero."""
        return [load for load in self.option.loads if load.busy_machines.value > 0]

    def busy_keys(self, field: str, *, services: bool, among: tuple[str, ...] | None = None) -> list[str]:
        """Return a key of every service (or job) with a load, optionally only of those ``among`` some names."""
        names = [load.name for load in self.busy if among is None or load.name in among]
        return [self.load(name, field) for name in names if self.is_service(name) is services]

    def mean_busy(self, of: Inputs) -> str:
        """Return the sum of mean busy machines of all loads."""
        return of.plus(self.load(load.name, "mean_machines") for load in self.option.loads)
