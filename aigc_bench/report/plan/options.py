"""Render the options: cost against head-room as a chart, the cheapest of every kind and accelerator as a table, the rest folded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from aigc_bench.core.messages import joined, message, plural
from aigc_bench.core.units import quantity, shown_money
from aigc_bench.plan.output.options_view import OptionRow, OptionsView
from aigc_bench.report.charts import OWN_HOVER, Chart, dollars, in_money, money_code, rounded
from aigc_bench.report.markup import template
from aigc_bench.report.plan.view import PlanPage

NAME = "plan-options"
TITLE = message("Options compared")
COLORS: Mapping[str, str] = {"owned": "c1", "colocated": "c3", "cloud": "c2", "api": "c5"}


def render(page: PlanPage) -> str | None:
    """Return the section; ``None`` if there is no option at all."""
    found = page.view.options
    if not page.view.plan.options:
        return None
    values = {
        "figures": page.figures,
        "options": found,
        "chart": cost_against_headroom(found) if found.charted else None,
        "cost_name": message("P90 of the cost") if found.is_ranked_by_p90 else message("Expected cost"),
        "kinds": found.kinds,
    }
    return template("plan_options.html.j2", values)


MARKS: Mapping[str, tuple[str, str]] = {
    "below": ("circle-open", message("Hollow: below the required confidence.")),
    "simulated": ("x", message("Cross: not confirmed by the simulation.")),
}
"""Symbols of options that are not recommended although their limits hold, and what they mean."""


def cost_against_headroom(options: OptionsView) -> Chart:
    """Return every option whose limits hold by cost and head-room of its bottleneck; APIs have no limit of their own.

    Those that P(SLO) or the simulation refuses have a symbol of their own.
    """
    known = [one for one in options.charted if one.option.bottleneck is not None and one.compared_usd > 0]
    kinds = list(dict.fromkeys(one.option.kind for one in known))
    traces = [_dots([one for one in known if one.option.kind == kind], kind=kind) for kind in kinds]
    chosen = [one for one in known if one.is_recommended]
    if chosen:
        ring = {"size": 18, "symbol": "circle-open", "color": "@accent", "line": {"width": 2.5, "color": "@accent"}}
        # A ring around the dot, last, so that it lies on top.
        traces.append({**_dots(chosen, kind=chosen[0].option.kind), "name": message("recommended"), "marker": ring})
    costs = [one.compared_usd for one in known] or [1.0]
    layout = {
        "xaxis": {
            "title": {"text": message("{measure} over the life, {currency}", measure=options.compared_by, currency=money_code())},
            **_cost_axis(costs),
        },
        "yaxis": {"title": {"text": message("head-room of the bottleneck, %")}, "rangemode": "tozero"},
        "showlegend": True,
        "bare": True,
    }
    words = joined(
        "; ",
        (
            message(
                "{what}: {tco}, {bottleneck} {room:.0f} % head-room",
                what=one.what,
                tco=quantity(one.compared_usd, "usd"),
                bottleneck=one.option.bottleneck,
                room=one.headroom_percent,
            )
            # Text for screen readers: the first eight by rank, the table has all.
            for one in known[:8]
        ),
    )
    return Chart(
        id="plan-options",
        title=message("Cost against head-room"),
        note=_note(known, num_without=len(options.charted) - len(known)),
        traces=traces,
        layout=layout,
        words=words,
        height_px=380,
    )


def _note(known: Sequence[OptionRow], *, num_without: int) -> str:
    """Return how the chart is read, with the symbols that it has."""
    drawn = {mark for one in known if (mark := _mark(one)) is not None}
    words = [message("Up and to the left is better."), *(meaning for name, (_, meaning) in MARKS.items() if name in drawn)]
    if num_without:
        words.append(
            plural(
                "{count} API has no limits and is in the table only.",
                "{count} APIs have no limits and are in the table only.",
                count=num_without,
            )
        )
    return joined(" ", words)


def _mark(row: OptionRow) -> str | None:
    """Return the key of the symbol of a refused option."""
    if row.refused_by is None:
        return None
    return "simulated" if row.is_unconfirmed else "below"


def _dots(rows: Sequence[OptionRow], *, kind: str) -> dict[str, Any]:
    marks = [_mark(one) for one in rows]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": rows[0].kind.lower() if kind != "api" else rows[0].kind,
        "x": [in_money(one.compared_usd) for one in rows],
        "y": [rounded(one.headroom_percent) for one in rows],
        "marker": {
            "size": 10,
            "color": f"@{COLORS[kind]}",
            "opacity": 0.8,
            "symbol": ["circle" if one is None else MARKS[one][0] for one in marks],
        },
        "customdata": [_hover(one) for one in rows],
        "hovertemplate": OWN_HOVER,
    }


def _hover(row: OptionRow) -> Markup:
    mean, low, high = (quantity(end, "usd") for end in row.expected_usd)
    words = Markup("<b>{}</b><br>{} ({} to {})<br>bottleneck: {}, {:.0f} % head-room").format(
        row.what, mean, low, high, row.option.bottleneck, row.headroom_percent
    )
    return words if row.refused_by is None else words + Markup("<br>{}").format(row.refused_by)


def _cost_axis(values: Sequence[float]) -> dict[str, Any]:
    """Return a logarithmic axis if the values span more than a factor of eight, else a linear one."""
    low, high = min(values), max(values)
    return (
        dollars(low, high)
        if high > 8 * low
        else {"type": "linear", "rangemode": "tozero", "tickformat": "~s", "tickprefix": shown_money(0.0)[0]}
    )
