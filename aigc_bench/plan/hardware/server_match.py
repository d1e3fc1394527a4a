"""The catalogue server that a measured machine is, or is a part of, and the draw and price of that server.

A measured machine is often a slice: two cores of a host, one card of eight. Only whole servers can be bought, so the plan
counts machines like the measured one and states how many of them a server equals.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aigc_bench.core.messages import message
from aigc_bench.core.records import Estimate
from aigc_bench.core.run_records import AcceleratorInfo, System
from aigc_bench.plan.hardware.datasheet import host_usd, median_units
from aigc_bench.plan.hardware.wall_watts import LEAST_AT_WORK, at_the_wall
from aigc_bench.plan.stats.estimates import GENERAL, assumed, bounded, estimate, low_end, named, plus, scaled

if TYPE_CHECKING:
    from aigc_bench.catalog.loader import Catalogue
    from aigc_bench.catalog.records import AcceleratorSpec, CpuSpec, ServerSpec

# The row of a two-socket 2U server without accelerators; it stands for hosts that are in no list.
CPU_SERVER = "cpu_2u"
CPU_OF_CPU_SERVER = "epyc_9654"
SOCKETS = 2
GPUS_OF_A_FULL_NODE = 8
CORE_FOR_CORE = (0.5, 0.8, 1.6)
"""Throughput of a server's core over a measured one (low, middle, high): below 1 because neighbours share memory bandwidth
and clocks, above 1 because a measured core may be one hardware thread of two.
"""
REST_OF_A_CPU_SERVER_W = assumed(
    100.0,
    low=40.0,
    high=250.0,
    unit="W",
    source=message("memory, fans, disks and supply losses, without the CPU packages; {general}", general=GENERAL),
)


@dataclass(frozen=True, kw_only=True)
class Watts:
    """Wall power of one server: busy, peak, idle, and the heat that sizes the cooling."""

    full: Estimate
    peak: Estimate
    idle: Estimate
    heat: Estimate


@dataclass(frozen=True, kw_only=True)
class ServerMatch:
    """A purchasable server and its ratio to the measured machine."""

    id: str
    name: str
    accelerator: str | None
    machines_per_server: Estimate
    num_accelerators: int
    watts: Watts
    rack_units: int | None
    price_usd: Estimate
    embodied_kg: Estimate
    notes: tuple[str, ...]


def match_server(system: System, catalogue: Catalogue) -> ServerMatch:
    """Return the catalogue server most similar to the machine. Its figures are datasheet, modelled or assumed, never measured."""
    return _accelerated(system, catalogue) if system.accelerators else _cpu_only(system, catalogue)


def _cpu_only(system: System, catalogue: Catalogue) -> ServerMatch:
    server, cpu = catalogue.servers[CPU_SERVER], catalogue.recognise_cpu(system.cpu_model)
    reference = cpu or catalogue.cpus[CPU_OF_CPU_SERVER]
    cores = reference.cores_per_socket * SOCKETS
    known = "recognised" if cpu else message("not in the catalogue, so a server with {name} stands for it", name=reference.name)
    return ServerMatch(
        id=server.id,
        name=server.name,
        accelerator=None,
        machines_per_server=_by_cores(system.num_usable_cores, cores),
        num_accelerators=0,
        watts=_cpu_watts(server, cpu, catalogue),
        rack_units=_units(server),
        price_usd=_price(server, catalogue),
        embodied_kg=assumed(
            1000, low=500, high=2100, unit="kgCO2e", source=message("making a two-socket server; {general}", general=GENERAL)
        ),
        notes=(
            message(
                "CPU {cpu_model!r} ({num_usable_cores:g} usable cores) is {known}; planned in servers of {cores} cores.",
                cpu_model=system.cpu_model,
                num_usable_cores=system.num_usable_cores,
                known=known,
                cores=cores,
            ),
        ),
    )


def _by_cores(usable: float, cores: int) -> Estimate:
    """Return how many machines a server of ``cores`` equals; a machine with more than half of them is such a server."""
    # More than half of the cores cannot be a slice that would fit twice.
    if usable > cores / 2:
        return estimate(1.0, unit="machines/server", basis="measured", source=message("the machine is a server of this size"))
    low, value, high = (share * cores / usable for share in CORE_FOR_CORE)
    return assumed(
        value,
        low=low,
        high=high,
        unit="machines/server",
        source=message("{cores} cores / {usable:g} cores x 0.8 (0.5-1.6); {general}", cores=cores, usable=usable, general=GENERAL),
    )


def _cpu_watts(server: ServerSpec, cpu: CpuSpec | None, catalogue: Catalogue) -> Watts:
    """Return SPECpower figures of a recognised CPU, else the server row's typical and idle watts with a wide interval."""
    assert server.max_power_w and server.typical_power_w and server.idle_power_w, f"{server.id} has its watts in the catalogue"
    top, typical, idle = server.max_power_w, server.typical_power_w, server.idle_power_w
    if cpu is not None and cpu.server_full_w and cpu.server_idle_w:
        source = message(
            "SPECpower_ssj2008 of {name}, {power_as_of}; vector work may draw more",
            name=cpu.name,
            power_as_of=cpu.power_as_of or cpu.as_of,
        )
        full_w, idle_w = cpu.server_full_w, cpu.server_idle_w
        # SPECpower runs Java on all cores; vector code draws more, a lighter load less. The widths are assumed.
        full = estimate(full_w, low=0.85 * full_w, high=max(1.25 * full_w, typical), unit="W", basis="modelled", source=source)
        idle_e = estimate(idle_w, low=0.8 * idle_w, high=max(1.3 * idle_w, idle), unit="W", basis="modelled", source=source)
    else:
        source = message("typical and idle power of {name}, a generic server; no power sensor was read", name=server.name)
        full = assumed(typical, low=0.5 * typical, high=top, unit="W", source=source)
        idle_e = assumed(idle, low=0.6 * idle, high=2 * idle, unit="W", source=source)
    return Watts(full=full, peak=_peak(top, full=full, catalogue=catalogue), idle=idle_e, heat=_heat(server, full=full))


