"""Options compared: which of them are shown next to the recommendation, what refused ones lack, and the relative cost of each."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping

from aigc_bench.core.messages import joined, message
from aigc_bench.core.record import Sentence
from aigc_bench.core.records import Record
from aigc_bench.plan.options.measure import FIELDS, NAMES, compared_cost, is_refused
from aigc_bench.plan.options.wording import CONSTRAINTS, describe, forbidding, in_the_way, nearest_option, reasons_of
from aigc_bench.plan.output.money_view import Totals, UnitCost, totals, unit_costs
from aigc_bench.plan.output.shown_number import Shown, count_of, key_of
from aigc_bench.plan.records.demand import OptionKind, RiskMeasure
from aigc_bench.plan.records.plan import Option, Plan, Refusal

KINDS: Mapping[OptionKind, str] = {"owned": "Owned", "colocated": "Colocated", "cloud": "Rented", "api": "API"}
"""Kinds of procurement in the order of every table, with their titles."""
SCENARIO_COST = FIELDS["expected"]
NUM_COMPARED = 14
"""Options in the page's comparison table; the others are folded."""
NUM_SHORT = 6
"""Alternatives of the short list, to which the best of further kinds add two at most."""
MOST_TIMES = 10.0
"""An option that costs more than ten times the recommendation is no alternative; the tables of the page and plan.json have it."""
NUM_REASONS = 3
"""Reasons shown for a refused option; plan.json has them all."""


class OptionRow(Record):
    """An option with its place in the comparison; ``relative_cost`` is over the recommendation's, ``None`` if that is free.

    ``compared`` is the cost that options are compared by, ``compared_usd`` the same or, without scenarios, the total cost;
    ``expected_usd`` is (mean, low, high) over the scenarios. ``headroom_percent`` of the bottleneck is 0 where it is unknown.
    ``refused_by``: P(SLO) or the simulation, in words, where one of them refuses it; ``is_unconfirmed``: the simulation did.
    """

    option: Option
    what: Sentence
    kind: Sentence
    total: Shown
    upfront: Shown
    per_year: Shown
    compared: Shown
    compared_usd: float
    expected_usd: tuple[float, float, float]
    servers: Shown
    accelerators: Shown
    headroom: Shown
    headroom_percent: float
    relative_cost: float | None
    is_recommended: bool
    refused_by: Sentence | None
    is_unconfirmed: bool


class KindColumn(Record):
    """The cheapest accepted option of a kind, with its money and its unit costs by load, for the counts of the recommendation."""

    row: OptionRow
    money: Totals
    units: Mapping[str, UnitCost]


class RefusedRow(Record):
    """A refused option with its first reasons, one of each factor."""

    option: Option
    what: Sentence
    compared: Shown
    total: Shown
    why_not: Sentence


class OptionsView(Record):
    """The options of a plan as they are shown.

    ``kinds``: the cheapest accepted one of each kind. ``compared``: of every kind and accelerator. ``charted``: all
    whose limits hold, those that P(SLO) or the simulation refuses, too. ``short``: of every kind and
    term, then of other accelerators, without the recommended one. ``accepted`` and ``refused``: all. ``refused_kinds``: kinds
    without an accepted option, each with the reason of its cheapest one. ``measure`` is what options are ranked by, and
    ``compared_by`` which cost tables compare, P90 or the expected one; ``has_scenarios``: costs over scenarios are known.
    ``num_by_kind`` counts the accepted ones.
    """

    measure: Sentence
    is_ranked_by_p90: bool
    compared_by: Sentence
    has_scenarios: bool
    num_by_kind: tuple[tuple[OptionKind, int], ...]
    kinds: tuple[KindColumn, ...]
    compared: tuple[OptionRow, ...]
    charted: tuple[OptionRow, ...]
    others: tuple[OptionRow, ...]
    short: tuple[OptionRow, ...]
    accepted: tuple[Option, ...]
    refused: tuple[RefusedRow, ...]
    refused_kinds: tuple[tuple[Sentence, Sentence], ...]
    never: tuple[Refusal, ...]


class ObstacleRow(Record):
    """A factor that rules out ``count`` options, ``alone`` of them for no other reason, with the nearest option and what it lacks.

    ``is_stated``: the constraints of the demand do, not a factor.
    """

    factor: Sentence
    is_stated: bool
    count: int
    alone: int
    what: Sentence
    reason: Sentence


