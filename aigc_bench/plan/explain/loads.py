"""Build the steps of machine and loads: what one machine achieves, and the machines that every service and job requires."""

from __future__ import annotations

import re
from typing import TypeAlias

from aigc_bench.core.records import Estimate, Record
from aigc_bench.core.units import SECONDS_PER_YEAR
from aigc_bench.plan.explain.arithmetic import Inputs
from aigc_bench.plan.explain.place import Below
from aigc_bench.plan.explain.step import counted
from aigc_bench.plan.records.loads import Load
from aigc_bench.plan.records.machine import Capability, Machine
from aigc_bench.plan.sizing.checkpoints import LOST, MOST_LOST
from aigc_bench.plan.sizing.fleets import DAYS_PER_YEAR, JOB, TRAINING, items_at_once, needed

UNITS = r" (w|s|usd|kg|bytes|bits per s)$"
TITLES = {"machines_per_server": "machines per server", "service_s": "time per request", "step_latency_s": "time per step"}
Rows: TypeAlias = tuple[tuple[str, str, Estimate, str, str, tuple[str, ...]], ...]
"""Numbers of a load: name of the key, title, value, formula, arithmetic, keys of the inputs."""
BUSY = "accelerators_busy_at_peak"
QUEUE = "the fewest machines whose queue starts the required share of requests in time (M/G/c, Allen-Cunneen, or simulated)"


def add_machine(below: Below, machine: Machine) -> None:
    """Add the capacity, power and price of the machine, and its capability for every load, as leaves."""
    _add_record(below, machine, at=below.key("machine"), of="one machine")
    for load in below.option.loads:
        capability = next((one for one in machine.capabilities if one.case == load.case), None)
        if capability is not None:
            _add_record(below, capability, at=below.capability(load.name), of=load.name)
    sheet = f"as planned for {machine.server}"
    counts = (("devices_per_server", machine.devices_per_server, "accelerators/server"), ("rack_units", machine.rack_units, "U"))
    for name, count, unit in counts:
        if count is not None:
            title = f"{name.replace('_', ' ')} of one server"
            below.trail.leaf(below.key("machine", name), title, counted(count, unit, sheet))


def _add_record(below: Below, record: Record, *, at: str, of: str) -> None:
    for name in type(record).model_fields:
        value = getattr(record, name)
        if isinstance(value, Estimate):
            words = TITLES.get(name) or f"{re.sub(UNITS, '', name.replace('_', ' '))} of {of}"
            below.trail.leaf(f"{at}.{name}", words, value)


def add_load(below: Below, load: Load, machine: Machine) -> None:
    """Add the machines that a load requires; keys as in ``--json``."""
    capability = next((one for one in machine.capabilities if one.case == load.case), None)
    if capability is not None:
        _add_capability(below, load, capability)
    if below.is_service(load.name):
        _add_service(below, load)
    else:
        _add_job(below, load)
    _add_needed(below, load)


def _add_capability(below: Below, load: Load, capability: Capability) -> None:
    trail, of = below.trail, load.name

    def copy(name: str, title: str, value: Estimate | None, field: str) -> None:
        """Add the capability's number under the load, if it is known."""
        if value is not None:
            trail.same(below.load(of, name), f"{title}, {of}", value, as_=below.capability(of, field))

    copy("throughput_per_accelerator", "throughput per machine", capability.throughput, "throughput")
    copy("ttft_s", "TTFT", capability.ttft_s, "ttft_s")
    copy("tpot_s", "TPOT", capability.tpot_s, "tpot_s")
    ranks = counted(capability.machines_per_replica, "machines/replica", f"parallelism of {capability.case}")
    trail.leaf(below.load(of, "machines_per_replica"), f"machines per replica, {of}", ranks)
    if capability.num_params:
        params = counted(capability.num_params, "parameters", f"counted on the network of {load.case}")
        trail.leaf(below.load(of, "num_params"), f"parameters of {of}", params)
    if load.latency_s is not None:
        _add_latency(below, load, capability, latency=load.latency_s)


def _add_latency(below: Below, load: Load, capability: Capability, *, latency: Estimate) -> None:
    """Add the latency as predicted, or from the measured step: items per request over items per step."""
    key, title = below.load(load.name, "latency_s"), f"request latency, {load.name}"
    formula = "items per request / items per step x time per step, without queueing"
    if capability.service_s is not None:
        below.trail.same(key, title, latency, as_=below.capability(load.name, "service_s"))
        return
    each = items_at_once(capability)
    step = below.load(load.name, "items_per_step")
    below.trail.leaf(
        step, f"items per step of one request, {load.name}", counted(each, "items/step", f"counted in {capability.case}")
    )
    inputs = (*below.demanded(load.name, "items_per_request"), step, below.capability(load.name, "step_latency_s"))
    below.trail.computed(key, title, latency, formula=formula, inputs=inputs, arithmetic="max(1, {0} / {1}) * {2}")


