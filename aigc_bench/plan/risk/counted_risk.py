"""Make Estimates, with their scenarios and inputs, of what is counted over scenarios: probabilities, regret, drivers, growth.

The arithmetic ends at a count of scenarios: one scenario has too many numbers to print, so its sampling and seed are stated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aigc_bench.core.derivation import Derivation, record
from aigc_bench.core.messages import message
from aigc_bench.core.records import Estimate
from aigc_bench.plan.factors.memory import compared_bytes
from aigc_bench.plan.records.demand import Constraints
from aigc_bench.plan.records.plan import Option, Plan
from aigc_bench.plan.records.risk import GrowthPath, PathYear, PlanRisk, Regret, Safer, Swing
from aigc_bench.plan.stats.estimates import counted, known_as, stated

SCENARIOS, FEW_SCENARIOS = "certainty.num_worlds", "certainty.num_few_worlds"
DRAWN = message(
    "drawn with seed {seed}, the same for every option: each input independently from a lognormal with its value as median and the "
    "ends of its interval as P10 and P90 (from a normal if the low end is not above 0); fractions are capped at 1"
)
SERVES = message(
    "count of the scenarios in which the machines in service suffice for the SLOs of the services at their peak, and every job "
    "meets its deadline on the machines that services leave off-peak"
)
WITHIN = message("count of the scenarios in which the upfront and the yearly cost stay within the budgets")
OUT_OF_MEMORY = message(
    "1 - product over the models of P(peak fits), peaks lognormal within their intervals, against the usable memory"
)
IN_ALL = message("scenarios in which it holds / all scenarios")


def scenarios_of(num: int, *, seed: int, is_few: bool = False) -> Estimate:
    """Return the number of scenarios with the way they were drawn; of options that are not near the first the few ones."""
    drawn = DRAWN.format(seed=seed)
    if is_few:
        title = message("Monte Carlo scenarios of options that are not near the first")
        return counted(num, "scenarios", message("the first ones of those {drawn}", drawn=drawn), key=FEW_SCENARIOS, title=title)
    return counted(num, "scenarios", drawn, key=SCENARIOS, title=message("Monte Carlo scenarios"))


def share(
    value: float, key: str, title: str, *, counts: str, inputs: Sequence[Estimate], of: Estimate, formula: str = IN_ALL
) -> Estimate:
    """Return a probability as the scenarios in which something holds over ``of`` all of them."""
    number = round(value * of.value)
    title_of_count = message("scenarios in which {title}", title=title)
    held = counted(number, "scenarios", counts, inputs=(of, *inputs), key=f"{key}.worlds", title=title_of_count)
    return fraction(
        value, Derivation("{0} / {1}", (held, of), formula, None, key, message("probability that {title}", title=title))
    )


def fraction(value: float, derivation: Derivation) -> Estimate:
    """Return a share of scenarios, which is exact, with its derivation."""
    return record(Estimate(value=value, low=value, high=value, unit="fraction", basis="modelled"), derivation)


def probabilities_of(option: Option, limits: Constraints, *, scenarios: Estimate) -> dict[str, Estimate]:
    """Return the probabilities that the option has, by name."""
    found = {}
    if option.p_slo is not None:
        times = [number for load in option.loads for number in (load.latency_s, load.busy_machines) if number is not None]
        serving = option.derived.get("num_serving")
        inputs, title = (*times, *((serving,) if serving else ())), message("every SLO and deadline is met")
        found["p_slo"] = share(option.p_slo, ".p_slo", title, counts=SERVES, inputs=inputs, of=scenarios)
    if option.p_budget is not None:
        budgets = {name: getattr(limits, name) for name in ("budget_usd", "budget_usd_per_year")}
        keys = [stated(limit, f"demand.constraints.{name}", unit="usd") for name, limit in budgets.items() if limit is not None]
        inputs, title = (option.capex_usd, option.opex_usd_per_year, *keys), message("the cost stays within the budget")
        found["p_budget"] = share(option.p_budget, ".p_budget", title, counts=WITHIN, inputs=inputs, of=scenarios)
    if option.p_oom is not None:
        title, sizes = message("probability of running out of memory"), compared_bytes(option.factors)
        found["p_oom"] = fraction(option.p_oom, Derivation(None, sizes, OUT_OF_MEMORY, None, ".p_oom", title))
    return found


EXPECTED = message("mean of the total cost over the scenarios; the interval is P10 to P90")
CENTRAL = message("total cost with every input at its central value, as no confidence is required; the interval is P10 to P90")
PERCENTILES: Mapping[str, tuple[str, str]] = {
    "cost_p10_usd": (message("P10 of the total cost"), message("10th percentile of the total cost over the scenarios")),
    "cost_p90_usd": (message("P90 of the total cost"), message("90th percentile of the total cost over the scenarios")),
}


def costs_of(option: Option, limits: Constraints, *, scenarios: Estimate) -> dict[str, Estimate]:
    """Return what the option is ranked by, by name: expected cost, P10 and P90."""
    mean, low, high = option.expected_cost_usd, option.cost_p10_usd, option.cost_p90_usd
    if mean is None or low is None or high is None:
        return {}
    words, inputs = EXPECTED if limits.confidence > 0 else CENTRAL, (scenarios, option.tco_usd)
    # The mean of a skewed cost can lie above its P90.
    value = Estimate(value=mean, low=min(low, mean), high=max(high, mean), unit="usd", basis="modelled", source=words)
    derivation = Derivation(None, inputs, words, None, ".expected_cost_usd", message("expected cost"))
    found = {"expected_cost_usd": record(value, derivation)}
    for name, usd in (("cost_p10_usd", low), ("cost_p90_usd", high)):
        title, formula = PERCENTILES[name]
        exact = Estimate(value=usd, low=usd, high=usd, unit="usd", basis="modelled", source=formula)
        found[name] = record(exact, Derivation(None, inputs, formula, None, f".{name}", title))
    return found


MANY_SCENARIOS = "certainty.tornado.num_worlds"
CHEAPEST = message("count of the scenarios in which it meets the demand and no option that does costs less")
REGRET = message("mean over those scenarios of its cost above that of the cheapest option that meets the demand there, at least 0")
FEASIBLE = message("count of the scenarios in which at least one option meets the demand")
GROWN = message("count of the scenarios in which the fleet of that year meets every SLO and deadline at the year's end")
IN_FEASIBLE = message("scenarios in which it holds / scenarios in which some option meets the demand")
MEETS = message("share of the scenarios in which every SLO and deadline is met")
IN_PROPORTION = message("purchase and every cost line in proportion to the servers")
SIZED = message("sized like the plan, with the rates at that year's end")
MEDIAN = message("median over the Monte Carlo scenarios")


def regret_key(rank: int, name: str) -> str:
    """Return the key of an option's number in the comparison with its alternatives."""
    return f"certainty.regret.{rank}.{name}"


