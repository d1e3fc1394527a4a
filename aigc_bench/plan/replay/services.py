"""A service replayed at its peak, and the analytic answer to the same question.

    share in time   of the requests of the busiest minutes, all bounds together, without spares; near the required share the
                    least of several simulations with other requests
    with failures   sum over lost servers k of P(k beyond the spares) x share with the replicas that are left
    analytic        P(wait <= the SLO less the time of a request without queueing), M/G/c (Allen-Cunneen, exponential tail)

Many replicas are replayed as a few with their share of the requests: fewer share a queue, which overestimates waiting.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from aigc_bench.core.messages import message
from aigc_bench.plan.records.demand import Service
from aigc_bench.plan.records.machine import Capability
from aigc_bench.plan.records.replay import Percentile, ReplayedService
from aigc_bench.plan.replay.servers import serving_slo, traffic_of, with_replicas
from aigc_bench.plan.sizing.fleets import allowed_wait_s
from aigc_bench.plan.stats.queueing import erlang_c, exactly_k_of_n, k_of_n, wait_quantile_s
from aigc_bench.predict.serving.batch_queue import BatchServer
from aigc_bench.predict.serving.capacity import Server, Servers, simulate
from aigc_bench.predict.serving.result import PERCENTILES, ServingResult

NEAR = 0.5
"""A share is near the required one where more than this part of the late requests that it allows are late (assumed)."""
NUM_DRAWS = 5
"""Simulations of a share that is near: some thousand requests, not all independent, leave it uncertain by about a point."""
# A replica that batches step by step costs far more to simulate than one of whole batches.
REPLICAS_BY_STEP = 4
REPLICAS_BY_BATCH = 64
TURNOVERS = 12
"""Requests that pass through every slot, enough to forget the initial state of the queue."""
REQUESTS_BY_STEP = (1000, 6000)
REQUESTS_BY_BATCH = (8000, 16_000)
LIKELY_ENOUGH = 2e-3
"""States of the fleet rarer than this count as missed instead of being simulated."""


@dataclass(frozen=True, kw_only=True)
class ReplayedPeak:
    """A service's peak: its replica and the number of them, their servers (serving and spare) and a server's availability."""

    service: Service
    capability: Capability
    servers: Servers
    rate_per_s: float
    num_replicas: int
    num_serving: int
    num_spares: int
    machine_availability: float
    seed: int = 0


def replay_service(peak: ReplayedPeak) -> ReplayedService:
    """Simulate the peak on the likely, fast and slow replica, and with lost servers."""
    likely = decisive(peak, num_replicas=peak.num_replicas)
    ends = [_share(simulated(peak, one, num_replicas=peak.num_replicas)) for one in (peak.servers.fast, peak.servers.slow)]
    share, required = _share(likely), peak.service.slo.percentile
    lost = with_failures(peak, share)
    found = [one for one in (share, *ends) if one is not None]
    grows = "queue_grows" in likely.reasons
    return ReplayedService(
        name=peak.service.name,
        asked_share=required,
        simulated_share=share,
        share_interval=(min(found), max(found)) if share is not None else None,
        analytic_share=analytic_share(peak),
        share_with_failures=lost,
        percentiles=_percentiles(peak, likely),
        rate_per_s=peak.rate_per_s,
        num_replicas=peak.num_replicas,
        num_simulated_replicas=_simulated_replicas(peak.servers.likely, peak.num_replicas),
        num_requests=likely.num_requests,
        method=peak.servers.source,
        is_met=holds(likely, required=required),
        notes=((message("more requests arrive than are answered"),) if grows else ())
        + (
            (message("{num_refused} requests do not fit into the cache of a replica", num_refused=likely.num_refused),)
            if likely.num_refused
            else ()
        ),
    )


def simulated(peak: ReplayedPeak, server: Server, *, num_replicas: int) -> ServingResult:
    """Return one simulation with that many replicas."""
    few = _simulated_replicas(server, num_replicas)
    places = few * (server.max_batch if isinstance(server, BatchServer) else server.max_num_seqs)
    least, most = REQUESTS_BY_BATCH if isinstance(server, BatchServer) else REQUESTS_BY_STEP
    # More slots need more requests until the start, with all of them empty, is forgotten.
    count = min(most, max(least, TURNOVERS * places))
    # Each replica keeps its share of the requests.
    traffic = traffic_of(peak.service, rate_per_s=peak.rate_per_s * few / num_replicas, num_requests=count, seed=peak.seed)
    slo = serving_slo(peak.service, is_whole=isinstance(server, BatchServer))
    return simulate(with_replicas(server, few), traffic, slo=slo)


def decisive(peak: ReplayedPeak, *, num_replicas: int) -> ServingResult:
    """Return the simulation that decides: near the required share the worst of ``NUM_DRAWS`` with other requests, else the first.

    One simulation accepts half of the fleets whose share is just the required one.
    """
    found, required = simulated(peak, peak.servers.likely, num_replicas=num_replicas), peak.service.slo.percentile
    for draw in range(1, NUM_DRAWS):
        share = _share(found)
        # Clear of the required share, or already below it: further draws would not change the verdict.
        if share is None or share < required or share >= 1 - NEAR * (1 - required):
            break
        again = simulated(replace(peak, seed=peak.seed + draw), peak.servers.likely, num_replicas=num_replicas)
        found = min(found, again, key=lambda one: one.goodput_share or 0.0)
    return found


def holds(result: ServingResult, *, required: float) -> bool:
    """Return whether the required share of requests was in time; without an SLO, whether the queue did not grow."""
    share = _share(result)
    return "queue_grows" not in result.reasons if share is None else share >= required


def _simulated_replicas(server: Server, count: int) -> int:
    return min(count, REPLICAS_BY_BATCH if isinstance(server, BatchServer) else REPLICAS_BY_STEP)


def _share(result: ServingResult) -> float | None:
    return result.goodput_share


def with_failures(peak: ReplayedPeak, share: float | None) -> float | None:
    """Return the share over the fleet's states: with k servers lost beyond the spares, the replicas on them are lost, too."""
    if share is None or peak.num_serving == 0:
        return share
    servers, up = peak.num_serving + peak.num_spares, peak.machine_availability
    found = k_of_n(peak.num_serving, servers, availability=up) * share
    # Losses that the spares cover leave all replicas; these are the ones beyond them.
    for lost in range(1, peak.num_serving):
        probability = exactly_k_of_n(peak.num_serving - lost, servers, availability=up)
        # Probabilities fall with every further loss, so the rest is rarer still and counts as missed.
        if probability < LIKELY_ENOUGH:
            break
        # Replicas are taken as spread evenly over the servers.
        left = math.floor(peak.num_replicas * (1 - lost / peak.num_serving))
        if left:
            found += probability * (_share(simulated(peak, peak.servers.likely, num_replicas=left)) or 0.0)
    return found


