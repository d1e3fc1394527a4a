"""The Python API. ``import aigc_bench as ab``; every command of the command line is one of these functions.

    run = ab.run("cpu")                      # measure; also writes report.html into run.path
    run = ab.load("runs/20260105-101500-cpu")
    ab.metrics(run)                          # pandas: one row per case and metric, with unit, interval and verdict
    ab.report(run, out="report.html")
    ab.doctor()                              # what this machine can measure, and what would spoil it

Heavy libraries are imported by the function that needs them. None of them imports torch: that is the worker's business.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from aigc_bench.core.errors import UsageError
from aigc_bench.core.named_code import load_named_code, with_its_code
from aigc_bench.core.pipeline import Cache, Pipeline
from aigc_bench.core.records import Case, Check, MetricRow, Mode, Record, Scenario, System
from aigc_bench.measure import progress as events
from aigc_bench.measure.profiles import Level, Profile, check_machine, find_profile, matching_profile
from aigc_bench.measure.store import REPORT_FILE, RUN_FILE, Run, load_run

if TYPE_CHECKING:
    from datetime import date

    import pandas as pd

    from aigc_bench.analyze.compare import Comparison
    from aigc_bench.analyze.rows import CaseSummary
    from aigc_bench.core.records import Search
    from aigc_bench.measure.find import BatchSearch
    from aigc_bench.plan.records.demand import Demand
    from aigc_bench.plan.records.plan import Plan
    from aigc_bench.predict.served_queries import Load
    from aigc_bench.predict.validation.score import Validation

RUNS_FOLDER = Path("runs")
"""Where runs go by default, below the current directory."""

RunOrPath = Run | Path | str


class DryRun(Record):
    """What a run would do. ``expected_s`` is a guess from the level's limits, made before anything was run."""

    profile: str
    level: Level
    num_trials: int
    expected_s: float
    cases: tuple[Case, ...]


def run(
    profile: str | Path | Profile | None = None,
    *,
    only: Sequence[str] = (),
    level: Level | None = None,
    budget_s: float | None = None,
    out: Path | str | None = None,
    seed: int = 0,
    record_nvml: Path | str | None = None,
    find: Literal["max-batch"] | None = None,
    max_latency_s: float | None = None,
    pipelines: Sequence[Pipeline] = (),
    progress: Callable[[events.Progress], None] = events.ignore,
    command: Sequence[str] = (),
) -> Run:
    """Measure this machine and write the report; returns the stored run.

    Without a profile, the one that fits the machine. ``only`` holds globs over case names. ``budget_s`` is spread over the
    cases. ``out`` is a new directory, by default ``runs/TIME-PROFILE``. Raises ``UsageError``, before anything is written,
    where the profile is unknown or wrong or expects another machine. A case that fails does not raise: see ``cases``.
    ``find="max-batch"`` looks for the largest batch of each case that fits and, for inference, meets ``max_latency_s``.
    ``pipelines`` (see there) run each case with real inputs and products: decoded, tokenised, encoded.
    ``record_nvml`` names a file that takes what NVML answered, so that an odd GPU can be replayed elsewhere.
    """
    from aigc_bench.measure.runner import start_run

    system = this_machine()
    chosen = _with_pipelines(_profile(profile) or matching_profile(system), pipelines)
    check_machine(chosen, system)
    if max_latency_s is not None and find is None:
        raise UsageError("max_latency_s: a limit of the search for the largest batch.", "Add --find max-batch.")
    folder = Path(out) if out is not None else _new_folder(chosen.name)
    outcome = start_run(
        chosen,
        system=system,
        out=folder,
        level=level,
        only=only,
        seed=seed,
        budget_s=budget_s,
        command=command,
        record_nvml=Path(record_nvml) if record_nvml is not None else None,
        make_search=_batch_search(max_latency_s) if find else None,
        on_progress=progress,
    )
    return _reported(outcome.path, progress)


def resume(
    path: RunOrPath | None = None, *, model: str | None = None, progress: Callable[[events.Progress], None] = events.ignore
) -> Run:
    """Finish a run that was interrupted or killed (without ``path``, the newest in ``runs/``); nothing runs twice.

    A run that was made with ``module:function`` needs it again as ``model``: its files permit no code.
    """
    from aigc_bench.measure.runner import resume_run

    folder = path.path if isinstance(path, Run) else Path(path) if path is not None else newest_run()
    outcome = resume_run(folder, system=this_machine(), code=model, make_search=_search_again, on_progress=progress)
    return _reported(outcome.path, progress)


