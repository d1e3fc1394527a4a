"""Render every assumption of the plan, the widest interval first, with its source, then the method and what is not included."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup

from aigc_bench.core.messages import joined, message
from aigc_bench.core.records import Estimate
from aigc_bench.core.units import quantity
from aigc_bench.plan.output.assumptions_view import AssumptionRow
from aigc_bench.report.charts import OWN_HOVER, Chart, rounded
from aigc_bench.report.markup import template
from aigc_bench.report.plan.view import PlanPage

NAME = "plan-assumptions"
TITLE = message("Assumptions and sources")
# What fits a screen; the table below has all.
NUM_IN_CHART = 14
LEAST = 0.02
"""Lower end of a bar on the logarithmic axis, for intervals that begin at 0 or nearer to it."""


def render(page: PlanPage) -> str | None:
    """Return the method, the assumptions by width, and what is not included."""
    view = page.view.assumption_rows
    wide = [one for one in view.rows if one.has_interval][:NUM_IN_CHART]
    values = {"view": view, "figures": page.figures, "chart": chart_of(wide) if wide else None}
    return template("plan_assumptions.html.j2", values)


def chart_of(assumptions: Sequence[AssumptionRow]) -> Chart:
    """Return a bar for each assumption from its low to its high end, relative to its value."""
    names = [one.title for one in assumptions]
    low = [max(one.relative_low, LEAST) for one in assumptions]
    high = [max(one.relative_high, 1.0) for one in assumptions]
    trace = {
        "type": "bar",
        "orientation": "h",
        "y": names,
        # A bar on a logarithmic axis: plotly draws bars from zero, so logs are drawn on a linear axis with labels of their own.
        "x": [rounded(math.log10(top / bottom)) for top, bottom in zip(high, low, strict=True)],
        "base": [rounded(math.log10(bottom)) for bottom in low],
        "marker": {"color": "@c1"},
        "customdata": [Markup("<b>{}</b><br>{}").format(one.title, _with_interval(one.value)) for one in assumptions],
        "hovertemplate": OWN_HOVER,
    }
    ticks = [0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20]
    # From half to double at least: a narrow axis would make small intervals look wide.
    edges = min(min(low), 0.5), max(max(high), 2.0)
    shown = [tick for tick in ticks if edges[0] <= tick <= edges[1]]
    axis = {
        "title": {"text": message("relative to its value")},
        "tickvals": [rounded(math.log10(tick)) for tick in shown],
        "ticktext": [f"{tick:g}×" for tick in shown],
    }
    layout = {"xaxis": axis, "yaxis": {"type": "category", "autorange": "reversed"}, "bargap": 0.5}
    words = joined("; ", (message("{title}: {value}", title=one.title, value=_with_interval(one.value)) for one in assumptions))
    return Chart(
        id="plan-widths",
        title=message("Widest assumptions"),
        note=joined(
            " ",
            [
                message(
                    "Low to high end relative to the value. Replace an assumption by stating your own figure in the demand file."
                ),
                *([message("Ends below {least:g}× are cut off.", least=LEAST)] if min(low) <= LEAST else []),
            ],
        ),
        traces=[trace],
        layout=layout,
        words=words,
        height_px=84 + 26 * len(assumptions),
    )


def _with_interval(value: Estimate) -> str:
    low, high = quantity(value.low, value.unit), quantity(value.high, value.unit)
    return message("{value} ({low} to {high})", value=quantity(value.value, value.unit), low=low, high=high)
