"""The steps of the bill of materials and of the purchase."""

from __future__ import annotations

from collections.abc import Iterator

from aigc_bench.plan.explain.arithmetic import Inputs
from aigc_bench.plan.explain.below import Below
from aigc_bench.plan.explain.step import counted
from aigc_bench.plan.interval import estimate, scaled
from aigc_bench.plan.site.bill import BillLine

NOTHING_BOUGHT = "nothing is bought"
COUNT_WORDS = {
    "node": "servers of the option",
    "nic": "servers x NICs of one",
    "switch": "ports of all servers over the ports of a switch, in leaves and spines",
    "cable": "links of the networks, two ends each",
    "spare": "share of what is bought",
    "rack": "racks of the layout",
    "power": "racks x feeds, or load over the size of a module with its redundancy",
    "cooling": "heat over the size of a unit, with its redundancy",
    "storage": "bytes that are kept over those of a system",
}


def add_purchase(below: Below) -> None:
    """The lines of the bill, then all that is paid at once."""
    option, trail = below.option, below.trail
    beside = [key for line in _lines(below) if (key := _add_line(below, line)) is not None]
    if option.kind in ("cloud", "api"):
        trail.leaf(below.key("capex_usd"), "purchase", option.capex_usd, source=NOTHING_BOUGHT)
        return
    of = Inputs()
    servers = f"{of(below.key('num_servers'))} * {of(below.key('machine', 'price_usd'))}"
    trail.computed(
        below.key("capex_usd"),
        "purchase",
        option.capex_usd,
        formula=option.capex_usd.source or "servers x price",
        inputs=(*of.keys, *beside),
        arithmetic=" + ".join([servers, *(f"{{{place}}}" for place in range(2, 2 + len(beside)))]),
    )
    if option.room is not None and option.machine is not None:
        watts = max(0.0, option.room.it_peak_w - option.room.bill.peak_w("node"))
        words = "nameplates of switches and storage, as the bill has them"
        value = estimate(watts, unit="W", basis="modelled", source=words)
    else:
        value = estimate(0.0, unit="W", basis="modelled", source="no room is planned around the servers")
    trail.leaf(below.key("peak_beside_servers_w"), "highest draw of switches and storage", value)


def _lines(below: Below) -> Iterator[BillLine]:
    yield from below.option.room.bill.lines if below.option.room else ()


def _add_line(below: Below, line: BillLine) -> str | None:
    """Count, price of one and of all; the key of the price where it is paid beside the servers."""
    trail, key, servers = below.trail, below.key("bill", line.key), below.key("num_servers")
    words = line.note or COUNT_WORDS[line.category]
    count = trail.computed(
        f"{key}.count",
        f"count: {line.name}",
        counted(line.count, "pieces", words),
        formula=words,
        inputs=(servers,),
        arithmetic="{0}" if line.category == "node" else None,
    )
    if line.peak_w is not None:
        watts = estimate(line.peak_w, unit="W", basis="datasheet", source=line.source)
        one = trail.leaf(f"{key}.unit_w", f"highest draw of one: {line.name}", watts)
        trail.computed(
            f"{key}.peak_w",
            f"highest draw: {line.name}",
            scaled(watts, line.count),
            formula="count x highest draw of one",
            inputs=(count, one),
            arithmetic="{0} * {1}",
        )
    if line.unit_usd is None or line.usd is None:
        return None
    source = line.unit_usd.source or line.source
    each = trail.leaf(f"{key}.unit_usd", f"price of one: {line.name}", line.unit_usd, source=source)
    whole = trail.computed(
        f"{key}.usd", line.name, line.usd, formula="count x price of one", inputs=(count, each), arithmetic="{0} * {1}"
    )
    return whole if line.category != "node" and line.count else None
