"""The steps of machine and loads: what one machine does, and what every service and job asks of such machines."""

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
TITLES = {"machines_per_server": "machines of one server", "service_s": "time of one request", "step_latency_s": "time of one step"}
Rows: TypeAlias = tuple[tuple[str, str, Estimate, str, str, tuple[str, ...]], ...]
"""Numbers of a load: name of the key, title, value, formula, arithmetic, keys of the inputs."""
BUSY = "accelerators_busy_at_peak"
QUEUE = "the fewest machines whose queue lets the asked share of requests start in time (M/G/c, Allen-Cunneen, or simulated)"


def add_machine(below: Below, machine: Machine) -> None:
    """Leaves: what the machine holds, draws and costs, and what it does for every load."""
    _add_record(below, machine, at=below.key("machine"), of="one machine")
    for load in below.option.loads:
        capability = next((one for one in machine.capabilities if one.case == load.case), None)
        if capability is not None:
            _add_record(below, capability, at=below.ability(load.name), of=load.name)
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
    """What a load asks of machines; keys as in ``--json``."""
    capability = next((one for one in machine.capabilities if one.case == load.case), None)
    if capability is not None:
        _add_ability(below, load, capability)
    if below.is_service(load.name):
        _add_service(below, load)
    else:
        _add_job(below, load)
    _add_needed(below, load)


def _add_ability(below: Below, load: Load, capability: Capability) -> None:
    trail, of = below.trail, load.name

    def copy(name: str, title: str, value: Estimate | None, field: str) -> None:
        """The same number as what the machine does, where it is known."""
        if value is not None:
            trail.same(below.load(of, name), f"{title}, {of}", value, as_=below.ability(of, field))

    copy("throughput_per_accelerator", "throughput of one machine", capability.throughput, "throughput")
    copy("ttft_s", "TTFT", capability.ttft_s, "ttft_s")
    copy("tpot_s", "TPOT", capability.tpot_s, "tpot_s")
    ranks = counted(capability.machines_per_replica, "machines/replica", f"parallelism of {capability.case}")
    trail.leaf(below.load(of, "machines_per_replica"), f"machines of one replica, {of}", ranks)
    if capability.num_params:
        params = counted(capability.num_params, "parameters", f"counted on the network of {load.case}")
        trail.leaf(below.load(of, "num_params"), f"parameters of {of}", params)
    if load.latency_s is not None:
        _add_latency(below, load, capability, latency=load.latency_s)


def _add_latency(below: Below, load: Load, capability: Capability, *, latency: Estimate) -> None:
    """As predicted, or from the measured step: items of a request over those that a step makes of it."""
    key, title = below.load(load.name, "latency_s"), f"latency of one request, {load.name}"
    formula = "items of a request / items of a step x time of a step, nobody waiting"
    if capability.service_s is not None:
        below.trail.same(key, title, latency, as_=below.ability(load.name, "service_s"))
        return
    each = items_at_once(capability)
    step = below.load(load.name, "items_per_step")
    below.trail.leaf(
        step, f"items of a step for one request, {load.name}", counted(each, "items/step", f"counted in {capability.case}")
    )
    inputs = (*below.asked(load.name, "items_per_request"), step, below.ability(load.name, "step_latency_s"))
    below.trail.computed(key, title, latency, formula=formula, inputs=inputs, arithmetic="max(1, {0} / {1}) * {2}")


def _add_service(below: Below, load: Load) -> None:
    of = load.name
    rate, items, duty = below.asked(of, "arrival.peak_requests_per_s", "items_per_request", "arrival.duty")
    peak, fast = below.load(of, "peak"), below.load(of, "throughput_per_accelerator")
    at_peak, usual = "requests/s at the peak x items of one x growth", "requests/s at the peak x items of one x duty x mean growth"
    mean, a_year = "{0} * {1} * {2} * {3} / {4}", f"{{0}} * {{1}} * {{2}} * {{3}} * {SECONDS_PER_YEAR:.0f}"
    parts = (rate, items, duty, "growth.mean")
    rows: Rows = (
        ("peak", f"peak rate of {of}", load.rate_items_per_s, at_peak, "{0} * {1} * {2}", (rate, items, "growth.last")),
        (BUSY, f"busy machines, {of}", load.busy_machines, "peak rate / throughput of one", "{0} / {1}", (peak, fast)),
        ("mean_machines", f"mean busy machines, {of}", load.mean_machines, f"{usual} / throughput", mean, (*parts, fast)),
        ("items_per_year", f"{load.item}s a year, {of}", load.items_per_year, f"{usual} x seconds of a year", a_year, parts),
    )
    _add_rows(below, of, rows)


def _add_job(below: Below, load: Load) -> None:
    of = load.name
    items, window, runs = below.asked(of, "items", "window_s", "runs_per_day")
    peak, fast, busy, lost = (below.load(of, name) for name in ("peak", "throughput_per_accelerator", BUSY, "lost_share"))
    open_, mean = "busy machines x share of the day that the window is open", "{0} * min(1, {1} * {2} / 86400)"
    all_runs, a_year = f"items x runs a day x {DAYS_PER_YEAR}", f"{{0}} * {{1}} * {DAYS_PER_YEAR}"
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
        ("items_per_year", f"{load.item}s a year, {of}", load.items_per_year, all_runs, a_year, (items, runs)),
    )
    _add_rows(below, of, rows)


def _add_rows(below: Below, of: str, rows: Rows) -> None:
    for name, title, value, formula, arithmetic, inputs in rows:
        below.trail.computed(below.load(of, name), title, value, formula=formula, inputs=inputs, arithmetic=arithmetic)


def _add_lost(below: Below, load: Load, lost: Estimate, *, peak: str) -> None:
    """Young and Daly's share, of the accelerators that the job would keep busy without it."""
    asked, of = f"demand.jobs.{load.name}.checkpoints.stall_s", Inputs()
    stall = of(asked if asked in below.trail else "rules.checkpoint_stall_s")
    alone = f"{of(peak)} / ({of(below.load(load.name, 'throughput_per_accelerator'))} * {of('rules.job_goodput')})"
    count = f"max({alone}, {of(below.load(load.name, 'machines_per_replica'))})"
    rate = f"{count} / ({of('rules.hours_between_interruptions')} * 3600)"
    words = f"min({MOST_LOST}, (2 * {stall} * {rate}) ** 0.5 + {of('rules.restart_s')} * {rate})"
    title = f"share of its time that checkpoints and interruptions cost, {load.name}"
    key = below.load(load.name, "lost_share")
    below.trail.computed(key, title, lost, formula=LOST, inputs=of.keys, arithmetic=words)


def _add_needed(below: Below, load: Load) -> None:
    """Machines that the load has by day: a service's with room for its queue, a job's busy ones."""
    trail, of, busy = below.trail, load.name, below.load(load.name, BUSY)
    if not below.is_service(of):
        return
    floor = below.load(of, "machines_for_wait")
    if load.machines_for_wait:
        fewest = counted(load.machines_for_wait, "machines", QUEUE)
        inputs = [below.load(of, name) for name in ("peak", "latency_s", "ttft_s")]
        trail.computed(floor, f"machines that the queue of {of} asks for", fewest, formula=QUEUE, inputs=inputs)
    trail.computed(
        below.load(of, "machines_needed"),
        f"machines that {of} needs by day",
        needed(load, rules=below.rules),
        formula="busy machines / target utilisation, at least what its queue asks for",
        inputs=(busy, "rules.target_utilisation", floor),
        arithmetic="max({0} / {1}, {2})" if load.machines_for_wait else "{0} / {1}",
    )
