"""Network: can the links carry requests and responses at the peak, the data of jobs, and the exchange of training?"""

from __future__ import annotations

from aigc_bench.core.messages import message
from aigc_bench.core.records import Estimate
from aigc_bench.plan.factors.base import Context, Factor, Limits, enough, scarcest
from aigc_bench.plan.records.demand import Growth, Service
from aigc_bench.plan.records.factor_keys import SiteKey, offered
from aigc_bench.plan.records.machine import Pool
from aigc_bench.plan.records.plan import Assessment
from aigc_bench.plan.sizing.fleets import grown
from aigc_bench.plan.sizing.training_traffic import checkpoint_bits_per_s, feeding_bits_per_s, training_bits_per_s
from aigc_bench.plan.stats.estimates import largest, over, plus, scaled, times, total

BITS_PER_BYTE = 8
LINK, UPLINK = message("link of the busiest machine"), message("uplink of the site")
FABRIC = message("compute network of a training machine")
JOBS = message("link of a machine while jobs run")
OF_SITE = "egress_bits_per_s"
Pairs = dict[str, tuple[Estimate, Estimate]]


UPLINK_KEY = SiteKey(
    name="uplink_gbit_per_s",
    title=message("uplink"),
    meaning=message("link to the users (default: unknown)"),
    unit="Gbit/s",
    low=1e-6,
    high=1e6,
    is_zero_allowed=True,
    field=OF_SITE,
    only_own=True,
)


class NetworkFactor(Factor):
    """Bit/s of the busiest machine against its front-end link and its compute network, or of the site against its uplink."""

    title = "Network"
    order = 30
    unit = "bit/s"
    formula = message(
        "front end: sum of peak requests/s x growth x (request + response bytes) x 8 / machines; jobs: (items/s x bytes + "
        "checkpoint / stall) x 8 of a machine; training: (6 x parameters x (G - 1) / G + 2 x width x parameters x share x "
        "(R - 1) / R) x 8 / (seconds of a step x accelerators of a server), for G servers of a replica and R groups with the same "
        "shards; available = link rate x goodput"
    )
    source = message(
        "front-end traffic by planning rule; collectives as the performance model counts them (ring all-reduce, ZeRO-3): within "
        "servers they are inside the predicted throughput, between servers they are counted here"
    )

    site_keys = (UPLINK_KEY,)
    colocation_keys = (offered(UPLINK_KEY, meaning=message("link to the users (default: unlimited)")),)

    def assess(self, context: Context) -> Assessment:
        """Assess links, uplink and compute network separately; the one with least head-room counts."""
        growth = context.demand.growth
        traffic = {service.name: traffic_bits_per_s(service, growth=growth) for service in _served(context)}
        inputs = {message("traffic at the peak, {name}", name=name): rate for name, rate in traffic.items()}
        inputs[message("payload share of the link")] = context.rules.link_goodput
        everything = total(list(traffic.values()), unit=self.unit)
        busiest = _busiest(context)
        inputs[message("traffic of all services")] = everything
        fed, exchanged = _of_jobs(context), _of_training(context)
        inputs |= fed | exchanged
        link, uplink = context.machine.network_bits_per_s, context.site.amount(OF_SITE)
        pairs: Pairs = {}
        if link is not None:
            pairs |= _on_the_link(context, link, busiest, fed=fed, exchanged=exchanged)
            inputs[message("link rate")] = link
        fabric = context.machine.fabric_bits_per_s
        if exchanged and fabric is not None:
            pairs[FABRIC] = (largest(list(exchanged.values())), times(fabric, context.rules.link_goodput, unit=self.unit))
            inputs[message("compute network of an accelerator")] = fabric
        # A site without a stated uplink is not limited by it.
        if uplink is not None:
            pairs[UPLINK] = (everything, uplink)
        place = scarcest(pairs)
        # A fast uplink proves nothing about the link of a machine.
        if link is None or place is None:
            return self.conclude(required=busiest, available=None, why=UNKNOWN, inputs=inputs)
        return self.conclude(
            required=pairs[place][0], available=pairs[place][1], why=message("limited by the {place}", place=place), inputs=inputs
        )

    def remedy(self, found: Assessment, limits: Limits) -> str:
        """Return the uplink or the link that would suffice, whichever is short."""
        # The assessment keeps only the scarcest pair; which one it was shows by its words.
        if found.why == message("limited by the {place}", place=UPLINK):
            uplink = message("an uplink of {enough} ({table}.uplink_gbit_per_s)", enough=enough(found), table=limits.table)
            return message("{uplink} or smaller responses (response_kb) would change that", uplink=uplink)
        if found.why in (message("limited by the {place}", place=FABRIC), message("limited by the {place}", place=JOBS)):
            return message(
                "{enough} per accelerator between servers, larger servers, or a longer deadline would change that",
                enough=enough(found),
            )
        return message(
            "a link of {enough} per machine, more machines or smaller responses (response_kb) would change that",
            enough=enough(found),
        )


