"""Sentences on how to raise P(SLO) and lower the expected regret of a plan."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from aigc_bench.core.units import quantity
from aigc_bench.plan.records.risk import MoreServers, Regret, Safer, SaferOption

MUCH_LESS = 0.9
"""A rival is named where its expected regret is below this share of the recommendation's (assumed)."""
NOTHING = "neither more servers nor another accepted option reaches that confidence"


def safer_choices(found: Safer) -> tuple[str, ...]:
    """Return one phrase for each safer choice, the cheapest first; ``NOTHING`` where there is none."""
    procurements: list[SaferOption | MoreServers | None] = [found.more_servers, found.option]
    known = sorted((one for one in procurements if one is not None), key=lambda one: (_is_over_limit(one), one.tco_usd))
    return tuple(" ".join(_words(one)) for one in known) or (NOTHING,)


def _is_over_limit(one: SaferOption | MoreServers) -> bool:
    return isinstance(one, MoreServers) and one.hindrance is not None


def _words(one: SaferOption | MoreServers) -> Iterator[str]:
    price = f"{quantity(one.p_slo, 'fraction')}, {quantity(one.tco_usd, 'usd')}"
    if isinstance(one, MoreServers):
        yield f"{_more_servers(one.count)}, {one.num_servers} in total ({price})"
        if one.hindrance is not None:
            yield f"which exceeds {one.hindrance}"
    else:
        yield f"option {one.rank}, {one.what} ({price})"


def _more_servers(count: int) -> str:
    return f"{count} more server{'s' if count > 1 else ''}"


def lower_regret(found: Sequence[Regret]) -> str | None:
    """Return the rival with a much lower expected regret than the recommendation, which is cheapest only at central values."""
    if not found:
        return None
    first, least = found[0], min(found, key=lambda one: one.regret_usd)
    if least.regret_usd >= MUCH_LESS * first.regret_usd:
        return None
    times = least.tco_usd.value / first.tco_usd.value
    return (
        f"{least.what}: {times:.2f} times the cost at central values, but an expected regret of "
        f"{quantity(least.regret_usd, 'usd')} instead of {quantity(first.regret_usd, 'usd')}"
    )
