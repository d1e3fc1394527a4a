"""Render the options: cost against head-room as a chart, the cheapest of every kind and accelerator as a table, the rest folded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from aigc_bench.core.messages import joined, message, plural
from aigc_bench.core.units import quantity, shown_money
from aigc_bench.plan.options.wording import describe
from aigc_bench.plan.output.money_view import Totals, UnitCost, totals
from aigc_bench.plan.output.options_view import KINDS, OptionRow
from aigc_bench.plan.output.plan_view import PlanView
from aigc_bench.plan.output.shown_number import key_of
from aigc_bench.plan.records.demand import OptionKind
from aigc_bench.plan.records.plan import Option
from aigc_bench.report.charts import OWN_HOVER, Chart, dollars, in_money, money_code, rounded
from aigc_bench.report.markup import markup, template
from aigc_bench.report.plan.view import PlanPage

NAME = "plan-options"
TITLE = message("Options compared")
COLORS: Mapping[OptionKind, str] = {"owned": "c1", "colocated": "c3", "cloud": "c2", "api": "c5"}


@dataclass(frozen=True, kw_only=True)
class Column:
    """The cheapest option of a kind in the table of kinds, with its money and its unit costs by load."""

    row: OptionRow
    money: Totals
    units: Mapping[str, UnitCost]


def render(page: PlanPage) -> str | None:
    """Return the section; ``None`` if there is no option at all."""
    view, found = page.view, page.view.options
    if not view.plan.options:
        return None
    values = {
        "figures": page.figures,
        "options": found,
        "chart": cost_against_headroom(found.accepted, best=view.best) if found.accepted else None,
        "kinds": [_column(view, row) for row in found.kinds],
        "key_of": key_of,
    }
    return template("plan_options.html.j2", values)


def _column(view: PlanView, row: OptionRow) -> Column:
    one = row.option
    return Column(row=row, money=totals(one), units={cost.name: cost for cost in view.unit_costs_of(one)})


def cost_against_headroom(options: Sequence[Option], *, best: Option | None) -> Chart:
    """Return every accepted option by total cost and head-room of its bottleneck; APIs have no limit of their own."""
    known = [one for one in options if one.bottleneck is not None and one.tco_usd.value > 0]
    kinds = list(dict.fromkeys(one.kind for one in known))
    traces = [_dots([one for one in known if one.kind == kind], kind=kind) for kind in kinds]
    if best is not None and best in known:
        ring = {"size": 18, "symbol": "circle-open", "color": "@accent", "line": {"width": 2.5, "color": "@accent"}}
        # A ring around the dot, last, so that it lies on top.
        traces.append({**_dots([best], kind=best.kind), "name": message("recommended"), "marker": ring})
    costs = [one.tco_usd.value for one in known] or [1.0]
    layout = {
        "xaxis": {"title": {"text": message("total cost over the life, {currency}", currency=money_code())}, **_cost_axis(costs)},
        "yaxis": {"title": {"text": message("head-room of the bottleneck, %")}, "rangemode": "tozero"},
        "showlegend": True,
        "bare": True,
    }
    words = joined(
        "; ",
        (
            message(
                "{what}: {tco}, {bottleneck} {room:.0f} % head-room",
                what=describe(one),
                tco=quantity(one.tco_usd.value, "usd"),
                bottleneck=one.bottleneck,
                room=_room(one),
            )
            # Text for screen readers: the first eight by rank, the table has all.
            for one in known[:8]
        ),
    )
    without = len(options) - len(known)
    note = message("Up and to the left is better.")
    if any(one.misses_confidence for one in known):
        note = joined(" ", (note, message("Hollow: below the required confidence.")))
    if without:
        note = joined(
            " ",
            (
                note,
                plural(
                    "{count} API has no limits and is in the table only.",
                    "{count} APIs have no limits and are in the table only.",
                    count=without,
                ),
            ),
        )
    return Chart(
        id="plan-options",
        title=message("Cost against head-room"),
        note=note,
        traces=traces,
        layout=layout,
        words=words,
        height_px=380,
    )


def _dots(options: Sequence[Option], *, kind: OptionKind) -> dict[str, Any]:
    color = f"@{COLORS[kind]}"
    symbols = ["circle-open" if one.misses_confidence else "circle" for one in options]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": KINDS[kind].lower() if kind != "api" else KINDS[kind],
        "x": [in_money(one.tco_usd.value) for one in options],
        "y": [rounded(_room(one)) for one in options],
        "marker": {"size": 10, "color": color, "opacity": 0.8, "symbol": symbols},
        "customdata": [_hover(one) for one in options],
        "hovertemplate": OWN_HOVER,
    }


def _hover(one: Option) -> Markup:
    value, low, high = (quantity(end, "usd") for end in (one.tco_usd.value, one.tco_usd.low, one.tco_usd.high))
    words = Markup("<b>{}</b><br>{} ({} to {})<br>bottleneck: {}, {:.0f} % head-room").format(
        describe(one), value, low, high, one.bottleneck, _room(one)
    )
    return words + markup("<br>below the required confidence") if one.misses_confidence else words


def _room(option: Option) -> float:
    found = option.factors[option.bottleneck].headroom if option.bottleneck else None
    # In per cent; unknown head-room is drawn at 0 and never as room.
    return 100 * (found or 0.0)


def _cost_axis(values: Sequence[float]) -> dict[str, Any]:
    """Return a logarithmic axis if the values span more than a factor of eight, else a linear one."""
    low, high = min(values), max(values)
    return (
        dollars(low, high)
        if high > 8 * low
        else {"type": "linear", "rangemode": "tozero", "tickformat": "~s", "tickprefix": shown_money(0.0)[0]}
    )
