"""The plan at the end of a run's report as rows: each load as demanded and as measured, and what was left out."""

from __future__ import annotations

from collections.abc import Sequence

from aigc_bench.core.record import Sentence
from aigc_bench.core.records import Estimate, Record
from aigc_bench.plan.output.carbon_view import UnitCarbon, unit_carbon
from aigc_bench.plan.output.money_view import UnitCost, unit_costs
from aigc_bench.plan.records.demand import Job, Service
from aigc_bench.plan.records.machine import Capability, Load
from aigc_bench.plan.records.plan import Assumption, Option, Plan


class DemandedLoad(Record):
    """A service or job of the demand with the load that it becomes, or why it becomes none.

    ``amount`` is items per request of a service, items a day of a job; ``peak`` the requests of a service.
    """

    name: Sentence
    kind: str
    peak: Estimate | None
    amount: Estimate | None
    load: Load | None
    why_not: Sentence | None


class AssumptionGroup(Record):
    """Assumptions about one subject: a service, a job, or a part of the demand; titles do not repeat it."""

    about: str
    rows: tuple[tuple[Sentence, Assumption], ...]


class RunPlanView(Record):
    """A plan of machines like the measured one.

    ``used_anyway`` are invalid numbers that were requested by name, ``left_out`` those that no load uses. ``units`` are cost and
    greenhouse gases of each load. ``bottleneck`` and ``next_bottleneck`` are titles of factors.
    """

    loads: tuple[DemandedLoad, ...]
    used_anyway: tuple[Capability, ...]
    left_out: tuple[Capability, ...]
    bottleneck: Sentence | None
    next_bottleneck: Sentence | None
    others: tuple[Option, ...]
    units: tuple[tuple[UnitCost, UnitCarbon | None], ...]
    assumptions: tuple[AssumptionGroup, ...]


def run_plan_view(plan: Plan, option: Option | None) -> RunPlanView:
    """Return the rows of a plan that is about this option."""
    carbon = {one.name: one for one in unit_carbon(option)} if option is not None else {}
    return RunPlanView(
        loads=(*(_service(one, plan) for one in plan.demand.services), *(_job(one, plan) for one in plan.demand.jobs)),
        used_anyway=_invalid(plan, is_planned_with=True),
        left_out=_invalid(plan, is_planned_with=False),
        bottleneck=_title(option, option.bottleneck) if option is not None else None,
        next_bottleneck=_title(option, option.next_bottleneck) if option is not None else None,
        others=tuple(other for other in plan.options if other is not option),
        units=tuple((one, carbon.get(one.name)) for one in (unit_costs(option) if option is not None else ())),
        assumptions=_grouped(plan.assumptions),
    )


def _service(one: Service, plan: Plan) -> DemandedLoad:
    return DemandedLoad(
        name=one.name,
        kind="service",
        peak=one.arrival.peak_requests_per_s,
        amount=one.items_per_request,
        load=_load(one.name, plan),
        why_not=_why_not(one.name, plan),
    )


def _job(one: Job, plan: Plan) -> DemandedLoad:
    return DemandedLoad(
        name=one.name, kind="job", peak=None, amount=one.items, load=_load(one.name, plan), why_not=_why_not(one.name, plan)
    )


def _load(name: str, plan: Plan) -> Load | None:
    return next((one for one in plan.loads if one.name == name), None)


def _why_not(name: str, plan: Plan) -> str | None:
    # The last reason of a load is that of the last attempt to plan it.
    return next((one.reason for one in reversed(plan.unplanned) if one.name == name), None)


def _invalid(plan: Plan, *, is_planned_with: bool) -> tuple[Capability, ...]:
    """Return the machine's invalid numbers that some load uses, or those that none does."""
    if plan.machine is None:
        return ()
    # An invalid number is used only where the user named its case (--use-invalid).
    used = {load.case for load in plan.loads}
    return tuple(one for one in plan.machine.capabilities if one.verdict == "invalid" and (one.case in used) is is_planned_with)


def _title(option: Option, factor: str | None) -> str | None:
    return option.factors[factor].title if factor is not None else None


def _grouped(assumptions: Sequence[Assumption]) -> tuple[AssumptionGroup, ...]:
    """Return the assumptions by subject: each service and job of the demand, then the rest."""
    groups: dict[str, list[tuple[Sentence, Assumption]]] = {}
    for one in assumptions:
        # demand.services.NAME.FIELD groups under NAME; three parts or fewer are about the demand itself.
        parts = one.key.split(".")
        about = parts[2] if parts[:2] in (["demand", "services"], ["demand", "jobs"]) and len(parts) > 3 else parts[0]
        # The group's heading names the subject already.
        groups.setdefault(about, []).append((one.title.removesuffix(f" of {about}"), one))
    return tuple(AssumptionGroup(about=about, rows=tuple(rows)) for about, rows in groups.items())
