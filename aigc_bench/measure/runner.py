"""The parent of a run: it decides what runs next, keeps what is finished, and never imports torch.

    fingerprint -> run.json -> sampler -> idle baseline -> trials (one fresh process each) -> telemetry.parquet

A trial that fails is a result like any other. A process that is killed from outside loses its trial, which is run once more;
nothing else is affected. Ctrl-C, SIGTERM or SIGHUP ends the run with what is finished; a second one leaves out the report.
"""

from __future__ import annotations

import fcntl
import fnmatch
import os
import secrets
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from aigc_bench.core import registry
from aigc_bench.core.errors import AigcBenchError, UsageError
from aigc_bench.core.interrupts import terminated_as_interrupt
from aigc_bench.core.messages import message
from aigc_bench.core.named_code import permitted
from aigc_bench.core.records import Case, TrialResult
from aigc_bench.core.run_records import RunInfo, Search, SensorStatus, System
from aigc_bench.core.units import quantity
from aigc_bench.measure import preflight, progress
from aigc_bench.measure.attempts import Attempts, is_forked, unsupported_trial
from aigc_bench.measure.budget import scaled, window_scale
from aigc_bench.measure.clock import Clock
from aigc_bench.measure.find import BatchSearch
from aigc_bench.measure.fingerprint import changed_software
from aigc_bench.measure.launcher import Launcher
from aigc_bench.measure.profiles import Profile
from aigc_bench.measure.readiness import Readiness
from aigc_bench.measure.resumed_code import permit_code
from aigc_bench.measure.sampler_client import SamplerClient
from aigc_bench.measure.schedule import Planned, expected_trial_s, remaining_s, schedule, unfinished
from aigc_bench.measure.stopping import StoppingRule, stopping_rule
from aigc_bench.measure.store import RunWriter, is_unstarted, last_moment_s, load_run, read_trials

MakeSearch = Callable[[Sequence[Case]], BatchSearch]
OnProgress = Callable[[progress.Progress], None]

# Mean idle power needs seconds: counters refresh every 100 ms, and devices take a while to fall back to idle clocks.
BASELINE_S = {"quick": 5.0, "default": 30.0, "rigorous": 30.0}


@dataclass(frozen=True, kw_only=True)
class RunOutcome:
    """The directory of a run and the number of its cases that have all their trials."""

    path: Path
    num_ok: int
    num_failed: int
    interrupted: bool


def select_cases(profile: Profile, *, only: Sequence[str]) -> tuple[Case, ...]:
    """The profile's cases whose id matches one of the globs (all without globs); raises ``UsageError`` where none does."""
    if not only:
        return profile.cases
    chosen = tuple(case for case in profile.cases if any(_matches(case.id, glob) for glob in only))
    if not chosen:
        known = ", ".join(case.id for case in profile.cases)
        raise UsageError(
            message("--only {only}: no case of profile {name!r} matches.", only=" ".join(only), name=profile.name),
            message("Its cases: {known}.", known=known),
        )
    return chosen


def _matches(case_id: str, glob: str) -> bool:
    return case_id == glob or fnmatch.fnmatchcase(case_id, glob) or fnmatch.fnmatchcase(case_id, f"{glob}/*")


def expected_s(cases: Sequence[Case], *, level: str, budget_s: float | None = None) -> float:
    """A guess of a run's time before anything was run, from the level's limits and the budget."""
    scale = window_scale(cases, level=level, budget_s=budget_s)
    rules = [scaled(stopping_rule(level, mode=case.mode, has_energy=case.backend != "cpu"), scale=scale) for case in cases]
    first_round_s = sum(expected_trial_s(rule, case=case) for rule, case in zip(rules, cases, strict=True))
    total_s = first_round_s * stopping_rule(level).num_trials
    return total_s if budget_s is None else min(total_s, max(budget_s, first_round_s))


