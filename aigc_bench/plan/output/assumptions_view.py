"""The assumptions of a plan as rows, the widest interval first, each under the key that derives it."""

from __future__ import annotations

from aigc_bench.core.record import Sentence
from aigc_bench.core.records import Estimate, Record
from aigc_bench.core.trail import Trail
from aigc_bench.plan.explain.plan_trail import resolve
from aigc_bench.plan.output.basis_view import widest_first, width
from aigc_bench.plan.output.shown_number import Shown, number_at
from aigc_bench.plan.records.plan import Assumption, Option, Plan


class AssumptionRow(Record):
    """An assumption with both ends over its value (1 where it is 0), and its number under the key that derives it."""

    key: str
    title: Sentence
    value: Estimate
    relative_low: float
    relative_high: float
    number: Shown

    @property
    def has_interval(self) -> bool:
        """Return whether its ends differ."""
        return width(self.value) > 1


class AssumptionsView(Record):
    """All assumptions, the widest first, how the plan is made, and notes on machines and demand."""

    method: Sentence
    rows: tuple[AssumptionRow, ...]
    not_included: tuple[Sentence, ...]
    notes: tuple[Sentence, ...]


def assumptions_view(plan: Plan, option: Option | None, trail: Trail) -> AssumptionsView:
    """Return the assumptions of a plan that is about this option."""
    of_machine = option.machine.notes if option is not None and option.machine is not None else ()
    return AssumptionsView(
        method=plan.method,
        rows=tuple(_row(one, plan, trail) for one in widest_first(plan)),
        not_included=plan.not_included,
        notes=(*of_machine, *plan.demand.notes),
    )


def _row(one: Assumption, plan: Plan, trail: Trail) -> AssumptionRow:
    value, key = one.value, next(iter(resolve(trail, plan, one.key)), one.key)
    return AssumptionRow(
        key=one.key,
        title=one.title,
        value=value,
        relative_low=value.low / value.value if value.value else 1.0,
        relative_high=value.high / value.value if value.value else 1.0,
        number=number_at(trail, key, one.title),
    )
