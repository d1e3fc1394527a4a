"""How wrong the performance model is on accelerators it has never seen, and the fit that the product ships.

    python benchmarks/accuracy.py TABLE.csv.gz [--out docs/accuracy.csv] [--ship aigc_bench/predict/data]

Protocol. Every row of the table is predicted. For each accelerator of the catalogue, constants and effects are fitted on the rows
of all *others* (start: the fit on all rows; nothing is random) and the accelerator's own rows are predicted. Intervals are
conformal: those for an accelerator come from the left-out residuals of the others. Spreads of the effects were chosen once, on the
same left-out score, and are constants of the code. ``--ship`` writes the fit on all rows, with intervals from all left-out
residuals.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import targets

from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.core.csv_file import write_csv
from aigc_bench.predict.fitting import left_out
from aigc_bench.predict.fitting import predictions as answering
from aigc_bench.predict.fitting.calibration import Calibration, fit, save
from aigc_bench.predict.fitting.intervals import conformal_quantiles, familiar_quantiles
from aigc_bench.predict.published.table import read_published
from aigc_bench.predict.validation.score import Score, validation
from aigc_bench.predict.validation.scored_table import write_rows

RUN_FOLDS = 5
"""Parts into which runs are dealt for the intervals of accelerators that the fit has seen."""
TABLES = (("family", "task", "metric"), ("accelerator", "family"), ("engine", "family"), ("track",), ("track", "accelerator"), ())
COLUMNS = (
    "by", "group", "asked", "answered", "median", "mean", "p90", "bias", "within_10", "within_20", "within_30", "coverage_80",
)  # fmt: skip


def leave_one_out(questions: list, logs: np.ndarray, whole: Calibration) -> np.ndarray:
    """Predicted log quantity of every row by a fit without its accelerator; each accelerator's error goes to stderr."""
    predicted = np.empty(len(questions))
    folds = [question.accelerator for question in questions]
    started = time.perf_counter()
    for name, inside, own in left_out.predictions_by_fold(questions, logs, folds=folds, start=whole):
        predicted[inside] = own
        error = 100 * np.median(np.abs(np.exp(own - logs[inside]) - 1))
        spent, started = time.perf_counter() - started, time.perf_counter()
        print(f"{name:24s} {inside.sum():6d} rows  {error:5.1f} %  {spent:5.1f} s", file=sys.stderr, flush=True)
    return predicted


def table_rows(groups: Sequence[Score], *, by: Sequence[str]) -> list[list[str]]:
    """The table as it is committed: percent with one decimal."""
    out = []
    for group in groups:
        figures = (
            group.median_ape, group.mean_ape, group.p90_ape, group.bias, group.within_10, group.within_20, group.within_30,
            group.coverage_80,
        )  # fmt: skip
        cells = ["" if figure is None else f"{100 * figure:.1f}" for figure in figures]
        out.append(["+".join(by) or "all", " / ".join(group.by.values()) or "all", str(group.asked), str(group.answered), *cells])
    return out


def printed(lines: Sequence[Sequence[str]]) -> None:
    """Lines of cells on stdout, the first column wide."""
    for line in lines:
        print("  ".join(f"{cell:>8s}" if number else f"{cell:<44s}" for number, cell in enumerate(line)).rstrip())


def ship(given: argparse.Namespace, questions: list, logs: np.ndarray, predicted: np.ndarray, runs: list[str], whole: Calibration):
    """Write the fit on all rows, with intervals of accelerators never seen and of those seen."""
    folds = left_out.run_folds(runs, count=RUN_FOLDS)
    familiar = left_out.predictions_of_known_accelerators(questions, logs, folds=folds, whole=whole)
    print(f"runs left out: {100 * np.median(np.abs(np.exp(familiar - logs) - 1)):.1f} %", file=sys.stderr)
    quantiles = conformal_quantiles(questions, logs - predicted) | familiar_quantiles(questions, logs - familiar)
    ready = whole.model_copy(update={"quantiles": quantiles, "ranges": answering.calibrated_ranges(questions)})
    counts = {form: sum(question.form == form for question in questions) for form in ("language", "step")}
    save(ready, given.ship, num_rows=counts, source=given.source, as_of=given.as_of)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path, nargs="?", help="published results, .csv or .csv.gz; docs/method.md has the columns")
    parser.add_argument("--out", type=Path, help="write the whole table of errors here")
    parser.add_argument("--ship", type=Path, help="write the fitted files of aigc_bench/predict/data here")
    parser.add_argument("--rows", type=Path, help="also write every row with its left-out prediction")
    parser.add_argument("--source", default="published results table (MLPerf, vendor and open benchmark results)")
    parser.add_argument("--as-of", default="2026-08")
    return parser.parse_args()


def main() -> None:
    given = arguments()
    if given.table is None:
        print("accuracy.py needs a table of published results: python benchmarks/accuracy.py TABLE.csv.gz (about two minutes).")
        return
    catalogue = load_catalogue(with_user_files=False)
    table = read_published(given.table)
    rows = table.rows
    answers, indices, questions = left_out.queries_of(rows, catalogue=catalogue)
    logs = np.array([question.log_quantity(rows[index].value) for index, question in zip(indices, questions, strict=True)])
    whole = fit(questions, logs)
    predicted = leave_one_out(questions, logs, whole)
    estimates = left_out.estimates_with_left_out_intervals(questions, logs, predicted, whole=whole)
    for index, estimate in zip(indices, estimates, strict=True):
        answers[index] = answers[index].model_copy(update={"estimate": estimate})
    reached = targets.scores(answers, catalogue=catalogue)
    printed(targets.table(reached))
    lines = [list(COLUMNS), *table_rows(list(reached.values()), by=("target",))]
    for by in TABLES:
        lines += table_rows(validation(answers, refused=table.refused, by=by).groups, by=by)
    print(f"\nAll: {dict(zip(COLUMNS[2:], lines[-1][2:], strict=True))}\nNot answered: {validation(answers).unanswered}")
    print(f"Refused: {len(table.refused)} of {len(rows) + len(table.refused)} rows")
    if given.out:
        write_csv(given.out, lines)
    if given.rows:
        write_rows(answers, given.rows, refused=table.refused)
    if given.ship:
        runs = [rows[index].run_key or str(rows[index].line) for index in indices]
        ship(given, questions, logs, predicted, runs, whole)


if __name__ == "__main__":
    main()
