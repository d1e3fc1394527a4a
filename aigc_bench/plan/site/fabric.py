"""Number of switches and links of a scale-out network.

Every leaf gives ``down`` of its ports to NICs and ``up`` to spines, with ``down / up`` at most the oversubscription:

    down = floor(ports * o / (1 + o))       leaves = ceil(NICs / down)       spines = ceil(leaves * up / ports)

A spine reaches one leaf per port, so two levels end at ``ports`` leaves. Beyond that the rails are split into planes (NIC i of
every node joins the plane of its rail; nodes cross rails over their own scale-up link). Beyond the planes a third level joins
pods of ``ports / 2`` leaves by super-spines, a folded Clos up to ports^3 / 4 NICs per plane at 1 : 1.

Sources: NVIDIA DGX SuperPOD reference architectures (512 GPUs: 16 leaves, 8 spines; 4,096: 128 and 64 of 64 ports);
Al-Fares, Loukissas, Vahdat 2008, A Scalable, Commodity Data Center Network Architecture (three levels).
"""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field

from aigc_bench.core.messages import message
from aigc_bench.core.records import Record

Topology = Literal["none", "single_switch", "leaf_spine", "rail_planes", "three_tier"]


class Fabric(Record):
    """Switches and links; a link is one cable with a plug or an optic at both ends. ``oversubscription`` is the requested one."""

    topology: Topology
    ports: int
    oversubscription: float = Field(ge=1)
    planes: int
    leaves: int
    spines: int
    super_spines: int
    nic_links: int
    leaf_uplinks: int
    spine_uplinks: int

    @property
    def switches(self) -> int:
        """Return the number of switches."""
        return self.leaves + self.spines + self.super_spines

    @property
    def links(self) -> int:
        """Return the number of cables."""
        return self.nic_links + self.leaf_uplinks + self.spine_uplinks


def size_fabric(num_nodes: int, *, nics_per_node: int, ports: int, oversubscription: float = 1.0) -> Fabric:
    """Return the flattest fabric that joins all NICs with switches of ``ports`` ports.

    Raises ``ValueError`` where even three levels in every plane cannot hold them.
    """
    assert num_nodes >= 0 and nics_per_node >= 0 and ports >= 4 and oversubscription >= 1, "a fabric needs positive counts"
    num_nics = num_nodes * nics_per_node
    if num_nics <= ports:
        topology: Topology = "single_switch" if num_nics else "none"
        return _fabric(topology, (min(num_nics, 1), 0, 0), (num_nics, 0, 0), ports=ports, oversubscription=oversubscription)
    down = split(ports, oversubscription)[0]
    # Fewest planes first: planes reach each other over the nodes' own scale-up links only.
    for planes in (count for count in range(1, nics_per_node + 1) if nics_per_node % count == 0):
        if math.ceil(num_nics / planes / down) <= ports:
            return _two_level(num_nics, planes=planes, ports=ports, oversubscription=oversubscription)
    if math.ceil(math.ceil(num_nics / nics_per_node / down) / (ports // 2)) <= ports:
        return _three_level(num_nics, planes=nics_per_node, ports=ports, oversubscription=oversubscription)
    raise ValueError(
        message(
            "{num_nics:,} NICs are more than three levels of {ports}-port switches in {nics_per_node} planes hold",
            num_nics=num_nics,
            ports=ports,
            nics_per_node=nics_per_node,
        )
    )


def split(ports: int, oversubscription: float) -> tuple[int, int]:
    """Return the ports of a leaf towards NICs and towards spines."""
    # At least one port goes up, however high the oversubscription.
    down = min(ports - 1, math.floor(ports * oversubscription / (1 + oversubscription)))
    return down, ports - down


def management_switches(num_ports: int, *, ports: int = 48) -> int:
    """Return the switches of the out-of-band network: one port for each baseboard controller, switch and PDU."""
    assert num_ports >= 0 and ports > 0, "counts must not be negative"
    return math.ceil(num_ports / ports)


def _two_level(num_nics: int, *, planes: int, ports: int, oversubscription: float) -> Fabric:
    down, up = split(ports, oversubscription)
    leaves = math.ceil(num_nics / planes / down)
    # Every uplink takes a port of a spine.
    spines = math.ceil(leaves * up / ports)
    topology: Topology = "leaf_spine" if planes == 1 else "rail_planes"
    counts, links = (leaves * planes, spines * planes, 0), (num_nics, leaves * up * planes, 0)
    return _fabric(topology, counts, links, ports=ports, oversubscription=oversubscription, planes=planes)


def _three_level(num_nics: int, *, planes: int, ports: int, oversubscription: float) -> Fabric:
    """Return a three-level fabric: a leaf has one link to each spine of its pod; spines connect to the super-spines."""
    down, up = split(ports, oversubscription)
    leaves = math.ceil(num_nics / planes / down)
    # A spine of a pod has half its ports down and half up.
    pods = math.ceil(leaves / (ports // 2))
    uplinks = leaves * up
    counts = (leaves * planes, pods * up * planes, math.ceil(uplinks / ports) * planes)
    links = (num_nics, uplinks * planes, uplinks * planes)
    return _fabric("three_tier", counts, links, ports=ports, oversubscription=oversubscription, planes=planes)


def _fabric(
    topology: Topology,
    counts: tuple[int, int, int],
    links: tuple[int, int, int],
    *,
    ports: int,
    oversubscription: float,
    planes: int = 1,
) -> Fabric:
    return Fabric(
        topology=topology,
        ports=ports,
        oversubscription=oversubscription,
        planes=planes,
        leaves=counts[0],
        spines=counts[1],
        super_spines=counts[2],
        nic_links=links[0],
        leaf_uplinks=links[1],
        spine_uplinks=links[2],
    )
