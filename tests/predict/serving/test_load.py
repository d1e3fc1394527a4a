"""Arrivals, lengths, trace files and the step time: what a simulation is fed with."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from aigc_bench.core.errors import FileWarning, UsageError
from aigc_bench.predict.serving.kv_blocks import KvBlocks
from aigc_bench.predict.serving.lengths import (
    EmpiricalLength,
    FixedLength,
    Length,
    LognormalLength,
    UniformLength,
    draw_lengths,
    mean_tokens,
    parse_length,
)
from aigc_bench.predict.serving.replica import steps_to, sum_s
from aigc_bench.predict.serving.request_arrivals import Arrivals, Traffic, draw_requests
from aigc_bench.predict.serving.step_time import StepTime, chunk_pairs
from aigc_bench.predict.serving.trace_file import read_trace

COUNT = 20_000


def gaps_of(**pattern: object) -> np.ndarray:
    traffic = Traffic(arrivals=Arrivals.model_validate(pattern), num_requests=COUNT, seed=3)
    return np.diff(draw_requests(traffic).arrival_s, prepend=0.0)


def cv(values: np.ndarray) -> float:
    return float(values.std() / values.mean())


def test_constant_arrivals_are_really_constant() -> None:
    gaps = gaps_of(pattern="constant", rate_per_s=8.0)
    assert np.allclose(gaps, 1 / 8, rtol=1e-9)
    assert cv(gaps) < 1e-9


def test_poisson_arrivals_have_exponential_gaps_at_the_rate() -> None:
    gaps = gaps_of(pattern="poisson", rate_per_s=8.0)
    assert gaps.mean() == pytest.approx(1 / 8, rel=0.03)
    assert cv(gaps) == pytest.approx(1.0, abs=0.03)
    assert (gaps > 1 / 8).mean() == pytest.approx(np.exp(-1), abs=0.015)


@pytest.mark.parametrize("wanted", [0.25, 1.0, 3.0])
def test_gamma_arrivals_have_the_spread_that_was_requested(wanted: float) -> None:
    gaps = gaps_of(pattern="gamma", rate_per_s=2.0, cv=wanted)
    assert gaps.mean() == pytest.approx(0.5, rel=0.08)
    assert cv(gaps) == pytest.approx(wanted, rel=0.08)


def test_another_rate_brings_the_same_requests_closer_together() -> None:
    traffic = Traffic(arrivals=Arrivals(rate_per_s=1.0), input_tokens=LognormalLength(mean=100, cv=1), num_requests=500)
    slow, fast = draw_requests(traffic), draw_requests(traffic.at_rate(10.0))
    assert np.allclose(slow.arrival_s, 10 * fast.arrival_s)
    assert (slow.input_tokens == fast.input_tokens).all()


def test_the_seed_decides_everything_and_streams_do_not_mix() -> None:
    base = Traffic(arrivals=Arrivals(rate_per_s=1.0), input_tokens=UniformLength(low=1, high=900), num_requests=300, seed=5)
    again, other = draw_requests(base), draw_requests(base.model_copy(update={"seed": 6}))
    assert (draw_requests(base).arrival_s == again.arrival_s).all()
    assert (again.arrival_s != other.arrival_s).any()
    bursty = draw_requests(base.model_copy(update={"arrivals": Arrivals(pattern="gamma", rate_per_s=1.0, cv=2.0)}))
    assert (bursty.input_tokens == again.input_tokens).all()


@pytest.mark.parametrize(
    ("length", "mean", "spread"),
    [
        (FixedLength(tokens=77), 77, 0.0),
        (UniformLength(low=10, high=30), 20, 6.06 / 20),
        (LognormalLength(mean=800, cv=0.7), 800, 0.7),
        (EmpiricalLength(tokens=(10, 20, 90)), 40, 0.8898),
    ],
)
def test_lengths_have_their_mean_and_spread(length: Length, mean: float, spread: float) -> None:
    drawn = draw_lengths(length, count=40_000, random=np.random.default_rng(1))
    assert drawn.min() >= 1
    assert mean_tokens(length) == mean
    assert drawn.mean() == pytest.approx(mean, rel=0.02)
    assert cv(drawn) == pytest.approx(spread, rel=0.04, abs=1e-12)


def test_a_lognormal_is_cut_at_its_maximum() -> None:
    drawn = draw_lengths(LognormalLength(mean=800, cv=2, maximum=1000), count=2000, random=np.random.default_rng(1))
    assert drawn.max() == 1000


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("512", FixedLength(tokens=512)),
        ("fixed:512", FixedLength(tokens=512)),
        ("uniform:100,900", UniformLength(low=100, high=900)),
        ("lognormal:512,0.8", LognormalLength(mean=512, cv=0.8)),
        ("lognormal:512,0.8,4096", LognormalLength(mean=512, cv=0.8, maximum=4096)),
    ],
)
def test_a_length_is_read_as_it_is_written(text: str, length: Length) -> None:
    assert parse_length(text) == length


ODD = (
    "nan",
    "lognormal:512",
    "inf",
    "1e30",
    "1_000",
    "lognormal:inf,1",
    "lognormal:1e300,1",
    "lognormal:512,nan",
    "lognormal:512,1e9",
)


@pytest.mark.parametrize("text", ["", "many", "uniform:9", "uniform:9,1", "0", "-5", "12.5", "zipf:1,2", *ODD])
def test_what_is_not_a_length_is_reported_with_the_forms_that_are(text: str) -> None:
    with pytest.raises(UsageError, match=r"Write 512, uniform:100,900"):
        parse_length(text)


def written(folder: Path, text: str) -> Path:
    file = folder / "trace.csv"
    file.write_text(text)
    return file


@pytest.mark.parametrize(
    "text",
    [
        "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.6805900,374,44\n2023-11-16 18:15:50.6805900,396,109\n",
        "Timestamp,Model,Request tokens,Response tokens,Total tokens\n5,GPT-4,374,44,418\n9.0,GPT-4,396,109,505\n",
        "arrived_at,num_prefill_tokens,num_decode_tokens\n4.0,396,109\n0.0,374,44\n",
        '{"timestamp": 27482, "input_length": 374, "output_length": 44, "hash_ids": [0, 1]}\r\n\n'
        '{"timestamp": 31482, "input_length": 396, "output_length": 109, "hash_ids": [0, 2]}\n',
        "timestamp,input_length,output_length\n0,374,44\n4000,396,109\n",
        "arrival_ms,input_tokens,output_tokens\n1500.5,374,44\n5500.5,396,109\n",
        "timestamp,input_tokens,output_tokens\n1,374,44\n5,396,109\n",
    ],
)
def test_public_trace_formats_are_read_in_order_of_arrival(tmp_path: Path, text: str) -> None:
    trace = read_trace(written(tmp_path, text))
    assert (trace.input_tokens, trace.output_tokens) == ((374, 396), (44, 109))
    assert trace.arrival_s is not None
    assert trace.arrival_s[1] - trace.arrival_s[0] == pytest.approx(4.0)


def test_requests_without_an_answer_are_left_out_and_counted(tmp_path: Path) -> None:
    with pytest.warns(FileWarning, match=r"1 of 3 requests have no input or no output tokens and are left out: line 3\."):
        trace = read_trace(written(tmp_path, "input_tokens,output_tokens\n10,5\n10,0\n\n7,3\n"))
    assert trace.input_tokens == (10, 7)
    assert (trace.num_left_out, trace.arrival_s) == (1, None)


def test_only_the_first_lines_of_many_that_are_left_out_are_named(tmp_path: Path) -> None:
    with pytest.warns(FileWarning, match=r"lines 3, 4, .*, 12 and 10 more\."):
        read_trace(written(tmp_path, "input_tokens,output_tokens\n10,5\n" + "0,5\n" * 20))


def test_a_trace_is_read_as_a_spreadsheet_saves_it(tmp_path: Path) -> None:
    file = tmp_path / "trace.csv.gz"
    text = "arrival_s;input_tokens;output_tokens\r\n0,5;10;5\r\n2,25;1 024;7\r\n"
    file.write_bytes(gzip.compress(text.encode("utf-16")))
    trace = read_trace(file)
    assert (trace.arrival_s, trace.input_tokens, trace.output_tokens) == ((0.5, 2.25), (10, 1024), (5, 7))


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("a,b\n1,2\n", "line 1: no column of input lengths"),
        ("input_tokens\n1\n", "line 1: no column of output lengths"),
        ("input_tokens,output_tokens\n1,2\n3,x\n", "line 3: output_tokens 'x' is not a number"),
        ("input_tokens,output_tokens\n1\n", "line 2: output_tokens '' is empty"),
        ("input_tokens,output_tokens\n1,2\n1,2,3\n", "line 3: the row has 3 cells"),
        ("input_tokens,output_tokens\n1,-2\n", "line 2: output_tokens '-2' is not a whole number"),
        ("input_tokens,output_tokens\n1,2.5\n", "line 2: output_tokens '2.5' is not a whole number"),
        ("input_tokens,output_tokens\n1,4k\n", "line 2: output_tokens '4k' may mean"),
        ("input_tokens,output_tokens\n1,1e30\n", "line 2: output_tokens '1e30' is not a whole number from 0 to 100,000,000"),
        ("input_tokens,output_tokens\n", "it has no request"),
        ("", "trace.csv: empty"),
        (
            "timestamp,input_tokens,output_tokens\n1700000000000000000,1,2\n",
            "line 2: timestamp '1700000000000000000' is beyond 1e+12 s",
        ),
        ('{"input_length": 1}', "line 1: no column of output lengths"),
        ('{"input_length": 1, "output_length": 2}\n[1, 2]\n', "trace.csv, line 2: not an object"),
        (
            '{"input_length": 1, "output_length": 2}\n{"input_length": 1, "outp',
            "trace.csv, line 2: line 1: not JSON: it is cut short",
        ),
        ('{"input_length": 1, "output_length": 2}\n{"input_length": 1}\n', "line 2: output_length '' is empty"),
        ('{"input_length": 1, "output_length": 1e-308}', "trace.csv, line 1: output_length = 1e-308: must be"),
        ('{"input_length": 1, "output_length": 2, "output_length": 3}', "key 'output_length' appears 2 times"),
        ('{"input_length": true, "output_length": 2}', "line 1: input_length 'true' is not a number"),
        ("arrival_s,input_tokens,output_tokens\nnan,1,2\n", "line 2: arrival_s 'nan' must be a finite number"),
        (
            "arrival_s,input_tokens,output_tokens\n5,1,2\n2023-11-16 18:15:46,1,2\n",
            "line 3: arrival_s '2023-11-16 18:15:46' is a date",
        ),
        ("time_s,input_tokens,output_tokens\n2023-11-99,1,2\n", "line 2: time_s '2023-11-99' is not an ISO date"),
        ("time_s,input_tokens,output_tokens\n0001-01-01T00:00+14:00,1,2\n1,1,2", "line"),
    ],
)
def test_a_bad_trace_is_reported_with_file_and_line(tmp_path: Path, text: str, phrase: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_trace(written(tmp_path, text))
    assert phrase in str(caught.value)
    assert "trace.csv" in str(caught.value)


def test_a_trace_that_is_not_there_is_reported(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        read_trace(tmp_path / "absent.csv")


def test_a_trace_is_replayed_repeated_and_scaled(tmp_path: Path) -> None:
    trace = read_trace(written(tmp_path, "arrival_s,input_tokens,output_tokens\n100,5,1\n101,6,2\n104,7,3\n"))
    traffic = Traffic(arrivals=Arrivals(pattern="trace"), trace=trace, num_requests=5)
    requests = draw_requests(traffic)
    assert requests.arrival_s.tolist() == [0, 1, 4, 6, 7]
    assert requests.input_tokens.tolist() == [5, 6, 7, 5, 6]
    assert draw_requests(traffic.at_rate(1.0)).arrival_s.tolist() == [0, 0.5, 2, 3, 3.5]


@pytest.mark.parametrize(
    "wrong",
    [
        {"pattern": "poisson"},
        {"pattern": "closed", "rate_per_s": 1.0},
        {"pattern": "closed"},
        {"rate_per_s": 1.0, "cv": 2.0},
        {"rate_per_s": 1.0, "concurrency": 2},
        {"rate_per_s": 0.0},
    ],
)
def test_arrivals_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Arrivals.model_validate(wrong)


def test_trace_arrivals_need_moments() -> None:
    with pytest.raises(ValidationError, match="trace with moments"):
        Traffic(arrivals=Arrivals(pattern="trace"))


positive = st.floats(1e-6, 1e-2)
step_times = st.builds(
    StepTime.roofline,
    weights_s=positive,
    per_token_s=positive,
    per_context_s=st.one_of(st.just(0.0), positive),
    per_pair_s=positive,
    per_sequence_s=positive,
    overhead_s=positive,
)


@settings(deadline=None)
@given(step_times, st.integers(1, 5000))
def test_a_roofline_step_reads_the_weights_or_computes_the_tokens(step_time: StepTime, tokens: int) -> None:
    corner, weights_s = step_time.token_knots[0]
    per_token_s = weights_s / corner
    assert step_time.curve_s(tokens) == pytest.approx(max(weights_s, tokens * per_token_s), rel=1e-9)


@settings(deadline=None, max_examples=30)
@given(step_times)
def test_the_table_of_steps_is_the_formula(step_time: StepTime) -> None:
    table = step_time.table_s(300)
    assert table == pytest.approx([step_time.seconds(num_tokens=tokens, num_sequences=0) for tokens in range(301)], rel=1e-12)
    assert table == sorted(table)


def test_knots_are_met_and_the_last_slope_goes_on() -> None:
    step_time = StepTime(token_knots=((1, 2.0), (3, 4.0), (4, 8.0)), overhead_s=1.0)
    assert [step_time.curve_s(tokens) for tokens in (0, 1, 2, 3, 3.5, 4, 5)] == [2, 2, 3, 4, 6, 8, 12]
    assert step_time.table_s(5) == [3, 3, 4, 5, 9, 13]
    assert StepTime(token_knots=((1, 2.0),)).table_s(2) == [2, 2, 2]


@pytest.mark.parametrize("knots", [((1, 2.0), (1, 3.0)), ((1, 2.0), (2, 1.0)), ((1, -1.0), (2, 1.0)), ((1, 0.0),), ()])
def test_knots_that_make_no_sense_are_refused(knots: tuple[tuple[float, float], ...]) -> None:
    with pytest.raises(ValidationError):
        StepTime(token_knots=knots)


@given(st.integers(0, 300), st.integers(1, 300), st.integers(1, 300))
def test_a_prompt_in_chunks_attends_to_as_many_pairs_as_in_one_piece(start: int, first: int, second: int) -> None:
    whole = chunk_pairs(start, num_tokens=first + second)
    assert whole == chunk_pairs(start, num_tokens=first) + chunk_pairs(start + first, num_tokens=second)
    assert whole == sum(start + offset + 1 for offset in range(first + second))


@given(st.integers(1, 200), st.floats(1e-4, 1.0), st.floats(0, 0.1))
def test_many_steps_take_the_sum_of_each(steps: int, first_s: float, growth_s: float) -> None:
    expected = sum(first_s + index * growth_s for index in range(steps))
    assert sum_s(steps, first_s=first_s, growth_s=growth_s) == pytest.approx(expected, rel=1e-9)


@given(st.floats(1e-3, 100.0), st.floats(0, 100.0), st.floats(1e-3, 1.0), st.floats(0, 1.0))
def test_the_fewest_steps_to_a_moment_are_found(gap_s: float, start_s: float, first_s: float, share: float) -> None:
    growth_s = first_s * share
    steps = steps_to(start_s + gap_s, start_s=start_s, first_s=first_s, growth_s=growth_s)
    assert start_s + sum_s(steps, first_s=first_s, growth_s=growth_s) >= start_s + gap_s
    assert steps == 1 or start_s + sum_s(steps - 1, first_s=first_s, growth_s=growth_s) < start_s + gap_s


@given(
    st.integers(1, 17),
    st.lists(st.tuples(st.integers(0, 40), st.integers(1, 90)), min_size=1, max_size=8),
    st.integers(0, 120),
    st.integers(0, 60),
)
def test_blocks_counted_by_phase_are_those_counted_one_by_one(
    block_size: int, sequences: list[tuple[int, int]], at_most: int, free: int
) -> None:
    step = 41
    kv = KvBlocks(num_blocks=free, block_size=block_size)
    for joined, slots in sequences:
        kv.start_growing(joined, slots=slots)
    held = [slots + step - joined for joined, slots in sequences]

    def wanted(steps: int) -> int:
        return sum(kv.blocks_for(slots + steps) - kv.blocks_for(slots) for slots in held)

    assert kv.growth(step, num_steps=at_most) == wanted(at_most)
    assert kv.blocks_wanted(step) == wanted(1)
    fitting = kv.steps_that_fit(step, at_most=at_most)
    assert wanted(fitting) <= free
    assert fitting == at_most or wanted(fitting + 1) > free
