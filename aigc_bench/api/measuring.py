"""Measure this machine: runs, what they would do, and whether the machine is fit for them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from aigc_bench.api.arguments import checked
from aigc_bench.api.reporting import report
from aigc_bench.api.stored import RUNS_FOLDER, RunOrPath, load, newest_run
from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import joined, message
from aigc_bench.core.named_code import with_its_code
from aigc_bench.core.overview import Overview, Shown
from aigc_bench.core.pipeline import Cache, Pipeline
from aigc_bench.core.records import Case, Mode, Record, Setting
from aigc_bench.core.run_records import Check, System
from aigc_bench.core.units import clock
from aigc_bench.measure import progress as events
from aigc_bench.measure.profiles import Level, Profile, check_machine, find_profile, matching_profile
from aigc_bench.measure.store import Run

if TYPE_CHECKING:
    import pandas as pd

    from aigc_bench.analyze.measured_run import MeasuredRun
    from aigc_bench.core.run_records import Search
    from aigc_bench.measure.find import BatchSearch


class DryRun(Shown, Record):
    """What a run would do. ``expected_s`` is estimated from the level's limits, before anything was run.

    ``problems`` are devices that cases need and torch cannot use, each in a line with its remedy.
    """

    profile: str
    level: Level
    num_trials: int
    expected_s: float
    cases: tuple[Case, ...]
    problems: tuple[str, ...] = ()

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per case with its settings."""
        import pandas as pd

        columns = ("workload", "preset", "mode", "engine", "precision", "batch_size", "devices")
        return pd.DataFrame(
            [{"case": case.id, **case.model_dump(include={*columns})} for case in self.cases], columns=["case", *columns]
        )

    @property
    def overview(self) -> Overview:
        """Return the cases and the expected time."""
        return Overview(
            title=message(
                "Dry run of profile {profile}: {cases} cases, about {clock}",
                profile=self.profile,
                cases=len(self.cases),
                clock=clock(self.expected_s),
            ),
            notes=(
                message("level {level}, {num_trials} trials a case; nothing was run", level=self.level, num_trials=self.num_trials),
                *self.problems,
            ),
            rows=tuple({"case": case.id} for case in self.cases),
        )


@checked
def run(
    profile: str | Path | Profile | None = None,
    *,
    only: str | Sequence[str] = (),
    level: Level | None = None,
    budget_s: float | None = None,
    out: Path | str | None = None,
    seed: int = 0,
    record_nvml: Path | str | None = None,
    find: Literal["max-batch"] | None = None,
    max_latency_s: float | None = None,
    pipelines: Sequence[Pipeline] = (),
    progress: Callable[[events.Progress], None] = events.ignore,
    command: str | Sequence[str] = (),
) -> MeasuredRun:
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
    # Before a folder is made: a wrong machine must leave nothing behind.
    check_machine(chosen, system)
    if max_latency_s is not None and find is None:
        raise UsageError(message("max_latency_s: a limit of the search for the largest batch."), message("Add --find max-batch."))
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


@checked
def resume(
    path: RunOrPath | None = None, *, model: str | None = None, progress: Callable[[events.Progress], None] = events.ignore
) -> MeasuredRun:
    """Finish a run that was interrupted or killed (without ``path``, the newest in ``runs/``); nothing runs twice.

    A run that was made with ``module:function`` needs it again as ``model``: its files permit no code.
    """
    from aigc_bench.measure.runner import resume_run

    folder = path.path if isinstance(path, Run) else Path(path) if path is not None else newest_run()
    # A search continues from the stored trials, with the limit that it was begun with.
    outcome = resume_run(folder, system=this_machine(), code=model, make_search=_search_again, on_progress=progress)
    return _reported(outcome.path, progress)


@checked
def dry_run(
    profile: str | Path | Profile | None = None,
    *,
    only: str | Sequence[str] = (),
    level: Level | None = None,
    budget_s: float | None = None,
    pipelines: Sequence[Pipeline] = (),
) -> DryRun:
    """Return what ``run`` would do here, and about how long it would take; nothing is run or written.

    >>> planned = ab.dry_run("smoke", level="quick")
    >>> [case.workload for case in planned.cases]
    ['vae', 'transformer', 'gpt']
    >>> planned.expected_s < 600
    True
    """
    from aigc_bench.measure.readiness import Readiness
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
        problems=tuple(joined(" ", filter(None, problem)) for problem in Readiness.of(cases).problems),
    )


@checked
def pipelines(
    data: Path | str | None = None, *, caches: Sequence[Cache] = ("hot",), workers: Sequence[int] = ()
) -> tuple[Pipeline, ...]:
    """Data pipelines for ``run``: over the user's ``data`` or generated ones, one for each cache state and number of workers."""
    from aigc_bench.measure import piped_profile

    return piped_profile.pipelines(data, caches=caches, workers=workers)


@checked
def own_profile(
    model: Path | str,
    *,
    modes: Sequence[Mode] = ("infer",),
    batch_sizes: Sequence[int] = (1,),
    precision: str | None = None,
    engines: str | Sequence[str] = ("torch-eager",),
    settings: Mapping[str, Setting] | None = None,
    changes: Mapping[str, Setting] | None = None,
) -> Profile:
    """The user's own model as a profile for ``run`` and ``dry_run``: a config.json, a folder, or ``module:function``.

    ``settings`` are the family's own, ``changes`` override keys of the config.json. Raises ``UsageError`` in one line.
    """
    from aigc_bench.measure.own_profile import OwnCases, profile_of

    cases = OwnCases(
        modes=tuple(modes),
        batch_sizes=tuple(batch_sizes),
        engines=tuple(engines),
        precision=precision,
        settings=settings or {},
        changes=changes,
    )
    return profile_of(with_its_code(model), cases, system=this_machine())


def doctor() -> tuple[Check, ...]:
    """A diagnosis of this machine: each finding with its status and a remedy."""
    from aigc_bench.measure.doctor import diagnose

    return tuple(diagnose())


def this_machine() -> System:
    """The fingerprint of this machine, its accelerators recognised as rows of the catalogue."""
    from aigc_bench.measure.fingerprint import fingerprint

    return fingerprint()


def _with_pipelines(profile: Profile, pipelines: Sequence[Pipeline]) -> Profile:
    from aigc_bench.measure.piped_profile import piped

    return piped(profile, pipelines) if pipelines else profile


def _batch_search(max_latency_s: float | None) -> Callable[[Sequence[Case]], BatchSearch]:
    from aigc_bench.measure.find import BatchSearch, available_bytes
    from aigc_bench.predict.memory.in_child import predicted_peak_bytes

    # measure may not import predict (one direction of imports), so the predictor is handed in.
    return lambda cases: BatchSearch(
        cases, max_latency_s=max_latency_s, predict_bytes=predicted_peak_bytes, available=available_bytes
    )


def _search_again(search: Search) -> BatchSearch:
    return _batch_search(search.max_latency_s)(search.cases)


def _profile(given: str | Path | Profile | None) -> Profile | None:
    return given if given is None or isinstance(given, Profile) else find_profile(given)


def _new_folder(profile: str) -> Path:
    # Local time, for the eyes of whoever looks for the run; run.json has the exact moment.
    return RUNS_FOLDER / f"{time.strftime('%Y%m%d-%H%M%S')}-{profile}"


def _reported(path: Path, progress: Callable[[events.Progress], None]) -> MeasuredRun:
    finished = load(path)
    # Drawing the report of a long run takes seconds: the display says what it waits for.
    progress(events.StageStarted(name="report"))
    report(finished)
    return finished
