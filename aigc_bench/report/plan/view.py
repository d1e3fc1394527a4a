"""Prepare a plan for its sections: what is recommended, what would be bought, and numbers that show their derivation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from markupsafe import Markup

from aigc_bench.core.records import Estimate
from aigc_bench.core.units import chance, scale
from aigc_bench.plan.explain.step import Step, Trail
from aigc_bench.plan.explain.text import trail_of
from aigc_bench.plan.records.plan import Option, Plan
from aigc_bench.plan.stats.estimates import scaled
from aigc_bench.report.markup import between, dollars, explain, figure, mark, missing

NUM_SHOWN = 14
"""Options in the comparison table; the others are folded."""
BRIEF_LEVELS = 2
"""Levels of the derivation of a folded option's numbers; without a limit the page would hold every option to its leaves."""


class Figures:
    """Print the numbers of a trail for the page, each opening its derivation, and remember which were shown."""

    def __init__(self, trail: Trail) -> None:
        self.trail = trail
        self._shown: dict[str, None] = {}
        self._brief: dict[str, None] = {}

    def __call__(self, key: str, *, times: float = 1.0, unit: str | None = None, why: str = "unknown") -> Markup:
        """Return the number of a key, ``times`` a count where it is given per million; a dash with the reason if there is none."""
        if key not in self.trail:
            return missing(why)
        self._shown[key] = None
        return _button(key, self._value(key, times=times, unit=unit))

    def brief(self, key: str, *, why: str = "unknown") -> Markup:
        """Return the same for a folded option: its derivation ends after ``BRIEF_LEVELS`` and names the command that continues."""
        if key not in self.trail:
            return missing(why)
        self._brief[key] = None
        return _button(key, self.trail[key].value)

    def chance(self, key: str, *, why: str = "unknown") -> Markup:
        """Return a probability with the resolution of the counted scenarios."""
        if key not in self.trail:
            return missing(why)
        self._shown[key] = None
        value = self.trail[key].value
        return _button(key, value, printed=chance(value.value))

    def range(self, key: str, *, times: float = 1.0, unit: str | None = None) -> str:
        """Return both ends of its interval; empty if there is none."""
        return between(self._value(key, times=times, unit=unit)) if key in self.trail else ""

    def steps(self) -> Mapping[str, Step]:
        """Return the steps of what was shown and of everything it is derived from; of folded options the first levels."""
        whole = self.trail.reach(self._shown)
        brief: dict[str, Step] = {}
        keys = list(self._brief)
        for level in range(BRIEF_LEVELS + 1):
            found = [self.trail[key] for key in keys if key not in whole and key not in brief]
            brief |= {step.key: _ended(step) if level == BRIEF_LEVELS else step for step in found}
            keys = [key for step in found for key in step.inputs]
        return dict(sorted((brief | whole).items()))

    def _value(self, key: str, *, times: float, unit: str | None) -> Estimate:
        found = self.trail[key].value
        return found if times == 1.0 and unit is None else scaled(found, times, unit=unit)


@dataclass(frozen=True, kw_only=True)
class PlanView:
    """Hold a plan for its sections. ``bought`` is the recommended option, or if that is rented the best accepted purchase."""

    plan: Plan
    best: Option | None
    bought: Option | None
    shown: tuple[Option, ...]
    figures: Figures = field(repr=False)

    def at(self, option: Option) -> str:
        """Return the key of an option."""
        return f"options.{option.rank}"


class PlanSection(Protocol):
    """One section of the report of a plan; each file offers one as ``NAME``, ``TITLE`` and ``render``."""

    NAME: str
    TITLE: str

    def render(self, view: PlanView) -> str | None:
        """Return the section's HTML below its heading, or ``None`` if it has no content."""


def plan_view(plan: Plan) -> PlanView:
    """Return the plan with its numbers ready to be shown."""
    best = plan.recommended or next(iter(plan.options), None)
    bought = next((one for one in plan.options if one.accepted and rooms(one) and (one is best or not one.parts)), None)
    bought = best if best is not None and rooms(best) else bought
    shown = compared(plan)
    rivals = [one for one in plan.options if one.accepted and not one.parts]
    firsts = {(one.kind in ("owned", "colocated"), one.term): one for one in reversed(rivals)}
    chosen = {one.rank: one for one in (*shown, *firsts.values(), *(one for one in (best, bought) if one is not None))}
    others = [one for one in plan.options if one.rank not in chosen]
    trail = trail_of(plan, *(chosen[rank] for rank in sorted(chosen)), *others)
    return PlanView(plan=plan, best=best, bought=bought, shown=shown, figures=Figures(trail))


def compared(plan: Plan) -> tuple[Option, ...]:
    """Return the cheapest accepted options of every kind and accelerator by cost, at least one of every kind."""
    firsts: dict[tuple[str, str | None], Option] = {}
    for one in plan.options:
        if one.accepted:
            firsts.setdefault((one.kind, one.accelerator), one)
    ranked = list(firsts.values())
    kinds: dict[str, Option] = {}
    for one in ranked:
        kinds.setdefault(one.kind, one)
    chosen = {one.rank: one for one in (*ranked[:NUM_SHOWN], *kinds.values())}
    return tuple(chosen[rank] for rank in sorted(chosen))


def rooms(option: Option) -> tuple[tuple[str, Option], ...]:
    """Return the option, or those of its parts, that have a room; each with its key below ``options``."""
    at = f"options.{option.rank}"
    if option.parts:
        found = [(f"{at}.parts.{number}", part) for number, part in enumerate(option.parts, start=1)]
    else:
        found = [(at, option)]
    return tuple((path, one) for path, one in found if one.room is not None)


def _ended(step: Step) -> Step:
    """Return the step as a leaf that names the command that continues."""
    if not step.inputs:
        return step
    source = f"{step.formula}; continue with aigc-bench plan DEMAND --explain {step.key}"
    return step.model_copy(update={"inputs": (), "formula": None, "arithmetic": None, "source": source})


def _button(key: str, value: Estimate, *, printed: str | None = None) -> Markup:
    """Return the number as a button that opens its derivation, with the sign of its basis."""
    number, unit = _printed(value) if printed is None else (printed, "")
    nothing = value.value == 0 and value.low == value.high
    return Markup('<button type="button" class="num why" data-why="{key}" title="{title}">{value}{unit}</button>{mark}').format(
        key=key,
        title=f"{explain(value)} · click for the derivation",
        value=number,
        unit=Markup(' <span class="unit">{}</span>').format(unit) if unit else "",
        mark="" if nothing else Markup("&#8288;") + mark(value.basis),
    )


def _printed(value: Estimate) -> tuple[str, str]:
    """Return value and unit as printed: the dollar sign first, the unit of one in the singular."""
    head, slash, rest = value.unit.partition("/")
    if head.lower() == "usd":
        sign, size = "-" if value.value < 0 else "", abs(value.value)
        return f"{sign}${dollars(size)}", f"{slash}{rest}"
    factor, unit = scale(value.value, value.unit)
    if value.value == 1 and not slash and unit.endswith("s") and len(unit) > 3:
        unit = unit.removesuffix("s")
    return figure(value.value / factor), "" if unit == "count" else unit.replace("CO2e", " CO₂e")