def _peak(nameplate_w: float, *, full: Estimate, catalogue: Catalogue) -> Estimate:
    """Return provisioned power: nameplate x its share that loaded servers were measured to draw, at least the busy power."""
    load = catalogue.constant("node_load_fraction")
    # Nameplate is not load: an 8xH100 node draws at most 8.4 of 10.2 kW.
    value = max(nameplate_w * load.high, full.value)
    low, high = max(nameplate_w * load.value, full.low), max(nameplate_w, full.high)
    source = message(
        "nameplate {nameplate_w:g} W x {high:g} (measured full load over nameplate)", nameplate_w=nameplate_w, high=load.high
    )
    return estimate(value, low=min(low, value), high=max(high, value), unit="W", basis="modelled", source=source)


def _heat(server: ServerSpec, *, full: Estimate) -> Estimate:
    """Return the heat that sizes the cooling: the vendor's own, or the nameplate where larger; at least the busy power."""
    value = max(server.design_heat_w or 0.0, full.value)
    source = message(
        "larger of nameplate and stated heat of {name}; {source}, {as_of}",
        name=server.name,
        source=server.source,
        as_of=server.as_of,
    )
    return estimate(value, low=min(full.value, value), unit="W", basis="datasheet", source=source)


def _accelerated(system: System, catalogue: Catalogue) -> ServerMatch:
    count, spec = len(system.accelerators), _spec(system.accelerators[0], catalogue)
    server = _nearest_server(spec, count, catalogue)
    if spec is None or server is None:
        device = system.accelerators[0]
        name = spec.name if spec else message("{name} (not in the catalogue, whose spread stands for it)", name=device.name)
        as_it_is = estimate(1.0, unit="machines/server", basis="measured", source=message("the machine as it is"))
        return built_up(count, spec, name=name, machines_per_server=as_it_is, catalogue=catalogue)
    # A measured part of a server is counted as that part of it.
    ratio = max(1.0, server.gpu_count / count)
    source = message(
        "{gpu_count} accelerators in {name} / {count} in the measured machine",
        gpu_count=server.gpu_count,
        name=server.name,
        count=count,
    )
    machines = estimate(ratio, low=max(1.0, 0.9 * ratio), unit="machines/server", basis="modelled", source=source)
    return match_of(server, spec, machines_per_server=machines, catalogue=catalogue)


def match_of(server: ServerSpec, spec: AcceleratorSpec, *, machines_per_server: Estimate, catalogue: Catalogue) -> ServerMatch:
    """Return a row of the catalogue with its watts, price and embodied carbon; it must have a nameplate and a price."""
    return ServerMatch(
        id=server.id,
        name=server.name,
        accelerator=spec.id,
        machines_per_server=machines_per_server,
        num_accelerators=server.gpu_count,
        watts=_server_watts(server, spec, catalogue),
        rack_units=_units(server),
        price_usd=_price(server, catalogue),
        embodied_kg=_embodied(server.gpu_count, catalogue),
        notes=(message("planned in servers {name} with {gpu_count} accelerators.", name=server.name, gpu_count=server.gpu_count),),
    )


def _spec(device: AcceleratorInfo, catalogue: Catalogue) -> AcceleratorSpec | None:
    """Return the catalogue row of a device: the one recognised during measurement, else by its driver's name."""
    known = catalogue.accelerators.get(device.catalog_id or "")
    return known or catalogue.recognise(device.name, memory_bytes=device.memory_bytes)


