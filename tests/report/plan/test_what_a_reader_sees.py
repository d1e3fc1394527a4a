"""What a reader of a plan sees: the numbers of its JSON, axes with units, buttons that open, a page that fits a telephone."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from aigc_bench.core.units import probability_text, scale
from aigc_bench.plan.output.contract import contract
from aigc_bench.plan.output.options_view import NUM_REASONS, why_not
from aigc_bench.plan.output.plan_view import plan_view
from aigc_bench.plan.records.plan import Plan
from aigc_bench.report.markup import source_file
from tests.plan.explain.test_explain import figures
from tests.report.page import Element, Page

TELEPHONE_PX, MARGINS_PX = 390, 28
SCALED = ("usd_per_unit", "carbon", "energy_kwh")
"""Keys that are told of another number of units than the plan's JSON has."""


def buttons(page: Page) -> Iterator[tuple[str, Element]]:
    """Every number that opens, with its key."""
    for one in page.all("button", cls="why"):
        yield one.attributes["data-why"], one


def number_in(text: str) -> float:
    """The first number of a text."""
    found = re.search(r"-?\$?(\d[\d,]*\.?\d*(?:e-?\d+)?)", text)
    assert found, text
    return float(found[1].replace(",", "")) * (-1 if text.startswith("-") else 1)


def of_json(plan: Plan) -> dict[str, tuple[float, str]]:
    """Value and unit of every figure of the options in the plan's JSON that is told in its own unit."""
    found: dict[str, tuple[float, str]] = {}
    for option in contract(plan_view(plan))["options"]:
        for key, figure in figures(option, f"options.{option['rank']}"):
            if isinstance(figure, dict) and not any(word in key for word in SCALED):
                found[key] = (figure["value"], figure["unit"])
    return found


def test_every_printed_number_is_that_of_the_json(page: Page, plan: Plan) -> None:
    known, checked = of_json(plan), 0
    for key, button in buttons(page):
        if key not in known:
            continue
        value, unit = known[key]
        factor = plan.demand.finance.shown_in.usd if unit.lower().startswith("usd") else scale(value, unit)[0]
        assert number_in(button.text) == pytest.approx(value / factor, rel=0.006), (key, button.text)
        checked += 1
    assert checked > 40


def test_probabilities_are_printed_as_finely_as_they_are_known(page: Page, plan: Plan) -> None:
    shares = {f"options.{one.rank}.p_slo": one.p_slo for one in plan.options}
    found = plan.certainty
    assert found is not None
    shares |= {f"certainty.regret.{one.rank}.p_cheapest": one.p_cheapest for one in found.regret}
    told = [(key, button.text) for key, button in buttons(page) if key in shares]
    assert len(told) > len(found.regret)
    assert all(text == probability_text(shares[key] or 0.0) for key, text in told)


def test_every_option_opens_how_its_cost_follows(page: Page, plan: Plan) -> None:
    steps = json.loads(page.by_id("why-steps").text)
    keys = {key for key, _ in buttons(page)}
    for option in plan.options:
        key = f"options.{option.rank}.tco_usd"
        assert key in keys and key in steps, f"{key} cannot be opened"
        assert steps[key].get("inputs"), key
    ended = [step for step in steps.values() if "continue with aigc-bench plan" in step.get("source", "")]
    assert len(plan.options) < 20 or ended, "options that are folded away end where the command goes on"


def test_every_axis_of_a_chart_says_what_it_shows(page: Page) -> None:
    names = [one.attributes["data-spec"].removeprefix("spec-") for one in page.all("div", cls="plot")]
    assert names
    for name in names:
        spec = page.spec(name)
        for axis in ("xaxis", "yaxis"):
            found = spec["layout"][axis]
            assert found.get("type") == "category" or found["title"]["text"], (name, axis)
        assert any(any(value is not None for value in trace["x"]) for trace in spec["data"]), f"{name} is empty"


def test_words_and_numbers_of_ticks_belong_together(page: Page) -> None:
    for one in page.all("div", cls="plot"):
        layout = page.spec(one.attributes["data-spec"].removeprefix("spec-"))["layout"]
        for axis in (layout["xaxis"], layout["yaxis"]):
            assert len(axis.get("tickvals", [])) == len(axis.get("ticktext", []))
            assert not any("e+" in word or "000,000" in word for word in axis.get("ticktext", []))


