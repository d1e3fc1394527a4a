"""Combine options: each load on the kind of machine that serves it at the lowest cost, as one option with parts.

Single-load options are made for every host; the cheapest accepted one of each load is a part. Money and carbon add up, each factor
is the scarcest of the parts. Parts share nothing, so a mixed option pays for its spares twice: it wins where the loads differ much.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aigc_bench.core.records import Estimate
from aigc_bench.plan.options.assemble import by_headroom
from aigc_bench.plan.records.assessment import Assessment
from aigc_bench.plan.records.plan import Option
from aigc_bench.plan.stats.estimates import named, plus

SUMS = (
    "num_servers", "num_spares", "num_margin", "num_accelerators", "num_racks", "carbon_operation_kg", "carbon_making_kg",
)  # fmt: skip
"""Explained numbers of an option that add up over its parts."""


def combined(parts: Sequence[Option], *, reasons: Sequence[str] = ()) -> Option:
    """Return several options as one; ``parts`` serve different loads."""
    assert len(parts) > 1, "a mixed option has parts"
    factors = {name: _scarcest([part.factors[name] for part in parts]) for name in parts[0].factors}
    tightest = by_headroom(factors)
    first = parts[0]
    kinds = {part.kind for part in parts}
    return first.model_copy(
        update={
            "rank": 0,
            "kind": first.kind if len(kinds) == 1 else "cloud" if "cloud" in kinds else first.kind,
            "term": " + ".join(dict.fromkeys(part.term for part in parts)),
            "provider": " + ".join(dict.fromkeys(part.provider for part in parts if part.provider)) or None,
            "placement": "dedicated",
            "accelerator": " + ".join(dict.fromkeys(part.accelerator or "none" for part in parts)),
            "server": " + ".join(f"{part.num_servers} x {part.server}" for part in parts),
            "machine": None,
            "room": None,
            "loads": tuple(load for part in parts for load in part.loads),
            "parts": tuple(parts),
            "num_machines": _sum([part.num_machines for part in parts]),
            "num_servers": sum(part.num_servers for part in parts),
            "num_spares": sum(part.num_spares for part in parts),
            "num_margin": sum(part.num_margin for part in parts),
            "misses_confidence": any(part.misses_confidence for part in parts),
            "num_accelerators": sum(part.num_accelerators for part in parts),
            "num_racks": _racks(parts),
            "pools": tuple(pool for part in parts for pool in part.pools),
            "accepted": all(part.accepted for part in parts) and not reasons,
            "reasons": (*reasons, *(reason for part in parts for reason in part.reasons)),
            "factors": factors,
            "bottleneck": tightest[0] if tightest else None,
            "next_bottleneck": tightest[1] if len(tightest) > 1 else None,
            "costs": tuple(line for part in parts for line in part.costs),
            "usd_per_unit": _merged([part.usd_per_unit for part in parts]),
            "carbon_kg_per_unit": _merged([part.carbon_kg_per_unit for part in parts]),
            **{name: _sum([getattr(part, name) for part in parts]) for name in ("capex_usd", "opex_usd_per_year", "tco_usd")},
            "derived": _counts(parts),
            **{name: _sum_known([getattr(part, name) for part in parts]) for name in ("energy_kwh_per_year", "carbon_kg")},
        }
    )


def _scarcest(found: Sequence[Assessment]) -> Assessment:
    """Return the assessment with the least head-room; if none is known, the first that is not the provider's."""
    known = [one for one in found if one.headroom is not None]
    if known:
        return min(known, key=lambda one: one.headroom or 0.0)
    return next((one for one in found if one.verdict != "provider"), found[0])


def _sum(parts: Sequence[Estimate]) -> Estimate:
    return named(plus(*parts), "sum over the parts")


def _sum_known(parts: Sequence[Estimate | None]) -> Estimate | None:
    known = [part for part in parts if part is not None]
    return _sum(known) if len(known) == len(parts) else None


def _counts(parts: Sequence[Option]) -> dict[str, Estimate]:
    """Return the counts of the parts added up, where every part has them; of racks those that are known."""
    found = {}
    for name in dict.fromkeys(name for part in parts for name in part.derived):
        known = [part.derived[name] for part in parts if name in part.derived]
        if name in SUMS and (len(known) == len(parts) or name == "num_racks"):
            found[name] = _sum(known)
    return found


def _racks(parts: Sequence[Option]) -> int | None:
    known = [part.num_racks for part in parts if part.num_racks is not None]
    return sum(known) if known else None


def _merged(found: Sequence[Mapping[str, Estimate]]) -> dict[str, Estimate]:
    return {name: value for part in found for name, value in part.items()}
