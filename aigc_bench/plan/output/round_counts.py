"""Scale unit costs to a count that costs at least a cent: dollars per million tokens, per image."""

from __future__ import annotations

from collections.abc import Mapping

from aigc_bench.core.records import Estimate

ROUND_COUNTS = ((1.0, ""), (1e3, "1,000 "), (1e6, "million "), (1e9, "billion "))
CENT = 0.01


def round_counts(costs: Mapping[str, Estimate]) -> dict[str, tuple[float, str]]:
    """Return the count of units that the cost of each service and job is given for, and in words: ``(1e6, "million tokens")``.

    Loads with the same item share one count, the least for which the cheapest of them costs a cent.
    """
    least: dict[str, float] = {}
    for cost in costs.values():
        if cost.value > 0:
            least[item_of(cost)] = min(cost.value, least.get(item_of(cost), cost.value))
    return {name: _round(item_of(cost), least.get(item_of(cost), CENT)) for name, cost in costs.items()}


def item_of(cost: Estimate) -> str:
    """Return what is counted: ``token`` of a cost in ``usd/token``."""
    return cost.unit.partition("/")[2] or "unit"


def _round(item: str, usd: float) -> tuple[float, str]:
    count, words = next((pair for pair in ROUND_COUNTS if usd * pair[0] >= CENT), ROUND_COUNTS[-1])
    return count, f"{words}{item}s" if count > 1 else item
