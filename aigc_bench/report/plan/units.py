"""Costs of a unit for as many units as cost at least a cent: dollars per million tokens, per image."""

from __future__ import annotations

from aigc_bench.core.records import Estimate

ROUND_COUNTS = ((1.0, "one"), (1e3, "1,000"), (1e6, "million"), (1e9, "billion"))


def per_round_number(cost: Estimate) -> tuple[float, str]:
    """How many units, and in words: ``(1e6, "million tokens")``."""
    item = cost.unit.partition("/")[2] or "unit"
    count, words = next((pair for pair in ROUND_COUNTS if cost.value * pair[0] >= 0.01), ROUND_COUNTS[-1])
    return count, f"{words} {item}s" if count > 1 else item
