"""Put a room around an option's servers: networks, storage, racks, feeds, UPS and cooling plant by the kind of site.

The draw of its equipment besides the servers (switches, optics, shared storage)::

    peak      sum of the bill's nameplates without the servers'
    mean      peak x share (rules.beside_load): they are on by day and by night
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING

from aigc_bench.core.derivation import Derivation, record
from aigc_bench.core.messages import message
from aigc_bench.core.records import Estimate
from aigc_bench.plan.hardware.hosts import Host
from aigc_bench.plan.placement.desks import at_desks
from aigc_bench.plan.placement.site_limits import site_for
from aigc_bench.plan.records.demand import Demand, Site
from aigc_bench.plan.records.machine import Machine
from aigc_bench.plan.records.rules import Rules, rules_from
from aigc_bench.plan.site.room import MOST_SERVERS, Room, RoomNeed, make_room
from aigc_bench.plan.site.storage_system import StorageNeed
from aigc_bench.plan.sizing.stored_data import (
    StoredData,
    drives_needed,
    in_order,
    is_shared,
    read_bytes_per_s,
    server_disk_bytes,
    stored_data,
    written_bytes_per_s,
)
from aigc_bench.plan.stats.estimates import estimate, known_as, named, times

if TYPE_CHECKING:
    from aigc_bench.catalog.loader import Catalogue


NAMEPLATES = message("nameplates of switches, optics and storage, as the bill has them")
MEAN = message("highest draw of switches and storage x mean over highest")


def other_peak_w(room: Room) -> Estimate:
    """Return the peak draw of everything in the room except the servers, in W."""
    # The bill's own nodes: the planned peak of a server may differ from its nameplate.
    rest = room.it_peak_w - room.bill.peak_w("node")
    found = estimate(max(0.0, rest), unit="W", basis="modelled", source=NAMEPLATES)
    return record(found, Derivation(None, key=".peak_beside_servers_w", title=message("peak power of switches and storage")))


def other_mean_w(room: Room | None, rules: Rules) -> Estimate | None:
    """Return the mean draw of everything in the room except the servers, in W; ``None`` without a room."""
    if room is None:
        return None
    mean = named(times(other_peak_w(room), rules.beside_load, unit="W"), MEAN)
    return known_as(mean, ".mean_beside_servers_w", message("mean power of switches and storage"))


# Replicas exchange nothing between servers, so half the uplinks suffice; training gets 1 : 1.
SERVING_OVERSUBSCRIPTION = 2.0


def room_maker(host: Host, demand: Demand, *, catalogue: Catalogue, on: date, is_built: bool) -> Callable[[int], Room | None]:
    """Build the room for some servers by the host's sheet; none beyond ``MOST_SERVERS``.

    ``is_built``: with plant, on the site of the demand; else in a colocation.
    """
    rules = rules_from(catalogue)
    site = site_for("owned" if is_built else "colocated", host.machine, demand)
    feed = site.amount("rack_power_w")

    def make(num_servers: int) -> Room | None:
        """Return the room of that number of servers; ``None`` for zero, and for more than one room holds."""
        # Laying out takes time in proportion to the pieces.
        if not 0 < num_servers <= MOST_SERVERS:
            return None
        storage = storage_need(demand, site=site, rules=rules, machine=host.machine, num_servers=num_servers)
        # One server is not redundant itself, so its feed and plant need not be, unless the demand asks for it.
        redundancy = site.redundancy or ("N" if num_servers == 1 else "N+1")
        need = RoomNeed(
            num_servers=num_servers,
            room=site.cooling,
            peak_w=host.machine.peak_power_w.value,
            oversubscription=1.0 if any(job.mode == "train" for job in demand.jobs) else SERVING_OVERSUBSCRIPTION,
            storage=storage,
            drives_per_server=_drives(demand, host.machine, rules, num_servers),
            rack_power_w=feed.value if feed else None,
            rack_cooling_w=site.amount("rack_cooling_w"),
            floor_kg_per_m2=site.floor_kg_per_m2,
            height_u=site.rack_height_u,
            max_racks=site.num_racks,
            is_built=is_built,
            redundancy=redundancy,
            is_dual_feed=redundancy != "N",
            has_own_switches=site.has_server_room,
            is_at_desks=is_built and at_desks(host.machine, site, num_servers=num_servers) and storage.raw_bytes == 0,
        )
        return make_room(host.sheet, need, catalogue=catalogue, on=on)

    return make


def storage_need(demand: Demand, *, site: Site, rules: Rules, machine: Machine, num_servers: int) -> StorageNeed:
    """Return the shared storage to buy: stored bytes over the usable share, less what the ``site`` has.

    Data that may lie on the servers' own disks (``sizing.stored_data``) need none and are read and written there. Else jobs of the
    ``machine`` read and write at their rates, less the site's storage throughput; an unknown throughput counts as enough.
    """
    data, disk = _stored(demand, machine, rules), server_disk_bytes(machine)
    if not is_shared(data, disk_bytes=disk.value if disk else None, num_servers=num_servers, rules=rules):
        return StorageNeed(raw_bytes=0.0)
    # File systems, parity and free space take the rest of raw capacity.
    raw = data.shared_bytes / rules.usable_storage.value
    store, passes = site.amount("store_bytes"), site.amount("store_bytes_per_s")
    missing = max(0.0, raw - (store.value if store else 0.0))
    # Of an existing store nothing is known to be missing.
    if missing == 0 and passes is None:
        return StorageNeed(raw_bytes=0.0, is_shared=True)
    there_per_s = passes.value if passes else 0.0
    return StorageNeed(
        raw_bytes=missing,
        read_bytes_per_s=max(0.0, read_bytes_per_s(demand, rules) - there_per_s),
        write_bytes_per_s=max(0.0, written_bytes_per_s(demand, machine, rules) - there_per_s),
        is_shared=True,
    )


def _stored(demand: Demand, machine: Machine, rules: Rules) -> StoredData:
    return stored_data(demand, in_order(demand, machine), machine=machine, rules=rules)


def _drives(demand: Demand, machine: Machine, rules: Rules, num_servers: int) -> int:
    """Return the drives to order for each server; none where its data sheet has disks."""
    if machine.disk_bytes is not None:
        return 0
    return drives_needed(_stored(demand, machine, rules), num_servers=num_servers, rules=rules)