def start_run(
    profile: Profile,
    *,
    system: System,
    out: Path,
    level: str | None = None,
    only: Sequence[str] = (),
    seed: int = 0,
    budget_s: float | None = None,
    command: Sequence[str] = (),
    record_nvml: Path | None = None,
    make_search: MakeSearch | None = None,
    on_progress: OnProgress = progress.ignore,
) -> RunOutcome:
    """Run a profile's cases into the new directory ``out``; raises ``UsageError`` before anything is written.

    With ``make_search`` the cases are where a search for the largest batch starts from, and it says what is run next.
    ``record_nvml`` names a file that takes what NVML answered, for a bug report or a test.
    """
    cases = select_cases(profile, only=only)
    chosen = level or profile.level
    if out.exists() and not is_unstarted(out):
        raise UsageError(
            message("--out {out}: already exists.", out=out), message("Name a new directory, or continue that run with --resume.")
        )
    if record_nvml is not None and (record_nvml.is_dir() or not record_nvml.parent.is_dir()):
        raise UsageError(
            message("--record-nvml {record_nvml}: no file can be written there.", record_nvml=record_nvml),
            message("Name a file in a folder that exists."),
        )
    ready = Readiness.of(cases)
    ready.require_any(cases)
    search = None if make_search is None else make_search(cases)
    cases = cases if search is None else search.grow(())
    created_s = time.time()
    info = RunInfo(
        id=f"{datetime.fromtimestamp(created_s, tz=UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}",
        profile=profile.name,
        profile_hash=profile.hash,
        level=chosen,
        command=tuple(_legible(word) for word in command),
        created_s=created_s,
        num_trials=stopping_rule(chosen).num_trials,
        cases=cases,
        system=ready.completed(system),
        seed=seed,
        budget_s=budget_s if budget_s is not None else profile.budget_s,
        search=None if search is None else search.result(),
        versions={"aigc-bench": version("aigc-bench"), "python": sys.version.split()[0]},
    )
    return _Session(info, out, ready=ready, record_nvml=record_nvml, search=search).run(on_progress)


def resume_run(
    folder: Path,
    *,
    system: System,
    code: str | None = None,
    make_search: Callable[[Search], BatchSearch] | None = None,
    on_progress: OnProgress = progress.ignore,
) -> RunOutcome:
    """Run what is missing from a run that was interrupted or killed; finished trials are kept and not run again.

    ``code`` is the ``module:function`` that the run was made with, if it was: the run's own files permit no code.
    ``make_search`` makes the search anew that the run was, if it was one; it finds where it stood from the finished trials.
    Raises ``UsageError`` on another machine, with other software, or where the code is another.
    """
    info = load_run(folder).info
    permit_code(info.cases, folder=folder, typed=code)
    if info.system.host_id != system.host_id:
        raise UsageError(
            message("{folder}: this run was made on another machine.", folder=folder),
            message("Resume it there, or start a new run here."),
        )
    ready = Readiness.of(info.cases)
    ready.require_any(info.cases)
    changed = changed_software(info.system, ready.completed(system))
    if changed:
        raise UsageError(
            message("{folder}: since this run was started {changed} changed.", folder=folder, changed=", ".join(changed)),
            message("Start a new run: one run has one software and one setting of the environment."),
        )
    search = None if make_search is None or info.search is None else make_search(info.search)
    return _Session(info, folder, ready=ready, search=search).run(on_progress)


