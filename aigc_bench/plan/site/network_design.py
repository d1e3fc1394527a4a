"""Switches, optics and cables of the three networks of a cluster: compute, front end with storage, and management.

A link is bought as the cheapest that reaches: a cable with its plugs, or two transceivers (fibre is then not in the price).
Distances follow from the room: NIC to leaf within a row, leaf to spine across the hall.

A switch has the protocol of the NIC (InfiniBand, Ethernet) and the lowest port rate that is not below the NIC's. What a single
switch holds gets the cheapest one that does; more gets the one of lowest price per port. A single server has nothing to exchange
with others: it is plugged into the network of the building or of the provider, and no switch is billed for it.
"""

from __future__ import annotations

import math
from datetime import date
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from aigc_bench.catalog.records import NetworkItem, ServerSpec
from aigc_bench.core.messages import joined, message
from aigc_bench.core.record import Sentence
from aigc_bench.core.records import Record
from aigc_bench.plan.site.bill import BillLine, item_line
from aigc_bench.plan.site.fabric import Fabric, management_switches, size_fabric

if TYPE_CHECKING:
    from aigc_bench.catalog.loader import Catalogue

# 100 Gbit/s, the usual front-end port of a server with boards.
FRONT_END_BYTES_PER_S = 100e9 / 8
# Baseboard controllers have a port of 1 Gbit/s.
MANAGEMENT_BYTES_PER_S = 1e9 / 8
MANAGEMENT_CABLE = "cat6a"
MIN_PORTS = 32
"""Minimum ports of a switch in a fabric of several: smaller ones would need more levels."""
FRONT_END_NICS = 2
Protocol = Literal["ethernet", "infiniband"]


class Distances(Record):
    """Cable runs in metres: a leaf at the end of the row, spines in the middle of the hall."""

    nic_to_leaf_m: float = Field(default=10.0, gt=0)
    leaf_to_spine_m: float = Field(default=25.0, gt=0)


class Networks(Record):
    """The fabrics between the nodes, and their lines on the bill. ``missing`` lists what the catalogue cannot provide."""

    compute: Fabric
    front_end: Fabric
    num_management_switches: int
    lines: tuple[BillLine, ...]
    missing: tuple[Sentence, ...] = ()


def switch_for(
    bytes_per_s: float, *, catalogue: Catalogue, num_ports: int | None = None, protocol: Protocol | None = None
) -> NetworkItem | None:
    """Return the switch for NICs of that rate and protocol: the cheapest that holds ``num_ports`` alone, else per port.

    ``None`` where the catalogue has none with a price; ``protocol`` ``None`` is a NIC that speaks both.
    """
    fits = _slowest_switches(bytes_per_s, catalogue=catalogue, protocol=protocol)
    large = [(usd / (item.num_ports or 1), item.id, usd, item) for usd, item in fits if (item.num_ports or 0) >= MIN_PORTS]
    _, _, large_usd, best = min(large, default=(0.0, "", math.inf, None))
    # Two leaves and a spine are the least of two levels: a chassis that costs more than those is not bought for its ports.
    holds = [
        (usd, item.id, item) for usd, item in fits if num_ports and (item.num_ports or 0) >= num_ports and usd <= 3 * large_usd
    ]
    return min(holds)[2] if holds else best


def _slowest_switches(bytes_per_s: float, *, catalogue: Catalogue, protocol: Protocol | None) -> list[tuple[float, NetworkItem]]:
    """Return the switches with a price whose ports have the lowest rate that is enough, each with its price in USD."""
    priced = [
        (item.price.mid, item)
        for item in catalogue.network.values()
        if item.kind == "switch" and item.price and _port_rate(item) >= bytes_per_s and protocol in (None, item.protocol)
    ]
    rate = min((_port_rate(item) for _, item in priced), default=0.0)
    return [(usd, item) for usd, item in priced if item.port_bytes_per_s == rate]


def _port_rate(item: NetworkItem) -> float:
    return item.port_bytes_per_s or 0.0


def compute_protocol(server: ServerSpec, *, catalogue: Catalogue) -> Protocol | None:
    """Return the protocol of a server's compute NICs: NVIDIA's speak both (``None``), those of all other makers Ethernet."""
    spec = catalogue.accelerators.get(server.gpu_id or "")
    return None if spec is not None and spec.vendor == "NVIDIA" else "ethernet"


def link_for(distance_m: float, *, bytes_per_s: float, catalogue: Catalogue) -> tuple[NetworkItem, int] | None:
    """Return the cheapest connection of two ports over that distance, and its pieces per link (two for transceivers)."""
    # A cable has its plugs; a fibre needs a transceiver at both ends.
    pieces = {"cable": 1, "transceiver": 2}
    fits = [
        (item, pieces[item.kind])
        for item in catalogue.network.values()
        if item.kind in pieces and item.bytes_per_s == bytes_per_s and item.price and (item.reach_m or 0.0) >= distance_m
    ]
    return min(fits, key=lambda pair: ((pair[0].price.mid if pair[0].price else 0.0) * pair[1], pair[0].id), default=None)


