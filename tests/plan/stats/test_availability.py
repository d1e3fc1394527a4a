"""Spares by k-of-n availability against sums written out by hand and against the binomial distribution of scipy."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aigc_bench.plan.stats.queueing import exactly_k_of_n, k_of_n, spares


def test_two_of_three_is_the_textbook_sum() -> None:
    assert k_of_n(2, 3, availability=0.9) == pytest.approx(3 * 0.9**2 * 0.1 + 0.9**3)


def test_edges_are_certain() -> None:
    assert k_of_n(0, 0, availability=0.5) == 1.0
    assert k_of_n(3, 2, availability=1.0) == 0.0
    assert k_of_n(2, 2, availability=1.0) == 1.0
    assert k_of_n(1, 2, availability=0.0) == 0.0


FLEETS = [(5, 7, 0.95), (7, 7, 0.95), (7, 7, 1.0), (100, 104, 0.99), (9_000, 9_300, 0.98), (19_900, 20_120, 0.99)]


@pytest.mark.parametrize(("needed", "installed", "up"), FLEETS)
def test_sums_and_terms_agree_with_scipy(needed: int, installed: int, up: float) -> None:
    from scipy.stats import binom

    assert k_of_n(needed, installed, availability=up) == pytest.approx(binom.sf(needed - 1, installed, up), rel=1e-9)
    assert exactly_k_of_n(needed, installed, availability=up) == pytest.approx(binom.pmf(needed, installed, up), rel=1e-9)


def test_one_machine_of_99_percent_needs_one_spare_for_three_nines() -> None:
    assert spares(1, availability=0.99, target=0.999) == 1
    assert spares(1, availability=0.9999, target=0.999) == 0
    assert spares(0, availability=0.9, target=0.999) == 0


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 1000), st.floats(0.5, 0.9999), st.floats(0.5, 0.99999))
def test_spares_are_enough_and_one_less_is_not(needed: int, availability: float, target: float) -> None:
    found = spares(needed, availability=availability, target=target)
    assert k_of_n(needed, needed + found, availability=availability) >= target
    assert found == 0 or k_of_n(needed, needed + found - 1, availability=availability) < target


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 1000), st.floats(0.6, 0.999))
def test_more_machines_never_need_fewer_spares(needed: int, availability: float) -> None:
    assert spares(needed + 1, availability=availability, target=0.999) >= spares(needed, availability=availability, target=0.999)


def test_an_enormous_fleet_is_answered_immediately() -> None:
    assert 5e12 < spares(10**15, availability=0.995, target=0.999) < 5.1e12
