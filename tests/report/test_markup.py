"""Numbers as they stand in the page: with unit, interval, basis and verdict, and a reason where they are missing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.core.records import Estimate, MetricRow
from aigc_bench.core.units import figure, quantity, scale
from aigc_bench.report.markup import MARKS, between, missing, number, prose, short, spread

UNITS = st.sampled_from(["s", "B", "W", "J/token", "tokens/s", "fraction", "usd", "usd/year", "Hz", "C", "ratio", "cores"])


def row(value: float | None = 0.0123, **changes: object) -> MetricRow:
    plain: dict[str, object] = {
        "case": "gpt/gpt2-124m/infer/fp32/b1",
        "workload": "gpt",
        "preset": "gpt2-124m",
        "mode": "infer",
        "scenario": "offline",
        "engine": "torch-eager",
        "precision": "fp32",
        "batch_size": 1,
        "devices": 1,
        "metric": "step_time",
        "value": value,
        "low": None,
        "high": None,
        "unit": "s",
        "n": 5,
        "basis": "measured",
        "verdict": "valid",
    }
    return MetricRow.model_validate(plain | changes)


def test_a_number_carries_unit_interval_n_basis_and_verdict() -> None:
    shown = number(row(low=0.012, high=0.0126, verdict="suspect", reasons=("busy_host",)))
    for part in ("12.3", "ms", "12.0 ms to 12.6 ms", "n = 5", "measured", "suspect", "other processes", MARKS["measured"][0]):
        assert part in shown


def test_a_missing_number_is_a_dash_that_says_why() -> None:
    assert "–" in number(None, why="no sensor")
    assert "no sensor" in number(None, why="no sensor")
    shown = number(row(None, verdict="suspect", reasons=("busy_host", "peak_unknown")))
    assert "the dense peak or the bandwidth" in shown
    assert "other processes" not in shown, "what merely doubts a number is no reason for its absence"
    assert ">0<" not in shown


def test_hostile_words_are_escaped_in_every_mark() -> None:
    hostile = "<b onmouseover='x'>"
    estimate = Estimate(value=1.0, low=1.0, high=1.0, unit=hostile, basis="assumed", source=hostile)
    for shown in (number(estimate), missing(hostile), prose(hostile), short([hostile])):
        assert "<b" not in shown


@given(value=st.floats(1e-9, 1e12), unit=UNITS)
def test_every_number_is_followed_by_its_unit(value: float, unit: str) -> None:
    estimate = Estimate(value=value, low=value, high=value, unit=unit, basis="modelled")
    shown = str(number(estimate))
    assert "$" in shown if unit.startswith("usd") else scale(value, unit)[1] in shown
    assert MARKS["modelled"][0] in shown


@given(value=st.floats(1e-6, 1e9), half=st.floats(0, 1))
def test_the_spread_is_the_wider_half_in_percent(value: float, half: float) -> None:
    found = spread(row(value, low=value * (1 - half / 2), high=value * (1 + half)))
    if value * (1 - half / 2) == value * (1 + half):
        assert found == ""
    elif half < 0.00099:
        assert found == "± under 0.1 %"
    elif half > 0.00101:
        assert float(found.split()[1]) == pytest.approx(half * 100, rel=0.06)


def test_the_spread_of_a_share_is_in_points() -> None:
    assert spread(row(0.5, low=0.48, high=0.52, unit="fraction")) == "± 2.0 points"


def test_an_interval_is_printed_in_the_unit_of_its_value() -> None:
    assert between(row(0.95, low=0.9, high=1.1)) == "900 to 1,100"
    assert between(row(0.95)) == ""


@pytest.mark.parametrize(("value", "shown"), [(44.0, "44"), (1000.0, "1,000"), (44.3, "44.3"), (0.000123, "0.000123"), (0.0, "0")])
def test_whole_numbers_are_printed_whole(value: float, shown: str) -> None:
    assert figure(value) == shown


def test_prose_shows_commands_as_code_and_leaves_names_small() -> None:
    assert prose("run `df` +-50 %") == "Run <code>df</code> ±50\u00a0%", "a number keeps its sign of per cent on its line"
    assert prose("gpt: nightly training") == "gpt: nightly training"


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (0.0021, "J/token", "2.10 mJ/token"),
        (90.0, "s", "90.0 s"),
        (2000, "B", "1.95 KiB"),
        (0.3, "fraction", "30.0 %"),
        (71.5, "C", "71.5 °C"),
        (1.02, "ratio", "1.02 ×"),
        (8.5, "usd/year", "$8.50/year"),
    ],
)
def test_units_are_printed_as_people_write_them(value: float, unit: str, shown: str) -> None:
    assert quantity(value, unit) == shown
