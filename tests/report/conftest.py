"""Reports rendered once for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from aigc_bench.measure.store import Run
from aigc_bench.plan.output.plan_view import plan_view
from aigc_bench.plan.planner import plan_of_run
from aigc_bench.report.render import render_report
from tests.report.page import Page
from tests.report.sample_runs import cpu_run, gpu_run


@pytest.fixture(scope="session")
def a_cpu_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return cpu_run(tmp_path_factory.mktemp("runs") / "cpu", num_steps=12)


@pytest.fixture(scope="session")
def a_gpu_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return gpu_run(tmp_path_factory.mktemp("runs") / "gpu", num_steps=40)


@pytest.fixture(scope="session")
def cpu_page(a_cpu_run: Run) -> Page:
    """A CPU run with its plan."""
    return Page(render_report([a_cpu_run], plan=plan_view(plan_of_run(a_cpu_run))))


@pytest.fixture(scope="session")
def gpu_page(a_gpu_run: Run) -> Page:
    """A GPU run without a plan."""
    return Page(render_report([a_gpu_run]))


@pytest.fixture(params=["cpu_page", "gpu_page"])
def page(request: pytest.FixtureRequest) -> Iterator[Page]:
    """Each of the two reports in turn."""
    yield request.getfixturevalue(request.param)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "run"
