"""Power: can the feed of the fullest rack carry its peak? Provision for the peak, pay for the mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aigc_bench.core.messages import message
from aigc_bench.core.records import Estimate
from aigc_bench.plan.factors._racked import racked
from aigc_bench.plan.factors.base import Context, Factor, Limits, enough, scarcest
from aigc_bench.plan.placement.desks import outlet
from aigc_bench.plan.records.demand import CoolingMethod, Site
from aigc_bench.plan.records.factor_keys import ColocationKey, SiteKey, offered
from aigc_bench.plan.records.plan import Assessment
from aigc_bench.plan.site.cooling_fit import rack_limit_w
from aigc_bench.plan.stats.estimates import over, scaled, times

if TYPE_CHECKING:
    from aigc_bench.catalog.loader import Catalogue


SITE, FEED, RACK = "power_w", "rack_power_w", "rack_cooling_w"
# sqrt(3) x 415 V x 32 A x 0.8 (continuous load of a breaker) = 18.4 kW.
USUAL_FEED = "pdu_3ph_32a"


def _usual_feed(catalogue: Catalogue, _: Site) -> Estimate:
    # The row is a data sheet's; that this site has such a feed is an assumption.
    feed, source = catalogue.power[USUAL_FEED].estimate(), message("a three-phase 32 A feed at 415 V, x 0.8; not stated")
    return feed.model_copy(update={"basis": "assumed", "source": source})


OF_SITE = SiteKey(
    name="power_kw",
    title=message("IT power"),
    meaning=message("IT power of the site"),
    unit="kW",
    low=1e-3,
    high=1e7,
    is_zero_allowed=True,
    field=SITE,
)
OF_RACK = SiteKey(
    name="rack_kw",
    title=message("power of a rack"),
    meaning=message("continuous rating of a rack's feed (default: three-phase 32 A)"),
    unit="kW",
    low=0.01,
    high=1e4,
    field=FEED,
    default=_usual_feed,
)


def _density(field: str, cooling: CoolingMethod, *, title: str) -> ColocationKey:
    """Return the kW per rack that a colocation sells for servers of a cooling method."""
    return offered(
        OF_RACK,
        title=title,
        meaning=message("power and cooling per rack (default: by the cooling of the servers)"),
        field=field,
        # What a colocation sells per rack is powered and cooled: one number limits both.
        instead_of=(FEED, RACK),
        holds=lambda machine: (machine.cooling == "direct_liquid") is (cooling == "direct_liquid"),
        default=lambda catalogue, method: rack_limit_w(method or cooling, catalogue=catalogue),
    )


class PowerFactor(Factor):
    """Peak watts of the fullest rack against the continuous rating of its feed."""

    title = "Power"
    order = 60
    provided = frozenset({"cloud"})
    unit = "W"
    formula = message(
        "required = servers in the fullest rack x peak W at the wall + switches and storage in it; available = continuous rating "
        "of the rack's feed; or all servers, switches and storage against the site's IT power, whichever has less head-room"
    )
    source = message(
        "provision for the peak, pay for the mean; W at the wall = (accelerators x watts + host) / efficiency of the power supplies"
        ", the server model of `validate` at its upper end; nameplate is not load (8xH100 measured 8.4 kW of 10.2 rated)"
    )

    site_keys = (OF_SITE, OF_RACK)
    colocation_keys = (
        _density("rack_air_w", "air", title=message("power and heat of a rack of air-cooled servers")),
        _density("rack_liquid_w", "direct_liquid", title=message("power and heat of a rack of liquid-cooled servers")),
        offered(OF_SITE, meaning=message("available IT power (default: unlimited)")),
    )

    def assess(self, context: Context) -> Assessment:
        """Assess the rack's feed, and the power of the site where that is stated."""
        peak, feed = context.machine.peak_power_w, context.site.amount(FEED)
        found = racked(context, peak, watts="peak_w")
        inputs = {message("peak power of one server"): peak} | found.inputs | _site(context, found.everything)
        if context.is_at_desks:
            pairs = {AT_AN_OUTLET: (peak, outlet())}
        elif feed is None:
            return self.conclude(required=found.required, available=None, why=UNKNOWN, inputs=inputs)
        else:
            pairs = {message("{servers} on the fullest rack's feed", servers=found.words): (found.required, feed)}
        site = context.site.amount(SITE)
        if site is not None:
            where = message("the site's IT power") if context.kind == "owned" else message("the power that the provider sells")
            pairs[message("all servers, switches and storage on {where}", where=where)] = (found.everything, site)
        why = scarcest(pairs) or next(iter(pairs))
        return self.conclude(required=pairs[why][0], available=pairs[why][1], why=why, inputs=inputs)

    def remedy(self, found: Assessment, limits: Limits) -> str:
        """Return the IT power of the site or the feed of a rack that would suffice, whichever is short."""
        table = limits.table
        # The assessment keeps only the scarcer pair; which one it was shows by its limit.
        if found.available == limits.site.amount(SITE):
            needs = message("{enough} for IT ({table}.power_kw)", enough=enough(found), table=table)
            return message("{needs}, accelerators with more throughput per watt, or renting would change that", needs=needs)
        return message(
            "a feed of {enough} per rack ({table}.rack_kw), a smaller server or renting would change that",
            enough=enough(found),
            table=table,
        )


AT_AN_OUTLET = message("each machine on an outlet of its own, 230 V and 16 A at 80 %")
UNKNOWN = message("the rating of the rack's feed is unknown; it follows from the amperes and volts of the breaker")


def _site(context: Context, everything: Estimate) -> dict[str, Estimate]:
    """Return the power to provide for everything: at the rack, at the UPS input, and with cooling."""
    machine = context.machine
    return {
        message("idle power of one server"): machine.idle_power_w,
        message("power of one server at work"): machine.full_power_w,
        message("peak power of all servers"): scaled(machine.peak_power_w, context.servers),
        message("peak power of the IT"): everything,
        message("UPS input"): over(everything, context.rules.ups_efficiency, unit="W"),
        message("site power with cooling"): times(everything, context.site.pue, unit="W"),
        "PUE": context.site.pue,
    }


factor = PowerFactor()
