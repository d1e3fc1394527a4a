"""The doctor: what this machine can measure, what it cannot and why, and what would spoil a measurement, each with its remedy."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from aigc_bench.core.messages import message
from aigc_bench.core.run_records import Check
from aigc_bench.measure.doctor import devices, files, host, sensors, software
from aigc_bench.measure.doctor.finding import failure

GROUPS: tuple[Callable[[], Sequence[Check]], ...] = (software.checks, devices.checks, host.checks, sensors.checks, files.checks)


def diagnose() -> list[Check]:
    """Every check, in the order software, devices, host, sensors, files. A check that cannot be made is a failure of its own."""
    found: list[Check] = []
    for group in GROUPS:
        try:
            found += group()
        except Exception as problem:
            name = group.__module__.rpartition(".")[2]
            detail = message(
                "the checks of this group could not be made: {type}: {problem}", type=type(problem).__name__, problem=problem
            )
            found.append(failure(name, detail, remedy=message("Report this, with the output of `aigc-bench doctor --json`.")))
    return found