def dry_run(
    profile: str | Path | Profile | None = None,
    *,
    only: Sequence[str] = (),
    level: Level | None = None,
    budget_s: float | None = None,
    pipelines: Sequence[Pipeline] = (),
) -> DryRun:
    """What ``run`` would do here, and about how long it would take; nothing is run or written."""
    from aigc_bench.measure.runner import expected_s, select_cases
    from aigc_bench.measure.stopping import stopping_rule

    chosen = _with_pipelines(_profile(profile) or matching_profile(this_machine()), pipelines)
    cases = select_cases(chosen, only=only)
    asked = level or chosen.level
    budget = budget_s if budget_s is not None else chosen.budget_s
    return DryRun(
        profile=chosen.name,
        level=asked,
        num_trials=stopping_rule(asked).num_trials,
        expected_s=expected_s(cases, level=asked, budget_s=budget),
        cases=cases,
    )


def pipelines(
    data: Path | str | None = None, *, caches: Sequence[Cache] = ("hot",), workers: Sequence[int] = ()
) -> tuple[Pipeline, ...]:
    """Data pipelines for ``run``: over the user's ``data`` or generated ones, one for each cache state and number of workers."""
    from aigc_bench.measure import piped_profile

    return piped_profile.pipelines(data, caches=caches, workers=workers)


def _with_pipelines(profile: Profile, pipelines: Sequence[Pipeline]) -> Profile:
    from aigc_bench.measure.piped_profile import piped

    return piped(profile, pipelines) if pipelines else profile


def this_machine() -> System:
    """The fingerprint of this machine, its accelerators recognised as rows of the catalogue."""
    from aigc_bench.measure.fingerprint import fingerprint

    return fingerprint()


def load(path: Path | str) -> Run:
    """Read a run directory; raises ``UsageError`` where it is none."""
    return load_run(path)


def rows(run: RunOrPath) -> list[MetricRow]:
    """One record per case and metric."""
    from aigc_bench.analyze.rows import metric_rows
    from aigc_bench.catalog.loader import usable_catalogue

    return metric_rows(_loaded(run), catalogue=usable_catalogue())


def metrics(run: RunOrPath) -> pd.DataFrame:
    """One row per case and metric: ``case, workload, ... metric, value, low, high, unit, n, basis, verdict, reasons``."""
    import pandas as pd

    columns = list(MetricRow.model_fields)
    return pd.DataFrame([row.model_dump() for row in rows(run)], columns=columns)


def report(*runs: RunOrPath, out: Path | str | None = None, demand: Path | str | Demand | None = None) -> Path:
    """Write the HTML report of one or several runs and return its file, by default ``report.html`` in the first run.

    It ends with the first run's own plan, or with the whole plan of ``demand`` made with the numbers of all runs; the other runs
    are compared with the first.
    """
    from aigc_bench.analyze.compare import compare as compare_runs
    from aigc_bench.plan.of_run import plan_of_run
    from aigc_bench.report.plan.render import plan_sections
    from aigc_bench.report.render import render_report, save

    loaded = [_loaded(run) for run in runs]
    if not loaded:
        raise UsageError("report: no run was given.")
    asked = plan_sections(plan(demand, runs=loaded), runs=[run.info.id for run in loaded]) if demand is not None else ()
    file = Path(out) if out is not None else loaded[0].path / REPORT_FILE
    comparison = compare_runs(loaded[0], loaded[1:]) if len(loaded) > 1 else None
    own = plan_of_run(loaded[0]) if demand is None else None
    return save(render_report(loaded, plan=own, comparison=comparison, more=asked), file=file)


def compare(base: RunOrPath, *others: RunOrPath, fail_above: float | None = None) -> Comparison:
    """Compare runs with a base run; with ``fail_above`` (a fraction), what is worse by more is called a regression."""
    from aigc_bench.analyze import compare as comparing

    if not others:
        raise UsageError("compare: no other run was given.")
    return comparing.compare(_loaded(base), [_loaded(run) for run in others], fail_above=fail_above)


def doctor() -> tuple[Check, ...]:
    """A diagnosis of this machine: each finding with its status and a remedy."""
    from aigc_bench.measure.doctor import diagnose

    return tuple(diagnose())


def skipped(run: RunOrPath) -> list[str]:
    """What could not be read of the data of a run with pipelines: a line for each kind of data, samples with their reasons."""
    from aigc_bench.analyze.pipeline import data_read

    lines = []
    for source in data_read(_loaded(run).trials):
        named = ", ".join(f"{one.name} ({one.reason})" for one in source.skipped)
        more = source.num_skipped - len(source.skipped)
        if source.num_skipped:
            lines.append(f"skipped {source.num_skipped} of {source.modality}: {named}{f' and {more} more' if more else ''}")
    return lines


