"""The shared storage of a cluster: the number of systems by capacity and throughput, and the cheapest that suffices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from pydantic import Field

from aigc_bench.catalog.records import StorageItem
from aigc_bench.core.messages import message
from aigc_bench.core.records import Estimate, Record
from aigc_bench.plan.site.bill import BillLine
from aigc_bench.plan.stats.distributions import aged
from aigc_bench.plan.stats.estimates import estimate, scaled

if TYPE_CHECKING:
    from aigc_bench.catalog.loader import Catalogue

DRIVE = "nvme_gen4"
"""The drive that is ordered for empty bays, a row of the catalogue."""
DRIVE_BYTES = 7.68e12
"""Its size, the usual one of a server's NVMe drive in 2026."""
SINGLE = frozenset({"nfs_1x_10g", "nvme_nfs_2u"})
"""File servers of one node: two of them are two file systems, not one of twice the size, so only one is bought."""
# No row of the catalogue states height or weight of a system.
SYSTEM_U, SYSTEM_KG = 4, 60.0
SYSTEM_SIZE = message("4 U and 60 kg a system: unverified (general knowledge)")


class StorageNeed(Record):
    """Raw bytes to buy, and bytes/s to read and write together; ``is_shared``: data lie on shared storage, bought or there."""

    raw_bytes: float = Field(ge=0)
    read_bytes_per_s: float = Field(default=0.0, ge=0)
    write_bytes_per_s: float = Field(default=0.0, ge=0)
    is_shared: bool = False


def systems_needed(item: StorageItem, need: StorageNeed) -> int | None:
    """Return how many of ``item`` meet the need; ``None`` where the catalogue has no capacity or throughput for it."""
    pairs = (
        (need.raw_bytes, item.capacity_bytes),
        (need.read_bytes_per_s, item.read_bytes_per_s),
        (need.write_bytes_per_s, item.write_bytes_per_s),
    )
    counts = [0]
    for needed, one in pairs:
        if needed > 0 and one is None:
            return None
        if needed > 0 and one is not None:
            # Capacity, reading and writing share the systems, so the largest count holds.
            counts.append(max(1, math.ceil(needed / one - 1e-9)))
    return max(counts)


def system_price(item: StorageItem) -> Estimate | None:
    """Return USD of one system: its capacity x the price of a byte; ``None`` where either is unknown."""
    if item.capacity_bytes is None or item.mid_usd_per_byte is None:
        return None
    price = estimate(
        item.mid_usd_per_byte,
        low=item.low_usd_per_byte or item.mid_usd_per_byte,
        high=item.high_usd_per_byte or item.mid_usd_per_byte,
        unit="usd/B",
        basis=item.basis,
        source=f"{item.source}, {item.as_of}",
    )
    return scaled(price, item.capacity_bytes, unit="usd")


def storage_lines(need: StorageNeed, *, catalogue: Catalogue, on: date) -> tuple[BillLine, ...]:
    """Return the cheapest system of the catalogue that meets the need.

    No line without a need; a line without price where no price is known.
    """
    if need.raw_bytes <= 0 and need.read_bytes_per_s <= 0 and need.write_bytes_per_s <= 0:
        return ()
    found = []
    for item in catalogue.storage.values():
        count, price = systems_needed(item, need), system_price(item)
        if item.kind == "system" and count and price is not None and (count == 1 or item.id not in SINGLE):
            price = aged(price, as_of=item.as_of, on=on, drift=catalogue.constant("hardware_price_drift"))
            # The id breaks ties before records would be compared.
            found.append((count * price.value, item.id, item, count, price))
    if not found:
        why = message("no storage system of the catalogue states capacity, throughput and price")
        return (
            BillLine(
                key="storage", name=message("shared storage"), category="storage", count=1, why_no_price=why, source=message("need")
            ),
        )
    _, _, item, count, price = min(found, key=lambda entry: entry[:2])
    return (
        BillLine(
            key=item.id,
            name=item.name,
            category="storage",
            count=count,
            unit_usd=price,
            peak_w=item.power_w,
            heat_w=item.power_w,
            rack_units=SYSTEM_U,
            weight_kg=SYSTEM_KG,
            source=f"{item.source}, {item.as_of}",
            note=SYSTEM_SIZE,
        ),
    )


def bought_bytes(lines: Sequence[BillLine], *, catalogue: Catalogue) -> float:
    """Return raw bytes of the shared systems among the lines of a bill."""
    systems = [(line.count, catalogue.storage[line.key]) for line in lines if line.key in catalogue.storage]
    return sum(count * (item.capacity_bytes or 0.0) for count, item in systems if item.kind == "system")


def drive_lines(item: StorageItem, *, per_server: int, num_servers: int, catalogue: Catalogue, on: date) -> tuple[BillLine, ...]:
    """Return the drives for the empty bays of servers whose price has none; watts, height and weight are the server's."""
    price = system_price(item)
    if not per_server or not num_servers or price is None:
        return ()
    return (
        BillLine(
            key=f"drive.{item.id}",
            name=message("{name}, {size:g} TB, in the servers", name=item.name, size=(item.capacity_bytes or 0.0) / 1e12),
            category="drive",
            count=per_server * num_servers,
            unit_usd=aged(price, as_of=item.as_of, on=on, drift=catalogue.constant("hardware_price_drift")),
            source=f"{item.source}, {item.as_of}",
            note=message("{per_server} in each server: its data sheet names no disks", per_server=per_server),
        ),
    )