class Obstacles(Record):
    """Why no option is accepted: the main obstacle as a sentence, and every factor that rules options out."""

    main: Sentence | None
    why: Sentence | None
    factors: tuple[ObstacleRow, ...]
    num_options: int


def options_view(plan: Plan, *, top: int | None = None) -> OptionsView:
    """Return the options as they are shown: ``top`` alternatives by rank, or by default those of every kind and accelerator."""
    accepted = [one for one in plan.options if one.accepted]
    compared = _compared(accepted)
    ranks = {one.rank for one in compared}
    risk, cheapest = plan.demand.constraints.risk, _cost_to_compare_with(plan, accepted)
    known: dict[int, OptionRow] = {}

    def rows(options: list[Option]) -> tuple[OptionRow, ...]:
        for one in options:
            # A plan has hundreds of options, most of which stand in several tables.
            if one.rank not in known:
                known[one.rank] = _row(one, plan=plan, cheapest_usd=cheapest)
        return tuple(known[one.rank] for one in options)

    return OptionsView(
        measure=NAMES[risk],
        is_ranked_by_p90=risk == "p90",
        compared_by=NAMES[_compared_by(risk)],
        # The plan at the end of a run's report is made without scenarios.
        has_scenarios=any(SCENARIO_COST in one.derived for one in plan.options),
        num_by_kind=tuple(Counter(one.kind for one in accepted).items()),
        kinds=tuple(_column(row, plan) for row in rows(_kinds(compared))),
        compared=rows(compared),
        charted=rows([one for one in plan.options if one.accepted or one.confirmed is False]),
        others=rows([one for one in accepted if one.rank not in ranks]),
        short=rows(_short(plan, accepted) if top is None else _others(plan, accepted)[:top]),
        accepted=tuple(accepted),
        refused=tuple(_refused(one, risk) for one in plan.options if not one.accepted),
        refused_kinds=tuple(_refused_kinds(plan)),
        never=plan.refused,
    )


def _row(one: Option, *, plan: Plan, cheapest_usd: float) -> OptionRow:
    at, usd = key_of(one), compared_cost(one, plan.demand.constraints.risk)
    binding = one.factors[one.bottleneck] if one.bottleneck is not None else None
    of_scenarios = one.derived.get(SCENARIO_COST, one.tco_usd)
    return OptionRow(
        option=one,
        what=describe(one),
        kind=KINDS[one.kind],
        total=Shown(key=f"{at}.tco_usd", name=message("Total cost"), value=one.tco_usd),
        upfront=Shown(key=f"{at}.capex_usd", name=message("Upfront"), value=one.capex_usd),
        per_year=Shown(key=f"{at}.opex_usd_per_year", name=message("Per year"), value=one.opex_usd_per_year, unit="usd"),
        compared=_compared_cost(one, plan.demand.constraints.risk),
        compared_usd=usd,
        expected_usd=(compared_cost(one), of_scenarios.low, of_scenarios.high),
        servers=count_of(one, "num_servers", message("Servers")),
        accelerators=count_of(one, "num_accelerators", message("Accelerators")),
        headroom=Shown(
            key=f"{at}.factors.{one.bottleneck}.headroom",
            name=message("Head-room"),
            value=binding.derived.get("headroom") if binding is not None else None,
        ),
        headroom_percent=100 * ((binding.headroom if binding is not None else None) or 0.0),
        relative_cost=usd / cheapest_usd if cheapest_usd > 0 else None,
        is_recommended=one.rank == plan.recommendation,
        refused_by=refused_by(one),
        is_unconfirmed=one.replay is not None and not one.replay.is_met,
    )


def _column(row: OptionRow, plan: Plan) -> KindColumn:
    # The counts of units of the option that the plan is about, so that unit costs can be compared.
    like = plan.recommended or nearest_option(plan)
    return KindColumn(row=row, money=totals(row.option), units={one.name: one for one in unit_costs(row.option, like=like)})


def _refused(one: Option, risk: RiskMeasure) -> RefusedRow:
    total = Shown(key=f"{key_of(one)}.tco_usd", name=message("Total cost"), value=one.tco_usd)
    return RefusedRow(option=one, what=describe(one), compared=_compared_cost(one, risk), total=total, why_not=why_not(one))