def make_networks(
    server: ServerSpec,
    *,
    num_servers: int,
    catalogue: Catalogue,
    on: date,
    oversubscription: float = 1.0,
    distances: Distances | None = None,
    num_other_nodes: int = 0,
    has_own_switches: bool = False,
) -> Networks:
    """Return all networks of ``num_servers`` servers and ``num_other_nodes`` (storage, login) that join the front end only.

    ``has_own_switches``: a single server gets switches of its own, too.
    """
    runs = distances or Distances()
    nics, rate = server.num_compute_nics, server.compute_nic_bytes_per_s
    missing: list[str] = []
    compute, lines = _no_fabric(), list[BillLine]()
    # A single server has no other to exchange gradients with.
    if nics and rate and num_servers > 1:
        protocol = compute_protocol(server, catalogue=catalogue)
        switch = switch_for(rate, catalogue=catalogue, num_ports=num_servers * nics, protocol=protocol)
        compute, found, gaps = _fabric_lines(
            "compute", switch, num_servers, nics=nics, rate=rate, ratio=oversubscription, runs=runs, catalogue=catalogue, on=on
        )
        lines, missing = [*lines, *found], [*missing, *gaps]
    elif num_servers > 1 and server.gpu_count:
        missing.append(message("compute network: the NICs of {name} are not in the catalogue", name=server.name))
    if num_servers + num_other_nodes <= 1 and not has_own_switches:
        return Networks(
            compute=compute, front_end=_no_fabric(), num_management_switches=0, lines=tuple(lines), missing=tuple(missing)
        )
    front_nics, front_rate = server.num_frontend_nics or FRONT_END_NICS, server.frontend_nic_bytes_per_s or FRONT_END_BYTES_PER_S
    nodes = num_servers + num_other_nodes
    front, found, gaps = _fabric_lines(
        message("front end"),
        switch_for(front_rate, catalogue=catalogue, num_ports=nodes * front_nics, protocol="ethernet"),
        nodes,
        nics=front_nics,
        rate=front_rate,
        # 2 : 1, since front-end traffic is far below the rate of the ports.
        ratio=2.0,
        runs=runs,
        catalogue=catalogue,
        on=on,
    )
    lines, missing = [*lines, *found], [*missing, *gaps]
    # One port for each baseboard controller and each switch.
    ports = num_servers + num_other_nodes + compute.switches + front.switches
    switch = switch_for(MANAGEMENT_BYTES_PER_S, catalogue=catalogue, num_ports=ports, protocol="ethernet")
    assert switch is not None and switch.num_ports, "the catalogue has switches of 1 Gbit/s"
    number = management_switches(ports, ports=switch.num_ports)
    return Networks(
        compute=compute,
        front_end=front,
        num_management_switches=number,
        lines=(*lines, *_management_lines(switch, number, ports=ports, catalogue=catalogue, on=on)),
        missing=tuple(missing),
    )


def _no_fabric() -> Fabric:
    return size_fabric(0, nics_per_node=0, ports=64)


def _fabric_lines(
    role: str,
    switch: NetworkItem | None,
    num_nodes: int,
    *,
    nics: int,
    rate: float,
    ratio: float,
    runs: Distances,
    catalogue: Catalogue,
    on: date,
) -> tuple[Fabric, list[BillLine], list[str]]:
    """Return the fabric of one network, its lines, and what could not be found for it."""
    if switch is None or not switch.num_ports:
        return (
            _no_fabric(),
            [],
            [
                message(
                    "{role} network: no switch of {rate:g} Gbit/s ports in the catalogue", role=role, rate=rate * 8 / 1000000000.0
                )
            ],
        )
    try:
        fabric = size_fabric(num_nodes, nics_per_node=nics, ports=switch.num_ports, oversubscription=ratio)
    except ValueError as problem:
        return _no_fabric(), [], [message("{role} network: {problem}", role=role, problem=problem)]
    levels = ((message("leaf"), fabric.leaves), (message("spine"), fabric.spines), (message("super-spine"), fabric.super_spines))
    lines = [
        item_line(switch, role=joined(" ", (role, level)), count=count, catalogue=catalogue, on=on, category="switch")
        for level, count in levels
        if count
    ]
    links = (
        (message("NIC link"), fabric.nic_links, runs.nic_to_leaf_m),
        (message("uplink"), fabric.leaf_uplinks + fabric.spine_uplinks, runs.leaf_to_spine_m),
    )
    missing = []
    for name, count, distance in links:
        if count:
            # A port of 2.5 Gbit/s takes the cable of the switch's 10.
            of = joined(" ", (role, name))
            line, absent = _link_line(
                of, count=count, distance_m=distance, rate=switch.port_bytes_per_s or rate, catalogue=catalogue, on=on
            )
            lines.append(line)
            missing += [absent] if absent else []
    return fabric, lines, missing


def _link_line(
    of: str, *, count: int, distance_m: float, rate: float, catalogue: Catalogue, on: date
) -> tuple[BillLine, str | None]:
    """Return the cables of one kind of link; where the catalogue has none, a line without price and what is missing."""
    link = link_for(distance_m, bytes_per_s=rate, catalogue=catalogue)
    if link is not None:
        return item_line(link[0], role=of, count=count, catalogue=catalogue, on=on, category="cable", pieces=link[1]), None
    missing = message(
        "{links}s: no cable of {rate:g} Gbit/s over {distance:g} m in the catalogue",
        links=of,
        rate=rate * 8 / 1000000000.0,
        distance=distance_m,
    )
    return _unknown_link(of, count=count, why=message("no cable of that rate and reach in the catalogue")), missing


def _unknown_link(name: str, *, count: int, why: str) -> BillLine:
    return BillLine(
        key=name.replace(" ", "_"),
        name=name,
        category="cable",
        count=count,
        why_no_price=why,
        source=message("count of the fabric"),
    )


def _management_lines(switch: NetworkItem, number: int, *, ports: int, catalogue: Catalogue, on: date) -> list[BillLine]:
    cable = catalogue.network[MANAGEMENT_CABLE]
    return [
        item_line(switch, role=message("management"), count=number, catalogue=catalogue, on=on, category="switch"),
        item_line(cable, role=message("management cable"), count=ports, catalogue=catalogue, on=on, category="cable"),
    ]
