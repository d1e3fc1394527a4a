"""The catalogue as plain rows for ``list`` and ``show``: values in SI with their unit in the key, plus source and date."""

from __future__ import annotations

from typing import Any

from aigc_bench.catalog.fact import Fact
from aigc_bench.catalog.loader import Catalogue
from aigc_bench.catalog.records import DTYPES, AcceleratorSpec, Price
from aigc_bench.core.messages import joined, message
from aigc_bench.core.units import digits, quantity

Row = dict[str, Any]
Described = tuple[str, str, str]
"""Field, value with its unit, source with its date."""


def accelerator_rows(catalogue: Catalogue) -> list[Row]:
    """One row per accelerator: id, dense peaks, memory, bandwidth, watts and price, with source and date."""
    return [
        {
            "id": spec.id,
            "name": spec.name,
            message("vendor"): spec.vendor,
            "release_year": spec.release_year,
            **{f"{dtype}_flop_per_s": spec.peak(dtype) for dtype in DTYPES},
            "memory_bytes": spec.memory_bytes,
            "usable_memory_bytes": spec.usable_memory_bytes,
            "memory_bandwidth_bytes_per_s": spec.memory_bandwidth_bytes_per_s,
            "scale_up_bytes_per_s": spec.scale_up_bytes_per_s,
            "tdp_w": spec.tdp_w,
            **_price(spec.price),
            **_provenance(spec),
        }
        for spec in catalogue.accelerators.values()
    ]


def server_rows(catalogue: Catalogue) -> list[Row]:
    """One row per server: what is in it, its space, watts, heat and price, with source and date."""
    return [
        {
            "id": server.id,
            "name": server.name,
            "gpu_id": server.gpu_id,
            "gpu_count": server.gpu_count,
            "rack_units": server.rack_units,
            "max_power_w": server.max_power_w,
            "typical_power_w": server.typical_power_w,
            "idle_power_w": server.idle_power_w,
            "design_heat_w": server.design_heat_w,
            "cooling": server.cooling,
            "needs_rack": server.needs_rack,
            **_price(server.price),
            **_provenance(server),
        }
        for server in catalogue.servers.values()
    ]


def price_rows(catalogue: Catalogue, *, with_historic: bool = False) -> list[Row]:
    """One row per rent of an instance in USD per GPU-hour, by accelerator and price, with source and date."""
    offers = [price for price in catalogue.cloud_prices.values() if with_historic or not price.is_historic]
    rows: list[Row] = [
        {
            "id": offer.id,
            "gpu_id": offer.gpu_id,
            "kind": offer.kind,
            "provider": offer.provider,
            "region": offer.region,
            "instance": offer.instance,
            "gpu_count": offer.gpu_count,
            "on_demand_usd_per_gpu_h": offer.per_gpu_usd_per_h("on_demand"),
            "spot_usd_per_gpu_h": offer.per_gpu_usd_per_h("spot"),
            "reserved_1y_usd_per_gpu_h": offer.per_gpu_usd_per_h("reserved_1y"),
            "reserved_3y_usd_per_gpu_h": offer.per_gpu_usd_per_h("reserved_3y"),
            **_provenance(offer),
        }
        for offer in offers
    ]
    # Rents without an on-demand price come last.
    return sorted(rows, key=lambda row: (row["gpu_id"], row["on_demand_usd_per_gpu_h"] or float("inf"), row["id"]))


def describe_accelerator(catalogue: Catalogue, name: str) -> list[Described]:
    """Everything known of one accelerator, line by line, each with where it comes from.

    Raises ``UnknownNameError`` with the nearest names.
    """
    spec = catalogue.accelerator(name)
    source = _cite(spec)
    lines = [("id", spec.id, source), ("name", spec.name, source), *_identity(spec, source=source), *_peaks(spec, source=source)]
    lines += _memory(catalogue, spec, source=source)
    lines += _watts_and_links(spec, source=source)
    lines += _money(catalogue, spec)
    lines.append(("confidence", message("{confidence}, basis {basis}", confidence=spec.confidence, basis=spec.basis), source))
    if spec.second_source:
        lines.append((message("second source"), spec.second_source, spec.as_of))
    if spec.note:
        lines.append(("note", spec.note, source))
    return lines


def _identity(spec: AcceleratorSpec, *, source: str) -> list[Described]:
    facts = {
        message("vendor"): spec.vendor,
        message("architecture"): spec.arch,
        message("compute capability"): spec.compute_capability,
        message("form factor"): spec.form_factor,
        message("release year"): spec.release_year,
        message("multiprocessors"): spec.num_multiprocessors,
    }
    return [(field, str(value), source) for field, value in facts.items() if value is not None]


