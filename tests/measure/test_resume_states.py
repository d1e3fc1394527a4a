"""Whatever interrupts a run, and however often: at the end every trial has run once, none twice, and failed cases stay closed."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from aigc_bench.core.records import Case, TrialResult
from aigc_bench.core.run_records import RunInfo
from aigc_bench.measure.schedule import expected_trial_s, remaining_s, schedule, unfinished
from aigc_bench.measure.stopping import stopping_rule
from aigc_bench.measure.store import RunWriter, load_run, read_trials
from tests.analyze.synthetic import make_case, make_system

CASES = tuple(make_case(batch_size=size) for size in (1, 2, 4))
NUM_TRIALS = 3


def result(case: Case, trial: int, status: str = "ok") -> TrialResult:
    return TrialResult.model_validate(
        {"case": case.id, "trial": trial, "status": status, "started_s": 1.0, "finished_s": 2.0, "notes": ("µ",)}
    )


def info(*, interrupted: bool = False) -> RunInfo:
    return RunInfo(
        id="r",
        profile="p",
        profile_hash="x",
        level="quick",
        created_s=1.0,
        num_trials=NUM_TRIALS,
        cases=CASES,
        system=make_system(),
        interrupted=interrupted,
    )


class Interrupted(RuleBasedStateMachine):
    """A run that is carried on, killed between or within two writes, and carried on again, in one folder."""

    def __init__(self) -> None:
        super().__init__()
        import tempfile

        self._held = tempfile.TemporaryDirectory()
        self.folder = Path(self._held.name)
        self.started: Counter[tuple[str, int]] = Counter()
        self.closed: set[str] = set()
        self._open()

    def _open(self) -> None:
        self.writer = RunWriter(self.folder)
        self.writer.write_info(info())
        self.finished = read_trials(self.folder)

    def _next(self) -> TrialResult | None:
        left = unfinished(schedule(CASES, num_trials=NUM_TRIALS, seed=7), self.finished)
        return result(left[0].case, left[0].trial) if left else None

    @precondition(lambda self: self._next() is not None)
    @rule(status=st.sampled_from(["ok", "ok", "ok", "oom", "error"]))
    def finish_a_trial(self, status: str) -> None:
        trial = self._next()
        assert trial is not None
        assert trial.case not in self.closed
        kept = trial.model_copy(update={"status": status})
        self.writer.append(kept)
        self.finished.append(kept)
        self.started[trial.case, trial.trial] += 1
        self.closed |= {trial.case} if status != "ok" else set()

    @rule()
    def kill_between_two_trials(self) -> None:
        self._open()

    @precondition(lambda self: self._next() is not None)
    @rule(share=st.floats(0.0, 0.999))
    def kill_within_a_write(self, share: float) -> None:
        trial = self._next()
        assert trial is not None
        line = trial.model_dump_json().encode()
        with (self.folder / "results.jsonl").open("ab") as file:
            file.write(line[: int(share * len(line))])
        self._open()

    @rule()
    def end_and_resume(self) -> None:
        self.writer.close()
        self.writer.write_info(info(interrupted=True))
        assert load_run(self.folder).info.interrupted
        self._open()

    @invariant()
    def nothing_runs_twice_and_nothing_is_lost(self) -> None:
        assert all(times == 1 for times in self.started.values())
        stored = read_trials(self.folder)
        assert {(trial.case, trial.trial) for trial in stored} == set(self.started)
        lines = (self.folder / "results.jsonl").read_bytes().splitlines()
        assert all(json.loads(line)["notes"] == ["µ"] for line in lines)

    @invariant()
    def a_run_is_at_its_end_when_every_open_case_has_all_its_trials(self) -> None:
        if self._next() is None:
            done = Counter(case for case, _ in self.started)
            assert all(done[case.id] == NUM_TRIALS or case.id in self.closed for case in CASES)

    def teardown(self) -> None:
        self.writer.close()
        self._held.cleanup()


TestInterrupted = Interrupted.TestCase
TestInterrupted.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)


@given(st.integers(0, 9), st.integers(0, 9))
def test_more_finished_trials_never_leave_more_to_do(few: int, more: int) -> None:
    order = schedule(CASES, num_trials=NUM_TRIALS, seed=0)
    few, more = sorted((few, more))
    left = [unfinished(order, [result(one.case, one.trial) for one in order[:count]]) for count in (few, more)]
    assert len(left[1]) <= len(left[0])
    assert left[1] == left[0][more - few :]


@given(st.lists(st.floats(0.1, 100.0), min_size=1, max_size=6), st.integers(0, 9))
def test_the_time_left_is_that_of_the_trials_left_and_ends_at_nothing(spent: list[float], done: int) -> None:
    order = schedule(CASES, num_trials=NUM_TRIALS, seed=0)
    rule_ = stopping_rule("quick")
    left_s = remaining_s(order[done:], spent_s={CASES[0].id: spent}, rule=rule_)
    mean_s = sum(spent) / len(spent)
    assert abs(left_s - mean_s * (len(order) - done)) < 1e-6 * (1 + left_s)
    assert remaining_s([], spent_s={}, rule=rule_) == 0.0
    assert remaining_s(order[:1], spent_s={}, rule=rule_) == expected_trial_s(rule_, case=order[0].case)
