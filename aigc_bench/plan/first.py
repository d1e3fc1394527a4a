"""The first plan: from a recorded run to a number of machines like the measured one, judged over six factors, with money.

Entry point of the report. The full planner searches over other machines and adds uncertainty by Monte Carlo; both stand on
the same loads, pools, factors and costs. Same run, same bytes: nothing here is random or reads a clock.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from aigc_bench.core.records import PROBE_PREFIX, MetricRow
from aigc_bench.plan.assumptions import assumptions_of
from aigc_bench.plan.builtin import builtin_demand
from aigc_bench.plan.demand import Demand, Job, Service
from aigc_bench.plan.machine import machine_from_run
from aigc_bench.plan.options import Way, make_option, ranked
from aigc_bench.plan.records import Capability, Load, Machine, Placement, Plan, Rules, Unplanned
from aigc_bench.plan.rules import rules_from
from aigc_bench.plan.sizing import job_load, latency_floor_s, service_load

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
    "switches, cabling and shared storage beside the servers",
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
    """The plan of a run for ``demand``, or for the built-in one; ``None`` where nothing was measured that anybody could demand.

    ``with_invalid`` names cases whose numbers are planned with although their verdict is invalid.
    """
    if catalogue is None:
        from aigc_bench.catalog.loader import load_catalogue

        catalogue = load_catalogue()
    if rows is None:
        from aigc_bench.analyze.rows import metric_rows

        rows = metric_rows(run, catalogue=catalogue)
    rows = [row for row in rows if not row.workload.startswith(PROBE_PREFIX)]
    if demand is None and not any(row.metric == "throughput" and row.value for row in rows):
        return None
    machine = machine_from_run(run, rows, catalogue)
    wanted = demand or builtin_demand(rows, catalogue=catalogue)
    return make_plan(wanted, machine=machine, rules=rules_from(catalogue), with_invalid=with_invalid)


def make_plan(demand: Demand, *, machine: Machine, rules: Rules, with_invalid: Collection[str] = ()) -> Plan:
    """Plan a demand on machines of one kind; pure arithmetic over records."""
    loads, unplanned = loads_of(demand, machine=machine, rules=rules, with_invalid=with_invalid)
    placements: tuple[Placement, ...] = ("pooled", "dedicated") if len(loads) > 1 else ("pooled",)
    options = ranked([make_option(Way(machine=machine, placement=one), loads, demand=demand, rules=rules) for one in placements])
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


def loads_of(
    demand: Demand, *, machine: Machine, rules: Rules, with_invalid: Collection[str] = ()
) -> tuple[tuple[Load, ...], tuple[Unplanned, ...]]:
    """What every service and job asks of the machine, and those that cannot be planned with the reason."""
    loads: list[Load] = []
    unplanned: list[Unplanned] = []
    for service in demand.services:
        usable, reason = _usable(service, machine, with_invalid=with_invalid)
        if usable:
            loads.append(service_load(service, best_for(service, usable), growth=demand.growth))
        else:
            unplanned.append(Unplanned(name=service.name, reason=reason))
    for job in demand.jobs:
        usable, reason = _usable(job, machine, with_invalid=with_invalid)
        if usable:
            loads.append(job_load(job, _fastest(usable), rules=rules))
        else:
            unplanned.append(Unplanned(name=job.name, reason=reason))
    return tuple(loads), tuple(unplanned)


def best_for(service: Service, capabilities: Sequence[Capability]) -> Capability:
    """The fastest measured setting that answers one request in time; the quickest answer where none does."""
    slo_s = service.slo.latency_s
    in_time = [found for found in capabilities if slo_s is None or _floor_s(service, found) <= slo_s]
    if in_time:
        return _fastest(in_time)
    return min(capabilities, key=lambda found: (_floor_s(service, found), found.case))


def _floor_s(service: Service, capability: Capability) -> float:
    floor = latency_floor_s(service, capability)
    return 0.0 if floor is None else floor.value


def _fastest(capabilities: Sequence[Capability]) -> Capability:
    return min(capabilities, key=lambda found: (-found.throughput.value, found.case))


def _usable(wish: Service | Job, machine: Machine, *, with_invalid: Collection[str]) -> tuple[list[Capability], str]:
    """The cases that may be planned with, and why there are none."""
    what = f"{wish.workload}{f'/{wish.preset}' if wish.preset else ''} in mode {wish.mode}"
    fits = [
        found
        for found in machine.capabilities
        if (found.workload, found.mode) == (wish.workload, wish.mode) and wish.preset in (None, found.preset)
    ]
    if not fits:
        return [], f"no finished case of {what}; run one on this machine"
    codes = sorted({reason for found in fits for reason in found.reasons})
    usable = [found for found in fits if found.verdict != "invalid" or found.case in with_invalid]
    return usable, f"every case of {what} is invalid ({', '.join(codes) or 'no reason given'}): run again, or name the case"
