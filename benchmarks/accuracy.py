"""How wrong the performance model is on accelerators it has never seen, and the fit that the product ships.

    python benchmarks/accuracy.py TABLE.csv.gz... [--out docs/accuracy.csv] [--ship aigc_bench/predict/data]

Protocol. Every row of the tables is predicted. For each accelerator of the catalogue, constants and effects are fitted on the rows
of all *others* (start: the fit on all rows; nothing is random) and the accelerator's own rows are predicted. Intervals are
conformal: those for an accelerator come from the left-out residuals of the others. Coverage is also told of what the calibration
has seen: for runs and for models left out. The share of answered rows is of all rows but those of storage, refused ones among them,
and every reason for not answering is listed with its count. Spreads of the effects were chosen once, on the
same left-out score, and are constants of the code. ``--ship`` writes the fit on all rows, with intervals from all left-out
residuals.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import targets

from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.core.csv_file import write_csv
from aigc_bench.predict.fitting import left_out
from aigc_bench.predict.fitting import predictions as answering
from aigc_bench.predict.fitting.calibration import Calibration, fit, save
from aigc_bench.predict.fitting.intervals import conformal_quantiles, familiar_quantiles, new_work_quantiles, work_of
from aigc_bench.predict.published.table import read_published
from aigc_bench.predict.validation.score import Score, validation
from aigc_bench.predict.validation.scored_table import write_rows

RUN_FOLDS = 5
"""Parts into which runs are dealt for the intervals of accelerators that the fit has seen."""
WORK_FOLDS = 5
"""Parts into which models are dealt for the intervals of models that the fit has not seen."""
MOST_REASONS = 30
TABLES = (
    ("family",),
    ("family", "task", "metric"),
    ("accelerator", "family"),
    ("engine", "family"),
    ("track",),
    ("track", "accelerator"),
    (),
)
COLUMNS = (
    "by", "group", "asked", "answered", "median", "mean", "p90", "bias", "within_10", "within_20", "within_30", "coverage_80",
)  # fmt: skip


def leave_one_out(questions: list, logs: np.ndarray, whole: Calibration, *, jobs: int) -> np.ndarray:
    """Predicted log quantity of every row by a fit without its accelerator; each accelerator's error goes to stderr."""
    global _shared
    # Forked processes read the questions where they are, without a copy through a pipe.
    _shared = (questions, logs, whole)
    predicted = np.empty(len(questions))
    counts = Counter(question.accelerator for question in questions)
    # The largest first, so that no process is left with one at the end.
    names = sorted(counts, key=lambda name: (-counts[name], name))
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("fork")) as pool:
        for name, inside, own in pool.map(_without, names):
            predicted[inside] = own
            error = 100 * np.median(np.abs(np.exp(own - logs[inside]) - 1))
            print(f"{name:24s} {inside.sum():6d} rows  {error:5.1f} %", file=sys.stderr, flush=True)
    return predicted


_shared: tuple[list, np.ndarray, Calibration]


def _without(name: str) -> tuple[str, np.ndarray, np.ndarray]:
    questions, logs, whole = _shared
    inside = np.array([question.accelerator == name for question in questions])
    return name, inside, left_out.predictions_of_fold(questions, logs, inside=inside, start=whole)


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


class Residuals:
    """Left-out errors in logs of every question: without its accelerator, its model, its run."""

    def __init__(self, questions: list, logs: np.ndarray, runs: list[str], whole: Calibration, *, jobs: int) -> None:
        self.questions, self.logs, self.whole = questions, logs, whole
        self.works = left_out.run_folds([work_of(question) for question in questions], count=WORK_FOLDS)
        self.runs = left_out.run_folds(runs, count=RUN_FOLDS)
        self.unseen = leave_one_out(questions, logs, whole, jobs=jobs)
        self.new_work = left_out.predictions_of_known_accelerators(questions, logs, folds=self.works, whole=whole)
        self.familiar = left_out.predictions_of_known_accelerators(questions, logs, folds=self.runs, whole=whole)

    def quantiles(self) -> dict[str, tuple[float, float, int]]:
        """Quantiles of all groups, to be shipped."""
        parts = (
            conformal_quantiles(self.questions, self.logs - self.unseen),
            new_work_quantiles(self.questions, self.logs - self.new_work),
            familiar_quantiles(self.questions, self.logs - self.familiar),
        )
        return {name: found for part in parts for name, found in part.items()}

    def seen_rows(self, families: list[str]) -> list[list[str]]:
        """Errors and coverage of accelerators that the calibration has seen, by family: a run left out, a model left out."""
        out = []
        for name, predicted, folds, is_new in (
            ("seen accelerator: a run left out", self.familiar, self.runs, False),
            ("seen accelerator: a model left out", self.new_work, self.works, True),
        ):
            held = left_out.held_where_known(self.questions, self.logs - predicted, folds=folds, is_new=is_new)
            errors = np.abs(np.exp(predicted - self.logs) - 1)
            for family in sorted(set(families)):
                own = np.array([one == family for one in families])
                figures = (np.median(errors[own]), np.mean(errors[own]), np.quantile(errors[own], 0.9))
                cells = [f"{100 * figure:.1f}" for figure in figures]
                out.append([name, family, str(own.sum()), str(own.sum()), *cells, "", "", "", "", f"{100 * held[own].mean():.1f}"])
        return out


