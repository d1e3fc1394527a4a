"""``python -m tests.fuzz``: read so many inputs of each kind, say what was found, and keep the findings."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

import click

from tests.fuzz.campaign import Tally, fuzzed, keep_findings, usable_cores
from tests.fuzz.kinds import all_kinds


def say(text: str) -> None:
    """A line of progress."""
    click.echo(text, err=True)


@click.command()
@click.option("--count", type=int, default=500, show_default=True, help="Inputs of each kind.")
@click.option("--kind", "names", multiple=True, help="Only this kind (may be repeated).")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--jobs", type=int, default=usable_cores(), show_default=True, help="Processes.")
@click.option("--whole", type=int, default=0, help="Accepted inputs of each kind to give to whole commands as well.")
@click.option("--keep", type=click.Path(path_type=Path), default=Path("build/fuzz"), show_default=True, help="Folder for findings.")
@click.option("--small/--as-met", default=True, help="Minimise the findings that are kept, or leave them as they were met.")
@click.option("--write", is_flag=True, help="Write the figures into docs/reliability.md.")
def main(*, count: int, names: tuple[str, ...], seed: int, jobs: int, whole: int, keep: Path, small: bool, write: bool) -> None:
    """Exit 1 where anything was found."""
    home = tempfile.mkdtemp(prefix="fuzz-home-")
    os.environ |= {"XDG_CONFIG_HOME": f"{home}/config", "XDG_CACHE_HOME": f"{home}/cache", "OMP_NUM_THREADS": "1"}
    tallies: list[Tally] = []
    try:
        for name in names or all_kinds():
            kind = all_kinds()[name]
            tally = fuzzed(kind, count=count, seed=seed, num_children=jobs, told=say)
            click.echo(tally.line)
            tallies.append(tally)
            keep_findings(kind, tally, seed=seed, folder=keep, is_small=small)
            if whole and kind.commands:
                from tests.fuzz.whole import through_commands

                commanded = through_commands(kind, tally.accepted[:whole], seed=seed, num_children=jobs, told=say, keep=keep)
                click.echo(commanded.line)
                tallies.append(commanded)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    if write:
        from tests.fuzz.reliability import write_figures

        write_figures(tallies, count=count)
    sys.exit(1 if any(tally.findings for tally in tallies) else 0)


if __name__ == "__main__":
    main()
