"""Storage: do weights, stored responses, data sets and checkpoints fit on the servers' disks or on storage that they share?"""

from __future__ import annotations

from aigc_bench.core.messages import message
from aigc_bench.core.records import Estimate
from aigc_bench.plan.factors.base import Context, Factor, Limits, enough, scarcest
from aigc_bench.plan.money.kept_and_sent import lines_of
from aigc_bench.plan.records.factor_keys import SiteKey
from aigc_bench.plan.records.machine import Pool
from aigc_bench.plan.records.plan import Assessment, CostLine
from aigc_bench.plan.site.storage_system import DRIVE_BYTES
from aigc_bench.plan.sizing.fleets import DAYS_PER_YEAR
from aigc_bench.plan.sizing.stored_data import StoredData, is_shared, server_disk_bytes, stored_data
from aigc_bench.plan.stats.estimates import counted, estimate, named, plus, scaled, times, total

DAY_S = 86_400.0
STORE = "store_bytes"
OWN_DISKS, SHARED = message("local disks of a server"), message("shared storage")


class StorageFactor(Factor):
    """Bytes stored on the disks of the fullest server, and on shared storage, against their usable size."""

    title = "Storage"
    order = 40
    unit = "B"
    formula = message(
        "data = mean requests/day x growth x response bytes x days kept + results of the runs kept + data sets x copies + job "
        "items x bytes x copies + checkpoints kept x bytes per parameter x parameters; required on a server = system + weights, "
        "and its data where they fit; else required of shared storage = data; available = raw bytes x usable share"
    )
    source = message(
        "capacity rule of the planner; checkpoint sizes as published (105 GB at 8B, 912 GB at 70B, 5.29 TB at 405B parameters)"
    )

    site_keys = (
        SiteKey(
            name="store_tb",
            title=message("shared storage"),
            meaning=message("existing shared storage (default: bought)"),
            unit="TB",
            low=1e-6,
            high=1e7,
            is_zero_allowed=True,
            field=STORE,
            only_own=True,
        ),
        SiteKey(
            name="store_gb_per_s",
            title=message("bandwidth of shared storage"),
            meaning=message("read and write bandwidth of that storage"),
            unit="GB/s",
            low=1e-6,
            high=1e6,
            is_zero_allowed=True,
            field="store_bytes_per_s",
            only_own=True,
        ),
    )

    def assess(self, context: Context) -> Assessment:
        """Assess own disks and shared storage; weights that were not counted make the required bytes a lower bound."""
        if context.kind == "cloud":
            return self._on_the_providers(context)
        shared, pools = _is_shared(context), [(pool, _data_of(context, pool)) for pool in context.pools]
        parts = [_on_a_server(context, pool, data, shared=shared) for pool, data in pools]
        fullest = max(parts, key=lambda named_parts: sum(part.value for part in named_parts.values()), default={})
        required = named(total(list(fullest.values()), unit="B"), message("sum of what is stored on one server"))
        inputs, usable, disks = fullest | _rates(context), context.rules.usable_storage, _disks(context)
        inputs[message("usable share of raw bytes")] = usable
        pairs = {}
        if disks is not None:
            inputs[message("disks of a server")] = disks
            pairs[OWN_DISKS] = (required, times(disks, usable, unit="B"))
        if shared:
            stored, store = _all_data(context), _store(context)
            inputs |= stored | {message("raw bytes of shared storage"): store}
            pairs[SHARED] = (total(list(stored.values()), unit="B"), times(store, usable, unit="B"))
        # A large store proves nothing about disks that are not known.
        place = scarcest(pairs) if disks is not None else None
        if place is None:
            return self.conclude(required=required, available=None, why=UNKNOWN, inputs=inputs)
        held = _all_data(context) if place == SHARED else fullest
        largest = max(held, key=lambda name: held[name].value, default="nothing")
        why = message("limited by the {place}; largest part: {largest}", place=place, largest=largest)
        return self.conclude(required=pairs[place][0], available=pairs[place][1], why=why, inputs=inputs)

    def remedy(self, found: Assessment, limits: Limits) -> str:
        """Return the disks or the store that would suffice."""
        if found.why.startswith(message("limited by the {place}", place=SHARED)):
            return message(
                "a store of {enough} (site.store_tb), or a shorter retention of responses (kept) would change that",
                enough=enough(found),
            )
        return message(
            "disks of {enough} per server, a store of the site (site.store_tb), or a shorter retention of responses (kept) would "
            "change that",
            enough=enough(found),
        )

    def cost_lines(self, context: Context) -> tuple[CostLine, ...]:
        """Return what a provider bills for the data kept with it and for what leaves it."""
        if context.kind != "cloud" or context.transfers is None:
            return ()
        kept = total(list(_kept(context).values()), unit=self.unit)
        return lines_of(context.transfers, context.demand, kept=kept, loads=[load.name for load in context.loads])

    def _on_the_providers(self, context: Context) -> Assessment:
        """Return the data that a provider keeps: it sells storage by the month, so that nothing limits it."""
        stored = _all_data(context)
        required = named(total(list(stored.values()), unit="B"), message("sum of the data"))
        return self.conclude(required=required, available=None, why=PROVIDERS, inputs=stored | _rates(context), is_limited=False)