def cases(run: RunOrPath) -> list[CaseSummary]:
    """One record per case, failed ones too: how it fared, its grade and verdict, and why it has no numbers."""
    from aigc_bench.analyze.rows import case_summaries

    return case_summaries(_loaded(run))


def predict(
    what: str = "",
    *,
    model: Path | str | None = None,
    changes: Sequence[str] = (),
    accelerators: Sequence[str],
    mode: Mode = "infer",
    engine: str | None = None,
    precision: str | None = None,
    batch_size: int | None = None,
    devices: int = 1,
    parallel: str | None = None,
    settings: Sequence[str] = (),
    runs: Sequence[RunOrPath] = (),
    scenario: Scenario = "offline",
    load: Load | None = None,
) -> list[tuple[str, MetricRow]]:
    """``WORKLOAD[/PRESET]`` on each accelerator: its id and the predicted metrics, basis ``modelled``, with 80 % intervals.

    Instead of ``what``, ``model`` names a user's own: a config.json, a folder or ``module:function``; ``changes`` are put over
    keys of its config.json.
    ``accelerators`` are ids of the catalogue or ``@RUN``; ``parallel`` is ``tp=4,pp=2``; ``settings`` are ``name=value``.
    ``runs`` are own runs that calibrate the prediction, on the machine that they were made on and, less, on others.
    With ``scenario="server"`` requests arrive as ``load`` says (rate, SLO, lengths or a trace file), and the metrics are those of
    a service: latency percentiles, goodput, the highest rate that keeps the SLO; ``batch_size`` then bounds the requests in
    flight. Raises ``UsageError`` where a name is unknown or the model cannot answer.
    """
    from aigc_bench.core.words import parse_settings
    from aigc_bench.predict import queries as questions
    from aigc_bench.workloads._own import resolve

    if (scenario == "server") != (load is not None):
        raise UsageError(
            f"predict: scenario {scenario!r} {'needs a load' if load is None else 'has no load'}.", 'A load belongs to "server".'
        )
    own = None if model is None else resolve(with_its_code(model), changes=parse_settings(changes, option="--change"))
    return questions.predict_one(
        what, own=own, accelerators=accelerators, mode=mode, engine=engine, precision=precision, batch_size=batch_size,
        devices=devices, parallel=parallel, settings=settings, runs=[_loaded(run) for run in runs], load=load,
    )  # fmt: skip


def predict_profile(
    profile: str | Path | Profile, *, accelerators: Sequence[str] = (), runs: Sequence[RunOrPath] = ()
) -> list[tuple[str, MetricRow]]:
    """Every case of a profile on each accelerator, by default those that the profile expects, calibrated by own ``runs``.

    A case that cannot be answered is one row without a value, the reason in its ``reasons``.
    """
    from aigc_bench.predict import queries as questions

    chosen = profile if isinstance(profile, Profile) else find_profile(profile)
    expected = () if isinstance(chosen.expects, str) else chosen.expects
    return questions.predict_cases(
        chosen.cases, accelerators=accelerators or expected, where=f"profile {chosen.name}", runs=[_loaded(run) for run in runs]
    )


def prediction_report(predicted: Sequence[tuple[str, MetricRow]], *, title: str, out: Path | str) -> Path:
    """Write what ``predict`` or ``predict_profile`` gave as one HTML file, and return it."""
    from importlib.metadata import version

    from aigc_bench.report.prediction import render_prediction
    from aigc_bench.report.render import save

    if not predicted:
        raise UsageError(f"{title}: there is nothing to predict in it.", "Probes measure the machine and are not predicted.")
    return save(render_prediction(predicted, title=title, version=version("aigc-bench")), file=Path(out))


def published(run: RunOrPath, *, gpu: str | None = None) -> str:
    """A run's numbers as CSV in the schema of published results, which ``validate`` reads; ``gpu`` names the machine."""
    from aigc_bench.catalog.loader import usable_catalogue
    from aigc_bench.predict.validation.own_results import published_table

    return published_table(_loaded(run), catalogue=usable_catalogue(), gpu=gpu)


def validate(table: Path | str, *, by: Sequence[str] = (), rows_out: Path | str | None = None) -> Validation:
    """Score the performance model against a table of published results, grouped ``by`` its columns.

    ``refused`` of the result has every row that cannot be read, with line and reason; raises ``AigcBenchError`` where no row can.
    """
    from aigc_bench.predict.validation.report import validate_table

    return validate_table(Path(table), by=by, rows_out=Path(rows_out) if rows_out is not None else None)


