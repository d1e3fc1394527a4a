"""Build charts over time: strips that share one axis, lines thinned so that peaks stay, shaded windows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from markupsafe import Markup

from aigc_bench.core.messages import message, translated
from aigc_bench.core.units import scale
from aigc_bench.report.charts import Chart, rounded

NUM_LINE_COLORS = 7
"""Palette colours that lines cycle through."""
MAX_POINTS = 400
"""Points of one line that a chart keeps; more are thinned to the minimum and maximum of each interval."""
# Below that a line over a window is no longer a line, however many trials share the strip.
MIN_LINE_POINTS = 24
STRIP_PX = 96


@dataclass(frozen=True, kw_only=True)
class TimeStrip:
    """One strip of a stacked chart over time: what it shows, its unit, and its lines (name, times, values, colour)."""

    title: str
    unit: str
    lines: Sequence[Curve]
    ceiling: float | None = None
    is_close_up: bool = False
    """Whether the axis may start above zero, so that small changes are visible."""


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One line over time, in seconds and the lane's unit."""

    name: str
    times_s: Sequence[float]
    values: Sequence[float | None] = field(repr=False)
    color: str
    style: Literal["line", "marks", "rings"] = "line"


@dataclass(frozen=True, kw_only=True)
class Band:
    """A shaded interval of time, such as a measured window."""

    start_s: float
    end_s: float
    color: str = "accent"


def timeline(
    id: str,
    *,
    title: str,
    strips: Sequence[TimeStrip],
    axis: str,
    words: str,
    note: str = "",
    bands: Sequence[Band] = (),
    max_points: int = MAX_POINTS,
) -> Chart:
    """Return strips over one shared time axis, top to bottom, with shaded intervals; at most ``max_points`` per strip."""
    height_px = 56 + STRIP_PX * len(strips)
    # Room for a strip's title, as a share of the plot without its margins (56 px); plotly's domains run from 0 to 1.
    gap = 24 / (height_px - 56) if len(strips) > 1 else 0.0
    height = (1.0 - gap * (len(strips) - 1)) / len(strips)
    traces: list[dict[str, Any]] = []
    layout: dict[str, Any] = {"showlegend": False, "annotations": [], "hovermode": "closest", "bare": True}
    for number, strip in enumerate(strips):
        # From the top down, while plotly's axis of height begins at the bottom.
        top = 1.0 - number * (height + gap)
        # plotly's names: yaxis, yaxis2, yaxis3.
        suffix = "" if number == 0 else str(number + 1)
        factor, printed = scale(_greatest(strip), strip.unit)
        layout[f"yaxis{suffix}"] = {
            "domain": [round(max(0.0, top - height), 4), round(top, 4)],
            **_strip_axis(strip, factor=factor),
        }
        layout["annotations"].append(_strip_title(message("{title}, {unit}", title=strip.title, unit=printed), top=top))
        each = max(MIN_LINE_POINTS, max_points // len(strip.lines))
        traces += [_strip_trace(line, factor=factor, printed=printed, axis=f"y{suffix}", max_points=each) for line in strip.lines]
    # One time axis below the lowest strip: zooming one zooms all.
    layout["xaxis"] = {"title": {"text": axis}, "anchor": f"y{len(strips) if len(strips) > 1 else ''}", "zeroline": False}
    layout["shapes"] = [_shade(band) for band in bands]
    return Chart(id=id, title=title, note=note, traces=traces, layout=layout, words=words, height_px=height_px)


def _greatest(strip: TimeStrip) -> float:
    return max((abs(value) for line in strip.lines for value in line.values if value is not None), default=1.0)


def _strip_axis(strip: TimeStrip, *, factor: float) -> dict[str, Any]:
    style: dict[str, Any] = {"nticks": 4, "rangemode": "tozero", "anchor": "x"}
    if strip.ceiling is not None:
        style |= {"range": [0, rounded(strip.ceiling / factor)], "autorange": False}
    if strip.is_close_up:
        values = [value / factor for line in strip.lines for value in line.values if value is not None]
        # Five per cent on either side, so that no mark lies on the frame.
        style |= {"range": [rounded(0.95 * min(values)), rounded(1.05 * max(values))], "autorange": False}
    return style


def _strip_title(words: str, *, top: float) -> dict[str, Any]:
    place = {"x": 0, "xref": "paper", "xanchor": "left", "y": round(top, 4), "yref": "paper", "yanchor": "bottom"}
    return {**place, "text": words, "showarrow": False, "font": {"size": 11, "color": "@muted"}}


def _strip_trace(line: Curve, *, factor: float, printed: str, axis: str, max_points: int) -> dict[str, Any]:
    times, values = thinned(line.times_s, line.values, max_points=max_points)
    look: dict[str, Any] = {"line": {"width": 1.4, "color": f"@{line.color}"}}
    if line.style != "line":
        symbol = "circle-open" if line.style == "rings" else "circle"
        look = {"marker": {"size": 4.5, "color": f"@{line.color}", "opacity": 0.7, "symbol": symbol}}
    return {
        "type": "scatter",
        "mode": "lines" if line.style == "line" else "markers",
        "name": line.name,
        "x": [rounded(time, significant=5) for time in times],
        "y": [rounded(None if value is None else value / factor, significant=4) for value in values],
        "yaxis": axis,
        "hovertemplate": Markup("{}<br>%{{y:.4~g}} {} at %{{x:.4~g}} s<extra></extra>").format(translated(line.name), printed),
        **look,
    }


def _shade(band: Band) -> dict[str, Any]:
    area = {
        "type": "rect",
        "xref": "x",
        "yref": "paper",
        "x0": rounded(band.start_s, significant=7),
        "x1": rounded(band.end_s, significant=7),
    }
    return {**area, "y0": 0, "y1": 1, "fillcolor": f"@{band.color}", "opacity": 0.10, "line": {"width": 0}, "layer": "below"}


def thinned(
    times: Sequence[float], values: Sequence[float | None], *, max_points: int = MAX_POINTS
) -> tuple[list[float], list[float | None]]:
    """Return the line with about ``max_points`` points: minimum and maximum of each interval, in order, so that peaks stay."""
    if len(times) <= max_points:
        return list(times), list(values)
    # Two points are kept of each interval, hence the factor.
    size = math.ceil(2 * len(times) / max_points)
    kept: list[int] = []
    for start in range(0, len(times), size):
        present = [at for at in range(start, min(start + size, len(times))) if values[at] is not None]
        if present:
            kept += sorted({min(present, key=lambda at: values[at] or 0.0), max(present, key=lambda at: values[at] or 0.0)})
        else:
            # A stretch without values stays one: it is the gap in the line.
            kept.append(start)
    return [times[at] for at in kept], [values[at] for at in kept]
