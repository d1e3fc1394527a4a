"""Build the steps of a plan's risk: alternatives, expected regret, drivers of cost and P(SLO), safer choices, growth path."""

from __future__ import annotations

from collections.abc import Iterator

from aigc_bench.core.records import Estimate
from aigc_bench.plan.explain.probabilities import SCENARIOS, add_share, share_of
from aigc_bench.plan.explain.step import Trail, counted, slug
from aigc_bench.plan.records.plan import Plan
from aigc_bench.plan.records.risk import Certainty, GrowthPath, PathYear, Regret, Safer, Swing
from aigc_bench.plan.risk.analysis import MANY

MANY_SCENARIOS = "certainty.tornado.num_worlds"
CHEAPEST = "count of the scenarios in which it meets the demand and no option that does costs less"
REGRET = "mean over those scenarios of its cost above that of the cheapest option that meets the demand there, at least 0"


def add_risk(trail: Trail, plan: Plan) -> None:
    """Add everything below ``certainty``; nothing if none was computed."""
    found = plan.certainty
    if found is None:
        return
    cost = f"options.{plan.recommendation}.tco_usd"
    _add_usd(
        trail,
        "certainty.median_tco_usd",
        "median total cost",
        found.median_tco_usd,
        formula="median over the Monte Carlo scenarios",
        inputs=(SCENARIOS, cost),
    )
    for one in found.regret:
        _add_regret(trail, one)
    _add_tornado(trail, found, cost=cost)
    if found.surer is not None:
        _add_safer(trail, found.surer)
    if found.growth_path is not None:
        _add_path(trail, found.growth_path)


def regret_key(rank: int, name: str) -> str:
    """Return the key of an option's number in the comparison with its alternatives."""
    return f"certainty.regret.{rank}.{name}"


def swing_key(kind: str, name: str, end: str) -> str:
    """Return the key of an end of a bar: ``kind`` is cost or slo, ``end`` low or high."""
    plain = slug(name).replace("'", "").replace(":", "")
    return f"certainty.tornado.{kind}.{plain}.{end}"


def path_key(year: int, name: str) -> str:
    """Return the key of a number of a year of the growth path."""
    return f"certainty.growth_path.{year}.{name}"


def _add_regret(trail: Trail, one: Regret) -> None:
    cost, capability = f"options.{one.rank}.tco_usd", f"{SCENARIOS}.able"
    key = regret_key(one.rank, "p_cheapest")
    title = f"option {one.rank} is the cheapest that meets the demand"
    add_share(trail, key, title, one.p_cheapest, counts=CHEAPEST, inputs=(cost,), of=SCENARIOS, num=one.num_worlds)
    _add_usd(
        trail,
        regret_key(one.rank, "regret_usd"),
        f"expected regret of option {one.rank}",
        one.regret_usd,
        formula=REGRET,
        inputs=(capability, cost),
    )


def _add_tornado(trail: Trail, found: Certainty, *, cost: str) -> None:
    """Add the bars: means over a tenth of the scenarios drawn for them alone."""
    words = "drawn for the recommended option alone, like the others; each end of an input is a tenth of them"
    trail.leaf(MANY_SCENARIOS, "Monte Carlo scenarios of the drivers", counted(MANY, "scenarios", words))
    mean = found.tornado.mean_tco_usd
    _add_usd(
        trail,
        "certainty.tornado.mean_tco_usd",
        "mean total cost",
        mean,
        formula="mean over the scenarios",
        inputs=(MANY_SCENARIOS, cost),
    )
    for swing in found.tornado.cost:
        for end, value in (("low", swing.tco_low_usd), ("high", swing.tco_high_usd)):
            formula = f"mean total cost over {_tenth(end)}"
            _add_usd(
                trail,
                swing_key("cost", swing.name, end),
                f"total cost, {_at(swing, end)}",
                value,
                formula=formula,
                inputs=(MANY_SCENARIOS, cost),
            )
    for swing in found.tornado.slo:
        for end, share in (("low", swing.p_slo_low), ("high", swing.p_slo_high)):
            if share is not None:
                formula = f"share that meets every SLO and deadline, of {_tenth(end)}"
                trail.computed(
                    swing_key("slo", swing.name, end),
                    f"P(SLO), {_at(swing, end)}",
                    share_of(share),
                    formula=formula,
                    inputs=(MANY_SCENARIOS,),
                )


def _tenth(end: str) -> str:
    return f"the tenth of the scenarios with the {'lowest' if end == 'low' else 'highest'} input"


def _at(swing: Swing, end: str) -> str:
    return f"{swing.name} at {'P10' if end == 'low' else 'P90'}"


def _add_safer(trail: Trail, found: Safer) -> None:
    for name, one in (("option", found.option), ("more_servers", found.more_servers)):
        if one is not None:
            at, of = f"certainty.surer.{name}", "another option" if name == "option" else "with more servers"
            words = "share of the scenarios in which every SLO and deadline is met"
            trail.computed(f"{at}.p_slo", f"probability, {of}", share_of(one.p_slo), formula=words, inputs=(SCENARIOS,))
            _add_usd(
                trail,
                f"{at}.tco_usd",
                f"total cost, {of}",
                one.tco_usd,
                formula="purchase and every cost line in proportion to the servers",
                inputs=(SCENARIOS,),
            )


def _add_path(trail: Trail, path: GrowthPath) -> None:
    """Add servers, probability and cash flow of every year, then the sums."""
    for one in path.years:
        for key, title, value, formula in _of_year(one):
            trail.computed(key, title, value, formula=formula, inputs=("demand.growth.per_year",))
        if one.p_slo is not None:
            words = "count of the scenarios in which the fleet of that year meets every SLO and deadline at the year's end"
            title = f"every SLO and deadline is met at the end of year {one.year}"
            add_share(
                trail,
                path_key(one.year, "p_slo"),
                title,
                one.p_slo,
                counts=words,
                inputs=(path_key(one.year, "num_servers"),),
                of=SCENARIOS,
            )
    ratio = trail.leaf("certainty.growth_path.price_ratio", "hardware price a year later / today's price", path.price_ratio)
    for name, title, whole in (
        ("staged_usd", "phased purchase", path.staged_usd),
        ("at_once_usd", "all upfront", path.at_once_usd),
    ):
        if whole is not None:
            years = [path_key(one.year, name) for one in path.years if getattr(one, name) is not None]
            inputs, words = (*years, ratio), " + ".join(f"{{{place}}}" for place in range(len(years)))
            trail.computed(
                f"certainty.growth_path.{name}",
                f"cash flow of all years, {title}",
                whole,
                formula="sum of the years",
                inputs=inputs,
                arithmetic=words,
            )


def _of_year(one: PathYear) -> Iterator[tuple[str, str, Estimate, str]]:
    """Yield key, title, value and formula of the numbers of a year."""
    sized = "sized like the plan, with the rates at that year's end"
    yield (
        path_key(one.year, "num_servers"),
        f"servers required in year {one.year}",
        counted(one.num_servers, "servers", sized),
        sized,
    )
    words = "purchase + running cost - resale of that year"
    for name, title in (("staged_usd", "phased purchase"), ("at_once_usd", "all upfront")):
        value = getattr(one, name)
        if value is not None:
            yield path_key(one.year, name), f"cash flow of year {one.year}, {title}", value, words


def _add_usd(trail: Trail, key: str, title: str, usd: float, *, formula: str, inputs: tuple[str, ...]) -> None:
    value = Estimate(value=usd, low=usd, high=usd, unit="usd", basis="modelled", source=formula)
    trail.computed(key, title, value, formula=formula, inputs=inputs)