def is_enough(peak: ReplayedPeak) -> bool:
    """Return whether the replicas of the peak hold at their likely speed."""
    return _hold(peak, peak.num_replicas)


def _hold(peak: ReplayedPeak, count: int) -> bool:
    return holds(decisive(peak, num_replicas=count), required=peak.service.slo.percentile)


def replicas_that_hold(peak: ReplayedPeak, *, most: int) -> int | None:
    """Return the fewest replicas with which the simulated peak holds, up to ``most``; ``None`` where even these are too few."""

    def seems_enough(count: int) -> bool:
        """Return whether that number of replicas keeps the SLO in the first simulation."""
        return holds(simulated(peak, peak.servers.likely, num_replicas=count), required=peak.service.slo.percentile)

    # First: most options that cannot hold fail here.
    if not _hold(peak, most):
        return None
    # The search looks at one simulation of each count, the others are for the count that it finds.
    count = fewest(seems_enough, at_least=peak.num_replicas, most=most) or most
    while count < most and not _hold(peak, count):
        count = min(most, count + max(1, count // 50))
    return count


def fewest(enough: Callable[[int], bool], *, at_least: int, most: int) -> int | None:
    """Return the least count for which the monotonic ``enough`` holds; ``None`` above ``most``."""
    # First: most options that cannot hold fail here, in one simulation.
    if not enough(most):
        return None
    low, high = at_least - 1, most
    # Of many replicas within 2 %, since each probe is a simulation.
    while high - low > max(1, high // 50):
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def analytic_share(peak: ReplayedPeak) -> float | None:
    """Return the share of requests that waits no longer than the SLO allows, by M/G/c; ``None`` where nothing bounds a wait."""
    left = allowed_wait_s(peak.service, peak.capability)
    if left is None or peak.capability.service_s is None:
        return None
    # More machines shorten waits only, not the steps.
    if left < 0 or _misses_tpot(peak):
        return 0.0
    service_s, slots = peak.capability.service_s.value, _slots(peak)
    offered = peak.rate_per_s * service_s
    if offered >= slots:
        return 0.0
    # Allen-Cunneen stretches the waits by the variation, so the tail falls slower by it.
    rate = (slots / service_s - peak.rate_per_s) / _variation(peak)
    return 1 - erlang_c(slots, offered_load=offered) * math.exp(-rate * left)


def _misses_tpot(peak: ReplayedPeak) -> bool:
    limit, found = peak.service.slo.tpot_s, peak.capability.tpot_s
    return limit is not None and found is not None and found.value > limit


def _slots(peak: ReplayedPeak) -> int:
    return max(1, math.floor(peak.num_replicas * (peak.capability.slots or 1.0)))


def _variation(peak: ReplayedPeak) -> float:
    return max(1e-9, (peak.service.arrival.cv2 + peak.service.work_cv2) / 2)


def _wait_s(peak: ReplayedPeak) -> float | None:
    """Return the analytic wait at the SLO's percentile."""
    if peak.capability.service_s is None:
        return None
    # M/M/c first; the variation stretches it below.
    plain = wait_quantile_s(
        peak.rate_per_s, service_s=peak.capability.service_s.value, num_servers=_slots(peak), quantile=peak.service.slo.percentile
    )
    return None if math.isinf(plain) else plain * _variation(peak)


def _percentiles(peak: ReplayedPeak, result: ServingResult) -> dict[str, Percentile]:
    """Return TTFT, TPOT and latency at the lowest simulated percentile that is not below the SLO's."""
    # Simulations state a few percentiles; the next one above the SLO's is the strict choice.
    label, share = next(
        ((label, share) for label, share in PERCENTILES.items() if share >= peak.service.slo.percentile - 1e-9), ("p99", 0.99)
    )
    wait, capability, slo = _wait_s(peak), peak.capability, peak.service.slo
    rows = (
        ("ttft", result.ttft, capability.ttft_s, wait, slo.ttft_s),
        ("tpot", result.tpot, capability.tpot_s, 0.0, slo.tpot_s),
        ("latency", result.latency, capability.service_s, wait, slo.latency_s),
    )
    return {
        name: Percentile(
            share=share,
            simulated_s=getattr(seen, label),
            analytic_s=None if alone is None or queued is None else alone.value + queued,
            limit_s=limit,
        )
        for name, seen, alone, queued, limit in rows
        if seen is not None
    }
