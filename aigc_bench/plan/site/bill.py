"""The bill of materials: a line for everything that is bought, with count, price, watts, height, weight and source.

An unpublished price is ``None`` with the reason; it is never guessed and never counted as zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from aigc_bench.catalog.records import CoolingMethod
from aigc_bench.core.messages import joined, message
from aigc_bench.core.record import Sentence
from aigc_bench.core.records import Estimate, Record
from aigc_bench.plan.stats.distributions import hardware_price
from aigc_bench.plan.stats.estimates import ceil, counted, known_as, named, scaled, total

if TYPE_CHECKING:
    from aigc_bench.catalog.loader import Catalogue
    from aigc_bench.catalog.records import NetworkItem, ServerSpec

Category = Literal["node", "nic", "switch", "cable", "storage", "drive", "rack", "power", "cooling", "spare"]
IN_THE_SERVER = message("in the price of the server")
COUNTED_BY: Mapping[Category, str] = {
    "node": message("servers of the option"),
    "nic": message("servers x NICs of one"),
    "switch": message("ports of all servers / ports of a switch, in leaves and spines"),
    "cable": message("links of the networks, two ends each"),
    "spare": message("share of the pieces bought"),
    "rack": message("racks of the layout"),
    "power": message("racks x feeds, or load / size of a module, with redundancy"),
    "cooling": message("heat / size of a unit, with redundancy"),
    "drive": message("servers x drives of one"),
    "storage": message("bytes stored, read and written / what one system stores, reads and writes, the largest of the three"),
}


class BillLine(Record):
    """``count`` of one thing. Price, watts, rack units and kilograms are of one of them.

    ``peak_w`` is its peak draw at the wall, ``heat_w`` the heat that sizes its cooling; ``None`` is unknown, or contained in
    another line where ``note`` says so.
    """

    key: str
    name: Sentence
    category: Category
    count: int = Field(ge=0)
    unit_usd: Estimate | None = None
    why_no_price: Sentence | None = None
    peak_w: float | None = Field(default=None, ge=0)
    heat_w: float | None = Field(default=None, ge=0)
    rack_units: float | None = Field(default=None, gt=0)
    weight_kg: float | None = Field(default=None, gt=0)
    cooling: CoolingMethod = "air"
    source: Sentence
    note: Sentence | None = None

    @property
    def usd(self) -> Estimate | None:
        """Return the price of all of them."""
        if self.unit_usd is None:
            return None
        pieces = counted(self.count, "pieces", self.note or COUNTED_BY[self.category], key=f".bill.{self.key}.count")
        return known_as(scaled(self.unit_usd, pieces), f".bill.{self.key}.usd", self.name)


class Bill(Record):
    """All lines of a purchase."""

    lines: tuple[BillLine, ...]

    @property
    def capex_usd(self) -> Estimate:
        """Return the sum of the lines whose price is known."""
        found = total([line.usd for line in self.lines if line.usd is not None and line.count], unit="usd")
        return named(found, message("sum of the bill's lines with a price"))

    @property
    def unpriced(self) -> tuple[str, ...]:
        """Return the lines that are in no sum, each with its reason; NICs are paid with the server."""
        return tuple(
            joined(": ", (line.name, line.why_no_price or ""))
            for line in self.lines
            # NICs are in the server's price, spares repeat a line that is named already.
            if line.count and line.unit_usd is None and line.category not in ("nic", "spare")
        )

    def peak_w(self, *categories: Category) -> float:
        """Return the peak watts of the lines (of those categories, or of all)."""
        chosen = [line for line in self.lines if not categories or line.category in categories]
        return sum(line.count * (line.peak_w or 0.0) for line in chosen)

    def weight_kg(self) -> float:
        """Return the kilograms of all lines whose weight is known."""
        return sum(line.count * (line.weight_kg or 0.0) for line in self.lines)


def merged(*groups: Iterable[BillLine]) -> Bill:
    """Return one bill of several groups of lines, without those with a count of zero."""
    return Bill(lines=tuple(line for group in groups for line in group if line.count))


def node_line(server: ServerSpec, *, count: int, catalogue: Catalogue, on: date, peak_w: float | None = None) -> BillLine:
    """Return the servers themselves; ``peak_w`` is the measured or modelled peak draw of one, else its nameplate."""
    price = hardware_price(server, catalogue=catalogue, on=on)
    return BillLine(
        key=server.id,
        name=server.name,
        category="node",
        count=count,
        unit_usd=price,
        why_no_price=None if price else message("the catalogue has no price of {name}", name=server.name),
        peak_w=peak_w or server.max_power_w,
        # A measured peak does not lower the vendor's design heat.
        heat_w=max(peak_w or 0.0, server.design_heat_w or 0.0) or None,
        rack_units=server.rack_units,
        weight_kg=server.weight_kg,
        cooling=server.cooling,
        source=f"{server.source}, {server.as_of}",
    )


ORDERED_NIC = message("front-end NIC to order")


def nic_lines(server: ServerSpec, *, count: int, catalogue: Catalogue, on: date) -> tuple[BillLine, ...]:
    """Return the NICs of the servers: counted for cables and ports, paid and powered with the server.

    Where the server's own ports are not enough, a card of their rate is bought for each.
    """
    rate = server.compute_nic_bytes_per_s
    if server.onboard_nic_enough is False:
        ordered = _ordered_nic(server, count=count, catalogue=catalogue, on=on)
        own = server.model_copy(update={"num_frontend_nics": None, "onboard_nic_enough": None})
        return (*nic_lines(own, count=count, catalogue=catalogue, on=on), *ordered)
    kinds = (
        ("compute", server.num_compute_nics, message(" at {rate:g} Gbit/s", rate=rate * 8 / 1000000000.0) if rate else ""),
        ("front-end", server.num_frontend_nics, ""),
    )
    return tuple(
        BillLine(
            key=f"nic_{kind.replace('-', '')}",
            name=message("{kind} NIC{speed}", kind=kind, speed=speed),
            category="nic",
            count=count * number,
            why_no_price=IN_THE_SERVER,
            source=f"{server.source}, {server.as_of}",
            note=message("price and watts are in the server's"),
        )
        for kind, number, speed in kinds
        if number
    )


def _ordered_nic(server: ServerSpec, *, count: int, catalogue: Catalogue, on: date) -> tuple[BillLine, ...]:
    """Return the cheapest Ethernet cards with ports of the server's front-end rate; none where no card has them."""
    rate = server.frontend_nic_bytes_per_s or 0.0
    fits = [
        (item.price.mid, item.id, item)
        for item in catalogue.network.values()
        if item.kind == "nic" and item.protocol == "ethernet" and item.price and (item.port_bytes_per_s or 0.0) >= rate
    ]
    if not fits:
        return ()
    return (item_line(min(fits)[2], role=ORDERED_NIC, count=count, catalogue=catalogue, on=on, category="nic"),)


