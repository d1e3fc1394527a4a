"""Simulate once, with an interval, or in search of the highest rate that keeps an SLO.

    simulate(server, traffic, slo=...)            one run -> ServingResult
    estimate(servers, traffic, slo=...)           three runs, of the likely, the fast and the slow server -> Estimate by name
    highest_rate(server, traffic, slo=...)        bisection over the rate -> HighestRate
    estimate_highest_rate(servers, traffic, ...)  the same for the three servers -> Estimate

A server is a ``ServerModel`` (continuous batching) or a ``BatchServer`` (whole batches). All runs of a comparison see the same
requests (common random numbers), so that they differ by what was changed and not by luck.
"""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import median
from typing import Literal

from aigc_bench.core.messages import message
from aigc_bench.core.records import Estimate, Record
from aigc_bench.predict.predicted import Grade
from aigc_bench.predict.serving.batch_queue import BatchServer, simulate_batches
from aigc_bench.predict.serving.event_loop import play
from aigc_bench.predict.serving.request_arrivals import Arrivals, Traffic, draw_requests
from aigc_bench.predict.serving.result import ServingResult, figures
from aigc_bench.predict.serving.server_model import ServerModel, Slo
from aigc_bench.predict.serving.window_summary import TRIMMED, summarise

Server = ServerModel | BatchServer

SOURCES = {
    ServerModel: message("iteration-level simulation of continuous batching"),
    BatchServer: message("simulation of a batch queue"),
}


class Servers(Record):
    """One server that is not known exactly: as it is likely to be, and at the fast and the slow end of its interval."""

    likely: Server
    fast: Server
    slow: Server
    grade: Grade = "physics"

    @property
    def all(self) -> tuple[Server, Server, Server]:
        """The likely one, then the bounding ones."""
        return self.likely, self.fast, self.slow

    @property
    def max_in_flight(self) -> int:
        """Return the maximum number of requests in progress on one replica."""
        return self.likely.max_batch if isinstance(self.likely, BatchServer) else self.likely.max_num_seqs

    @property
    def source(self) -> str:
        """What the figures are from, in words."""
        return SOURCES[type(self.likely)]


class HighestRate(Record):
    """The highest arrival rate that keeps the SLO, the run at that rate, and what limits it.

    ``rate_per_s`` is ``None`` where the SLO is missed even by a request that is alone. ``capacity_per_s`` is the rate at which a
    never-empty server finishes requests. ``limit``: ``slo`` or, where the SLO would allow more than can be done, ``capacity``.
    """

    rate_per_s: float | None
    capacity_per_s: float
    limit: Literal["slo", "capacity"]
    result: ServingResult


def simulate(
    server: Server, traffic: Traffic, *, slo: Slo | None = None, warmup: float = TRIMMED, cooldown: float = TRIMMED
) -> ServingResult:
    """Serve the traffic once. ``warmup`` and ``cooldown`` are the shares of the arrivals trimmed at either end.

    Raises ``UsageError`` where no request fits into the KV cache.
    """
    return _simulated(server, traffic, slo, warmup, cooldown)


# Plans that differ in prices, places or other loads replay the same fleet: a run takes a second, its figures a kilobyte.
@lru_cache(maxsize=256)
def _simulated(server: Server, traffic: Traffic, slo: Slo | None, warmup: float, cooldown: float) -> ServingResult:
    if isinstance(server, BatchServer):
        return simulate_batches(server, traffic, slo=slo, warmup=warmup, cooldown=cooldown)
    return summarise(play(server, draw_requests(traffic)), server=server, slo=slo, warmup=warmup, cooldown=cooldown)


