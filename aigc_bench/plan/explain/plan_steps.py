"""Add the numbers that all options of a plan share: the demand as read, growth, the rules, and the risk."""

from __future__ import annotations

from collections.abc import Mapping

from aigc_bench.core.derivation import derivation_of
from aigc_bench.core.messages import message
from aigc_bench.core.records import Estimate, Record
from aigc_bench.core.trail import Trail, slug
from aigc_bench.plan.explain.assumptions import title_of
from aigc_bench.plan.records.demand import Arrival, Colocation, Demand, Site
from aigc_bench.plan.records.plan import Plan
from aigc_bench.plan.risk.counted_risk import FEW_SCENARIOS, SCENARIOS, path_key, scenarios_of
from aigc_bench.plan.risk.ranking import FEW
from aigc_bench.plan.risk.scenarios import NUM_SCENARIOS
from aigc_bench.plan.sizing.fleets import LAST, MEAN, grown, off_peak_share
from aigc_bench.plan.stats.estimates import stated

STATED = message("stated in the demand, or its default")
OFF_PEAK = message("load of the services while jobs run, as a share of their peak")


def add_demand(trail: Trail, plan: Plan) -> None:
    """Add the numbers of demand and rules, under ``demand`` and ``rules``."""
    _add_record(trail, plan.demand, path="demand")
    _add_record(trail, plan.rules, path="rules")
    _add_plain(trail, plan.demand)
    last, mean = grown(plan.demand.growth)
    trail.add("growth.last", LAST, last)
    trail.add("growth.mean", MEAN, mean)
    trail.add("demand.off_peak_share", OFF_PEAK, off_peak_share(plan.demand, rules=plan.rules))


def _add_record(trail: Trail, record: Record, *, path: str) -> None:
    """Add every Estimate below a record, with those that a field holds under names of their own."""
    for name in type(record).model_fields:
        for part, number in _parts(record, name).items():
            trail.add(f"{path}.{slug(part)}", title_of((*path.split("."), part)), number, source=STATED)
        _add_field(trail, getattr(record, name), path=f"{path}.{name}")


def _parts(record: Record, name: str) -> Mapping[str, Estimate]:
    """Return what a computed arrival was computed from, and the site keys that factors bring along."""
    if isinstance(record, Arrival) and name == "peak_requests_per_s":
        return record.parts
    return record.of_factors if isinstance(record, Demand | Site | Colocation) and name == "of_factors" else {}


def _add_field(trail: Trail, value: object, *, path: str) -> None:
    if isinstance(value, Estimate):
        trail.add(path, title_of(tuple(path.split("."))), value, source=STATED)
    elif isinstance(value, Record):
        _add_record(trail, value, path=path)
    elif isinstance(value, tuple):
        for entry in value:
            if isinstance(entry, Record):
                _add_record(trail, entry, path=f"{path}.{getattr(entry, 'name', '?')}")


def _add_plain(trail: Trail, demand: Demand) -> None:
    """Add the plain numbers that formulae take from a demand."""

    def add(key: str, value: float, unit: str) -> None:
        """Add a leaf of the demand, under its own key."""
        path = f"demand.{key}"
        trail.add(path, title_of(tuple(path.split("."))), stated(value, path, unit=unit))

    add("availability", demand.availability, "fraction")
    add("finance.life_years", demand.finance.life_years, "years")
    add("site.rack_height_u", demand.site.rack_height_u, "U")
    add("colocation.rack_height_u", demand.colocation.rack_height_u, "U")
    if demand.growth is not None:
        add("growth.horizon_years", demand.growth.horizon_years, "years")
    for job in demand.jobs:
        add(f"jobs.{job.name}.window_s", job.window_s, "s")
        add(f"jobs.{job.name}.runs_per_day", job.runs_per_day, "run/day")
    add("constraints.confidence", demand.constraints.confidence, "fraction")
    for name in ("budget_usd", "budget_usd_per_year"):
        limit = getattr(demand.constraints, name)
        if limit is not None:
            add(f"constraints.{name}", limit, "usd")


BY_STAGES = {"staged_usd": message("phased purchase"), "at_once_usd": message("all upfront")}


def add_scenarios(trail: Trail, plan: Plan) -> None:
    """Add the number of scenarios, of options near the first and of the others."""
    seed, num = (plan.certainty.seed, plan.certainty.num_worlds) if plan.certainty else (0, NUM_SCENARIOS)
    trail.add(SCENARIOS, message("Monte Carlo scenarios"), scenarios_of(num, seed=seed))
    few = scenarios_of(FEW, seed=seed, is_few=True)
    trail.add(FEW_SCENARIOS, message("Monte Carlo scenarios of options that are not near the first"), few)


def add_risk(trail: Trail, plan: Plan) -> None:
    """Add everything below ``certainty``; nothing if none was computed."""
    found = plan.certainty
    if found is None:
        return
    titles = {"certainty.growth_path.price_ratio": message("hardware price a year later / today's price")}
    for name, words in BY_STAGES.items():
        titles[f"certainty.growth_path.{name}"] = message("cash flow of all years, {words}", words=words)
        for one in found.growth_path.years if found.growth_path else ():
            titles[path_key(one.year, name)] = message("cash flow of year {year}, {words}", year=one.year, words=words)
    titles["certainty.growth_path.rent_usd"] = message("rent over the horizon")
    for one in found.growth_path.years if found.growth_path else ():
        titles[path_key(one.year, "rented")] = message("instances paid in the mean of year {year}", year=one.year)
        titles[path_key(one.year, "rent_usd")] = message("rent of year {year}", year=one.year)
    for key, number in found.derived.items():
        derivation = derivation_of(number)
        trail.add(key, titles.get(key) or (derivation.title if derivation and derivation.title else key), number)
