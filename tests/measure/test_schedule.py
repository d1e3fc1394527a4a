"""The order of trials."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.core.records import Case, TrialResult
from aigc_bench.measure.schedule import Planned, remaining_s, schedule, unfinished
from aigc_bench.measure.stopping import LEVELS

CASES = tuple(Case(workload="vae", preset="tiny", mode="infer", batch_size=size) for size in (1, 2, 4, 8))


def finished(planned: Planned, status: str = "ok") -> TrialResult:
    return TrialResult.model_validate(
        {"case": planned.case.id, "trial": planned.trial, "status": status, "started_s": 0, "finished_s": 1}
    )


@given(num_trials=st.integers(1, 6), seed=st.integers(0, 10_000))
def test_each_round_holds_every_case_once(num_trials: int, seed: int) -> None:
    order = schedule(CASES, num_trials=num_trials, seed=seed)
    for trial in range(num_trials):
        in_round = order[trial * len(CASES) : (trial + 1) * len(CASES)]
        assert {planned.trial for planned in in_round} == {trial}
        assert {planned.case.id for planned in in_round} == {case.id for case in CASES}


def test_the_order_follows_from_the_seed() -> None:
    assert schedule(CASES, num_trials=3, seed=1) == schedule(CASES, num_trials=3, seed=1)
    assert len({tuple(p.case.id for p in schedule(CASES, num_trials=1, seed=seed)) for seed in range(20)}) > 5


@given(st.sets(st.integers(0, 11)))
def test_what_is_finished_is_not_run_again_and_the_rest_is(done: set[int]) -> None:
    order = schedule(CASES, num_trials=3, seed=3)
    left = unfinished(order, [finished(order[index]) for index in done])
    assert left == [planned for index, planned in enumerate(order) if index not in done]


def test_a_case_that_failed_has_no_further_trials() -> None:
    order = schedule(CASES, num_trials=3, seed=0)
    left = unfinished(order, [finished(order[0], status="oom")])
    assert len(left) == 9
    assert order[0].case not in [planned.case for planned in left]


def test_the_expected_time_learns_from_the_trials_of_each_case() -> None:
    order = schedule(CASES[:2], num_trials=2, seed=0)
    rule = LEVELS["quick"]
    spent = {CASES[0].id: [10.0, 12.0], CASES[1].id: [1.0]}
    assert remaining_s(order, spent_s=spent, rule=rule) == 2 * 11.0 + 2 * 1.0
    assert remaining_s([], spent_s=spent, rule=rule) == 0
    assert remaining_s(order, spent_s={}, rule=rule) > 0
