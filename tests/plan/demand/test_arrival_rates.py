"""Peak, duty and burstiness of arrivals: by hand for users, hours and the moments of a trace."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.core.errors import UsageError
from aigc_bench.plan.demand.arrival_rates import from_hourly, from_rate, from_times, from_users, read_arrivals, usual_duty
from aigc_bench.plan.stats.estimates import estimate
from tests.plan.build import exact


def test_users_become_requests_a_second_at_the_peak() -> None:
    """6,000 users, 10 % at work, 2 requests a minute, twice as many at the peak: 40 requests a second."""
    found = from_users(
        users=exact(6000, "users"),
        active_share=estimate(0.1, low=0.05, high=0.2, unit="fraction", basis="assumed"),
        requests_per_minute=exact(2, "request/min"),
        peak_factor=exact(2, "ratio"),
        duty=exact(0.3, "fraction"),
    )
    peak = found.peak_requests_per_s
    assert (peak.value, peak.low, peak.high) == (pytest.approx(40), pytest.approx(20), pytest.approx(80))
    assert (peak.unit, peak.source) == ("request/s", found.formula)
    assert found.duty.value == 0.3
    assert {name: part.value for name, part in found.parts.items()} == {
        "users": 6000,
        "active share": 0.1,
        "requests a minute": 2,
        "peak factor": 2,
    }


def test_a_stated_rate_is_the_peak() -> None:
    rate, duty = exact(7.0, "request/s"), exact(0.4, "fraction")
    found = from_rate(rate, duty=duty)
    assert (found.peak_requests_per_s, found.duty, dict(found.parts)) == (rate, duty, {"rate": rate})
    assert found.hourly is None


def test_the_busiest_hour_and_its_minutes_make_the_peak() -> None:
    """7,200 requests in the busiest of 24 hours, half of that in eleven others: 2 a second, 4 in its busiest minutes."""
    hours = [0.0] * 12 + [3600.0] * 11 + [7200.0]
    factor = estimate(2.0, low=1.6, high=4.0, unit="ratio", basis="assumed")
    found = from_hourly(hours, peak_factor=factor, source="counted")
    mean_share = (11 * 0.5 + 1) / 24
    assert (found.peak_requests_per_s.value, found.peak_requests_per_s.unit) == (pytest.approx(4.0), "request/s")
    assert found.peak_requests_per_s.source == found.formula
    assert found.duty.value == pytest.approx(mean_share / 2)
    assert (found.duty.low, found.duty.high) == (pytest.approx(mean_share / 4), pytest.approx(mean_share / 1.6))
    assert (found.duty.unit, found.duty.basis) == ("fraction", "assumed")
    assert found.hourly == (0.0,) * 12 + (0.5,) * 11 + (1.0,)
    busiest = found.parts["busiest hour"]
    assert (busiest.value, busiest.unit, busiest.source) == (2.0, "request/s", "counted")
    assert found.parts["peak factor"] == factor


def test_an_unstated_mean_lies_below_the_peak_by_the_shape_of_the_day_and_of_the_hour() -> None:
    day = estimate(2.0, low=1.5, high=3.0, unit="ratio", basis="assumed")
    duty = usual_duty(diurnal=day, peak_factor=exact(1.25, "ratio"))
    assert (duty.value, duty.low, duty.high, duty.unit) == (
        pytest.approx(0.4),
        pytest.approx(1 / 3.75),
        pytest.approx(1 / 1.875),
        "fraction",
    )
    assert duty.basis == "assumed"
    even = exact(1.0, "ratio")
    assert usual_duty(diurnal=even, peak_factor=even).value == 1.0


def test_a_day_without_requests_has_no_shape_and_asks_for_nothing() -> None:
    found = from_hourly([0.0] * 24, peak_factor=exact(2.0, "ratio"), source="counted")
    assert (found.peak_requests_per_s.value, found.duty.value, found.hourly) == (0.0, 0.0, None)


def test_an_even_day_is_busy_all_of_the_time_and_no_more() -> None:
    found = from_hourly([60.0] * 24, peak_factor=estimate(1.0, low=0.5, high=2.0, unit="ratio", basis="assumed"), source="counted")
    assert (found.duty.value, found.duty.high) == (1.0, 1.0)


@pytest.mark.parametrize("hours", [[1.0] * 23, [1.0] * 25, [*[1.0] * 23, -1.0]])
def test_a_day_has_24_hours_none_of_them_negative(hours: list[float]) -> None:
    with pytest.raises(AssertionError, match="24 hours"):
        from_hourly(hours, peak_factor=exact(2.0, "ratio"), source="counted")


def test_the_busiest_minute_of_a_trace_is_its_peak_and_the_whole_its_mean() -> None:
    """One request every 10 s for 10 minutes, and 30 more within a second: 6 + 30 in the busiest minute."""
    times = sorted([*(10.0 * place for place in range(61)), *(300.5 + 0.01 * place for place in range(30))])
    found = from_times(times, source="trace.csv")
    assert found.peak_requests_per_s.value == pytest.approx(36 / 60)
    assert found.duty.value == pytest.approx((90 / 600) / (36 / 60))
    assert (found.peak_requests_per_s.basis, found.duty.basis) == ("measured", "measured")
    assert (found.peak_requests_per_s.unit, found.duty.unit) == ("request/s", "fraction")
    assert "trace.csv" in str(found.peak_requests_per_s.source) and "trace.csv" in str(found.duty.source)
    assert dict(found.parts) == {"rate": found.peak_requests_per_s}


def test_a_request_a_window_later_belongs_to_the_next_window() -> None:
    assert from_times([0.0, 60.0, 120.0, 180.0], source="t").peak_requests_per_s.value == pytest.approx(1 / 60)


def test_a_trace_shorter_than_a_minute_is_its_own_window() -> None:
    assert from_times([5.0, 7.0, 9.0], source="t").peak_requests_per_s.value == pytest.approx(2 / 4)
    assert from_times([0.0, 0.1, 0.2, 10.0], source="t").peak_requests_per_s.value == pytest.approx(3 / 10)


@pytest.mark.parametrize(("times", "cv2"), [([0, 1, 2, 3], 0.0), ([0, 1, 4, 5, 8], 0.25), ([0, 0, 0, 3], 2.0)])
def test_burstiness_is_the_squared_variation_of_the_gaps(times: list[float], cv2: float) -> None:
    assert from_times(times, source="t").cv2 == pytest.approx(cv2)


@pytest.mark.parametrize("times", [[], [1.0], [2.0, 2.0], [1.0, 2.0, 1.0]])
def test_a_trace_holds_at_least_two_moments(times: list[float]) -> None:
    with pytest.raises(AssertionError, match="two moments"):
        from_times(times, source="t")


@given(st.lists(st.floats(0.01, 1e4), min_size=1, max_size=40))
def test_the_mean_of_a_trace_is_never_above_its_peak(gaps: list[float]) -> None:
    found = from_times([0.0, *itertools.accumulate(gaps)], source="t")
    assert 0 < found.duty.value <= 1
    mean = found.duty.value * found.peak_requests_per_s.value
    assert mean == pytest.approx(len(gaps) / sum(gaps))


def test_a_trace_is_read_in_rising_order_from_its_first_moment(tmp_path: Path) -> None:
    file = tmp_path / "arrivals.csv"
    file.write_text("arrival_s,who\n105,a\n100,b\n\n100.5,c\n")
    assert read_arrivals(file) == [0.0, 0.5, 5.0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("arrival_s\n1\n2M\n", "arrivals.csv: line 3: arrival_s '2M' "),
        ("arrival_s\n1\nsoon\n", "arrivals.csv: line 3: arrival_s 'soon' "),
        ("arrival_s\n1\n1e300\n", "arrivals.csv: line 3: arrival_s '1e300' "),
        ("arrival_s\n1\n2,3,4\n", "arrivals.csv: line 3: row "),
        ("arrival_s\n7\n7\n", "arrivals.csv: needs requests at two different times"),
        ("when\n7\n8\n", "arrivals.csv"),
    ],
)
def test_what_is_no_trace_is_refused_with_its_file_and_line(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "arrivals.csv"
    file.write_text(text)
    with pytest.raises(UsageError) as caught:
        read_arrivals(file)
    assert said in str(caught.value)