def _add_service(below: Below, load: Load) -> None:
    of = load.name
    rate, items, duty = below.demanded(of, "arrival.peak_requests_per_s", "items_per_request", "arrival.duty")
    peak, fast = below.load(of, "peak"), below.load(of, "throughput_per_accelerator")
    at_peak, usual = "peak requests/s x items per request x growth", "peak requests/s x items per request x duty x mean growth"
    mean, a_year = "{0} * {1} * {2} * {3} / {4}", f"{{0}} * {{1}} * {{2}} * {{3}} * {SECONDS_PER_YEAR:.0f}"
    parts = (rate, items, duty, "growth.mean")
    rows: Rows = (
        ("peak", f"peak rate of {of}", load.rate_items_per_s, at_peak, "{0} * {1} * {2}", (rate, items, "growth.last")),
        (BUSY, f"busy machines, {of}", load.busy_machines, "peak rate / throughput per machine", "{0} / {1}", (peak, fast)),
        ("mean_machines", f"mean busy machines, {of}", load.mean_machines, f"{usual} / throughput", mean, (*parts, fast)),
        ("items_per_year", f"{load.item}s per year, {of}", load.items_per_year, f"{usual} x seconds per year", a_year, parts),
    )
    _add_rows(below, of, rows)


def _add_job(below: Below, load: Load) -> None:
    of = load.name
    items, window, runs = below.demanded(of, "items", "window_s", "runs_per_day")
    peak, fast, busy, lost = (below.load(of, name) for name in ("peak", "throughput_per_accelerator", BUSY, "lost_share"))
    open_, mean = "busy machines x share of the day in the window", "{0} * min(1, {1} * {2} / 86400)"
    all_runs, a_year = f"items x runs per day x {DAYS_PER_YEAR}", f"{{0}} * {{1}} * {DAYS_PER_YEAR}"
    needs: tuple[str, ...] = (peak, fast, "rules.job_goodput")
    net, words = JOB, "{0} / ({1} * {2})"
    if load.lost_share is not None:
        net, words, needs = TRAINING, "{0} / ({1} * {2} * (1 - {3}))", (*needs, lost)
    first: Rows = (("peak", f"rate of {of} in its window", load.rate_items_per_s, "items / window", "{0} / {1}", (items, window)),)
    _add_rows(below, of, first)
    if load.lost_share is not None:
        _add_lost(below, load, load.lost_share, peak=peak)
    rows: Rows = (
        (BUSY, f"busy machines, {of}", load.busy_machines, net, words, needs),
        ("mean_machines", f"mean busy machines, {of}", load.mean_machines, open_, mean, (busy, window, runs)),
        ("items_per_year", f"{load.item}s per year, {of}", load.items_per_year, all_runs, a_year, (items, runs)),
    )
    _add_rows(below, of, rows)


def _add_rows(below: Below, of: str, rows: Rows) -> None:
    for name, title, value, formula, arithmetic, inputs in rows:
        below.trail.computed(below.load(of, name), title, value, formula=formula, inputs=inputs, arithmetic=arithmetic)


def _add_lost(below: Below, load: Load, lost: Estimate, *, peak: str) -> None:
    """Add the share of time lost to checkpoints and interruptions (Young 1974, Daly 2006)."""
    stated, of = f"demand.jobs.{load.name}.checkpoints.stall_s", Inputs()
    stall = of(stated if stated in below.trail else "rules.checkpoint_stall_s")
    alone = f"{of(peak)} / ({of(below.load(load.name, 'throughput_per_accelerator'))} * {of('rules.job_goodput')})"
    count = f"max({alone}, {of(below.load(load.name, 'machines_per_replica'))})"
    rate = f"{count} / ({of('rules.hours_between_interruptions')} * 3600)"
    words = f"min({MOST_LOST}, (2 * {stall} * {rate}) ** 0.5 + {of('rules.restart_s')} * {rate})"
    title = f"share of time lost to checkpoints and interruptions, {load.name}"
    key = below.load(load.name, "lost_share")
    below.trail.computed(key, title, lost, formula=LOST, inputs=of.keys, arithmetic=words)


def _add_needed(below: Below, load: Load) -> None:
    """Add the machines that a service requires at its peak, with those that its queue requires."""
    trail, of, busy = below.trail, load.name, below.load(load.name, BUSY)
    if not below.is_service(of):
        return
    floor = below.load(of, "machines_for_wait")
    if load.machines_for_wait:
        fewest = counted(load.machines_for_wait, "machines", QUEUE)
        inputs = [below.load(of, name) for name in ("peak", "latency_s", "ttft_s")]
        trail.computed(floor, f"machines that the queue of {of} requires", fewest, formula=QUEUE, inputs=inputs)
    trail.computed(
        below.load(of, "machines_needed"),
        f"machines that {of} requires at its peak",
        needed(load, rules=below.rules),
        formula="busy machines / target utilisation, at least what its queue requires",
        inputs=(busy, "rules.target_utilisation", floor),
        arithmetic="max({0} / {1}, {2})" if load.machines_for_wait else "{0} / {1}",
    )
