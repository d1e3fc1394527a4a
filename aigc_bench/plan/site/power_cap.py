"""Effect of a power limit on throughput and draw, from published sweeps.

A curve is interpolated linearly between measured points of that accelerator. Without a published sweep of it, the envelope of all
accelerators at the same share of the default limit is used, widened to their outermost points: the effect of a limit depends on
the card and on the workload, so such a result is ``modelled`` and wide. Below the lowest published share there is no result.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from pydantic import Field

from aigc_bench.catalog.records import PowerCap
from aigc_bench.core.messages import message
from aigc_bench.core.records import Basis, Estimate, Record
from aigc_bench.plan.stats.estimates import estimate

Work = Literal["training", "prefill", "decode"]
Triple = tuple[float, float, float]


class CapPoint(Record):
    """At ``limit_w``: throughput and mean draw as fractions of those at the default limit; draw ``None`` where not published."""

    limit_w: float = Field(gt=0)
    throughput: Estimate
    draw: Estimate | None


def cap_curve(
    accelerator_id: str, *, default_limit_w: float, work: Work, limits_w: Sequence[float], caps: Iterable[PowerCap]
) -> tuple[CapPoint, ...]:
    """Return the curve at ``limits_w``; limits above the default or below the published range have no point."""
    rows = [row for row in caps if row.workload == work]
    # A sweep of the card itself goes before those of others.
    own = [row for row in rows if row.accelerator_id == accelerator_id]
    found = []
    for limit in sorted(limits_w):
        point = _point(limit, share=limit / default_limit_w, groups=_groups(own or rows), is_own=bool(own))
        if point is not None:
            found.append(point)
    return tuple(found)


def _groups(rows: Sequence[PowerCap]) -> list[list[PowerCap]]:
    """Return the sweeps, one per card, each by rising limit."""
    cards = sorted({row.accelerator_id for row in rows})
    return [sorted((row for row in rows if row.accelerator_id == card), key=lambda row: row.limit_w) for card in cards]


def _point(limit_w: float, *, share: float, groups: Sequence[Sequence[PowerCap]], is_own: bool) -> CapPoint | None:
    throughputs = [found for rows in groups if (found := _at(share, [_throughput(row) for row in rows], rows)) is not None]
    draws = [found for rows in groups if (found := _at(share, [_draw(row) for row in rows], rows)) is not None]
    if not throughputs:
        return None
    sources = "; ".join(dict.fromkeys(f"{rows[0].source}, {rows[0].as_of}" for rows in groups))
    basis: Basis = "datasheet" if is_own else "modelled"
    source = sources if is_own else message("other accelerators at the same share of their limit: {sources}", sources=sources)
    return CapPoint(
        limit_w=limit_w,
        throughput=_envelope(throughputs, basis=basis, source=source),
        draw=_envelope(draws, basis=basis, source=source) if draws else None,
    )


def _throughput(row: PowerCap) -> Triple | None:
    value = row.throughput_fraction
    return (row.throughput_low or value, value, row.throughput_high or value)


def _draw(row: PowerCap) -> Triple | None:
    value = row.power_fraction
    return None if value is None else (row.power_low or value, value, row.power_high or value)


def _at(share: float, values: Sequence[Triple | None], rows: Sequence[PowerCap]) -> Triple | None:
    """Return low, value and high at a share of the default limit, between the two nearest points."""
    known = [(row.limit_w / row.default_limit_w, value) for row, value in zip(rows, values, strict=True) if value is not None]
    if not known or not known[0][0] - 1e-9 <= share <= known[-1][0] + 1e-9:
        return None
    upper = next(index for index, (at, _) in enumerate(known) if at >= share - 1e-9)
    if upper == 0:
        return known[0][1]
    (left, before), (right, after) = known[upper - 1], known[upper]
    weight = (share - left) / (right - left)
    # Linear between the two nearest points, each end by itself.
    low, value, high = (a + weight * (b - a) for a, b in zip(before, after, strict=True))
    return low, value, high


def _envelope(found: Sequence[Triple], *, basis: Basis, source: str) -> Estimate:
    middle = sum(value for _, value, _ in found) / len(found)
    low, high = min(low for low, _, _ in found), max(high for _, _, high in found)
    return estimate(middle, low=min(low, middle), high=max(high, middle), unit="fraction", basis=basis, source=source)
