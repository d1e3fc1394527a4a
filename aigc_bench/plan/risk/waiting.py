"""Waiting in many queues simultaneously, with any number of servers, also fractional.

    C(c, a)   1 / (rho + g x (Phi(x) / phi(x) + 2 / (3 sqrt(c))))
    rho = a / c,   g = (1 - rho) sqrt(c),   x^2 / 2 = c (rho - 1 - ln rho)

Phi and phi are the normal distribution and its density. From half load on the formula lies within 3.5 % of Erlang's C, for a single
server too; below that somewhat above it. Source: Janssen, van Leeuwaarden, Zwart, Gaussian expansions and bounds for the Poisson
distribution applied to the Erlang B formula, Advances in Applied Probability 40 (2008).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aigc_bench.plan.risk.scenarios import Flags
from aigc_bench.plan.stats.distributions import Array

MAX_LOG = 700.0
TIGHT = 1e-9
MOST_REPLICAS = 2.0**24
"""A scenario that would need more replicas than this counts as one that no number serves."""


@dataclass(frozen=True, kw_only=True)
class Queue:
    """A queue in every scenario: requests/s, seconds each, requests that a replica holds, and the longest allowed wait.

    ``wait_s`` is the slack of the SLO over the variation of arrivals and work; ``None`` where nothing bounds a wait.
    """

    rate_per_s: Array
    service_s: Array
    slots: Array
    wait_s: Array | None
    late_share: float


def erlang_c(servers: Array, offered: Array) -> Array:
    """Return the probability that an arrival waits; 1 where the load reaches the number of servers."""
    from scipy.special import ndtr

    share = np.clip(offered / servers, 1e-12, 1.0)
    exponent = np.minimum(servers * np.maximum(share - 1 - np.log(share), 0.0), MAX_LOG)
    ratio = np.sqrt(2 * np.pi) * np.exp(exponent) * ndtr(np.sqrt(2 * exponent))
    root = np.sqrt(servers)
    return np.asarray(np.minimum(1.0, 1 / (share + (1 - share) * root * (ratio + 2 / (3 * root)))))


def keeps(queue: Queue, replicas: Array) -> Flags:
    """Return where ``replicas`` answer in time: stable, and at most ``late_share`` of requests wait longer than allowed."""
    servers = replicas * queue.slots
    offered = queue.rate_per_s * queue.service_s
    is_stable = offered < servers
    if queue.wait_s is None:
        return np.asarray(is_stable)
    drain = np.clip((servers - offered) / queue.service_s * queue.wait_s, 0.0, MAX_LOG)
    late = erlang_c(servers, offered) * np.exp(-drain)
    return np.asarray(is_stable & (queue.wait_s >= 0) & (late <= queue.late_share))


def replicas_needed(queue: Queue) -> Array:
    """Return the fewest whole replicas with which each queue keeps its SLO; infinite where no number does."""
    offered = queue.rate_per_s * queue.service_s
    low = np.maximum(1.0, np.floor(offered / queue.slots * (1 + TIGHT)) + 1)
    possible = np.isfinite(low) & (low < MOST_REPLICAS)
    if queue.wait_s is not None:
        possible &= queue.wait_s >= 0
    found = np.where(possible, low, np.inf)
    open_ = np.flatnonzero(possible)
    open_ = open_[~keeps(_some(queue, open_), low[open_])]
    if open_.size:
        found[open_] = _searched(_some(queue, open_), low[open_])
    return found


def _searched(queue: Queue, low: Array) -> Array:
    """Search by doubling the distance from a count that is too low, then by bisection."""
    step = np.ones_like(low)
    for _ in range(60):
        short = ~keeps(queue, low + step) & (low + step < MOST_REPLICAS)
        if not short.any():
            break
        low, step = np.where(short, low + step, low), np.where(short, 2 * step, step)
    high = low + step
    while (high - low > 1).any():
        middle = np.floor((low + high) / 2)
        enough = keeps(queue, middle)
        low, high = np.where(enough, low, np.maximum(low, middle)), np.where(enough, np.minimum(high, middle), high)
    return np.where(high >= MOST_REPLICAS, np.inf, high)


def _some(queue: Queue, rows: npt.NDArray[np.int64]) -> Queue:
    return Queue(
        rate_per_s=queue.rate_per_s[rows],
        service_s=queue.service_s[rows],
        slots=queue.slots[rows],
        wait_s=None if queue.wait_s is None else queue.wait_s[rows],
        late_share=queue.late_share,
    )