def swing_key(kind: str, name: str, end: str) -> str:
    """Return the key of an end of a bar: ``kind`` is cost or slo, ``end`` low or high."""
    plain = name.replace(",", "").replace(" ", "_").replace(".", "_").replace("'", "").replace(":", "")
    return f"certainty.tornado.{kind}.{plain}.{end}"


def path_key(year: int, name: str) -> str:
    """Return the key of a number of a year of the growth path."""
    return f"certainty.growth_path.{year}.{name}"


def risk_of(found: PlanRisk, plan: Plan, *, num_many: int) -> dict[str, Estimate]:
    """Return the numbers of a plan's certainty by key; ``num_many`` scenarios were drawn for the tornado."""
    scenarios = scenarios_of(found.num_worlds, seed=found.seed)
    costs = {
        one.rank: known_as(one.tco_usd, f"options.{one.rank}.tco_usd", message("total cost of option {rank}", rank=one.rank))
        for one in plan.options
    }
    best = costs[plan.recommendation or 1]
    words = message("drawn for the recommended option alone, like the others; each end of an input is a tenth of them")
    many = counted(num_many, "scenarios", words, key=MANY_SCENARIOS, title=message("Monte Carlo scenarios of the drivers"))
    numbers = _usd("certainty.median_tco_usd", message("median total cost"), found.median_tco_usd, MEDIAN, scenarios, best)
    for one in found.regret:
        numbers |= _of_regret(one, scenarios, costs[one.rank])
    numbers[MANY_SCENARIOS] = many
    mean = found.tornado.mean_tco_usd
    numbers |= _usd(
        "certainty.tornado.mean_tco_usd", message("mean total cost"), mean, message("mean over the scenarios"), many, best
    )
    for swing in found.tornado.cost:
        numbers |= _of_cost(swing, many, best)
    for swing in found.tornado.slo:
        numbers |= _of_slo(swing, many)
    numbers |= _of_safer(found.surer, scenarios) if found.surer else {}
    return numbers | (_of_growth(found.growth_path, scenarios) if found.growth_path else {})