UNKNOWN = message("the speed of this machine's network link is unknown; `ethtool` or the provider's data sheet states it")


def traffic_bits_per_s(service: Service, *, growth: Growth | None = None) -> Estimate:
    """Return the front-end bit/s of a service's requests and responses at the peak, at the end of the horizon."""
    sizes, (last, _) = plus(service.request_bytes, service.response_bytes), grown(growth)
    return scaled(times(service.arrival.peak_requests_per_s, last, sizes, unit="B/s"), BITS_PER_BYTE, unit="bit/s")


def _on_the_link(
    context: Context, link: Estimate, busiest: Estimate, *, fed: dict[str, Estimate], exchanged: dict[str, Estimate]
) -> Pairs:
    """Return what the front-end link of a machine has to carry: services at their peak, jobs in their window."""
    available = times(link, context.rules.link_goodput, unit="bit/s")
    jobs = list(fed.values())
    # Servers without compute NICs exchange over the only link that they have.
    if context.machine.fabric_bits_per_s is None:
        jobs += exchanged.values()
    pairs = {LINK: (busiest, available)} if busiest.value > 0 or not jobs else {}
    return {**pairs, **({JOBS: (total(jobs, unit="bit/s"), available)} if jobs else {})}


def _of_jobs(context: Context) -> dict[str, Estimate]:
    """Return bit/s of a machine for the data of jobs, which come from elsewhere, and for checkpoints that are stored elsewhere."""
    found: dict[str, Estimate] = {}
    is_away = context.kind == "cloud" or (context.room is not None and context.room.is_data_shared)
    for load in context.loads:
        job = context.job(load)
        if job is None or load.busy_machines.value <= 0:
            continue
        capability = context.capability(load)
        found[message("data of {name}", name=load.name)] = feeding_bits_per_s(job, capability)
        saved = checkpoint_bits_per_s(job, load, capability, context.rules) if is_away else None
        if saved is not None:
            found[message("a checkpoint of {name} while it is written", name=load.name)] = saved
    return found


def _of_training(context: Context) -> dict[str, Estimate]:
    """Return bit/s between servers for each accelerator, by training job."""
    found: dict[str, Estimate] = {}
    for load in context.loads:
        job = context.job(load)
        rate = None if job is None else training_bits_per_s(job, load, context.capability(load), context.machine)
        if rate is not None:
            found[message("gradients and weights between servers, {name}", name=load.name)] = rate
    return found


def _served(context: Context) -> list[Service]:
    return [service for load in context.loads if (service := context.service(load)) is not None]


def _busiest(context: Context) -> Estimate:
    """Return the bit/s of one machine in the pool whose machines carry most."""
    per_machine = [_per_machine(context, pool) for pool in context.pools]
    # Pools have machines of their own, so the links of one do not help another.
    return max(per_machine, key=lambda rate: rate.value) if per_machine else total([], unit="bit/s")


def _per_machine(context: Context, pool: Pool) -> Estimate:
    services = [service for load in context.loads_of(pool) if (service := context.service(load)) is not None]
    growth = context.demand.growth
    traffic = total([traffic_bits_per_s(service, growth=growth) for service in services], unit="bit/s")
    # Requests are spread evenly over the machines of a pool.
    return over(traffic, pool.available_machines, unit="bit/s")


factor = NetworkFactor()
