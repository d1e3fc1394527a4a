"""Waiting in a queue with c servers: Erlang C for M/M/c, Allen-Cunneen's correction for general arrivals and service.

    C(c, a)  = B / (1 - rho * (1 - B)),  B(c, a) by the stable recursion B = a * B / (c' + a * B), rho = a / c, a = lambda * E[S]
    Wq       = C(c, a) / (c / E[S] - lambda) * (ca^2 + cs^2) / 2

Sources: Erlang 1917; Allen, Probability, Statistics and Queueing Theory, 1990 (Allen-Cunneen); Little 1961.
"""

from __future__ import annotations

import math

MANY = 20_000.0
MANY_MARGIN = 2.0
"""Beyond ``MANY`` erlangs, two square roots of spare servers let fewer than one request in a hundred wait (Halfin, Whitt 1981)."""


def erlang_b(num_servers: int, *, offered_load: float) -> float:
    """Probability that all servers are busy where nobody waits; ``offered_load`` a = lambda * E[S] in erlangs."""
    assert num_servers >= 0 and offered_load >= 0, "servers and load cannot be negative"
    blocked = 1.0
    for server in range(1, num_servers + 1):
        blocked = offered_load * blocked / (server + offered_load * blocked)
    return blocked


def erlang_c(num_servers: int, *, offered_load: float) -> float:
    """Probability that an arrival waits; 1 where the load reaches the number of servers."""
    if offered_load >= num_servers:
        return 1.0
    blocked = erlang_b(num_servers, offered_load=offered_load)
    return blocked / (1 - offered_load / num_servers * (1 - blocked))


def mean_wait_s(
    rate_per_s: float, *, service_s: float, num_servers: int, arrival_cv2: float = 1.0, service_cv2: float = 1.0
) -> float:
    """Mean wait in the queue by Allen-Cunneen; exact for M/M/c and for M/G/1; infinite where the load is too high.

    ``*_cv2`` are squared coefficients of variation: 1 for Poisson arrivals and exponential service, 0 for constant service.
    """
    offered = rate_per_s * service_s
    if offered >= num_servers:
        return math.inf
    if rate_per_s == 0:
        return 0.0
    waits = erlang_c(num_servers, offered_load=offered)
    return waits / (num_servers / service_s - rate_per_s) * (arrival_cv2 + service_cv2) / 2


def wait_quantile_s(rate_per_s: float, *, service_s: float, num_servers: int, quantile: float) -> float:
    """Wait that a share ``quantile`` of arrivals does not exceed in M/M/c: P(W > t) = C * exp(-(c / E[S] - lambda) * t)."""
    assert 0 <= quantile < 1, "a quantile lies in [0, 1)"
    offered = rate_per_s * service_s
    if offered >= num_servers:
        return math.inf
    waits = erlang_c(num_servers, offered_load=offered)
    return 0.0 if waits <= 1 - quantile else math.log(waits / (1 - quantile)) / (num_servers / service_s - rate_per_s)


def mean_in_system(rate_per_s: float, *, response_s: float) -> float:
    """Little's law: mean number of requests in the system, L = lambda * W."""
    return rate_per_s * response_s


def servers_for_wait(rate_per_s: float, *, service_s: float, wait_s: float, quantile: float) -> int:
    """The fewest servers with which a share ``quantile`` of arrivals waits no longer than ``wait_s`` (M/M/c)."""
    offered = rate_per_s * service_s
    count = max(1, math.floor(offered) + 1)
    if offered > MANY:
        return math.ceil(offered + MANY_MARGIN * math.sqrt(offered))
    while wait_quantile_s(rate_per_s, service_s=service_s, num_servers=count, quantile=quantile) > wait_s:
        count += 1
    return count
