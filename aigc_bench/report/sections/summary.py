"""Render the facts of each run, and the three findings."""

from __future__ import annotations

import shlex
from typing import ClassVar

from aigc_bench.core.records import RunInfo, System
from aigc_bench.core.units import GIB, digits
from aigc_bench.report.base import ReportContext, Section
from aigc_bench.report.findings import findings
from aigc_bench.report.markup import figure, moment, template


class Summary(Section):
    """Show machine, software, settings and commands of each run."""

    title: ClassVar[str] = "Summary"
    order: ClassVar[int] = 10

    def render(self, context: ReportContext) -> str:
        """Return the three findings and the facts of each run."""
        runs = [(view.tag or "The run", facts(view.run.info)) for view in context.runs]
        return template("summary.html.j2", {"findings": findings(context), "runs": runs})


def facts(info: RunInfo) -> list[tuple[str, str]]:
    """Return the facts of a run as pairs of name and words."""
    system = info.system
    trials = f"{info.num_trials} trial{'' if info.num_trials == 1 else 's'} per case"
    profile = f"{info.profile}, level {info.level}, {trials}, seed {info.seed}"
    rows = [
        ("Machine", f"{system.cpu_model}, {_cores(system)}"),
        ("Memory", _memory(system)),
        ("Accelerators", _accelerators(system)),
        ("System", f"{system.os}, kernel {system.kernel}"),
        ("Profile", profile),
        ("Cases", f"{len(info.cases)} in {len({case.workload for case in info.cases})} families"),
        ("Ran", f"{moment(info.created_s)} to {moment(info.finished_s)}" + (", interrupted" if info.interrupted else "")),
        ("Command", shlex.join(info.command)),
        ("Software", _versions(info)),
    ]
    return [(name, words) for name, words in rows if words]


def _cores(system: System) -> str:
    if system.num_usable_cores == system.num_cores:
        return f"{system.num_cores} cores"
    return f"{figure(system.num_usable_cores)} of {system.num_cores} cores usable"


def _memory(system: System) -> str:
    words = f"{digits(system.memory_bytes / GIB)} GiB"
    if system.memory_limit_bytes is not None and system.memory_limit_bytes < system.memory_bytes:
        words += f", limited to {digits(system.memory_limit_bytes / GIB)} GiB"
    return words


def _accelerators(system: System) -> str:
    if not system.accelerators:
        return "none: everything ran on the CPU"
    counts: dict[str, int] = {}
    for device in system.accelerators:
        size = f", {digits(device.memory_bytes / GIB)} GiB" if device.memory_bytes else ""
        counts[device.name + size] = counts.get(device.name + size, 0) + 1
    return "; ".join(f"{count} × {name}" for name, count in counts.items())


def _versions(info: RunInfo) -> str:
    found = {**info.versions, **info.system.software}
    return ", ".join(f"{name} {version}" for name, version in sorted(found.items()) if version)


section = Summary()
