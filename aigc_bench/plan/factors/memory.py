"""Memory: do all models that share a machine fit together, on the host and on a device?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aigc_bench.core.messages import message
from aigc_bench.core.records import Estimate
from aigc_bench.plan.factors._vector_search import index_bytes
from aigc_bench.plan.factors.base import Context, Factor, Limits, enough, scarcest
from aigc_bench.plan.records.machine import Capability, Load, Pool
from aigc_bench.plan.records.plan import Assessment
from aigc_bench.plan.stats.estimates import largest, plus, times, zero

PLACES = ("host", "device")
UNKNOWN = message("peak or memory size was not recorded; measure on this machine with readable memory counters")


class MemoryFactor(Factor):
    """Peak bytes of the models resident on one machine against its memory; the scarcer of host and device."""

    title = "Memory"
    order = 20
    unit = "B"
    formula = message(
        "required = peaks of the models resident on one machine (pooled: every service and the largest job; else one); "
        "available = memory x usable share"
    )
    source = message("measured peaks (VmHWM on the host, driver or allocator on the device); runtime and caches are included")

    def assess(self, context: Context) -> Assessment:
        """Assess host and device separately; the one with less head-room counts."""
        inputs = {message("usable share"): context.rules.usable_memory}
        pairs = {}
        for place, size in zip(PLACES, (context.machine.host_memory_bytes, context.machine.device_memory_bytes), strict=True):
            required = _required(context, place)
            if required is not None:
                inputs[_required_name(place)] = required
            # The host's memory is unknown where no data sheet states it; then the device alone is judged.
            if required is not None and size is not None:
                inputs[_size_name(place)] = size
                pairs[place] = (required, times(size, context.rules.usable_memory, unit="B"))
        place_found = scarcest(pairs)
        if not context.pools:
            return self.conclude(required=zero("B"), available=zero("B"), why=message("no load"), inputs=inputs)
        if place_found is None:
            return self.conclude(required=None, available=None, why=UNKNOWN, inputs=inputs)
        resident = max(_num_resident(context, pool) for pool in context.pools)
        why = message(
            "{place} memory of one machine with up to {resident} model{more} resident",
            place=place_found,
            resident=resident,
            more="s" if resident != 1 else "",
        )
        return self.conclude(required=pairs[place_found][0], available=pairs[place_found][1], why=why, inputs=inputs)

    def remedy(self, found: Assessment, limits: Limits) -> str:
        """Return the usable memory that would suffice; a smaller or narrower model needs less."""
        return message(
            "machines with {enough} of usable memory, a smaller model or a narrower format would change that", enough=enough(found)
        )


def _required(context: Context, place: str) -> Estimate | None:
    """Return the bytes of the fullest pool, on the host with the vector indexes that lie there."""
    models, index = _fullest(context, place), index_bytes(context) if place == "host" else None
    found = [one for one in (models, index) if one is not None]
    return plus(*found) if found else None


def _required_name(place: str) -> str:
    return message("{place} memory required", place=place)


def _size_name(place: str) -> str:
    return message("{place} memory", place=place)


def resident_bytes(factors: Mapping[str, Assessment], place: str) -> Estimate | None:
    """Return the bytes that an option's resident models require on one machine's host or device; ``None`` if unknown."""
    found = factors.get(factor.name)
    return found.inputs.get(_required_name(place)) if found is not None else None


def compared_bytes(factors: Mapping[str, Assessment]) -> tuple[Estimate, ...]:
    """Return what an option requires and what its machines have, of host and device, as far as they are known."""
    found = factors.get(factor.name)
    names = {name for place in PLACES for name in (_required_name(place), _size_name(place))}
    return tuple(value for name, value in found.inputs.items() if name in names) if found is not None else ()


def _fullest(context: Context, place: str) -> Estimate | None:
    """Return the bytes on one machine of the fullest pool; ``None`` if a resident model's peak is unknown there."""
    needs = [_resident(context, pool, place) for pool in context.pools]
    known = [need for need in needs if need is not None]
    # One unknown peak could be the largest, so then nothing is known.
    return largest(known) if known and len(known) == len(needs) else None


def _num_resident(context: Context, pool: Pool) -> int:
    """Return how many models are resident together: every service, and one job."""
    # Replicas have accelerators to themselves, jobs take over those that services leave.
    if context.placement == "shared":
        return 1
    jobs = sum(context.job(load) is not None for load in context.loads_of(pool))
    return len(pool.loads) - jobs + min(jobs, 1)


def _resident(context: Context, pool: Pool, place: str) -> Estimate | None:
    """Return the peak of all services together plus one job at a time; on shared machines of one load at a time."""
    loads = context.loads_of(pool)
    services = _peaks(context, [load for load in loads if context.service(load)], place)
    jobs = _peaks(context, [load for load in loads if context.job(load)], place)
    if services is None or jobs is None:
        return None
    if context.placement == "shared":
        return largest([*services, *jobs])
    # Services stay loaded, jobs run one after the other.
    parts = [*services, *([largest(jobs)] if jobs else [])]
    return plus(*parts) if parts else None


def _peaks(context: Context, loads: Sequence[Load], place: str) -> list[Estimate] | None:
    peaks = [_peak(context.capability(load), place) for load in loads]
    known = [peak for peak in peaks if peak is not None]
    return known if len(known) == len(peaks) else None


def _peak(capability: Capability, place: str) -> Estimate | None:
    return capability.host_memory_bytes if place == "host" else capability.device_memory_bytes


factor = MemoryFactor()
