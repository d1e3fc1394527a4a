"""Render the options: cost against head-room as a chart, the cheapest of every kind and accelerator as a table, the rest folded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from aigc_bench.core.units import quantity
from aigc_bench.plan.options.refusals import reasons_of
from aigc_bench.plan.options.wording import what
from aigc_bench.plan.records.plan import Option
from aigc_bench.report.charts import OWN_HOVER, Chart, dollars, rounded
from aigc_bench.report.markup import template
from aigc_bench.report.plan.units import round_counts
from aigc_bench.report.plan.view import PlanView

NAME = "plan-options"
TITLE = "Options compared"
KIND_TITLES = {"owned": "Owned", "colocated": "Colocated", "cloud": "Rented", "api": "API"}
NUM_REASONS = 3
"""Reasons shown for a refused option; plan.json has them all."""
COLORS = {"owned": "c1", "colocated": "c3", "cloud": "c2", "api": "c5"}


def render(view: PlanView) -> str | None:
    """Return the section; ``None`` if there is no option at all."""
    plan = view.plan
    if not plan.options:
        return None
    accepted = [one for one in plan.options if one.accepted]
    values = {
        "view": view,
        "figures": view.figures,
        "chart": cost_against_headroom(accepted, best=view.best) if accepted else None,
        "shown": view.shown,
        "others": [one for one in accepted if one not in view.shown],
        "refused": [one for one in plan.options if not one.accepted],
        "never": plan.refused,
        "kinds": kinds(view),
        "refused_kinds": refused_kinds(view),
        "rounds": round_counts((view.best or plan.options[0]).usd_per_unit),
        "why_not": why_not,
        "cheapest": view.best.tco_usd.value if view.best else min((one.tco_usd.value for one in accepted), default=0.0),
        "what": what,
        "titles": KIND_TITLES,
    }
    return template("plan_options.html.j2", values)


def kinds(view: PlanView) -> list[Option]:
    """Return the cheapest accepted option of each kind, in the order owned, colocated, rented, API."""
    firsts: dict[str, Option] = {}
    for one in view.shown:
        firsts.setdefault(one.kind, one)
    return [firsts[kind] for kind in KIND_TITLES if kind in firsts]


def why_not(option: Option) -> str:
    """Return the first reasons of a refused option, one of each factor, and how many more there are."""
    found = list(reasons_of(option).values())
    more = len(found) - NUM_REASONS
    return "; ".join(found[:NUM_REASONS]) + (f"; and {more} more" if more > 0 else "")


def refused_kinds(view: PlanView) -> list[tuple[str, str]]:
    """Return the kinds without an accepted option, with the reason of the cheapest one."""
    found = []
    for kind, title in KIND_TITLES.items():
        of_kind = [one for one in view.plan.options if one.kind == kind]
        if of_kind and not any(one.accepted for one in of_kind):
            found.append((title, next(iter(of_kind[0].reasons), "")))
    return found


def cost_against_headroom(options: Sequence[Option], *, best: Option | None) -> Chart:
    """Return every accepted option by total cost and head-room of its bottleneck; APIs have no limit of their own."""
    known = [one for one in options if one.bottleneck is not None and one.tco_usd.value > 0]
    kinds = list(dict.fromkeys(one.kind for one in known))
    traces = [_dots([one for one in known if one.kind == kind], kind=kind) for kind in kinds]
    if best is not None and best in known:
        ring = {"size": 18, "symbol": "circle-open", "color": "@accent", "line": {"width": 2.5, "color": "@accent"}}
        traces.append({**_dots([best], kind=best.kind), "name": "recommended", "marker": ring})
    costs = [one.tco_usd.value for one in known] or [1.0]
    layout = {
        "xaxis": {"title": {"text": "total cost over the life, USD"}, **_cost_axis(costs)},
        "yaxis": {"title": {"text": "head-room of the bottleneck, %"}, "rangemode": "tozero"},
        "showlegend": True,
        "bare": True,
    }
    words = "; ".join(
        f"{what(one)}: {quantity(one.tco_usd.value, 'usd')}, {one.bottleneck} {_room(one):.0f} % head-room" for one in known[:8]
    )
    without = len(options) - len(known)
    note = "Up and to the left is better." + (
        f" {without} without a limit of their own (APIs) are in the table only." if without else ""
    )
    return Chart(
        id="plan-options", title="Cost against head-room", note=note, traces=traces, layout=layout, words=words, height_px=380
    )


def _dots(options: Sequence[Option], *, kind: str) -> dict[str, Any]:
    color = f"@{COLORS[kind]}"
    return {
        "type": "scatter",
        "mode": "markers",
        "name": KIND_TITLES[kind].lower() if kind != "api" else KIND_TITLES[kind],
        "x": [rounded(one.tco_usd.value) for one in options],
        "y": [rounded(_room(one)) for one in options],
        "marker": {"size": 10, "color": color, "opacity": 0.8},
        "customdata": [_hover(one) for one in options],
        "hovertemplate": OWN_HOVER,
    }


def _hover(one: Option) -> Markup:
    value, low, high = (quantity(end, "usd") for end in (one.tco_usd.value, one.tco_usd.low, one.tco_usd.high))
    words = Markup("<b>{}</b><br>{} ({} to {})<br>bottleneck: {}, {:.0f} % head-room").format(
        what(one), value, low, high, one.bottleneck, _room(one)
    )
    return words + Markup("<br>below the required confidence") if one.misses_confidence else words


def _room(option: Option) -> float:
    found = option.factors[option.bottleneck].headroom if option.bottleneck else None
    return 100 * (found or 0.0)


def _cost_axis(values: Sequence[float]) -> dict[str, Any]:
    """Return a logarithmic axis if the values span more than a factor of eight, else a linear one."""
    low, high = min(values), max(values)
    return dollars(low, high) if high > 8 * low else {"type": "linear", "rangemode": "tozero", "tickformat": "$~s"}
