"""Costs of so many units as cost at least a cent: dollars per million tokens, per image."""

from __future__ import annotations

from collections.abc import Mapping

from aigc_bench.core.records import Estimate

ROUND_COUNTS = ((1.0, ""), (1e3, "1,000 "), (1e6, "million "), (1e9, "billion "))
CENT = 0.01


def round_counts(costs: Mapping[str, Estimate]) -> dict[str, tuple[float, str]]:
    """How many units of each service and job are told together, and in words: ``(1e6, "million tokens")``.

    What counts the same item is told in the same number, the fewest that cost a cent of the cheapest.
    """
    least: dict[str, float] = {}
    for cost in costs.values():
        if cost.value > 0:
            least[item_of(cost)] = min(cost.value, least.get(item_of(cost), cost.value))
    return {name: _round(item_of(cost), least.get(item_of(cost), CENT)) for name, cost in costs.items()}


def item_of(cost: Estimate) -> str:
    """What is counted: ``token`` of a cost in ``usd/token``."""
    return cost.unit.partition("/")[2] or "unit"


def _round(item: str, usd: float) -> tuple[float, str]:
    count, words = next((pair for pair in ROUND_COUNTS if usd * pair[0] >= CENT), ROUND_COUNTS[-1])
    return count, f"{words}{item}s" if count > 1 else item
