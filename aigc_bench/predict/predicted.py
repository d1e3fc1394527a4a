"""The result of a prediction: metric rows of cases on accelerators."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from aigc_bench.core.messages import message
from aigc_bench.core.overview import Overview, shown
from aigc_bench.core.records import MetricRow, Record
from aigc_bench.core.units import quantity

if TYPE_CHECKING:
    import pandas as pd


@shown
class Predictions(Record):
    """Predicted metrics in order, each with the id of its accelerator; basis ``modelled``, with 80 % intervals."""

    rows: tuple[tuple[str, MetricRow], ...]

    def __len__(self) -> int:
        return len(self.rows)

    def named(self, metric: str) -> Iterator[tuple[str, MetricRow]]:
        """Yield the rows of one metric, such as ``throughput`` or ``ttft``, with their accelerators."""
        return ((accelerator, row) for accelerator, row in self.rows if row.metric == metric)

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per accelerator, case and metric, with unit and interval, in SI units."""
        import pandas as pd

        cells = [{"accelerator": accelerator, **row.model_dump()} for accelerator, row in self.rows]
        return pd.DataFrame(cells, columns=["accelerator", *MetricRow.model_fields])

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


def _cells(accelerator: str, row: MetricRow) -> dict[str, str]:
    figures = {name: quantity(getattr(row, name), row.unit) for name in ("value", "low", "high")}
    return {"case": row.case, "accelerator": accelerator, "metric": row.metric, **figures, "verdict": row.verdict}
