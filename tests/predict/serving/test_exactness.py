"""The fast simulation gives, to the last bit, the moments of a plain one that takes one step at a time.

Times are multiples of 2^-20 s, so that sums in doubles are exact in any order.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aigc_bench.predict.serving.event_loop import play
from aigc_bench.predict.serving.request_arrivals import Requests
from aigc_bench.predict.serving.server_model import ServerModel
from aigc_bench.predict.serving.step_time import StepTime
from tests.predict.serving_reference import Sequence, serve_step_by_step

TICK_S = 2.0**-20

ticks = st.integers(0, 64).map(lambda number: number * TICK_S)
step_times = st.builds(
    lambda overhead, rise, context, pair, sequence: StepTime(
        token_knots=((4.0, 64 * TICK_S), (12.0, (64 + 8 * rise) * TICK_S), (16.0, (64 + 8 * rise + 64) * TICK_S)),
        per_context_s=context,
        per_pair_s=pair,
        per_sequence_s=sequence,
        overhead_s=overhead,
    ),
    ticks,
    st.integers(0, 10),
    ticks,
    ticks,
    ticks,
)


@st.composite
def servers(draw: st.DrawFn) -> ServerModel:
    block_size = draw(st.sampled_from([1, 3, 4, 16]))
    places = draw(st.integers(1, 8))
    return ServerModel(
        step_time=draw(step_times),
        max_num_seqs=places,
        max_num_batched_tokens=draw(st.integers(places, 40)),
        kv_capacity_tokens=draw(st.one_of(st.none(), st.integers(60 + block_size, 150))),
        block_size=block_size,
        kv_policy=draw(st.sampled_from(["preempt", "reserve"])),
        prefix_hit_rate=draw(st.sampled_from([0.0, 0.5, 0.9])),
        schedule=draw(st.sampled_from(["mixed", "prompts_first"])),
        prompt_pass_s=draw(st.one_of(st.just(0.0), st.integers(0, 2000).map(lambda number: number * TICK_S))),
    )


@st.composite
def loads(draw: st.DrawFn) -> Requests:
    count = draw(st.integers(1, 14))
    gaps = draw(st.lists(st.integers(0, 6000), min_size=count, max_size=count))
    lengths = st.lists(st.integers(1, 30), min_size=count, max_size=count)
    return Requests(arrival_s=np.cumsum(gaps) * TICK_S, input_tokens=np.array(draw(lengths)), output_tokens=np.array(draw(lengths)))


def moments(sequences: list[Sequence]) -> list[tuple[float | None, float, float]]:
    return [(sequence.admitted_s, sequence.token_s[0], sequence.token_s[-1]) for sequence in sequences]


@settings(max_examples=200, deadline=None)
@given(servers(), loads())
def test_jumping_from_event_to_event_equals_taking_every_step(server: ServerModel, load: Requests) -> None:
    plain = serve_step_by_step(server, load)
    history = play(server, load)
    fast = list(zip(history.admitted_s.tolist(), history.first_token_s.tolist(), history.finish_s.tolist(), strict=True))
    assert fast == moments(plain)
    assert history.num_preemptions == sum(sequence.preemptions for sequence in plain)


@settings(max_examples=100, deadline=None)
@given(servers(), loads())
def test_inter_token_latencies_are_those_of_every_single_token(server: ServerModel, load: Requests) -> None:
    plain = serve_step_by_step(server, load)
    expected = sorted(gap for sequence in plain for gap in np.diff(sequence.token_s).tolist())
    history = play(server, load)
    stretches = history.stretches
    found = history.gaps_s.tolist()
    for row in range(stretches["steps"].size):
        for step in range(int(stretches["steps"][row])):
            seconds = stretches["first_s"][row] + step * stretches["growth_s"][row]
            found += [seconds] * int(stretches["num_decoding"][row] - stretches["num_stalled"][row])
    assert sorted(found) == expected


@settings(max_examples=60, deadline=None)
@given(servers(), loads())
def test_blocks_in_use_never_exceed_the_cache_and_all_are_given_back(server: ServerModel, load: Requests) -> None:
    stretches = play(server, load).stretches
    if server.num_blocks is not None:
        assert stretches["peak_blocks"].max() <= server.num_blocks
    assert (stretches["num_running"] <= server.max_num_seqs).all()
    assert (stretches["num_decoding"] + stretches["prefill_tokens"] <= server.max_num_batched_tokens).all()
    assert (np.diff(stretches["start_s"]) >= 0).all()


def test_a_step_that_only_reads_weights_takes_as_long_for_any_tokens() -> None:
    read = StepTime.roofline(weights_s=2.0, per_token_s=0.0)
    assert [read.curve_s(tokens) for tokens in (1.0, 10.0, 1e6)] == [2.0, 2.0, 2.0]
    compute = StepTime.roofline(weights_s=2.0, per_token_s=0.5)
    assert [compute.curve_s(tokens) for tokens in (1.0, 4.0, 8.0, 100.0)] == pytest.approx([2.0, 2.0, 4.0, 50.0])
