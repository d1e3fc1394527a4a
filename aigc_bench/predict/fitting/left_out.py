"""Predictions by fits that have not seen what they predict: the ground of every stated error and interval.

A fold is a label per question: with accelerators as folds, each is predicted by constants and effects of the rows of all others.
Nothing is random. ``start`` is where a fit begins, to save time; it converges to the minimum of its own rows.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from aigc_bench.catalog.loader import Catalogue
from aigc_bench.catalog.records import AcceleratorSpec
from aigc_bench.core.records import Estimate
from aigc_bench.predict.closed_form.columns import ModelRow, NotPredictable
from aigc_bench.predict.fitting import predictions as answering
from aigc_bench.predict.fitting.calibration import WORK_LEVELS, Calibration, before_any_measurement, fit, fit_effects_alone
from aigc_bench.predict.fitting.effects import Floats
from aigc_bench.predict.fitting.intervals import bounds, conformal_quantiles, familiar_quantiles, new_work_quantiles
from aigc_bench.predict.published.row import PublishedRow

Mask = NDArray[np.bool_]
FEW = 12
"""A fold with fewer rows keeps the constants of the whole fit (its effects are always left out)."""


def queries_of(
    rows: Sequence[PublishedRow], *, catalogue: Catalogue
) -> tuple[list[answering.RowPrediction], list[int], list[ModelRow]]:
    """Every row as an answer without an estimate, the indices of those that the model understands, and these in its terms."""
    machines = answering.Machines(catalogue)
    answers: list[answering.RowPrediction] = []
    indices: list[int] = []
    questions: list[ModelRow] = []
    for index, row in enumerate(rows):
        spec: AcceleratorSpec | None = None
        try:
            spec = machines.named(row.query.gpu)
            question = machines.cautioned(row.query.gpu, answering.model_row(row.query, spec))
        except NotPredictable as problem:
            answers.append(answering.RowPrediction(row=row, accelerator=spec.id if spec else None, reason=str(problem)))
            continue
        answers.append(answering.RowPrediction(row=row, accelerator=question.accelerator, track=question.track))
        indices.append(index)
        questions.append(question)
    return answers, indices, questions


def predictions_by_fold(
    questions: Sequence[ModelRow], logs: Floats, *, folds: Sequence[str], start: Calibration
) -> Iterator[tuple[str, Mask, Floats]]:
    """Per fold its name, the mask of its rows, and their predicted log quantities by a fit without them."""
    labels = np.asarray(folds)
    for name in sorted(set(folds)):
        inside: Mask = labels == name
        yield name, inside, predictions_of_fold(questions, logs, inside=inside, start=start)


def predictions_of_fold(questions: Sequence[ModelRow], logs: Floats, *, inside: Mask, start: Calibration) -> Floats:
    """Return the predicted log quantity of the rows of one fold, of shape ``[rows inside]``, by a fit on all others."""
    own = [question for question, is_own in zip(questions, inside, strict=True) if is_own]
    # Forms share nothing: one that the fold does not ask for need not be fitted anew.
    asked = {question.form for question in own}
    kept = np.array([question.form in asked for question in questions]) & ~inside
    others = [question for question, is_kept in zip(questions, kept, strict=True) if is_kept]
    # Leaving out a handful of thousands of rows hardly moves the constants; fitting them anew is what takes the time.
    few = inside.sum() < FEW
    part = fit_effects_alone(others, logs[kept], whole=start) if few else fit(others, logs[kept], start=start)
    return part.log_quantity(own)


def run_folds(runs: Sequence[str], *, count: int) -> list[str]:
    """Runs dealt into ``count`` folds by a hash of their names."""
    # Not ``hash()``, which Python salts anew in every process.
    return [str(zlib.crc32(run.encode()) % count) for run in runs]


def predictions_of_known_accelerators(
    questions: Sequence[ModelRow], logs: Floats, *, folds: Sequence[str], whole: Calibration
) -> Floats:
    """Predicted log quantity of every row by effects without its own fold of runs, the constants being those of all rows."""
    labels = np.asarray(folds)
    predicted = np.empty(len(questions))
    for name in sorted(set(folds)):
        inside = labels == name
        others = [question for question, is_own in zip(questions, inside, strict=True) if not is_own]
        # The accelerator itself stays in the fit with its other runs, so its device effect is known here.
        part = fit_effects_alone(others, logs[~inside], whole=whole)
        predicted[inside] = part.log_quantity([question for question, is_own in zip(questions, inside, strict=True) if is_own])
    return predicted


def estimates_with_left_out_intervals(
    questions: Sequence[ModelRow], logs: Floats, predicted: Floats, *, new_work: Floats, whole: Calibration
) -> list[Estimate]:
    """Estimates of every row; its interval comes from the residuals of the other accelerators.

    ``predicted`` are by fits without the row's accelerator, ``new_work`` by fits without its model.
    """
    names = np.array([question.accelerator for question in questions])
    estimates: dict[int, Estimate] = {}
    for name in sorted(set(names)):
        others, own = np.flatnonzero(names != name).tolist(), np.flatnonzero(names == name).tolist()
        rest = [questions[index] for index in others]
        quantiles = conformal_quantiles(rest, (logs - predicted)[others]) | new_work_quantiles(rest, (logs - new_work)[others])
        # With the models' effects alone no accelerator counts as familiar, and the quantiles of left-out ones are used.
        seen = {f"{level}={row.groups[level]}": 0.0 for row in rest for level in WORK_LEVELS if level in row.groups}
        part = whole.model_copy(update={"effects": seen, "quantiles": quantiles})
        found = answering.with_intervals([questions[index] for index in own], predicted[own], calibration=part)
        estimates |= dict(zip(own, found, strict=True))
    return [estimates[index] for index in range(len(questions))]


def held_where_known(questions: Sequence[ModelRow], residuals: Floats, *, folds: Sequence[str], is_new: bool) -> Mask:
    """Whether each residual lies in the interval that the residuals of all other folds make.

    Of accelerators that the calibration has seen: ``is_new`` with models as folds, else with runs as folds.
    """
    labels = np.asarray(folds)
    held = np.zeros(len(questions), dtype=bool)
    for name in sorted(set(folds)):
        others, own = np.flatnonzero(labels != name).tolist(), np.flatnonzero(labels == name).tolist()
        rest = [questions[index] for index in others]
        quantiles = (new_work_quantiles if is_new else familiar_quantiles)(rest, residuals[others])
        for index in own:
            low, high = bounds(questions[index], quantiles, is_outside=False, is_familiar=True, is_known_work=not is_new)
            held[index] = low <= residuals[index] <= high
    return held


def errors_by_family(rows: Sequence[PublishedRow], *, catalogue: Catalogue, num_folds: int) -> dict[str, tuple[float, int]]:
    """Median absolute error and number of rows by family, each row predicted by a fit on other accelerators of these rows alone.

    Accelerators are dealt into ``num_folds`` folds by a hash of their names; each fit begins at the priors. A sample of some
    hundred rows takes seconds: this holds the structure of the model, where the shipped constants have seen every row.
    """
    _, indices, questions = queries_of(rows, catalogue=catalogue)
    logs = np.array([question.log_quantity(rows[index].value) for index, question in zip(indices, questions, strict=True)])
    predicted = np.empty(len(questions))
    folds = run_folds([question.accelerator for question in questions], count=num_folds)
    for _, inside, own in predictions_by_fold(questions, logs, folds=folds, start=before_any_measurement()):
        predicted[inside] = own
    # From log residual to relative error.
    errors = np.abs(np.exp(predicted - logs) - 1)
    families = np.array([rows[index].query.family for index in indices])
    by_family = {family: errors[families == family] for family in sorted(set(families.tolist()))}
    return {family: (float(np.median(own)), len(own)) for family, own in by_family.items()}
