"""Questions to answers: one published-style query at a time, or a whole table in one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from aigc_bench.catalog.loader import Catalogue
from aigc_bench.catalog.records import AcceleratorSpec
from aigc_bench.core.messages import message
from aigc_bench.core.records import Estimate, Record
from aigc_bench.predict.closed_form.columns import ModelRow, NotPredictable
from aigc_bench.predict.closed_form.language_rows import language_row
from aigc_bench.predict.closed_form.step_rows import step_row
from aigc_bench.predict.fitting.calibration import DEVICE_LEVELS, Calibration
from aigc_bench.predict.fitting.effects import Floats
from aigc_bench.predict.fitting.intervals import as_values, bounds
from aigc_bench.predict.fitting.machine_names import machine_named
from aigc_bench.predict.fitting.unknown_names import refuse_unknown_names
from aigc_bench.predict.published.row import PublishedQuery, PublishedRow

FAR_OUTSIDE = 100.0
"""Factor beyond the calibrated range at which the model refuses."""

LAYOUT_NOT_STATED = message("layout_not_stated: other devices read the prompts, their number is not stated, and TTFT depends on it")


class RowPrediction(Record):
    """One row answered, or the reason why not."""

    row: PublishedRow
    accelerator: str | None = None
    track: str | None = None
    estimate: Estimate | None = None
    reason: str | None = None


def model_row(query: PublishedQuery, spec: AcceleratorSpec) -> ModelRow:
    """The query in the model's terms; raises ``NotPredictable``."""
    refuse_unknown_names(query)
    if query.family != "llm":
        return step_row(query, spec)
    row = language_row(query, spec)
    if row.track == "llm.ttft" and row.columns["is_disaggregated"] and "prefill_workers" not in query.layout:
        raise NotPredictable(LAYOUT_NOT_STATED)
    return row


def predict_rows(rows: Sequence[PublishedRow], *, catalogue: Catalogue, calibration: Calibration) -> list[RowPrediction]:
    """Every row answered or refused, in order."""
    specs = Machines(catalogue)
    known: list[tuple[int, ModelRow]] = []
    answers: list[RowPrediction] = []
    for index, row in enumerate(rows):
        spec: AcceleratorSpec | None = None
        try:
            spec = specs.named(row.query.gpu)
            question = model_row(row.query, spec)
            refuse_far_outside(question, calibration.ranges)
            known.append((index, question))
            answers.append(RowPrediction(row=row, accelerator=question.accelerator, track=question.track))
        except NotPredictable as problem:
            answers.append(RowPrediction(row=row, accelerator=spec.id if spec else None, reason=str(problem)))
    if known:
        estimates = estimate_rows([question for _, question in known], calibration=calibration)
        for (index, _), estimate in zip(known, estimates, strict=True):
            # Records are frozen; all estimates come from one vectorised call after the loop.
            answers[index] = answers[index].model_copy(update={"estimate": estimate})
    return answers


class Machines:
    """The accelerators of a table, each looked up once, unknown ones too."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._found: dict[str, AcceleratorSpec | NotPredictable] = {}

    def named(self, name: str) -> AcceleratorSpec:
        """The accelerator; raises ``NotPredictable``."""
        if name not in self._found:
            try:
                self._found[name] = machine_named(name, catalogue=self._catalogue)
            except NotPredictable as problem:
                # A failure is remembered too: looking up near names for a typo in each of thousands of rows is slow.
                self._found[name] = problem
        found = self._found[name]
        if isinstance(found, NotPredictable):
            raise found
        return found


def estimate_rows(rows: Sequence[ModelRow], *, calibration: Calibration) -> list[Estimate]:
    """The value of each question in SI, with its interval."""
    return with_intervals(rows, calibration.log_quantity(rows), calibration=calibration)


def with_intervals(rows: Sequence[ModelRow], logs: Floats, *, calibration: Calibration) -> list[Estimate]:
    """Predicted logs as estimates; ``reasons`` state what was assumed."""
    estimates = []
    for row, log in zip(rows, logs.tolist(), strict=True):
        outside = outside_of(row, calibration.ranges)
        # A fit keeps the effect of every device that it has seen, even one near zero.
        familiar = any(f"{level}={group}" in calibration.effects for level, group in row.groups.items() if level in DEVICE_LEVELS)
        low, high = bounds(row, calibration.quantiles, is_outside=bool(outside), is_familiar=familiar)
        value, least, most = as_values(row, log, low=low, high=high)
        reasons = (*row.caution, *(f"outside_calibrated_range:{name}" for name in outside))
        estimates.append(Estimate(value=value, low=least, high=most, unit="", basis="modelled", source=row.track, reasons=reasons))
    return estimates


RANGED = ("sequences", "input_len", "output_len", "compute", "memory", "depth")
"""Columns whose calibrated range is kept per form."""


def calibrated_ranges(rows: Sequence[ModelRow]) -> dict[str, tuple[float, float]]:
    """Smallest and largest of each ranged column over the rows, by form and track."""
    found: dict[str, list[float]] = {}
    for row in rows:
        for name in RANGED:
            if row.columns.get(name, 0.0) > 0:
                found.setdefault(f"{row.track}.{name}", []).append(row.columns[name])
    return {name: (float(np.min(values)), float(np.max(values))) for name, values in found.items()}


def outside_of(row: ModelRow, ranges: Mapping[str, tuple[float, float]], *, factor: float = 1.0) -> tuple[str, ...]:
    """The ranged columns in which a row lies beyond the calibrated range by more than ``factor``."""
    return tuple(
        name
        for name in RANGED
        if (bound := ranges.get(f"{row.track}.{name}")) is not None
        and row.columns.get(name, 0.0) > 0
        # The factor widens the range at both ends.
        and not bound[0] / factor <= row.columns[name] <= bound[1] * factor
    )


def refuse_far_outside(row: ModelRow, ranges: Mapping[str, tuple[float, float]]) -> None:
    """Raise ``NotPredictable`` where a question lies far outside anything that was calibrated."""
    far = outside_of(row, ranges, factor=FAR_OUTSIDE)
    if far:
        raise NotPredictable(
            message("{far} is more than {far_outside:g} times outside the calibrated range", far=far[0], far_outside=FAR_OUTSIDE)
        )
