"""Chances, round numbers of units and ticks of dollars as they are printed."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.core.units import probability_text
from aigc_bench.plan.output.shown_number import CENT, round_counts
from aigc_bench.plan.stats.estimates import estimate
from aigc_bench.report.charts import dollars, short_number
from aigc_bench.report.markup import dollars as amount

COSTS = st.floats(1e-9, 1e4)


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (0.0, "0 %"),
        (0.000244, "under 0.1 %"),
        (0.002, "0.2 %"),
        (0.0154, "2 %"),
        (0.8066, "81 %"),
        (0.995, "99.5 %"),
        (0.99995, "over 99.9 %"),
        (1.0, "100 %"),
    ],
)
def test_a_chance_is_told_no_finer_than_worlds_know_it(share: float, words: str) -> None:
    assert probability_text(share) == words


@given(st.floats(0, 1, exclude_min=True, exclude_max=True))
def test_only_what_is_certain_is_told_as_0_or_100(share: float) -> None:
    assert probability_text(share) not in ("0 %", "100 %", "0.0 %", "100.0 %")


@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), st.tuples(COSTS, st.sampled_from(["token", "image"])), min_size=1))
def test_units_are_told_in_the_fewest_that_cost_a_cent_alike_for_one_item(costs: dict[str, tuple[float, str]]) -> None:
    found = round_counts({name: estimate(usd, unit=f"usd/{item}", basis="assumed") for name, (usd, item) in costs.items()})
    for item in ("token", "image"):
        names = [name for name, (_, kind) in costs.items() if kind == item]
        counts = {found[name] for name in names}
        assert len(counts) == (1 if names else 0)
        for count, words in counts:
            least = min(costs[name][0] for name in names)
            assert least * count >= CENT or count == 1e9
            assert words.endswith(item if count == 1 else f"{item}s")


def test_a_load_that_costs_nothing_changes_no_number_of_units() -> None:
    costs = {"a": estimate(0.0, unit="usd/token", basis="assumed"), "b": estimate(3e-6, unit="usd/token", basis="assumed")}
    assert round_counts(costs) == {"a": (1e6, "million tokens"), "b": (1e6, "million tokens")}


@given(st.floats(1, 1e8), st.floats(1, 1e4))
def test_ticks_of_dollars_lie_on_their_axis_and_are_few(low: float, times: float) -> None:
    axis = dollars(low, low * times)
    first, last = axis["range"]
    assert all(first - 1e-3 <= math.log10(tick) <= last + 1e-3 for tick in axis["tickvals"])
    assert len(axis["tickvals"]) == len(axis["ticktext"]) <= 13
    assert all(word.startswith("$") and len(word) <= 5 for word in axis["ticktext"])


def test_thousands_are_letters_on_an_axis() -> None:
    assert [short_number(value) for value in (0.5, 20, 5e3, 2e6, 1e9)] == ["0.5", "20", "5k", "2M", "1B"]


def test_amounts_below_a_thousand_are_whole_where_they_are() -> None:
    assert [amount(value) for value in (28.0, 5.916, 999.0, 18_750.0)] == ["28", "5.92", "999", "18,800"]
