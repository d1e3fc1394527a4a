"""Print the simulated check of a plan next to the analytic result, and what to measure next."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from aigc_bench.cli.output import wrapped

if TYPE_CHECKING:
    from aigc_bench.plan.output.check_view import CheckedService
    from aigc_bench.plan.output.plan_view import PlanView
    from aigc_bench.plan.records.replay import ReplayedJob


def simulated(view: PlanView) -> Iterator[str]:
    """Yield the verdict of the simulation, then a line for each service and job."""
    check = view.check
    if check is None:
        return
    verdict = "confirms the plan" if check.is_met else "DOES NOT CONFIRM THE PLAN"
    yield f"  simulation of the peak {verdict}:"
    for service in check.services:
        yield from wrapped(_service(service), indent=4)
    for job in check.jobs:
        yield from wrapped(_job(job), indent=4)


def _service(row: CheckedService) -> str:
    from aigc_bench.core.units import quantity

    one = row.found
    if one.simulated_share is None:
        words = [f"{one.name}: no SLO; the queue {'is stable' if one.is_met else 'grows without bound'}"]
    else:
        analytic = "" if one.analytic_share is None else f"analytic {one.analytic_share:.1%}, "
        words = [
            f"{one.name}: {one.simulated_share:.1%} of requests within the SLO ({analytic}target {100 * one.asked_share:.4g}%)"
        ]
    if one.share_interval is not None:
        low, high = one.share_interval
        words.append(f"{low:.0%} to {high:.0%} over the interval of the predicted speed")
    for found in row.latencies:
        if found.limit_s is not None:
            analytic = "" if found.analytic_s is None else f" (analytic {quantity(found.analytic_s, 's')})"
            words.append(f"p{100 * found.share:g} {found.name} {quantity(found.simulated_s, 's')}{analytic}")
    if row.num_added:
        words.append(f"{row.num_added} accelerators more than the analytic model requires")
    return ", ".join([*words, *one.notes])


def _job(one: ReplayedJob) -> str:
    from aigc_bench.core.units import quantity

    usual = "never finished" if one.median_s is None else f"median {quantity(one.median_s, 's')}"
    return (
        f"{one.name}: {one.share_in_time:.1%} of {one.num_windows} runs meet the deadline, {usual} of {quantity(one.window_s, 's')}"
    )


def warnings(view: PlanView) -> Iterator[str]:
    """Yield the suspect numbers that the recommended option rests on, and those that were left out."""
    for note in view.basis.doubts:
        yield from wrapped(note, indent=2)


def next_measurement(view: PlanView) -> Iterator[str]:
    """Yield the measurement that would narrow the plan most."""
    best = next(iter(view.basis.worthwhile), None)
    if best is None:
        return
    where = f" on {best.accelerator}" if best.accelerator else ""
    yield from wrapped(
        f"measure next: {best.command}{where}; it would narrow the number of accelerators by {best.shrinks_by:.0%}", indent=2
    )
