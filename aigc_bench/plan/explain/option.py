"""Build the steps of one option: machine, loads, fleet, factors, cost, carbon; of a mixed one its parts and their sums."""

from __future__ import annotations

from dataclasses import replace

from aigc_bench.core.records import Estimate
from aigc_bench.plan.explain.arithmetic import Inputs
from aigc_bench.plan.explain.bill import add_other_equipment
from aigc_bench.plan.explain.by_year import add_cash
from aigc_bench.plan.explain.factors import add_factors
from aigc_bench.plan.explain.fleet import add_fleet
from aigc_bench.plan.explain.loads import add_load, add_machine
from aigc_bench.plan.explain.money import FOOTPRINT, add_money, line_keys
from aigc_bench.plan.explain.place import Below
from aigc_bench.plan.explain.probabilities import add_probabilities
from aigc_bench.plan.explain.replayed import add_replay
from aigc_bench.plan.explain.step import Trail, counted
from aigc_bench.plan.records.demand import Demand
from aigc_bench.plan.records.plan import Option
from aigc_bench.plan.records.rules import Rules
from aigc_bench.plan.stats.estimates import plus

SUMS = (
    ("num_machines", "machines"), ("capex_usd", "purchase"), ("opex_usd_per_year", "running cost per year"),
    ("tco_usd", "total cost over the life"),
    ("energy_kwh_per_year", "IT energy per year"), ("carbon_kg", "greenhouse gases over the life"),
)  # fmt: skip
COUNTS = ("num_servers", "num_spares", "num_margin", "num_accelerators", "num_racks")
OF_PARTS = "sum over the parts"


def add_option(trail: Trail, option: Option, demand: Demand, rules: Rules, *, at: str) -> None:
    """Add every step of an option, below the key ``at``."""
    below = Below(trail=trail, option=option, demand=demand, rules=rules, at=at)
    add_replay(below)
    if option.parts:
        _add_mixed(below)
        return
    if option.machine is not None:
        add_machine(below, option.machine)
        for load in option.loads:
            add_load(below, load, option.machine)
        add_fleet(below, option.machine)
        add_other_equipment(below)
    else:
        _add_nothing(below)
    add_factors(below)
    add_money(below)
    add_probabilities(below)
    add_cash(below)


def _add_nothing(below: Below) -> None:
    """Add the counts of an API option, which has no servers of its own."""
    words = "the provider's machines are not counted"
    for name in COUNTS:
        value = getattr(below.option, name)
        if value is not None:
            below.trail.leaf(below.key(name), name.removeprefix("num_"), counted(value, name.removeprefix("num_"), words))
    below.trail.leaf(below.key("num_machines"), "machines", below.option.num_machines, source=words)


def _add_mixed(below: Below) -> None:
    """Add the parts, and the option's own numbers as their sums."""
    option = below.option
    parts = [replace(below, option=part, at=below.key("parts", number)) for number, part in enumerate(option.parts, start=1)]
    for part in parts:
        add_option(part.trail, part.option, part.demand, part.rules, at=part.at)
    for name, title in SUMS:
        value = getattr(option, name)
        if value is not None:
            _add_sum(below, name, title, value, parts=parts)
    for name, title in FOOTPRINT:
        known = [part.trail[part.key(name)].value for part in parts if part.key(name) in part.trail]
        if len(known) == len(parts):
            _add_sum(below, name, title, plus(*known), parts=parts)
    for name in COUNTS:
        value, title = getattr(option, name), name.removeprefix("num_")
        if value is not None:
            _add_sum(below, name, title, counted(value, title, OF_PARTS), parts=parts)
    _add_copies(below, parts)
    add_probabilities(below)
    add_cash(below)


def _add_sum(below: Below, name: str, title: str, value: Estimate, *, parts: list[Below]) -> None:
    of = Inputs()
    words = of.plus(part.key(name) for part in parts if part.key(name) in below.trail)
    below.trail.computed(below.key(name), title, value, formula=OF_PARTS, inputs=of.keys, arithmetic=words)


def _add_copies(below: Below, parts: list[Below]) -> None:
    """Add what a mixed option takes from one of its parts: loads, cost lines, unit costs, the scarcest factor."""
    trail = below.trail
    for part in parts:
        for key in trail.starting(*(part.key(name, "") for name in ("loads", "usd_per_unit", "carbon_kg_per_unit"))):
            trail.same(below.at + key.removeprefix(part.at), trail[key].title, trail[key].value, as_=key)
    for name, factor in below.option.factors.items():
        scarcest = next((part for part in parts if part.option.factors.get(name) == factor), parts[0])
        for key in trail.starting(scarcest.key("factors", name, "")):
            step, words = trail[key], "of the part with the least head-room"
            own = below.at + key.removeprefix(scarcest.at)
            trail.computed(own, step.title, step.value, formula=words, inputs=(key,), arithmetic="{0}")
    of_parts = [key for part in parts for key in line_keys(part)]
    for own, key, line in zip(line_keys(below), of_parts, below.option.costs, strict=True):
        trail.same(own, line.name, line.usd_per_year, as_=key)
