"""What a served model does: single requests by hand, queueing theory, conservation, order, and the search for a rate."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from aigc_bench.core.errors import UsageError
from aigc_bench.predict.serving.capacity import Servers, capacity, estimate, estimate_highest_rate, highest_rate, simulate
from aigc_bench.predict.serving.event_loop import History, play
from aigc_bench.predict.serving.lengths import EmpiricalLength, FixedLength, LognormalLength, UniformLength
from aigc_bench.predict.serving.request_arrivals import Arrivals, Requests, Traffic, draw_requests
from aigc_bench.predict.serving.result import figures
from aigc_bench.predict.serving.server_model import ServerModel, Slo
from aigc_bench.predict.serving.step_time import StepTime, chunk_pairs
from aigc_bench.predict.serving.window_summary import check_littles_law, littles_law, weighted_quantile

STEP_TIME = StepTime.roofline(
    weights_s=5e-3, per_token_s=3e-5, per_context_s=4e-8, per_pair_s=5e-10, per_sequence_s=1e-6, overhead_s=1e-3
)
SERVER = ServerModel(step_time=STEP_TIME, max_num_seqs=64, max_num_batched_tokens=2048)
CHAT = Traffic(
    arrivals=Arrivals(rate_per_s=6.0),
    input_tokens=LognormalLength(mean=700, cv=1, maximum=6000),
    output_tokens=LognormalLength(mean=150, cv=1, maximum=1500),
    num_requests=600,
)


def between(fast: float, slow: float) -> Servers:
    likely, quick, late = (SERVER.model_copy(update={"step_time": STEP_TIME.scaled(factor)}) for factor in (1.0, fast, slow))
    return Servers(likely=likely, fast=quick, slow=late)


def with_rate(rate_per_s: float, **changes: object) -> Traffic:
    return CHAT.model_copy(update={"arrivals": Arrivals(rate_per_s=rate_per_s), **changes})


def test_a_request_alone_takes_its_prefill_and_each_of_its_steps() -> None:
    traffic = Traffic(
        arrivals=Arrivals(rate_per_s=1.0),
        input_tokens=FixedLength(tokens=5000),
        output_tokens=FixedLength(tokens=40),
        num_requests=1,
    )
    history = play(SERVER, draw_requests(traffic))
    chunks = [(0, 2048), (2048, 2048), (4096, 904)]
    prefill_s = sum(
        STEP_TIME.seconds(num_tokens=size, num_sequences=1, prefill_pairs=chunk_pairs(start, num_tokens=size))
        for start, size in chunks
    )
    decode_s = sum(STEP_TIME.seconds(num_tokens=1, num_sequences=1, context_tokens=5000 + token) for token in range(1, 40))
    assert history.first_token_s[0] - history.arrival_s[0] == pytest.approx(prefill_s, rel=1e-12)
    assert history.finish_s[0] - history.first_token_s[0] == pytest.approx(decode_s, rel=1e-12)
    result = simulate(SERVER, traffic)
    assert result.tpot is not None and result.itl is not None
    assert result.tpot.mean == pytest.approx(decode_s / 39, rel=1e-9)
    assert result.itl.mean == pytest.approx(decode_s / 39, rel=1e-9)
    assert (result.itl.n, result.tpot.n, result.tpot.p50 is not None, result.tpot.p90) == (39, 1, True, None)


def single_server_wait(service_tokens: tuple[int, ...], *, load: float, num_requests: int) -> float:
    """Mean wait of one-token requests on a server with one place, in mean service times."""
    seconds = 1e-3
    mean = sum(service_tokens) / len(service_tokens)
    server = ServerModel(
        step_time=StepTime(token_knots=((0, 0.0), (1, seconds)), overhead_s=1e-12), max_num_seqs=1, max_num_batched_tokens=10**5
    )
    traffic = Traffic(
        arrivals=Arrivals(rate_per_s=load / (mean * seconds)),
        input_tokens=EmpiricalLength(tokens=service_tokens),
        output_tokens=FixedLength(tokens=1),
        num_requests=num_requests,
        seed=1,
    )
    result = simulate(server, traffic)
    assert result.utilisation == pytest.approx(load, rel=0.06)
    assert result.tpot is None and result.itl is None
    return result.queueing.mean / (mean * seconds)


def test_one_place_and_constant_service_wait_as_in_m_d_1() -> None:
    load = 0.7
    assert single_server_wait((20,), load=load, num_requests=30_000) == pytest.approx(load / (2 * (1 - load)), rel=0.1)


def test_one_place_and_exponential_service_wait_as_in_m_m_1() -> None:
    load, levels = 0.6, (np.arange(1000) + 0.5) / 1000
    exponential = tuple(max(1, round(-1000 * np.log(1 - level))) for level in levels)
    assert single_server_wait(exponential, load=load, num_requests=40_000) == pytest.approx(load / (1 - load), rel=0.12)


servers = st.builds(
    ServerModel,
    step_time=st.just(STEP_TIME),
    max_num_seqs=st.integers(1, 40),
    max_num_batched_tokens=st.sampled_from([64, 512, 4096]),
    kv_capacity_tokens=st.sampled_from([None, 1500, 3000]),
    kv_policy=st.sampled_from(["preempt", "reserve"]),
    replicas=st.integers(1, 3),
    routing=st.sampled_from(["round_robin", "join_shortest_queue"]),
)
arrivals = st.one_of(
    st.builds(Arrivals, rate_per_s=st.sampled_from([0.5, 8.0, 200.0])),
    st.builds(Arrivals, pattern=st.just("closed"), concurrency=st.integers(1, 30)),
)


@settings(max_examples=40, deadline=None)
@given(servers, arrivals, st.integers(0, 5))
def test_every_request_is_served_and_every_token_counted(server: ServerModel, pattern: Arrivals, seed: int) -> None:
    traffic = Traffic(
        arrivals=pattern,
        input_tokens=UniformLength(low=1, high=900),
        output_tokens=UniformLength(low=1, high=300),
        num_requests=60,
        seed=seed,
    )
    history = play(server, draw_requests(traffic))
    assert history.arrival_s.size + history.refused_s.size == 60
    assert (history.admitted_s >= history.arrival_s).all()
    assert (history.first_token_s > history.admitted_s).all()
    assert (history.finish_s >= history.first_token_s).all()
    stretches = history.stretches
    decoded = (stretches["steps"] * stretches["num_decoding"]).sum()
    resumed = history.gaps_s.size
    assert decoded + resumed == (history.output_tokens - 1).sum()
    if history.num_preemptions == 0:
        assert stretches["prefill_tokens"].sum() == history.input_tokens.sum()
    assert check_littles_law(history).error < 1e-9


def test_the_check_of_littles_law_can_fail() -> None:
    with pytest.raises(AssertionError, match="Little's law is broken"):
        littles_law(10.0, times_s=np.array([1.0, 2.0]), duration_s=5.0)
    history = play(SERVER, draw_requests(CHAT))
    lost = {name: column[1:] for name, column in history.stretches.items()}
    with pytest.raises(AssertionError, match="Little's law is broken"):
        check_littles_law(History(**{**vars(history), "stretches": lost}))


def test_the_same_seed_gives_the_same_result_and_another_does_not() -> None:
    assert simulate(SERVER, CHAT) == simulate(SERVER, CHAT)
    assert simulate(SERVER, CHAT) != simulate(SERVER, CHAT.model_copy(update={"seed": 1}))


def test_percentiles_are_in_order_and_given_only_where_enough_requests_carry_them() -> None:
    result = simulate(SERVER, CHAT)
    for found in (result.ttft, result.tpot, result.itl, result.latency):
        assert found is not None and None not in (found.p50, found.p90, found.p95, found.p99)
        assert found.p50 <= found.p90 <= found.p95 <= found.p99
    few = simulate(SERVER, CHAT.model_copy(update={"num_requests": 60}))
    assert few.latency.p90 is not None and few.latency.p99 is None
    assert "latency_p99" not in figures(few)


def test_the_window_leaves_out_the_first_and_the_last_arrivals() -> None:
    assert simulate(SERVER, CHAT).num_measured == 480
    assert simulate(SERVER, CHAT, warmup=0, cooldown=0).num_measured == 600


@settings(max_examples=8, deadline=None)
@given(st.sampled_from([0.5, 0.8, 0.95]), st.sampled_from([1.0, 6.0, 12.0]), st.integers(0, 3))
def test_faster_steps_never_raise_a_latency(factor: float, rate_per_s: float, seed: int) -> None:
    traffic = with_rate(rate_per_s, seed=seed)
    slow, fast = (
        simulate(SERVER.model_copy(update={"step_time": step_time}), traffic) for step_time in (STEP_TIME, STEP_TIME.scaled(factor))
    )
    for name in ("ttft", "tpot", "latency"):
        before, after = getattr(slow, name), getattr(fast, name)
        assert after.mean <= before.mean
        assert all(getattr(after, label) <= getattr(before, label) for label in ("p50", "p90", "p99"))


def test_a_server_that_scales_in_time_gives_latencies_that_scale_in_time() -> None:
    slow = simulate(SERVER, with_rate(4.0))
    fast = simulate(SERVER.model_copy(update={"step_time": STEP_TIME.scaled(0.5)}), with_rate(8.0))
    assert fast.latency.mean == pytest.approx(slow.latency.mean / 2, rel=1e-6)
    assert fast.utilisation == pytest.approx(slow.utilisation, rel=1e-6)


def test_more_kv_cache_means_fewer_preemptions_and_no_later_answers() -> None:
    results = [
        simulate(SERVER.model_copy(update={"kv_capacity_tokens": tokens}), with_rate(9.0)) for tokens in (8_000, 20_000, 10**6)
    ]
    assert results[0].num_preemptions > results[1].num_preemptions >= results[2].num_preemptions == 0
    assert results[0].latency.mean > results[1].latency.mean >= results[2].latency.mean
    assert results[0].kv_peak is not None and results[0].kv_peak > 0.9
    assert results[2].kv_mean is not None and results[2].kv_mean < 0.05


def test_reserving_never_preempts_and_holds_more_back() -> None:
    kept = {"kv_capacity_tokens": 8_000, "kv_policy": "reserve"}
    reserve = simulate(SERVER.model_copy(update=kept), with_rate(9.0))
    assert reserve.num_preemptions == 0
    assert reserve.kv_peak is not None and reserve.kv_peak <= 1
    assert reserve.queueing.mean > simulate(SERVER, with_rate(9.0)).queueing.mean


def test_a_request_longer_than_the_cache_is_refused_and_counted_against_the_goodput() -> None:
    server = SERVER.model_copy(update={"kv_capacity_tokens": 2_000})
    result = simulate(server, with_rate(0.5), slo=Slo(latency_s=100.0, share=0.99))
    assert result.num_refused > 10
    assert "requests_refused" in result.reasons
    assert result.goodput_share is not None and result.goodput_share < 1
    assert result.is_slo_met is False


def test_traffic_of_which_nothing_fits_is_reported() -> None:
    traffic = CHAT.model_copy(update={"input_tokens": FixedLength(tokens=9000)})
    with pytest.raises(UsageError, match="No request fits into a KV cache of 2,000 tokens"):
        simulate(SERVER.model_copy(update={"kv_capacity_tokens": 2_000}), traffic)


def test_more_load_waits_longer_and_is_never_served_faster_than_the_capacity() -> None:
    most = capacity(SERVER, CHAT)
    results = [simulate(SERVER, with_rate(share * most)) for share in (0.2, 0.6, 0.9)]
    assert [result.ttft.mean for result in results if result.ttft] == sorted(result.ttft.mean for result in results if result.ttft)
    flood = simulate(SERVER, with_rate(3 * most))
    assert flood.throughput_per_s <= most * 1.05
    assert "queue_grows" in flood.reasons
    assert not any(result.reasons for result in results)


def test_replicas_share_the_load_and_the_shortest_queue_waits_least() -> None:
    one = simulate(SERVER, with_rate(8.0))
    dealt = simulate(SERVER.model_copy(update={"replicas": 3}), with_rate(24.0))
    joined = simulate(SERVER.model_copy(update={"replicas": 3, "routing": "join_shortest_queue"}), with_rate(24.0))
    assert dealt.utilisation == pytest.approx(one.utilisation, rel=0.15)
    assert joined.latency.mean < dealt.latency.mean
    history = play(SERVER.model_copy(update={"replicas": 3}), draw_requests(CHAT))
    assert history.replica.tolist() == [index % 3 for index in range(600)]


def test_joining_the_shortest_queue_looks_at_requests_that_are_unfinished_at_that_moment() -> None:
    """Two replicas, one place each: the third request finds the first replica free again, though its last step ended only just."""
    server = ServerModel(step_time=StepTime(token_knots=((1, 1.0),)), max_num_seqs=1, max_num_batched_tokens=8, replicas=2)
    requests = draw_requests(Traffic(arrivals=Arrivals(rate_per_s=1.0), output_tokens=FixedLength(tokens=1), num_requests=3))
    moments, lengths = np.array([0.0, 0.5, 1.25]), np.ones(3, dtype=np.int64)
    requests = type(requests)(arrival_s=moments, input_tokens=lengths, output_tokens=lengths)
    history = play(server.model_copy(update={"routing": "join_shortest_queue"}), requests)
    assert history.replica.tolist() == [0, 1, 0]
    assert history.finish_s.tolist() == [1.0, 1.5, 2.25]
    early = type(requests)(arrival_s=np.array([0.0, 0.5, 0.75]), input_tokens=lengths, output_tokens=lengths)
    assert play(server.model_copy(update={"routing": "join_shortest_queue"}), early).finish_s.tolist() == [1.0, 1.5, 2.0]


def test_closed_clients_keep_their_number_in_the_system() -> None:
    traffic = CHAT.model_copy(update={"arrivals": Arrivals(pattern="closed", concurrency=12)})
    history = play(SERVER, draw_requests(traffic))
    moments = np.linspace(history.finish_s.max() * 0.1, history.finish_s.max() * 0.8, 50)
    number = [((history.arrival_s <= moment) & (history.finish_s > moment)).sum() for moment in moments]
    assert set(number) == {12}
    result = simulate(SERVER, traffic)
    assert result.utilisation == pytest.approx(1.0)
    assert result.mean_batch == pytest.approx(12, abs=0.2)


def test_the_front_end_delays_the_first_token_and_the_end_alike() -> None:
    plain, behind = simulate(SERVER, CHAT), simulate(SERVER.model_copy(update={"front_end_s": 0.25}), CHAT)
    assert plain.ttft and behind.ttft
    assert behind.ttft.mean == pytest.approx(plain.ttft.mean + 0.25)
    assert behind.latency.mean == pytest.approx(plain.latency.mean + 0.25)
    assert behind.tpot == plain.tpot


def test_a_pass_over_prompts_is_launched_once_for_all_that_it_reads() -> None:
    """Twelve prompts of 100 tokens who come together: in one pass, or in three, each of which waits until the last was launched."""
    launch_s = 0.5
    load = Requests(arrival_s=np.zeros(12), input_tokens=np.full(12, 100), output_tokens=np.full(12, 200))

    def first_tokens(budget: int, prompt_pass_s: float) -> list[float]:
        server = SERVER.model_copy(update={"max_num_batched_tokens": budget, "max_num_seqs": 12, "prompt_pass_s": prompt_pass_s})
        return sorted({round(moment, 9) for moment in play(server, load).first_token_s.tolist()})

    assert first_tokens(1200, launch_s) == first_tokens(1200, 0.0) and len(first_tokens(1200, launch_s)) == 1
    passes = first_tokens(400, launch_s)
    assert len(passes) > len(first_tokens(1200, launch_s))
    assert min(np.diff(passes)) > launch_s > max(np.diff(first_tokens(400, 0.0)))


def test_a_token_that_is_behind_by_steps_is_late_by_as_many_of_its_own_requests() -> None:
    plain, behind = simulate(SERVER, CHAT), simulate(SERVER.model_copy(update={"front_end_steps": 4.0}), CHAT)
    assert plain.ttft and behind.ttft and plain.tpot
    assert behind.ttft.mean == pytest.approx(plain.ttft.mean + 4 * plain.tpot.mean, rel=0.01)
    assert behind.latency.mean - plain.latency.mean == pytest.approx(behind.ttft.mean - plain.ttft.mean)


def test_goodput_counts_the_requests_that_keep_every_bound() -> None:
    history = play(SERVER, draw_requests(with_rate(9.0)))
    ttft = history.first_token_s - history.arrival_s
    tpot = (history.finish_s - history.first_token_s) / np.maximum(history.output_tokens - 1, 1)
    slo = Slo(ttft_s=float(np.median(ttft)), tpot_s=float(np.quantile(tpot, 0.8)), share=0.7)
    result = simulate(SERVER, with_rate(9.0), slo=slo, warmup=0, cooldown=0)
    expected = float(((ttft <= slo.ttft_s) & (tpot <= slo.tpot_s)).mean())
    assert result.goodput_share == pytest.approx(expected)
    assert result.goodput_per_s == pytest.approx(expected * result.arrival_rate_per_s)
    assert result.is_slo_met is False
    loose = Slo(ttft_s=float(np.quantile(ttft, 0.75)), tpot_s=float(np.quantile(tpot, 0.75)), share=0.7)
    assert simulate(SERVER, with_rate(9.0), slo=loose, warmup=0, cooldown=0).is_slo_met is True


def test_the_highest_rate_keeps_the_slo_and_a_little_more_does_not() -> None:
    slo = Slo(ttft_s=0.4, tpot_s=0.025, share=0.9)
    found = highest_rate(SERVER, CHAT, slo=slo)
    assert found.rate_per_s is not None and found.limit == "slo"
    assert 0 < found.rate_per_s < found.capacity_per_s
    assert found.result.is_slo_met is True
    assert simulate(SERVER, CHAT.at_rate(found.rate_per_s), slo=slo) == found.result
    assert simulate(SERVER, CHAT.at_rate(found.rate_per_s * 1.05), slo=slo).is_slo_met is False


def test_a_stricter_slo_or_a_slower_server_never_allows_more() -> None:
    slos = [Slo(ttft_s=bound, tpot_s=bound / 16, share=0.9) for bound in (0.2, 0.4, 0.8)]
    rates = [highest_rate(SERVER, CHAT, slo=slo).rate_per_s or 0.0 for slo in slos]
    assert rates == sorted(rates)
    slower = highest_rate(SERVER.model_copy(update={"step_time": STEP_TIME.scaled(1.3)}), CHAT, slo=slos[1])
    assert (slower.rate_per_s or 0.0) < rates[1]


def test_the_highest_rate_has_an_interval_too() -> None:
    servers, slo = between(0.9, 1.1), Slo(ttft_s=0.4, tpot_s=0.025, share=0.9)
    found = estimate_highest_rate(servers, CHAT, slo=slo, precision=0.03)
    assert found.low < found.value < found.high
    assert found.reasons == ("limited_by_slo",)
    hopeless = estimate_highest_rate(servers, CHAT, slo=Slo(ttft_s=1e-4), precision=0.03)
    assert (hopeless.value, hopeless.reasons) == (0.0, ("slo_out_of_reach",))


def test_an_slo_that_no_service_could_keep_has_no_rate() -> None:
    found = highest_rate(SERVER, CHAT, slo=Slo(ttft_s=1e-4, share=0.9))
    assert found.rate_per_s is None
    assert found.result.is_slo_met is False


def test_an_slo_that_asks_for_nothing_is_limited_by_the_capacity() -> None:
    found = highest_rate(SERVER, CHAT, slo=Slo(latency_s=1e6, share=0.9))
    assert found.rate_per_s is not None and found.rate_per_s <= found.capacity_per_s


def test_an_interval_of_the_step_time_is_carried_through_the_queue() -> None:
    found = estimate(between(0.9, 1.15), CHAT, slo=Slo(ttft_s=0.5, tpot_s=0.03))
    for name, one in found.items():
        assert one.low <= one.value <= one.high, name
        assert one.basis == "modelled"
    assert found["ttft_p90"].low < found["ttft_p90"].value < found["ttft_p90"].high
    assert found["tpot"].unit == "s"
    assert found["ttft_p90"].high / found["ttft_p90"].value > 1.15
    known = Servers(likely=SERVER, fast=SERVER, slow=SERVER)
    alone = estimate(known, CHAT)
    assert alone["ttft"].low == alone["ttft"].high
    lucky = estimate(known, CHAT, num_seeds=3)
    assert lucky["ttft"].low < lucky["ttft"].high


stretches = st.tuples(st.floats(0.01, 1), st.sampled_from([0.0, 1e-6, 0.1]), st.integers(1, 20), st.integers(1, 5))


@settings(deadline=None)
@given(
    st.lists(stretches, min_size=1, max_size=6),
    st.sampled_from([0.01, 0.5, 0.9, 0.99]),
)
def test_a_quantile_of_stretches_is_that_of_the_values_they_stand_for(rows: list[tuple[float, float, int, int]], q: float) -> None:
    values = sorted(first + step * growth for first, growth, steps, weight in rows for step in range(steps) for _ in range(weight))
    expected = values[max(0, int(np.ceil(q * len(values) - 1e-9)) - 1)]
    first, growth, steps, weight = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    assert weighted_quantile(q, first=first, growth=growth, steps=steps, weight=weight) == pytest.approx(expected, rel=1e-6)


@pytest.mark.filterwarnings("error")
def test_steps_below_the_clocks_digits_are_counted_and_divide_by_nothing() -> None:
    """At one request in eleven days the clock reaches a billion seconds, whose last digit is a tenth of a microsecond."""
    instant = SERVER.model_copy(update={"step_time": STEP_TIME.scaled(1e-7)})
    rare = with_rate(1e-6, num_requests=1000, output_tokens=FixedLength(tokens=10))
    result = simulate(instant, rare)
    assert result.output_tokens_per_s == pytest.approx(10 * result.throughput_per_s, rel=0.02)


@pytest.mark.parametrize("wrong", [{"max_num_batched_tokens": 8}, {"kv_capacity_tokens": 8}, {"replicas": 0}])
def test_servers_that_cannot_run_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        ServerModel(step_time=STEP_TIME, **wrong)


def test_an_slo_promises_something() -> None:
    with pytest.raises(ValidationError, match="bounds at least one"):
        Slo(share=0.9)