def _peaks(spec: AcceleratorSpec, *, source: str) -> list[Described]:
    lines = []
    for dtype in DTYPES:
        known = spec.peak_range(dtype)
        if known is None:
            lines.append((message("{dtype} peak, dense", dtype=dtype), "–", message("not stated, or not supported")))
            continue
        low, high = known
        text = quantity(spec.peak(dtype), "FLOP/s", significant=4)
        disputed = (
            message(" (sources say {low} to {high})", low=quantity(low, "FLOP/s"), high=quantity(high, "FLOP/s"))
            if low < high
            else ""
        )
        lines.append((message("{dtype} peak, dense", dtype=dtype), joined("", (text, disputed)), source))
    return lines


def _memory(catalogue: Catalogue, spec: AcceleratorSpec, *, source: str) -> list[Described]:
    usable = catalogue.usable_memory(spec)
    disputed = spec.ranges.get("memory_bytes")
    extra = (
        message(" (sources say {low} to {high})", low=quantity(disputed[0], "B"), high=quantity(disputed[1], "B"))
        if disputed
        else ""
    )
    lines = [
        (
            message("memory, nominal"),
            joined("", (f"{quantity(spec.memory_bytes, 'B')} {spec.memory_type or ''}".strip(), extra)),
            source,
        ),
        (message("memory, driver"), f"{quantity(usable.value, 'B')} ({usable.basis})", usable.source or ""),
        (message("memory bandwidth"), quantity(spec.memory_bandwidth_bytes_per_s, "B/s"), source),
    ]
    bounds = spec.ranges.get("memory_bandwidth_bytes_per_s")
    if bounds:
        lines.append((message("memory bandwidth, range"), _range(*bounds), source))
    if spec.l2_bytes is not None:
        lines.append(("L2 cache", quantity(spec.l2_bytes, "B"), source))
    return lines


def _watts_and_links(spec: AcceleratorSpec, *, source: str) -> list[Described]:
    lines = [
        ("TDP", quantity(spec.tdp_w, "W"), source),
        (message("idle power"), quantity(spec.idle_w, "W"), spec.idle_source or source),
    ]
    link = message("{rate} per direction", rate=quantity(spec.scale_up_bytes_per_s, "B/s"))
    lines.append(
        (
            message("link to peers ({interconnect})", interconnect=spec.interconnect or "unknown"),
            link if spec.scale_up_bytes_per_s else "–",
            source,
        )
    )
    if spec.pcie_gen is not None:
        lines.append(
            (
                "PCIe",
                message("generation {generation}, {lanes} lanes", generation=spec.pcie_gen, lanes=spec.pcie_lanes)
                if spec.pcie_lanes
                else message("generation {generation}", generation=spec.pcie_gen),
                source,
            )
        )
    if spec.mig_max:
        lines.append((message("MIG instances"), message("up to {count}", count=spec.mig_max), source))
    return lines


def _money(catalogue: Catalogue, spec: AcceleratorSpec) -> list[Described]:
    lines: list[Described] = []
    estimate = catalogue.price(spec)
    if estimate is None:
        lines.append(("price", "–", message("not sold separately, or no published price")))
    else:
        mid, low, high = (quantity(usd, "usd") for usd in (estimate.value, estimate.low, estimate.high))
        price = message("{value} ({low} to {high})", value=mid, low=low, high=high)
        lines.append(("price", price, f"{estimate.source} ({estimate.basis})"))
    bookable = [offer for offer in catalogue.rents(spec.id) if offer.kind != "from"]
    rents = sorted(rent for offer in bookable if (rent := offer.per_gpu_usd_per_h()) is not None)
    if rents:
        middle = rents[len(rents) // 2]
        text = message(
            "${middle}/accelerator-h (${least} to ${most}, {num_offers} offers)",
            middle=digits(middle),
            least=digits(rents[0]),
            most=digits(rents[-1]),
            num_offers=len(rents),
        )
        lines.append((message("rent, on demand"), text, message("cloud_prices.csv, each offer with its own source and date")))
    return lines


def _price(price: Price | None) -> Row:
    if price is None:
        return {"price_low_usd": None, "price_usd": None, "price_high_usd": None, "price_source": None, "price_as_of": None}
    return {
        "price_low_usd": price.low,
        "price_usd": price.mid,
        "price_high_usd": price.high,
        "price_source": price.source,
        "price_as_of": price.as_of,
    }


def _provenance(fact: Fact) -> Row:
    return {"basis": fact.basis, "confidence": fact.confidence, "source": fact.source, "as_of": fact.as_of, "note": fact.note}


def _cite(fact: Fact) -> str:
    return f"{fact.source}, {fact.as_of}"


def _range(low: float, high: float) -> str:
    return message("{low} to {high}", low=quantity(low, "B/s"), high=quantity(high, "B/s"))
