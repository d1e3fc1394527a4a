"""Laws of a trial's own clock: rates follow from the window, stages fill the step, tokens add up to it, no share exceeds one."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aigc_bench.analyze.timing import Peak, Quantity, launch_gap, step_flops, throughput, timings
from aigc_bench.core.records import Case, Stage, TrialResult, Work
from tests.analyze.synthetic import make_case, make_trial, make_work

durations = st.lists(st.floats(1e-4, 2.0), min_size=3, max_size=40)
PEAK = Peak(flops_per_s=1e12, bytes_per_s=1e11)


def made(case: Case, steps: list[float], *, work: Work | None = None) -> TrialResult:
    return make_trial(case, trial=0, started_s=0.0, step_s=steps, work=work or make_work(case), devices=("host",))


def quantities(case: Case, trial: TrialResult, *, peak: Peak = PEAK) -> dict[str, Quantity]:
    """Every quantity by its metric; none is reported twice."""
    found = list(timings(case, trial, peak=peak))
    names = [one.metric for one in found]
    assert len(names) == len(set(names)), names
    return {one.metric: one for one in found}


def value(found: dict[str, Quantity], metric: str) -> float:
    number = found[metric].value
    assert number is not None, metric
    return number


@given(durations, st.integers(1, 64), st.integers(1, 8))
def test_throughput_is_all_items_of_the_window_over_its_wall_time(steps: list[float], batch_size: int, replicas: int) -> None:
    case = make_case(workload="bert", batch_size=batch_size)
    work = make_work(case).model_copy(update={"replicas": replicas})
    trial = made(case, steps, work=work)
    assert trial.window is not None
    expected = replicas * batch_size * len(steps) / sum(steps)
    assert throughput(work, trial.window) == pytest.approx(expected)
    assert value(quantities(case, trial), "throughput") == pytest.approx(expected)


@given(durations, st.floats(0.0, 1.0))
def test_useful_throughput_is_the_useful_share_of_it(steps: list[float], share: float) -> None:
    case = make_case(workload="bert")
    found = quantities(case, made(case, steps, work=make_work(case).model_copy(update={"useful_fraction": share})))
    assert value(found, "throughput_useful") == pytest.approx(share * value(found, "throughput"))
    assert value(found, "throughput_useful") <= value(found, "throughput")


@given(durations, st.floats(1e6, 1e15), st.integers(1, 8))
def test_mfu_is_the_rate_over_the_peak_of_all_devices_and_more_than_one_is_marked(
    steps: list[float], peak_flops: float, devices: int
) -> None:
    case = make_case(workload="bert", devices=devices)
    found = quantities(case, made(case, steps), peak=Peak(flops_per_s=peak_flops))
    mfu = found["mfu"]
    assert mfu.value == pytest.approx(value(found, "flops_rate") / (devices * peak_flops))
    assert ("above_peak" in mfu.reasons) == (mfu.value is not None and mfu.value > 1)


@given(durations)
def test_what_is_not_counted_has_no_mfu_rather_than_none_of_it(steps: list[float]) -> None:
    case = make_case(workload="bert")
    work = make_work(case).model_copy(update={"flops": {"forward": None}})
    assert step_flops(work) is None
    found = quantities(case, made(case, steps, work=work))
    assert (found["mfu"].value, found["mfu"].reasons) == (None, ("flops_not_counted",))
    assert quantities(case, made(case, steps), peak=Peak())["mfu"].reasons == ("peak_unknown",)


@given(st.lists(st.integers(0, 10**15) | st.none(), min_size=1, max_size=6), st.integers(1, 16))
def test_the_flops_of_a_step_add_over_stages_and_replicas(flops: list[int | None], replicas: int) -> None:
    stages = tuple(Stage(name=f"s{number}") for number in range(len(flops)))
    work = Work(item="item", stages=stages, flops={f"s{n}": f for n, f in enumerate(flops)}, replicas=replicas)
    known = [one for one in flops if one is not None]
    assert step_flops(work) == (replicas * sum(known) if known else None)


@given(durations)
def test_stage_shares_fill_the_step_and_no_stage_is_longer_than_it(steps: list[float]) -> None:
    case = make_case(workload="latent_diffusion")
    trial = made(case, steps)
    found = quantities(case, trial)
    shares = [one.value for name, one in found.items() if name.startswith("stage_share.")]
    assert len(shares) == 3
    assert sum(share or 0.0 for share in shares) == pytest.approx(1.0)
    for name, one in found.items():
        if name.startswith("stage_time."):
            assert one.value is not None
            assert 0 < one.value <= max(steps) * (1 + 1e-9)


@given(st.lists(st.floats(1e-3, 2.0), min_size=1, max_size=30), st.integers(1, 16))
def test_the_first_token_and_all_later_ones_make_up_the_request(steps: list[float], batch_size: int) -> None:
    case = make_case(batch_size=batch_size)
    found = quantities(case, made(case, [steps[0]] * len(steps)))
    later = next(stage for stage in make_work(case).stages if stage.name == "decode").repeats
    assert value(found, "ttft") + later * value(found, "tpot") == pytest.approx(value(found, "latency_p50"))
    assert value(found, "itl_p50") == pytest.approx(value(found, "tpot"), rel=1e-6)


@given(st.lists(st.floats(1e-3, 2.0), min_size=120, max_size=160))
@settings(max_examples=25)
def test_percentiles_rise_and_the_largest_step_is_above_them_all(steps: list[float]) -> None:
    found = quantities(make_case(), made(make_case(), steps))
    rising = [value(found, f"latency_{label}") for label in ("p50", "p90", "p99")]
    assert rising == sorted(rising)
    assert min(steps) * (1 - 1e-9) <= rising[0] <= rising[-1] <= max(steps) * (1 + 1e-9)


@given(st.lists(st.floats(1e-3, 2.0), min_size=3, max_size=99))
def test_a_tail_that_too_few_steps_carry_is_unknown(steps: list[float]) -> None:
    found = quantities(make_case(), made(make_case(), steps))
    assert (found["latency_p99"].value, found["latency_p99"].reasons) == (None, ("n_too_small",))
    assert (found["latency_p90"].value is None) == (len(steps) < 10)


@given(durations, st.floats(0.01, 3.0))
def test_the_launch_gap_is_the_share_of_the_wall_without_a_step(steps: list[float], factor: float) -> None:
    trial = made(make_case(), steps)
    assert trial.window is not None
    longer = trial.model_copy(update={"window": trial.window.model_copy(update={"wall_s": factor * sum(steps)})})
    gap = launch_gap(longer)
    assert gap is not None
    assert 0.0 <= gap < 1.0
    assert gap == pytest.approx(max(0.0, 1 - 1 / factor))


@given(st.lists(st.floats(0.01, 2.0), min_size=4, max_size=30), st.floats(0.1, 30.0))
def test_the_real_time_factor_is_the_inverse_of_the_speed_of_one_stream(steps: list[float], audio_s: float) -> None:
    case = make_case(workload="music", batch_size=4)
    work = Work(item="audio-second", stages=(Stage(name="decode", repeats=3, tokens=4), Stage(name="play", items=4 * audio_s)))
    found = quantities(case, made(case, steps, work=work))
    assert value(found, "rtf") * value(found, "throughput") == pytest.approx(case.batch_size)
    assert value(found, "rtf") == pytest.approx(sum(steps) / len(steps) / audio_s)


def test_a_trial_without_a_window_has_no_times_at_all() -> None:
    trial = made(make_case(), [0.1] * 5)
    for missing in ("window", "work", "steps", "samples"):
        assert list(timings(make_case(), trial.model_copy(update={missing: None}), peak=PEAK)) == []


def decoding(flops: int | None, **changes: object) -> tuple[Case, TrialResult]:
    """A step of 1 s: a prefill and 9 decode repeats of one token, of a model of 1,000 parameters in 4,000 bytes."""
    case = make_case()
    stages = (Stage(name="prefill", items=1), Stage(name="decode", repeats=9, items=1))
    counted = {} if flops is None else {"prefill": flops, "decode": flops}
    work = Work(item="token", stages=stages, **{"num_params": 1000, "params_bytes": 4000, "flops": counted, **changes})  # type: ignore[arg-type]
    return case, made(case, [1.0] * 4, work=work)


def test_bandwidth_use_is_all_parameters_a_token_over_the_peak() -> None:
    """4,000 bytes every 0.1 s of 1 MB/s: 4 %; two FLOPs a parameter and token make the whole model active."""
    found = quantities(*decoding(2 * 1000 * 9), peak=Peak(bytes_per_s=1e6))
    assert (value(found, "mbu"), found["mbu"].reasons) == (pytest.approx(0.04), ())
    above = quantities(*decoding(2 * 1000 * 9), peak=Peak(bytes_per_s=1e4))
    assert (value(above, "mbu"), above["mbu"].reasons) == (pytest.approx(4.0), ("above_peak",))
    two = decoding(2 * 1000 * 9)
    shared = quantities(two[0].model_copy(update={"devices": 2}), two[1], peak=Peak(bytes_per_s=1e6))
    assert value(shared, "mbu") == pytest.approx(0.02)


@pytest.mark.parametrize(
    ("flops", "changes", "reason"),
    [
        (None, {}, "bytes_unknown"),
        (0, {}, "bytes_unknown"),
        (2 * 1000 * 9, {"num_params": None}, "bytes_unknown"),
        (2 * 1000 * 9, {"params_bytes": None}, "bytes_unknown"),
        (int(0.79 * 2 * 1000 * 9), {}, "bytes_unknown"),
        (int(0.81 * 2 * 1000 * 9), {}, "peak_unknown"),
    ],
)
def test_bandwidth_use_is_unknown_without_bytes_or_peak_and_where_experts_stay_unread(
    flops: int | None, changes: dict[str, object], reason: str
) -> None:
    found = quantities(*decoding(flops, **changes), peak=Peak())["mbu"]
    assert (found.metric, found.value, found.reasons) == ("mbu", None, (reason,))
