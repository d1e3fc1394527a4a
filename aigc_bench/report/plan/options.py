"""Render the options: cost against head-room as a chart, the cheapest of every kind and accelerator as a table, the rest folded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from aigc_bench.core.messages import joined, message, plural
from aigc_bench.core.units import quantity, shown_money
from aigc_bench.plan.options.measure import FIELDS, NAMES, compared_cost
from aigc_bench.plan.output.money_view import Totals, UnitCost, totals
from aigc_bench.plan.output.options_view import KINDS, OptionRow
from aigc_bench.plan.output.plan_view import PlanView
from aigc_bench.plan.output.shown_number import key_of
from aigc_bench.plan.records.demand import OptionKind, RiskMeasure
from aigc_bench.plan.records.plan import Option
from aigc_bench.report.charts import OWN_HOVER, Chart, dollars, in_money, money_code, rounded
from aigc_bench.report.markup import template
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
    view, found, risk = page.view, page.view.options, page.view.plan.demand.constraints.risk
    if not view.plan.options:
        return None
    values = {
        "figures": page.figures,
        "options": found,
        "chart": cost_against_headroom(found.charted, best=view.best, risk=risk) if found.charted else None,
        "measure": NAMES[risk],
        "cost_name": message("P90 of the cost") if risk == "p90" else message("Expected cost"),
        # The plan at the end of a run's report is made without scenarios.
        "is_compared": any("expected_cost_usd" in one.derived for one in view.plan.options),
        "cost_key": lambda one: cost_key(one, risk),
        "kinds": [_column(view, row) for row in found.kinds],
        "key_of": key_of,
    }
    return template("plan_options.html.j2", values)


def _column(view: PlanView, row: OptionRow) -> Column:
    one = row.option
    return Column(row=row, money=totals(one), units={cost.name: cost for cost in view.unit_costs_of(one)})


MARKS: Mapping[str, tuple[str, str]] = {
    "below": ("circle-open", message("Hollow: below the required confidence.")),
    "simulated": ("x", message("Cross: not confirmed by the simulation.")),
}
"""Symbols of options that are not recommended although their limits hold, and what they mean."""


def cost_against_headroom(rows: Sequence[OptionRow], *, best: Option | None, risk: RiskMeasure) -> Chart:
    """Return every option whose limits hold by cost and head-room of its bottleneck; APIs have no limit of their own.

    Those that P(SLO) or the simulation refuses have a symbol of their own.
    """
    known = [one for one in rows if one.option.bottleneck is not None and compared_cost(one.option, risk) > 0]
    kinds = list(dict.fromkeys(one.option.kind for one in known))
    traces = [_dots([one for one in known if one.option.kind == kind], kind=kind, risk=risk) for kind in kinds]
    chosen = [one for one in known if one.is_recommended]
    if best is not None and chosen:
        ring = {"size": 18, "symbol": "circle-open", "color": "@accent", "line": {"width": 2.5, "color": "@accent"}}
        # A ring around the dot, last, so that it lies on top.
        traces.append({**_dots(chosen, kind=best.kind, risk=risk), "name": message("recommended"), "marker": ring})
    costs = [compared_cost(one.option, risk) for one in known] or [1.0]
    layout = {
        "xaxis": {
            "title": {"text": message("{measure} over the life, {currency}", measure=_cost_name(risk), currency=money_code())},
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
                tco=quantity(compared_cost(one.option, risk), "usd"),
                bottleneck=one.option.bottleneck,
                room=_room(one.option),
            )
            # Text for screen readers: the first eight by rank, the table has all.
            for one in known[:8]
        ),
    )
    return Chart(
        id="plan-options",
        title=message("Cost against head-room"),
        note=_note(known, num_without=len(rows) - len(known)),
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
    return "simulated" if row.option.replay is not None and not row.option.replay.is_met else "below"


def _dots(rows: Sequence[OptionRow], *, kind: OptionKind, risk: RiskMeasure) -> dict[str, Any]:
    marks = [_mark(one) for one in rows]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": KINDS[kind].lower() if kind != "api" else KINDS[kind],
        "x": [in_money(compared_cost(one.option, risk)) for one in rows],
        "y": [rounded(_room(one.option)) for one in rows],
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
    one = row.option
    mean, low, high = (quantity(end, "usd") for end in (compared_cost(one), measured(one, "low"), measured(one, "high")))
    words = Markup("<b>{}</b><br>{} ({} to {})<br>bottleneck: {}, {:.0f} % head-room").format(
        row.what, mean, low, high, one.bottleneck, _room(one)
    )
    return words if row.refused_by is None else words + Markup("<br>{}").format(row.refused_by)


def measured(option: Option, end: str) -> float:
    """Return an end of the cost's interval: that of the scenarios, else that of the cost at central values."""
    found = option.derived.get("expected_cost_usd", option.tco_usd)
    return float(getattr(found, end))


def _cost_name(risk: RiskMeasure) -> str:
    """Return what costs are compared by."""
    return NAMES["p90" if risk == "p90" else "expected"]


def cost_key(option: Option, risk: RiskMeasure) -> str:
    """Return the key of the cost that is compared."""
    return f"{key_of(option)}.{FIELDS['p90' if risk == 'p90' else 'expected']}"


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
