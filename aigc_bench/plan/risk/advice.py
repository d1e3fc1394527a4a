"""What makes a plan surer, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from aigc_bench.core.units import quantity
from aigc_bench.plan.records.risk import MoreServers, Regret, Safer, SaferOption

MUCH_LESS = 0.9
"""Share of the recommendation's regret from which a rival that is regretted less is named (assumed)."""
NOTHING = "neither more servers nor another accepted option is as sure as that"


def safer_choices(found: Safer) -> tuple[str, ...]:
    """One phrase for every way that there is, the cheapest first; ``NOTHING`` where there is none."""
    procurements: list[SaferOption | MoreServers | None] = [found.more_servers, found.option]
    known = sorted((one for one in procurements if one is not None), key=lambda one: (_is_hindered(one), one.tco_usd))
    return tuple(" ".join(_words(one)) for one in known) or (NOTHING,)


def _is_hindered(one: SaferOption | MoreServers) -> bool:
    return isinstance(one, MoreServers) and one.hindrance is not None


def _words(one: SaferOption | MoreServers) -> Iterator[str]:
    price = f"{quantity(one.p_slo, 'fraction')}, {quantity(one.tco_usd, 'usd')}"
    if isinstance(one, MoreServers):
        yield f"{_servers(one.count)} more, {one.num_servers} in all ({price})"
        if one.hindrance is not None:
            yield f"which {one.hindrance} does not allow"
    else:
        yield f"option {one.rank}, {one.what} ({price})"


def _servers(count: int) -> str:
    return f"{count} server{'s' if count > 1 else ''}"


def lower_regret(found: Sequence[Regret]) -> str | None:
    """The rival that is much less regretted than the recommendation, which costs least with every input at its middle only."""
    if not found:
        return None
    first, least = found[0], min(found, key=lambda one: one.regret_usd)
    if least.regret_usd >= MUCH_LESS * first.regret_usd:
        return None
    times = least.tco_usd.value / first.tco_usd.value
    return (
        f"{least.what}, {times:.2f} times the cost with every input at its middle, but regretted by "
        f"{quantity(least.regret_usd, 'usd')} in the mean of all worlds, not {quantity(first.regret_usd, 'usd')}"
    )
