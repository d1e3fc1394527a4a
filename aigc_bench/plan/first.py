"""The first plan: from a recorded run to a number of machines like the measured one, judged over six factors, with money.

Entry point of the report. The full planner searches over other machines and adds uncertainty by Monte Carlo; both use
the same loads, pools, factors and costs. Same run, same bytes: nothing here is random or reads a clock.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from aigc_bench.core.records import PROBE_PREFIX, MetricRow
from aigc_bench.plan.demand.default_demand import default_demand
from aigc_bench.plan.explain.assumptions import assumptions_of
from aigc_bench.plan.hardware.measured_machine import machine_from_run
from aigc_bench.plan.options.assemble import Procurement, make_option, ranked
from aigc_bench.plan.records.demand import Demand
from aigc_bench.plan.records.loads import Placement
from aigc_bench.plan.records.machine import Machine
from aigc_bench.plan.records.plan import Plan
from aigc_bench.plan.records.rules import Rules
from aigc_bench.plan.sizing.measured_loads import loads_of
from aigc_bench.plan.sizing.rules import rules_from

if TYPE_CHECKING:
    from aigc_bench.catalog.loader import Catalogue
    from aigc_bench.measure.store import Run

METHOD = (
    "Loads are peak rates over measured throughput; pools are sized at a target utilisation with spares by binomial availability; "
    "intervals are carried to first order (factors in quadrature as independent, terms of a sum as fully dependent). Whole numbers "
    "come from the middle of the intervals. Waiting in queues is covered by the target utilisation only, so P(SLO) is not given."
)
NOT_INCLUDED = (
    "staff",
    "software licences",
    "taxes and duties",
    "internet transit",
    "switches, cabling and shared storage",
    "growth of the demand",
)


def first_plan(
    run: Run,
    *,
    rows: Sequence[MetricRow] | None = None,
    catalogue: Catalogue | None = None,
    demand: Demand | None = None,
    with_invalid: Collection[str] = (),
) -> Plan | None:
    """Return the plan of a run for ``demand``, or for the built-in one; ``None`` where nothing measured could be demanded.

    ``with_invalid`` names cases whose numbers are planned with although their verdict is invalid.
    """
    if catalogue is None:
        from aigc_bench.catalog.loader import usable_catalogue

        catalogue = usable_catalogue()
    if rows is None:
        from aigc_bench.analyze.rows import metric_rows

        rows = metric_rows(run, catalogue=catalogue)
    rows = [row for row in rows if not row.workload.startswith(PROBE_PREFIX)]
    if demand is None and not any(row.metric == "throughput" and row.value for row in rows):
        return None
    machine = machine_from_run(run, rows, catalogue)
    wanted = demand or default_demand(rows, catalogue=catalogue)
    return make_plan(wanted, machine=machine, rules=rules_from(catalogue), with_invalid=with_invalid)


def make_plan(demand: Demand, *, machine: Machine, rules: Rules, with_invalid: Collection[str] = ()) -> Plan:
    """Return the plan of a demand on machines of one kind; pure arithmetic over records."""
    loads, unplanned = loads_of(demand, machine=machine, rules=rules, with_invalid=with_invalid)
    placements: tuple[Placement, ...] = ("pooled", "dedicated") if len(loads) > 1 else ("pooled",)
    options = ranked(
        [make_option(Procurement(machine=machine, placement=one), loads, demand=demand, rules=rules) for one in placements]
    )
    accepted = [option.rank for option in options if option.accepted]
    return Plan(
        demand=demand,
        rules=rules,
        machine=machine,
        options=options,
        recommendation=min(accepted, default=None),
        assumptions=assumptions_of(demand, rules=rules, machine=machine),
        unplanned=unplanned,
        not_included=NOT_INCLUDED,
        method=METHOD,
    )