def _nearest_server(spec: AcceleratorSpec | None, count: int, catalogue: Catalogue) -> ServerSpec | None:
    """Return the smallest priced server with that accelerator that holds at least as many."""
    if spec is None:
        return None
    known = (server for server in catalogue.servers_with(spec.id) if server.price and server.max_power_w)
    fits = [server for server in known if server.gpu_count >= count]
    # Smallest first, then cheapest; the id makes the choice reproducible.
    return min(fits, key=lambda server: (server.gpu_count, server.price.mid if server.price else 0.0, server.id), default=None)


def _server_watts(server: ServerSpec, spec: AcceleratorSpec, catalogue: Catalogue) -> Watts:
    """Return the watts of a server of the catalogue at its wall: all accelerators at their limit, and idle as its row states it."""
    nameplate = server.max_power_w
    assert nameplate, f"{server.id} was chosen because its nameplate is known"
    _, limit_w, idle_w = _card(spec, catalogue)
    full = bounded(at_the_wall(limit_w, spec, count=server.gpu_count), ceiling=_nameplate(server))
    idle = at_the_wall(idle_w, spec, count=server.gpu_count, is_idle=True)
    if stated := server.idle_power_w:
        words = message("idle power of {name}", name=server.name)
        idle = estimate(stated, low=0.8 * stated, high=1.3 * stated, unit="W", basis="modelled", source=words)
    # What the model's upper end leaves below the nameplate is never drawn: 8 x H100 were measured at 8.4 of 10.2 kW.
    peak = estimate(
        full.high,
        low=full.value,
        high=nameplate,
        unit="W",
        basis="modelled",
        source=message("upper end of {source}", source=full.source),
    )
    return Watts(full=full, peak=peak, idle=bounded(idle, ceiling=low_end(full, LEAST_AT_WORK)), heat=_heat(server, full=full))


def _nameplate(server: ServerSpec) -> Estimate:
    """Return the power that a server's data sheet rates it for."""
    assert server.max_power_w, f"{server.id} was chosen because its nameplate is known"
    words = message("nameplate of {name}; {source}, {as_of}", name=server.name, source=server.source, as_of=server.as_of)
    return estimate(server.max_power_w, unit="W", basis="datasheet", source=words)


def rest_of_node_w(num_accelerators: int, catalogue: Catalogue) -> Estimate:
    """Return the power of a node without its accelerators, in proportion to their number, at least two of eight."""
    # Fans, processors and NICs do not shrink below those of a small node.
    return scaled(catalogue.constant("node_non_gpu_power_w"), max(2, num_accelerators) / GPUS_OF_A_FULL_NODE)


def built_up(
    count: int, spec: AcceleratorSpec | None, *, name: str, machines_per_server: Estimate, catalogue: Catalogue
) -> ServerMatch:
    """Return a machine without a server row: its accelerators in a host like those of its form (``hardware.datasheet``)."""
    card_usd, card_w, card_idle_w = _card(spec, catalogue)
    host = catalogue.servers[CPU_SERVER]
    host_price = _price(host, catalogue) if spec is None else host_usd(spec, count, catalogue)
    if spec is None:
        node_rest = rest_of_node_w(count, catalogue)
        rest = message("the rest of the node ({source})", source=node_rest.source)
        full = named(
            plus(scaled(card_w, count), node_rest),
            message("accelerators at their power limit ({source}) + {rest}", source=card_w.source, rest=rest),
        )
        idle = named(
            plus(scaled(card_idle_w, count), scaled(node_rest, 0.4)),
            message("idle accelerators ({source}) + 40 % of {rest}", source=card_idle_w.source, rest=rest),
        )
    else:
        full = at_the_wall(card_w, spec, count=count)
        idle = bounded(at_the_wall(card_idle_w, spec, count=count, is_idle=True), ceiling=low_end(full, LEAST_AT_WORK))
    # Without a nameplate the high end of the busy power is provisioned.
    peak = full.model_copy(update={"value": full.high, "low": full.value})
    return ServerMatch(
        id=f"{count}x_{spec.id if spec else 'unknown'}",
        name=message("{count} x {name} in a host of their own", count=count, name=name),
        accelerator=spec.id if spec else None,
        machines_per_server=machines_per_server,
        num_accelerators=count,
        watts=Watts(full=full, peak=peak, idle=idle, heat=peak),
        rack_units=median_units(spec, count, catalogue) if spec else _units(host),
        price_usd=named(
            plus(scaled(card_usd, count), host_price),
            message(
                "{count} accelerators ({source}) + the rest of similar servers ({host_source})",
                count=count,
                source=card_usd.source,
                host_source=host_price.source,
            ),
        ),
        embodied_kg=_embodied(count, catalogue),
        notes=(
            message(
                "no server of the catalogue holds {count} x {name}; it is planned in a host like those sold for its form factor.",
                count=count,
                name=name,
            ),
        ),
    )


