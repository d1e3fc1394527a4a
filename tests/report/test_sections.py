"""What each section says about runs whose truth is known."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from aigc_bench.analyze.compare import compare
from aigc_bench.analyze.metrics import METRICS
from aigc_bench.analyze.waste_ledger import WasteShare
from aigc_bench.core import registry
from aigc_bench.measure.store import Run
from aigc_bench.plan.factors.base import all_factors
from aigc_bench.plan.output.plan_view import plan_view
from aigc_bench.plan.planner import plan_of_run
from aigc_bench.report.base import ReportContext, Section
from aigc_bench.report.findings import findings
from aigc_bench.report.render import render_report, sections
from aigc_bench.report.sections.each_case import middle_trials
from aigc_bench.report.sections.method import detail
from aigc_bench.report.sections.waste import unknown_words
from aigc_bench.report.views import run_views
from tests.analyze.synthetic import GPU, make_case, make_run
from tests.report.page import Page


@pytest.mark.parametrize("name", registry.names("sections"))
def test_every_section_has_a_title_an_order_and_a_voice(name: str, a_cpu_run: Run) -> None:
    section = registry.load("sections", name)
    assert isinstance(section, Section)
    assert section.title
    shown = section.render(ReportContext(runs=run_views([a_cpu_run])))
    assert shown is None or shown.strip()


def test_no_two_sections_claim_the_same_place() -> None:
    orders = [registry.load("sections", name).order for name in registry.names("sections")]
    assert len(orders) == len(set(orders))


def test_sections_appear_in_their_order_and_the_contents_list_them(cpu_page: Page) -> None:
    orders = [registry.load("sections", name).order for name in cpu_page.section_names]
    assert orders == sorted(orders)
    assert [one.text for one in cpu_page.all("a") if "nav" in one.within] == [
        registry.load("sections", name).title for name in cpu_page.section_names
    ]


def test_sections_with_nothing_to_say_are_left_out(folder: Path) -> None:
    run = make_run(folder, trials=0)
    names = {section.name for section in sections(ReportContext(runs=run_views([run])))}
    assert not {"plan", "comparison", "performance", "memory", "stages", "waste"} & names


def test_every_number_in_a_table_carries_a_unit_and_a_basis(page: Page) -> None:
    numbers = [one for one in page.all("span", cls="num") if "td" in one.within]
    assert len(numbers) > 100
    assert all(re.search(r"\d.*[^\d.,\s]|\$", one.text) for one in numbers)
    marks = [one for one in page.all("abbr", cls="mark") if "td" in one.within]
    assert len(marks) == len(numbers)


def test_a_known_rate_is_printed_with_its_unit(folder: Path) -> None:
    case = make_case(workload="vae", preset="mlp", batch_size=50)
    page = Page(render_report([make_run(folder, cases=[case], step_s=0.1)]))
    assert "500 images/s" in page.by_id("case-table").text
    assert page.spec("throughput-infer")["data"][0]["x"] == [pytest.approx(500)]


def test_a_throttled_case_is_marked_in_table_chart_and_drill_down(gpu_page: Page) -> None:
    assert "throttled" in gpu_page.by_id("case-table").text
    assert "circle-open" in gpu_page.spec("throughput-infer")["data"][0]["marker"]["symbol"]
    assert any(one.text.strip() for one in gpu_page.all("span", cls="invalid"))
    assert "heat or a hardware brake" in gpu_page.by_id("each_case").text


def test_energy_is_that_of_the_counter(folder: Path) -> None:
    power = {("nvml", GPU, "power_w"): 300.0, ("nvml", GPU, "energy_j"): lambda t: 300.0 * t}
    run = make_run(folder, step_s=0.25, devices=(GPU,), telemetry=power, num_steps=60)
    page = Page(render_report([run]))
    assert "300 W" in page.by_id("energy").text.replace("\xa0", " ")
    assert page.spec("power")["data"][0]["x"] == [pytest.approx(300, rel=0.02)]


def test_the_split_and_the_ledger_fill_their_bars(page: Page) -> None:
    bars = re.findall(r'<div class="bar"[^>]*>(.*?)</div>', page.own)
    assert len(bars) > 12
    for bar in bars:
        assert sum(float(width) for width in re.findall(r"width:([\d.]+)%", bar)) == pytest.approx(100, abs=0.1)


def test_memory_names_the_counters_that_are_missing(cpu_page: Page) -> None:
    assert "No counter on this machine for: allocated, reserved, device" in cpu_page.by_id("memory").text
    assert cpu_page.spec("memory")["layout"]["shapes"], "the limit of the machine is drawn"


def test_telemetry_shades_every_window(cpu_page: Page, a_cpu_run: Run) -> None:
    windows = [trial for trial in a_cpu_run.trials if trial.window is not None]
    assert len(cpu_page.spec("telemetry-0")["layout"]["shapes"]) == len(windows)


def test_a_case_is_drawn_with_its_steps_warm_up_and_sensors(gpu_page: Page) -> None:
    spec = gpu_page.spec("steps-case-0-0")
    names = {trace["name"] for trace in spec["data"]}
    assert {"trial 1", "trial 1, warm-up", "trial 1, GPU 0"} <= names
    titles = " ".join(one["text"] for one in spec["layout"]["annotations"])
    for strip in ("Step time", "CPU utilisation", "GPU power, W", "GPU temperature, °C", "GPU SM clock, GHz"):
        assert strip in titles


def test_a_case_on_many_devices_is_drawn_by_its_middle_trials(folder: Path) -> None:
    service_rate = {0: 0.1, 1: 0.3, 2: 0.2}
    run = make_run(folder, step_s=lambda _, trial: service_rate[trial])
    assert [trial.trial for trial in middle_trials(run.trials, num=1)] == [2]
    assert [trial.trial for trial in middle_trials(run.trials, num=9)] == [0, 1, 2]


def test_every_case_names_the_command_that_repeats_it(cpu_page: Page) -> None:
    assert "aigc-bench run --profile synthetic --level quick --only gpt/gpt2-124m/infer/fp32/b1" in cpu_page.by_id("case-0-0").text


def test_the_glossary_explains_each_metric_that_is_shown(cpu_page: Page) -> None:
    method = cpu_page.by_id("method").text
    for name in ("throughput", "step_time", "memory_host_peak", "cpu_utilization"):
        assert name in method
        assert METRICS[name].formula in method


def test_absent_sensors_and_the_sampler_s_cost_are_told(cpu_page: Page) -> None:
    method = cpu_page.by_id("method").text
    assert "nvml" in method
    assert "part of this synthetic run" in method
    assert "cost 0.400 % of one core" in method


def test_the_plan_shows_every_factor_with_formula_and_source(cpu_page: Page, a_cpu_run: Run) -> None:
    shown = cpu_page.by_id("plan").text
    plan = plan_of_run(a_cpu_run)
    option = plan.recommended or plan.options[0]
    assert list(option.factors) == list(all_factors())
    for factor in option.factors.values():
        assert factor.title in shown
        assert factor.formula in shown
        assert factor.source[:20].lower() in shown.lower()
    for assumption in plan.assumptions:
        assert assumption.key in shown


def test_invalid_numbers_are_left_out_of_the_plan_and_named_or_used_and_named(a_gpu_run: Run) -> None:
    plan = plan_of_run(a_gpu_run)
    case = next(one.case for one in plan.machine.capabilities if one.verdict == "invalid")
    views = run_views([a_gpu_run])
    shown = registry.load("sections", "plan").render(ReportContext(runs=views, plan=plan_view(plan)))
    assert case in shown[shown.index("Left out because invalid:") :]
    assert "Planned with invalid numbers" not in shown
    wanted = plan_of_run(a_gpu_run, with_invalid=(case,))
    forced = registry.load("sections", "plan").render(ReportContext(runs=views, plan=plan_view(wanted)))
    assert case in forced[forced.index("Planned with invalid numbers, as requested:") :]


def test_what_is_required_fills_the_head_room_bar(a_cpu_run: Run) -> None:
    best = plan_view(plan_of_run(a_cpu_run)).recommendation
    for row in best.factors:
        if row.found.headroom is None:
            assert row.used_percent is None
        else:
            assert row.used_percent == pytest.approx(min(100, 100 * (1 - row.found.headroom)), abs=0.06)


def test_unit_costs_are_given_for_a_round_number_of_units(a_cpu_run: Run) -> None:
    view = plan_view(plan_of_run(a_cpu_run))
    assert view.unit_costs
    for one in view.unit_costs:
        printed = one.cost.printed
        assert printed.value == pytest.approx(view.best.usd_per_unit[one.name].value * one.cost.times)
        assert one.cost.times in (1, 1000, 10**6, 10**9)
        assert printed.value >= 0.01 or one.cost.times == 10**9


def test_the_three_things_to_know_tell_outcome_trust_and_consequence(a_cpu_run: Run) -> None:
    context = ReportContext(runs=run_views([a_cpu_run]), plan=plan_view(plan_of_run(a_cpu_run)))
    outcome, trust, consequence = findings(context)
    assert outcome.title == "10 of 12 cases finished"
    assert "out of memory" in outcome.words
    assert "throughputs" in trust.title
    assert "machine" in consequence.title or "No option" in consequence.title
    assert "sensors" in findings(ReportContext(runs=run_views([a_cpu_run])))[2].title


def test_a_comparison_puts_what_changed_first(tmp_path: Path) -> None:
    cases = [make_case(), make_case(workload="bert", preset="base")]
    base = make_run(tmp_path / "base", cases=cases, trials=5, noise=0.01)
    slower = make_run(
        tmp_path / "slower", cases=cases, trials=5, noise=0.01, seed=1, step_s=lambda c, _: 0.13 if c.workload == "bert" else 0.1
    )
    page = Page(render_report([base], comparison=compare(base, [slower], fail_above=0.05)))
    section = page.by_id("comparison").text
    assert section.index("bert/base") < section.index("gpt/gpt2-124m")
    assert "regression" in section
    assert re.search(r"[-+]\d\d\.\d %", section)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("disk_total_bytes", 270_553_174_016, "252 GiB"),
        ("swap_bytes", 0, "0 B"),
        ("cpu_smt", False, "no"),
        ("python", "3.11.7", "3.11.7"),
    ],
)
def test_details_of_a_machine_are_written_as_a_person_does(name: str, value: object, words: str) -> None:
    assert detail(name, value) == words


def test_every_reason_for_an_unknown_share_of_time_is_named() -> None:
    shares = [
        WasteShare(kind="idle", share=None, duration_s=None, reason=reason)
        for reason in ("no_accelerator", "no_utilization_sensor")
    ]
    ((kind, why),) = unknown_words([*shares, *shares])
    assert kind == "idle" and why == "unknown without an accelerator's sensors, the device reports no utilisation"
