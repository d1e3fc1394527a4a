"""Render the report of a prediction: every case on every accelerator, the basis of the numbers, and what could not be predicted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from aigc_bench.core.messages import message, plural
from aigc_bench.core.units import scale
from aigc_bench.predict.predicted import PredictedRow
from aigc_bench.report.base import MODE_WORDS, NUM_COLORS, Rendered
from aigc_bench.report.charts import Chart, Point, dots
from aigc_bench.report.header import Header, Tile
from aigc_bench.report.markup import VERDICT_TONE, number, readable, template
from aigc_bench.report.render import page

COLUMNS = (
    (message("Throughput"), "throughput"),
    (message("Highest rate"), "highest_rate"),
    (message("Goodput"), "goodput"),
    (message("Step or request"), "step_time"),
    (message("TTFT"), "ttft"),
    (message("p99 TTFT"), "ttft_p99"),
    (message("TPOT"), "tpot"),
    (message("p99 TPOT"), "tpot_p99"),
    (message("Peak memory"), "memory_allocated_peak"),
    (message("Mean power"), "power_mean"),
    (message("Energy per item"), "energy_per_item"),
)
"""Columns of the table: title and metric. One that no case has is left out."""

MEANINGS = {
    "limited_by_slo": message("the SLO limits the highest rate"),
    "limited_by_capacity": message("the capacity limits the highest rate, not the SLO"),
    "queue_grows": message("requests arrive faster than they are served: the queue grows without bound"),
    "slo_out_of_reach": message("no arrival rate meets the SLO"),
    "scheduler_assumed": message("the engine has no scheduler of its own: continuous batching is assumed"),
    "not_calibrated_on_published_results": message("the model was not fitted on published results of this engine"),
    "calibrated_by_own_runs": message("calibrated by your own runs"),
    "calibrated_by_probes": message("calibrated by your probes"),
    "informed_by_other_machines": message("calibrated by your runs on other machines"),
    "may_not_fit": message("the peak may exceed the memory"),
    "does_not_fit": message("the peak exceeds the memory"),
}
"""Meanings of the reasons that only predictions have."""

Predicted = Sequence[tuple[str, PredictedRow]]
"""Accelerator and row."""


@dataclass(frozen=True, kw_only=True)
class PredictedCase:
    """One case on one accelerator: its rows by metric, or why it was not predicted."""

    accelerator: str
    rows: Mapping[str, PredictedRow]

    @property
    def any(self) -> PredictedRow:
        """Return any row, for what all rows share."""
        return next(iter(self.rows.values()))

    @property
    def label(self) -> str:
        """Return family, preset and setting, short."""
        row = self.any
        return message(
            "{workload} · {preset} · {precision} · batch {batch_size} · {engine}",
            workload=row.workload,
            preset=row.preset,
            precision=row.precision,
            batch_size=row.batch_size,
            engine=row.engine,
        )

    @property
    def mode(self) -> str:
        """Return the mode in words."""
        return MODE_WORDS[self.any.mode]

    @property
    def is_answered(self) -> bool:
        """Return whether any number was predicted."""
        return any(row.value is not None for row in self.rows.values())

    @property
    def reasons(self) -> tuple[str, ...]:
        """Return every reason of its numbers, each once."""
        return tuple(dict.fromkeys(code for row in self.rows.values() for code in row.reasons))

    @property
    def verdict(self) -> str:
        """Return the worst verdict of its numbers."""
        verdicts = {row.verdict for row in self.rows.values()}
        return "invalid" if "invalid" in verdicts else "modelled"

    @property
    def grade(self) -> str:
        """Return what its numbers rest on, the weakest of them; empty for a case that does not fit."""
        grades = {row.grade for row in self.rows.values() if row.metric in ("throughput", "step_time")}
        return next((grade for grade in ("physics", "neighbours", "calibrated") if grade in grades), "")

    @property
    def largest_batch(self) -> int | None:
        """Return the largest batch that fits where the case does not."""
        return next((row.largest_batch_that_fits for row in self.rows.values() if row.largest_batch_that_fits), None)


def render_prediction(predicted: Predicted, *, title: str, version: str) -> str:
    """Return the prediction as one HTML document; ``predicted`` holds at least one row."""
    assert predicted, "a report needs at least one case"
    cases = predicted_cases(predicted)
    found = [
        Rendered(name="cases", title=message("Predicted cases"), html=_cases(cases)),
        *_charts(cases),
        Rendered(name="basis", title=message("Basis"), html=template("prediction_basis.html.j2", {"reasons": _reasons(cases)})),
    ]
    refused = [case for case in cases if not case.is_answered]
    if refused:
        found.append(
            Rendered(
                name="refused", title=message("Not predicted"), html=template("prediction_refused.html.j2", {"cases": refused})
            )
        )
    return page(found, header=_header(cases, title=title), origin=message("{version}, predicted and not measured", version=version))


def predicted_cases(predicted: Predicted) -> list[PredictedCase]:
    """Return the rows by case and accelerator, in order."""
    grouped: dict[tuple[str, str], dict[str, PredictedRow]] = {}
    for accelerator, row in predicted:
        # By both: a profile predicts each case on every accelerator.
        grouped.setdefault((accelerator, row.case), {})[row.metric] = row
    return [PredictedCase(accelerator=accelerator, rows=rows) for (accelerator, _), rows in grouped.items()]


def _cases(cases: Sequence[PredictedCase]) -> str:
    known = {name for case in cases for name, row in case.rows.items() if row.value is not None}
    columns = [(title, metric) for title, metric in COLUMNS if metric in known or metric == "throughput"]
    return template("prediction.html.j2", {"cases": cases, "columns": columns})


def _charts(cases: Sequence[PredictedCase]) -> Iterator[Rendered]:
    """Yield step times of training and inference, one colour per accelerator; nothing if nothing was predicted."""
    accelerators = list(dict.fromkeys(case.accelerator for case in cases))
    charts: list[Chart] = []
    for mode in dict.fromkeys(case.mode for case in cases):
        points = [
            Point(
                label=f"{case.label} · {case.accelerator}",
                value=row.value,
                low=row.low,
                high=row.high,
                unit=row.unit,
                color=f"c{accelerators.index(case.accelerator) % NUM_COLORS + 1}",
                # A ring marks what does not fit.
                is_solid=row.verdict != "invalid",
                hover=(readable(row.reasons),) if row.reasons else (),
            )
            for case in cases
            if case.mode == mode and (row := case.rows.get("step_time")) is not None and row.value is not None
        ]
        if points:
            # One unit for all dots of the axis.
            factor, printed = scale(max(point.value for point in points), "s")
            charts.append(
                dots(f"time-{mode}", title=message("Step time, {mode}", mode=mode), points=points, axis=printed, divide_by=factor)
            )
    if charts:
        lead = message("Each dot is a prediction, its whiskers the nominal 80 % interval; a ring does not fit in memory.")
        yield Rendered(
            name="times", title=message("Predicted times"), html=template("charts.html.j2", {"lead": lead, "charts": charts})
        )


def _reasons(cases: Sequence[PredictedCase]) -> list[tuple[str, int]]:
    """Return the assumptions and limits in words, and the number of cases of each."""
    counted = Counter(code for case in cases if case.is_answered for code in case.reasons)
    return [(MEANINGS.get(code) or readable((code,)), count) for code, count in counted.most_common()]


def _header(cases: Sequence[PredictedCase], *, title: str) -> Header:
    answered = [case for case in cases if case.is_answered]
    verdicts = Counter(case.grade or case.verdict for case in answered)
    chips = [
        (
            message("{num_answered} of {num_cases} cases predicted", num_answered=len(answered), num_cases=len(cases)),
            "ok" if len(answered) == len(cases) else "warn",
        )
    ]
    chips += [(f"{count} {verdict}", VERDICT_TONE.get(verdict, "")) for verdict, count in verdicts.items()]
    accelerators = dict.fromkeys(case.accelerator for case in cases)
    return Header(
        overline=message("Prediction report · no number is measured"),
        title=title,
        subtitle=message("On {accelerators}", accelerators=", ".join(accelerators)),
        chips=chips,
        tiles=[_cases_tile(cases, answered), *_memory_tile(answered)],
    )


def _cases_tile(cases: Sequence[PredictedCase], answered: Sequence[PredictedCase]) -> Tile:
    families = len({case.any.workload for case in answered})
    value = Markup("{} <span class='unit muted'>of {}</span>").format(len(answered), len(cases))
    return Tile(
        title=message("Cases predicted"),
        value=value,
        note=plural("in {count} model family", "in {count} model families", count=families),
    )


def _memory_tile(answered: Sequence[PredictedCase]) -> Iterator[Tile]:
    known = [
        (row.value, row, case) for case in answered if (row := case.rows.get("memory_allocated_peak")) and row.value is not None
    ]
    if known:
        _, row, case = max(known, key=lambda found: found[0])
        yield Tile(title=message("Highest memory"), value=number(row), note=f"{case.label}, {case.mode}")
