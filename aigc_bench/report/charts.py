"""Build charts as JSON specifications: drawn by plotly.js when they scroll into view, shown as text where scripts do not run.

Colours are names of the palette in ``style.css`` (``@c1``), looked up when drawn, so that a chart follows light and dark.
plotly reads a little HTML in its texts. Every string of a chart is therefore escaped when the chart is written, but for ``Markup``.
"""

from __future__ import annotations

import html
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from markupsafe import Markup

from aigc_bench.core.messages import joined, message, translated
from aigc_bench.core.units import quantity, scale, shown_money
from aigc_bench.core.visible import visible

OWN_HOVER = Markup("%{customdata}<extra></extra>")
"""A hover that shows the point's ``customdata`` and no box with the name of its trace."""
THOUSANDS = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"))


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A chart: what plotly draws (``traces``, ``layout``), and its text (``title``, ``note``, ``words``)."""

    id: str
    title: str
    traces: Sequence[Mapping[str, Any]]
    layout: Mapping[str, Any]
    words: str
    """The chart's content as text: for screen readers and for a browser without scripts."""
    note: str = ""
    height_px: int = 320

    def __html__(self) -> str:
        """Return the figure as HTML."""
        # Escaped twice over, for two readers: plotly reads HTML in strings, the browser ends a script at "</".
        spec = script_json(_escaped({"data": self.traces, "layout": {**self.layout, "height": self.height_px}}))
        name, title, note = html.escape(self.id, quote=True), html.escape(translated(self.title)), translated(self.note)
        note = f'<span class="note">{html.escape(note)}</span>' if note else ""
        words = translated(self.words)
        return Markup(
            f'<figure class="chart"><figcaption><strong>{title}</strong>{note}</figcaption>'
            f'<div class="plot" role="img" aria-label="{html.escape(f"{translated(self.title)}. {words}", quote=True)}" '
            f'data-spec="spec-{name}" style="height:{self.height_px}px"></div>'
            f"<noscript><p>{html.escape(words)}</p></noscript>"
            f'<script type="application/json" id="spec-{name}">{spec}</script></figure>'
        )


@dataclass(frozen=True, kw_only=True)
class Point:
    """One case's value in a chart of cases, with its interval."""

    label: str
    value: float
    unit: str
    color: str
    low: float | None = None
    high: float | None = None
    hover: Sequence[str] = ()
    """More lines for the pointer."""
    is_solid: bool = True
    """A hollow dot is a number that is not valid."""


def dots(id: str, *, title: str, points: Sequence[Point], axis: str, note: str = "", divide_by: float = 1.0) -> Chart:
    """Return a chart of one dot with its interval per case; the axis is logarithmic if the values span more than a factor of eight.

    The axis shows values divided by ``divide_by``; ``axis`` names what is then counted.
    """
    is_log = _spans(point.value for point in points)
    colors = [f"@{point.color}" for point in points]
    symbols = ["circle" if point.is_solid else "circle-open" for point in points]
    trace = {
        "type": "scatter",
        "mode": "markers",
        "x": [rounded(point.value / divide_by) for point in points],
        "y": [point.label for point in points],
        "marker": {"size": 10, "color": colors, "symbol": symbols, "line": {"width": 2, "color": colors}},
        "error_x": _errors(points, divide_by=divide_by),
        "hovertemplate": OWN_HOVER,
        "customdata": [Markup("<b>{}</b><br>{}").format(translated(point.label), _lines(point)) for point in points],
    }
    # plotly takes a logarithmic range in decades; a linear axis starts at zero, or differences look larger than they are.
    kind = {"type": "log", "range": _decades(points, divide_by=divide_by)} if is_log else {"type": "linear", "rangemode": "tozero"}
    # Reversed: plotly draws the first category at the bottom.
    layout = {"xaxis": {"title": {"text": axis}, **kind}, "yaxis": {"type": "category", "autorange": "reversed"}}
    words = joined("; ", (message("{label}: {words}", label=point.label, words=_worded(point)) for point in points))
    return Chart(id=id, title=title, note=note, traces=[trace], layout=layout, words=words, height_px=rows_height_px(len(points)))


