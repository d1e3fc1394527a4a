"""Cooling: can the site's air or water remove the heat of the fullest rack?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aigc_bench.core.messages import message
from aigc_bench.core.records import Estimate
from aigc_bench.plan.factors._racked import racked
from aigc_bench.plan.factors.base import Context, Factor, Limits, enough
from aigc_bench.plan.placement.desks import heat_of_a_room
from aigc_bench.plan.records.demand import Site
from aigc_bench.plan.records.factor_keys import SiteKey
from aigc_bench.plan.records.machine import Machine
from aigc_bench.plan.records.plan import Assessment
from aigc_bench.plan.site.cooling_fit import TAKES, rack_limit_w
from aigc_bench.plan.site.power_chain import AIR_BTU_PER_HOUR_PER_CFM_F, BTU_PER_HOUR_PER_W, FAHRENHEIT_PER_KELVIN, tons
from aigc_bench.plan.stats.estimates import estimate, over, scaled, zero

if TYPE_CHECKING:
    from aigc_bench.catalog.loader import Catalogue


RACK, INLET = "rack_cooling_w", "inlet_c"


def _usual_limit(catalogue: Catalogue, site: Site) -> Estimate:
    return rack_limit_w(site.cooling, catalogue=catalogue)


class CoolingFactor(Factor):
    """Heat of the fullest rack against the capacity of its cooling; every watt of power becomes heat."""

    title = "Cooling"
    order = 50
    provided = frozenset({"cloud"})
    unit = "W"
    formula = message(
        "required = servers in the fullest rack x design heat + switches and storage in it; BTU/h = 3.412 x W; "
        "CFM = BTU/h / (1.08 x rise in degF)"
    )
    source = message("ASHRAE Handbook Fundamentals (sensible heat of air); rack limits by cooling method as in the catalogue")

    site_keys = (
        SiteKey(
            name="rack_cooling_kw",
            title=message("cooling of a rack"),
            meaning=message("cooling capacity per rack (default: by cooling)"),
            unit="kW",
            low=0.01,
            high=1e4,
            field=RACK,
            default=_usual_limit,
        ),
        SiteKey(
            name=INLET,
            title=message("temperature of the supplied air"),
            meaning=message("highest temperature of the supplied air"),
            unit="degC",
            low=1,
            high=60,
            # Not known of a provider, who states a density of the racks instead.
            only_own=True,
        ),
    )

    def assess(self, context: Context) -> Assessment:
        """Assess the fullest rack; air that is too warm or an unsuitable cooling method leaves nothing available."""
        heat, limit = context.machine.design_heat_w, context.site.amount(RACK)
        # Design heat, not peak power: vendors state more heat than watts for some servers (DGX H100: 11.3 of 10.2 kW).
        found = racked(context, heat, watts="heat_w")
        required = found.required
        inputs = {message("design heat of one server"): heat} | found.inputs | _air(context, found.everything)
        if context.is_at_desks:
            # The air of an office, not that of a server room, whatever the site has there.
            return self.conclude(required=found.everything, available=heat_of_a_room(), why=IN_A_ROOM, inputs=inputs)
        if limit is None:
            return self.conclude(required=required, available=None, why=UNKNOWN, inputs=inputs)
        why = message("{found} in the fullest rack", found=found.words)
        # Before the capacity: a limit in watts says nothing where the air is too warm.
        if is_too_warm(context.site, context.machine):
            why = message(
                "supplied air is {inlet_c:g} degC, this server allows at most {limit_c:g} degC",
                inlet_c=_inlet_c(context.site),
                limit_c=_limit_c(context),
            )
            return self.conclude(required=required, available=zero("W"), why=why, inputs=inputs | _inlet(context))
        if context.site.cooling not in TAKES[context.machine.cooling]:
            why = message(
                "this server is built for {cooling}; the site has {own}",
                cooling=context.machine.cooling.replace("_", " "),
                own=context.site.cooling,
            )
            return self.conclude(required=required, available=zero("W"), why=why, inputs=inputs)
        return self.conclude(required=required, available=limit, why=why, inputs=inputs)

    def remedy(self, found: Assessment, limits: Limits) -> str:
        """Return another cooling method or cooler air where the server does not suit the site, else the capacity that suffices."""
        site, machine, table = limits.site, limits.machine, limits.table
        assert machine is not None, "only a machine has heat to remove"
        if site.cooling not in TAKES[machine.cooling]:
            return message(
                "{why}; {table}.cooling = {cooling!r} or an air-cooled server would change that",
                why=found.why,
                table=table,
                cooling=machine.cooling,
            )
        if is_too_warm(site, machine):
            return message(
                "{why}; cooler air ({table}.inlet_c) or a liquid-cooled server would change that", why=found.why, table=table
            )
        # A colocation sells one density per rack, which limits power and heat together.
        key = "rack_cooling_kw" if table == "site" else "rack_kw"
        return message(
            "racks with a cooling capacity of {enough} ({table}.{key}), another {table}.cooling, a smaller "
            "server or renting would change that",
            enough=enough(found),
            table=table,
            key=key,
        )


def is_too_warm(site: Site, machine: Machine) -> bool:
    """Return whether the supplied air is warmer than an air-cooled server allows; False if either is unknown."""
    limit, supplied = machine.inlet_limit_c, _inlet_c(site)
    # Liquid-cooled servers are limited by their water, not by the air of the room.
    return machine.cooling == "air" and limit is not None and supplied is not None and supplied > limit.value


def _inlet_c(site: Site) -> float | None:
    """Return the highest temperature of the supplied air; ``None`` if it is unknown."""
    supplied = site.amount(INLET)
    # The warmest air decides, as it is the warmest day that stops a server.
    return None if supplied is None else supplied.high


def _limit_c(context: Context) -> float:
    return context.machine.inlet_limit_c.value if context.machine.inlet_limit_c else 0.0


def _inlet(context: Context) -> dict[str, Estimate]:
    """Return the temperatures that are compared."""
    found = {message("warmest air that the server takes"): context.machine.inlet_limit_c}
    found[message("supplied air")] = context.site.amount(INLET)
    return {name: value for name, value in found.items() if value is not None}


IN_A_ROOM = message("all machines in the air of the room they stand in")
UNKNOWN = message("the cooling capacity of a rack is unknown; state the site's cooling method or its kW per rack")


def _air(context: Context, everything: Estimate) -> dict[str, Estimate]:
    """Return the heat of all servers, and of everything in the units of facility planning (BTU/h, tons, CFM)."""
    heat = scaled(context.machine.design_heat_w, context.servers)
    rise = estimate(
        context.site.inlet_rise_k, unit="K", basis="assumed", source=message("20 degF across a server, a usual design rise")
    )
    btu_per_degree = scaled(scaled(rise, AIR_BTU_PER_HOUR_PER_CFM_F), FAHRENHEIT_PER_KELVIN)
    return {
        message("heat of all servers"): heat,
        message("heat of all servers, BTU/h"): scaled(heat, BTU_PER_HOUR_PER_W, unit="BTU/h"),
        message("heat of the IT"): everything,
        "refrigeration": scaled(everything, tons(1.0), unit="ton"),
        message("rise of the air"): rise,
        "airflow": over(scaled(everything, BTU_PER_HOUR_PER_W), btu_per_degree, unit="CFM"),
    }


factor = CoolingFactor()
