"""Render owning against renting and APIs: cost by volume, break-even, and the probability that owning is cheaper."""

from __future__ import annotations

import math
from typing import Any

from aigc_bench.core.messages import joined, message
from aigc_bench.core.units import probability_text, quantity, shown_money
from aigc_bench.plan.output.rent_or_buy_view import Curve, RentOrBuyView
from aigc_bench.report.charts import Chart, dollars, in_money, money_code, rounded
from aigc_bench.report.markup import markup, number, template
from aigc_bench.report.plan.view import PlanPage

NAME = "plan-rent-or-buy"
TITLE = message("Own, rent or API")
COLORS = ("c2", "c5", "c3", "c4", "c6", "c7")


def render(page: PlanPage) -> str | None:
    """Return the section; ``None`` if no purchase is accepted, or there is no alternative to it."""
    view = page.view.rent_or_buy
    if view is None:
        return None
    values = {
        "view": view,
        "charts": [costs(view), probabilities(view)],
        "number": number,
        "probability": probability_text,
        "figures": page.figures,
    }
    return template("plan_rent_or_buy.html.j2", values)


def costs(view: RentOrBuyView) -> Chart:
    """Return USD per year by volume relative to the planned one; owning ends at the capacity of the machines."""
    traces = [_line("own", view.cost, color="c1", width=3)]
    for row, color in zip(view.rivals, COLORS, strict=False):
        traces.append(_line(row.rival.name, row.cost, color=color, width=2))
    # A logarithmic axis has no place for 0.
    every = [value for trace in traces for value in trace["y"] if value]
    layout = {
        "xaxis": _volume_axis(view.ends),
        "yaxis": {"title": {"text": message("{currency} per year", currency=money_code())}, **dollars(min(every), max(every))},
        "showlegend": False,
        "bare": True,
        "shapes": [_planned()],
    }
    words = joined(
        "; ",
        (
            message("{name}: {cost} per year as planned", name=one.name, cost=quantity(one.usd_per_year.value, "usd"))
            for one in view.found.rivals
        ),
    )
    note = message("Thick: owning, up to the capacity of the machines. Thin: the alternatives below. Dotted: the planned volume.")
    return Chart(
        id="plan-rent-or-buy-cost",
        title=message("Cost by volume"),
        note=note,
        traces=traces,
        layout=layout,
        words=words,
        height_px=360,
    )


def probabilities(view: RentOrBuyView) -> Chart:
    """Return the share of Monte Carlo scenarios in which owning is cheaper, by volume."""
    traces = [
        _line(message("than to {name}", name=row.rival.name), row.chance, color=color, width=2, is_share=True)
        for row, color in zip(view.rivals, COLORS, strict=False)
    ]
    layout = {
        "xaxis": _volume_axis(view.ends),
        # A little beyond 0 and 100, so that lines at the ends are not cut in half.
        "yaxis": {"title": {"text": message("P(owning is cheaper), %")}, "range": [-2, 102]},
        "showlegend": False,
        "bare": True,
        "shapes": [_planned()],
    }
    words = joined(
        "; ",
        (
            message(
                "cheaper than to {name} in at most {probability} of scenarios",
                name=one.name,
                probability=_probability(one.p_own_cheaper),
            )
            for one in view.found.rivals
        ),
    )
    note = message("Share of Monte Carlo scenarios, drawn over the intervals of prices. Colours as in the table below.")
    return Chart(
        id="plan-rent-or-buy-chance",
        title=message("Probability that owning is cheaper"),
        note=note,
        traces=traces,
        layout=layout,
        words=words,
        height_px=360,
    )


def _probability(shares: tuple[float, ...]) -> str:
    return probability_text(max(shares, default=0.0))


def _line(name: str, curve: Curve, *, color: str, width: float, is_share: bool = False) -> dict[str, Any]:
    value = "%{y:.0f} %" if is_share else message("{mark}%{{y:,.0f}} per year", mark=shown_money(0.0)[0])
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": list(curve.volumes),
        "y": [rounded(100 * value) if is_share else in_money(value) for value in curve.values],
        "line": {"color": f"@{color}", "width": width},
        "hovertemplate": markup("<b>{name}</b><br>%{{x:.2f}} × the planned volume: {value}<extra></extra>", name=name, value=value),
    }


def _volume_axis(ends: tuple[float, float]) -> dict[str, Any]:
    ticks = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20]
    axis = {
        "type": "log",
        # plotly takes the range of a logarithmic axis in decades.
        "range": [round(math.log10(end), 3) for end in ends],
        "tickvals": ticks,
        "ticktext": [f"{tick:g}×" for tick in ticks],
    }
    return {"title": {"text": message("volume relative to the planned one")}, **axis}


def _planned() -> dict[str, Any]:
    dash = {"color": "@muted", "width": 1.2, "dash": "dot"}
    return {"type": "line", "x0": 1, "x1": 1, "y0": 0, "y1": 1, "yref": "paper", "line": dash}