def _card(spec: AcceleratorSpec | None, catalogue: Catalogue) -> tuple[Estimate, Estimate, Estimate]:
    """Return price, power at the limit and idle power of one accelerator; the catalogue's spread where it is not known."""
    price = catalogue.price(spec) if spec else None
    rows = list(catalogue.accelerators.values())
    price = price or _spread([row.price.mid for row in rows if row.price], unit="usd", of="price")
    if spec is None or spec.tdp_w is None:
        limit = _spread([row.tdp_w for row in rows if row.tdp_w], unit="W", of=message("power limit"))
    else:
        # Memory-bound work leaves a board well below its limit; it never exceeds it for long.
        limit = estimate(spec.tdp_w, low=0.6 * spec.tdp_w, unit="W", basis="datasheet", source=f"{spec.source}, {spec.as_of}")
    if spec is None or spec.idle_w is None:
        source = message("idle share of the power limit; {general}", general=GENERAL)
        idle = assumed(0.12 * limit.value, low=0.05 * limit.low, high=0.2 * limit.high, unit="W", source=source)
    else:
        idle = estimate(spec.idle_w, unit="W", basis="datasheet", source=f"{spec.idle_source or spec.source}, {spec.as_of}")
    return price, limit, idle


def _spread(numbers: list[float], *, unit: str, of: str) -> Estimate:
    """Return quartiles of the catalogue, the only figures for an accelerator that is not in it."""
    ranked = sorted(numbers)
    quartile, middle, upper = (ranked[round(share * (len(ranked) - 1))] for share in (0.25, 0.5, 0.75))
    return assumed(
        middle, low=quartile, high=upper, unit=unit, source=message("unknown accelerator: quartiles of the catalogue's {of}", of=of)
    )


def _embodied(num_accelerators: int, catalogue: Catalogue) -> Estimate:
    """Return the embodied carbon of a node: that of an 8-GPU server, scaled by its number of accelerators."""
    server, card = catalogue.constant("embodied_server_kg"), catalogue.constant("embodied_accelerator_kg")
    if num_accelerators >= GPUS_OF_A_FULL_NODE:
        share = f"{num_accelerators} / {GPUS_OF_A_FULL_NODE} x " if num_accelerators > GPUS_OF_A_FULL_NODE else ""
        words = message("{share}{source}", share=share, source=server.source)
        return named(scaled(server, num_accelerators / GPUS_OF_A_FULL_NODE), words)
    host = assumed(
        1000, low=500, high=2100, unit=server.unit, source=message("making a two-socket server; {general}", general=GENERAL)
    )
    words = message("{host} + {count} x {card}", host=host.source, count=num_accelerators, card=card.source)
    return named(plus(host, scaled(card, num_accelerators)), words)


def _price(server: ServerSpec, catalogue: Catalogue) -> Estimate:
    price = catalogue.price(server)
    assert price is not None, f"{server.id} is chosen only where it has a price"
    return price


def _units(server: ServerSpec) -> int | None:
    return round(server.rack_units) if server.rack_units else None


def with_sensors(
    watts: Watts, *, busy_w: Estimate, peak_w: Estimate | None, count: int, spec: AcceleratorSpec | None, catalogue: Catalogue
) -> Watts:
    """Return the watts of a whole server whose boards or CPU packages were measured: those x count + the unmeasured rest.

    ``busy_w`` and ``peak_w`` are of one accelerator ``spec``; with ``count`` 0 they are of all CPU packages.
    """

    def of_server(drawn: Estimate) -> Estimate:
        if count and spec is not None:
            return at_the_wall(drawn, spec, count=count)
        return plus(scaled(drawn, max(1, count)), rest_of_node_w(count, catalogue) if count else REST_OF_A_CPU_SERVER_W)

    full = named(of_server(busy_w), message("measured power x devices + the rest of the server"))
    # Where no peak was read, the mean is raised by the assumed transients.
    peak = of_server(peak_w or scaled(busy_w, catalogue.constant("power_transient_factor").high))
    ends = {"value": max(peak.value, full.value), "low": max(peak.low, full.low), "high": max(peak.high, full.high)}
    highest = peak.model_copy(update={**ends, "source": message("measured peak x devices + the rest of the server")})
    return Watts(full=full, peak=highest, idle=bounded(watts.idle, ceiling=low_end(full, LEAST_AT_WORK)), heat=highest)
