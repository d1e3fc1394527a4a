"""Build the steps that all options of a plan share: the demand as read, growth, the rules."""

from __future__ import annotations

from collections.abc import Mapping

from aigc_bench.core.records import Estimate, Record
from aigc_bench.plan.explain.assumptions import title_of
from aigc_bench.plan.explain.place import OFF_PEAK
from aigc_bench.plan.explain.step import Trail, slug
from aigc_bench.plan.records.demand import Arrival, Demand, Site
from aigc_bench.plan.records.plan import Plan
from aigc_bench.plan.sizing.fleets import grown, off_peak_share
from aigc_bench.plan.stats.estimates import assumed

STATED = "stated in the demand, or its default"
PEAKS: Mapping[tuple[str, ...], str] = {
    ("users", "active share", "requests a minute", "peak factor"): "{0} * {1} * {2} / 60 * {3}",
    ("busiest hour", "peak factor"): "{0} * {1}",
    ("rate",): "{0}",
}
"""Arithmetic of a peak rate over its parts, by their names (``plan.arrivals``)."""


def add_shared_inputs(trail: Trail, plan: Plan) -> None:
    """Add the steps of demand and rules, under ``demand`` and ``rules``."""
    _add_record(trail, plan.demand, path="demand")
    _add_record(trail, plan.rules, path="rules")
    _add_plain(trail, plan.demand)
    _add_growth(trail, plan.demand)
    quiet, title = off_peak_share(plan.demand, rules=plan.rules), "load of the services while jobs run, as a share of their peak"
    if quiet is plan.rules.off_peak_share:
        trail.same(OFF_PEAK, title, quiet, as_="rules.off_peak_share")
    else:
        trail.leaf(OFF_PEAK, title, quiet)


def _add_growth(trail: Trail, demand: Demand) -> None:
    last, mean = grown(demand.growth)
    trail.computed(
        "growth.last",
        "growth at the end of the horizon",
        last,
        formula=last.source or "",
        inputs=("demand.growth.per_year", "demand.growth.horizon_years"),
        arithmetic="(1 + {0}) ** {1}",
    )
    trail.computed(
        "growth.mean",
        "mean growth over the horizon",
        mean,
        formula=mean.source or "",
        inputs=("growth.last",) if demand.growth else (),
        arithmetic="({0} - 1) / ln({0})" if last.value > 1 else "{0}",
    )


def _add_record(trail: Trail, record: Record, *, path: str) -> None:
    """Add every Estimate below a record; of a computed arrival, its inputs."""
    for name in type(record).model_fields:
        value, key = getattr(record, name), f"{path}.{name}"
        if isinstance(record, Arrival) and name == "peak_requests_per_s":
            _add_arrival(trail, record, path=path)
        elif isinstance(value, Estimate):
            trail.leaf(key, title_of(tuple(key.split("."))), value, source=value.source or STATED)
        elif isinstance(record, Site) and name == "of_factors":
            for own, amount in record.of_factors.items():
                trail.leaf(f"{path}.{own}", title_of((*path.split("."), own)), amount, source=amount.source or STATED)
        elif isinstance(value, Record):
            _add_record(trail, value, path=key)
        elif isinstance(value, tuple):
            for entry in value:
                if isinstance(entry, Record):
                    _add_record(trail, entry, path=f"{key}.{getattr(entry, 'name', '?')}")


def _add_arrival(trail: Trail, arrival: Arrival, *, path: str) -> None:
    parts: Mapping[str, Estimate] = arrival.parts
    keys = [trail.leaf(f"{path}.{slug(name)}", title_of((*path.split("."), name)), part) for name, part in parts.items()]
    key = f"{path}.peak_requests_per_s"
    trail.computed(
        key,
        title_of(tuple(key.split("."))),
        arrival.peak_requests_per_s,
        formula=arrival.formula,
        inputs=keys,
        arithmetic=PEAKS.get(tuple(parts)),
    )


def _add_plain(trail: Trail, demand: Demand) -> None:
    """Add the plain numbers that formulae take from a demand."""

    def add(key: str, value: float, unit: str) -> None:
        """Add a leaf of the demand, under its own key."""
        trail.leaf(f"demand.{key}", title_of(("demand", *key.split("."))), assumed(value, unit=unit, source=STATED))

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
