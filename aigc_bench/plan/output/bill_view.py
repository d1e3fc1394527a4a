"""The bill of materials as rows: count, unit price, total and watts of each line, by room."""

from __future__ import annotations

from aigc_bench.core.messages import message
from aigc_bench.core.record import Sentence
from aigc_bench.core.records import Record
from aigc_bench.core.trail import Trail
from aigc_bench.plan.output.money_view import BillRows
from aigc_bench.plan.output.shown_number import Shown, number_at
from aigc_bench.plan.site.bill import BillLine


class BillLineRow(Record):
    """A line of the bill; price and total say why they are missing, watts are the peak of all its pieces."""

    name: Sentence
    note: Sentence | None
    category: str
    source: Sentence
    count: Shown
    unit_price: Shown
    total: Shown
    watts: Shown


class BillRoom(Record):
    """The lines of one room, with the sum of the purchase; ``capex`` is ``None`` where nothing has a price."""

    num_servers: int
    server: str | None
    lines: tuple[BillLineRow, ...]
    capex: Shown | None
    notes: tuple[Sentence, ...]


def bill_room(bill: BillRows, trail: Trail) -> BillRoom:
    """Return the lines of a room with the numbers that a plan's derivations have."""
    return BillRoom(
        num_servers=bill.num_servers,
        server=bill.server,
        lines=tuple(_line(line, trail, at=f"{bill.key}.bill.{line.key}") for line in bill.lines),
        capex=number_at(trail, f"{bill.key}.capex_usd", message("purchase")) if bill.has_price else None,
        notes=bill.notes,
    )


def _line(line: BillLine, trail: Trail, *, at: str) -> BillLineRow:
    no_price = line.why_no_price or message("no published price")
    no_watts = line.note or message("no power draw, or unknown")
    return BillLineRow(
        name=line.name,
        note=line.note,
        category=line.category,
        source=line.source,
        count=number_at(trail, f"{at}.count", message("count"), unit="count"),
        unit_price=number_at(trail, f"{at}.unit_usd", message("unit price"), unit="usd", missing=no_price),
        total=number_at(trail, f"{at}.usd", message("total"), missing=no_price),
        watts=number_at(trail, f"{at}.peak_w", message("watts"), missing=no_watts),
    )
