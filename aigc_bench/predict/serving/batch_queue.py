"""Services that answer whole batches (images, embeddings, speech): a queue M/G^[b]/c with a longest wait.

Requests queue up in order. A free server takes the ``max_batch`` that have waited longest as soon as there are as many, or what
there is once the first of them has waited ``max_wait_s``; it is busy for a time that depends on the batch, and all of the batch
are answered together. So a batch starts at

    max( a server is free, min( the b-th request has come, the first has waited max_wait_s ) )

which is all there is to simulate: one line per batch. With ``max_batch = 1`` this is G/G/c; the tests hold it to M/M/1, M/D/1
and M/M/c.
"""

from __future__ import annotations

import heapq
from typing import Self

import numpy as np
from pydantic import Field, model_validator

from aigc_bench.core.records import Positive, Record
from aigc_bench.predict.serving.event_loop import Column
from aigc_bench.predict.serving.request_arrivals import Traffic, draw_requests
from aigc_bench.predict.serving.result import ServingResult
from aigc_bench.predict.serving.server_model import Slo
from aigc_bench.predict.serving.step_time import StepTime
from aigc_bench.predict.serving.window_summary import (
    MAX_GROWTH,
    TRIMMED,
    Window,
    distribution,
    littles_law,
    measured_window,
    overlap_s,
    slo_attainment,
)


class BatchServer(Record):
    """``num_servers`` that answer batches. ``batch_time`` gives seconds by batch size (its tokens are requests here).

    ``service_cv`` spreads the service times around that by a gamma distribution: 0 constant, 1 exponential.
    """

    batch_time: StepTime
    max_batch: Positive = 1
    max_wait_s: float = Field(default=0.0, ge=0)
    num_servers: Positive = 1
    service_cv: float = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _knows_time_by_size(self) -> Self:
        assert self.batch_time.per_context_s == 0 and self.batch_time.per_pair_s == 0, "a batch has no context"
        return self

    @property
    def capacity_per_s(self) -> float:
        """Requests per second when no batch ever starts less than full."""
        full_s = self.batch_time.seconds(num_tokens=self.max_batch, num_sequences=self.max_batch)
        return self.num_servers * self.max_batch / full_s


class Batches(Record):
    """Start, end and size of each batch, in order of start."""

    start_s: tuple[float, ...]
    end_s: tuple[float, ...]
    size: tuple[int, ...]


def form_batches(server: BatchServer, arrival_s: Column, *, seed: int) -> Batches:
    """Serve arrivals in order; service times are drawn batch by batch from a stream of their own."""
    moments = arrival_s.tolist()
    # Index 0 is never used: it makes the list's index the size of the batch.
    seconds = [
        server.batch_time.seconds(num_tokens=size, num_sequences=size) if size else 0.0 for size in range(server.max_batch + 1)
    ]
    # At most as many batches as requests.
    spread = _spread(server.service_cv, count=len(moments), seed=seed)
    # Heap of the moments at which servers become free; all zeros are a heap.
    free = [0.0] * server.num_servers
    starts: list[float] = []
    ends: list[float] = []
    sizes: list[int] = []
    head, count = 0, len(moments)
    while head < count:
        # Index of the request that fills the batch; near the end there is none.
        full = head + server.max_batch - 1
        ready = moments[head] + server.max_wait_s
        if full < count:
            ready = min(ready, moments[full])
        start = max(free[0], ready)
        tail = head + 1
        # Whoever has come by the start goes along, also those who came while no server was free.
        while tail < count and tail <= full and moments[tail] <= start:
            tail += 1
        end = start + seconds[tail - head] * spread[len(starts)]
        heapq.heapreplace(free, end)
        starts.append(start)
        ends.append(end)
        sizes.append(tail - head)
        head = tail
    return Batches(start_s=tuple(starts), end_s=tuple(ends), size=tuple(sizes))


def simulate_batches(
    server: BatchServer, traffic: Traffic, *, slo: Slo | None = None, warmup: float = TRIMMED, cooldown: float = TRIMMED
) -> ServingResult:
    """Serve the arrivals of a traffic (its lengths do not matter) by batches; same outputs as of a served language model."""
    assert traffic.arrivals.pattern != "closed", "a batch queue has open arrivals"
    assert slo is None or slo.bounds.keys() == {"latency"}, "a batch has an end and no first token: bound latency_s"
    arrival_s = draw_requests(traffic).arrival_s
    batches = form_batches(server, arrival_s, seed=traffic.seed)
    start_s, end_s, size = (np.array(column) for column in (batches.start_s, batches.end_s, batches.size))
    admitted_s, finish_s = np.repeat(start_s, size), np.repeat(end_s, size)
    window = measured_window(arrival_s, finish_s, warmup=warmup, cooldown=cooldown)
    inside, length_s = window.requests, window.end_s - window.start_s
    latency = finish_s[inside] - arrival_s[inside]
    whole, queueing = distribution(latency), distribution(admitted_s[inside] - arrival_s[inside])
    assert whole is not None and queueing is not None, "a window holds a request"
    departures = _between(finish_s, window)
    # Arrivals less departures of the window is the change of the number in the system.
    growth = latency.size - departures
    return ServingResult(
        num_requests=arrival_s.size,
        num_measured=latency.size,
        num_refused=0,
        num_preemptions=0,
        duration_s=float(finish_s.max()),
        arrival_rate_per_s=latency.size / length_s,
        throughput_per_s=departures / length_s,
        latency=whole,
        queueing=queueing,
        **slo_attainment({"latency": latency}, slo=slo, refused=0, length_s=length_s),
        utilisation=float(overlap_s(start_s, end_s, window).sum()) / (length_s * server.num_servers),
        mean_batch=float(size.mean()),
        mean_queue=float(overlap_s(arrival_s, admitted_s, window).sum()) / length_s,
        littles_law=littles_law(_area(arrival_s, finish_s), times_s=finish_s - arrival_s, duration_s=float(finish_s.max())),
        reasons=("queue_grows",) if growth > MAX_GROWTH * max(latency.size, 10) else (),
    )


def _spread(cv: float, *, count: int, seed: int) -> list[float]:
    """Factors of mean 1 on the service times."""
    if cv == 0:
        return [1.0] * count
    # The fourth child: the first three are those of ``draw_requests``.
    random = np.random.default_rng(np.random.SeedSequence(seed).spawn(4)[3])
    # shape * scale = 1; cv 1 is the exponential distribution.
    factors: list[float] = random.gamma(1 / cv**2, cv**2, size=count).tolist()
    return factors


def _between(moments: Column, window: Window) -> int:
    return int(((moments >= window.start_s) & (moments < window.end_s)).sum())


def _area(arrival_s: Column, finish_s: Column) -> float:
    """Integral of the number in the system, from its ups and downs in order of time (request-seconds)."""
    moments = np.concatenate([arrival_s, finish_s])
    change = np.concatenate([np.ones(arrival_s.size), -np.ones(finish_s.size)])
    # Stable, with arrivals first: a request that is served in no time is counted up before it is counted down.
    order = np.argsort(moments, kind="stable")
    number = np.cumsum(change[order])[:-1]
    return float((number * np.diff(moments[order])).sum())
