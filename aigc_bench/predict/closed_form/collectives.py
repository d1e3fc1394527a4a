"""Time of collectives: a fixed part and a part per byte, ``alpha + factor x S / B`` (fitted on public NCCL latencies).

The factor is ``2 (n - 1) / n`` for an all-reduce and ``(n - 1) / n`` for all-gather, reduce-scatter and all-to-all of S bytes. B is
the bus bandwidth: the scale-up link per direction times an efficiency, or what PCIe cards reach through the host.
"""

from __future__ import annotations

from typing import Literal

from aigc_bench.catalog.loader import Catalogue
from aigc_bench.catalog.records import AcceleratorSpec
from aigc_bench.core.messages import message
from aigc_bench.core.records import Estimate
from aigc_bench.predict.closed_form.links import link_class

Kind = Literal["all_reduce", "all_gather", "reduce_scatter", "all_to_all"]


def all_reduce_bytes(num_bytes: float, devices: float) -> float:
    """Return the bytes that each of ``devices`` sends in a ring's all-reduce over ``num_bytes``: 2 (n - 1) / n of them."""
    return 2 * num_bytes * (devices - 1) / devices if devices > 1 else 0.0


def sharded_step_bytes(num_params: float, devices: float) -> float:
    """Return the bytes that each of ``devices`` sends in a step of fully sharded data parallelism (ZeRO-3, FSDP).

    Weights are gathered twice, forward and backward, and gradients scattered once, two bytes each: 6 P (n - 1) / n.
    """
    return 6 * num_params * (devices - 1) / devices if devices > 1 else 0.0


def bus_bytes_per_s(spec: AcceleratorSpec, *, devices: int, catalogue: Catalogue) -> tuple[float, float, float]:
    """Low, value and high bus bandwidth in bytes/s between ``devices`` of this kind in one machine."""
    # Cards exchange through the host: what they reach there is a constant of its own, whatever the slot's rate is.
    if link_class(spec, devices=devices) in ("pcie", "pcie_wide"):
        constant = catalogue.constant("pcie_all_reduce_bytes_per_s")
        return constant.low, constant.value, constant.high
    share = catalogue.constant("all_reduce_link_efficiency")
    link = spec.scale_up_bytes_per_s or 0.0
    assert link > 0, "a part with a link of its own has a rate"
    return link * share.low, link * share.value, link * share.high


def collective_s(num_bytes: float, *, kind: Kind, spec: AcceleratorSpec, devices: int, catalogue: Catalogue) -> Estimate:
    """Seconds of one collective over ``num_bytes`` per device; 0 for one device.

    ``alpha + factor x bytes / bus bandwidth`` (Hockney 1994; factors as in NVIDIA's nccl-tests). The ends combine those of alpha
    with the opposite ends of the bandwidth.
    """
    if devices <= 1 or num_bytes <= 0:
        return Estimate(value=0.0, low=0.0, high=0.0, unit="s", basis="modelled", source=message("one device needs no collective"))
    # A ring's all-reduce is a reduce-scatter and an all-gather, so it moves every byte twice.
    factor = (2.0 if kind == "all_reduce" else 1.0) * (devices - 1) / devices
    alpha = catalogue.constant("all_reduce_alpha_s")
    low, value, high = bus_bytes_per_s(spec, devices=devices, catalogue=catalogue)
    moved = factor * num_bytes
    return Estimate(
        value=alpha.value + moved / value,
        # The fast end of the link gives the short end of the time.
        low=alpha.low + moved / high,
        high=alpha.high + moved / low,
        unit="s",
        basis="modelled",
        source=alpha.source,
    )
