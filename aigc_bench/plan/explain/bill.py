"""Build the steps of the bill of materials and of the purchase."""

from __future__ import annotations

from collections.abc import Iterator

from aigc_bench.plan.explain.arithmetic import Inputs
from aigc_bench.plan.explain.place import Below
from aigc_bench.plan.explain.step import counted
from aigc_bench.plan.placement.room_power import MEAN, other_mean_w, other_peak_w
from aigc_bench.plan.site.bill import BillLine
from aigc_bench.plan.stats.estimates import estimate, scaled

NOTHING_BOUGHT = "nothing is bought"
COUNT_WORDS = {
    "node": "servers of the option",
    "nic": "servers x NICs of one",
    "switch": "ports of all servers / ports of a switch, in leaves and spines",
    "cable": "links of the networks, two ends each",
    "spare": "share of the pieces bought",
    "rack": "racks of the layout",
    "power": "racks x feeds, or load / size of a module, with redundancy",
    "cooling": "heat / size of a unit, with redundancy",
    "storage": "bytes stored, read and written / what one system stores, reads and writes, the largest of the three",
}


def add_purchase(below: Below) -> None:
    """Add the lines of the bill, then the upfront cost."""
    option, trail = below.option, below.trail
    others = [key for line in _lines(below) if (key := _add_line(below, line)) is not None]
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
        inputs=(*of.keys, *others),
        arithmetic=" + ".join([servers, *(f"{{{place}}}" for place in range(2, 2 + len(others)))]),
    )


def add_other_equipment(below: Below) -> None:
    """Add peak and mean power of switches and storage; zero if no room is planned."""
    room = below.option.room
    peak, mean = (below.key(f"{word}_beside_servers_w") for word in ("peak", "mean"))
    titles = {peak: "peak power of switches and storage", mean: "mean power of switches and storage"}
    mean_w = other_mean_w(room, below.rules)
    if room is None or mean_w is None:
        nothing = estimate(0.0, unit="W", basis="modelled", source="no room is planned around the servers")
        for key, title in titles.items():
            below.trail.leaf(key, title, nothing)
        return
    below.trail.leaf(peak, titles[peak], other_peak_w(room))
    below.trail.computed(mean, titles[mean], mean_w, formula=MEAN, inputs=(peak, "rules.beside_load"), arithmetic="{0} * {1}")


def _lines(below: Below) -> Iterator[BillLine]:
    yield from below.option.room.bill.lines if below.option.room else ()


def _add_line(below: Below, line: BillLine) -> str | None:
    """Add count, unit price and total; return the key of the total if it adds to the price of the servers."""
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
        one = trail.leaf(f"{key}.unit_w", f"peak power of one: {line.name}", watts)
        trail.computed(
            f"{key}.peak_w",
            f"peak power: {line.name}",
            scaled(watts, line.count),
            formula="count x peak power of one",
            inputs=(count, one),
            arithmetic="{0} * {1}",
        )
    if line.unit_usd is None or line.usd is None:
        return None
    source = line.unit_usd.source or line.source
    each = trail.leaf(f"{key}.unit_usd", f"unit price: {line.name}", line.unit_usd, source=source)
    whole = trail.computed(
        f"{key}.usd", line.name, line.usd, formula="count x unit price", inputs=(count, each), arithmetic="{0} * {1}"
    )
    return whole if line.category != "node" and line.count else None
