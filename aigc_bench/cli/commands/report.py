"""``aigc-bench report``: write the HTML report of one or several runs."""

from __future__ import annotations

import click

from aigc_bench.cli.output import json_option, print_json
from aigc_bench.cli.terminal import say
from aigc_bench.core.messages import message


@click.command(short_help=message("Write the HTML report of one or several runs."))
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option(
    "-o", "--out", type=click.Path(dir_okay=False), metavar="FILE", help=message("File to write; default RUN/report.html.")
)
@click.option("--demand", metavar="DEMAND.toml", help=message("Append the plan of this demand, using the runs' measurements."))
@json_option
def command(*, runs: tuple[str, ...], out: str | None, demand: str | None, as_json: bool) -> None:
    """Write the HTML report of one or several runs as one self-contained file."""
    from aigc_bench import api

    file = api.report(*runs, out=out, demand=demand)
    print_json({"report": str(file)}) if as_json else say(str(file))
