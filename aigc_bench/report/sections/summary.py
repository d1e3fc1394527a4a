"""Render the facts of each run, and the three findings."""

from __future__ import annotations

import shlex
from typing import ClassVar

from aigc_bench.core.messages import message, plural
from aigc_bench.core.run_records import RunInfo, System
from aigc_bench.core.units import GIB, digits, figure
from aigc_bench.report.base import ReportContext, Section
from aigc_bench.report.findings import findings
from aigc_bench.report.markup import moment, template


class Summary(Section):
    """Show machine, software, settings and commands of each run."""

    title: ClassVar[str] = message("Summary")
    order: ClassVar[int] = 10

    def render(self, context: ReportContext) -> str:
        """Return the three findings and the facts of each run."""
        runs = [(view.tag or message("The run"), facts(view.run.info)) for view in context.runs]
        return template("summary.html.j2", {"findings": findings(context), "runs": runs})


def facts(info: RunInfo) -> list[tuple[str, str]]:
    """Return the facts of a run as pairs of name and words."""
    system = info.system
    trials = plural("{count} trial per case", "{count} trials per case", count=info.num_trials)
    profile = message(
        "{profile}, level {level}, {trials}, seed {seed}", profile=info.profile, level=info.level, trials=trials, seed=info.seed
    )
    rows = [
        (message("Machine"), message("{cpu}, {cores}", cpu=system.cpu_model, cores=_cores(system))),
        (message("Memory"), _memory(system)),
        (message("Accelerators"), _accelerators(system)),
        (message("System"), message("{os}, kernel {kernel}", os=system.os, kernel=system.kernel)),
        (message("Profile"), profile),
        (
            message("Cases"),
            message(
                "{num_cases} in {num_families} families",
                num_cases=len(info.cases),
                num_families=len({case.workload for case in info.cases}),
            ),
        ),
        (message("Ran"), _when(info)),
        (message("Command"), shlex.join(info.command)),
        (message("Software"), _versions(info)),
    ]
    # A fact that is unknown (no software recorded) takes no line.
    return [(name, words) for name, words in rows if words]


def _when(info: RunInfo) -> str:
    begun, ended = moment(info.created_s), moment(info.finished_s)
    if info.interrupted:
        return message("{begun} to {ended}, interrupted", begun=begun, ended=ended)
    return message("{begun} to {ended}", begun=begun, ended=ended)


def _cores(system: System) -> str:
    if system.num_usable_cores == system.num_cores:
        return message("{num_cores} cores", num_cores=system.num_cores)
    return message(
        "{num_usable_cores} of {num_cores} cores usable",
        num_usable_cores=figure(system.num_usable_cores),
        num_cores=system.num_cores,
    )


def _memory(system: System) -> str:
    size = f"{digits(system.memory_bytes / GIB)} GiB"
    if system.memory_limit_bytes is not None and system.memory_limit_bytes < system.memory_bytes:
        return message("{size}, limited to {limit} GiB", size=size, limit=digits(system.memory_limit_bytes / GIB))
    return size


def _accelerators(system: System) -> str:
    if not system.accelerators:
        return message("none: everything ran on the CPU")
    counts: dict[str, int] = {}
    for device in system.accelerators:
        size = f", {digits(device.memory_bytes / GIB)} GiB" if device.memory_bytes else ""
        # By name and size: parts of one name are sold with different memories.
        counts[device.name + size] = counts.get(device.name + size, 0) + 1
    return "; ".join(f"{count} × {name}" for name, count in counts.items())


def _versions(info: RunInfo) -> str:
    found = {**info.versions, **info.system.software}
    return ", ".join(f"{name} {version}" for name, version in sorted(found.items()) if version)


section = Summary()
