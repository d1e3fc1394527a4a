"""The examples planned on a few accelerators, and the page of each."""

from __future__ import annotations

from pathlib import Path

import pytest

from aigc_bench import api
from aigc_bench.plan.output.plan_view import plan_view
from aigc_bench.plan.records.plan import Plan
from aigc_bench.report.plan.plan_report import render_plan
from tests.report.page import Page

NARROW = ("h100_sxm_80gb", "mi300x", "l40s")


@pytest.fixture(scope="package", params=sorted(Path("examples").glob("*.toml")), ids=lambda file: file.stem)
def plan(request: pytest.FixtureRequest) -> Plan:
    """Each of the examples."""
    return api.plan(request.param, accelerators=NARROW)


@pytest.fixture(scope="package")
def page(plan: Plan) -> Page:
    return Page(render_plan(plan_view(plan), version="test"))
