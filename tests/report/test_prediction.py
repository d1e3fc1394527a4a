"""The report of a prediction: every case, its interval, what was refused and why; and nothing called measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from aigc_bench import api
from aigc_bench.cli import main
from aigc_bench.core.errors import UsageError
from aigc_bench.core.records import Case, MetricRow
from aigc_bench.measure.profiles import Profile, find_profile
from aigc_bench.predict.queries import refused_prediction
from aigc_bench.predict.query import RequestLoad
from aigc_bench.report.prediction import predicted_cases, render_prediction
from tests.report.page import Page

PROFILE = """
name = "two"
title = "Two cases"
description = "One that can be predicted, one that cannot."
expects = ["h100_sxm_80gb"]
[defaults]
backend = "cuda"
[[case]]
workload = "vae"
preset = "mlp-784-400-20"
mode = "infer"
batch_size = 4
[[case]]
workload = "vae"
preset = "mlp-784-400-20"
mode = "infer"
precision = "tf32"
"""


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("profiles") / "two.toml"
    file.write_text(PROFILE)
    return file


@pytest.fixture(scope="module")
def rows(profile: Path) -> Sequence[tuple[str, MetricRow]]:
    return api.predict_profile(profile, accelerators=["h100", "p100_sxm2_16gb"]).rows


def test_every_case_is_predicted_on_every_accelerator_or_says_why_not(rows: Sequence[tuple[str, MetricRow]]) -> None:
    found = predicted_cases(rows)
    assert len(found) == 4
    assert {case.accelerator for case in found} == {"h100_sxm_80gb", "p100_sxm2_16gb"}
    for _, row in rows:
        assert row.basis == "modelled"
        if row.value is None:
            assert row.reasons[0].startswith("unanswered: ")
        else:
            assert row.low is not None and row.high is not None
            assert row.low <= row.value <= row.high


def refused() -> MetricRow:
    return refused_prediction(Case(workload="vae", preset="mlp-784-400-20", mode="infer"), "the <form> & its range do not reach it")


def test_the_page_holds_the_table_the_chart_and_what_was_refused(rows: Sequence[tuple[str, MetricRow]]) -> None:
    page = Page(render_prediction([*rows, ("l4", refused())], title="Profile two", version="1.0"))
    titles = [element.text for element in page.all("h2")]
    assert titles == ["Predicted cases", "Predicted times", "Basis", "Not predicted"]
    assert "the &lt;form&gt; &amp; its range do not reach it" in page.html
    assert "80 % interval" in page.html
    assert "95 % interval" not in page.html
    table = page.html[page.html.index("<tbody>") : page.html.index("</tbody>")]
    assert table.count("<tr>") == len(predicted_cases(rows)) + 1
    assert "(measured)" not in table
    assert "(modelled)" in table


def test_nothing_to_refuse_means_no_such_section(rows: Sequence[tuple[str, MetricRow]]) -> None:
    answered = [pair for pair in rows if pair[1].value is not None]
    assert "Not predicted" not in render_prediction(answered, title="x", version="1.0")


def test_the_command_writes_the_report(profile: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "prediction.html"
    assert main(["predict", "--profile", str(profile), "-o", str(out), "--json"]) == 0
    assert f"report: {out}" in capsys.readouterr().err
    assert "On h100_sxm_80gb" in out.read_text()
    assert main(["predict", "--profile", str(profile), "--batch-size", "3"]) == 2
    assert "--batch-size" in capsys.readouterr().err


def test_a_profile_of_probes_has_no_report(tmp_path: Path) -> None:
    probes: Profile = find_profile("probes")
    found = api.predict_profile(probes, accelerators=["h100"])
    assert not found.rows
    with pytest.raises(UsageError, match="nothing to predict"):
        api.prediction_report(found, title="probes", out=tmp_path / "x.html")


def test_the_page_of_a_served_load_shows_latencies_and_the_highest_rate_and_no_empty_column() -> None:
    load = RequestLoad(rate_per_s=3.0, slo_ttft_s=0.5, slo_tpot_s=0.05, num_requests=1000)
    found = api.predict("gpt/llama-3.1-8b", accelerators=["h100"], engine="vllm", load=load)
    page = render_prediction(found.rows, title="chat", version="1.0")
    heads = page[page.index("<thead>") : page.index("</thead>")]
    assert all(title in heads for title in ("p99 TTFT", "p99 TPOT", "Highest rate"))
    assert "Energy per item" not in heads
    assert "the SLO limits the highest rate" in page
    assert "in 1 model family" in page
