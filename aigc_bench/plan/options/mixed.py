"""Combine options: each load on the kind of machine that serves it at the lowest cost, as one option with parts.

Single-load options are made for every host; the cheapest accepted one of each load is a part. Money and carbon add up, each factor
is the scarcest of the parts. Parts share nothing, so a mixed option pays for its spares twice: it wins where the loads differ much.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import TypeVar

from aigc_bench.core.messages import message
from aigc_bench.core.records import Estimate
from aigc_bench.plan.options.assemble import by_headroom
from aigc_bench.plan.records.plan import Assessment, Option, Rent
from aigc_bench.plan.stats.estimates import named, plus, scaled

SUMS = (
    "num_servers", "num_spares", "num_margin", "num_accelerators", "num_racks", "carbon_operation_kg", "carbon_making_kg",
)  # fmt: skip
"""Explained numbers of an option that add up over its parts."""
COUNTS = ("num_servers", "num_spares", "num_margin", "num_accelerators")
WEIGHTED = message("mean over the parts, weighted by what is paid of each")
ALWAYS_KNOWN = ("num_machines", "capex_usd", "opex_usd_per_year", "tco_usd")
MIXED_SAVES = 0.1
"""Minimum saving of each further kind of machine, to justify its spares, skills and contracts (assumed)."""
T = TypeVar("T")


def combined(parts: Sequence[Option], *, reasons: Sequence[str] = ()) -> Option:
    """Return several options as one; ``parts`` serve different loads."""
    assert len(parts) > 1, "a mixed option has parts"
    return parts[0].model_copy(update={**_names(parts), **_joined(parts, reasons), **_sums(parts), **_judged(parts)})


def _names(parts: Sequence[Option]) -> dict[str, object]:
    """Return what the option is called by: every term, provider, accelerator and server of its parts, each once."""
    kinds = {part.kind for part in parts}
    return {
        "rank": 0,
        # Any rented part makes the whole depend on a provider.
        "kind": "cloud" if "cloud" in kinds else parts[0].kind,
        "term": _each_once(part.term for part in parts),
        "provider": _each_once(part.provider for part in parts) or None,
        "placement": "dedicated",
        "accelerator": _each_once(part.accelerator or "none" for part in parts),
        "server": " + ".join(f"{part.num_servers} x {part.server}" for part in parts),
        "machine": None,
        "room": None,
    }


def _joined(parts: Sequence[Option], reasons: Sequence[str]) -> dict[str, object]:
    """Return what the option has of each part, one after the other; it is refused with any of them."""
    return {
        "parts": tuple(parts),
        "loads": _chained(part.loads for part in parts),
        "pools": _chained(part.pools for part in parts),
        "costs": _chained(part.costs for part in parts),
        "rent": summed_rent([part.rent for part in parts if part.rent is not None]),
        "reasons": (*reasons, *_chained(part.reasons for part in parts)),
        "accepted": all(part.accepted for part in parts) and not reasons,
        # Each part was planned for a root of the confidence, so all of them have to reach it.
        "misses_confidence": any(part.misses_confidence for part in parts),
        "usd_per_unit": _merged([part.usd_per_unit for part in parts]),
        "carbon_kg_per_unit": _merged([part.carbon_kg_per_unit for part in parts]),
    }


def _sums(parts: Sequence[Option]) -> dict[str, object]:
    """Return what adds up over the parts; energy and carbon only where every part has them."""
    return {
        **{name: sum(getattr(part, name) for part in parts) for name in COUNTS},
        **{name: _sum([getattr(part, name) for part in parts]) for name in ALWAYS_KNOWN},
        **{name: _sum_known([getattr(part, name) for part in parts]) for name in ("energy_kwh_per_year", "carbon_kg")},
        "num_racks": _racks(parts),
        "derived": _counts(parts),
    }


def _judged(parts: Sequence[Option]) -> dict[str, object]:
    """Return each factor's scarcest assessment, and the two with the least head-room."""
    factors = {name: _scarcest([part.factors[name] for part in parts]) for name in parts[0].factors}
    # Padded, because fewer than two factors may be known.
    first, second, *_ = (*by_headroom(factors), None, None)
    return {"factors": factors, "bottleneck": first, "next_bottleneck": second}