@dataclass(frozen=True, kw_only=True)
class Series:
    """One named kind of value in a chart of grouped bars; ``None`` leaves a gap."""

    name: str
    values: Sequence[float | None]
    color: str


@dataclass(frozen=True, kw_only=True)
class Limit:
    """A reference line."""

    value: float
    label: str


def bars(
    id: str, *, title: str, labels: Sequence[str], series: Sequence[Series], unit: str, note: str = "", limit: Limit | None = None
) -> Chart:
    """Return horizontal bars, grouped by label, on a linear axis that starts at zero."""
    greatest = max((value for one in series for value in one.values if value is not None), default=1.0)
    factor, printed = scale(greatest, unit)
    traces = [
        {
            "type": "bar",
            "orientation": "h",
            "name": one.name,
            "x": [None if value is None else rounded(value / factor) for value in one.values],
            "y": list(labels),
            "marker": {"color": f"@{one.color}"},
            "customdata": [
                Markup("<b>{}</b><br>{}: {}").format(translated(label), translated(one.name), quantity(value, unit))
                for label, value in zip(labels, one.values, strict=True)
            ],
            "hovertemplate": OWN_HOVER,
        }
        for one in series
    ]
    layout: dict[str, Any] = {
        "barmode": "group",
        "bargap": 0.35,
        "showlegend": len(series) > 1,
        "xaxis": {"title": {"text": printed}, "rangemode": "tozero"},
        "yaxis": {"type": "category", "autorange": "reversed"},
    }
    if limit is not None:
        layout |= _limit_line(limit, factor=factor)
    words = joined(
        "; ",
        (message("{label}: {values}", label=label, values=_values(series, at=at, unit=unit)) for at, label in enumerate(labels)),
    )
    # 10 px a bar and 14 between groups; 30 for a legend.
    height_px = rows_height_px(len(labels), row_px=14 + 10 * len(series)) + (30 if len(series) > 1 else 0)
    return Chart(id=id, title=title, note=note, traces=traces, layout=layout, words=words, height_px=height_px)


def _values(series: Sequence[Series], *, at: int, unit: str) -> str:
    known = ((one.name, value) for one in series if (value := one.values[at]) is not None)
    return joined(", ", (message("{name} {value}", name=name, value=quantity(value, unit)) for name, value in known))


def rows_height_px(num_rows: int, *, row_px: int = 40) -> int:
    """Return the height of a chart with that many rows, axis and margins included."""
    return 84 + row_px * max(1, num_rows)


def by_year(*, barmode: str, axis: str) -> dict[str, Any]:
    """Return the layout of dollars as bars, a category for each year."""
    return {
        "barmode": barmode,
        "bargap": 0.45,
        "showlegend": True,
        "bare": True,
        "xaxis": {"type": "category"},
        "yaxis": {"title": {"text": axis}, "tickformat": "~s", "tickprefix": shown_money(0.0)[0]},
    }


def in_money(usd: float | None) -> float | None:
    """Return an amount in the currency that is shown, rounded for a chart."""
    return rounded(None if usd is None else shown_money(usd)[1])


def money_code() -> str:
    """Return the currency that is shown, for the title of an axis."""
    mark = shown_money(0.0)[0]
    return {"$": "USD", "€": "EUR", "£": "GBP"}.get(mark, mark.strip())


def dollars(low_usd: float, high_usd: float) -> dict[str, Any]:
    """Return a logarithmic axis of money from just below one amount to just above another; both must be positive."""
    low, high = shown_money(low_usd)[1], shown_money(high_usd)[1]
    ends = math.log10(low) - 0.1, math.log10(high) + 0.1
    # Over several decades labels at 2 and 5 would overlap.
    steps = (1, 2, 5) if ends[1] - ends[0] < 3.5 else (1,)
    ticks = [step * 10.0**power for power in range(math.floor(ends[0]), math.ceil(ends[1]) + 1) for step in steps]
    shown = [tick for tick in ticks if ends[0] <= math.log10(tick) <= ends[1]]
    words = [f"{shown_money(0.0)[0]}{short_number(tick)}" for tick in shown]
    return {"type": "log", "range": [round(end, 3) for end in ends], "tickvals": shown, "ticktext": words}


