"""What the report says about wrong results and about the largest batch."""

from __future__ import annotations

from pathlib import Path

import pytest

from aigc_bench.analyze.rows import case_summaries, metric_rows
from aigc_bench.core.records import Quality, TrialResult
from aigc_bench.core.run_records import FoundBatch, Search
from aigc_bench.measure.store import Run, RunWriter, load_run
from aigc_bench.report.render import render_report
from tests.analyze.synthetic import make_case, make_run
from tests.report.page import Page


def with_quality(quality: Quality):
    def change(trial: TrialResult) -> TrialResult:
        return trial.model_copy(update={"quality": quality if trial.trial == 0 else None})

    return change


WRONG = Quality(kind="reference", passed=False, values={"relative_error": 1.02, "token_agreement": 0.0}, limit=0.001)
DARK = Quality(kind="reference", passed=False, values={"relative_error": 0.05, "psnr": 14.0}, limit=0.08, floors={"psnr": 21.9})
RIGHT = Quality(kind="training", passed=True, values={"loss_first": 6.9, "loss_last": 5.1}, note="loss over 8 steps on one batch")
UNKNOWN = Quality(kind="reference", passed=None, note="not enough memory for the fp32 reference")


def test_a_wrong_result_condemns_every_number_of_its_case(folder: Path) -> None:
    run = make_run(folder, change=with_quality(WRONG))
    (summary,) = case_summaries(run)
    assert summary.verdict == "invalid" and "wrong_result" in summary.reasons
    rows = {row.metric: row for row in metric_rows(run)}
    assert all(rows[name].verdict == "invalid" for name in ("throughput", "step_time", "memory_host_peak", "relative_error"))
    assert rows["relative_error"].value == 1.02 and rows["relative_error"].n == 1


def test_what_could_not_be_looked_at_is_noted_and_lowers_nothing(folder: Path) -> None:
    (summary,) = case_summaries(make_run(folder, change=with_quality(UNKNOWN)))
    assert "quality_unknown" in summary.reasons and "wrong_result" not in summary.reasons


@pytest.mark.parametrize(
    ("quality", "told"),
    [
        (WRONG, ("wrong result", "Relative error of outputs 102 %", "error up to 0.100 %")),
        (DARK, ("wrong result", "PSNR of images 14", "error up to 8.00 %; PSNR of images from 21.9 dB")),
        (RIGHT, ("correct", "first 6.90", "last 5.10", "the loss falls")),
        (UNKNOWN, ("unknown", "not enough memory for the fp32 reference")),
    ],
)
def test_the_report_says_what_was_compared_and_found(folder: Path, quality: Quality, told: tuple[str, ...]) -> None:
    page = Page(render_report([make_run(folder, change=with_quality(quality))]))
    text = page.by_id("correctness").text
    assert all(words in text for words in told), text


def searched(folder: Path, *, bound: str, batch_size: int | None) -> Run:
    cases = [make_case(batch_size=size) for size in (1, 2, 4)]
    run = make_run(folder, cases=cases, step_s=lambda case, trial: 0.02 * case.batch_size)
    largest = FoundBatch(case=make_case(batch_size=batch_size or 1).id, batch_size=batch_size, smallest_too_large=5, bound=bound)
    writer = RunWriter(folder)
    writer.write_info(run.info.model_copy(update={"search": Search(max_latency_s=0.09, found=(largest,))}))
    writer.close()
    return load_run(folder)


def test_the_largest_batch_is_drawn_as_throughput_over_latency(folder: Path) -> None:
    html = render_report([searched(folder, bound="latency", batch_size=4)])
    assert "Largest batch <strong>4</strong>: limited by latency (5 is too large)" in html
    assert '"text":["1","2","4"]' in html
    assert "batch 4:" in html


def test_a_case_of_which_not_even_one_fits_is_said(folder: Path) -> None:
    assert "A batch of 1 does not fit: limited by memory" in render_report([searched(folder, bound="memory", batch_size=None)])


def test_a_run_without_search_or_gate_has_neither_section(folder: Path) -> None:
    page = Page(render_report([make_run(folder)]))
    assert not {"correctness", "largest_batch"} & set(page.section_names)
