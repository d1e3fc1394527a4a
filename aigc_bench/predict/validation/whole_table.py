"""A whole table answered: published results by the calibrated forms, this tool's own by the traced operators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aigc_bench.catalog.loader import Catalogue
from aigc_bench.catalog.records import AcceleratorSpec
from aigc_bench.core.errors import AigcBenchError
from aigc_bench.core.messages import message
from aigc_bench.core.records import Case, Estimate
from aigc_bench.predict.closed_form.columns import NotPredictable
from aigc_bench.predict.fitting.calibration import Calibration
from aigc_bench.predict.fitting.machine_names import machine_named
from aigc_bench.predict.fitting.predictions import RowPrediction, predict_rows
from aigc_bench.predict.memory.peak import peak_memory
from aigc_bench.predict.model import predict_case
from aigc_bench.predict.published.row import PublishedRow
from aigc_bench.predict.roofline.engine_operators import executed_trace
from aigc_bench.predict.validation.own_results import case_of_row, is_own

_SAME: Mapping[str, str] = {"latency": "step_time", "latency_p50": "step_time"}
"""Measured metric -> the predicted one: a request of an inference case is one step."""

_TOTALS = ("memory_host_peak", "memory_device_peak")
"""Memory of the process or device as a whole, answered by the sum of all terms."""


def predict_table(rows: Sequence[PublishedRow], *, catalogue: Catalogue, calibration: Calibration) -> list[RowPrediction]:
    """Every row answered or refused, in order."""
    # The published rows are answered in one vectorised call, then woven back in among ours.
    own = {index for index, row in enumerate(rows) if is_own(row.query)}
    others = iter(
        predict_rows([row for index, row in enumerate(rows) if index not in own], catalogue=catalogue, calibration=calibration)
    )
    traced = _Traced(catalogue)
    return [traced.answer(row) if index in own else next(others) for index, row in enumerate(rows)]


class _Traced:
    """Answers rows of our own; a case is predicted once for all its metrics."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._predicted: dict[tuple[str, str], Mapping[str, Estimate]] = {}

    def answer(self, row: PublishedRow) -> RowPrediction:
        """One row, or the reason why not."""
        query = row.query
        track = f"{query.family}.{'train' if query.is_training else 'infer'}.traced"
        spec: AcceleratorSpec | None = None
        try:
            spec = machine_named(query.gpu, catalogue=self._catalogue)
            found = self._estimates(case_of_row(query), spec)
            name = _SAME.get(query.metric, query.metric)
            if name not in found:
                raise NotPredictable(
                    message("metric {metric} is not predicted for {family}", metric=query.metric, family=query.family)
                )
            return RowPrediction(row=row, accelerator=spec.id, track=track, estimate=found[name])
        # A row that cannot be answered is a result with a reason: the rest of the table goes on.
        except (NotPredictable, AigcBenchError) as problem:
            return RowPrediction(row=row, accelerator=spec.id if spec else None, reason=str(problem))

    def _estimates(self, case: Case, spec: AcceleratorSpec) -> Mapping[str, Estimate]:
        # As text: a case holds a dictionary of settings and cannot be hashed.
        key = case.model_dump_json(), spec.id
        if key not in self._predicted:
            found = {
                row.metric: Estimate(
                    value=row.value, low=row.low, high=row.high, unit=row.unit, basis="modelled", reasons=row.reasons
                )
                for row in predict_case(case, spec, catalogue=self._catalogue)
                if row.value is not None and row.low is not None and row.high is not None
            }
            total = peak_memory(executed_trace(case), catalogue=self._catalogue).total
            # What predict_case itself states about memory goes first; the totals fill in where it states none.
            self._predicted[key] = {**dict.fromkeys(_TOTALS, total), **found}
        return self._predicted[key]
