"""Network: can one machine's link carry its share of requests and responses at the peak?"""

from __future__ import annotations

from aigc_bench.core.messages import message
from aigc_bench.core.records import Estimate
from aigc_bench.plan.factors.base import Context, Factor, Limits, enough, scarcest
from aigc_bench.plan.records.assessment import Assessment
from aigc_bench.plan.records.demand import Growth, Service
from aigc_bench.plan.records.loads import Pool
from aigc_bench.plan.sizing.fleets import grown
from aigc_bench.plan.stats.estimates import over, plus, scaled, times, total

BITS_PER_BYTE = 8


class NetworkFactor(Factor):
    """Front-end bit/s of the busiest machine at the peak against its link, or of the site against its uplink."""

    title = "Network"
    order = 30
    unit = "bit/s"
    formula = message(
        "required = sum of peak requests/s x growth x (request + response bytes) x 8 / machines; available = link rate x goodput"
    )
    source = message(
        "front-end traffic by planning rule; collectives between devices are inside the measured throughput of the cases"
    )

    def assess(self, context: Context) -> Assessment:
        """Assess the machine's link and the site's uplink separately; the one with less head-room counts."""
        growth = context.demand.growth
        traffic = {service.name: traffic_bits_per_s(service, growth=growth) for service in _served(context)}
        inputs = {message("traffic at the peak, {name}", name=name): rate for name, rate in traffic.items()}
        inputs["payload share of the link"] = context.rules.link_goodput
        everything = total(list(traffic.values()), unit=self.unit)
        busiest = _busiest(context)
        inputs["traffic of all services"] = everything
        link, uplink = context.machine.network_bits_per_s, context.site.egress_bits_per_s
        pairs = {}
        if link is not None:
            pairs["link of the busiest machine"] = (busiest, times(link, context.rules.link_goodput, unit=self.unit))
            inputs["link rate"] = link
        # A site without a stated uplink is not limited by it.
        if uplink is not None:
            pairs["uplink of the site"] = (everything, uplink)
        place = scarcest(pairs)
        # A fast uplink proves nothing about the link of a machine.
        if link is None or place is None:
            return self.conclude(required=busiest, available=None, why=UNKNOWN, inputs=inputs)
        return self.conclude(
            required=pairs[place][0], available=pairs[place][1], why=message("limited by the {place}", place=place), inputs=inputs
        )

    def remedy(self, found: Assessment, limits: Limits) -> str:
        """Return the uplink or the link that would suffice, whichever is short."""
        # The assessment keeps only the scarcer pair; which one it was shows by its limit.
        if found.available == limits.site.egress_bits_per_s:
            uplink = message("an uplink of {enough} ({table}.uplink_gbit_per_s)", enough=enough(found), table=limits.table)
            return message("{uplink} or smaller responses (response_kb) would change that", uplink=uplink)
        return message(
            "a link of {enough} per machine, more machines or smaller responses (response_kb) would change that",
            enough=enough(found),
        )


UNKNOWN = message("the speed of this machine's network link is unknown; `ethtool` or the provider's data sheet states it")


def traffic_bits_per_s(service: Service, *, growth: Growth | None = None) -> Estimate:
    """Return the front-end bit/s of a service's requests and responses at the peak, at the end of the horizon."""
    sizes, (last, _) = plus(service.request_bytes, service.response_bytes), grown(growth)
    return scaled(times(service.arrival.peak_requests_per_s, last, sizes, unit="B/s"), BITS_PER_BYTE, unit="bit/s")


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
