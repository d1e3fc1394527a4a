"""``aigc-bench compare``: compare runs with a base run."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import click

from aigc_bench.cli import EXIT_REGRESSION
from aigc_bench.cli.output import json_option, print_json, print_table
from aigc_bench.cli.terminal import say
from aigc_bench.core.messages import message, translated

if TYPE_CHECKING:
    from aigc_bench.analyze.compare import Change, Comparison, RunComparison


def _fraction(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """Return ``5%`` or ``0.05`` as a fraction; click's callback for ``--fail-above``."""
    if value is None:
        return None
    from aigc_bench.core.numbers import parse_number

    try:
        fraction = parse_number(value.removesuffix("%"), suffix=False) / (100 if value.endswith("%") else 1)
    except ValueError:
        # Outside of what is allowed: one message below serves both mistakes.
        fraction = -1.0
    if not 0 <= fraction < 1:
        raise click.BadParameter(message("{value!r} is not a fraction; write 5% or 0.05", value=value), ctx=ctx, param=param)
    return fraction


@click.command(short_help=message("Compare runs with a base run, case by case."))
@click.argument("base", metavar="BASE")
@click.argument("others", nargs=-1, required=True, metavar="OTHER...")
@click.option("--fail-above", callback=_fraction, metavar="5%", help=message("Exit 4 if a metric is worse by more than this."))
@click.option("--all", "is_complete", is_flag=True, help=message("Also print unchanged metrics."))
@json_option
def command(*, base: str, others: tuple[str, ...], fail_above: float | None, is_complete: bool, as_json: bool) -> int:
    """Compare runs with a base run, case by case.

    A change is reported if Welch's t-test on the trials' medians gives p < 0.01 and the effect exceeds 1.5 %; the false discovery
    rate is held at 5 %. Runs of different hardware are ranked, without regressions.
    """
    from aigc_bench import api
    from aigc_bench.core.records import dump

    comparison = api.compare(base, *others, fail_above=fail_above)
    print_json(dump(comparison)) if as_json else _print(comparison, is_complete=is_complete)
    return EXIT_REGRESSION if comparison.has_regression else 0


def _print(comparison: Comparison, *, is_complete: bool) -> None:
    for other in comparison.others:
        say(message("{other} against {base}: {kind}", other=other.other, base=comparison.base, kind=other.kind.replace("_", " ")))
        for line in _circumstances(other):
            say(f"  {translated(line)}")
        shown = [change for change in other.changes if is_complete or change.finding in ("better", "worse")]
        print_table([_cells(change) for change in shown], right=["base", "other", "effect", "detectable", "p"])
        counts = Counter(change.finding for change in other.changes)
        tally = message(
            "{better} better, {worse} worse, {same} same, {undecided} undecided; {regressions} regressions",
            better=counts["better"],
            worse=counts["worse"],
            same=counts["same"],
            undecided=counts["undecided"],
            regressions=len(other.regressions),
        )
        say(tally, "")


def _circumstances(other: RunComparison) -> list[str]:
    """Return how the circumstances of the two runs differ."""
    lines = [message("{key} differs: {base} and {other}", key=key.key, base=key.base, other=key.other) for key in other.differing]
    lines += other.notes
    lines += [message("not compared: {case}", case=case) for case in (*other.only_in_base, *other.only_in_other)]
    if other.throughput_ratio is not None:
        lines.append(
            message("throughput, geometric mean over the cases: x {throughput_ratio:.3f}", throughput_ratio=other.throughput_ratio)
        )
    return lines


def _cells(change: Change) -> dict[str, str]:
    from aigc_bench.core.units import quantity

    detectable = "–" if change.detectable_effect is None else f"{100 * change.detectable_effect:.1f} %"
    return {
        message("case"): change.case,
        message("metric"): change.metric,
        message("base"): quantity(change.base, change.unit),
        message("other"): quantity(change.other, change.unit),
        message("effect"): f"{change.effect:+.1%}",
        message("detectable"): detectable,
        message("p"): "–" if change.p is None else f"{change.p:.2g}",
        message("finding"): message("REGRESSION") if change.is_regression else change.finding,
        message("verdict"): change.verdict,
    }
