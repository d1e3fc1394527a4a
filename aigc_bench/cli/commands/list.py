"""``aigc-bench list``: list workloads, profiles, engines, metrics, sensors, factors and the catalogue."""

from __future__ import annotations

import click

from aigc_bench.cli import nearest
from aigc_bench.cli.output import json_option, print_json, print_table
from aigc_bench.core.messages import message

KINDS = {
    "workloads": message("model families and their presets"),
    "profiles": message("sets of cases for a kind of machine"),
    "engines": message("engines that execute a model"),
    "metrics": message("metrics with their formulae"),
    "sensors": message("sources of telemetry"),
    "factors": message("deployment factors of a plan"),
    "accelerators": message("GPUs and other accelerators of the catalogue"),
    "servers": message("servers of the catalogue"),
    "prices": message("rental prices of accelerators"),
}
"""The keys of ``aigc_bench.listing.KINDS``, repeated here so that help imports nothing."""

TEXT_COLUMNS = {
    "workloads": ("workload", "preset", "num_params", "item", "modes", "title"),
    "metrics": ("metric", "unit", "formula"),
    "accelerators": (
        "id",
        "name",
        "memory_bytes",
        "memory_bandwidth_bytes_per_s",
        "bf16_flop_per_s",
        "fp8_flop_per_s",
        "tdp_w",
        "price_usd",
        "basis",
        "as_of",
    ),
    "servers": ("id", "name", "gpu_count", "rack_units", "max_power_w", "price_usd", "basis", "as_of"),
    "prices": ("gpu_id", "provider", "region", "on_demand_usd_per_gpu_h", "spot_usd_per_gpu_h", "basis", "as_of"),
}
"""Columns of a wide kind that fit a terminal; ``--json`` has all columns and the sources."""

UNITS = {
    "_bytes_per_s": "B/s",
    "_flop_per_s": "FLOP/s",
    "_bytes": "B",
    "_usd": "usd",
    "_usd_per_gpu_h": "usd",
    "_w": "W",
    "_s": "s",
}
"""Suffix of a key -> unit of its values."""


@click.command(short_help=message("List workloads, profiles, engines, metrics, accelerators, prices ..."))
@click.argument("kind", metavar="KIND", required=False)
@json_option
def command(*, kind: str | None, as_json: bool) -> None:
    """List all entries of a KIND; without one, list the kinds.

    Kinds: workloads, profiles, engines, metrics, sensors, factors, accelerators, servers, prices.
    """
    if kind is None:
        known = [{"kind": name, "title": title} for name, title in KINDS.items()]
        print_json(known) if as_json else print_table(known)
        return
    if kind not in KINDS:
        raise click.UsageError(message("unknown kind {kind!r}. {nearest}", kind=kind, nearest=nearest(kind, KINDS)))
    from aigc_bench.listing import listing

    rows = listing(kind)
    if as_json:
        print_json(rows)
        return
    shown = [{key: row[key] for key in TEXT_COLUMNS.get(kind, row)} for row in rows]
    # A column is numeric where every cell is a number or missing.
    numeric = [key for key in (shown[0] if shown else {}) if all(isinstance(row[key], int | float | None) for row in shown)]
    print_table(
        [{_heading(key): _text(key, value) for key, value in row.items()} for row in shown], right=list(map(_heading, numeric))
    )


def _unit(key: str) -> str | None:
    """Return the unit of a key by its suffix."""
    return next((unit for suffix, unit in UNITS.items() if key.endswith(suffix)), None)


def _heading(key: str) -> str:
    """Return a key without its unit, which the cells have."""
    # The order of UNITS matters: "_bytes_per_s" and "_flop_per_s" also end in "_s".
    suffix = next((suffix for suffix in UNITS if key.endswith(suffix)), "")
    heading = key.removesuffix(suffix).replace("_", " ")
    # A price of an hour is none of a purchase: what it is of stands in the heading.
    return f"{heading} $/GPU-h" if suffix.endswith("_per_gpu_h") else heading


def _text(key: str, value: object) -> str:
    """Return a cell: a quantity with its unit, an en dash if there is no value."""
    from aigc_bench.core.units import quantity

    unit = _unit(key)
    if value is None:
        return "–"
    if unit is not None and isinstance(value, int | float):
        return quantity(value, unit)
    if isinstance(value, float) and value.is_integer():
        return f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int | float) and key.startswith("num_") else str(value)
