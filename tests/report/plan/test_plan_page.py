"""The page of a plan: sections in reading order, numbers that open down to their leaves, nothing missing unsaid."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from aigc_bench.cli import main
from aigc_bench.plan.output.plan_view import plan_view
from aigc_bench.plan.records.plan import Plan
from aigc_bench.report.plan.plan_report import SECTIONS, render_plan
from tests.report.page import Page

ORDER = (
    "recommendation",
    "demand",
    "options",
    "factors",
    "bill",
    "racks",
    "cash",
    "rent-or-buy",
    "carbon",
    "simulation",
    "basis",
    "assumptions",
)


def test_sections_stand_in_the_order_in_which_they_are_read(page: Page) -> None:
    known = [section.NAME.removeprefix("plan-") for section in SECTIONS]
    assert [name for name in known if name in ORDER] == list(ORDER)
    shown = [name.removeprefix("plan-") for name in page.section_names]
    assert [name for name in known if name in shown] == shown
    assert {"recommendation", "demand", "options", "factors", "cash", "basis", "assumptions"} <= set(shown)


def test_every_number_opens_a_step_whose_inputs_are_steps_down_to_leaves_with_a_source(page: Page) -> None:
    steps = json.loads(page.by_id("why-steps").text)
    buttons = [one.attributes["data-why"] for one in page.all("button", cls="why")]
    assert len(buttons) > 60
    assert set(buttons) <= set(steps)
    for key, step in steps.items():
        assert set(step.get("inputs", [])) <= set(steps), key
        assert step.get("inputs") or step.get("source"), f"{key} has neither inputs nor a source"
        assert step["basis"] and step["value"] and step["title"]


def test_the_answer_says_what_to_do_what_binds_and_how_sure_that_is(page: Page, plan: Plan) -> None:
    words = page.by_id("plan-recommendation").text
    best = plan.recommended
    assert best is not None
    assert "Risk: total cost" in words and "(P10 to P90)" in words
    if best.bottleneck is not None:
        assert f"Bottleneck: {best.bottleneck} (" in words
        assert "head-room)" in words


def test_kinds_stand_side_by_side_and_those_without_an_option_say_why(page: Page, plan: Plan) -> None:
    words = " ".join(page.by_id("plan-options").text.split())
    for kind, title in {"owned": "Owned", "colocated": "Colocated", "cloud": "Rented", "api": "API"}.items():
        if any(one.accepted for one in plan.options if one.kind == kind):
            assert title in words.partition("What")[0]
        elif any(one.kind == kind for one in plan.options):
            assert f"{title}: no option of this kind is accepted." in words
    assert "Refused options, with reasons" in words or all(one.accepted for one in plan.options)


def test_nothing_is_printed_that_no_person_would_write(page: Page) -> None:
    shown = re.sub(r"<script.*?</script>|<style.*?</style>", "", page.own, flags=re.DOTALL)
    text = re.sub(r"<[^>]+>", " ", shown)
    assert not re.search(r"\bNone\b|\bnan\b|\binf\b|Infinity|undefined|aigc-bench aigc-bench|\b1 runs a day", text)


def test_ids_are_unique_and_charts_are_told_in_words(page: Page) -> None:
    ids = [one.attributes["id"] for one in page.elements if "id" in one.attributes]
    assert len(ids) == len(set(ids))
    for chart in page.all("div", cls="plot"):
        assert re.search(r"\d", chart.attributes["aria-label"])


def test_the_same_plan_gives_the_same_bytes(plan: Plan) -> None:
    assert render_plan(plan_view(plan), version="test") == render_plan(plan_view(plan), version="test")


DEMAND = """
name = "Search by day"
availability = 0.99
[[service]]
name = "search"
workload = "bert"
preset = "base"
settings = { seq_len = 128 }
rate = 4
response_kb = 2
[site]
power_kw = 20
[constraints]
no_cloud = true
accelerators = ["b200_sxm_180gb"]
"""


def test_a_runs_report_opens_with_the_plan_of_a_demand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    demand, out = tmp_path / "demand.toml", tmp_path / "report.html"
    demand.write_text(DEMAND)
    assert main(["report", "reports/sample", "--demand", str(demand), "-o", str(out)]) == 0
    assert capsys.readouterr().out.strip() == str(out)
    page = Page(out.read_text())
    names = page.section_names
    assert "plan" not in names, "the run's own first plan gives way to that of the demand"
    assert names.index("plan-recommendation") == 0
    assert names.index("plan-factors") < names.index("performance")
    words = " ".join(page.by_id("plan-recommendation").text.split())
    assert "Plan: Search by day" in words
    assert re.search(r"uses a measured throughput: search: throughput of bert/base/infer/fp32/b1/seq_len=128, measured 2026", words)


def test_a_demand_with_a_mistake_writes_no_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    demand, out = tmp_path / "demand.toml", tmp_path / "report.html"
    demand.write_text(DEMAND.replace("rate = 4", "rate = -4"))
    assert main(["report", "reports/sample", "--demand", str(demand), "-o", str(out)]) == 2
    assert "rate = -4: must be 0 or between" in capsys.readouterr().err
    assert not out.exists()
