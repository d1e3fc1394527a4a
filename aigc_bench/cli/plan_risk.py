"""Print the risk of a plan in a few lines: probabilities, cost drivers, safer alternatives, phased growth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from aigc_bench.cli.output import wrapped
from aigc_bench.core.messages import joined, message

if TYPE_CHECKING:
    from aigc_bench.plan.output.plan_view import PlanView
    from aigc_bench.plan.output.risk_rows import Drivers, GrowthRows
    from aigc_bench.plan.output.risk_view import RiskView

# As many as fit a line or two of the screen; the page has all.
TOP = 3


def risk(view: PlanView) -> Iterator[str]:
    """Yield the lines; none if the plan was made without Monte Carlo scenarios."""
    found = view.risk
    if found is None:
        return
    yield from wrapped(message("risk: {probabilities}", probabilities=joined(", ", _probabilities(found))), indent=2, hang=4)
    yield from _drivers(message("cost drivers"), found.cost_drivers)
    yield from _drivers(message("P(SLO) drivers"), found.slo_drivers)
    for words in found.other_choices:
        yield from wrapped(message("another choice: {words}", words=words), indent=2, hang=4)
    if found.safer is not None:
        yield from wrapped(_safer(found.safer.wanted, found.choices), indent=2, hang=4)
    if found.growth is not None:
        yield from wrapped(_path(found.growth), indent=2, hang=4)


def _probabilities(found: RiskView) -> Iterator[str]:
    from aigc_bench.core.units import probability_text, quantity

    for one in (found.probabilities.slo, found.probabilities.budget, found.probabilities.memory):
        if one.share is not None:
            scenarios = (
                message(" over {num_scenarios:,} Monte Carlo scenarios", num_scenarios=found.num_scenarios)
                if one is found.probabilities.slo
                else ""
            )
            yield message("{name} {share}{scenarios}", name=one.name, share=probability_text(one.share), scenarios=scenarios)
    first = next(iter(found.regret), None)
    if first is not None:
        yield message("P(cheapest that meets the demand) {chance}", chance=probability_text(first.p_cheapest.share or 0.0))
        regret = first.regret.value
        yield message("expected regret {regret}", regret=quantity(regret.value if regret else None, "usd"))


def _drivers(title: str, found: Drivers) -> Iterator[str]:
    from aigc_bench.core.units import probability_text, quantity

    drivers = []
    for one in found.rows[:TOP]:
        low, high = (probability_text(end) if found.is_share else quantity(end, "usd") for end in (one.at_low, one.at_high))
        drivers.append(message("{name} ({low} to {high})", name=one.name, low=low, high=high))
    if drivers:
        line = message("{title} (P10 to P90): {drivers}", title=title, drivers=joined(", ", drivers))
        yield from wrapped(line, indent=2, hang=4)


def _safer(wanted: float, choices: Sequence[str]) -> str:
    from aigc_bench.core.units import quantity

    return message("to reach {wanted} confidence: {choices}", wanted=quantity(wanted, "fraction"), choices=joined("; or ", choices))


def _path(found: GrowthRows) -> str:
    from aigc_bench.core.units import digits, quantity

    counts = ", ".join(f"{one.num_servers}" for one in found.years)
    text = message("servers required at the end of each year: {counts}", counts=counts)
    paid = [value for one in found.years if (value := one.rented.value) is not None]
    if paid and found.rent.value is not None:
        means, rent = ", ".join(digits(one.value) for one in paid), quantity(found.rent.value.value, "usd")
        text = message("{text}; paid in the mean of each year: {means}, {rent} in all", text=text, means=means, rent=rent)
    if not found.is_staged or found.staged.value is None or found.upfront.value is None:
        return text
    staged, upfront = (quantity(one.value, "usd") for one in (found.staged.value, found.upfront.value))
    return message("{text}; phased purchase {staged}, all upfront {upfront}", text=text, staged=staged, upfront=upfront)
