"""Render the risk: probabilities compared with the alternatives, drivers of cost and P(SLO), safer choices, phased growth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from aigc_bench.core.messages import joined, message, translated
from aigc_bench.core.units import quantity, shown_money
from aigc_bench.plan.output.risk_rows import Drivers, GrowthRows
from aigc_bench.report.charts import OWN_HOVER, Chart, by_year, in_money, money_code, rounded
from aigc_bench.report.markup import markup, number, template
from aigc_bench.report.plan.view import PlanPage

NAME = "plan-risk"
TITLE = message("Risk")


def render(page: PlanPage) -> str | None:
    """Return the section; ``None`` if nothing is recommended or the plan was made without Monte Carlo scenarios."""
    risk = page.view.risk
    if risk is None:
        return None
    charts = (cost_tornado(risk.cost_drivers), slo_tornado(risk.slo_drivers))
    tables = ((message("Total cost"), risk.cost_drivers), ("P(SLO)", risk.slo_drivers))
    values = {
        "risk": risk,
        "figures": page.figures,
        "number": number,
        "charts": [chart for chart in charts if chart],
        "path": risk.growth,
        "path_chart": path_chart(risk.growth) if risk.growth and risk.growth.is_staged else None,
        # The content of the charts as tables.
        "tables": [(title, drivers) for title, drivers in tables if drivers.rows],
    }
    return template("plan_risk.html.j2", values)


def cost_tornado(found: Drivers) -> Chart | None:
    """Return the mean total cost with each input in its lowest and its highest tenth, about the mean of all scenarios."""
    axis = message("total cost, {currency}", currency=money_code())
    return _tornado(found, id="plan-tornado-cost", title=message("Cost drivers"), axis=axis)


def slo_tornado(found: Drivers) -> Chart | None:
    """Return the same for the share of scenarios that meet every SLO and deadline."""
    axis = message("P(every SLO and deadline met)")
    return _tornado(found, id="plan-tornado-slo", title=message("P(SLO) drivers"), axis=axis)


def _tornado(found: Drivers, *, id: str, title: str, axis: str) -> Chart | None:
    if not found.rows:
        return None
    unit, factor, middle = _unit(found), _factor(found), found.middle
    traces = [
        _side(message("input at P10"), found, [one.at_low for one in found.rows], color="c2"),
        _side(message("input at P90"), found, [one.at_high for one in found.rows], color="c1"),
    ]
    line = {"type": "line", "x0": rounded(factor * middle), "x1": rounded(factor * middle), "y0": 0, "y1": 1, "yref": "paper"}
    layout = {
        "barmode": "overlay",
        "bargap": 0.4,
        "showlegend": True,
        "xaxis": {
            "title": {"text": axis},
            **({"tickformat": "~s", "tickprefix": shown_money(0.0)[0]} if unit == "usd" else {"ticksuffix": " %"}),
        },
        "yaxis": {"type": "category", "autorange": "reversed"},
        "shapes": [{**line, "line": {"color": "@muted", "width": 1.2, "dash": "dot"}}],
    }
    words = joined(
        "; ",
        (
            message("{name}: {low} to {high}", name=one.name, low=quantity(one.at_low, unit), high=quantity(one.at_high, unit))
            for one in found.rows
        ),
    )
    note = message(
        "Mean of the scenarios with the input in its lowest and in its highest tenth; dotted: the mean of all scenarios."
    )
    return Chart(id=id, title=title, note=note, traces=traces, layout=layout, words=words, height_px=124 + 30 * len(found.rows))


def _unit(found: Drivers) -> str:
    return "fraction" if found.is_share else "usd"


def _factor(found: Drivers) -> float:
    return 100.0 if found.is_share else shown_money(1.0)[1]


def _side(name: str, found: Drivers, values: Sequence[float], *, color: str) -> dict[str, Any]:
    factor, middle = _factor(found), found.middle
    return {
        "type": "bar",
        "orientation": "h",
        "name": name,
        "y": [one.name for one in found.rows],
        # Bars begin at the mean of all scenarios and reach to the conditional one; x is their length, with its sign.
        "base": [rounded(factor * middle)] * len(found.rows),
        "x": [rounded(factor * (value - middle)) for value in values],
        "marker": {"color": f"@{color}", "opacity": 0.85},
        "customdata": [
            markup(
                "<b>{input}</b><br>{low:.2g} to {high:.2g} times its median<br>{end}: {value}",
                input=one.name,
                low=one.low,
                high=one.high,
                end=name,
                value=quantity(value, _unit(found)),
            )
            for one, value in zip(found.rows, values, strict=True)
        ],
        "hovertemplate": OWN_HOVER,
    }


def path_chart(path: GrowthRows) -> Chart:
    """Return the cash flow of each year, with phased purchase and with everything bought upfront."""
    labels = [message("year {year}", year=one.year) for one in path.years]
    traces = [
        {
            "type": "bar",
            "name": name,
            "x": labels,
            "y": [in_money(value.value) if (value := getattr(one, field).value) else None for one in path.years],
            "marker": {"color": f"@{color}"},
            "hovertemplate": Markup("%{{x}}, {}: {}%{{y:,.0f}}<extra></extra>").format(translated(name), shown_money(0.0)[0]),
        }
        for name, field, color in ((message("phased purchase"), "staged", "c1"), (message("all upfront"), "upfront", "c2"))
    ]
    layout = by_year(barmode="group", axis=message("cash flow of the year, {currency}", currency=money_code()))
    words = joined(
        "; ",
        (
            message(
                "{label}: {staged} phased, {upfront} upfront",
                label=label,
                staged=quantity(one.staged.value.value, "usd"),
                upfront=quantity(one.upfront.value.value, "usd"),
            )
            for label, one in zip(labels, path.years, strict=True)
            if one.staged.value and one.upfront.value
        ),
    )
    note = message("Purchase and running cost less resale, which falls in the last year.")
    return Chart(
        id="plan-path",
        title=message("Growth: phased or upfront purchase"),
        note=note,
        traces=traces,
        layout=layout,
        words=words,
        height_px=320,
    )
