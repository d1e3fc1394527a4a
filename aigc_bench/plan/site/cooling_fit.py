"""Whether a cooling method can take a rack's heat, and what it needs: air in CFM, water in L/min, PUE.

    air      CFM   = BTU/h / (1.08 x rise in degF)            of the heat that the liquid does not capture
    water    L/min = W x captured x 60 / (4,180 x rise in K)

An air-cooled server fits open or contained air or a rear door; one with cold plates needs direct liquid; tanks take
only servers that the vendor releases for immersion, which no row of the catalogue states, so immersion is never assumed.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from aigc_bench.catalog.records import CoolingMethod
from aigc_bench.core.derivation import Derivation, record
from aigc_bench.core.messages import message
from aigc_bench.core.record import Sentence
from aigc_bench.core.records import Estimate, Record
from aigc_bench.plan.site.power_chain import DESIGN_RISE_K, airflow_cfm, water_l_per_min
from aigc_bench.plan.stats.distributions import Z_P90
from aigc_bench.plan.stats.estimates import estimate, named, times

if TYPE_CHECKING:
    from aigc_bench.catalog.loader import Catalogue

RoomCooling = Literal["air_open", "air", "rear_door", "direct_liquid", "immersion"]
TAKES: dict[CoolingMethod, tuple[RoomCooling, ...]] = {
    # A rear door cools the air that leaves the rack; the servers in it are air-cooled.
    "air": ("air_open", "air", "rear_door"),
    "rear_door": ("rear_door",),
    "direct_liquid": ("direct_liquid",),
    "immersion": ("immersion",),
}
"""Rooms in which a server built for that cooling may stand."""
PUE_OF: dict[RoomCooling, str] = {
    "air_open": "air",
    "air": "air",
    "rear_door": "rear_door",
    "direct_liquid": "direct_liquid",
    "immersion": "immersion",
}
# 10 K needs 1.43 L/min per kW.
WATER_RISE_K = 10.0


class CoolingFit(Record):
    """One cooling method against one rack. ``p_fits`` is the probability that the rack's limit is above the heat.

    Watts, CFM and L/min are of the rack. ``water_l_per_min`` is facility water or coolant; 0 in a room cooled by air alone.
    """

    room: RoomCooling
    is_suitable: bool
    is_feasible: bool
    heat_w: float = Field(ge=0)
    limit_w: Estimate
    headroom: float | None
    p_fits: float = Field(ge=0, le=1)
    to_air_w: float
    to_water_w: float
    airflow_cfm: float
    water_l_per_min: float
    pue: Estimate
    why: Sentence


def cooling_fit(
    heat_w: float, *, room: RoomCooling, server_cooling: CoolingMethod, catalogue: Catalogue, is_own_rack: bool = False
) -> CoolingFit:
    """Return one cooling method against a rack of ``heat_w`` watts of servers built for ``server_cooling``.

    A product that is a rack itself comes with its manifolds, so its limit is the upper end of such rooms.
    """
    limit = rack_limit_w(room, catalogue=catalogue)
    if is_own_rack:
        limit = limit.model_copy(update={"value": limit.high, "low": limit.value})
    captured = captured_share(room, catalogue=catalogue)
    to_water = heat_w * captured.value
    to_air = heat_w - to_water
    is_suitable = room in TAKES[server_cooling]
    fits = heat_w <= limit.value
    return CoolingFit(
        room=room,
        is_suitable=is_suitable,
        is_feasible=is_suitable and fits,
        heat_w=heat_w,
        limit_w=limit,
        headroom=1 - heat_w / limit.value if is_suitable else None,
        p_fits=probability_above(limit, heat_w) if is_suitable else 0.0,
        to_air_w=to_air,
        to_water_w=to_water,
        # All heat passes a rear door as air, though water carries it away.
        airflow_cfm=airflow_cfm(heat_w if room == "rear_door" else to_air, rise_k=DESIGN_RISE_K),
        water_l_per_min=water_l_per_min(to_water, rise_k=WATER_RISE_K),
        pue=catalogue.pue(PUE_OF[room]),
        why=_why(heat_w, room=room, server_cooling=server_cooling, limit=limit),
    )


def rack_limit_w(room: RoomCooling, *, catalogue: Catalogue) -> Estimate:
    """Return the heat that one rack can reject in such a room."""
    return catalogue.constant(f"rack_limit_{room}_w").model_copy(update={"unit": "W"})


def captured_share(room: RoomCooling, *, catalogue: Catalogue) -> Estimate:
    """Return the share of heat removed by water: none in air, all through a rear door or a tank, most from cold plates."""
    if room == "direct_liquid":
        return catalogue.constant("liquid_capture_fraction")
    share = 0.0 if room in ("air_open", "air") else 1.0
    return estimate(share, unit="fraction", basis="datasheet", source=message("by construction of the room"))


def cooling_overhead_kwh(it_kwh_per_year: Estimate, *, pue: Estimate) -> Estimate:
    """Return the non-IT energy: kWh of IT x (PUE - 1); cooling, UPS and distribution together."""
    # PUE - 1: W of everything that is no IT, per W of IT.
    beyond = pue.model_copy(update={"value": pue.value - 1, "low": pue.low - 1, "high": pue.high - 1, "unit": "ratio"})
    record(beyond, Derivation("{0} - 1", (pue,)))
    return named(times(it_kwh_per_year, beyond, unit="kWh/year"), message("kWh of IT x (PUE - 1)"))


def probability_above(limit: Estimate, heat_w: float) -> float:
    """Return P(limit >= heat) where the interval is P10 to P90 of a lognormal with its own width on each side of the median."""
    if heat_w <= 0:
        return 1.0
    if limit.low == limit.high or limit.low <= 0:
        return float(heat_w <= limit.value)
    distance = math.log(heat_w / limit.value)
    # Each side of the median has a width of its own.
    width = math.log(limit.high / limit.value) if distance > 0 else math.log(limit.value / limit.low)
    if width == 0:
        return float(distance <= 0)
    # P(Z >= z) of the normal, with z = distance in standard deviations.
    return 0.5 * math.erfc(distance / width * Z_P90 / math.sqrt(2))


def _why(heat_w: float, *, room: RoomCooling, server_cooling: CoolingMethod, limit: Estimate) -> str:
    name = room.replace("_", " ")
    if room not in TAKES[server_cooling]:
        return message(
            "the server is built for {server_cooling} cooling, which {name} does not offer",
            server_cooling=server_cooling.replace("_", " "),
            name=name,
        )
    relation = "within" if heat_w <= limit.value else "beyond"
    return message(
        "{heat:.1f} kW a rack is {relation} the {limit:.0f} kW that {name} takes",
        heat=heat_w / 1000,
        relation=relation,
        limit=limit.value / 1000,
        name=name,
    )
