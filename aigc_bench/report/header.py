"""Render the top of the report: machine, run, outcome of the cases, and the key figures."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from aigc_bench.core.messages import joined, message
from aigc_bench.core.run_records import RunInfo
from aigc_bench.core.units import clock, figure, quantity
from aigc_bench.report.base import MODE_WORDS, STATUS_WORDS, CaseView, ReportContext
from aigc_bench.report.markup import STATUS_TONE, VERDICT_TONE, mark, markup, missing, moment, number


@dataclass(frozen=True, kw_only=True)
class Tile:
    """One key figure: its name, its value with its marks, and a line of context."""

    title: str
    value: Markup
    note: str


@dataclass(frozen=True, kw_only=True)
class Header:
    """The header above the sections."""

    overline: str
    title: str
    subtitle: str
    chips: Sequence[tuple[str, str | None]]
    tiles: Sequence[Tile]


def header(context: ReportContext) -> Header:
    """Return the header of all the report's runs; machine and time are the first run's."""
    info = context.runs[0].run.info
    others = message(" and {num_more} more", num_more=len(context.runs) - 1) if len(context.runs) > 1 else ""
    spent = f" · {clock(info.finished_s - info.created_s)}" if info.finished_s is not None else message(" · not finished")
    return Header(
        overline=message("Benchmark report · {created}{spent}", created=moment(info.created_s), spent=spent),
        title=machine_name(info),
        subtitle=message(
            "Profile {profile} · level {level} · run {id}{others}{interrupted}",
            profile=info.profile,
            level=info.level,
            id=info.id,
            others=others,
            interrupted=message(" · interrupted") if info.interrupted else "",
        ),
        chips=chips(context.cases),
        tiles=tiles(context),
    )


def machine_name(info: RunInfo) -> str:
    """Return the machine of a run: ``8 × NVIDIA H200``, or the CPU and its cores."""
    counts = Counter(device.name for device in info.system.accelerators)
    if counts:
        return ", ".join(f"{count} × {name}" for name, count in counts.items())
    return message(
        "{cpu_model}, {num_usable_cores} cores",
        cpu_model=info.system.cpu_model,
        num_usable_cores=figure(info.system.num_usable_cores),
    )


def chips(cases: Sequence[CaseView]) -> list[tuple[str, str | None]]:
    """Return the number of cases by outcome, and of numbers by verdict."""
    statuses = Counter(view.status for view in cases)
    whole = "ok" if statuses["ok"] == len(cases) else "warn"
    found: list[tuple[str, str | None]] = [
        (message("{num_finished} of {num_cases} cases finished", num_finished=statuses["ok"], num_cases=len(cases)), whole)
    ]
    found += [
        (message("{count} {status}", count=statuses[name], status=words), STATUS_TONE.get(name))
        for name, words in STATUS_WORDS.items()
        if name != "ok" and statuses[name]
    ]
    verdicts = Counter(row.verdict for view in cases for row in view.rows.values() if row.value is not None)
    return found + [
        (message("{count} numbers {verdict}", count=verdicts[name], verdict=name), VERDICT_TONE[name])
        for name in ("valid", "suspect", "invalid")
        if verdicts[name]
    ]


def tiles(context: ReportContext) -> list[Tile]:
    """Return the key figures: cases, time, memory, CPU, energy and, with a plan, machines."""
    found = [_finished(context), _time(context), _peak(context), _cpu(context), _power(context)]
    plan = context.plan.plan if context.plan is not None else None
    option = plan.recommended if plan is not None else None
    if option is not None and plan is not None:
        words = [message("meet the demand “{name}”", name=plan.demand.name)]
        words += [message("bottleneck {bottleneck}", bottleneck=option.bottleneck)] if option.bottleneck else []
        note = joined(", ", words)
        found.append(Tile(title=message("Machines in the plan"), value=number(option.num_machines), note=note))
    return found


def _finished(context: ReportContext) -> Tile:
    families = len({view.case.workload for view in context.measured})
    value = markup(
        '{count} <span class="unit muted">of {num_cases}</span>', count=len(context.measured), num_cases=len(context.cases)
    )
    return Tile(
        title=message("Cases with numbers"),
        value=value,
        note=message("in {families} of {num_families} model families", families=families, num_families=len(context.families)),
    )


def _time(context: ReportContext) -> Tile:
    trials = [trial for view in context.cases for trial in view.measured_trials if trial.window is not None]
    measured_s = sum(trial.window.wall_s for trial in trials if trial.window is not None)
    value = Markup("{}{}").format(clock(measured_s), mark("measured")) if trials else missing(message("no trial has finished"))
    return Tile(
        title=message("Measured time"),
        value=value,
        note=message("in {num_trials} trials, each a fresh process", num_trials=len(trials)),
    )


def _peak(context: ReportContext) -> Tile:
    # The most inclusive peak that some case has: a device's, else the allocator's, else the process's.
    for metric, what in (
        ("memory_device_peak", "of a device"),
        ("memory_reserved_peak", "reserved"),
        ("memory_host_peak", "of a process"),
    ):
        view = _highest(context, metric)
        if view is not None:
            return Tile(
                title=message("Highest memory {what}", what=what),
                value=number(view.rows[metric]),
                note=message("{label}, {mode}", label=view.label, mode=MODE_WORDS[view.case.mode]),
            )
    return Tile(title=message("Highest memory"), value=missing(message("no case has a memory number")), note=message("no counter"))


def _cpu(context: ReportContext) -> Tile:
    values = sorted(share for view in context.measured if (share := view.value("cpu_utilization")) is not None)
    if not values:
        return Tile(
            title=message("CPU utilisation"),
            value=missing(message("no CPU readings in the windows")),
            note=message("no readings in the windows"),
        )
    # The median case: a mean would be moved by one that idles.
    value = Markup("{}{}").format(quantity(statistics.median(values), "fraction"), mark("measured"))
    note = message("median case; {least} to {most}", least=quantity(values[0], "fraction"), most=quantity(values[-1], "fraction"))
    return Tile(title=message("CPU utilisation"), value=value, note=note)


def _power(context: ReportContext) -> Tile:
    view = _highest(context, "power_mean")
    if view is None:
        return Tile(
            title=message("Power and energy"), value=missing(message("no power sensor")), note=message("not measured: no sensor")
        )
    return Tile(
        title=message("Highest mean power"),
        value=number(view.rows["power_mean"]),
        note=message("{label}, {mode}", label=view.label, mode=MODE_WORDS[view.case.mode]),
    )


def _highest(context: ReportContext, metric: str) -> CaseView | None:
    """Return the case with the highest value of a metric."""
    known = [view for view in context.measured if view.value(metric) is not None]
    return max(known, key=lambda view: view.value(metric) or 0.0, default=None)
