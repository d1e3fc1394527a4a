"""Spares by k-of-n binomial availability: how many identical, independent machines keep at least k of them working.

    P(at least k of n work) = sum over i = k..n of C(n, i) * a^i * (1 - a)^(n - i) = I_a(k, n - k + 1)

with ``a`` the availability of one machine and I the regularised incomplete beta function (Abramowitz and Stegun 26.5.24). Source:
Barlow and Proschan, Mathematical Theory of Reliability, 1965. Failures that hit all machines together (a feed, a room, a bad
update) are not modelled.
"""

from __future__ import annotations

import math


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
