"""Render the risk: probabilities compared with the alternatives, drivers of cost and P(SLO), safer choices, phased growth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from aigc_bench.core.messages import joined, message, translated
from aigc_bench.core.units import quantity, shown_money
from aigc_bench.plan.output.risk_view import RiskView
from aigc_bench.plan.records.risk import GrowthPath, Swing, Tornado
from aigc_bench.plan.risk.counted_risk import path_key, regret_key, swing_key
from aigc_bench.report.charts import OWN_HOVER, Chart, by_year, in_money, money_code, rounded
from aigc_bench.report.markup import markup, number, template
from aigc_bench.report.plan.view import PlanPage

NAME = "plan-risk"
TITLE = message("Risk")


def render(page: PlanPage) -> str | None:
    """Return the section; ``None`` if nothing is recommended or the plan was made without Monte Carlo scenarios."""
    found, risk, best = page.view.plan.certainty, page.view.risk, page.view.best
    if found is None or risk is None or best is None:
        return None
    path = risk.growth_path
    values = {
        "found": found,
        "risk": risk,
        "best": best,
        # Without a confidence the expected cost is the one at central values.
        "expects": page.view.plan.demand.constraints.confidence > 0,
        "figures": page.figures,
        "number": number,
        "charts": [chart for chart in (cost_tornado(found.tornado, risk), slo_tornado(found.tornado, risk)) if chart],
        "path": path,
        "path_chart": path_chart(path) if path and risk.is_staged else None,
        "regret_key": regret_key,
        "swing_key": swing_key,
        "path_key": path_key,
        "swings": [(kind, title, unit, swings) for kind, title, unit, swings in _swings(risk) if swings],
    }
    return template("plan_risk.html.j2", values)


def _swings(found: RiskView) -> tuple[tuple[str, str, str, Sequence[Swing]], ...]:
    """Return the content of the charts as tables: kind, title, unit, bars."""
    return ("cost", message("Total cost"), "usd", found.cost_drivers), ("slo", "P(SLO)", "fraction", found.slo_drivers)


def cost_tornado(found: Tornado, risk: RiskView) -> Chart | None:
    """Return the mean total cost with each input in its lowest and its highest tenth, about the mean of all scenarios."""
    bars = [(one, one.tco_low_usd, one.tco_high_usd) for one in risk.cost_drivers]
    return _tornado(
        bars,
        id="plan-tornado-cost",
        title=message("Cost drivers"),
        unit="usd",
        middle=found.mean_tco_usd,
        axis=message("total cost, {currency}", currency=money_code()),
    )


def slo_tornado(found: Tornado, risk: RiskView) -> Chart | None:
    """Return the same for the share of scenarios that meet every SLO and deadline."""
    bars = [(one, one.p_slo_low or 0.0, one.p_slo_high or 0.0) for one in risk.slo_drivers]
    return _tornado(
        bars,
        id="plan-tornado-slo",
        title=message("P(SLO) drivers"),
        unit="fraction",
        middle=found.p_slo or 0.0,
        axis=message("P(every SLO and deadline met)"),
    )


def _tornado(
    bars: Sequence[tuple[Swing, float, float]], *, id: str, title: str, unit: str, middle: float, axis: str
) -> Chart | None:
    if not bars:
        return None
    factor = 100.0 if unit == "fraction" else shown_money(1.0)[1]
    names = [one.name for one, _, _ in bars]
    traces = [
        _side(message("input at P10"), [low for _, low, _ in bars], bars, names, unit=unit, middle=middle, color="c2"),
        _side(message("input at P90"), [high for _, _, high in bars], bars, names, unit=unit, middle=middle, color="c1"),
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
            message("{name}: {low} to {high}", name=one.name, low=quantity(low, unit), high=quantity(high, unit))
            for one, low, high in bars
        ),
    )
    note = message(
        "Mean of the scenarios with the input in its lowest and in its highest tenth; dotted: the mean of all scenarios."
    )
    return Chart(id=id, title=title, note=note, traces=traces, layout=layout, words=words, height_px=124 + 30 * len(bars))


def _side(
    name: str,
    values: Sequence[float],
    bars: Sequence[tuple[Swing, float, float]],
    names: Sequence[str],
    *,
    unit: str,
    middle: float,
    color: str,
) -> dict[str, Any]:
    factor = 100.0 if unit == "fraction" else shown_money(1.0)[1]
    return {
        "type": "bar",
        "orientation": "h",
        "name": name,
        "y": list(names),
        # Bars begin at the mean of all scenarios and reach to the conditional one; x is their length, with its sign.
        "base": [rounded(factor * middle)] * len(names),
        "x": [rounded(factor * (value - middle)) for value in values],
        "marker": {"color": f"@{color}", "opacity": 0.85},
        "customdata": [
            markup(
                "<b>{input}</b><br>{low:.2g} to {high:.2g} times its median<br>{end}: {value}",
                input=one.name,
                low=one.low,
                high=one.high,
                end=name,
                value=quantity(value, unit),
            )
            for (one, _, _), value in zip(bars, values, strict=True)
        ],
        "hovertemplate": OWN_HOVER,
    }


def path_chart(path: GrowthPath) -> Chart:
    """Return the cash flow of each year, with phased purchase and with everything bought upfront."""
    labels = [message("year {year}", year=one.year) for one in path.years]
    traces = [
        {
            "type": "bar",
            "name": name,
            "x": labels,
            "y": [in_money(value.value) if (value := getattr(one, field)) else None for one in path.years],
            "marker": {"color": f"@{color}"},
            "hovertemplate": Markup("%{{x}}, {}: {}%{{y:,.0f}}<extra></extra>").format(translated(name), shown_money(0.0)[0]),
        }
        for name, field, color in ((message("phased purchase"), "staged_usd", "c1"), (message("all upfront"), "at_once_usd", "c2"))
    ]
    layout = by_year(barmode="group", axis=message("cash flow of the year, {currency}", currency=money_code()))
    words = joined(
        "; ",
        (
            message(
                "{label}: {staged} phased, {upfront} upfront",
                label=label,
                staged=quantity(one.staged_usd.value, "usd"),
                upfront=quantity(one.at_once_usd.value, "usd"),
            )
            for label, one in zip(labels, path.years, strict=True)
            if one.staged_usd and one.at_once_usd
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
