"""What one replica of a load is: its engine and settings, its share of a server, and how many of it there are."""

from __future__ import annotations

import math
import re

from aigc_bench.core.records import Record
from aigc_bench.core.units import GIB
from aigc_bench.plan.money.instances import quietest_machines
from aigc_bench.plan.records.demand import Service
from aigc_bench.plan.records.machine import Load, Machine
from aigc_bench.plan.records.plan import Option, Plan
from aigc_bench.predict.closed_form.engine_options import EngineOptions

CONTEXT_STEP = 1024
"""A limit of the context is set in steps, so that it does not cut the longest request by a token."""
SPREAD = 4.0
"""The longest request over the mean one, in standard deviations of a request's work."""


class Replica(Record):
    """One replica of a service: ``tensor`` x ``pipeline`` accelerators of one server, or of ``nodes`` of them.

    ``cores`` and ``memory_gib`` are its share of the server, ``None`` where the data sheet does not say. ``at_least`` of
    ``at_most`` replicas carry the quietest hour of the first year; ``spares`` are part of ``at_most``. ``context`` is the longest
    request in tokens. ``options`` are what the engine is set to do.
    """

    load: str
    model: str
    engine: str
    precision: str
    tensor: int
    pipeline: int
    nodes: int
    batch: int
    context: int | None
    cores: int | None
    memory_gib: int | None
    at_least: int
    at_most: int
    spares: int
    options: EngineOptions = EngineOptions()

    @property
    def devices(self) -> int:
        """Return the accelerators of one replica."""
        return self.tensor * self.pipeline

    @property
    def name(self) -> str:
        """Return its name as Kubernetes and file systems take it: lower-case letters, digits and hyphens, at most 50."""
        return re.sub(r"[^a-z0-9]+", "-", self.load.lower()).strip("-")[:50].strip("-") or "service"


def replicas(plan: Plan, option: Option) -> tuple[Replica, ...]:
    """Return a replica of every service of an option that runs on machines; of a mixed one those of its parts."""
    services = {service.name: service for service in plan.demand.services}
    found = []
    for one in option.parts or (option,):
        if one.machine is None:
            continue
        found += [_replica(load, services[load.name], one, one.machine, plan=plan) for load in one.loads if load.name in services]
    return tuple(found)


def _replica(load: Load, service: Service, option: Option, machine: Machine, *, plan: Plan) -> Replica:
    can = next(one for one in machine.capabilities if one.case == load.case)
    devices = max(1, can.machines_per_replica)
    per_server = max(1, machine.devices_per_server)
    # Devices that read prompts for the others are a server of their own (``option_flags.notes_of``).
    tensor = math.gcd(devices - service.engine_options.prefill_devices, per_server)
    most = _at_most(load, option, devices)
    return Replica(
        load=load.name,
        model=str(service.model.path) if service.model is not None else can.preset,
        engine=can.engine or "torch",
        precision=can.precision or "native",
        tensor=tensor,
        pipeline=devices // tensor,
        nodes=-(-devices // per_server),
        batch=max(1, round(can.slots or can.batch_size)),
        context=_context(service),
        cores=_share(machine.host_cores.value * devices if machine.host_cores else None),
        memory_gib=_share(machine.host_memory_bytes.value / per_server * devices / GIB if machine.host_memory_bytes else None),
        at_least=min(most, round(quietest_machines(service, load, demand=plan.demand, rules=plan.rules) / devices)),
        at_most=most,
        spares=option.num_spares * per_server // devices,
        options=service.engine_options,
    )


def _at_most(load: Load, option: Option, devices: int) -> int:
    """Return whole replicas: all accelerators of a fleet that one service has alone, else the service's share of the busy ones."""
    busy = sum(one.busy_machines.value for one in option.loads)
    share = load.busy_machines.value / busy if busy > 0 else 1.0
    return max(1, math.floor(option.num_accelerators * share / devices + 1e-9))


def _context(service: Service) -> int | None:
    """Return the longest request in tokens, prompt and answer, in whole steps; ``None`` where requests have no tokens."""
    if service.item != "token" or service.input_tokens is None:
        return None
    tokens = service.input_tokens.value + service.items_per_request.value
    longest = math.ceil(tokens * (1 + SPREAD * math.sqrt(service.work_cv2)) / CONTEXT_STEP) * CONTEXT_STEP
    return longest if service.most_tokens is None else min(longest, service.most_tokens)


def _share(amount: float | None) -> int | None:
    return None if amount is None else max(1, math.floor(amount))