def _usd(key: str, title: str, usd: float, formula: str, *inputs: Estimate) -> dict[str, Estimate]:
    value = Estimate(value=usd, low=usd, high=usd, unit="usd", basis="modelled", source=formula)
    return {key: record(value, Derivation(None, inputs, formula, None, key, title))}


def _of_regret(one: Regret, scenarios: Estimate, cost: Estimate) -> dict[str, Estimate]:
    key, title = f"{SCENARIOS}.able", message("scenarios in which some option meets the demand")
    able = counted(one.num_worlds, "scenarios", FEASIBLE, inputs=(scenarios,), key=key, title=title)
    of, words = regret_key(one.rank, "p_cheapest"), message("option {rank} is the cheapest that meets the demand", rank=one.rank)
    cheapest = share(one.p_cheapest, of, words, counts=CHEAPEST, inputs=(cost,), of=able, formula=IN_FEASIBLE)
    regret = regret_key(one.rank, "regret_usd")
    return {key: able, of: cheapest} | _usd(
        regret, message("expected regret of option {rank}", rank=one.rank), one.regret_usd, REGRET, able, cost
    )


def _of_cost(swing: Swing, many: Estimate, best: Estimate) -> dict[str, Estimate]:
    found: dict[str, Estimate] = {}
    for end, value in (("low", swing.tco_low_usd), ("high", swing.tco_high_usd)):
        formula = message("mean total cost over {tenth}", tenth=_tenth(end))
        found |= _usd(
            swing_key("cost", swing.name, end), message("total cost, {at}", at=_at(swing, end)), value, formula, many, best
        )
    return found


def _of_slo(swing: Swing, many: Estimate) -> dict[str, Estimate]:
    found = {}
    for end, value in (("low", swing.p_slo_low), ("high", swing.p_slo_high)):
        if value is not None:
            formula, key = (
                message("share that meets every SLO and deadline, of {tenth}", tenth=_tenth(end)),
                swing_key("slo", swing.name, end),
            )
            found[key] = fraction(value, Derivation(None, (many,), formula, None, key, message("P(SLO), {at}", at=_at(swing, end))))
    return found


def _tenth(end: str) -> str:
    return message("the tenth of the scenarios with the {more} input", more="lowest" if end == "low" else "highest")


def _at(swing: Swing, end: str) -> str:
    return message("{name} at {percentile}", name=swing.name, percentile="P10" if end == "low" else "P90")


def _of_safer(found: Safer, scenarios: Estimate) -> dict[str, Estimate]:
    numbers = {}
    for name, one in (("option", found.option), ("more_servers", found.more_servers)):
        if one is not None:
            at, of = f"certainty.surer.{name}", message("another option") if name == "option" else message("with more servers")
            derivation = Derivation(None, (scenarios,), MEETS, None, f"{at}.p_slo", message("probability, {of}", of=of))
            numbers[f"{at}.p_slo"] = fraction(one.p_slo, derivation)
            numbers |= _usd(f"{at}.tco_usd", message("total cost, {of}", of=of), one.tco_usd, IN_PROPORTION, scenarios)
    return numbers


def _of_growth(path: GrowthPath, scenarios: Estimate) -> dict[str, Estimate]:
    """Return servers, probability and cash flow of every year, then the sums."""
    found: dict[str, Estimate] = {}
    for one in path.years:
        found |= _of_year(one, scenarios)
    found["certainty.growth_path.price_ratio"] = path.price_ratio
    for name, whole in (("staged_usd", path.staged_usd), ("at_once_usd", path.at_once_usd), ("rent_usd", path.rent_usd)):
        if whole is not None:
            found[f"certainty.growth_path.{name}"] = whole
    return found


def _of_year(one: PathYear, scenarios: Estimate) -> dict[str, Estimate]:
    key, title = path_key(one.year, "num_servers"), message("servers required in year {year}", year=one.year)
    servers = counted(one.num_servers, "servers", SIZED, key=key, title=title)
    found = {key: servers}
    cash = (("staged_usd", one.staged_usd), ("at_once_usd", one.at_once_usd), ("rented", one.rented), ("rent_usd", one.rent_usd))
    for name, value in cash:
        if value is not None:
            found[path_key(one.year, name)] = value
    if one.p_slo is not None:
        of, words = path_key(one.year, "p_slo"), message("every SLO and deadline is met at the end of year {year}", year=one.year)
        found[of] = share(one.p_slo, of, words, counts=GROWN, inputs=(servers,), of=scenarios)
    return found
