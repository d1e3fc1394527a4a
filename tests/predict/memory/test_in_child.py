"""Peak memory predicted in a process of its own."""

from aigc_bench.core.records import Case
from aigc_bench.predict.memory.in_child import predicted_peak_bytes


def test_a_small_case_takes_more_than_nothing_and_a_case_that_cannot_be_traced_is_not_guessed() -> None:
    case = Case(workload="vae", preset="mlp-784-400-20", mode="train", batch_size=4)
    peak = predicted_peak_bytes(case)
    assert peak is not None
    assert 10**8 < peak < 2 * 10**9
    assert predicted_peak_bytes(case.model_copy(update={"preset": "no-such-preset"})) is None
