"""Define the keys of an SLO."""

from __future__ import annotations

from aigc_bench.core.messages import message
from aigc_bench.plan.demand.amounts import DAY_S, LatencyBound, Number, Table, TokenBound, between, documented, lasting


class WrittenSlo(Table):
    """``[service.slo]``: the latency bounds, and the share of requests that must meet them."""

    ttft: TokenBound | None = documented(message("TTFT bound: time to the first token"), limits=lasting(1e-6, 30 * DAY_S))
    tpot: TokenBound | None = documented(message("TPOT bound: time per further token"), limits=lasting(1e-6, DAY_S))
    latency: LatencyBound | None = documented(
        message("latency bound: time to the last byte of the response"), limits=lasting(1e-6, 365 * DAY_S)
    )
    # Below 100: a queue's wait has an exponential tail, so no fleet keeps a bound for every request.
    percentile: Number = documented(
        message("share of requests that must meet the SLO"), unit="%", limits=between(1, 99.99), default=95.0
    )
