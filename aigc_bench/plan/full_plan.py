"""The whole answer to a demand: its options ranked over scenarios, the first of them confirmed by simulation, and its risk."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import partial
from typing import TYPE_CHECKING

from aigc_bench.core.collection import uncollected
from aigc_bench.plan.chain_budgets import with_budgets
from aigc_bench.plan.hardware.measured_runs import MeasuredMachine, left_out
from aigc_bench.plan.most_requests import most_requests
from aigc_bench.plan.owned_machines import plan_with_owned
from aigc_bench.plan.planner import plan_again, plan_demand, with_options
from aigc_bench.plan.quoted_options import with_quotes
from aigc_bench.plan.records.demand import Demand, Job, Service
from aigc_bench.plan.records.plan import Option, Plan
from aigc_bench.plan.replay.confirm import confirming
from aigc_bench.plan.replay.replayer import Replayer
from aigc_bench.plan.risk.analysis import with_risk
from aigc_bench.predict.serving.from_model import ServiceModel

if TYPE_CHECKING:
    from aigc_bench.catalog.loader import Catalogue


def full_plan(
    demand: Demand,
    *,
    catalogue: Catalogue,
    on: date | None = None,
    accelerators: Sequence[str] = (),
    measured: Sequence[MeasuredMachine] = (),
    seed: int = 0,
) -> Plan:
    """Return the plan of a demand: options ranked by ``constraints.risk`` and replayed until one is confirmed.

    Same inputs, same bytes.
    """
    with uncollected():  # a plan and its graph are tens of thousands of records without cycles
        return _full_plan(demand, catalogue=catalogue, on=on, accelerators=accelerators, measured=measured, seed=seed)


def _full_plan(
    demand: Demand,
    *,
    catalogue: Catalogue,
    on: date | None,
    accelerators: Sequence[str],
    measured: Sequence[MeasuredMachine],
    seed: int,
) -> Plan:
    demand = with_budgets(demand, catalogue=catalogue, on=on, accelerators=accelerators, measured=measured)
    # The plan, and planning an option again after its replay, see the same inputs.
    planned = partial(plan_demand, catalogue=catalogue, on=on, measured=measured, seed=seed)
    planned_again = partial(plan_again, catalogue=catalogue, on=on, measured=measured, seed=seed)
    chosen = accelerators

    def whole(wanted: Demand, *, accelerators: Sequence[str] = (), extra: Sequence[Option] = (), is_brief: bool = False) -> Plan:
        """Return the plan of a demand with further options, replayed and with its risk unless it is brief."""
        among = accelerators or chosen
        plan = with_options(planned(wanted, accelerators=among), extra)
        workloads: list[Service | Job] = [*wanted.services, *wanted.jobs]
        notes = tuple(note for workload in workloads for note in left_out(workload, measured))
        plan = plan.model_copy(update={"notes": notes})
        if is_brief:
            return plan
        replayer = Replayer(demand=wanted, rules=plan.rules, catalogue=catalogue, model=ServiceModel(catalogue), seed=seed)
        return with_risk(
            plan, catalogue=catalogue, seed=seed, confirm=confirming(replayer, partial(planned_again, accelerators=among))
        )

    if demand.owned:
        found = plan_with_owned(demand, planner=whole, catalogue=catalogue, on=on, measured=measured, seed=seed)
    elif demand.goal == "most requests":
        found = most_requests(demand, planner=whole)
    else:
        found = whole(demand)
    return with_quotes(found, catalogue=catalogue, on=on, measured=measured, seed=seed)