def test_what_counts_the_same_item_is_told_in_the_same_number_of_units(page: Page, plan: Plan) -> None:
    best = plan_view(plan).best
    assert best is not None
    words = page.by_id("plan-options").text
    items = {cost.unit.partition("/")[2] for cost in best.usd_per_unit.values()}
    for item in items:
        assert len(set(re.findall(rf"(?<!time )per ((?:1,000 |million |billion )?{item}s?)\b", words))) == 1, item


def test_the_last_sum_of_the_cash_flow_has_the_interval_of_the_total_cost(page: Page, plan: Plan) -> None:
    best = plan_view(plan).best
    assert best is not None
    text = page.by_id("plan-cash").text
    one = plan.demand.finance.shown_in.usd
    low, high = (f"{round_to_3(number / one):,.0f}" for number in (best.tco_usd.low, best.tco_usd.high))
    assert f"{low} to {high}" in text


def round_to_3(value: float) -> float:
    return float(f"{value:.3g}")


def test_a_refused_option_is_told_with_a_few_reasons_one_of_each_factor(plan: Plan) -> None:
    for option in plan.options:
        if not option.accepted:
            words = why_not(option)
            assert words and words.count("; and ") <= 1
            assert len(option.reasons) <= NUM_REASONS or len(words) < len("; ".join(option.reasons)) + len("; and 9 more")


def test_the_answer_stands_before_everything_else(page: Page, plan: Plan) -> None:
    text = page.own[page.own.index("<main") : page.own.index('id="plan-risk"')]
    shown = " ".join(re.sub(r"<[^>]+>", " ", text).split())
    for word in ("Accelerators", "Total cost over", "Upfront", "Per year", "Bottleneck", "P(SLO)", "Risk"):
        assert word in shown, word


def test_nothing_is_wider_than_a_telephone_but_tables_that_scroll() -> None:
    """Widths of the style sheet in px, without those of ``max-width`` and of what is bound by 100 % of the page."""
    style = re.sub(r"/\*.*?\*/", "", source_file("style.css"), flags=re.DOTALL)
    style = re.sub(r"min\(100%, \d+px\)|min\(\d+px, [^)]*\)", "", style)
    widths = [int(found) for found in re.findall(r"(?<!max-)(?<!-)\b(?:min-)?width: (\d+)px", style)]
    columns = [int(found) for found in re.findall(r"minmax\((\d+)px", style)]
    assert max(widths) <= TELEPHONE_PX - MARGINS_PX
    assert max(columns) <= TELEPHONE_PX - MARGINS_PX
    assert re.search(r"\.scroll \{[^}]*overflow-x: auto", style)


def test_every_wide_table_stands_in_a_box_that_scrolls(page: Page) -> None:
    """A table with captions and many columns is inside ``.scroll``; only small lists of inputs, limits and bars are not."""
    boxes = re.findall(r'<div class="scroll"[^>]*tabindex="0"><table', page.own)
    small = re.findall(r'<table class="(?:inputs|limits)"', page.own)
    bars = re.findall(r'<details class="plain bars">.*?<table>', page.own, flags=re.DOTALL)
    assert len(boxes) + len(small) + len(bars) == page.own.count("<table")


def test_charts_are_drawn_anew_in_the_width_of_paper_before_printing(page: Page) -> None:
    script = page.scripts[1]
    paper = int(re.findall(r"PAPER_PX = (\d+)", script)[0])
    a4_px_without_margins = 210 / 25.4 * 96 - 2 * 0.4 * 96
    assert paper < a4_px_without_margins
    assert "beforeprint" in script and "afterprint" in script


def specs(page: Page) -> Iterator[dict[str, Any]]:
    for one in page.all("div", cls="plot"):
        yield page.spec(one.attributes["data-spec"].removeprefix("spec-"))


def test_no_chart_holds_a_number_that_is_none_or_not_finite_where_a_bar_is_drawn(page: Page) -> None:
    for spec in specs(page):
        for trace in spec["data"]:
            numbers = [value for axis in ("x", "y", "base") for value in trace.get(axis) or [] if isinstance(value, int | float)]
            assert all(abs(value) < 1e15 for value in numbers)
