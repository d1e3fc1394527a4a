"""The report as a file: it is alone, it is whole, it is well formed, and nothing in it can act against its reader."""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
import subprocess
import sys
from pathlib import Path

from plotly.offline import get_plotlyjs

from aigc_bench.measure.store import Run
from aigc_bench.plan.output.plan_view import plan_view
from aigc_bench.plan.planner import plan_of_run
from aigc_bench.report.render import render_report, save
from tests.analyze.synthetic import make_case, make_run
from tests.report.page import Page
from tests.report.sample_runs import ERROR_CASE, FAMILIES, OOM_CASE

MAX_BYTES = 8_000_000


def test_plotly_stands_in_the_file_exactly_once(page: Page) -> None:
    assert page.html.count(get_plotlyjs()) == 1
    assert len(page.scripts) == 2


def test_nothing_in_the_file_asks_anybody_for_anything(page: Page) -> None:
    loading = {"src", "srcset", "poster", "data", "action", "formaction", "background"}
    for element in page.elements:
        assert not loading & set(element.attributes), element
        assert element.tag not in ("link", "iframe", "object", "embed", "img", "base"), element
        assert element.attributes.get("href", "#").startswith("#"), element
    style = page.all("style")[0].text
    assert "url(" not in style
    assert "@import" not in style
    assert not re.search(r"fetch\(|XMLHttpRequest|WebSocket|import\(|sendBeacon", page.scripts[1])


