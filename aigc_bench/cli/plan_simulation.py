"""Print the simulated check of a plan next to the analytic result, and what to measure next."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from aigc_bench.cli.output import wrapped
from aigc_bench.core.messages import joined, message

if TYPE_CHECKING:
    from aigc_bench.plan.output.check_view import CheckedJob, CheckedService
    from aigc_bench.plan.output.plan_view import PlanView


def simulated(view: PlanView) -> Iterator[str]:
    """Yield the verdict of the simulation, then a line for each service and job."""
    check = view.check
    if check is None:
        return
    verdict = message("confirms the plan") if check.is_met else message("DOES NOT CONFIRM THE PLAN")
    yield message("  simulation of the peak {verdict}:", verdict=verdict)
    for service in check.services:
        yield from wrapped(_service(service), indent=4)
    for job in check.jobs:
        yield from wrapped(_job(job), indent=4)


def _service(row: CheckedService) -> str:
    from aigc_bench.core.units import quantity

    one = row.found
    if one.simulated_share is None:
        words = [
            message("{name}: no SLO; the queue is stable", name=one.name)
            if one.is_met
            else message("{name}: no SLO; the queue grows without bound", name=one.name)
        ]
    else:
        analytic = "" if one.analytic_share is None else message("analytic {percent:.1f} %, ", percent=100 * one.analytic_share)
        words = [
            message(
                "{name}: {simulated_share:.1f} % of requests within the SLO ({analytic}target {asked_share:.4g} %)",
                name=one.name,
                simulated_share=100 * one.simulated_share,
                analytic=analytic,
                asked_share=100 * one.asked_share,
            )
        ]
    if one.share_interval is not None:
        low, high = one.share_interval
        ends = dict.fromkeys(f"{100 * end:.0f}" for end in (low, high))
        share = (
            message("{low} to {high} %", low=f"{100 * low:.0f}", high=f"{100 * high:.0f}")
            if len(ends) > 1
            else f"{next(iter(ends))} %"
        )
        words.append(message("{share} over the interval of the predicted speed", share=share))
    for found in row.latencies:
        if found.limit_s is not None:
            analytic = (
                "" if found.analytic_s is None else message(" (analytic {analytic})", analytic=quantity(found.analytic_s, "s"))
            )
            words.append(
                message(
                    "p{share:g} {name} {simulated}{analytic}",
                    share=100 * found.share,
                    name=found.name,
                    simulated=quantity(found.simulated_s, "s"),
                    analytic=analytic,
                )
            )
    if row.num_added:
        words.append(message("{num_added} accelerators more than the analytic model requires", num_added=row.num_added))
    return joined(", ", [*words, *one.notes])


def _job(row: CheckedJob) -> str:
    from aigc_bench.core.units import quantity

    one = row.found
    usual = message("never finished") if one.median_s is None else message("median {median}", median=quantity(one.median_s, "s"))
    return message(
        "{name}: {percent:.1f} % of {num_windows} runs meet the deadline, {usual} of {window}",
        name=one.name,
        percent=100 * one.share_in_time,
        num_windows=one.num_windows,
        usual=usual,
        window=quantity(one.window_s, "s"),
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
    where = message(" on {accelerator}", accelerator=best.accelerator) if best.accelerator else ""
    yield from wrapped(
        message(
            "measure next: {command}{where}; it would narrow the interval of the accelerator count by {percent:.0f} %",
            command=best.command,
            where=where,
            percent=100 * best.shrinks_by,
        ),
        indent=2,
    )
