"""Pages of hostile runs and demands: no element, attribute or script of them comes from outside text."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from aigc_bench.analyze.compare import compare
from aigc_bench.core.visible import HIDDEN, visible
from aigc_bench.measure.store import Run, load_run
from aigc_bench.plan.output.plan_view import plan_view
from aigc_bench.plan.planner import plan_demand, plan_of_run
from aigc_bench.report.charts import Chart, script_json
from aigc_bench.report.markup import as_shown, chip, missing, prose
from aigc_bench.report.plan.plan_report import render_plan
from aigc_bench.report.render import render_report
from tests.analyze.synthetic import GPU, make_case, make_run
from tests.hostile import patient, texts
from tests.hostile_run import SPELL, poison
from tests.plan.demands import catalogue, demand_of
from tests.report.page import Element, Page
from tests.report.sample_runs import gpu_signals, host_signals

PLOTLY_TAGS = {"b", "br", "extra"}
PROSE_TAGS = {"code"}
"""What ``prose`` makes of words in backticks, ours or not."""
DEMAND = """
name = NAME
[[service]]
name = NAME
workload = "gpt"
preset = "llama-3.1-8b"
rate = 5
input_tokens = 500
output_tokens = 100
[[batch]]
name = NAME2
workload = "gpt"
preset = "llama-3.1-8b"
items = 5000
input_tokens = 500
output_tokens = 100
deadline = "4h"
"""


@pytest.fixture(scope="module", params=[True, False], ids=["some strings", "all strings"])
def hostile_page(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Page:
    """Two runs, the second with hostile strings, compared and planned."""
    folder = tmp_path_factory.mktemp("hostile")
    whole = _small_run(folder / "one", presets=[SPELL])
    shutil.copytree(whole.path, folder / "two")
    run, num_strings = poison(folder / "two", with_numbers=request.param)
    assert num_strings > 25
    plan = plan_view(plan_of_run(run)) if request.param else None
    return Page(render_report([whole, run], plan=plan, comparison=compare(whole, [run])))


@pytest.fixture(scope="module")
def hostile_plan() -> Page:
    """A plan whose names are hostile."""
    return _plan_page(SPELL)


def _plan_page(name: str) -> Page:
    first, second = (json.dumps(one, ensure_ascii=False).replace("\x7f", "\\u007f") for one in (name, f"{name}2"))
    demand = demand_of(DEMAND.replace("NAME2", second).replace("NAME", first))
    return Page(render_plan(plan_view(plan_demand(demand, catalogue=catalogue(), accelerators=["l40s"])), version="test"))


def _small_run(folder: Path, presets: Sequence[str] = ()) -> Run:
    cases = [make_case(backend="cuda"), make_case(workload="vae", preset="mlp-784-400-20", backend="cuda")]
    cases += [make_case(preset=preset, backend="cuda") for preset in presets]
    signals = host_signals() | gpu_signals()
    failures = {(cases[1].id, 2): "oom"}
    make_run(folder, cases=cases, num_steps=20, noise=0.01, devices=(GPU,), telemetry=signals, period_s=0.5, failures=failures)
    return load_run(folder)


def shapes(elements: Sequence[Element]) -> set[tuple[str, str]]:
    """Each kind of element with each of its attributes."""
    return {(one.tag, name) for one in elements for name in (*one.attributes, "")}


def strings(value: Any) -> list[str]:
    """Every string of a JSON value, names of members too."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):
        return [*map(str, value), *(text for one in value.values() for text in strings(one))]
    return [text for one in value for text in strings(one)] if isinstance(value, list) else []


def check(page: Page, *, known: set[tuple[str, str]]) -> None:
    """Fail where outside text became more than text."""
    assert shapes(page.elements) <= known | {(tag, "") for tag in PROSE_TAGS}
    assert len(page.scripts) == 2, "plotly.js and our own"
    assert not HIDDEN.search(page.own.replace(page.scripts[1], "").replace("\n", ""))
    page.own.encode("utf-8")
    for element in page.elements:
        assert re.fullmatch(r"[\w-]*", element.attributes.get("id", "")), "an id is made of plain letters"
        assert element.attributes.get("href", "#").startswith("#")
        if element.tag == "script" and element.attributes:
            assert element.attributes["type"] == "application/json"
            assert element.attributes["id"] == "why-steps" or not _plotly_tags(json.loads(element.text)) - PLOTLY_TAGS


def _plotly_tags(spec: Any) -> set[str]:
    return {tag for text in strings(spec) for tag in re.findall(r"</?([^\s>/]+)", text)}


@pytest.fixture(scope="module")
def known_shapes(cpu_page: Page, gpu_page: Page, tmp_path_factory: pytest.TempPathFactory) -> set[tuple[str, str]]:
    """Elements and attributes of pages without a hostile word."""
    runs = [_small_run(tmp_path_factory.mktemp("plain") / name) for name in ("one", "two")]
    compared = Page(render_report(runs, plan=plan_view(plan_of_run(runs[0])), comparison=compare(runs[0], runs[1:])))
    return shapes([*cpu_page.elements, *gpu_page.elements, *compared.elements])


def test_a_hostile_run_is_text_on_its_page(hostile_page: Page, known_shapes: set[tuple[str, str]]) -> None:
    check(hostile_page, known=known_shapes)
    assert "\\u202etxt.exe" in hostile_page.own, "what is hidden is shown"
    assert "&lt;img src=x onerror=alert(1)&gt;" in hostile_page.own


def test_a_hostile_demand_is_text_on_its_page(hostile_plan: Page) -> None:
    check(hostile_plan, known=shapes(_plan_page("plain").elements))
    assert "\\u202etxt.exe" in hostile_plan.by_id("content").text


def test_every_number_of_a_hostile_plan_finds_its_steps(hostile_plan: Page) -> None:
    """Keys hold names of services: the attribute and the JSON escape them alike."""
    steps = json.loads(hostile_plan.by_id("why-steps").text)
    asked = {one.attributes["data-why"] for one in hostile_plan.elements if "data-why" in one.attributes}
    assert asked
    assert asked <= set(steps)
    assert all(key in steps for step in steps.values() for key in step.get("inputs", ()))


@patient
@given(texts)
def test_any_text_is_text_in_every_kind_of_markup(text: str) -> None:
    chart = Chart(id="x", title=text, traces=[{"name": text, text: [text]}], layout={"t": text}, words=text, note=text)
    options = {"found": [(text, text)]}
    body = as_shown(f"<main>{chip(text, 'ok')}{missing(text)}{chart.__html__()}<script>{script_json(options)}</script></main>")
    page = Page(f"<script>// plotly</script>{body}")
    assert [one.tag for one in page.elements] == [
        "script", "main", "span", "abbr", "span", "figure", "figcaption", "strong", *(["span"] if text else []), "div", "noscript",
        "p", "script", "script",
    ]  # fmt: skip
    assert not HIDDEN.search(body.replace("\n", ""))
    found = json.loads(page.by_id("spec-x").text)
    assert not {tag for one in strings(found) for tag in re.findall("<", one)}
    assert json.loads(page.elements[-1].text) == {"found": [[visible(text, keep="\n")] * 2]}


@patient
@given(texts)
def test_prose_makes_code_of_backticks_and_nothing_else(text: str) -> None:
    page = Page(f"<script>// plotly</script><p>{as_shown(prose(text))}</p>")
    assert {one.tag for one in page.elements} <= {"script", "p", "code"}
