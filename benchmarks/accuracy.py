"""How wrong the performance model is on accelerators it has never seen, and the fit that the product ships.

    python benchmarks/accuracy.py TABLE.csv.gz [--out docs/accuracy.csv] [--ship aigc_bench/predict/data]

Protocol. Every row of the table is asked. For each accelerator of the catalogue, constants and effects are fitted on the rows of
all *others* (start: the fit on all rows; nothing is random) and the accelerator's own rows are predicted. Intervals are conformal:
those for an accelerator come from the left-out residuals of the others. Spreads of the effects were chosen once, on the same
left-out score, and are constants of the code. ``--ship`` writes the fit on all rows, with intervals from all left-out residuals.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.predict import answers as answering
from aigc_bench.predict import forms
from aigc_bench.predict import questions as questions_of
from aigc_bench.predict.calibration import Calibration, fit, grouped_effects, save
from aigc_bench.predict.intervals import conformal_quantiles, familiar_quantiles
from aigc_bench.predict.published import PublishedRow, read_rows
from aigc_bench.predict.rows import ModelRow, Unanswered
from aigc_bench.predict.validate import Score, validation

FOLDS = 5
"""Parts into which runs are drawn (by a hash of the run) for the intervals of accelerators that the fit has seen."""
FEW = 12
"""An accelerator with fewer rows keeps the constants of the whole fit (its effects are always left out)."""
TABLES = (("family", "task", "metric"), ("accelerator", "family"), ("engine", "family"), ("track",), ("track", "accelerator"), ())


def leave_one_out(questions: list[ModelRow], logs: np.ndarray, whole: Calibration) -> np.ndarray:
    """Predicted log quantity of every row by a fit without its accelerator."""
    names = np.array([question.accelerator for question in questions])
    predicted = np.empty(len(questions))
    for name in sorted(set(names)):
        inside = names == name
        others = [question for question, is_own in zip(questions, inside, strict=True) if not is_own]
        own = [question for question, is_own in zip(questions, inside, strict=True) if is_own]
        started = time.perf_counter()
        part = fit(others, logs[~inside], start=whole) if inside.sum() >= FEW else refit_effects(others, logs[~inside], whole)
        predicted[inside] = part.log_quantity(own)
        error = np.median(np.abs(np.exp(predicted[inside] - logs[inside]) - 1))
        print(
            f"{name:24s} {inside.sum():6d} rows  {100 * error:5.1f} %  {time.perf_counter() - started:5.1f} s",
            file=sys.stderr,
            flush=True,
        )
    return predicted


def leave_runs_out(questions: list[ModelRow], logs: np.ndarray, runs: Sequence[str], whole: Calibration) -> np.ndarray:
    """Predicted log quantity of every row by a fit without a fifth of the runs, its own among them."""
    folds = np.array([zlib.crc32(run.encode()) % FOLDS for run in runs])
    predicted = np.empty(len(questions))
    for fold in range(FOLDS):
        inside = folds == fold
        part = refit_effects([q for q, is_own in zip(questions, inside, strict=True) if not is_own], logs[~inside], whole)
        predicted[inside] = part.log_quantity([q for q, is_own in zip(questions, inside, strict=True) if is_own])
    return predicted


def refit_effects(rows: list[ModelRow], logs: np.ndarray, whole: Calibration) -> Calibration:
    """The constants of the whole fit with effects of these rows alone."""
    effects: dict[str, float] = {}
    for form in ("language", "step"):
        chosen = [index for index, row in enumerate(rows) if row.form == form]
        own = [rows[index] for index in chosen]
        rest = logs[chosen] - forms.log_quantity(form, forms.columns_of(own), whole.constants[form])
        effects |= grouped_effects(own, rest)
    return whole.model_copy(update={"effects": effects})


def asked(rows: Sequence[PublishedRow]) -> tuple[list[answering.Answer], list[int], list[ModelRow]]:
    """Every row as an unanswered answer, the indices of those the model understands, and these in its terms."""
    catalogue = load_catalogue(with_user_files=False)
    specs = {gpu: catalogue.published_accelerator(gpu) for gpu in {row.query.gpu for row in rows}}
    told: list[answering.Answer] = []
    indices: list[int] = []
    questions: list[ModelRow] = []
    for index, row in enumerate(rows):
        spec = specs[row.query.gpu]
        try:
            question = answering.model_row(row.query, spec)
        except Unanswered as problem:
            told.append(answering.Answer(row=row, accelerator=spec.id if spec else None, reason=str(problem)))
            continue
        told.append(answering.Answer(row=row, accelerator=question.accelerator, track=question.track))
        indices.append(index)
        questions.append(question)
    return told, indices, questions


def with_left_out_intervals(questions: list[ModelRow], logs: np.ndarray, predicted: np.ndarray, whole: Calibration) -> list:
    """Estimates of every row, its interval from the residuals of the other accelerators."""
    names = np.array([question.accelerator for question in questions])
    residuals = logs - predicted
    estimates: list = [None] * len(questions)
    for name in sorted(set(names)):
        others = [index for index in range(len(questions)) if names[index] != name]
        own = [index for index in range(len(questions)) if names[index] == name]
        part = whole.model_copy(
            update={"effects": {}, "quantiles": conformal_quantiles([questions[i] for i in others], residuals[others])}
        )
        for index, estimate in zip(
            own, answering.with_intervals([questions[i] for i in own], predicted[own], calibration=part), strict=True
        ):
            estimates[index] = estimate
    return estimates


def table_rows(groups: Sequence[Score], *, by: Sequence[str]) -> list[list[str]]:
    """The table as it is committed: percent with one decimal."""
    out = []
    for group in groups:
        figures = (
            group.median_ape,
            group.mean_ape,
            group.p90_ape,
            group.bias,
            group.within_10,
            group.within_20,
            group.within_30,
            group.coverage_80,
        )
        cells = ["" if figure is None else f"{100 * figure:.1f}" for figure in figures]
        out.append(["+".join(by) or "all", " / ".join(group.by.values()) or "all", str(group.asked), str(group.answered), *cells])
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--ship", type=Path)
    parser.add_argument("--rows", type=Path, help="also write every row with its left-out prediction")
    parser.add_argument("--source", default="published results table (MLPerf, vendor and open benchmark results)")
    parser.add_argument("--as-of", default="2026-08")
    given = parser.parse_args()
    rows = read_rows(given.table)
    told, indices, questions = asked(rows)
    logs = np.array([question.log_quantity(rows[index].value) for index, question in zip(indices, questions, strict=True)])
    whole = fit(questions, logs)
    predicted = leave_one_out(questions, logs, whole)
    estimates = with_left_out_intervals(questions, logs, predicted, whole)
    for index, estimate in zip(indices, estimates, strict=True):
        told[index] = told[index].model_copy(update={"estimate": estimate})
    header = [
        "by",
        "group",
        "asked",
        "answered",
        "median",
        "mean",
        "p90",
        "bias",
        "within_10",
        "within_20",
        "within_30",
        "coverage_80",
    ]
    lines = [header]
    for by in TABLES:
        lines += table_rows(validation(told, by=by).groups, by=by)
    for line in lines:
        print("  ".join(f"{cell:>10s}" if number > 1 else f"{cell:<44s}" for number, cell in enumerate(line)))
    print(validation(told).unanswered)
    if given.out:
        with given.out.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(lines)
    if given.rows:
        questions_of.write_rows(told, given.rows)
    if given.ship:
        runs = [rows[index].run_key or str(rows[index].line) for index in indices]
        familiar = leave_runs_out(questions, logs, runs, whole)
        print(f"runs left out: {100 * np.median(np.abs(np.exp(familiar - logs) - 1)):.1f} %", file=sys.stderr)
        ready = whole.model_copy(
            update={
                "quantiles": conformal_quantiles(questions, logs - predicted) | familiar_quantiles(questions, logs - familiar),
                "ranges": answering.calibrated_ranges(questions),
            }
        )
        counts = {form: sum(question.form == form for question in questions) for form in ("language", "step")}
        save(ready, given.ship, num_rows=counts, source=given.source, as_of=given.as_of)


if __name__ == "__main__":
    main()
