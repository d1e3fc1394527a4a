"""Spares by k-of-n binomial availability: how many identical, independent machines keep at least k of them working.

    P(at least k of n work) = sum over i = k..n of C(n, i) * a^i * (1 - a)^(n - i)

with ``a`` the availability of one machine. Source: Barlow and Proschan, Mathematical Theory of Reliability, 1965. Failures
that hit all machines together (a feed, a room, a bad update) are not modelled.
"""

from __future__ import annotations

import math

LARGE = 10_000
"""Beyond this many machines the normal approximation is used: its error is far below that of any availability figure."""


def k_of_n(needed: int, installed: int, *, availability: float) -> float:
    """Return the probability in [0, 1] that at least ``needed`` of ``installed`` machines work."""
    assert 0 <= availability <= 1, "availability is a fraction"
    if needed <= 0:
        return 1.0
    if needed > installed:
        return 0.0
    return _upper_tail(needed, installed, availability)


def _upper_tail(needed: int, installed: int, availability: float) -> float:
    """Return the sum over the number of failed machines, in logarithms to avoid overflow and cancellation."""
    if availability in (0.0, 1.0):
        return availability
    if installed > LARGE:
        spread = math.sqrt(installed * availability * (1 - availability))
        return 0.5 * math.erfc((needed - 0.5 - installed * availability) / (spread * math.sqrt(2)))
    few_enough = range(installed - needed + 1)
    return min(1.0, math.fsum(math.exp(_log_pmf(failed, installed, 1 - availability)) for failed in few_enough))


def _log_pmf(count: int, trials: int, probability: float) -> float:
    """Return the logarithm of the binomial probability of ``count`` events in ``trials``."""
    choose = math.lgamma(trials + 1) - math.lgamma(count + 1) - math.lgamma(trials - count + 1)
    return choose + count * math.log(probability) + (trials - count) * math.log1p(-probability)


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
        top = 2 * top + 1
    low, high = 0, top
    while low < high:
        middle = (low + high) // 2
        reached = k_of_n(needed, needed + middle, availability=availability) >= target
        low, high = (low, middle) if reached else (middle + 1, high)
    return low