class _Session:
    """One stretch of running: from the start, or from a resume, to the end or an interrupt."""

    def __init__(
        self,
        info: RunInfo,
        folder: Path,
        *,
        ready: Readiness,
        record_nvml: Path | None = None,
        search: BatchSearch | None = None,
    ) -> None:
        self._ready = ready
        self._search = search
        self._record_nvml = record_nvml
        self._info = info
        self._folder = folder
        self._budget_spent = False
        self._spent_s: defaultdict[str, list[float]] = defaultdict(list)
        self._sensors: tuple[SensorStatus, ...] = ()

    def run(self, on_progress: OnProgress) -> RunOutcome:
        """Run every trial that is not finished yet."""
        self._notify = on_progress
        started = time.monotonic()
        self._folder.mkdir(parents=True, exist_ok=True)
        with _locked(self._folder), terminated_as_interrupt() as self._interrupts:
            self._writer = RunWriter.begin(self._folder, self._info.model_copy(update={"finished_s": None, "interrupted": False}))
            self._finished = read_trials(self._folder)
            # Behind everything that is stored, so that no two sessions of a run overlap in time.
            self._clock = Clock.start(not_before_s=last_moment_s(self._folder, trials=self._finished, info=self._info))
            self._started_s = self._clock.now_s()
            order = self._order()
            self._announce(order)
            interrupted = False
            try:
                self._measure(order)
            except KeyboardInterrupt:
                interrupted = True
            finally:
                # A second Ctrl-C waits until the files are whole.
                with self._interrupts.held():
                    self._close(interrupted=interrupted)
            outcome = self._outcome(interrupted=interrupted)
            self._notify_end(outcome, duration_s=time.monotonic() - started)
            self._interrupts.settle()
        return outcome

    def _notify_end(self, outcome: RunOutcome, *, duration_s: float) -> None:
        self._notify(
            progress.RunFinished(
                path=self._folder,
                num_ok=outcome.num_ok,
                num_failed=outcome.num_failed,
                duration_s=duration_s,
                interrupted=outcome.interrupted,
            )
        )

    def _announce(self, order: Sequence[Planned]) -> None:
        for trial in self._finished:
            self._spent_s[trial.case].append(trial.finished_s - trial.started_s)
        left = unfinished(order, self._finished)
        self._notify(
            progress.RunStarted(
                path=self._folder, num_trials=len(order), num_done=len(order) - len(left), expected_s=self._remaining_s(left)
            )
        )

    def _measure(self, order: Sequence[Planned]) -> None:
        left = unfinished(order, self._finished) or self._next_of_search()
        if not left:
            return
        order = self._order()
        self._sampler = SamplerClient(
            spool=self._writer.spool,
            clock=self._clock,
            devices=self._ready.telemetry_devices(self._info.system),
            record_nvml=self._record_nvml,
        )
        log = self._folder / "logs" / "workers.log"
        self._launcher = Launcher(imports=_imports(left), log=log, search=_search(left))
        try:
            self._sensors = self._sampler.start()
            self._info = self._info.model_copy(update={"health": preflight.inspect()})
            self._baseline()
            self._notify(progress.StageStarted(name="starting"))
            self._launcher.prepare()
            attempts = Attempts(
                launcher=self._launcher,
                sampler=self._sampler,
                spool=self._writer.spool,
                log=log,
                clock=self._clock,
                listener=self._notify,
                accelerators=self._info.system.accelerators,
            )
            while left and not self._is_budget_spent(left[0]):
                self._run_trial(left, attempts)
                left = unfinished(order, self._finished) or self._next_of_search()
                order = self._order()
        finally:
            with self._interrupts.held():
                self._launcher.close()
                self._sampler_report = self._sampler.stop()
                self._sensors = self._sampler.sensors

    def _order(self) -> list[Planned]:
        return schedule(self._info.cases, num_trials=self._info.num_trials, seed=self._info.seed)

    def _next_of_search(self) -> list[Planned]:
        """The trials of the cases that a search wants next; none without a search, or when it is at its end."""
        if self._search is None:
            return []
        more = self._search.grow(self._finished)
        cases = (*self._info.cases, *more)
        self._info = self._info.model_copy(update={"cases": cases, "search": self._search.result()})
        self._writer.write_info(self._info)
        if more:
            self._notify(progress.TrialsAdded(num_trials=len(cases) * self._info.num_trials))
        return unfinished(self._order(), self._finished)

    def _baseline(self) -> None:
        """Let the machine idle to measure its idle power; skipped without a power sensor."""
        if self._has_energy():
            self._notify(progress.StageStarted(name="baseline"))
            start_s = self._clock.now_s()
            self._sampler.edge()
            time.sleep(BASELINE_S[self._info.level])
            self._sampler.edge()
            self._info = self._info.model_copy(update={"idle_window_s": (start_s, self._clock.now_s())})

    def _run_trial(self, left: Sequence[Planned], attempts: Attempts) -> None:
        """Run the next trial and store its result."""
        planned = left[0]
        started = time.monotonic()

        def announce(attempt: int) -> None:
            self._notify(
                progress.TrialStarted(
                    case=planned.case.id,
                    trial=planned.trial,
                    of=self._info.num_trials,
                    attempt=attempt,
                    remaining_s=self._remaining_s(left),
                )
            )

        # FLOPs of a case are the same in each trial, and counting takes an eager step.
        counted = (t.work.flops for t in self._finished if t.case == planned.case.id and t.work is not None)
        absent = self._ready.absent.get(planned.case.backend)
        if absent is None:
            trial = attempts.run(planned, rule=self._rule(planned.case), on_attempt=announce, flops=next(counted, None))
        else:
            trial = unsupported_trial(planned, absent.absence, now_s=self._clock.now_s())
        self._writer.append(trial)
        self._finished.append(trial)
        duration_s = time.monotonic() - started
        self._spent_s[trial.case].append(duration_s)
        self._notify(
            progress.TrialFinished(
                case=trial.case,
                trial=trial.trial,
                of=self._info.num_trials,
                status=trial.status,
                summary=summary(trial),
                duration_s=duration_s,
                remaining_s=self._remaining_s(left[1:]),
            )
        )

    def _is_budget_spent(self, planned: Planned) -> bool:
        """Whether the next trial would end behind the budget; every case gets its first trial all the same."""
        budget_s = self._info.budget_s
        # A case without any trial would be missing from the report.
        if budget_s is None or planned.trial == 0:
            return False
        expected_s = remaining_s([planned], spent_s=self._spent_s, rule=self._rule(planned.case))
        self._budget_spent = self._clock.now_s() - self._started_s + expected_s > budget_s
        return self._budget_spent

    def _rule(self, case: Case) -> StoppingRule:
        rule = stopping_rule(self._info.level, mode=case.mode, has_energy=self._has_energy())
        return scaled(rule, scale=window_scale(self._info.cases, level=self._info.level, budget_s=self._info.budget_s))

    def _close(self, *, interrupted: bool) -> None:
        sampler = getattr(self, "_sampler_report", None)
        self._info = self._info.model_copy(
            update={
                "finished_s": self._clock.now_s(),
                "interrupted": interrupted,
                "budget_spent": self._budget_spent,
                "sensors": self._sensors or self._info.sensors,
                "sampler": sampler or self._info.sampler,
            }
        )
        try:
            self._writer.write_info(self._info)
        finally:
            self._writer.close()

    def _outcome(self, *, interrupted: bool) -> RunOutcome:
        status = {trial.case: "failed" for trial in self._finished if trial.status != "ok"}
        num_trials = Counter(trial.case for trial in self._finished if trial.status == "ok")
        # A spent budget leaves out later trials of every case, which is no failure.
        wanted = 1 if self._budget_spent else self._info.num_trials
        complete = [c for c in self._info.cases if c.id not in status and num_trials[c.id] >= wanted]
        return RunOutcome(path=self._folder, num_ok=len(complete), num_failed=len(status), interrupted=interrupted)

    def _remaining_s(self, left: Sequence[Planned]) -> float:
        if not left:
            return 0.0
        needed_s = remaining_s(left, spent_s=self._spent_s, rule=self._rule(left[0].case))
        if self._info.budget_s is None:
            return needed_s
        first_round = [planned for planned in left if planned.trial == 0]
        certain_s = remaining_s(first_round, spent_s=self._spent_s, rule=self._rule(left[0].case))
        return min(needed_s, max(certain_s, self._info.budget_s - (self._clock.now_s() - self._started_s)))

    def _has_energy(self) -> bool:
        return any(metric in ("power_w", "energy_j") for sensor in self._sensors for metric in sensor.metrics)


