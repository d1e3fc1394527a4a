"""A fleet in its room: networks, storage, racks, feeds, UPS and cooling plant as one bill, with their layout."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from pydantic import Field

from aigc_bench.catalog.records import ServerSpec
from aigc_bench.core.messages import message
from aigc_bench.core.record import Sentence
from aigc_bench.core.records import Estimate, Record
from aigc_bench.plan.site.bill import Bill, BillLine, Category, merged, nic_lines, node_line, spare_lines
from aigc_bench.plan.site.cooling_fit import CoolingFit, RoomCooling, cooling_fit, rack_limit_w
from aigc_bench.plan.site.network_design import Distances, Networks, make_networks
from aigc_bench.plan.site.power_chain import Feeds, Redundancy, feeds_for, installed_share
from aigc_bench.plan.site.racks import MOST_PIECES, OWN_RACK_U, Layout, Rack, RackLimits, lay_out
from aigc_bench.plan.site.storage_system import DRIVE, StorageNeed, bought_bytes, drive_lines, storage_lines
from aigc_bench.plan.stats.estimates import known_as, scaled

if TYPE_CHECKING:
    from aigc_bench.catalog.loader import Catalogue

PLANT: dict[RoomCooling, tuple[tuple[str, ...], str]] = {
    "air_open": (("split_5", "split_10", "inrow_30", "crah_80"), "capex_crah"),
    "air": (("split_5", "split_10", "inrow_30", "crah_80", "crah_150"), "capex_crah"),
    "rear_door": (("rdhx_60",), "capex_rdhx"),
    "direct_liquid": (("cdu_80", "cdu_700", "cdu_1300"), "capex_dlc"),
    "immersion": (("rack_immersion",), "capex_immersion"),
}
"""The cooling units of each kind of room, by rising watts, with their price per kW: rows of cooling.csv."""
CAPEX_OF_UNIT = {"split_5": "capex_split", "split_10": "capex_split"}
"""Units with a price of their own: a split unit needs no chilled-water plant."""
UPS_MODULES_W = (5_000.0, 25_000.0, 250_000.0)
MOST_SERVERS = MOST_PIECES
"""Maximum servers that one room is modelled for."""
MIN_MODULES = 2
"""Minimum modules of a plant: it uses the largest module of which it needs this many, so that N+1 adds little."""


class RoomNeed(Record):
    """What to build: servers of one kind, their networks, and the properties of the room.

    ``peak_w`` is the peak draw of one server, measured or modelled; the nameplate where ``None``. ``rack_power_w`` is the
    continuous load of a rack's feed, ``rack_cooling_w`` the heat that a rack rejects (its upper end where it is a product of
    its own), both from the catalogue where ``None``. ``is_built``: UPS and cooling plant are bought, too, the room is new.
    ``drives_per_server`` are ordered for empty bays.
    ``has_own_switches``: a single server gets switches, too. ``is_at_desks``: desktops in a room that is there: nothing but them
    is bought.
    """

    num_servers: int = Field(ge=0)
    room: RoomCooling
    peak_w: float | None = Field(default=None, gt=0)
    oversubscription: float = Field(default=1.0, ge=1)
    storage: StorageNeed = StorageNeed(raw_bytes=0.0)
    drives_per_server: int = Field(default=0, ge=0)
    rack_power_w: float | None = Field(default=None, gt=0)
    rack_cooling_w: Estimate | None = None
    feed_w: float | None = Field(default=None, gt=0)
    floor_kg_per_m2: float | None = Field(default=None, gt=0)
    height_u: int | None = Field(default=None, gt=0)
    max_racks: int | None = Field(default=None, ge=0)
    redundancy: Redundancy = "N+1"
    is_dual_feed: bool = True
    is_built: bool = False
    has_own_switches: bool = False
    is_at_desks: bool = False
    distances: Distances | None = None


class Room(Record):
    """The bill, the racks and their basis. ``fit`` is of the hottest rack; ``None`` where nothing could be placed.

    ``shared_bytes`` are raw, of the systems that are bought; ``is_data_shared``: data lie there or on the site's own store.
    ``is_at_desks``: there are no racks, since nothing needs one.
    """

    bill: Bill
    networks: Networks
    layout: Layout
    feeds: Feeds | None
    fit: CoolingFit | None
    it_peak_w: float
    notes: tuple[Sentence, ...]
    drives_per_server: int = 0
    is_data_shared: bool = False
    shared_bytes: float = 0.0
    is_at_desks: bool = False


def make_room(server: ServerSpec, need: RoomNeed, *, catalogue: Catalogue, on: date) -> Room:
    """Return everything that ``need`` puts into a room, at the prices of that day.

    What cannot be placed or priced is reported in the layout and the bill.
    """
    if need.is_at_desks:
        return _at_desks(server, need, catalogue=catalogue, on=on)
    storage = storage_lines(need.storage, catalogue=catalogue, on=on)
    networks = make_networks(
        server,
        num_servers=need.num_servers,
        catalogue=catalogue,
        on=on,
        oversubscription=need.oversubscription,
        distances=need.distances,
        num_other_nodes=sum(line.count for line in storage),
        has_own_switches=need.has_own_switches,
    )
    nodes = node_line(server, count=need.num_servers, catalogue=catalogue, on=on, peak_w=need.peak_w)
    drives = _drives(need, catalogue=catalogue, on=on)
    spares = spare_lines(networks.lines, share=catalogue.constant("spare_parts_fraction"))
    nics = nic_lines(server, count=need.num_servers, catalogue=catalogue, on=on)
    equipment = merged((nodes,), nics, drives, networks.lines, storage, spares)
    limits = rack_limits(need, catalogue=catalogue)
    layout = lay_out(equipment.lines, limits=limits)
    # All racks get the feeds of the one with the highest draw, so that any may hold its equipment.
    hottest = max((rack.peak_w for rack in layout.racks), default=0.0)
    feeds = feeds_for(hottest, feed_w=_feed_w(need, catalogue), is_dual=need.is_dual_feed) if layout.racks else None
    fit = _hottest_fit(layout, room=need.room, server=server, catalogue=catalogue)
    peak = equipment.peak_w()
    room = _room_lines(need, layout=layout, feeds=feeds, fit=fit, it_peak_w=peak, catalogue=catalogue)
    plugged = (_PLUGGED_IN,) if need.num_servers and not networks.front_end.switches else ()
    notes = (*plugged, *networks.missing, *layout.notes, *(message("in no sum: {line}", line=line) for line in equipment.unpriced))
    bill = merged(equipment.lines, room)
    return Room(
        bill=bill,
        networks=networks,
        layout=layout,
        feeds=feeds,
        fit=fit,
        it_peak_w=peak,
        notes=notes,
        drives_per_server=need.drives_per_server,
        is_data_shared=need.storage.is_shared,
        shared_bytes=bought_bytes(storage, catalogue=catalogue),
    )


_PLUGGED_IN = message("plugged into the network that is there: a single machine needs no switch (site.server_room = true adds one)")
_AT_DESKS = message(
    "at desks: outlets, air and network of the building; no rack, UPS, plant or switch (site.server_room = true adds them)"
)


def _at_desks(server: ServerSpec, need: RoomNeed, *, catalogue: Catalogue, on: date) -> Room:
    """Return machines at desks: they are all that is bought."""
    nodes = node_line(server, count=need.num_servers, catalogue=catalogue, on=on, peak_w=need.peak_w)
    nics = nic_lines(server, count=need.num_servers, catalogue=catalogue, on=on)
    bill = merged((nodes,), nics, _drives(need, catalogue=catalogue, on=on))
    networks = make_networks(server, num_servers=0, catalogue=catalogue, on=on)
    notes = (_AT_DESKS, *(message("in no sum: {line}", line=line) for line in bill.unpriced))
    return Room(
        bill=bill,
        networks=networks,
        layout=Layout(racks=()),
        feeds=None,
        fit=None,
        it_peak_w=bill.peak_w(),
        notes=notes,
        drives_per_server=need.drives_per_server,
        is_data_shared=need.storage.is_shared,
        is_at_desks=True,
    )


def _drives(need: RoomNeed, *, catalogue: Catalogue, on: date) -> tuple[BillLine, ...]:
    """Return the drives that are ordered for empty bays."""
    drive = catalogue.storage[DRIVE]
    return drive_lines(drive, per_server=need.drives_per_server, num_servers=need.num_servers, catalogue=catalogue, on=on)


def _hottest_fit(layout: Layout, *, room: RoomCooling, server: ServerSpec, catalogue: Catalogue) -> CoolingFit | None:
    """Return the fit of the rack with most heat."""
    rack = max(layout.racks, key=lambda rack: rack.heat_w, default=None)
    if rack is None:
        return None
    return cooling_fit(rack.heat_w, room=room, server_cooling=server.cooling, catalogue=catalogue, is_own_rack=_is_own(rack))


def _is_own(rack: Rack) -> bool:
    return any(position.height_u >= OWN_RACK_U for position in rack.positions)


def rack_limits(need: RoomNeed, *, catalogue: Catalogue) -> RackLimits:
    """Return the limits of one rack in such a room: the demand's own where given, else the catalogue's."""
    area, floor = catalogue.constant("rack_floor_area_m2").value, catalogue.constant("floor_load_kg_per_m2").value
    cooling = need.rack_cooling_w or rack_limit_w(need.room, catalogue=catalogue)
    return RackLimits(
        height_u=need.height_u or int(catalogue.constant("rack_height_u").value),
        power_w=need.rack_power_w,
        cooling_w=cooling.value,
        own_rack_cooling_w=cooling.high,
        load_kg=catalogue.constant("rack_static_load_kg").value,
        floor_kg=(need.floor_kg_per_m2 or floor) * area,
        empty_kg=catalogue.constant("rack_empty_kg").value,
        max_racks=need.max_racks,
    )


def _feed_w(need: RoomNeed, catalogue: Catalogue) -> float:
    """Return the continuous watts of one rack feed; by default a three-phase 60 A feed at 415 V."""
    return need.feed_w or catalogue.power["pdu_3ph_60a"].estimate().value


def _room_lines(
    need: RoomNeed, *, layout: Layout, feeds: Feeds | None, fit: CoolingFit | None, it_peak_w: float, catalogue: Catalogue
) -> list[BillLine]:
    """Return racks and PDUs, and where the room is built UPS modules and cooling plant."""
    plain = [rack for rack in layout.racks if not _is_own(rack)]
    empty = catalogue.constant("rack_empty_kg")
    lines = [
        _constant_line("rack", "rack", len(plain), "rack_usd", catalogue=catalogue, category="rack", weight_kg=empty.value),
        _constant_line("pdu", "rack PDU", len(plain) * (feeds.total if feeds else 0), "rack_pdu_usd", catalogue=catalogue),
    ]
    if not need.is_built or it_peak_w <= 0 or fit is None:
        return lines
    size = _module_w(it_peak_w, UPS_MODULES_W)
    # 1e-9: a quotient of whole numbers is not rounded up by a rounding error.
    needed = math.ceil(it_peak_w / size - 1e-9)
    modules = math.ceil(needed * installed_share(need.redundancy, modules=needed) - 1e-9)
    module = scaled(catalogue.constant("ups_usd_per_kw"), size / 1000, unit="usd")
    name = message("UPS module of {size:g} kW with batteries", size=size / 1000)
    lines.append(
        _line(
            "ups", name, modules, module, note=message("{needed} needed, {redundancy}", needed=needed, redundancy=need.redundancy)
        )
    )
    return [*lines, *_plant_lines(need, layout=layout, fit=fit, heat_w=it_peak_w, catalogue=catalogue)]


def _plant_lines(need: RoomNeed, *, layout: Layout, fit: CoolingFit, heat_w: float, catalogue: Catalogue) -> list[BillLine]:
    """Return the cooling units for all heat; doors and tanks are one per rack. Heat not captured by liquid is cooled by air."""
    room = need.room
    if room in ("rear_door", "immersion"):
        return [_plant_line(room, len(layout.racks), catalogue=catalogue)]
    water = fit.to_water_w / fit.heat_w if fit.heat_w else 0.0
    if room == "direct_liquid":
        parts: tuple[tuple[RoomCooling, float], ...] = ((room, heat_w * water), ("air", heat_w * (1 - water)))
    else:
        parts = ((room, heat_w),)
    return [
        _plant_line(place, None, heat_w=heat, catalogue=catalogue, redundancy=need.redundancy) for place, heat in parts if heat > 0
    ]


def _plant_line(
    room: RoomCooling, count: int | None, *, catalogue: Catalogue, heat_w: float = 0.0, redundancy: Redundancy = "N+1"
) -> BillLine:
    """Return ``count`` units, or those that ``heat_w`` needs, with redundancy."""
    units, capex = PLANT[room]
    watts = {name: catalogue.cooling[name].estimate().value for name in units}
    size = _module_w(heat_w, tuple(watts.values()))
    unit = next(name for name in units if watts[name] == size)
    row = catalogue.cooling[CAPEX_OF_UNIT.get(unit, capex)]
    per_kw = known_as(row.estimate(), f"catalogue.{row.id}", message("price of {name} per kW", name=row.name))
    usd = scaled(per_kw, size / 1000, unit="usd")
    needed = math.ceil(heat_w / size - 1e-9)
    number = math.ceil(needed * installed_share(redundancy, modules=max(1, needed)) - 1e-9) if count is None else count
    note = (
        message("{needed} needed, {redundancy}", needed=needed, redundancy=redundancy) if count is None else message("one per rack")
    )
    return _line(f"cooling_{room}", catalogue.cooling[unit].name, number, usd, category="cooling", note=note)


def _module_w(load_w: float, sizes_w: Sequence[float]) -> float:
    """Return the largest size of which the load needs at least two, else the smallest."""
    return max((size for size in sizes_w if load_w > (MIN_MODULES - 1) * size), default=min(sizes_w))


def _constant_line(
    key: str,
    name: str,
    count: int,
    constant: str,
    *,
    catalogue: Catalogue,
    category: Category = "power",
    weight_kg: float | None = None,
) -> BillLine:
    usd = catalogue.constant(constant).model_copy(update={"unit": "usd"})
    return _line(key, name, count, usd, category=category, weight_kg=weight_kg)


def _line(
    key: str,
    name: str,
    count: int,
    usd: Estimate,
    *,
    category: Category = "power",
    note: str | None = None,
    weight_kg: float | None = None,
) -> BillLine:
    return BillLine(
        key=key,
        name=name,
        category=category,
        count=count,
        unit_usd=usd,
        weight_kg=weight_kg,
        source=usd.source or message("catalogue"),
        note=note,
    )