def plan(
    demand: Path | str | Demand,
    *,
    runs: Sequence[RunOrPath] = (),
    use_invalid: Sequence[str] = (),
    accelerators: Sequence[str] = (),
    on: date | None = None,
    code: Sequence[str] = (),
) -> Plan:
    """Plan a demand (a TOML file or a record): options by rank with six factors, money and what they rest on.

    ``runs`` are recorded runs whose numbers are used where they fit, invalid ones only where ``use_invalid`` names their case;
    the recommended option is replayed by discrete events. ``accelerators`` narrows the search, ``on`` is the day of
    prices, by default the newest that the catalogue knows. ``code`` permits the ``module:function`` that the demand names
    as models. Raises ``UsageError`` with every mistake of the file.
    """
    from aigc_bench.catalog.loader import load_catalogue
    from aigc_bench.plan.answer import answer
    from aigc_bench.plan.demand.reader import read_demand
    from aigc_bench.plan.hardware.measured_runs import measured_machines
    from aigc_bench.plan.records.demand import Demand

    for name in code:
        load_named_code(name)
    catalogue = load_catalogue()
    wanted = demand if isinstance(demand, Demand) else read_demand(demand, catalogue=catalogue)
    measured = measured_machines([_loaded(run) for run in runs], catalogue=catalogue, with_invalid=use_invalid)
    ids = [catalogue.accelerator(name).id for name in accelerators]
    return answer(wanted, catalogue=catalogue, on=on, accelerators=ids, measured=measured)


def write_plan(plan: Plan, folder: Path | str) -> Path:
    """Write ``plan.html``, ``plan.json``, ``options.csv`` and ``bill.csv`` into a folder; returns the page."""
    from importlib.metadata import version

    from aigc_bench.plan.output.files import write_files
    from aigc_bench.report.plan.render import render_plan
    from aigc_bench.report.render import save

    where = Path(folder)
    write_files(plan, where)
    return save(render_plan(plan, version=version("aigc-bench")), file=where / "plan.html")


def own_profile(
    model: Path | str,
    *,
    modes: Sequence[Mode] = ("infer",),
    batch_sizes: Sequence[int] = (1,),
    precision: str | None = None,
    engines: Sequence[str] = ("torch-eager",),
    settings: Sequence[str] = (),
    changes: Sequence[str] = (),
) -> Profile:
    """The user's own model as a profile for ``run`` and ``dry_run``: a config.json, a folder, or ``module:function``.

    ``settings`` and ``changes`` (of the config.json's keys) are ``name=value``. Raises ``UsageError`` in one line.
    """
    from aigc_bench.core.words import parse_settings
    from aigc_bench.measure import own_profile as making

    return making.own_profile(
        with_its_code(model),
        system=this_machine(),
        modes=modes,
        batch_sizes=batch_sizes,
        precision=precision,
        engines=engines,
        settings=parse_settings(settings),
        changes=parse_settings(changes, option="--change"),
    )


def _batch_search(max_latency_s: float | None) -> Callable[[Sequence[Case]], BatchSearch]:
    from aigc_bench.measure.find import BatchSearch, available_bytes
    from aigc_bench.predict.memory.in_child import predicted_peak_bytes

    return lambda cases: BatchSearch(
        cases, max_latency_s=max_latency_s, predict_bytes=predicted_peak_bytes, available=available_bytes
    )


def _search_again(search: Search) -> BatchSearch:
    return _batch_search(search.max_latency_s)(search.cases)


def newest_run(folder: Path = RUNS_FOLDER) -> Path:
    """The run directory in ``folder`` that was made last."""
    found = [file.parent for file in folder.glob(f"*/{RUN_FILE}")]
    if not found:
        raise UsageError(f"{folder}/: there is no run here.", "Name its directory, or start one with `aigc-bench run`.")
    return max(found, key=lambda path: load_run(path).info.created_s)


def _profile(given: str | Path | Profile | None) -> Profile | None:
    return given if given is None or isinstance(given, Profile) else find_profile(given)


def _loaded(run: RunOrPath) -> Run:
    return run if isinstance(run, Run) else load_run(run)


def _new_folder(profile: str) -> Path:
    return RUNS_FOLDER / f"{time.strftime('%Y%m%d-%H%M%S')}-{profile}"


def _reported(path: Path, progress: Callable[[events.Progress], None]) -> Run:
    finished = load_run(path)
    progress(events.StageStarted(name="report"))
    report(finished)
    return finished