UNKNOWN = message("the size of this machine's disk is not recorded; `df` on the run's folder or the server's data sheet states it")
PROVIDERS = message("data lie on the provider's storage, paid by the month")


def _data_of(context: Context, pool: Pool) -> StoredData:
    abilities = {load.name: context.capability(load) for load in context.loads_of(pool)}
    return stored_data(context.demand, abilities, machine=context.machine, rules=context.rules)


def _all_data(context: Context) -> dict[str, Estimate]:
    """Return the bytes of all data, each once, by name."""
    abilities = {load.name: context.capability(load) for load in context.loads}
    data = stored_data(context.demand, abilities, machine=context.machine, rules=context.rules)
    return {**data.spread, **data.whole}


def _kept(context: Context) -> dict[str, Estimate]:
    """Return the bytes that lie at a provider in the mean of the year: the files of a job that runs once go with it."""
    parts = _all_data(context)
    for job in context.demand.jobs:
        # What runs every year keeps its data in between.
        if job.runs_per_day * DAYS_PER_YEAR < 1:
            share = min(1.0, job.window_s * job.runs_per_day / DAY_S)
            files = (message("data set, {load}", load=job.name), message("checkpoints, {load}", load=job.name))
            parts |= {name: scaled(parts[name], share) for name in files if name in parts}
    return parts


def _is_shared(context: Context) -> bool:
    """Return whether data lie on shared storage: as the room was planned; without a room where the site has a store."""
    if context.room is not None:
        return context.room.is_data_shared
    if context.site.amount(STORE) is None:
        return False
    disk = server_disk_bytes(context.machine)
    # Of unknown disks nothing is assumed; the store is there.
    raw = disk.value if disk else 0.0
    return any(
        is_shared(_data_of(context, pool), disk_bytes=raw, num_servers=_servers_of(context, pool), rules=context.rules)
        for pool in context.pools
    )


def _servers_of(context: Context, pool: Pool) -> float:
    return pool.available_machines.value / context.machine.machines_per_server.value


def _on_a_server(context: Context, pool: Pool, data: StoredData, *, shared: bool) -> dict[str, Estimate]:
    """Return the bytes on the disks of one server of the pool, by name."""
    own = {} if shared else data.on_each(pool.available_machines, context.machine.machines_per_server)
    return {**data.system, **own}


def _disks(context: Context) -> Estimate | None:
    """Return raw bytes on the disks of one server: its own, or those that are ordered for it."""
    known = server_disk_bytes(context.machine)
    if known is not None or context.room is None or not context.room.drives_per_server:
        return known
    count = context.room.drives_per_server
    return counted(count * DRIVE_BYTES, "B", message("{count} ordered drives of {size:g} TB", count=count, size=DRIVE_BYTES / 1e12))


def _store(context: Context) -> Estimate:
    """Return raw bytes of shared storage: the site's and what is bought."""
    bought, there = context.room.shared_bytes if context.room else 0.0, context.site.amount(STORE)
    ordered = estimate(bought, unit="B", basis="modelled", source=message("raw bytes of the systems on the bill"))
    return plus(there, ordered) if there else ordered


def _rates(context: Context) -> dict[str, Estimate]:
    """Return the bytes/s that one machine reads while it trains: throughput x bytes per item."""
    rates = {}
    for load in context.loads:
        job = context.job(load)
        if job is not None:
            ingest = times(context.capability(load).throughput, job.bytes_per_item, unit="B/s")
            rates[message("ingest of one machine, {load}", load=load.name)] = ingest
    return rates


factor = StorageFactor()
