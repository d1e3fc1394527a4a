"""Power limits that are searched for an accelerator, with their effect on throughput and draw."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aigc_bench.plan.site.power_cap import Work, cap_curve

if TYPE_CHECKING:
    from aigc_bench.catalog.loader import Catalogue
    from aigc_bench.catalog.records import AcceleratorSpec

SHARES = (0.85, 0.7)
UNCAPPED = (1.0, 1.0, 1.0)


def power_caps(spec: AcceleratorSpec, *, work: Work, catalogue: Catalogue) -> tuple[tuple[float, float, float], ...]:
    """Return ``(share of the default limit, throughput, draw)``: the default, then the published sweeps that state a draw."""
    if spec.tdp_w is None:
        return (UNCAPPED,)
    limits = [share * spec.tdp_w for share in SHARES]
    points = cap_curve(spec.id, default_limit_w=spec.tdp_w, work=work, limits_w=limits, caps=catalogue.power_caps.values())
    known = [(one.limit_w / spec.tdp_w, one.throughput.value, one.draw.value) for one in points if one.draw is not None]
    return (UNCAPPED, *known)
