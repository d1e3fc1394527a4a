"""A capability as a server that can be simulated: its replica by iteration-level batching, or a queue of whole batches."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from aigc_bench.core.records import Case
from aigc_bench.plan.records.demand import Service
from aigc_bench.plan.records.machine import Capability
from aigc_bench.plan.search.candidates import power_caps
from aigc_bench.plan.search.load_candidates import is_language
from aigc_bench.predict.closed_form.engine_options import Serving
from aigc_bench.predict.engines import SERVED
from aigc_bench.predict.published.name_resolution import resolve_engine
from aigc_bench.predict.serving.batch_queue import BatchServer
from aigc_bench.predict.serving.capacity import Servers
from aigc_bench.predict.serving.concurrency import planned_options
from aigc_bench.predict.serving.from_model import ServiceModel
from aigc_bench.predict.serving.lengths import FixedLength, Length, LognormalLength
from aigc_bench.predict.serving.request_arrivals import Arrivals, Traffic
from aigc_bench.predict.serving.server_model import ServerModel, Slo
from aigc_bench.predict.serving.step_time import StepTime

if TYPE_CHECKING:
    from aigc_bench.catalog.loader import Catalogue
    from aigc_bench.catalog.records import AcceleratorSpec


LEAST_CV = 1e-3
"""Lengths that vary less are all the same."""
READ_ELSEWHERE = 0.999
"""Share of a prompt that devices which only decode do not read: all but the last token."""


def traffic_of(service: Service, *, rate_per_s: float, num_requests: int, seed: int) -> Traffic:
    """Return the service's requests: gaps and lengths spread as the demand states, prompt and answer alike."""
    spread = math.sqrt(service.arrival.cv2)
    pattern = (
        # A gamma distribution has any coefficient of variation; 1e-3 stands for perfectly regular.
        Arrivals(rate_per_s=rate_per_s) if spread == 1.0 else Arrivals(pattern="gamma", rate_per_s=rate_per_s, cv=spread or 1e-3)
    )
    cv = math.sqrt(service.work_cv2)
    prompt = float(service.settings.get("prompt_len", 1))
    return Traffic(
        arrivals=pattern,
        input_tokens=_length(prompt, cv, most=_left(service, service.items_per_request.value)),
        output_tokens=_length(service.items_per_request.value, cv, most=_left(service, prompt)),
        num_requests=num_requests,
        seed=seed,
    )


def _left(service: Service, other: float) -> int | None:
    """Return what the model's context leaves of it next to ``other`` tokens; ``None`` without a limit."""
    return None if service.most_tokens is None else max(1, math.floor(service.most_tokens - other))


def _length(mean: float, cv: float, *, most: int | None = None) -> Length:
    if most is not None:
        # Two standard deviations end at the limit: lengths that are only cut there would have a lower mean than stated.
        cv = min(cv, max(0.0, (most - mean) / mean / 2))
    if cv <= LEAST_CV or mean <= 1:
        return FixedLength(tokens=max(1, round(mean)))
    # Lengths of prompts and answers have long tails.
    return LognormalLength(mean=mean, cv=cv, maximum=most)


def _simulated_apart(server: ServerModel, ttft_s: float) -> ServerModel:
    """Return a server whose prompts other devices read: its steps hold none, and a first token comes when they are done."""
    changes = {"prefix_hit_rate": READ_ELSEWHERE, "front_end_s": max(server.front_end_s, ttft_s)}
    return server.model_copy(update=changes)


def replica_of(
    service: Service, capability: Capability, *, spec: AcceleratorSpec | None, catalogue: Catalogue, model: ServiceModel
) -> Servers:
    """Return one replica with its interval. Raises ``UsageError`` where the performance model does not support it.

    A language model that was predicted for a serving engine is batched step by step; everything else answers whole batches.
    """
    if spec is not None and is_language(service) and capability.engine in SERVED and capability.throughput.basis == "modelled":
        return _batched_by_step(service, capability, spec=spec, catalogue=catalogue, model=model)
    return _whole_batches(service, capability)


def _batched_by_step(
    service: Service, capability: Capability, *, spec: AcceleratorSpec, catalogue: Catalogue, model: ServiceModel
) -> Servers:
    stated = service.engine_options
    planned = planned_options(
        resolve_engine(capability.engine or "").name,
        capability.precision or "bf16",
        options=stated.model_copy(update={"prefill_devices": 0}),
    )
    case = Case(
        workload=service.workload,
        preset=service.preset or "",
        model=service.model,
        mode="infer",
        engine=capability.engine or "",
        # A case takes torch's formats; the engine's own follows below as ``precision``.
        precision="bf16",
        backend="cuda",
        devices=capability.machines_per_replica - stated.prefill_devices,
    )
    servers, _ = model.servers(
        case,
        spec,
        # Lengths alone matter here: they say what a step of the server holds.
        traffic=traffic_of(service, rate_per_s=1.0, num_requests=1, seed=0),
        serving=Serving(parallel={"tp": case.devices}, precision=capability.precision, options=planned),
        max_batch=int(capability.slots or capability.batch_size),
    )
    # The model predicts at the default power limit.
    slower = 1 / _speed(capability, spec, catalogue)
    found = {end: _at(getattr(servers, end), slower) for end in ("likely", "fast", "slow")}
    if stated.prefill_devices and capability.ttft_s is not None:
        ends = {"likely": capability.ttft_s.value, "fast": capability.ttft_s.low, "slow": capability.ttft_s.high}
        found = {end: _simulated_apart(server, ends[end]) for end, server in found.items()}
    return Servers(**found)


def _speed(capability: Capability, spec: AcceleratorSpec, catalogue: Catalogue) -> float:
    """Return the throughput under the power limit over that without one."""
    caps = power_caps(spec, work="decode", catalogue=catalogue)
    return next((speed for share, speed, _ in caps if math.isclose(share, capability.power_cap)), 1.0)


def _at(server: ServerModel, factor: float) -> ServerModel:
    return server.model_copy(update={"step_time": server.step_time.scaled(factor)})


def _whole_batches(service: Service, capability: Capability) -> Servers:
    assert capability.service_s is not None, "only capabilities with a time per request are replayed"
    size = max(1, int(capability.slots or capability.batch_size))
    # (requests, seconds): a batch that is not full takes less than a full one.
    knots = capability.batch_times_s or ((float(size), capability.service_s.value),)
    # A fast server has short times.
    ends = {"likely": "value", "fast": "low", "slow": "high"}
    return Servers(
        **{
            name: BatchServer(
                batch_time=StepTime(token_knots=knots).scaled(getattr(capability.service_s, end) / capability.service_s.value),
                max_batch=size,
                service_cv=math.sqrt(service.work_cv2),
            )
            for name, end in ends.items()
        }
    )


def with_replicas(server: ServerModel | BatchServer, count: int) -> ServerModel | BatchServer:
    """Return ``count`` replicas; requests go to the one with the fewest in its system, batches to any that is free."""
    if isinstance(server, BatchServer):
        return server.model_copy(update={"num_servers": count})
    return server.model_copy(update={"replicas": count, "routing": "join_shortest_queue"})


def serving_slo(service: Service, *, is_whole: bool) -> Slo | None:
    """Return the SLO as the simulation takes it; an answer in one piece has only a latency."""
    slo = service.slo
    bounds = {"latency_s": slo.latency_s} if is_whole else {"ttft_s": slo.ttft_s, "tpot_s": slo.tpot_s, "latency_s": slo.latency_s}
    return Slo(**bounds, share=slo.percentile) if any(bounds.values()) else None
