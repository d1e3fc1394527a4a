"""``aigc-bench show``: print the numbers of a run."""

from __future__ import annotations

import difflib
from pathlib import Path

import click

from aigc_bench.cli.output import headline, json_option, number_cells, print_json, print_table, width
from aigc_bench.cli.terminal import say, say_document
from aigc_bench.core.messages import joined, message


@click.command(short_help=message("Print the numbers of a run: one row per case and metric."))
@click.argument("name", metavar="RUN|ACCELERATOR")
@click.option(
    "--as", "form", type=click.Choice(["published"]), help=message("Print CSV in the schema that `aigc-bench validate` reads.")
)
@click.option(
    "--gpu", metavar="ID|@RUN", help=message("Name of the machine in that CSV, such as a run with the probes of this CPU.")
)
@click.option(
    "--explain",
    "explained",
    nargs=2,
    metavar="CASE METRIC",
    help=message("Show how a metric of a case is derived from its trials."),
)
@json_option
def command(*, name: str, form: str | None, gpu: str | None, explained: tuple[str, str] | None, as_json: bool) -> None:
    """Print the numbers of a run: one row per case and metric, with unit, interval, verdict and its reasons.

    With the id of an accelerator (see `aigc-bench list accelerators`), print all its catalogue data with sources.
    """
    if gpu is not None and form is None:
        raise click.UsageError(message("--gpu names the machine in the CSV of `--as published`; add --as published"))
    if form is not None:
        if as_json:
            raise click.UsageError(message("--as published prints CSV; it cannot be combined with --json"))
        from aigc_bench import api

        say_document(api.published(name, gpu=gpu))
    elif explained is not None:
        if as_json:
            raise click.UsageError(message("--explain prints text; it cannot be combined with --json"))
        from aigc_bench import api
        from aigc_bench.analyze.metric_trail import explain

        say_document(explain(api.rows(api.load(name)), *explained, width=width(116)))
    # A path that does not exist is still a path: the error then speaks of a run and not of accelerators.
    elif Path(name).exists() or "/" in name:
        _show_run(name, as_json=as_json)
    else:
        _show_accelerator(name, as_json=as_json)


def _show_run(name: str, *, as_json: bool) -> None:
    from aigc_bench import api
    from aigc_bench.core.records import dump

    loaded = api.load(name)
    rows = api.rows(loaded)
    if as_json:
        print_json([dump(row) for row in rows])
        return
    for summary in api.cases(loaded):
        say(joined("  ", (summary.case_id, headline(summary))))
        own = [row for row in rows if row.case == summary.case_id]
        known = [row for row in own if row.value is not None]
        print_table([number_cells(row, shared=summary.reasons) for row in known], right=["value", "low", "high", "n"])
        missing = [number_cells(row, shared=summary.reasons) for row in own if row.value is None]
        if missing:
            names = ", ".join(f"{cells['metric']} ({cells['further reasons']})" for cells in missing)
            say(message("unavailable: {names}", names=names))
        say()


def _show_accelerator(name: str, *, as_json: bool) -> None:
    """Print the catalogue's data of an accelerator line by line, each with its source."""
    from aigc_bench.catalog.descriptions import describe_accelerator
    from aigc_bench.catalog.loader import load_catalogue
    from aigc_bench.core.errors import UnknownNameError, UsageError

    catalogue = load_catalogue()
    try:
        described = describe_accelerator(catalogue, name)
    except UnknownNameError:
        near = difflib.get_close_matches(name, catalogue.accelerators, n=3, cutoff=0.5)
        hint = message("Did you mean {near}?", near=" or ".join(near)) if near else message("See `aigc-bench list accelerators`.")
        raise UsageError(message("{name}: neither a run directory nor an accelerator.", name=name), hint) from None
    rows = [{"what": what, "value": value, "source": source} for what, value, source in described]
    print_json(rows) if as_json else print_table(rows)