def estimate(servers: Servers, traffic: Traffic, *, slo: Slo | None = None, num_seeds: int = 1) -> dict[str, Estimate]:
    """Every figure of a run as an interval, from runs of the likely, fast and slow server, each with ``num_seeds`` seeds.

    The value is the median of the likely runs, low and high are the extremes of all: the server's interval carried through the
    queue, and luck where there is more than one seed. A figure that one of the runs does not have is left out.
    """
    likely, bounds = [], []
    for seed in range(traffic.seed, traffic.seed + num_seeds):
        drawn = traffic.model_copy(update={"seed": seed})
        likely.append(simulate(servers.likely, drawn, slo=slo))
        bounds += [simulate(other, drawn, slo=slo) for other in (servers.fast, servers.slow)]
    # A reason of any run concerns the interval that they make together.
    reasons = tuple(sorted({reason for result in likely + bounds for reason in result.reasons}))
    runs, central = [figures(result) for result in likely + bounds], [figures(result) for result in likely]
    names = [name for name in runs[0] if all(name in run for run in runs)]
    return {
        name: Estimate(
            value=median(run[name][0] for run in central),
            # Over all runs, the likely ones too: a figure may not be monotonic in speed (mean batch, KV use).
            low=min(run[name][0] for run in runs),
            high=max(run[name][0] for run in runs),
            unit=runs[0][name][1],
            basis="modelled",
            source=servers.source,
            reasons=reasons,
        )
        for name in names
    }


def capacity(server: Server, traffic: Traffic) -> float:
    """Requests per second of a server that is never empty: all requests wait at its door, start and drain left out."""
    if isinstance(server, BatchServer):
        return server.capacity_per_s
    # As many clients as requests: all are there from the start, and the queue is empty only at the end.
    crowd = Arrivals(pattern="closed", concurrency=traffic.num_requests)
    history = play(server, draw_requests(traffic.model_copy(update={"arrivals": crowd})))
    ends: list[float] = sorted(history.finish_s.tolist())
    # Start and drain run with smaller batches than a server that is never empty.
    first, last = int(TRIMMED * len(ends)), max(int((1 - TRIMMED) * len(ends)) - 1, 0)
    # Too few requests to trim, or all of them end together.
    if ends[last] <= ends[first]:
        return len(ends) / ends[-1]
    # The plain mean, start and drain included, bounds it from below.
    return max((last - first) / (ends[last] - ends[first]), len(ends) / ends[-1])


def highest_rate(server: Server, traffic: Traffic, *, slo: Slo, precision: float = 0.01) -> HighestRate:
    """The highest rate at which the SLO is met and the queue does not grow, to a relative ``precision``, by halving.

    Looked for between the rate at which requests hardly ever meet and the capacity. The traffic's own rate does not matter; its
    pattern, lengths and seed do.
    """
    most = capacity(server, traffic)

    def run(rate_per_s: float) -> tuple[bool, ServingResult]:
        result = simulate(server, traffic.at_rate(rate_per_s), slo=slo)
        return bool(result.is_slo_met) and "queue_grows" not in result.reasons, result

    # The capacity first: where the SLO holds there, no search is needed.
    is_kept, result = run(most)
    if is_kept:
        return HighestRate(rate_per_s=most, capacity_per_s=most, limit="capacity", result=result)
    # At a ten-thousandth of the capacity requests hardly ever meet.
    low, high = most * 1e-4, most
    is_kept, best = run(low)
    if not is_kept:
        return HighestRate(rate_per_s=None, capacity_per_s=most, limit="slo", result=best)
    while high > low * (1 + precision):
        # Over several octaves the geometric mean halves the logarithm; within one both means are alike.
        middle = math.sqrt(low * high) if high > 2 * low else (low + high) / 2
        is_kept, result = run(middle)
        # ``best`` is always the run at ``low``: the last rate that was kept.
        low, high, best = (middle, high, result) if is_kept else (low, middle, best)
    return HighestRate(rate_per_s=low, capacity_per_s=most, limit="slo", result=best)


def estimate_highest_rate(servers: Servers, traffic: Traffic, *, slo: Slo, precision: float = 0.01) -> Estimate:
    """The highest rate that keeps the SLO, from the searches for the three servers; 0 where it cannot be kept."""
    found = [highest_rate(one, traffic, slo=slo, precision=precision) for one in servers.all]
    rates = [one.rate_per_s or 0.0 for one in found]
    reasons = ("slo_out_of_reach",) if found[0].rate_per_s is None else (f"limited_by_{found[0].limit}",)
    return Estimate(
        value=rates[0],
        low=min(rates),
        high=max(rates),
        unit="requests/s",
        basis="modelled",
        source=servers.source,
        reasons=reasons,
    )
