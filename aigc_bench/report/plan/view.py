"""Prepare the view of a plan for the page: numbers that show their derivation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from markupsafe import Markup

from aigc_bench.core.messages import message
from aigc_bench.core.records import Estimate
from aigc_bench.core.trail import Step, Trail
from aigc_bench.core.units import figure, probability_text, scale, shown_money
from aigc_bench.plan.output.plan_view import PlanView
from aigc_bench.plan.output.shown_number import Shown, ShownProbability
from aigc_bench.report.markup import between, dollars, explain, mark, missing

BRIEF_LEVELS = 2
"""Levels of the derivation of a folded option's numbers; without a limit the page would hold every option to its leaves."""


class Figures:
    """Print the numbers of a trail for the page, each opening its derivation, and remember which were shown."""

    def __init__(self, trail: Trail) -> None:
        self.trail = trail
        # Dictionaries as ordered sets: the page must have the same bytes each time.
        self._shown: dict[str, None] = {}
        self._brief: dict[str, None] = {}

    def show(self, number: Shown) -> Markup:
        """Return a number of the view, which opens its derivation; a dash with the reason if there is none."""
        value = number.printed
        if value is None or number.key not in self.trail:
            return missing(number.missing)
        self._shown[number.key] = None
        return _button(number.key, value)

    def brief(self, number: Shown) -> Markup:
        """Return the same for a folded option: its derivation ends after ``BRIEF_LEVELS`` and names the command that continues."""
        value = number.printed
        if value is None or number.key not in self.trail:
            return missing(number.missing)
        self._brief[number.key] = None
        return _button(number.key, value)

    def share(self, found: ShownProbability) -> Markup:
        """Return a probability of the view with the resolution of the counted scenarios."""
        if found.share is None or found.key not in self.trail:
            return missing(found.missing)
        self._shown[found.key] = None
        return _button(found.key, self.trail[found.key].value, printed=probability_text(found.share))

    def ends(self, number: Shown) -> str:
        """Return both ends of a number's interval; empty if there is none."""
        return between(number.printed)

    def steps(self) -> Mapping[str, Step]:
        """Return the steps of what was shown and of everything it is derived from; of folded options the first levels."""
        whole = self.trail.reach(self._shown)
        brief: dict[str, Step] = {}
        keys = list(self._brief)
        for level in range(BRIEF_LEVELS + 1):
            found = [self.trail[key] for key in keys if key not in whole and key not in brief]
            # What a full derivation holds already is not cut: its key may be reached by both.
            brief |= {step.key: _ended(step) if level == BRIEF_LEVELS else step for step in found}
            keys = [key for step in found for key in step.inputs]
        # whole second: it wins over a shortened step of the same key.
        return dict(sorted((brief | whole).items()))


@dataclass(frozen=True, kw_only=True)
class PlanPage:
    """The view of a plan on a page: its rows, and its numbers as buttons that open their derivation."""

    view: PlanView
    figures: Figures = field(repr=False)


class PlanSection(Protocol):
    """One section of the report of a plan; each file offers one as ``NAME``, ``TITLE`` and ``render``."""

    NAME: str
    TITLE: str

    def render(self, page: PlanPage) -> str | None:
        """Return the section's HTML below its heading, or ``None`` if it has no content."""


def plan_page(view: PlanView) -> PlanPage:
    """Return the view with its numbers ready to be shown."""
    return PlanPage(view=view, figures=Figures(view.trail))


def _ended(step: Step) -> Step:
    """Return the step as a leaf that names the command that continues."""
    if not step.inputs:
        return step
    source = message("{formula}; continue with aigc-bench plan DEMAND --explain {key}", formula=step.formula, key=step.key)
    return step.model_copy(update={"inputs": (), "formula": None, "arithmetic": None, "source": source})


def _button(key: str, value: Estimate, *, printed: str | None = None) -> Markup:
    """Return the number as a button that opens its derivation, with the sign of its basis."""
    number, unit = _printed(value) if printed is None else (printed, "")
    # Nothing was measured or assumed about money that is not paid, or about pieces that there are none of: they carry no sign.
    is_amount = value.unit == "count" or value.unit.lower().startswith("usd")
    nothing = is_amount and value.value == 0 and value.low == value.high
    return Markup('<button type="button" class="num why" data-why="{key}" title="{title}">{value}{unit}</button>{mark}').format(
        key=key,
        title=message("{explain} · click for the derivation", explain=explain(value)),
        value=number,
        unit=Markup(' <span class="unit">{}</span>').format(unit) if unit else "",
        # A word joiner: the sign may not wrap onto a line of its own.
        mark="" if nothing else Markup("&#8288;") + mark(value.basis),
    )


def _printed(value: Estimate) -> tuple[str, str]:
    """Return value and unit as printed: the dollar sign first, the unit of one in the singular."""
    head, slash, rest = value.unit.partition("/")
    if head.lower() == "usd":
        sign, (mark, size) = "-" if value.value < 0 else "", shown_money(abs(value.value))
        return f"{sign}{mark}{dollars(size)}", f"{slash}{rest}"
    factor, unit = scale(value.value, value.unit)
    if value.value == 1 and not slash and unit.endswith("s") and len(unit) > 3:
        unit = unit.removesuffix("s")
    return figure(value.value / factor), "" if unit == "count" else unit.replace("CO2e", " CO₂e")
