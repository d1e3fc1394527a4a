"""The examples planned on a few accelerators, and the page of each."""

from __future__ import annotations

import pytest

from aigc_bench.plan.output.plan_view import plan_view
from aigc_bench.plan.records.plan import Plan
from aigc_bench.report.plan.plan_report import render_plan
from tests.plan.examples import EXAMPLES, plan_of_example
from tests.report.page import Page


@pytest.fixture(scope="package", params=[file.stem for file in EXAMPLES])
def plan(request: pytest.FixtureRequest) -> Plan:
    """Each of the examples."""
    return plan_of_example(request.param)


@pytest.fixture(scope="package")
def page(plan: Plan) -> Page:
    return Page(render_plan(plan_view(plan), version="test"))
