"""Power: can the fullest rack's feed carry the servers' peak? Provision with the peak, pay for the mean."""

from __future__ import annotations

from aigc_bench.core.records import Estimate
from aigc_bench.plan.factors.base import Context, Factor, scarcest
from aigc_bench.plan.interval import over, scaled, times
from aigc_bench.plan.rack import fullest_rack
from aigc_bench.plan.records import Assessment


class Power(Factor):
    """Peak watts of the fullest rack against what its feed carries continuously."""

    title = "Power"
    unit = "W"
    formula = (
        "required = servers in the fullest rack x peak W at the wall; available = continuous rating of the rack's feed; "
        "or all servers against the site's power, whichever is scarcer"
    )
    source = "provision with the peak, bill with the mean; nameplate is not load (8xH100 measured 8.4 kW of 10.2 rated)"

    def assess(self, context: Context) -> Assessment:
        """A feed that cannot carry a single server is short; an unknown feed is unknown."""
        peak, feed = context.machine.peak_power_w, context.site.rack_power_w
        in_rack = fullest_rack(context.servers_per_rack, num_servers=context.num_servers)
        required = scaled(peak, in_rack)
        inputs = {"peak power of one server": peak} | _site(context)
        if feed is None:
            return self.conclude(required=required, available=None, why=UNKNOWN, inputs=inputs)
        pairs = {f"{in_rack} server{'s' if in_rack != 1 else ''} on the fullest rack's feed": (required, feed)}
        site = context.site.power_w
        if site is not None:
            pairs["all servers on the power that the site gives to IT"] = (scaled(peak, context.num_servers), site)
        why = scarcest(pairs) or next(iter(pairs))
        return self.conclude(required=pairs[why][0], available=pairs[why][1], why=why, inputs=inputs)


UNKNOWN = "the rating of a rack's feed at this site is not known; the breaker's amperes and volts would settle it"


def _site(context: Context) -> dict[str, Estimate]:
    """What the site must provide for all servers: at the rack, behind the UPS, and with the cooling's share."""
    machine, peak = context.machine, scaled(context.machine.peak_power_w, context.num_servers)
    return {
        "idle power of one server": machine.idle_power_w,
        "power of one server at work": machine.full_power_w,
        "peak power of all servers": peak,
        "UPS input for all servers": over(peak, context.rules.ups_efficiency, unit="W"),
        "site power with cooling": times(peak, context.site.pue, unit="W"),
        "PUE": context.site.pue,
    }


factor = Power()
