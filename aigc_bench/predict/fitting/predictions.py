"""Questions to answers: one published-style query at a time, or a whole table in one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from aigc_bench.catalog.loader import Catalogue
from aigc_bench.catalog.records import AcceleratorSpec
from aigc_bench.core.messages import message
from aigc_bench.core.record import Sentence
from aigc_bench.core.records import Estimate, Record
from aigc_bench.predict.closed_form.columns import ModelRow, NotPredictable
from aigc_bench.predict.closed_form.language_rows import language_row
from aigc_bench.predict.closed_form.step_rows import step_row
from aigc_bench.predict.fitting.calibration import DEVICE_LEVELS, WORK_LEVELS, Calibration
from aigc_bench.predict.fitting.effects import Floats
from aigc_bench.predict.fitting.intervals import as_values, bounds
from aigc_bench.predict.fitting.machine_names import machine_named, variant_caution
from aigc_bench.predict.fitting.unknown_names import refuse_unknown_names
from aigc_bench.predict.published.row import PublishedQuery, PublishedRow
from aigc_bench.predict.published.service_bounds import bound_of

FAR_OUTSIDE = 100.0
"""Factor beyond the calibrated range at which the model refuses."""

SERVED_FAMILIES = ("llm", "multimodal-llm")
"""Families that engines serve, answered by the form of language models."""


class RowPrediction(Record):
    """One row answered, or the reason why not."""

    row: PublishedRow
    accelerator: str | None = None
    track: str | None = None
    estimate: Estimate | None = None
    reason: Sentence | None = None


def model_row(query: PublishedQuery, spec: AcceleratorSpec) -> ModelRow:
    """The query in the model's terms; raises ``NotPredictable``."""
    refuse_unknown_names(query)
    # Wall power asks about the server, a bound about the scenario, whatever the devices run.
    if query.family not in SERVED_FAMILIES or query.metric == "system_power_avg" or bound_of(query) is not None:
        return step_row(query, spec)
    return language_row(query, spec)


def predict_rows(rows: Sequence[PublishedRow], *, catalogue: Catalogue, calibration: Calibration) -> list[RowPrediction]:
    """Every row answered or refused, in order."""
    specs = Machines(catalogue)
    known: list[tuple[int, ModelRow]] = []
    answers: list[RowPrediction] = []
    for index, row in enumerate(rows):
        spec: AcceleratorSpec | None = None
        try:
            spec = specs.named(row.query.gpu)
            question = specs.cautioned(row.query.gpu, model_row(row.query, spec))
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
        self._cautions: dict[str, tuple[str, ...]] = {}

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

    def cautioned(self, name: str, row: ModelRow) -> ModelRow:
        """The row with a caution where a variant of the accelerator answers."""
        if name not in self._cautions:
            self._cautions[name] = variant_caution(name, catalogue=self._catalogue)
        more = self._cautions[name]
        return row.model_copy(update={"caution": (*row.caution, *more)}) if more else row


def estimate_rows(rows: Sequence[ModelRow], *, calibration: Calibration) -> list[Estimate]:
    """The value of each question in SI, with its interval."""
    return with_intervals(rows, calibration.log_quantity(rows), calibration=calibration)


def with_intervals(rows: Sequence[ModelRow], logs: Floats, *, calibration: Calibration) -> list[Estimate]:
    """Predicted logs as estimates; ``reasons`` state what was assumed."""
    estimates = []
    for row, log in zip(rows, logs.tolist(), strict=True):
        outside = outside_of(row, calibration.ranges)
        low, high = bounds(
            row,
            calibration.quantiles,
            is_outside=bool(outside),
            is_familiar=is_familiar(row, calibration.effects),
            is_known_work=is_known_work(row, calibration.effects),
        )
        value, least, most = as_values(row, log, low=low, high=high)
        reasons = (*row.caution, *(f"outside_calibrated_range:{name}" for name in outside))
        estimates.append(Estimate(value=value, low=least, high=most, unit="", basis="modelled", source=row.track, reasons=reasons))
    return estimates


def is_familiar(row: ModelRow, effects: Mapping[str, float]) -> bool:
    """Whether the calibration has seen this accelerator at this kind of work: it keeps the effect of each, even one near zero."""
    return any(f"{level}={group}" in effects for level, group in row.groups.items() if level in DEVICE_LEVELS)


def is_known_work(row: ModelRow, effects: Mapping[str, float]) -> bool:
    """Whether the calibration has seen the row's model; where it has no effect of models nothing is lost by a new one."""
    named = [f"{level}={group}" for level, group in row.groups.items() if level in WORK_LEVELS]
    return not named or any(name in effects for name in named)


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
