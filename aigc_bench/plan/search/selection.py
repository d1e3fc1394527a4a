"""Choose the candidate of a load on a host: the cheapest that fits and is in time, else the one with the smallest miss.

    bought   hardware per year x accelerators + watts x PUE x tariff x hours x busy accelerators + peak W x yearly cost of a watt
    rented   (whole replicas + busy ones) x accelerators of a replica, without a power limit, which saves nothing on a rent

Accelerators are those of whole replicas, in whole servers where the load has its own servers. A rented replica must fit one
instance; the shards of a training job may lie over several whole servers. Hardware is the price of an accelerator with its share of
the server, spread over its life. A watt of the peak costs space in a colocation, and UPS, cooling plant and demand charge in an
owned room.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from aigc_bench.core.messages import joined
from aigc_bench.core.records import Estimate
from aigc_bench.plan.hardware.hosts import Host
from aigc_bench.plan.hardware.wall_watts import wall_share_w
from aigc_bench.plan.money.ownership import annuity
from aigc_bench.plan.records.demand import Demand, Job, OptionKind, Service
from aigc_bench.plan.records.machine import Capability
from aigc_bench.plan.records.rules import Rules
from aigc_bench.plan.search.candidates import Candidates, why_none
from aigc_bench.plan.search.load_candidates import slo_of
from aigc_bench.plan.site.power_chain import HOURS_PER_YEAR
from aigc_bench.plan.sizing.checkpoints import lost_shares, stall_of
from aigc_bench.plan.sizing.fleets import grown_at_end
from aigc_bench.predict.fitting.effects import Floats

ALMOST = 1e-9
WHOLE_SERVER = 8
"""Accelerators from which on an instance is a server of its own, which clouds join to clusters for training."""
MORE_SLACK = 1.02
"""A setting is tried again only with this much more time to spare (assumed): each costs a sample of the queue."""
LAST = 1e6
"""Weight that puts rows with a power limit behind all others."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A candidate by its row, and why it is refused; ``None`` where it is accepted."""

    row: int
    refusal: str | None


@dataclass(frozen=True, kw_only=True)
class Spare:
    """Reserve for the predictor's error: factors on the predicted time of a request and on the predicted memory."""

    time: float = 1.0
    memory: float = 1.0


def spare_of(capability: Capability) -> Spare:
    """Return the reserve that the upper ends of a prediction require."""

    def over_middle(estimate: Estimate | None) -> float:
        """Return the upper end over the value; 1 where it is not known."""
        return estimate.high / estimate.value if estimate is not None and estimate.value > 0 else 1.0

    return Spare(time=over_middle(capability.service_s), memory=over_middle(capability.device_memory_bytes))


@dataclass(frozen=True, kw_only=True)
class SelectionTerms:
    """Terms of a host, as far as the choice depends on them.

    ``instance`` is the accelerators of a rented one, ``None`` where a replica need not fit one. ``watt_usd_per_year`` is paid
    for each watt of the peak. ``is_alone``: the load has its own servers, so that whole servers are paid.
    """

    kind: OptionKind = "owned"
    instance: int | None = None
    watt_usd_per_year: float = 0.0
    is_alone: bool = False


@dataclass(frozen=True, kw_only=True)
class RankedSettings:
    """The settings of a load on a host: the cheapest, then all that are in time with their cost, and why the first is refused."""

    cheapest: Capability
    rows: tuple[tuple[int, float], ...]
    terms: SelectionTerms
    refusal: str | None


def choose(
    workload: Service | Job,
    found: Candidates,
    *,
    host: Host,
    demand: Demand,
    spare: Spare | None = None,
    terms: SelectionTerms | None = None,
    rules: Rules | None = None,
) -> Choice | None:
    """Return the best row for a host; ``None`` where there is no row of its accelerator."""
    left, given = spare or Spare(), terms or SelectionTerms()
    slo, limit = slo_of(workload), _most_of_replica(workload, host, given)
    rows = found.of(host.spec.id) & (found.devices <= limit)
    if not rows.any():
        return None
    cost = costs_of(workload, found, host=host, demand=demand, terms=given, rules=rules)
    good = rows & found.fits_with(left.memory) & found.meets(slo, slower=left.time)
    if good.any():
        return Choice(row=_least(np.where(good, cost, np.inf)), refusal=None)
    refusal = joined(": ", (workload.name, why_none(found, found.of(host.spec.id), slo, max_devices=limit)))
    fitting = rows & found.fits
    # Nothing fits: the nearest miss in memory makes the refused option readable.
    if not fitting.any():
        return Choice(row=_least(np.where(rows, found.memory_bytes / found.usable_bytes, np.inf)), refusal=refusal)
    return Choice(row=_least(np.where(fitting, _worst(found, workload, at_least=1.0), np.inf)), refusal=refusal)


