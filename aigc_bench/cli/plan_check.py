"""What the simulation says of a plan, beside the formulae, and what to measure next: the lower lines of the screen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from aigc_bench.cli.output import wrapped

if TYPE_CHECKING:
    from aigc_bench.plan.records.plan import Option, Plan
    from aigc_bench.plan.records.replay import ReplayedJob, ReplayedService


def simulated(option: Option) -> Iterator[str]:
    """Each service and job as it went in the simulation."""
    replay = option.replay
    if replay is None:
        return
    verdict = "holds" if replay.is_met else "DOES NOT CONFIRM THE PLAN"
    yield f"  simulation of the peak {verdict}:"
    for service in replay.services:
        yield from wrapped(_service(service, replay.added_machines.get(service.name, 0)), indent=4)
    for job in replay.jobs:
        yield from wrapped(_job(job), indent=4)


def _service(one: ReplayedService, added: int) -> str:
    from aigc_bench.core.units import quantity

    if one.simulated_share is None:
        words = [f"{one.name}: no SLO is asked; the queue {'stays short' if one.is_met else 'grows without end'}"]
    else:
        analytic = "" if one.analytic_share is None else f" (formula {one.analytic_share:.1%})"
        words = [f"{one.name}: {one.simulated_share:.1%} of requests in time{analytic}, {100 * one.asked_share:.4g}% asked"]
    if one.share_interval is not None:
        low, high = one.share_interval
        words.append(f"{low:.0%} to {high:.0%} at the ends of the predicted speed")
    for name, found in one.percentiles.items():
        if found.limit_s is not None and found.simulated_s is not None:
            formula = "" if found.analytic_s is None else f" (formula {quantity(found.analytic_s, 's')})"
            label = name if name == "latency" else name.upper()
            words.append(f"p{100 * found.share:g} {label} {quantity(found.simulated_s, 's')}{formula}")
    if added:
        words.append(f"{added} accelerators more than the formulae ask for")
    return ", ".join([*words, *one.notes])


def _job(one: ReplayedJob) -> str:
    from aigc_bench.core.units import quantity

    usual = "never done" if one.median_s is None else f"usually after {quantity(one.median_s, 's')}"
    return f"{one.name}: {one.share_in_time:.1%} of {one.num_windows} runs in time, {usual} of {quantity(one.window_s, 's')}"


def warnings(plan: Plan) -> Iterator[str]:
    """Doubtful numbers that the recommended option stands on, and those that were left out."""
    from aigc_bench.plan.risk.value_of_information import doubts_of

    option = plan.recommended
    for note in (*(doubts_of(option) if option else ()), *plan.notes):
        yield from wrapped(note, indent=2)


def next_measurement(plan: Plan) -> Iterator[str]:
    """The run that would narrow the plan most."""
    from aigc_bench.plan.risk.value_of_information import best_measurements

    best = next(iter(best_measurements(plan)), None)
    if best is None or best.shrinks_by < 0.01:
        return
    where = f" on {best.accelerator}" if best.accelerator else ""
    yield from wrapped(
        f"measure next: {best.command}{where}; it would narrow the accelerators needed by {best.shrinks_by:.0%}", indent=2
    )
