"""What the vector indexes of a demand take of the servers: memory of the host, and cores that search.

An index is split over the servers in service, each copy once: bytes x copies / servers, cores / accelerators.
"""

from __future__ import annotations

from aigc_bench.core.messages import message
from aigc_bench.core.records import Estimate
from aigc_bench.plan.factors.base import Context
from aigc_bench.plan.stats.estimates import named, plus, scaled


def index_bytes(context: Context) -> Estimate | None:
    """Return the bytes of all indexes on one server; ``None`` where the demand searches no vectors."""
    servers = max(1, context.fleet.serving)
    parts = [
        named(scaled(one.index.memory_bytes, one.index.copies / servers, unit="B"), message("index of {name}", name=one.name))
        for one in context.demand.chains
        if one.index is not None
    ]
    return plus(*parts) if parts else None


def cores_left(context: Context, host_cores: Estimate) -> Estimate:
    """Return the cores of an accelerator's share that searches leave to it."""
    searching = sum(one.index.cores.value for one in context.demand.chains if one.index is not None)
    if not searching:
        return host_cores
    machines = max(1.0, context.fleet.serving * context.machine.machines_per_server.value)
    left = max(0.0, 1 - searching / machines / host_cores.value) if host_cores.value > 0 else 0.0
    return named(
        scaled(host_cores, left, unit="cores"),
        message("cores of an accelerator's share, less those that search"),
    )
