"""Build the steps from loads to machines: pools, servers, spares, safety margin, racks."""

from __future__ import annotations

from aigc_bench.plan.explain.arithmetic import Inputs
from aigc_bench.plan.explain.place import OFF_PEAK, Below
from aigc_bench.plan.explain.step import counted
from aigc_bench.plan.placement.rack import rack_fill
from aigc_bench.plan.records.loads import Pool
from aigc_bench.plan.records.machine import Machine

SPARES = "the fewest servers beyond those in service that keep the required availability (k of n, binomial)"
MARGIN = "the fewest additional servers that meet SLOs and deadlines in the required share of the Monte Carlo scenarios"
REQUIRED = "max(sum of services / utilisation, off-peak share x that + sum of jobs)"
REPLICAS = "max(whole replicas by day, whole replicas by night + jobs), of every load"


def add_fleet(below: Below, machine: Machine) -> None:
    """Add pools and servers, then spares, accelerators and racks."""
    for number, pool in enumerate(below.option.pools, start=1):
        _add_required(below, pool, at=below.key("pools", number))
    _add_servers(below, machine)
    for number, pool in enumerate(below.option.pools, start=1):
        _add_available(below, pool, at=below.key("pools", number))
    _add_machines(below)
    _add_racks(below, machine)


def _add_required(below: Below, pool: Pool, *, at: str) -> None:
    of = Inputs()
    day = of.plus(below.busy_keys("machines_needed", services=True, among=pool.loads))
    night = of.plus(below.busy_keys("accelerators_busy_at_peak", services=False, among=pool.loads))
    words = f"max({day}, {of(OFF_PEAK)} * {day} + {night})"
    title = f"machines required, {', '.join(pool.loads)}"
    below.trail.computed(f"{at}.required", title, pool.required_machines, formula=REQUIRED, inputs=of.keys, arithmetic=words)


def _replicas(below: Below, of: Inputs, names: tuple[str, ...]) -> str:
    """Return whole replicas of some loads as arithmetic, as ``sizing.whole_replicas`` counts them."""
    day, night, jobs, sizes = [], [], [], []
    for load in below.busy:
        if load.name not in names:
            continue
        size = of(below.load(load.name, "machines_per_replica"))
        if below.is_service(load.name):
            need = of(below.load(load.name, "machines_needed"))
            day.append(f"max(1, ceil({need} / {size})) * {size}")
            night.append(f"max(1, ceil({of(OFF_PEAK)} * {need} / {size})) * {size}")
        else:
            jobs.append(of(below.load(load.name, "accelerators_busy_at_peak")))
            sizes.append(size)
    by_job = f"ceil({' + '.join(jobs)})"
    worked = f"max({', '.join([*sizes, by_job])})" if jobs else "0"
    return f"max({' + '.join(day) or '0'}, {' + '.join([*night, worked])})"


def _add_servers(below: Below, machine: Machine) -> None:
    """Add servers in service, spares, and their sum."""
    option, trail, size = below.option, below.trail, below.key("machine", "machines_per_server")
    names = tuple(load.name for load in below.busy)
    groups = [(name,) for name in names] if option.placement == "dedicated" else [names] if names else []
    of = Inputs()
    if option.placement == "pooled":
        inputs = [below.key("pools", number, "required") for number in range(1, len(option.pools) + 1)]
        whole, formula = of.plus(inputs), "required machines"
    else:
        whole, formula = " + ".join(f"({_replicas(below, of, group)})" for group in groups) or "0", REPLICAS
    margin = trail.computed(
        below.key("num_margin"),
        "safety margin in servers",
        counted(option.num_margin, "servers", MARGIN),
        formula=MARGIN,
        inputs=("demand.constraints.confidence",),
    )
    serving = trail.computed(
        below.key("num_serving"),
        "servers in service",
        counted(option.num_servers - option.num_spares, "servers", formula),
        formula=f"{formula} / machines per server, rounded up, + safety margin",
        inputs=[*of.keys, size, margin],
        arithmetic=f"ceil(({whole}) / {{{len(of.keys)}}}) + {{{len(of.keys) + 1}}}",
    )
    spares = trail.computed(
        below.key("num_spares"),
        "spare servers",
        counted(option.num_spares, "servers", SPARES),
        formula=SPARES,
        inputs=(serving, "rules.machine_availability", "demand.availability"),
    )
    servers = trail.computed(
        below.key("num_servers"),
        "servers",
        counted(option.num_servers, "servers", "in service + spares"),
        formula="servers in service + spare servers",
        inputs=(serving, spares),
        arithmetic="{0} + {1}",
    )
    trail.computed(
        below.key("num_accelerators"),
        "accelerators",
        counted(option.num_accelerators, "accelerators", "servers x accelerators per server"),
        formula="servers x accelerators per server",
        inputs=(servers, below.key("machine", "devices_per_server")),
        arithmetic="{0} * {1}",
    )


def _add_available(below: Below, pool: Pool, *, at: str) -> None:
    """Add the machines of a pool: those of all servers in service, or of dedicated loads their whole replicas."""
    title = f"machines available, {', '.join(pool.loads)}"
    if below.option.placement == "dedicated":
        of = Inputs()
        words = _replicas(below, of, pool.loads)
        below.trail.computed(f"{at}.available", title, pool.available_machines, formula=REPLICAS, inputs=of.keys, arithmetic=words)
        return
    below.trail.computed(
        f"{at}.available",
        title,
        pool.available_machines,
        formula="servers in service x machines per server",
        inputs=(below.key("num_serving"), below.key("machine", "machines_per_server")),
        arithmetic="{0} * {1}",
    )


def _add_machines(below: Below) -> None:
    of = Inputs()
    parts = [f"ceil({of(below.key('pools', number, 'required'))})" for number in range(1, len(below.option.pools) + 1)]
    below.trail.computed(
        below.key("num_machines"),
        "machines",
        below.option.num_machines,
        formula="required machines of every pool, rounded up",
        inputs=of.keys,
        arithmetic=" + ".join(parts) or "0",
    )


def _add_racks(below: Below, machine: Machine) -> None:
    """Add the servers per rack and the number of racks; both are unknown for a provider's."""
    option, trail = below.option, below.trail
    if option.kind in ("cloud", "api"):
        return
    site = below.site
    fill, of = rack_fill(machine, site), Inputs()
    servers = below.key("num_servers")
    holds = below.key("servers_per_rack")
    if fill is not None:
        parts = []
        if site.rack_power_w is not None:
            parts.append(f"floor({of(below.limit('rack_power_w'))} / {of(below.key('machine', 'peak_power_w'))})")
        if site.rack_cooling_w is not None:
            parts.append(f"floor({of(below.limit('rack_cooling_w'))} / {of(below.key('machine', 'design_heat_w'))})")
        if machine.rack_units:
            parts.append(f"floor({of(below.limit('rack_height_u'))} / {of(below.key('machine', 'rack_units'))})")
        words = "minimum of what feed, cooling and height allow, in whole servers"
        value = counted(fill.servers, "servers/rack", words)
        arithmetic = f"min({', '.join(parts)})" if len(parts) > 1 else parts[0]
        trail.computed(holds, "servers per rack", value, formula=words, inputs=of.keys, arithmetic=arithmetic)
    if option.num_racks is not None:
        drawn = option.room is not None
        words = "racks of the layout, with switches and storage" if drawn else "servers / servers per rack, rounded up"
        value = counted(option.num_racks, "racks", words)
        done = None if drawn else "ceil({0} / {1})"
        trail.computed(below.key("num_racks"), "racks", value, formula=words, inputs=(servers, holds), arithmetic=done)
