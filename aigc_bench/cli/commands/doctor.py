"""``aigc-bench doctor``: diagnose this machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from aigc_bench.cli.output import json_option, print_json
from aigc_bench.cli.terminal import say
from aigc_bench.core.messages import looked_up, message, translated

if TYPE_CHECKING:
    from aigc_bench.core.run_records import Check

MARKS = {
    "ok": message("ok"),
    "note": message("note"),
    "warning": message("WARNING"),
    "failure": message("FAILURE"),
    "absent": message("absent"),
}


@click.command(short_help=message("Check what can be measured on this machine, with remedies."))
@json_option
def command(*, as_json: bool) -> int:
    """Diagnose this machine: what can be measured, what cannot and why, and what would disturb a measurement.

    Exit 1 if a check failed.
    """
    from aigc_bench import api
    from aigc_bench.core.records import dump

    checks = api.doctor()
    if as_json:
        print_json([dump(check) for check in checks])
    else:
        print_checks(checks)
    return 1 if any(check.status == "failure" for check in checks) else 0


def print_checks(checks: Sequence[Check]) -> None:
    """Print one line per check, with its remedy below."""
    width = max(len(check.name) for check in checks)
    for check in checks:
        say(f"{translated(MARKS[check.status]):8} {check.name:{width}}  {looked_up(check.detail)}")
        if check.remedy:
            say(f"{'':8} {'':{width}}  -> {looked_up(check.remedy)}")
