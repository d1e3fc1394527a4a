"""The plan at the end of a run's report: as many machines like the measured one as a demand requires."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from aigc_bench.core.records import PROBE_PREFIX, MetricRow
from aigc_bench.plan.demand.default_demand import default_demand
from aigc_bench.plan.hardware.measured_runs import as_machine
from aigc_bench.plan.planner import plan_demand
from aigc_bench.plan.records.demand import Demand
from aigc_bench.plan.records.plan import Plan

if TYPE_CHECKING:
    from aigc_bench.catalog.loader import Catalogue
    from aigc_bench.measure.store import Run


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