def _compared_by(risk: RiskMeasure) -> RiskMeasure:
    return "p90" if risk == "p90" else "expected"


def _compared_cost(one: Option, risk: RiskMeasure) -> Shown:
    """Return the cost over scenarios that tables compare; without a value where none were computed."""
    by = _compared_by(risk)
    return Shown(key=f"{key_of(one)}.{FIELDS[by]}", name=NAMES[by], value=one.derived.get(FIELDS[by]))


def refused_by(option: Option) -> str | None:
    """Return what refuses an option whose limits hold, in words; ``None`` where nothing does."""
    if option.replay is not None and not option.replay.is_met:
        return message("not confirmed by the simulation")
    if not is_refused(option):
        return None
    if option.kind == "api":
        return message("another model") if option.other_model else message("no latency is guaranteed")
    return message("below the required confidence")


def _cost_to_compare_with(plan: Plan, accepted: list[Option]) -> float:
    # Without a recommendation costs are relative to the option that the plan is about.
    best, risk = plan.recommended or nearest_option(plan), plan.demand.constraints.risk
    return compared_cost(best, risk) if best else min((compared_cost(one, risk) for one in accepted), default=0.0)


def _compared(accepted: list[Option]) -> list[Option]:
    """Return the first options of every kind and accelerator, at least one of every kind."""
    firsts: dict[tuple[str, str | None], Option] = {}
    kinds: dict[str, Option] = {}
    for one in accepted:
        # Options come by rank, so the first of each is its best.
        firsts.setdefault((one.kind, one.accelerator), one)
        kinds.setdefault(one.kind, one)
    chosen = {one.rank: one for one in (*list(firsts.values())[:NUM_COMPARED], *kinds.values())}
    return [chosen[rank] for rank in sorted(chosen)]


def _kinds(compared: list[Option]) -> list[Option]:
    firsts: dict[str, Option] = {}
    for one in compared:
        firsts.setdefault(one.kind, one)
    return [firsts[kind] for kind in KINDS if kind in firsts]


def _short(plan: Plan, accepted: list[Option]) -> list[Option]:
    """Return the best other option of every kind and term, then of other accelerators, within ``MOST_TIMES`` the best cost."""
    best, risk = plan.recommended, plan.demand.constraints.risk
    limit = math.inf if best is None else MOST_TIMES * compared_cost(best, risk)
    others = [one for one in _others(plan, accepted) if limit <= 0 or compared_cost(one, risk) <= limit]
    seen: dict[tuple[str, str], Option] = {}
    for option in others:
        seen.setdefault((option.kind, option.term), option)
    shown = list(seen.values())
    known = {option.accelerator for option in (*shown, *([best] if best else []))}
    for option in others:
        if len(shown) >= NUM_SHORT:
            break
        if option.accelerator not in known:
            known.add(option.accelerator)
            shown.append(option)
    # Every kind and term may already exceed the short list.
    return sorted(shown, key=lambda one: one.rank)[: NUM_SHORT + 2]


def _others(plan: Plan, accepted: list[Option]) -> list[Option]:
    return [one for one in accepted if one is not plan.recommended]


def _refused_kinds(plan: Plan) -> list[tuple[str, str]]:
    found = []
    for kind, title in KINDS.items():
        of_kind = [one for one in plan.options if one.kind == kind]
        if of_kind and not any(one.accepted for one in of_kind):
            found.append((title, next(iter(of_kind[0].reasons), "")))
    return found


def why_not(option: Option) -> str:
    """Return the first reasons of a refused option, one of each factor, and how many more there are."""
    found = list(reasons_of(option).values())
    more = len(found) - NUM_REASONS
    return joined("; ", [*found[:NUM_REASONS], *([message("and {more} more", more=more)] if more > 0 else [])])


def obstacles(plan: Plan) -> Obstacles:
    """Return what rules out the options of a plan without a recommendation."""
    main = in_the_way(plan)
    rows = tuple(
        ObstacleRow(
            factor=one.factor,
            is_stated=one.factor == CONSTRAINTS,
            count=one.count,
            alone=one.alone,
            what=describe(one.nearest),
            reason=one.reason,
        )
        for one in forbidding(plan)
    )
    return Obstacles(main=main, why=plan.why_none or main, factors=rows, num_options=len(plan.options))
