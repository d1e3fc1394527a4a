"""The planner: from a demand to ranked options. Same inputs, same bytes: the day of prices is an input.

The hosts are those of the catalogue and the machines that were measured, or the measured ones alone: the plan at the end of a
run's report. Either way the same loads, fleets, factors and costs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Literal

from aigc_bench.core.messages import message
from aigc_bench.core.records import PROBE_PREFIX, MetricRow
from aigc_bench.plan.demand.default_demand import default_demand
from aigc_bench.plan.explain.assumptions import assumptions_of
from aigc_bench.plan.hardware.measured_runs import MeasuredMachine, as_machine
from aigc_bench.plan.options.assemble import ranked
from aigc_bench.plan.options.measured_options import Examined, examine_measured
from aigc_bench.plan.records.demand import Demand
from aigc_bench.plan.records.plan import Option, Plan
from aigc_bench.plan.records.rules import Rules, rules_from

if TYPE_CHECKING:
    from aigc_bench.catalog.loader import Catalogue
    from aigc_bench.measure.store import Run


Hosts = Literal["all", "measured"]
"""``all``: the catalogue's and the measured ones."""

METHODS: Mapping[Hosts, str] = {
    "all": message(
        "The search covers every accelerator of the catalogue in every server that holds it: owned and colocated if it "
        "is on sale, and rented in whole instances. For each load it tries every engine, number format, parallelism, "
        "batch and power limit that the model supports, and takes the cheapest that fits in memory and meets the SLO, "
        "where possible with reserves of time and memory for the error of the prediction. Queues are modelled as M/G/c "
        "(Allen-Cunneen), spares by binomial availability, intervals to first order. Counts are computed from central "
        "values; servers are added as a safety margin until SLOs and deadlines are met with the stated confidence."
    ),
    "measured": message(
        "Loads are peak rates over measured throughput; pools are sized at a target utilisation with spares by "
        "binomial availability; intervals are carried to first order (factors in quadrature as independent, terms of a "
        "sum as fully dependent). Whole numbers come from the middle of the intervals. Waiting in queues is covered by "
        "the target utilisation only, so P(SLO) is not given."
    ),
}
NOT_INCLUDED = (message("software licences"), message("taxes and duties"), message("internet transit"))
NOT_OF_MEASURED = ("staff", message("switches, cabling and shared storage"), message("growth of the demand"))
"""Around measured machines no room is planned, and their demand is today's."""


def plan_demand(
    demand: Demand,
    *,
    catalogue: Catalogue,
    among: Hosts = "all",
    on: date | None = None,
    accelerators: Sequence[str] = (),
    measured: Sequence[MeasuredMachine] = (),
    seed: int = 0,
) -> Plan:
    """Return the plan of a demand; ``accelerators`` (ids) narrows the search, ``on`` is the day of prices (the catalogue's newest).

    ``measured`` runs replace predictions, and are machines of their own where they have no accelerator; ``among`` them alone,
    nothing is searched. Safety margins are found in scenarios sampled from ``seed``.
    """
    rules = rules_from(catalogue)
    if among == "measured":
        return plan_on_measured(demand, measured=measured, rules=rules)
    # The performance model and scipy take half a second to import, which the report of a run need not wait for.
    from aigc_bench.plan.catalogue_search import examine_catalogue

    own = examine_measured(demand, measured=measured, rules=rules, is_alone=False)
    found = examine_catalogue(
        demand,
        catalogue=catalogue,
        rules=rules,
        on=on,
        accelerators=accelerators,
        measured=measured,
        seed=seed,
        others=own.options,
    )
    return _chosen(demand, own, found, rules=rules, among=among)


def plan_again(
    demand: Demand,
    part: Option,
    *,
    catalogue: Catalogue,
    floors: Mapping[str, int],
    is_same: bool,
    on: date | None = None,
    accelerators: Sequence[str] = (),
    measured: Sequence[MeasuredMachine] = (),
    seed: int = 0,
) -> tuple[Option, ...]:
    """Return the options of the kind, term and accelerator of ``part`` by rank, with the machines that a simulation required.

    ``floors`` are minimum accelerators of loads, by ``Load.case``. With ``is_same`` loads keep their settings.
    Other arguments as in ``plan_demand``.
    """
    from aigc_bench.plan.catalogue_search import examine_again

    rules = rules_from(catalogue)
    own = examine_measured(demand, measured=measured, rules=rules, is_alone=False)
    found = examine_again(
        demand,
        part,
        catalogue=catalogue,
        rules=rules,
        on=on,
        accelerators=accelerators,
        measured=measured,
        floors=floors,
        is_same=is_same,
        seed=seed,
    )
    return ranked([*own.options, *found])


