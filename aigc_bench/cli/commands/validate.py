"""``aigc-bench validate``: score the performance model against published results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from aigc_bench.cli.output import json_option, print_json, print_table
from aigc_bench.cli.terminal import say
from aigc_bench.core.messages import message, plural

if TYPE_CHECKING:
    from aigc_bench.predict.validation.score import Refused, Validation

MOST_REASONS = 40
MOST_RANGES = 100
"""On the screen; ``--json`` has every row."""
_PERCENT = ("median_ape", "mean_ape", "p90_ape", "bias", "within_10", "within_20", "within_30", "coverage_80")


@click.command(short_help=message("Score the performance model against a table of results."))
@click.argument("table", metavar="RESULTS.csv", type=click.Path(dir_okay=False))
@click.option(
    "--by",
    default="",
    metavar="gpu,family",
    help=message("Columns to group by: family, task, model, gpu, precision, engine, metric ..."),
)
@click.option(
    "--rows",
    "rows_out",
    type=click.Path(dir_okay=False),
    metavar="OUT.csv",
    help=message("Also write every row with its prediction."),
)
@json_option
def command(*, table: str, by: str, rows_out: str | None, as_json: bool) -> None:
    """Predict every row of a table in the schema of docs/method.md, and print how far the predictions are from the values.

    Errors are absolute fractions of the measured value, bias is their signed median, coverage the share of values inside the
    nominal 80 % interval. Rows that cannot be predicted are counted by reason. Rows that cannot be read are refused, with line and
    reason; the number of rows includes them. If no row can be predicted, the exit code is 1.
    """
    from aigc_bench import api
    from aigc_bench.predict.validation.scored_table import NoUsableRowError

    try:
        scored = api.validate(table, by=[name.strip() for name in by.split(",") if name.strip()], rows_out=rows_out)
    # The counts and reasons are shown before the error, which alone would not say what is wrong with which row.
    except NoUsableRowError as problem:
        _show(problem.scored, as_json=as_json)
        raise
    _show(scored, as_json=as_json)


def _show(scored: Validation, *, as_json: bool) -> None:
    if as_json:
        from aigc_bench.core.records import dump

        print_json(dump(scored))
        return
    rows = []
    for group in scored.groups:
        figures = {name: getattr(group, name) for name in _PERCENT}
        cells = {name: "–" if figure is None else f"{100 * figure:.1f} %" for name, figure in figures.items()}
        rows.append({**(group.by or {"rows": "all"}), "asked": str(group.asked), "answered": str(group.answered), **cells})
    print_table(rows, right=["asked", "answered", *_PERCENT])
    for reason, count in scored.unanswered.items():
        say(plural("{count} row not answered: {reason}", "{count} rows not answered: {reason}", count=count, reason=reason))
    for line in _refusals(scored.refused):
        say(line)


def _refusals(refused: Sequence[Refused]) -> Iterator[str]:
    """Yield one line per reason with the lines of its rows: ``2 rows refused: lines 3, 7: unit 'banana' is ...``."""
    lines: dict[str, list[int]] = {}
    for row in refused:
        lines.setdefault(row.reason, []).append(row.line)
    for reason, own in list(lines.items())[:MOST_REASONS]:
        yield plural(
            "{count} row refused: line {lines}: {reason}",
            "{count} rows refused: lines {lines}: {reason}",
            count=len(own),
            lines=_ranges(own),
            reason=reason,
        )
    rest = list(lines.values())[MOST_REASONS:]
    if rest:
        yield message(
            "{num_rows} rows refused for {num_reasons} further reasons; --json has every row",
            num_rows=sum(map(len, rest)),
            num_reasons=len(rest),
        )


def _ranges(lines: Sequence[int]) -> str:
    """Return line numbers in rising order as ``3, 7-9``."""
    ranges: list[list[int]] = []
    for line in lines:
        if ranges and line == ranges[-1][1] + 1:
            ranges[-1][1] = line
        else:
            ranges.append([line, line])
    shown = [str(first) if first == last else f"{first}-{last}" for first, last in ranges[:MOST_RANGES]]
    return ", ".join(shown) + (
        message(" and {num_more} more; --json has every row", num_more=len(ranges) - MOST_RANGES)
        if len(ranges) > MOST_RANGES
        else ""
    )
