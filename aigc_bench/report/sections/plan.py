"""Render the plan: the demand, how many machines like this one meet it, the deployment factors, and the cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from aigc_bench.core.messages import message
from aigc_bench.core.records import Estimate
from aigc_bench.plan.output.plan_view import plan_view
from aigc_bench.plan.records.demand import Arrival, Job, Service
from aigc_bench.plan.records.machine import Capability, Load
from aigc_bench.plan.records.plan import Assumption, FactorVerdict, Option, Plan
from aigc_bench.report.base import ReportContext, Section
from aigc_bench.report.markup import template

FACTOR_TONE: dict[FactorVerdict, str] = {"ok": "ok", "tight": "warn", "short": "bad", "unknown": "", "provider": ""}


@dataclass(frozen=True, kw_only=True)
class DemandRow:
    """One service or job of the demand with the load it becomes."""

    demand: Service | Job
    kind: str
    amount: Estimate | None
    """Items per request of a service, items a day of a job."""
    arrival: Arrival | None
    load: Load | None


class PlanSection(Section):
    """Show the recommended option of the plan, or the reasons why no option is accepted."""

    title: ClassVar[str] = message("Plan")
    order: ClassVar[int] = 100

    def render(self, context: ReportContext) -> str | None:
        """Return the section; ``None`` if the report was made without a plan."""
        plan = context.plan
        if plan is None:
            return None
        view = plan_view(plan)
        option, carbon = view.best, {one.name: one for one in view.unit_carbon}
        values = {
            "plan": plan,
            "option": option,
            "loads": demand_rows(plan),
            "factors": view.recommendation.factors if view.recommendation else (),
            "tone": FACTOR_TONE,
            "others": tuple(other for other in plan.options if other is not option),
            "left_out": invalid_numbers(plan, is_planned_with=False),
            "used_anyway": invalid_numbers(plan, is_planned_with=True),
            "title_of": lambda name: factor_title(option, name),
            "units": [(one, carbon.get(one.name)) for one in view.unit_costs],
            "assumptions": grouped(plan.assumptions),
        }
        return template("plan.html.j2", values)


def demand_rows(plan: Plan) -> list[DemandRow]:
    """Return services and jobs in the demand's order, each with its load if it was planned."""
    loads = {load.name: load for load in plan.loads}
    services = [
        DemandRow(demand=s, kind="service", amount=s.items_per_request, arrival=s.arrival, load=loads.get(s.name))
        for s in plan.demand.services
    ]
    jobs = [DemandRow(demand=j, kind="job", amount=j.items, arrival=None, load=loads.get(j.name)) for j in plan.demand.jobs]
    return services + jobs


def invalid_numbers(plan: Plan, *, is_planned_with: bool) -> list[Capability]:
    """Return the machine's invalid numbers that some load uses (they were requested by name), or those that none does."""
    if plan.machine is None:
        return []
    # An invalid number is used only where the user named its case (--use-invalid).
    used = {load.case for load in plan.loads}
    return [one for one in plan.machine.capabilities if one.verdict == "invalid" and (one.case in used) is is_planned_with]


def grouped(assumptions: Sequence[Assumption]) -> list[tuple[str, list[tuple[str, Assumption]]]]:
    """Return the assumptions by subject: each service and job of the demand, then the rest."""
    groups: dict[str, list[tuple[str, Assumption]]] = {}
    for one in assumptions:
        # demand.services.NAME.FIELD groups under NAME; three parts or fewer are about the demand itself.
        parts = one.key.split(".")
        about = parts[2] if parts[:2] in (["demand", "services"], ["demand", "jobs"]) and len(parts) > 3 else parts[0]
        # The group's heading names the subject already.
        groups.setdefault(about, []).append((one.title.removesuffix(f" of {about}"), one))
    return list(groups.items())


def factor_title(option: Option | None, name: str | None) -> str:
    """Return the title of a factor by its name."""
    found = option.factors.get(name) if option is not None and name is not None else None
    return found.title if found is not None else name or ""


section = PlanSection()