def plan_on_measured(demand: Demand, *, measured: Sequence[MeasuredMachine], rules: Rules) -> Plan:
    """Return the plan of a demand on measured machines alone; pure arithmetic over records."""
    found = examine_measured(demand, measured=measured, rules=rules, is_alone=True)
    return _chosen(demand, found, rules=rules, among="measured")


def with_options(plan: Plan, more: Sequence[Option]) -> Plan:
    """Return the plan with further options, ranked and recommended anew."""
    if not more:
        return plan
    options = ranked([*plan.options, *more])
    accepted = [one.rank for one in options if one.accepted]
    return plan.model_copy(update={"options": options, "recommendation": min(accepted, default=None)})


def _chosen(demand: Demand, *examined: Examined, rules: Rules, among: Hosts) -> Plan:
    """Return the plan of all that was examined: options ranked, the first accepted one recommended, its assumptions listed."""
    options = ranked(option for one in examined for option in one.options)
    accepted = [option.rank for option in options if option.accepted]
    # Ranks count from 1; without an accepted option the first refused one stands for the plan.
    best = options[min(accepted, default=1) - 1] if options else None
    return Plan(
        demand=demand,
        rules=rules,
        machine=best.machine if best is not None and among == "measured" else None,
        options=options,
        recommendation=min(accepted, default=None),
        assumptions=assumptions_of(demand, rules=rules, machine=best.machine if best is not None else None),
        unplanned=tuple(gap for one in examined for gap in one.unplanned),
        num_candidates=sum(one.num_candidates for one in examined),
        # Two hosts of one accelerator can be refused for the same reason.
        refused=tuple(dict.fromkeys(refusal for one in examined for refusal in one.refused)),
        not_included=NOT_INCLUDED if among == "all" else (*NOT_OF_MEASURED[:1], *NOT_INCLUDED, *NOT_OF_MEASURED[1:]),
        method=METHODS[among],
    )


def plan_of_run(
    run: Run,
    *,
    rows: Sequence[MetricRow] | None = None,
    catalogue: Catalogue | None = None,
    demand: Demand | None = None,
    with_invalid: Collection[str] = (),
) -> Plan | None:
    """Return the plan of ``demand``, or of the default one, on machines like the measured one; ``None`` without anything to plan.

    The default demand is of the measured models that people deploy: a size made for tests proposes no purchase. ``with_invalid``
    names cases whose numbers are used although their verdict is invalid. No other host is searched, nothing is simulated: a report
    takes no longer to write.
    """
    # Imported late: a report that gets both from its caller need not load them.
    if catalogue is None:
        from aigc_bench.catalog.loader import usable_catalogue

        catalogue = usable_catalogue()
    if rows is None:
        from aigc_bench.analyze.rows import metric_rows

        rows = metric_rows(run, catalogue=catalogue)
    rows = [row for row in rows if not row.workload.startswith(PROBE_PREFIX)]
    deployed = [row for row in rows if not is_test_size(row.preset)]
    if demand is None and not any(row.metric == "throughput" and row.value for row in deployed):
        return None
    own = as_machine(run, rows, catalogue=catalogue, with_invalid=with_invalid)
    wanted = demand or default_demand(deployed, catalogue=catalogue)
    return plan_demand(wanted, catalogue=catalogue, among="measured", measured=(own,))


def has_a_plan(rows: Sequence[MetricRow]) -> bool:
    """Return whether a run says by itself what to buy: it has a valid throughput of a model that people deploy."""
    return any(row.metric == "throughput" and row.value and row.verdict == "valid" and not is_test_size(row.preset) for row in rows)


def is_test_size(preset: str) -> bool:
    """Return whether a preset is a model made small for tests; their presets are called ``tiny`` in every family."""
    return preset.split("-")[-1] == "tiny"
