"""Add the numbers of a plan's risk under ``certainty``."""

from __future__ import annotations

from aigc_bench.core.derivation import derivation_of
from aigc_bench.core.messages import message
from aigc_bench.core.trail import Trail
from aigc_bench.plan.records.plan import Plan
from aigc_bench.plan.risk.counted_risk import FEW_SCENARIOS, SCENARIOS, path_key, scenarios_of
from aigc_bench.plan.risk.ranking import FEW
from aigc_bench.plan.risk.scenarios import NUM_SCENARIOS

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
