"""HTML pages of runs, predictions and plans."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from aigc_bench.api.arguments import checked
from aigc_bench.api.planning import plan
from aigc_bench.api.stored import RunOrPath, loaded
from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message
from aigc_bench.measure.store import REPORT_FILE

if TYPE_CHECKING:
    from aigc_bench.plan.records.demand import Demand
    from aigc_bench.plan.records.plan import Plan
    from aigc_bench.predict.predicted import Predictions


@checked
def report(*runs: RunOrPath, out: Path | str | None = None, demand: Path | str | Demand | None = None) -> Path:
    """Write the HTML report of one or several runs and return its file, by default ``report.html`` in the first run.

    With ``demand`` it opens with the plan of it, made with the numbers of all runs; else it ends with a plan of the first run if
    that has valid numbers of models that people deploy. The other runs are compared with the first.
    """
    from aigc_bench.analyze.compare import compare as compare_runs
    from aigc_bench.analyze.rows import metric_rows
    from aigc_bench.plan.output.plan_view import plan_view
    from aigc_bench.plan.planner import has_a_plan, plan_of_run
    from aigc_bench.report.plan.plan_report import plan_sections
    from aigc_bench.report.render import render_report, save

    opened = [loaded(run) for run in runs]
    if not opened:
        raise UsageError(message("report: no run was given."))
    asked = plan_sections(plan_view(plan(demand, runs=opened)), runs=[run.info.id for run in opened]) if demand is not None else ()
    file = Path(out) if out is not None else opened[0].path / REPORT_FILE
    comparison = compare_runs(opened[0], opened[1:]) if len(opened) > 1 else None
    # One plan a report: the demand's replaces the short one that a run makes of itself.
    rows = metric_rows(opened[0]) if demand is None else []
    found = plan_of_run(opened[0], rows=rows) if has_a_plan(rows) else None
    own = plan_view(found) if found is not None else None
    return save(render_report(opened, plan=own, comparison=comparison, more=asked), file=file)


@checked
def prediction_report(predicted: Predictions, *, title: str, out: Path | str) -> Path:
    """Write what ``predict`` or ``predict_profile`` gave as one HTML file, and return it.

    Raises ``UsageError`` where nothing was predicted, or where the file exists and is no HTML page.
    """
    from aigc_bench.report.prediction import render_prediction
    from aigc_bench.report.render import save

    if not predicted.rows:
        raise UsageError(
            message("{title}: there is nothing to predict in it.", title=title),
            message("Probes measure the machine and are not predicted."),
        )
    return save(render_prediction(predicted.rows, title=title, version=version("aigc-bench")), file=Path(out))


@checked
def write_plan(plan: Plan, folder: Path | str) -> Path:
    """Write ``plan.html``, ``plan.json``, ``options.csv`` and ``bill.csv`` into a folder; returns the page."""
    from aigc_bench.plan.output.contract import write_files
    from aigc_bench.plan.output.plan_view import plan_view
    from aigc_bench.report.plan.plan_report import render_plan
    from aigc_bench.report.render import save

    where, view = Path(folder), plan_view(plan)
    write_files(view, where)
    return save(render_plan(view, version=version("aigc-bench")), file=where / "plan.html")


@checked
def write_deployment(plan: Plan, folder: Path | str) -> Path:
    """Write what starts the recommended option of a plan into a folder, and return its README.

    For each service a start command of its engine, a Kubernetes manifest and a Slurm script; for each training job a Slurm script.
    Raises ``AigcBenchError`` where nothing is recommended, or an API.
    """
    from aigc_bench.catalog.loader import load_catalogue
    from aigc_bench.plan.deploy.deploy_files import deploy

    return deploy(plan, Path(folder), catalogue=load_catalogue())[0]