def ship(given: argparse.Namespace, residuals: Residuals):
    """Write the fit on all rows, with intervals of accelerators never seen, of models never seen, and of those seen."""
    questions = residuals.questions
    ready = residuals.whole.model_copy(
        update={"quantiles": residuals.quantiles(), "ranges": answering.calibrated_ranges(questions)}
    )
    counts = {form: sum(question.form == form for question in questions) for form in ("language", "step")}
    save(ready, given.ship, num_rows=counts, source=given.source, as_of=given.as_of)


def answered_rows(answers: list, refused: list) -> tuple[list[list[str]], list[list[str]]]:
    """Answered of all rows by family, storage apart, and the unanswered by family, metric and reason."""
    families = [(answer.row.query.family, answer.reason) for answer in answers] + [
        (row.columns.get("family", ""), f"refused: {row.reason}") for row in refused
    ]
    asked, answered = Counter(name for name, _ in families), Counter(name for name, reason in families if reason is None)
    model = [name for name in asked if name != "storage"]
    groups = {**{name: [name] for name in sorted(asked)}, "all but storage": model}
    shares = [
        ["answered", name, str(sum(asked[one] for one in own)), str(sum(answered[one] for one in own))]
        for name, own in groups.items()
    ]
    reasons = Counter(
        [(answer.row.query.family, answer.row.query.metric, answer.reason) for answer in answers if answer.reason is not None]
        + [(row.columns.get("family", ""), row.columns.get("metric", ""), f"refused: {row.reason}") for row in refused]
    )
    lines = [
        ["unanswered", " / ".join(key), str(count), "0"]
        for key, count in sorted(reasons.items(), key=lambda one: (-one[1], one[0]))
    ]
    return shares, lines


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", type=Path, nargs="*", help="published results, .csv or .csv.gz; docs/method.md has the columns")
    parser.add_argument("--out", type=Path, help="write the whole table of errors here")
    parser.add_argument("--ship", type=Path, help="write the fitted files of aigc_bench/predict/data here")
    parser.add_argument("--rows", type=Path, help="also write every row with its left-out prediction")
    parser.add_argument("--source", default="published results table (MLPerf, vendor and open benchmark results)")
    parser.add_argument("--jobs", type=int, default=1, help="processes that leave out accelerators side by side")
    parser.add_argument("--as-of", default="2026-08")
    return parser.parse_args()


def main() -> None:
    given = arguments()
    if not given.tables:
        print("accuracy.py needs a table of published results: python benchmarks/accuracy.py TABLE.csv.gz (some minutes).")
        return
    catalogue = load_catalogue(with_user_files=False)
    read = [read_published(path) for path in given.tables]
    rows, refused = [row for table in read for row in table.rows], [row for table in read for row in table.refused]
    # Two tables have runs and lines of the same names.
    keys = [f"{number}:{row.run_key or row.line}" for number, table in enumerate(read) for row in table.rows]
    answers, indices, questions = left_out.queries_of(rows, catalogue=catalogue)
    logs = np.array([question.log_quantity(rows[index].value) for index, question in zip(indices, questions, strict=True)])
    whole = fit(questions, logs)
    residuals = Residuals(questions, logs, [keys[index] for index in indices], whole, jobs=given.jobs)
    estimates = left_out.estimates_with_left_out_intervals(
        questions, logs, residuals.unseen, new_work=residuals.new_work, whole=whole
    )
    for index, estimate in zip(indices, estimates, strict=True):
        answers[index] = answers[index].model_copy(update={"estimate": estimate})
    shares, reasons = answered_rows(answers, refused)
    reached = targets.scores(answers, catalogue=catalogue)
    printed(targets.table(reached))
    print()
    printed([line[1:] for line in shares])
    lines = [list(COLUMNS), *table_rows(list(reached.values()), by=("target",)), *shares]
    for by in TABLES:
        lines += table_rows(validation(answers, refused=refused, by=by).groups, by=by)
    lines += residuals.seen_rows([rows[index].query.family for index in indices])
    print(f"\nNot answered: {sum(int(line[2]) for line in reasons)} of {len(rows) + len(refused)} rows, the commonest reasons:")
    printed([line[1:3] for line in reasons[:MOST_REASONS]])
    if given.out:
        width = len(COLUMNS)
        write_csv(given.out, [line + [""] * (width - len(line)) for line in [*lines, *reasons]])
    if given.rows:
        write_rows(answers, given.rows, refused=refused)
    if given.ship:
        ship(given, residuals)


if __name__ == "__main__":
    main()
