"""Render the cash flow year by year, and the cost lines of a year."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from aigc_bench.core.messages import joined, message
from aigc_bench.core.units import quantity, shown_money
from aigc_bench.plan.output.cash_view import CashRow
from aigc_bench.report.charts import Chart, by_year, in_money, money_code
from aigc_bench.report.markup import template
from aigc_bench.report.plan.view import PlanPage

NAME = "plan-cash"
TITLE = message("Cash flow")


def render(page: PlanPage) -> str | None:
    """Return the section; ``None`` if nothing could be planned."""
    view, cash = page.view, page.view.cash
    if cash is None:
        return None
    values = {"chart": chart_of(cash.years), "cash": cash, "figures": page.figures, "lines": view.cost_rows}
    return template("plan_cash.html.j2", values)


def chart_of(years: tuple[CashRow, ...]) -> Chart:
    """Return bars of payments and resale, and a line of the cumulative sum."""
    labels = [message("start") if one.year == 0 else message("year {year}", year=one.year) for one in years]
    # Money that is received points down: resale has the sign -1.
    bars = (("purchase", "c1", 1), ("running", "c2", 1), ("resale", "c3", -1))
    traces: list[dict[str, Any]] = []
    for name, color, sign in bars:
        values = [getattr(one, name).value for one in years]
        # A kind of payment that never occurs gets no entry in the legend.
        if any(value is not None and value.value for value in values):
            traces.append(
                {
                    "type": "bar",
                    "name": name,
                    "x": labels,
                    "y": [None if value is None else in_money(sign * value.value) for value in values],
                    "marker": {"color": f"@{color}"},
                    "hovertemplate": Markup("%{{x}}, {}: {}%{{y:,.0f}}<extra></extra>").format(name, shown_money(0.0)[0]),
                }
            )
    sums = [value for one in years if (value := one.cumulative.value) is not None]
    traces.append(
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": "cumulative",
            "x": labels,
            "y": [in_money(one.value) for one in sums],
            "error_y": {
                "type": "data",
                "symmetric": False,
                "array": [in_money(one.high - one.value) for one in sums],
                "arrayminus": [in_money(one.value - one.low) for one in sums],
                "thickness": 1.2,
                "width": 4,
                "color": "@muted",
            },
            "line": {"color": "@ink", "width": 1.5},
            "marker": {"color": "@ink", "size": 6},
            "hovertemplate": Markup("%{{x}}, cumulative: {}%{{y:,.0f}}<extra></extra>").format(shown_money(0.0)[0]),
        }
    )
    # "relative" stacks what is paid upwards and what is received downwards.
    layout = by_year(barmode="relative", axis=message("{currency}, per year and cumulative", currency=money_code()))
    pairs = zip(labels, years, strict=True)
    words = joined("; ", (message("{label}: {net}", label=label, net=quantity(one.net_usd, "usd")) for label, one in pairs))
    return Chart(
        id="plan-cash",
        title=message("Cash flow"),
        note=message("Whiskers are the interval of the cumulative cost. Undiscounted, before tax."),
        traces=traces,
        layout=layout,
        words=words,
        height_px=330,
    )
