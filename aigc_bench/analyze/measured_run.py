"""A run with its numbers, as Python gives it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Self

from aigc_bench.analyze.rows import CaseAnalysis, CaseSummary, analyses, rows_of, summaries_of
from aigc_bench.catalog.loader import usable_catalogue
from aigc_bench.core.messages import message
from aigc_bench.core.overview import Overview, Shown
from aigc_bench.core.records import MetricRow
from aigc_bench.core.units import quantity
from aigc_bench.measure.store import Run

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True, repr=False)
class MeasuredRun(Shown, Run):
    """A stored run together with the numbers that follow from its trials, computed at their first use."""

    @classmethod
    def of(cls, run: Run) -> Self:
        """Return the stored run with its numbers."""
        return cls(path=run.path, info=run.info, trials=run.trials)

    @cached_property
    def rows(self) -> tuple[MetricRow, ...]:
        """Return one record per case and metric."""
        return tuple(rows_of(self._analyses))

    @cached_property
    def cases(self) -> tuple[CaseSummary, ...]:
        """Return one record per case, failed ones too."""
        return tuple(summaries_of(self, self._analyses))

    @cached_property
    def _analyses(self) -> list[CaseAnalysis]:
        return analyses(self, catalogue=usable_catalogue())

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per case and metric, with unit, interval, basis, verdict and reasons."""
        import pandas as pd

        return pd.DataFrame([row.model_dump() for row in self.rows], columns=list(MetricRow.model_fields))

    @property
    def overview(self) -> Overview:
        """Return the throughput and the verdict of each case."""
        speed = {row.case: quantity(row.value, row.unit) for row in self.rows if row.metric == "throughput"}
        system = self.info.system
        devices = ", ".join(sorted({device.name for device in system.accelerators})) or system.cpu_model
        return Overview(
            title=message(
                "Run {id}: {num_cases} cases, {num_trials} trials",
                id=self.info.id,
                num_cases=len(self.cases),
                num_trials=len(self.trials),
            ),
            notes=(
                message(
                    "profile {profile}, level {level}, on {devices}",
                    profile=self.info.profile,
                    level=self.info.level,
                    devices=devices,
                ),
                str(self.path),
            ),
            rows=tuple(
                {
                    "case": one.case_id,
                    "throughput": speed.get(one.case_id, "–"),
                    "status": one.status,
                    "verdict": one.verdict or "–",
                }
                for one in self.cases
            ),
            right=("throughput",),
        )