def short_number(value: float) -> str:
    """Return a round number with its thousands as a letter: ``5k``, ``2M``, ``0.5``."""
    size, letter = next(((size, letter) for size, letter in THOUSANDS if value >= size), (1.0, ""))
    return f"{value / size:g}{letter}"


def rounded(value: float | None, *, significant: int = 5) -> float | None:
    """Return the value with ``significant`` digits; ``None`` if it is not finite."""
    # Fewer digits make a much smaller page; nan and infinity cannot be written in JSON.
    shown = math.nan if value is None else float(f"{value:.{significant}g}")
    return shown if math.isfinite(shown) else None


def _errors(points: Sequence[Point], *, divide_by: float) -> dict[str, Any]:
    above = [0.0 if point.high is None else max(0.0, point.high - point.value) for point in points]
    # Never down to 0 or below: a logarithmic axis could not draw that end.
    below = [0.0 if point.low is None else max(0.0, min(point.value - point.low, point.value * 0.999)) for point in points]
    return {
        "type": "data",
        "symmetric": False,
        "array": [rounded(value / divide_by) for value in above],
        "arrayminus": [rounded(value / divide_by) for value in below],
        "thickness": 1.5,
        "width": 5,
        "color": "@muted",
    }


def _worded(point: Point) -> str:
    interval = (
        ""
        if point.low is None or point.high is None
        else message(" ({low} to {high})", low=quantity(point.low, point.unit), high=quantity(point.high, point.unit))
    )
    value = message("{value}{interval}", value=quantity(point.value, point.unit), interval=interval)
    return joined(", ", (value, *point.hover))


def _lines(point: Point) -> Markup:
    words = _worded(replace(point, hover=()))
    return Markup("<br>").join(map(translated, (words, *point.hover)))


def _decades(points: Sequence[Point], *, divide_by: float) -> list[float]:
    """Return the range of a logarithmic axis in decades, slightly wider than the values."""
    exponents = [math.log10(point.value / divide_by) for point in points if point.value > 0]
    return [round(min(exponents) - 0.25, 3), round(max(exponents) + 0.25, 3)]


def _spans(values: Iterable[float]) -> bool:
    positive = [value for value in values if value > 0]
    # Within a factor of eight a linear axis still separates the smallest values.
    return bool(positive) and max(positive) > 8 * min(positive)


def _limit_line(limit: Limit, *, factor: float) -> dict[str, Any]:
    x = rounded(limit.value / factor)
    line = {
        "type": "line",
        "x0": x,
        "x1": x,
        "y0": 0,
        "y1": 1,
        "yref": "paper",
        "line": {"color": "@bad", "width": 1.5, "dash": "dot"},
    }
    label = {
        "x": x,
        "y": 1,
        "yref": "paper",
        "yanchor": "bottom",
        "xanchor": "right",
        "text": limit.label,
        "showarrow": False,
    }
    return {"shapes": [line], "annotations": [{**label, "font": {"color": "@bad", "size": 11}}]}


def script_json(spec: Mapping[str, Any]) -> str:
    """Return JSON that is safe inside a script element, in the reader's language; it never runs. Hidden characters are escaped."""
    # allow_nan=False: JSON.parse fails on NaN, and with it the chart.
    words = json.dumps(_mapped(spec, lambda one: visible(translated(one), keep="\n")), separators=(",", ":"), allow_nan=False)
    # JSON's own escapes: the script element's text cannot end early, and JSON.parse restores the characters.
    return words.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _escaped(spec: Mapping[str, Any]) -> Any:
    """Return a specification with every string escaped except ``Markup``, so that plotly shows it verbatim."""
    return _mapped(spec, lambda one: one if isinstance(one, Markup) else html.escape(translated(one), quote=False))


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    """Return the value as JSON types, with ``change`` applied to every string and key."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {change(str(name)): _mapped(one, change) for name, one in value.items()}
    if isinstance(value, int | float | None):
        return value
    # numpy's arrays and scalars.
    if hasattr(value, "tolist"):
        return _mapped(value.tolist(), change)
    return [_mapped(one, change) for one in value] if isinstance(value, Iterable) else change(str(value))
