"""Several plans next to each other: a row per number, with the ratio of each to the first plan's."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from aigc_bench.core.messages import message
from aigc_bench.core.records import Estimate, Record
from aigc_bench.core.units import quantity
from aigc_bench.plan.output.plan_view import PlanView
from aigc_bench.plan.records.plan import Option


class ComparedRow(Record):
    """A number of every plan as text; ``ratios`` are over the first plan's, ``None`` where there is nothing to divide."""

    title: str
    cells: tuple[str, ...]
    ratios: tuple[float | None, ...]


class SideBySideView(Record):
    """Plans by name: what each recommends (``None`` without an accepted option), and their numbers in rows."""

    names: tuple[str, ...]
    recommended: tuple[str | None, ...]
    rows: tuple[ComparedRow, ...]


Read = Callable[[Option], Estimate | float | str | None]
_ROWS: tuple[tuple[str, Read], ...] = (
    (message("accelerators"), lambda option: float(option.num_accelerators)),
    (message("servers or instances"), lambda option: float(option.num_servers)),
    (message("total cost"), lambda option: option.tco_usd),
    (message("upfront"), lambda option: option.capex_usd),
    (message("per year"), lambda option: option.opex_usd_per_year),
    (message("IT energy per year"), lambda option: option.energy_kwh_per_year),
    (message("carbon"), lambda option: option.carbon_kg),
    (message("P(SLO)"), lambda option: option.p_slo),
    (message("bottleneck"), lambda option: option.bottleneck),
)


def side_by_side(views: Sequence[PlanView], names: Sequence[str]) -> SideBySideView:
    """Return plans next to each other under these names."""
    best = [view.plan.recommended for view in views]
    rows = [_row(title, [None if option is None else read(option) for option in best]) for title, read in _ROWS]
    shared = _shared_loads(best)
    rows += [_row(message("cost per unit, {load}", load=load), _unit_costs(best, load)) for load in shared]
    words = tuple(
        view.recommendation.what if option is not None and view.recommendation is not None else None
        for view, option in zip(views, best, strict=True)
    )
    return SideBySideView(names=tuple(names), recommended=words, rows=tuple(rows))


def _shared_loads(best: Sequence[Option | None]) -> list[str]:
    """Return the loads whose cost per unit more than one plan has, in the order of the first."""
    found = [option.usd_per_unit for option in best if option is not None]
    return [load for load in (found[0] if found else ()) if sum(load in one for one in found) > 1]


def _unit_costs(best: Sequence[Option | None], load: str) -> list[Estimate | float | str | None]:
    return [None if option is None else option.usd_per_unit.get(load) for option in best]


def _row(title: str, found: Sequence[Estimate | float | str | None]) -> ComparedRow:
    numbers = [_number(one) for one in found]
    first = numbers[0]
    ratios = tuple(number / first if first and number is not None else None for number in numbers)
    return ComparedRow(title=title, cells=tuple(_text(one) for one in found), ratios=ratios)


def _number(found: Estimate | float | str | None) -> float | None:
    return found.value if isinstance(found, Estimate) else found if isinstance(found, float) else None


def _text(found: Estimate | float | str | None) -> str:
    if found is None:
        return "–"
    if isinstance(found, Estimate):
        return quantity(found.value, found.unit)
    if isinstance(found, str):
        return found
    return f"{found:,.0f}" if found > 1 or found == 0 else f"{100 * found:.0f} %"
