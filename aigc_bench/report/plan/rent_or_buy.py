"""Render owning against renting and APIs: cost by volume, break-even, and the probability that owning is cheaper."""

from __future__ import annotations

import math
from typing import Any

from aigc_bench.core.messages import joined, message
from aigc_bench.core.units import probability_text, quantity, shown_money
from aigc_bench.plan.output.shown_number import key_of
from aigc_bench.plan.risk.rent_vs_buy import VOLUMES, RentVsBuy
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
        "found": view.found,
        "charts": [costs(view.found), probabilities(view.found)],
        "number": number,
        "probability": probability_text,
        "figures": page.figures,
        "keys": keys_of(page, view.found),
    }
    return template("plan_rent_or_buy.html.j2", values)


def keys_of(page: PlanPage, found: RentVsBuy) -> dict[str, str]:
    """Return the keys of the fixed and the variable cost of owning, with what they were computed from."""
    trail, at = page.figures.trail, key_of(found.own)
    rising = trail.add("own_or_not.rising_usd_per_year", message("variable cost per year"), found.rising_usd_per_year, at=at)
    fixed = trail.add("own_or_not.fixed_usd_per_year", message("fixed cost of owning per year"), found.fixed_usd_per_year, at=at)
    return {"fixed": fixed, "rising": rising}


def costs(found: RentVsBuy) -> Chart:
    """Return USD per year by volume relative to the planned one; owning ends at the capacity of the machines."""
    # Beyond their capacity machines would have to be bought anew, at a cost that this line does not have.
    within = [volume for volume in VOLUMES if volume <= found.capacity]
    fixed, rising = found.fixed_usd_per_year.value, found.rising_usd_per_year.value
    traces = [_line("own", within, [fixed + rising * v for v in within], color="c1", width=3)]
    for rival, color in zip(found.rivals, COLORS, strict=False):
        yearly = rival.usd_per_year.value
        # APIs and hourly rents follow the volume, reserved machines are paid for whether busy or not.
        values = [yearly * v if rival.is_elastic else yearly for v in VOLUMES]
        traces.append(_line(rival.name, list(VOLUMES), values, color=color, width=2))
    # A logarithmic axis has no place for 0.
    every = [value for trace in traces for value in trace["y"] if value]
    layout = {
        "xaxis": _volume_axis(),
        "yaxis": {"title": {"text": message("{currency} per year", currency=money_code())}, **dollars(min(every), max(every))},
        "showlegend": False,
        "bare": True,
        "shapes": [_planned()],
    }
    words = joined(
        "; ",
        (
            message("{name}: {cost} per year as planned", name=one.name, cost=quantity(one.usd_per_year.value, "usd"))
            for one in found.rivals
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


def probabilities(found: RentVsBuy) -> Chart:
    """Return the share of Monte Carlo scenarios in which owning is cheaper, by volume."""
    traces = []
    for rival, color in zip(found.rivals, COLORS, strict=False):
        shares = [100 * share for share in rival.p_own_cheaper]
        traces.append(
            _line(message("than to {name}", name=rival.name), list(VOLUMES[: len(shares)]), shares, color=color, width=2, unit="%")
        )
    layout = {
        "xaxis": _volume_axis(),
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
            for one in found.rivals
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


def _line(name: str, x: list[float], y: list[float], *, color: str, width: float, unit: str = "USD") -> dict[str, Any]:
    value = message("{mark}%{{y:,.0f}} per year", mark=shown_money(0.0)[0]) if unit == "USD" else "%{y:.0f} %"
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": x,
        "y": [in_money(value) if unit == "USD" else rounded(value) for value in y],
        "line": {"color": f"@{color}", "width": width},
        "hovertemplate": markup("<b>{name}</b><br>%{{x:.2f}} × the planned volume: {value}<extra></extra>", name=name, value=value),
    }


def _volume_axis() -> dict[str, Any]:
    ends = [math.log10(VOLUMES[0]), math.log10(VOLUMES[-1])]
    ticks = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20]
    axis = {
        "type": "log",
        "range": [round(end, 3) for end in ends],
        "tickvals": ticks,
        "ticktext": [f"{tick:g}×" for tick in ticks],
    }
    return {"title": {"text": message("volume relative to the planned one")}, **axis}


def _planned() -> dict[str, Any]:
    dash = {"color": "@muted", "width": 1.2, "dash": "dot"}
    return {"type": "line", "x0": 1, "x1": 1, "y0": 0, "y1": 1, "yref": "paper", "line": dash}
