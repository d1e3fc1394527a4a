"""The terminal, the page, JSON and CSV of a plan print the same numbers: those of its view."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aigc_bench.cli.plan_screen import screen
from aigc_bench.core.records import Record
from aigc_bench.core.trail import slug
from aigc_bench.core.units import money_in, probability_text, quantity
from aigc_bench.plan.output.contract import contract, write_files
from aigc_bench.plan.output.plan_view import PlanView, plan_view
from aigc_bench.plan.output.shown_number import Shown, ShownProbability
from aigc_bench.plan.records.plan import Plan
from tests.report.page import Page

NOT_ON_THE_PAGE = (".tpot_s",)
"""Numbers that the terminal alone has room for: the page tells them with the simulation and in the derivation."""


@pytest.fixture(scope="module")
def view(plan: Plan) -> PlanView:
    return plan_view(plan)


@pytest.fixture(autouse=True)
def _currency(view: PlanView) -> Iterator[None]:
    """Amounts are compared as their reader sees them."""
    with money_in(view.plan.demand.finance.shown_in):
        yield


def shown(value: object) -> Iterator[Shown | ShownProbability]:
    """Every number below a row of the view."""
    if isinstance(value, Shown | ShownProbability):
        yield value
    elif isinstance(value, tuple):
        for one in value:
            yield from shown(one)
    elif isinstance(value, Record):
        for name in type(value).model_fields:
            yield from shown(getattr(value, name))


def numbers(view: PlanView) -> list[Shown]:
    """Every number that is known."""
    rows = (view.recommendation, view.totals, view.unit_costs, view.unit_carbon, view.cost_rows)
    return [one for one in shown(rows) if isinstance(one, Shown) and one.value is not None]


def in_json(found: Any, key: str) -> Any:
    """The figure of a key: an option by its rank, a load by its name, a cost line by its key or, of a second one, its number."""
    _, rank, *path = key.split(".", 3)
    option = found["options"][int(rank) - 1]
    if len(path) == 1:
        return option[path[0]]
    if path[0] == "loads":
        name, _, field = path[1].rpartition(".")
        return next(one for one in option["loads"] if one["name"] == name)[field]
    if path[0] == "costs":
        name, _, number = path[1].partition(".")
        lines = option["costs"]
        return lines[int(number)] if number else next(line for line in lines if line["key"] == name)
    if path[0] == "factors":
        name, _, side = path[1].partition(".")
        factor = option["factors"][name]
        of_inputs = {f"inputs.{slug(what)}": value for what, value in factor["inputs"].items()}
        return of_inputs[side] if side in of_inputs else factor[side]
    return option[path[0]][path[1]]


def test_json_has_the_value_interval_unit_and_basis_of_every_number(view: PlanView) -> None:
    found, is_mixed = contract(view), bool(view.best and view.best.parts)
    for one in numbers(view):
        figure = in_json(found, one.key)
        if figure is None:
            assert is_mixed and ".loads." in one.key, f"{one.key}: only the loads of a mixed option stand with its parts"
            continue
        assert one.value is not None
        if not isinstance(figure, dict):
            assert figure == one.value.value, f"{one.key} is a plain number of the contract"
            continue
        expected = {name: getattr(one.value, name) for name in ("value", "low", "high", "unit", "basis")}
        assert {name: figure[name] for name in expected} == expected, one.key


def test_the_page_prints_every_number_with_its_interval(view: PlanView, page: Page) -> None:
    printed: dict[str, set[str]] = {}
    for button in page.all("button", cls="why"):
        printed.setdefault(button.attributes["data-why"], set()).add(" ".join(button.text.split()))
    for one in numbers(view):
        if one.key.endswith(NOT_ON_THE_PAGE):
            continue
        assert one.printed is not None
        texts = printed[one.key]
        expected = number_in(quantity(one.printed.value, one.printed.unit))
        assert any(number_in(text) == pytest.approx(expected, rel=0.006, abs=1e-9) for text in texts), (one.key, texts, expected)


def test_the_terminal_prints_money_factors_and_times_of_the_view(view: PlanView) -> None:
    text, totals, best = " ".join(screen(view).split()), view.totals, view.recommendation
    assert totals is not None and best is not None
    rows = (totals.total, totals.upfront, totals.per_year, *(one.cost for one in view.unit_costs))
    rows += tuple(number for one in best.factors for number in (one.required, one.available))
    rows += tuple(number for one in best.loads for number in (one.ttft, one.tpot, one.latency))
    for one in rows:
        if one.printed is not None:
            assert quantity(one.printed.value, one.printed.unit) in text, one.key


def test_probabilities_are_the_same_everywhere(view: PlanView, page: Page) -> None:
    risk, found, text = view.risk, contract(view), screen(view)
    assert risk is not None
    buttons = {one.attributes["data-why"]: one.text for one in page.all("button", cls="why")}
    for one in shown(risk.probabilities):
        assert isinstance(one, ShownProbability)
        assert in_json(found, one.key) == one.share
        if one.share is not None:
            assert buttons[one.key] == probability_text(one.share)
            assert f"{one.name} {probability_text(one.share)}" in " ".join(text.split())


def test_csv_has_the_values_of_the_view(view: PlanView, tmp_path: Path) -> None:
    write_files(view, tmp_path)
    best, totals = view.best, view.totals
    assert best is not None and totals is not None
    with (tmp_path / "options.csv").open(encoding="utf-8") as file:
        row = list(csv.DictReader(file))[best.rank - 1]
    for one in (totals.total, totals.upfront, totals.per_year):
        assert one.value is not None
        assert float(row[one.key.rpartition(".")[2]]) == one.value.value
    assert row["bottleneck"] == (best.bottleneck or "")
    with (tmp_path / "bill.csv").open(encoding="utf-8") as file:
        counts = [int(line["count"]) for line in csv.DictReader(file)]
    assert counts == ([line.count for bill in view.bills for line in bill.lines] if view.bought is best else [])


def test_alternatives_of_the_terminal_are_options_with_their_cost(view: PlanView) -> None:
    text = " ".join(screen(view).split())
    for row in view.options.short:
        assert quantity(row.option.tco_usd.value, "usd") in text
        assert row.option.accepted and not row.is_recommended


def number_in(text: str) -> float:
    """The number that a text begins with."""
    found = re.search(r"-?\$?(\d[\d,]*\.?\d*(?:e-?\d+)?)", text)
    assert found, text
    return float(found[1].replace(",", "")) * (-1 if text.startswith("-") else 1)
