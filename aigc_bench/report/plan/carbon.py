"""Energy and greenhouse gases: of running and of making, with the range that published figures of making have."""

from __future__ import annotations

from aigc_bench.core.records import Estimate
from aigc_bench.plan.interval import scaled
from aigc_bench.plan.records import Option
from aigc_bench.report.markup import template
from aigc_bench.report.plan.view import PlanView

NAME = "plan-carbon"
TITLE = "Energy and carbon"
GRAMS = ((1.0, ""), (1e3, "1,000 "), (1e6, "million "))


def render(view: PlanView) -> str | None:
    """``None`` where no energy is known (an API's provider tells none)."""
    best = view.best
    if best is None or best.carbon_kg is None:
        return None
    making = making_kg(best)
    values = {
        "best": best,
        "at": view.at(best),
        "figures": view.figures,
        "share": None if making is None else min(1.0, making.value / max(best.carbon_kg.value, 1e-9)),
        "making": making,
        "units": [(name, *_round(value)) for name, value in best.carbon_kg_per_unit.items()],
        "years": view.plan.demand.finance.life_years,
        "is_rented": best.kind == "cloud",
    }
    return template("plan_carbon.html.j2", values)


def making_kg(option: Option) -> Estimate | None:
    """What making the servers emitted; of a mixed option not told apart."""
    if option.machine is None:
        return None
    return scaled(option.machine.embodied_kg, option.num_servers, unit="kgCO2e")


def _round(value: Estimate) -> tuple[float, str]:
    """For how many units there is at least a tenth of a gram, as a factor to grams, and in words."""
    item = value.unit.partition("/")[2] or "unit"
    count, words = next((pair for pair in GRAMS if value.value * 1000 * pair[0] >= 0.1), GRAMS[-1])
    return 1000 * count, f"{words}{item}{'s' if count > 1 else ''}"