def test_the_policy_allows_these_two_scripts_and_no_request(page: Page) -> None:
    policy = next(
        one.attributes["content"] for one in page.all("meta") if one.attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert "default-src 'none'" in policy
    assert "script-src 'unsafe-inline'" not in policy
    for script in page.scripts:
        assert base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() in policy


def test_the_file_is_small_enough_to_mail(page: Page) -> None:
    assert len(page.html.encode()) < MAX_BYTES


def test_every_element_is_closed_and_every_id_is_unique(page: Page) -> None:
    ids = [one.attributes["id"] for one in page.elements if "id" in one.attributes]
    assert len(ids) == len(set(ids))


def test_links_lead_somewhere_in_the_file(page: Page) -> None:
    ids = {one.attributes["id"] for one in page.elements if "id" in one.attributes}
    for link in page.all("a"):
        assert link.attributes["href"][1:] in ids


def test_headings_never_skip_a_level(page: Page) -> None:
    levels = [int(one.tag[1]) for one in page.elements if re.fullmatch(r"h[1-6]", one.tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_tables_have_captions_and_scroll_in_their_own_box(page: Page) -> None:
    tables = page.all("table")
    assert len(tables) == len(page.all("caption"))
    assert all("div" in table.within for table in tables)


def test_charts_say_in_words_what_they_show(page: Page) -> None:
    plots = page.all("div", cls="plot")
    assert len(plots) > 10
    for plot in plots:
        assert plot.attributes["role"] == "img"
        assert re.search(r"\d", plot.attributes["aria-label"]), plot.attributes["aria-label"]
        page.by_id(plot.attributes["data-spec"])
    assert len(page.all("noscript")) == len(plots)


def test_every_case_has_a_row_and_a_part_of_its_own(page: Page) -> None:
    rows = [one for one in page.all("tr") if "table" in one.within and "case-" in page.own]
    for family, (preset, _, _) in FAMILIES.items():
        named = [row for row in rows if f"{family} · {preset}" in row.text]
        assert any("inference" in row.text for row in named), family
        assert any("training" in row.text for row in named), family
    assert len(page.all("details")) >= 12
    for number in range(12):
        assert page.by_id(f"case-0-{number}").tag == "details"


def test_failed_cases_are_told_with_their_reason(page: Page) -> None:
    failed = page.by_id("failures").text
    assert "out of memory" in failed
    assert "needed 15.1 GiB, 7.8 GiB were free" in failed
    assert "InductorError" in failed
    assert OOM_CASE in failed
    assert ERROR_CASE in failed
    assert "raise InductorError" in failed, "the last lines of the error are shown"
    assert "needed 15.1 GiB" in page.by_id("case-table").text


def test_an_error_message_cannot_become_markup(page: Page) -> None:
    assert "<script>alert" not in page.own
    assert "&lt;script&gt;alert" in page.own
    assert "<script>alert('x')</script>" in page.by_id("failures").text


def test_a_hostile_name_can_leave_neither_a_chart_nor_a_title(folder: Path) -> None:
    hostile = "</script><img src=x onerror=alert(1)>"
    run = make_run(folder, cases=[make_case(preset=hostile)])
    page = Page(render_report([run]))
    assert not page.all("img")
    assert hostile not in page.own
    assert "&lt;/script&gt;" in page.spec("throughput-infer")["data"][0]["y"][0], "plotly must not read it as markup either"


def test_a_run_without_telemetry_is_reported_and_says_so(folder: Path) -> None:
    run = make_run(folder)
    page = Page(render_report([run], plan=plan_view(plan_of_run(run))))
    assert "No telemetry was recorded" in page.by_id("telemetry").text
    assert "Power and energy were not measured" in page.by_id("energy").text
    assert "not part of this synthetic run" in page.by_id("energy").text
    assert page.spec("steps-case-0-0")["data"], "steps are drawn without sensors"


def test_a_run_with_no_finished_case_is_reported(folder: Path) -> None:
    case = make_case()
    run = make_run(folder, cases=[case], trials=1, failures={(case.id, 0): "oom"})
    assert plan_of_run(run) is None
    page = Page(render_report([run]))
    assert "0 of 1 cases finished" in page.by_id("content").text
    assert "made to end in oom" in page.by_id("failures").text
    assert not {"performance", "stages", "memory"} & set(page.section_names)


def test_a_run_that_was_interrupted_before_its_first_trial_is_reported(folder: Path) -> None:
    run = make_run(folder, trials=0)
    page = Page(render_report([run]))
    assert "not run" in page.by_id("failures").text
    assert "--resume" in page.by_id("failures").text


def test_without_a_plan_there_is_no_plan_section(gpu_page: Page, cpu_page: Page) -> None:
    assert "plan" not in gpu_page.section_names
    assert "plan" in cpu_page.section_names


def test_several_runs_are_told_apart(a_cpu_run: Run, a_gpu_run: Run) -> None:
    page = Page(render_report([a_cpu_run, a_gpu_run]))
    assert page.by_id("case-0-0").tag == page.by_id("case-1-0").tag == "details"
    labels = page.spec("throughput-infer")["data"][0]["y"]
    assert len(labels) == len(set(labels)) == 12
    assert "of 24 cases finished" in page.by_id("content").text


def test_a_report_is_written_whole_into_a_folder_of_its_own(a_cpu_run: Run, tmp_path: Path) -> None:
    html = render_report([a_cpu_run])
    elsewhere = tmp_path / "deep" / "mine.html"
    assert save(html, file=elsewhere) == elsewhere
    assert elsewhere.read_text() == html
    assert [file.name for file in elsewhere.parent.iterdir()] == ["mine.html"]


def test_rendering_imports_no_torch(a_cpu_run: Run) -> None:
    code = (
        "import sys\nfrom aigc_bench.measure.store import load_run\nfrom aigc_bench.report.render import render_report\n"
        f"render_report([load_run({str(a_cpu_run.path)!r})])\n"
        "print(sorted({'torch', 'transformers', 'diffusers'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_every_axis_with_numbers_says_what_it_counts(page: Page) -> None:
    """By its title; the lanes of a telemetry chart, which share one time, by the words above each."""
    for one in page.all("div", cls="plot"):
        layout = page.spec(one.attributes["data-spec"].removeprefix("spec-"))["layout"]
        axes = {name: axis for name, axis in layout.items() if re.fullmatch(r"[xy]axis\d*", name)}
        untitled = [name for name, axis in axes.items() if axis.get("type") != "category" and not axis.get("title", {}).get("text")]
        lanes = [axis for axis in axes.values() if "domain" in axis]
        assert len(untitled) <= len(lanes) <= len(layout.get("annotations", ())), one.attributes["data-spec"]