def summary(trial: TrialResult) -> str:
    """One line about a trial: its rate, or why it has none."""
    if trial.window is None or trial.work is None:
        return trial.error.message if trial.error else trial.status
    rate = trial.work.items_per_step * trial.window.num_steps / trial.window.wall_s
    return quantity(rate, f"{trial.work.item}s/s")


def _legible(word: str) -> str:
    """A word of the command line as text that a file can hold: bytes of a name that are not UTF-8 as ``\\xff``."""
    return os.fsencode(word).decode("utf-8", errors="backslashreplace")


def _imports(left: Sequence[Planned]) -> list[str] | None:
    """Modules that the forked trials build with, each once; ``None`` where none is forked."""
    forked = [planned.case for planned in left if is_forked(planned.case)]
    if not forked:
        return None
    return list(dict.fromkeys(name for case in forked for name in registry.load("workloads", case.workload).imports(case)))


def _search(left: Sequence[Planned]) -> list[str]:
    """Folders where modules of the user's permitted code are found."""
    codes = filter(None, (permitted(planned.case.workload) for planned in left))
    return list(dict.fromkeys(folder for code in codes for folder in code.search))


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Lock the run directory; the kernel releases the lock when this process ends for any reason."""
    # Of the folder itself: no lock file is left behind. Children do not inherit it (O_CLOEXEC), or they would hold the lock on.
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AigcBenchError(
                message("{folder}: this run is in progress in another process.", folder=folder),
                message("Wait for it, or stop it first."),
            ) from None
        yield
    finally:
        os.close(handle)