def costs_of(
    workload: Service | Job,
    found: Candidates,
    *,
    host: Host,
    demand: Demand,
    terms: SelectionTerms,
    rules: Rules | None,
    at_least: float = 0.0,
) -> Floats:
    """Return what settings are compared by, for every row: USD per year, of rents accelerators; with ``at_least`` accelerators."""
    work = work_per_s(workload, demand, rules) / (1 - _lost(workload, found, demand, rules))
    if terms.kind == "cloud":
        return accelerators(work, found, at_least=at_least)
    return usd_per_year(work, found, host=host, demand=demand, terms=terms, at_least=at_least)


def settings_by_slack(
    workload: Service | Job,
    found: Candidates,
    *,
    host: Host,
    demand: Demand,
    terms: SelectionTerms,
    rules: Rules,
    memory: float = 1.0,
) -> list[tuple[int, float]]:
    """Return rows that fit and are in time with what they cost, the cheapest first; each later one has more time to spare.

    ``memory`` times the predicted memory has to fit, where some row has so much.
    """
    rows = found.of(host.spec.id) & (found.devices <= _most_of_replica(workload, host, terms))
    cost = costs_of(workload, found, host=host, demand=demand, terms=terms, rules=rules)
    slack = 1 / np.maximum(_worst(found, workload, at_least=0.0), 1e-9)
    good = rows & found.meets(slo_of(workload))
    roomy = good & found.fits_with(memory)
    at = np.flatnonzero(roomy if roomy.any() else good & found.fits)
    # Of rows of one cost the one with more slack is enough.
    order = at[np.lexsort((-slack[at], cost[at]))]
    # A row that costs more and has no more slack is never better.
    best = np.maximum.accumulate(np.concatenate(([0.0], slack[order])))
    return [(int(row), float(cost[row])) for row, before in zip(order, best, strict=False) if slack[row] > before * MORE_SLACK]


def _worst(found: Candidates, workload: Service | Job, *, at_least: float) -> Floats:
    """Return the largest share of a latency bound that a request without queueing takes; ``at_least`` where none is known."""
    slo, worst = slo_of(workload), np.full(len(found), at_least)
    for limit, column in ((slo.ttft_s, found.ttft_s), (slo.tpot_s, found.tpot_s), (slo.latency_s, found.latency_s)):
        if limit is not None:
            worst = np.maximum(worst, np.nan_to_num(column / limit, nan=at_least))
    return worst


def _most_of_replica(workload: Service | Job, host: Host, terms: SelectionTerms) -> int:
    """Return the maximum ranks of one replica on those terms."""
    limit = _most_devices(workload, host)
    # A replica that serves needs the links of one machine, and so one instance.
    if terms.instance is not None and not (workload.mode == "train" and terms.instance >= WHOLE_SERVER):
        limit = min(limit, terms.instance)
    return limit


def comparable(terms: SelectionTerms, workload: Service | Job, host: Host) -> SelectionTerms:
    """Return the terms as far as they decide the settings: instances that hold the same replicas are alike."""
    return replace(terms, instance=None if terms.instance is None else _most_of_replica(workload, host, terms))


def _most_devices(workload: Service | Job, host: Host) -> int:
    """Return the maximum ranks of one replica: serving stays within a server, training may span networked servers."""
    if isinstance(workload, Service) or workload.mode == "infer" or host.spec.scale_up_bytes_per_s is None:
        return host.max_devices
    # The ranks of the largest candidate; without compute NICs servers are not joined.
    return max(host.max_devices, 1024 if host.sheet.num_compute_nics else host.max_devices)


