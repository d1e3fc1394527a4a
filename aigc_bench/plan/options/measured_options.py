"""Make options of measured machines: as many machines like the measured one as the demand requires.

``Examined`` is what any search for options returns: the options, and what never became one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aigc_bench.core.messages import joined
from aigc_bench.plan.hardware.measured_runs import MeasuredMachine
from aigc_bench.plan.options.assemble import Procurement, make_option
from aigc_bench.plan.records.demand import Demand
from aigc_bench.plan.records.loads import Placement, Unplanned
from aigc_bench.plan.records.plan import Option, Refusal
from aigc_bench.plan.records.rules import Rules
from aigc_bench.plan.sizing.measured_loads import loads_of


@dataclass(frozen=True, kw_only=True)
class Examined:
    """Options without a rank, loads that no host can carry, hosts without an option, and how many settings were compared."""

    options: tuple[Option, ...]
    unplanned: tuple[Unplanned, ...] = ()
    refused: tuple[Refusal, ...] = ()
    num_candidates: int = 0


def examine_measured(demand: Demand, *, measured: Sequence[MeasuredMachine], rules: Rules, is_alone: bool) -> Examined:
    """Return the options of measured machines, with loads pooled and on machines of their own.

    If the machines are ``is_alone`` in the plan, one carries the loads that it was measured with, and the others stay unplanned.
    Among other hosts it has to carry all loads to be compared with them, and a machine with an accelerator of the catalogue is
    a host there already, whose predictions the measurements replace.
    """
    # Machines with a known accelerator enter the search as a host, so they would be listed twice.
    hosts = [run for run in measured if is_alone or run.machine.accelerator is None]
    found = [_examine(demand, run, rules=rules, is_alone=is_alone) for run in hosts]
    return Examined(
        options=tuple(option for one in found for option in one.options),
        unplanned=tuple(gap for one in found for gap in one.unplanned),
        refused=tuple(refusal for one in found for refusal in one.refused),
    )


def _examine(demand: Demand, run: MeasuredMachine, *, rules: Rules, is_alone: bool) -> Examined:
    machine = run.machine
    loads, gaps = loads_of(demand, machine=machine, rules=rules, with_invalid=run.with_invalid)
    if gaps and not is_alone:
        return Examined(
            options=(),
            refused=tuple(Refusal(accelerator=machine.name, reason=joined(": ", (one.name, one.reason))) for one in gaps),
        )
    # With a single load both are the same.
    placements: tuple[Placement, ...] = ("pooled", "dedicated") if len(loads) > 1 else ("pooled",)
    procurements = [Procurement(machine=machine, placement=placement) for placement in placements]
    return Examined(options=tuple(make_option(one, loads, demand=demand, rules=rules) for one in procurements), unplanned=gaps)
