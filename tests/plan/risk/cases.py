"""A demand, a machine and options whose every input has an interval; everything changeable by keyword."""

from __future__ import annotations

from typing import Any

from aigc_bench.core.records import Estimate
from aigc_bench.plan.demand.arrival_rates import from_users
from aigc_bench.plan.money.offers import Offer
from aigc_bench.plan.options.assemble import Procurement, make_option
from aigc_bench.plan.records.demand import Demand, Finance, Growth, Job, Service, Site, Slo
from aigc_bench.plan.records.machine import Capability, Load, Machine
from aigc_bench.plan.records.plan import Option
from aigc_bench.plan.records.rules import Rules
from aigc_bench.plan.risk.analysis import context_of
from aigc_bench.plan.risk.scenarios import Drifts, ScenarioContext
from aigc_bench.plan.sizing.fleets import job_load, service_load
from aigc_bench.plan.stats.estimates import estimate
from tests.plan.build import make_capability, make_demand, make_job, make_machine, make_rules, make_service, make_site


def about(value: float, unit: str, *, down: float = 0.8, up: float = 1.3) -> Estimate:
    """An uncertain figure with an asymmetric interval."""
    return estimate(value, low=value * down, high=value * up, unit=unit, basis="assumed", source="test")


DRIFTS = Drifts(rent=about(0.5, "1/sqrt(year)"), api=about(0.4, "1/sqrt(year)"), output_over_input=4.0)


def uncertain_service(**changes: Any) -> Service:
    """1,000 users with 100 tokens each, all of it uncertain; the SLO is 10 s, a request without queueing takes 2 s."""
    arrival = from_users(
        users=about(1000.0, "users"),
        active_share=about(0.05, "fraction", down=0.6, up=1.6),
        requests_per_minute=about(1.0, "request/min"),
        peak_factor=about(2.0, "ratio", down=0.7, up=1.4),
        duty=about(0.25, "fraction"),
    )
    plain: dict[str, Any] = {"arrival": arrival, "items_per_request": about(100.0, "tokens/request"), "slo": Slo(latency_s=10.0)}
    return make_service(**{**plain, **changes})


def uncertain_job(**changes: Any) -> Job:
    """A training every night."""
    return make_job(**{"items": about(1_440_000.0, "tokens"), **changes})


def uncertain_site() -> Site:
    """Electricity, PUE and a demand charge."""
    return make_site(
        electricity_usd_per_kwh=about(0.2, "USD/kWh", down=0.5, up=1.9),
        pue=about(1.5, "ratio", down=0.85, up=1.25),
        demand_charge_usd_per_kw_month=about(12.0, "USD/kW-month"),
    )


def uncertain_finance() -> Finance:
    """Three years with an uncertain residual value."""
    return Finance(
        discount_rate=about(0.08, "fraction"),
        life_years=3.0,
        residual_share=about(0.3, "fraction", down=0.6, up=1.3),
        space_usd_per_kw_month=about(200.0, "USD/kW-month"),
        adders_share=about(0.1, "fraction", down=0.5, up=1.5),
        staff_usd_per_year=about(9000.0, "usd/year"),
    )


def uncertain_demand(**changes: Any) -> Demand:
    """One service and one job that grow for three years."""
    plain: dict[str, Any] = {
        "services": (uncertain_service(),),
        "jobs": (uncertain_job(),),
        "site": uncertain_site(),
        "finance": uncertain_finance(),
        "growth": Growth(per_year=about(0.3, "fraction", down=0.3, up=2.0), horizon_years=3.0),
    }
    return make_demand(**{**plain, **changes})


def uncertain_rules() -> Rules:
    """Rules of which those that drive sizes are uncertain."""
    return make_rules(
        job_goodput=about(0.9, "fraction", down=0.9, up=1.05),
        target_utilisation=about(0.7, "fraction", down=0.9, up=1.1),
        off_peak_share=about(0.1, "fraction", down=0.5, up=2.0),
    )


def served(**changes: Any) -> Capability:
    """40 tokens/s of a machine that holds one request for 2.5 s."""
    plain: dict[str, Any] = {
        "throughput": about(40.0, "tokens/s"),
        "slots": 1.0,
        "service_s": about(2.5, "s"),
        "step_latency_s": None,
        "items_per_step": None,
        "device_memory_bytes": about(10e9, "B", down=1.0, up=1.06),
        "power_w": None,
    }
    return make_capability(**{**plain, **changes})


def uncertain_machine(**changes: Any) -> Machine:
    """An accelerator's server with uncertain watts and price."""
    capability = served()
    trained = make_capability(mode="train", throughput=about(25.0, "tokens/s"), device_memory_bytes=about(9e9, "B", up=1.06))
    plain: dict[str, Any] = {
        "accelerator": "card",
        "capabilities": (capability, trained),
        "device_memory_bytes": estimate(16e9, unit="B", basis="datasheet", source="test"),
        "devices_per_server": 1,
        "peak_power_w": about(1200.0, "W", down=0.9, up=1.1),
        "full_power_w": about(1000.0, "W", down=0.9, up=1.1),
        "idle_power_w": about(200.0, "W"),
        "price_usd": about(10_000.0, "usd", down=0.75, up=1.4),
    }
    return make_machine(**{**plain, **changes})


def loads_of(demand: Demand, machine: Machine, rules: Rules) -> tuple[Load, ...]:
    """Loads of services and jobs by the machine's two capabilities."""
    by_mode = {one.mode: one for one in machine.capabilities}
    services = [service_load(one, by_mode["infer"], growth=demand.growth) for one in demand.services]
    return (*services, *(job_load(one, by_mode["train"], rules=rules) for one in demand.jobs))


def rent_offer(term: Any = "on_demand") -> Offer:
    """A rented card for $2 an hour."""
    return Offer(
        kind="cloud",
        term=term,
        name="a cloud",
        accelerator="card",
        num_accelerators=1,
        provider="a cloud",
        price=about(2.0, "usd/accelerator-h", down=0.7, up=1.5),
        unit="usd/accelerator-h",
    )


def an_option(demand: Demand | None = None, *, machine: Machine | None = None, offer: Offer | None = None) -> Option:
    """The demand on such machines, shared by its loads; bought unless there is an offer."""
    wanted, owned, rules = demand or uncertain_demand(), machine or uncertain_machine(), uncertain_rules()
    procurement = Procurement(machine=owned, placement="shared", offer=offer)
    return make_option(procurement, loads_of(wanted, owned, rules), demand=wanted, rules=rules)


def a_ground(demand: Demand | None = None, *, num: int = 2048, seed: int = 0) -> ScenarioContext:
    """The scenarios of the demand."""
    return context_of(demand or uncertain_demand(), uncertain_rules(), DRIFTS, num=num, seed=seed)
