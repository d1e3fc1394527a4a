"""Time of collectives: a fixed part and a part per byte, ``alpha + factor x S / B`` (fitted on public NCCL latencies).

The factor is ``2 (n - 1) / n`` for an all-reduce and ``(n - 1) / n`` for all-gather, reduce-scatter and all-to-all of S bytes. B is
the bus bandwidth: the scale-up link per direction times an efficiency, what PCIe cards reach through the host, or what the network
cards of a server reach together (``inter_node_efficiency``), with a hop for each doubling of the servers in alpha.
"""

from __future__ import annotations

import math
from typing import Literal

from aigc_bench.catalog.loader import Catalogue
from aigc_bench.catalog.records import AcceleratorSpec
from aigc_bench.core.messages import message
from aigc_bench.core.records import Estimate
from aigc_bench.predict.closed_form.links import domain_devices, link_class, network_bytes_per_s

Kind = Literal["all_reduce", "all_gather", "reduce_scatter", "all_to_all"]


def all_reduce_bytes(num_bytes: float, devices: float) -> float:
    """Return the bytes that each of ``devices`` sends in a ring's all-reduce over ``num_bytes``: 2 (n - 1) / n of them."""
    return 2 * num_bytes * (devices - 1) / devices if devices > 1 else 0.0


def sharded_step_bytes(num_params: float, devices: float) -> float:
    """Return the bytes that each of ``devices`` sends in a step of fully sharded data parallelism (ZeRO-3, FSDP).

    Weights are gathered twice, forward and backward, and gradients scattered once, two bytes each: 6 P (n - 1) / n.
    """
    return 6 * num_params * (devices - 1) / devices if devices > 1 else 0.0


_STAGED_SHARE = 0.7
"""Of what PCIe cards reach where a part has no peer access, so that every byte passes the host's memory: the ratio of
``staged_efficiency`` to ``pcie_efficiency``, as fitted to served models (data/parameters.csv)."""
Range = tuple[float, float, float]
"""Low, value, high."""


def bus_bytes_per_s(spec: AcceleratorSpec, *, devices: int, catalogue: Catalogue) -> Range:
    """Low, value and high bus bandwidth in bytes/s between ``devices`` of this kind.

    Beyond a domain one ring runs through all servers for each of their network cards: the cards of a server together bound it, and
    the links within do as well, so that a slower link on the way never makes it faster.
    """
    if link_class(spec, devices=devices) != "network":
        return _within(spec, devices=devices, catalogue=catalogue)
    domain, share = domain_devices(spec), catalogue.constant("inter_node_efficiency")
    cards = domain * network_bytes_per_s(spec)
    between = (cards * share.low, cards * share.value, cards * share.high)
    if domain <= 1:
        return between
    within = _within(spec, devices=domain, catalogue=catalogue)
    return min(between[0], within[0]), min(between[1], within[1]), min(between[2], within[2])


def _within(spec: AcceleratorSpec, *, devices: int, catalogue: Catalogue) -> Range:
    """The same within a domain: cards exchange through the host, and reach there a rate of its own, whatever the slot's is."""
    kind = link_class(spec, devices=devices)
    if kind in ("pcie", "pcie_wide", "staged"):
        constant, part = catalogue.constant("pcie_all_reduce_bytes_per_s"), _STAGED_SHARE if kind == "staged" else 1.0
        return constant.low * part, constant.value * part, constant.high * part
    share = catalogue.constant("all_reduce_link_efficiency")
    link = spec.scale_up_bytes_per_s or 0.0
    assert link > 0, "a part with a link of its own has a rate"
    return link * share.low, link * share.value, link * share.high


def _fixed_s(spec: AcceleratorSpec, *, devices: int, catalogue: Catalogue) -> Range:
    """Seconds of a collective over nothing: of one domain, and of a tree over the servers, a hop for each doubling of them."""
    alpha, hop = catalogue.constant("all_reduce_alpha_s"), catalogue.constant("inter_node_alpha_s")
    hops = math.log2(math.ceil(devices / domain_devices(spec)))
    return alpha.low + hops * hop.low, alpha.value + hops * hop.value, alpha.high + hops * hop.high


def collective_s(num_bytes: float, *, kind: Kind, spec: AcceleratorSpec, devices: int, catalogue: Catalogue) -> Estimate:
    """Seconds of one collective over ``num_bytes`` per device; 0 for one device.

    ``alpha + factor x bytes / bus bandwidth`` (Hockney 1994; factors as in NVIDIA's nccl-tests). The ends combine those of alpha
    with the opposite ends of the bandwidth.
    """
    if devices <= 1 or num_bytes <= 0:
        return Estimate(value=0.0, low=0.0, high=0.0, unit="s", basis="modelled", source=message("one device needs no collective"))
    # A ring's all-reduce is a reduce-scatter and an all-gather, so it moves every byte twice.
    factor = (2.0 if kind == "all_reduce" else 1.0) * (devices - 1) / devices
    alpha = _fixed_s(spec, devices=devices, catalogue=catalogue)
    low, value, high = bus_bytes_per_s(spec, devices=devices, catalogue=catalogue)
    moved = factor * num_bytes
    return Estimate(
        value=alpha[1] + moved / value,
        # The fast end of the link gives the short end of the time.
        low=alpha[0] + moved / high,
        high=alpha[2] + moved / low,
        unit="s",
        basis="modelled",
        source=catalogue.constant("all_reduce_alpha_s").source,
    )
