"""The result of a prediction: metric rows of cases on accelerators, each graded by what it was calibrated on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from aigc_bench.analyze.metrics import metric_of
from aigc_bench.core.derivation import SAME, Derivation, record
from aigc_bench.core.messages import message
from aigc_bench.core.overview import Overview, Shown
from aigc_bench.core.records import Case, Estimate, MetricRow, Positive, Record
from aigc_bench.core.units import quantity

if TYPE_CHECKING:
    import pandas as pd


Grade = Literal["calibrated", "neighbours", "physics"]
"""What a prediction rests on: measurements of this device at this kind of work, of devices of its architecture, or neither."""

DOES_NOT_FIT = "does_not_fit"
HOST_BOUND = "host_bound"


class PredictedRow(MetricRow):
    """One predicted metric: ``modelled`` with its grade, or ``invalid`` because it does not fit or was not answered.

    ``largest_batch_that_fits`` is the batch of the whole case that would fit where this one does not; ``None`` where none does.
    """

    grade: Grade | None = None
    largest_batch_that_fits: Positive | None = None


def predicted_row(
    case: Case,
    metric_id: str,
    estimate: Estimate,
    *,
    item: str,
    grade: Grade,
    name: str | None = None,
    reasons: tuple[str, ...] = (),
    precision: str | None = None,
    largest_batch: int | None = None,
) -> PredictedRow:
    """Return one predicted metric of a case: ``invalid`` where the case does not fit, else ``modelled``."""
    metric = metric_of(metric_id, item=item)
    codes = (*estimate.reasons, *reasons)
    fits = DOES_NOT_FIT not in codes
    row = PredictedRow(
        case=name or named_as_served(case, precision),
        **case.model_dump(include={"workload", "preset", "mode", "scenario", "engine", "batch_size", "devices"}),
        precision=precision or case.precision,
        metric=metric.id,
        value=estimate.value,
        low=estimate.low,
        high=estimate.high,
        unit=metric.unit,
        n=0,
        basis="modelled",
        verdict="modelled" if fits else "invalid",
        reasons=codes,
        grade=grade if fits else None,
        largest_batch_that_fits=None if fits else largest_batch,
    )
    return record(row, Derivation(SAME, (estimate,), metric.formula))


def named_as_served(case: Case, precision: str | None) -> str:
    """Return the case's name with the format that it is served in, which a case of torch's precisions cannot hold."""
    return case.id if precision is None else case.model_copy(update={"precision": precision}).id


class Predictions(Shown, Record):
    """Predicted metrics in order, each with the id of its accelerator; basis ``modelled``, with 80 % intervals."""

    rows: tuple[tuple[str, PredictedRow], ...]

    def __len__(self) -> int:
        return len(self.rows)

    def named(self, metric: str) -> Iterator[tuple[str, PredictedRow]]:
        """Yield the rows of one metric, such as ``throughput`` or ``ttft``, with their accelerators."""
        return ((accelerator, row) for accelerator, row in self.rows if row.metric == metric)

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per accelerator, case and metric, with unit and interval, in SI units."""
        import pandas as pd

        cells = [{"accelerator": accelerator, **row.model_dump()} for accelerator, row in self.rows]
        return pd.DataFrame(cells, columns=["accelerator", *PredictedRow.model_fields])

    @property
    def overview(self) -> Overview:
        """Return the metrics with their intervals; what all rows share is said once."""
        cells = [_cells(accelerator, row) for accelerator, row in self.rows]
        shared = [name for name in ("case", "accelerator") if len({row[name] for row in cells}) == 1]
        return Overview(
            title=message("Prediction: {shared}", shared=" on ".join(cells[0][name] for name in shared))
            if shared
            else message("{num_rows} predicted metrics", num_rows=len(self.rows)),
            notes=(message("80 % intervals, basis modelled"),),
            rows=tuple({name: cell for name, cell in row.items() if name not in shared} for row in cells),
            right=("value", "low", "high"),
        )


def _cells(accelerator: str, row: PredictedRow) -> dict[str, str]:
    figures = {name: quantity(getattr(row, name), row.unit) for name in ("value", "low", "high")}
    return {
        "case": row.case,
        "accelerator": accelerator,
        "metric": row.metric,
        **figures,
        "verdict": row.verdict,
        "grade": row.grade or "",
    }