def summed_rent(lines: Sequence[Rent]) -> Rent | None:
    """Return the rents of several kinds of instances as one: sums, and means weighted by what is paid; one alone stays."""
    if len(lines) < 2:
        return lines[0] if lines else None
    weights = _paid_instances(lines)

    def values(name: str) -> list[Estimate]:
        return [getattr(line, name) for line in lines]

    def names(name: str) -> str:
        return _each_once(getattr(line, name) for line in lines)

    mean, yearly = _sum(values("instances_mean")), _sum(values("usd_per_year"))
    hourly = _weighted(values("usd_per_instance_hour"), weights)
    accelerators = [size.value * weight for size, weight in zip(values("accelerators_per_instance"), weights, strict=True)]
    return Rent(
        provider=names("provider") or None,
        region=names("region") or None,
        term=names("term"),
        instance=names("instance") or None,
        accelerators_per_instance=_weighted(values("accelerators_per_instance"), weights),
        instances_at_most=sum(line.instances_at_most for line in lines),
        instances_mean=mean,
        usd_per_instance_hour=hourly,
        usd_per_accelerator_hour=_weighted(values("usd_per_accelerator_hour"), accelerators),
        usd_per_year=yearly,
        # Parts of one demand have the same horizon.
        instances_by_year=tuple(_sum(year) for year in zip(*(line.instances_by_year for line in lines), strict=True)),
        years=lines[0].years,
        lines=tuple(lines),
    )


def _paid_instances(lines: Sequence[Rent]) -> list[float]:
    """Return the weights of the lines: the instances that are paid in the mean, or the reserved ones where none is."""
    paid = [line.instances_mean.value for line in lines]
    return paid if sum(paid) > 0 else [float(line.instances_at_most) for line in lines]


def _weighted(prices: Sequence[Estimate], weights: Sequence[float]) -> Estimate:
    """Return the mean price, weighted by the number that is paid of each."""
    share = sum(weights)
    return named(plus(*(scaled(price, weight / share) for price, weight in zip(prices, weights, strict=True))), WEIGHTED)


def _each_once(names: Iterable[str | None]) -> str:
    return " + ".join(dict.fromkeys(name for name in names if name))


def _chained(found: Iterable[Sequence[T]]) -> tuple[T, ...]:
    return tuple(chain.from_iterable(found))


def _scarcest(found: Sequence[Assessment]) -> Assessment:
    """Return the assessment with the least head-room; if none is known, the first that is not the provider's."""
    known = [one for one in found if one.headroom is not None]
    if known:
        return min(known, key=lambda one: one.headroom or 0.0)
    # An unknown factor of the user's own says more than one that the provider answers for.
    return next((one for one in found if one.verdict != "provider"), found[0])


def _sum(parts: Sequence[Estimate]) -> Estimate:
    return named(plus(*parts), message("sum over the parts"))


def _sum_known(parts: Sequence[Estimate | None]) -> Estimate | None:
    known = [part for part in parts if part is not None]
    # A sum of some parts would look like that of all.
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


def worth_mixing(mixed: Sequence[Option], others: Sequence[Option]) -> list[Option]:
    """Return mixed options, refused where one kind of machine for all loads costs little more.

    Each further kind has to save ``MIXED_SAVES`` of the cheapest of one kind: five kinds need five drivers, contracts and spares.
    """
    best = min((one.tco_usd.value for one in others if one.accepted), default=None)
    return [one if best is None or _saves_enough(one, best) else _not_worth(one, best) for one in mixed]


def _saves_enough(mixed: Option, best_usd: float) -> bool:
    return mixed.tco_usd.value <= (1 - MIXED_SAVES * _further_kinds(mixed)) * best_usd


def _further_kinds(mixed: Option) -> int:
    return max(1, len({part.accelerator for part in mixed.parts}) - 1)


def _not_worth(mixed: Option, best_usd: float) -> Option:
    reason = message(
        "money: {kinds} kinds of machines save {saved:.0f} % of the cost of one; below {mixed_saves:.0f} % for each further kind "
        "they are not worth running",
        kinds=1 + _further_kinds(mixed),
        saved=100 * (1 - mixed.tco_usd.value / best_usd),
        mixed_saves=100 * MIXED_SAVES,
    )
    return mixed.model_copy(update={"accepted": False, "reasons": (reason, *mixed.reasons)})