def _lost(workload: Service | Job, found: Candidates, demand: Demand, rules: Rules | None) -> Floats:
    """Return the share of the time that checkpoints and interruptions cost, for every row; 0 for what is no training.

    Without it one large replica looks sufficient that is not, and a second of a thousand accelerators is bought.
    """
    if isinstance(workload, Service) or workload.mode != "train" or rules is None:
        return np.zeros(len(found))
    used = np.maximum(1.0, work_per_s(workload, demand, rules) / found.throughput) * found.devices
    given = (stall_of(workload, rules), rules.hours_between_interruptions, rules.restart_s)
    stall, hours, restart = (np.full(len(found), one.value) for one in given)
    return lost_shares(used, stall_s=stall, hours=hours, restart_s=restart)


def usd_per_year(
    work: float | Floats,
    found: Candidates,
    *,
    host: Host,
    demand: Demand,
    terms: SelectionTerms | None = None,
    at_least: float = 0.0,
) -> Floats:
    """Return the yearly cost of ``work`` items/s at the peak, for every row as if it ran here, on ``at_least`` accelerators."""
    machine, finance, given = host.machine, demand.finance, terms or SelectionTerms()
    size = machine.machines_per_server.value
    price = machine.price_usd.value / size
    yearly = annuity(
        price, rate=finance.discount_rate.value, years=finance.life_years, residual=price * finance.residual_share.value
    )
    # (rows,) in W of one accelerator with its share of the host; where the model has no power, the server's share at work.
    drawn = wall_share_w(found.power_w, host.spec, count=machine.devices_per_server)
    watts = np.where(np.isnan(found.power_w), machine.full_power_w.value / size, drawn)
    energy = watts / 1000 * HOURS_PER_YEAR * demand.site.pue.value * demand.site.electricity_usd_per_kwh.value
    # A limit takes its part off the board's peak, not off the rest of the server.
    peak_w = np.maximum(0.0, machine.peak_power_w.value / size - (1 - found.cap) * (host.spec.tdp_w or 0.0))
    replicas = work / found.throughput
    # Whole replicas are bought; energy follows the fraction that is busy.
    bought = np.maximum(np.maximum(1.0, np.ceil(replicas)) * found.devices, at_least)
    if given.is_alone:
        bought = np.ceil(bought / size - ALMOST) * size
    cost: Floats = (yearly + peak_w * given.watt_usd_per_year) * bought + energy * replicas * found.devices
    return cost


def accelerators(work: float | Floats, found: Candidates, *, at_least: float = 0.0) -> Floats:
    """Return accelerators of whole replicas at the peak plus the busy ones, for every row; rows with a power limit come last.

    Rents by the hour pay for the busy ones, and several loads can share them.
    """
    replicas = work / found.throughput
    whole = np.maximum(np.maximum(1.0, np.ceil(replicas)) * found.devices, at_least)
    count: Floats = np.where(found.cap < 1, LAST, 1.0) * (whole + replicas * found.devices)
    return count


def cheapest_usd_per_year(workload: Service | Job, found: Candidates | None, *, host: Host, demand: Demand) -> float:
    """Return the least cost of the load on a host among rows that fit and are in time; infinite where there is none."""
    if found is None:
        return np.inf
    good = found.of(host.spec.id) & (found.devices <= _most_devices(workload, host)) & found.fits & found.meets(slo_of(workload))
    work = work_per_s(workload, demand)
    return float(usd_per_year(work, found, host=host, demand=demand)[good].min(initial=np.inf))


def work_per_s(workload: Service | Job, demand: Demand, rules: Rules | None = None) -> float:
    """Return items/s at the peak of the load, over the share of the time that machines may be busy."""
    if isinstance(workload, Service):
        peak = workload.arrival.peak_requests_per_s.value * workload.items_per_request.value
        return peak * grown_at_end(demand.growth) / (rules.target_utilisation.value if rules else 1.0)
    return workload.items.value / workload.window_s / (rules.job_goodput.value if rules else 1.0)


def _least(values: Floats) -> int:
    return int(np.argmin(values))
