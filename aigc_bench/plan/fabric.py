"""Leaf-spine fabrics for the scale-out network, and how long collectives take on them.

A two-level fabric gives each leaf some of its ports down to NICs and the rest up to spines:

    leaves = ceil(NICs / down),  down = floor(ports * o / (1 + o)) at oversubscription o : 1 (half the ports at 1 : 1)
    spines = ceil(leaves * up / ports),  up = ports - down

A spine reaches as many leaves as it has ports, so one fabric ends at ports^2 / 2 NICs. Larger clusters are split into planes
(one per rail: NIC i of every node joins plane i), each a fabric of its own: 4,096 GPUs in 8 planes need 8 times what 512 need.
Sources: NVIDIA DGX SuperPOD reference architectures; collectives by the alpha-beta model of Thakur, Rabenseifner, Gropp 2005.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Fabric:
    """Switches and links of a fabric; a link is one cable with an optic or a plug at both ends."""

    leaves: int
    spines: int
    nic_links: int
    uplinks: int

    @property
    def switches(self) -> int:
        """All switches."""
        return self.leaves + self.spines

    @property
    def links(self) -> int:
        """All cables."""
        return self.nic_links + self.uplinks


def leaf_spine(num_nics: int, *, ports: int, oversubscription: float = 1.0, planes: int = 1) -> Fabric:
    """The smallest two-level fabric for ``num_nics`` in ``planes`` equal planes, with switches of ``ports`` ports.

    Raises ``ValueError`` where a plane is too large for two levels.
    """
    assert num_nics >= 0 and ports >= 2 and oversubscription >= 1 and planes >= 1, "counts must make a fabric"
    plane = _plane(math.ceil(num_nics / planes), ports=ports, oversubscription=oversubscription)
    return Fabric(leaves=plane.leaves * planes, spines=plane.spines * planes, nic_links=num_nics, uplinks=plane.uplinks * planes)


def _plane(num_nics: int, *, ports: int, oversubscription: float) -> Fabric:
    """One plane; up to a leaf's ports no spine is needed."""
    if num_nics <= ports:
        return Fabric(leaves=min(num_nics, 1), spines=0, nic_links=num_nics, uplinks=0)
    down = min(ports - 1, math.floor(ports * oversubscription / (1 + oversubscription)))
    leaves = math.ceil(num_nics / down)
    if leaves > ports:
        raise ValueError(f"{num_nics} NICs need {leaves} leaves, but a spine of {ports} ports reaches {ports}: use more planes")
    uplinks = leaves * (ports - down)
    return Fabric(leaves=leaves, spines=math.ceil(uplinks / ports), nic_links=num_nics, uplinks=uplinks)


def all_reduce_s(num_bytes: float, *, ranks: int, bandwidth_bytes_per_s: float, latency_s: float) -> float:
    """Ring all-reduce of ``num_bytes``: alpha + 2 * (n - 1) / n * S / B, with B per rank and direction."""
    return 0.0 if ranks <= 1 else latency_s + 2 * (ranks - 1) / ranks * num_bytes / bandwidth_bytes_per_s


def all_gather_s(num_bytes: float, *, ranks: int, bandwidth_bytes_per_s: float, latency_s: float) -> float:
    """All-gather, reduce-scatter or all-to-all of ``num_bytes`` in all: alpha + (n - 1) / n * S / B."""
    return 0.0 if ranks <= 1 else latency_s + (ranks - 1) / ranks * num_bytes / bandwidth_bytes_per_s
