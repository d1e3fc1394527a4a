"""Which candidate a load runs as on a host: the cheapest of those that fit and are in time, else the one that misses by least.

    owned    (hardware a year x whole replicas + watts x PUE x tariff x hours x replicas at work) x accelerators of a replica
    rented   (whole replicas + busy ones) x accelerators of a replica, without a power limit: by the hour nothing is saved by it

Hardware is the price of an accelerator with its share of the server, spread over its life; the fleet's size follows later.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aigc_bench.core.records import Estimate
from aigc_bench.plan.demand import Demand, Job, Service
from aigc_bench.plan.finance import annuity
from aigc_bench.plan.hosts import Host
from aigc_bench.plan.records import Capability
from aigc_bench.plan.search.candidates import Candidates, why_none
from aigc_bench.plan.search.loads import slo_of
from aigc_bench.plan.site.power_chain import HOURS_PER_YEAR
from aigc_bench.predict.effects import Floats

LAST = 1e6
"""Makes what is taken only where there is nothing else dearer than all of it."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A candidate by its row, and why it is refused; ``None`` where it is not."""

    row: int
    refusal: str | None


@dataclass(frozen=True, kw_only=True)
class Spare:
    """How much longer a request may take and how much more memory a load may need than predicted, both as factors."""

    time: float = 1.0
    memory: float = 1.0


def spare_of(able: Capability) -> Spare:
    """What the upper ends of a prediction ask for."""

    def over_middle(estimate: Estimate | None) -> float:
        return estimate.high / estimate.value if estimate is not None and estimate.value > 0 else 1.0

    return Spare(time=over_middle(able.service_s), memory=over_middle(able.device_memory_bytes))


def choose(
    wish: Service | Job, found: Candidates, *, host: Host, demand: Demand, spare: Spare | None = None, is_rented: bool = False
) -> Choice | None:
    """The best row for a host; ``None`` where there is no row of its accelerator at all."""
    left = spare or Spare()
    slo, limit = slo_of(wish), _most_devices(wish, host)
    rows = found.of(host.spec.id) & (found.devices <= limit)
    if not rows.any():
        return None
    cost = accelerators(wish, found) if is_rented else usd_per_year(wish, found, host=host, demand=demand)
    good = rows & found.fits_with(left.memory) & found.meets(slo, slower=left.time)
    if good.any():
        return Choice(row=_least(np.where(good, cost, np.inf)), refusal=None)
    refusal = f"{wish.name}: {why_none(found, found.of(host.spec.id), slo, max_devices=limit)}"
    fitting = rows & found.fits
    if not fitting.any():
        return Choice(row=_least(np.where(rows, found.memory_bytes / found.usable_bytes, np.inf)), refusal=refusal)
    return Choice(row=_least(np.where(fitting, _overrun(found, wish), np.inf)), refusal=refusal)


def _most_devices(wish: Service | Job, host: Host) -> int:
    """Ranks of one replica: served models stay within a server, training spans servers that have a network for it."""
    if isinstance(wish, Service) or wish.mode == "infer" or host.spec.scale_up_bytes_per_s is None:
        return host.max_devices
    return max(host.max_devices, 1024 if host.sheet.num_compute_nics else host.max_devices)


def usd_per_year(wish: Service | Job, found: Candidates, *, host: Host, demand: Demand) -> Floats:
    """Cost of the whole replicas that the load needs at its peak, for every row as if it ran on this host."""
    machine, finance = host.machine, demand.finance
    price = machine.price_usd.value / machine.machines_per_server.value
    yearly = annuity(
        price, rate=finance.discount_rate.value, years=finance.life_years, residual=price * finance.residual_share.value
    )
    usual = machine.full_power_w.value / machine.machines_per_server.value
    watts = np.where(np.isnan(found.power_w), usual, found.power_w)
    energy = watts / 1000 * HOURS_PER_YEAR * demand.site.pue.value * demand.site.electricity_usd_per_kwh.value
    replicas = _work_per_s(wish) / found.throughput
    cost: Floats = (yearly * np.maximum(1.0, np.ceil(replicas)) + energy * replicas) * found.devices
    return cost


def accelerators(wish: Service | Job, found: Candidates) -> Floats:
    """Accelerators of whole replicas at the peak plus those that are busy, for every row; rows with a power limit come last.

    The busy ones are what rents by the hour pay and what several loads share.
    """
    replicas = _work_per_s(wish) / found.throughput
    count: Floats = np.where(found.cap < 1, LAST, 1.0) * (np.maximum(1.0, np.ceil(replicas)) + replicas) * found.devices
    return count


def cheapest_usd_per_year(wish: Service | Job, found: Candidates | None, *, host: Host, demand: Demand) -> float:
    """The least that the load costs on a host among rows that fit and are in time; infinite where there is none."""
    if found is None:
        return np.inf
    good = found.of(host.spec.id) & (found.devices <= _most_devices(wish, host)) & found.fits & found.meets(slo_of(wish))
    return float(usd_per_year(wish, found, host=host, demand=demand)[good].min(initial=np.inf))


def _work_per_s(wish: Service | Job) -> float:
    """Items a second while the load is at its highest."""
    if isinstance(wish, Service):
        return wish.arrival.peak_requests_per_s.value * wish.items_per_request.value
    return wish.items.value / wish.window_s


def _overrun(found: Candidates, wish: Service | Job) -> Floats:
    """By what factor the worst of the latencies is missed."""
    slo, worst = slo_of(wish), np.ones(len(found))
    for limit, column in ((slo.ttft_s, found.ttft_s), (slo.tpot_s, found.tpot_s), (slo.latency_s, found.latency_s)):
        if limit is not None:
            worst = np.maximum(worst, np.nan_to_num(column / limit, nan=1.0))
    return worst


def _least(values: Floats) -> int:
    return int(np.argmin(values))
