"""Draws of an estimate: its value is the median and its ends the 10th and 90th percentile, drawn anew for every name and seed."""

from __future__ import annotations

import math

import numpy as np
import pytest

from aigc_bench.plan.stats.distributions import NUM_DRAWS, draws, interval_of, normals, sample, spread
from aigc_bench.plan.stats.estimates import estimate

P90 = 1.2815515655446004
WIDE = estimate(4.0, low=1.0, high=8.0, unit="x", basis="assumed")


def test_the_ends_lie_at_the_tenth_and_ninetieth_percentile() -> None:
    assert spread(WIDE, np.array([-P90, 0.0, P90])) == pytest.approx([1.0, 4.0, 8.0])
    assert spread(WIDE, np.array([-2 * P90, 2 * P90])) == pytest.approx([4 / 16, 4 * 4]), "logarithms are normal"


def test_what_may_be_nothing_is_drawn_without_logarithms_and_never_below_it() -> None:
    maybe = estimate(4.0, low=0.0, high=6.0, unit="x", basis="assumed")
    assert spread(maybe, np.array([-2 * P90, -P90, -P90 / 2, P90, 2 * P90])) == pytest.approx([0.0, 0.0, 2.0, 6.0, 8.0])
    signed = estimate(1.0, low=-2.0, high=2.0, unit="x", basis="assumed")
    assert spread(signed, np.array([-2 * P90, P90])) == pytest.approx([-5.0, 2.0])


def test_no_draw_overflows() -> None:
    enormous = estimate(1.0, low=1e-300, high=1e300, unit="x", basis="assumed")
    found = spread(enormous, np.array([-9.0, 9.0]))
    assert np.isfinite(found).all() and found == pytest.approx([math.exp(-700), math.exp(700)])


def test_a_name_and_a_seed_have_a_stream_of_their_own() -> None:
    again, other_name, other_seed = normals("a", num=50), normals("b", num=50), normals("a", num=50, seed=1)
    assert np.array_equal(normals("a", num=50), again)
    assert not np.array_equal(again, other_name) and not np.array_equal(again, other_seed)
    assert len(normals("a")) == NUM_DRAWS and len(draws(WIDE, name="a")) == NUM_DRAWS


def test_draws_follow_the_number_the_name_and_the_seed() -> None:
    assert np.array_equal(draws(WIDE, name="a", num=7, seed=3), spread(WIDE, normals("a", num=7, seed=3)))
    both = sample({"a": WIDE, "b": WIDE}, num=7, seed=3)
    assert {name: list(values) for name, values in both.items()} == {
        name: list(draws(WIDE, name=name, num=7, seed=3)) for name in ("a", "b")
    }
    assert all(len(values) == NUM_DRAWS for values in sample({"a": WIDE}).values())


def test_many_draws_have_the_estimates_quantiles() -> None:
    found = interval_of(draws(WIDE, name="a", num=200_000), unit="y", basis="modelled", source="drawn")
    assert (found.low, found.value, found.high) == (
        pytest.approx(1, rel=0.03),
        pytest.approx(4, rel=0.03),
        pytest.approx(8, rel=0.03),
    )
    assert (found.unit, found.basis, found.source) == ("y", "modelled", "drawn")


def test_an_interval_runs_from_p10_to_p90() -> None:
    found = interval_of(np.arange(11.0), unit="y", basis="modelled", source="s")
    assert (found.low, found.value, found.high) == (1.0, 5.0, 9.0)


@pytest.mark.parametrize("values", [[], [1.0, math.nan]])
def test_an_interval_of_nothing_or_of_missing_draws_is_refused(values: list[float]) -> None:
    with pytest.raises(AssertionError, match="at least one sample"):
        interval_of(np.array(values), unit="y", basis="modelled", source="s")
