"""``aigc-bench validate``: the performance model against published results."""

from __future__ import annotations

import click

from aigc_bench.cli.output import json_option, print_json, print_table
from aigc_bench.cli.terminal import say

_PERCENT = ("median_ape", "mean_ape", "p90_ape", "bias", "within_10", "within_20", "within_30", "coverage_80")


@click.command(short_help="Score the performance model against a table of results.")
@click.argument("table", metavar="RESULTS.csv", type=click.Path(dir_okay=False))
@click.option(
    "--by", default="", metavar="gpu,family", help="Columns to group by: family, task, model, gpu, precision, engine, metric ..."
)
@click.option(
    "--rows", "rows_out", type=click.Path(dir_okay=False), metavar="OUT.csv", help="Also write every row with its prediction."
)
@json_option
def command(*, table: str, by: str, rows_out: str | None, as_json: bool) -> None:
    """Predict every row of a table in the schema of docs/method.md, and print how far the predictions are from the values.

    Errors are absolute fractions of the measured value, bias is their signed median, coverage the share of values inside the
    nominal 80 % interval. What is not answered is counted with its reason.
    """
    from aigc_bench import api
    from aigc_bench.core.records import dump

    scored = api.validate(table, by=[name.strip() for name in by.split(",") if name.strip()], rows_out=rows_out)
    if as_json:
        print_json(dump(scored))
        return
    rows = []
    for group in scored.groups:
        figures = {name: getattr(group, name) for name in _PERCENT}
        cells = {name: "–" if figure is None else f"{100 * figure:.1f} %" for name, figure in figures.items()}
        rows.append({**(group.by or {"rows": "all"}), "asked": str(group.asked), "answered": str(group.answered), **cells})
    print_table(rows, right=["asked", "answered", *_PERCENT])
    for reason, count in scored.unanswered.items():
        say(f"not answered: {count} rows, {reason}")
