"""Waiting in a queue with c servers (Erlang C, Allen-Cunneen), and how many identical servers keep at least k of them working.

Waiting, with c servers and an offered load of a::

    C(c, a)  = B / (1 - rho * (1 - B)),  B(c, a) by the stable recursion B = a * B / (c' + a * B), rho = a / c, a = lambda * E[S]
    1 / B    = sum over k = 0..c of c * (c - 1) * ... * (c - k + 1) / a^k          equivalent; needs few terms for many servers
    P(wait > t) = C(c, a) * exp(-(c / E[S] - lambda) * t);  Allen-Cunneen: general waits are (ca^2 + cs^2) / 2 times as long

Sources: Erlang 1917; Allen, Probability, Statistics and Queueing Theory, 1990 (Allen-Cunneen).

Spares::

    P(at least k of n work) = sum over i = k..n of C(n, i) * a^i * (1 - a)^(n - i) = I_a(k, n - k + 1)

with ``a`` the availability of one machine and I the regularised incomplete beta function (Abramowitz and Stegun 26.5.24). Source:
Barlow and Proschan, Mathematical Theory of Reliability, 1965. Failures that hit all machines together (a feed, a room, a bad
update) are not modelled.
"""

from __future__ import annotations

import math

import numpy as np

SEVERAL = 500
"""The recursion is used up to this many servers, the sum beyond, where it is faster."""
MANY = 10_000_000
"""Beyond this many servers Halfin and Whitt's limit replaces the sum, which takes gigabytes; its error is 1 / sqrt(servers)."""


def erlang_b(num_servers: int, *, offered_load: float) -> float:
    """Return the probability that all servers are busy where no request queues; ``offered_load`` a = lambda * E[S] in erlangs."""
    assert num_servers >= 0 and offered_load >= 0, "servers and load cannot be negative"
    if num_servers > SEVERAL:
        return _erlang_b_of_many(num_servers, offered_load)
    # B(0, a) = 1; each step adds one server.
    blocked = 1.0
    for server in range(1, num_servers + 1):
        blocked = offered_load * blocked / (server + offered_load * blocked)
    return blocked


def _erlang_b_of_many(num_servers: int, load: float) -> float:
    """Return the sum in logarithms up to its last relevant term: terms rise ``servers - load`` times, then fall like a normal."""
    if load <= 0:
        return 0.0
    # Nine standard deviations past the largest term what is left out is below double precision.
    num_terms = min(num_servers, math.ceil(max(0.0, num_servers - load) + 9 * math.sqrt(num_servers)) + 50)
    # Logarithms, because the terms themselves can overflow.
    logs = np.concatenate(([0.0], np.cumsum(np.log((num_servers - np.arange(num_terms)) / load))))
    return float(np.exp(-np.logaddexp.reduce(logs)))


def erlang_c(num_servers: int, *, offered_load: float) -> float:
    """Return the probability in [0, 1] that an arrival waits; 1 where the load reaches the number of servers.

    ``offered_load`` a = lambda x E[S] in erlangs. Source: Erlang 1917.
    """
    if offered_load >= num_servers:
        return 1.0
    if num_servers > MANY:
        return _erlang_c_of_very_many(num_servers, offered_load)
    blocked = erlang_b(num_servers, offered_load=offered_load)
    # rho = a / c; blocked is B(c, a).
    return blocked / (1 - offered_load / num_servers * (1 - blocked))


def _erlang_c_of_very_many(num_servers: int, load: float) -> float:
    """Return Halfin and Whitt's limit (1981): C = 1 / (1 + b * N(b) / n(b)), b = (c - a) / sqrt(c), N and n of the normal."""
    # Beyond 38 the density underflows to 0 and would be divided by; at 30 the probability is about 1e-197.
    beta = min(30.0, (num_servers - load) / math.sqrt(num_servers))
    below, density = 0.5 * math.erfc(-beta / math.sqrt(2)), math.exp(-beta * beta / 2) / math.sqrt(2 * math.pi)
    return 1 / (1 + beta * below / density)


def wait_quantile_s(rate_per_s: float, *, service_s: float, num_servers: int, quantile: float) -> float:
    """Return the wait that a share ``quantile`` of arrivals does not exceed in M/M/c.

    P(W > t) = C * exp(-(c / E[S] - lambda) * t), solved for t.
    """
    assert 0 <= quantile < 1, "a quantile lies in [0, 1)"
    # Offered load a = lambda x E[S] in erlangs, and the spare capacity c / E[S] - lambda in requests/s.
    offered, left_per_s = rate_per_s * service_s, num_servers / service_s - rate_per_s
    if offered >= num_servers or left_per_s <= 0:
        return math.inf
    waits = erlang_c(num_servers, offered_load=offered)
    # The quantile lies among the arrivals that do not wait at all.
    return 0.0 if waits <= 1 - quantile else math.log(waits / (1 - quantile)) / left_per_s


def servers_for_wait(rate_per_s: float, *, service_s: float, wait_s: float, quantile: float) -> int:
    """Return the fewest servers with which a share ``quantile`` of arrivals waits no longer than ``wait_s`` (M/M/c).

    Found by doubling and bisection: every further server shortens the wait.
    """
    # One server more than the offered load: with as many the queue grows without end.
    fewest = max(1, math.floor(rate_per_s * service_s) + 1)

    def is_enough(more: int) -> bool:
        """Return whether ``quantile`` of arrivals waits no longer than allowed with that many servers above the minimum."""
        wait = wait_quantile_s(rate_per_s, service_s=service_s, num_servers=fewest + more, quantile=quantile)
        return wait <= wait_s

    low, high = 0, 0
    while not is_enough(high):
        # low is always the least count that has not been refused.
        low, high = high + 1, 2 * high + 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if is_enough(middle) else (middle + 1, high)
    return fewest + low


def k_of_n(needed: int, installed: int, *, availability: float) -> float:
    """Return the probability in [0, 1] that at least ``needed`` of ``installed`` machines work."""
    # scipy.stats has this as binom.sf, and takes half a second to import; scipy.special.bdtrc is NaN from 1e12 machines on.
    from scipy.special import betainc

    assert 0 <= availability <= 1, "availability is a fraction"
    if needed <= 0:
        return 1.0
    if needed > installed:
        return 0.0
    return float(betainc(needed, installed - needed + 1, availability))


def exactly_k_of_n(working: int, installed: int, *, availability: float) -> float:
    """Return the probability in [0, 1] that ``working`` of ``installed`` machines work and no more."""
    from scipy.special import betaln, xlog1py, xlogy

    # The logarithm of the binomial coefficient by the beta function, since the coefficient itself overflows at 1,030 machines.
    choose = -math.log(installed + 1) - betaln(working + 1, installed - working + 1)
    return math.exp(choose + xlogy(working, availability) + xlog1py(installed - working, -availability))


def spares(needed: int, *, availability: float, target: float) -> int:
    """Return the fewest spares with which at least ``needed`` machines work with probability ``target`` or more.

    Found by doubling and bisection: the probability rises with every spare.
    """
    assert 0 < target < 1, "the target availability lies between 0 and 1"
    assert 0 < availability <= 1, "spares cannot replace machines that never work"
    if needed <= 0:
        return 0
    top = 0
    while k_of_n(needed, needed + top, availability=availability) < target:
        # 0, 1, 3, 7 ...: small fleets need few spares, so the search starts small.
        top = 2 * top + 1
    low, high = 0, top
    while low < high:
        middle = (low + high) // 2
        reached = k_of_n(needed, needed + middle, availability=availability) >= target
        low, high = (low, middle) if reached else (middle + 1, high)
    return low
