"""Make options of measured machines without accelerators."""

from __future__ import annotations

from collections.abc import Sequence

from aigc_bench.plan.hardware.measured_runs import Measured
from aigc_bench.plan.options.assemble import Procurement, make_option
from aigc_bench.plan.records.demand import Demand
from aigc_bench.plan.records.plan import Option
from aigc_bench.plan.records.rules import Rules
from aigc_bench.plan.sizing.measured_loads import loads_of


def measured_options(demand: Demand, *, measured: Sequence[Measured], rules: Rules) -> list[Option]:
    """Return options of machines without accelerators on which every load was measured."""
    found: list[Option] = []
    for run in measured:
        if run.machine.accelerator is not None:
            continue
        loads, gaps = loads_of(demand, machine=run.machine, rules=rules, with_invalid=run.with_invalid)
        if not gaps:
            procurements = [Procurement(machine=run.machine, placement=placement) for placement in ("pooled", "dedicated")]
            found += [make_option(procurement, loads, demand=demand, rules=rules) for procurement in procurements]
    return found