def item_line(
    item: NetworkItem, *, role: str, count: int, catalogue: Catalogue, on: date, category: Category, pieces: int = 1
) -> BillLine:
    """Return a switch, cable or transceiver in its role; ``pieces`` of it make one of ``count``."""
    price = hardware_price(item, catalogue=catalogue, on=on)
    watts = item.max_power_w or item.typical_power_w
    return BillLine(
        key=f"{role.replace(' ', '_')}.{item.id}",
        name=joined(": ", (role, item.name)),
        category=category,
        count=count * pieces,
        unit_usd=price,
        why_no_price=None if price else message("the catalogue has no price of {name}", name=item.name),
        peak_w=watts,
        heat_w=watts,
        rack_units=item.rack_units,
        weight_kg=item.weight_kg,
        source=f"{item.source}, {item.as_of}",
    )


def spare_lines(lines: Iterable[BillLine], *, share: Estimate) -> tuple[BillLine, ...]:
    """Return cold spares of cables and optics: the share of each, rounded up, without watts. Nodes have hot spares."""
    return tuple(
        line.model_copy(
            update={
                "key": f"spare.{line.key}",
                "name": message("spare {name}", name=line.name),
                "category": "spare",
                "count": ceil(line.count * share.value),
                "peak_w": None,
                "heat_w": None,
                "rack_units": None,
                "note": message(
                    "{percent:.0f} % of {count}, {source}", percent=100 * share.value, count=line.count, source=share.source
                ),
            }
        )
        for line in lines
        if line.category == "cable" and line.count
    )
