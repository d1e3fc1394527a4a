"""What devices exchange data over: a link of their own, the host's PCIe, or the network between servers.

nvlink      a scale-up link among all devices of a domain (NVLink and its switches, Infinity Fabric, ICI, NeuronLink)
bridge      a link between the two devices of a pair
pcie        the host's PCIe, among the cards of one socket; pcie_wide: across sockets
staged      PCIe of parts without peer access: every byte passes through the host's memory
network     beyond the domain: the network cards of the servers
"""

from __future__ import annotations

import functools
from collections.abc import Mapping

from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.catalog.records import AcceleratorSpec

LINKS = ("nvlink", "bridge", "pcie", "pcie_wide", "staged", "network")
"""Classes of links, in the order of the closed form's column ``link``."""
FAST = LINKS[:2]
"""Links of the devices' own, whose collectives start within microseconds."""
CARDS_PER_SOCKET = 4

# Bytes/s of 16 lanes in one direction by generation of PCIe.
_PCIE_BYTES_PER_S: Mapping[int, float] = {3: 16e9, 4: 32e9, 5: 64e9, 6: 128e9}

_SERVER_DEVICES = 8
"""Devices in one server, where the catalogue has no server of the part: HGX and OAM boards, PCIe chassis."""
_DOMAINS: Mapping[str, int] = {"ICI": 256, "NeuronLink": 16, "ConnectX": 1}
"""Devices that other interconnects join: a pod of TPU v5e or v6e (256; v4 4,096, v5p 8,960), a Trainium server; a DGX Spark has
nothing but its network card."""
_NETWORK_BYTES_PER_S = 3.125e9
"""Bytes/s of the network for each device, where the catalogue has no server of the part: 200 Gbit/s among eight cards (assumed)."""


@functools.cache
def _servers() -> Mapping[str, tuple[int, float | None]]:
    """Accelerator -> devices of its largest server, and bytes/s of compute network for each of them."""
    found: dict[str, tuple[int, float | None]] = {}
    # Links belong to the part, and not to what a user adds: the shipped catalogue alone.
    for server in load_catalogue(with_user_files=False).servers.values():
        if server.gpu_id is None or not server.gpu_count:
            continue
        cards, rate = server.num_compute_nics, server.compute_nic_bytes_per_s
        each = cards * rate / server.gpu_count if cards and rate else None
        if server.gpu_count > found.get(server.gpu_id, (0, None))[0]:
            found[server.gpu_id] = (server.gpu_count, each)
    return found


def domain_devices(spec: AcceleratorSpec) -> int:
    """Return how many devices exchange data without the servers' network: those of a server, a rack or a torus."""
    named = next((count for name, count in _DOMAINS.items() if (spec.interconnect or "").startswith(name)), None)
    # Not fewer than a usual server has: the catalogue also lists workstations with one card.
    return named if named is not None else max(_servers().get(spec.id, (0, None))[0], _SERVER_DEVICES)


def network_bytes_per_s(spec: AcceleratorSpec) -> float:
    """Return bytes per second and direction of the network between servers, for each device."""
    if domain_devices(spec) == 1:
        # The card that the datasheet names as the part's interconnect.
        return spec.scale_up_bytes_per_s or _NETWORK_BYTES_PER_S
    own = _servers().get(spec.id, (0, None))[1]
    if own is not None:
        return own
    # Parts with a link of their own are sold in servers with a network card a device: 400 Gbit/s from 2022 on, 200 before.
    if spec.has_scale_up_link and "bridge" not in (spec.interconnect or ""):
        return 50e9 if (spec.release_year or 0) >= 2022 else 25e9
    return _NETWORK_BYTES_PER_S


def has_peer_access(spec: AcceleratorSpec) -> bool:
    """Return whether devices read each other's memory over PCIe: the driver denies it to GeForce cards."""
    return "GeForce" not in spec.name


def link_class(spec: AcceleratorSpec, *, devices: int) -> str:
    """Return ``none`` for one device, else one of ``LINKS``.

    A bridge joins pairs, and only where the part is sold as a pair (H100 NVL): else it is an accessory that a server rarely has.
    """
    if devices <= 1:
        return "none"
    if devices > domain_devices(spec):
        return "network"
    is_bridged = "bridge" in (spec.interconnect or "")
    if is_bridged and devices == 2 and "pairs" in (spec.form_factor or ""):
        return "bridge"
    if is_bridged or not spec.has_scale_up_link:
        if not has_peer_access(spec):
            return "staged"
        return "pcie" if devices <= CARDS_PER_SOCKET else "pcie_wide"
    return "nvlink"


def link_bytes_per_s(spec: AcceleratorSpec, *, devices: int) -> float:
    """Return bytes per second and direction that a ring through ``devices`` gives each of them.

    Across servers as many rings run side by side as a server has network cards, so that all of its cards together are the limit.
    """
    if link_class(spec, devices=devices) != "network":
        return _within(spec, devices=devices)
    domain = domain_devices(spec)
    cards = domain * network_bytes_per_s(spec)
    return cards if domain <= 1 else min(cards, _within(spec, devices=domain))


def pair_bytes_per_s(spec: AcceleratorSpec, *, devices: int) -> float:
    """Return bytes per second and direction between any two of ``devices``: what all-to-alls and stages of a pipeline have.

    Across servers a device has its own share of the network cards, and no more.
    """
    within = link_bytes_per_s(spec, devices=devices)
    return min(network_bytes_per_s(spec), within) if link_class(spec, devices=devices) == "network" else within


def host_bytes_per_s(spec: AcceleratorSpec) -> float:
    """Return bytes per second and direction between a device and its host's memory."""
    # Generation 4 with 16 lanes where the datasheet is silent.
    return _PCIE_BYTES_PER_S.get(spec.pcie_gen or 4, 32e9) * (spec.pcie_lanes or 16) / 16


def _within(spec: AcceleratorSpec, *, devices: int) -> float:
    pcie = host_bytes_per_s(spec)
    if spec.scale_up_bytes_per_s is None or not spec.has_scale_up_link:
        # Some datasheets state a link that is PCIe itself: never more than the slot gives.
        return min(pcie, spec.scale_up_bytes_per_s or pcie)
    return spec.scale_up_bytes_per_s if link_class(spec, devices=devices) in FAST else pcie
