"""Chart specifications: what plotly is given, and what a reader without it is told."""

from __future__ import annotations

import itertools
import json
import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.analyze.readings import Series
from aigc_bench.report.charts import Chart, Limit, Point, bars, dots, rounded
from aigc_bench.report.charts import Series as Bars
from aigc_bench.report.telemetry_strips import with_gaps
from aigc_bench.report.timeline import Band, Curve, TimeStrip, thinned, timeline


def point(value: float, **changes: object) -> Point:
    return Point(**{"label": f"case {value}", "value": value, "unit": "s", "color": "c1", **changes})  # type: ignore[arg-type]


def test_values_that_span_decades_get_a_logarithmic_axis() -> None:
    wide = dots("a", title="A", points=[point(0.001), point(10.0)], axis="s")
    near = dots("a", title="A", points=[point(1.0), point(2.0)], axis="s")
    assert wide.layout["xaxis"]["type"] == "log"
    assert near.layout["xaxis"] == {"title": {"text": "s"}, "type": "linear", "rangemode": "tozero"}


def test_error_bars_are_the_interval_on_the_axis_s_scale() -> None:
    chart = dots("a", title="A", points=[point(0.010, low=0.009, high=0.012)], axis="ms", divide_by=1e-3)
    errors = chart.traces[0]["error_x"]
    assert chart.traces[0]["x"] == [pytest.approx(10)]
    assert errors["array"] == [pytest.approx(2)]
    assert errors["arrayminus"] == [pytest.approx(1)]


def test_a_number_that_is_not_valid_is_a_ring() -> None:
    chart = dots("a", title="A", points=[point(1.0), point(2.0, is_solid=False)], axis="s")
    assert chart.traces[0]["marker"]["symbol"] == ["circle", "circle-open"]


def test_the_words_of_a_chart_hold_every_label_value_and_unit() -> None:
    chart = bars("m", title="M", labels=["a", "b"], series=[Bars(name="x", values=[2**30, None], color="c1")], unit="B")
    assert chart.words == "a: x 1.00 GiB; b: "
    assert "2.00 s (1.00 s to 3.00 s)" in dots("a", title="A", points=[point(2.0, low=1.0, high=3.0)], axis="s").words


def test_missing_bars_are_gaps_and_not_zeros() -> None:
    chart = bars("m", title="M", labels=["a", "b"], series=[Bars(name="x", values=[5.0, None], color="c1")], unit="W")
    assert chart.traces[0]["x"] == [5.0, None]


def test_a_limit_is_drawn_in_the_bars_unit() -> None:
    chart = bars(
        "m",
        title="M",
        labels=["a"],
        series=[Bars(name="x", values=[2**30], color="c1")],
        unit="B",
        limit=Limit(value=2**31, label="full"),
    )
    assert chart.layout["shapes"][0]["x0"] == 2


def test_a_specification_cannot_end_its_script() -> None:
    chart = Chart(id="x", title="</figure>", traces=[{"name": "</script><b>"}], layout={}, words="<i>")
    shown = chart.__html__()
    spec = re.search(r'id="spec-x">(.*?)</script>', shown)
    assert spec is not None
    assert json.loads(spec.group(1))["data"][0]["name"] == "&lt;/script&gt;&lt;b&gt;", "plotly reads HTML"
    assert "<b>" not in shown
    assert "<i>" not in shown


@given(st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), max_size=3000), st.integers(20, 500))
def test_thinning_keeps_order_and_extremes_and_few_points(values: list[float | None], max_points: int) -> None:
    times = [float(at) for at in range(len(values))]
    kept_times, kept_values = thinned(times, values, max_points=max_points)
    assert len(kept_times) == len(kept_values) <= max(max_points + 2, 1)
    assert kept_times == sorted(kept_times)
    present = [value for value in values if value is not None]
    if present:
        kept = [value for value in kept_values if value is not None]
        assert (min(kept), max(kept)) == (min(present), max(present))


@given(st.one_of(st.none(), st.floats()))
def test_what_is_not_finite_never_reaches_a_chart(value: float | None) -> None:
    shown = rounded(value)
    assert shown is None or (math.isfinite(shown) and value is not None and shown == pytest.approx(value, rel=1e-4))


def test_a_line_breaks_where_its_sensor_was_silent() -> None:
    times = np.concatenate((np.arange(0, 5, 0.1), np.arange(60, 65, 0.1)))
    _, values = with_gaps(Series(time_s=times, value=np.ones_like(times)))
    assert values.count(None) == 1
    _, unbroken = with_gaps(Series(time_s=np.arange(0, 5, 0.1), value=np.ones(50)))
    assert None not in unbroken


def test_strips_share_an_axis_and_do_not_overlap() -> None:
    line = Curve(name="trial 1", times_s=[0.0, 1.0], values=[1.0, 2.0], color="c1")
    strips = [TimeStrip(title=name, unit="W", lines=[line]) for name in ("a", "b", "c")]
    chart = timeline("t", title="T", strips=strips, axis="s", words="w", bands=[Band(start_s=0, end_s=1)])
    domains = [chart.layout[f"yaxis{suffix}"]["domain"] for suffix in ("", "2", "3")]
    assert all(lower[1] < upper[0] for upper, lower in itertools.pairwise(domains))
    assert domains[0][1] == 1
    assert domains[-1][0] == pytest.approx(0, abs=1e-3)
    assert [trace["yaxis"] for trace in chart.traces] == ["y", "y2", "y3"]


def test_a_close_up_strip_shows_small_changes() -> None:
    line = Curve(name="t", times_s=[0.0, 1.0], values=[0.100, 0.101], color="c1", style="marks")
    chart = timeline("t", title="T", strips=[TimeStrip(title="a", unit="s", lines=[line], is_close_up=True)], axis="s", words="w")
    assert chart.layout["yaxis"]["range"] == [pytest.approx(95), pytest.approx(106.05)]
