"""The batch queue M/G^[b]/c with a longest wait: by hand, by theory, and against a plain event loop."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from aigc_bench.predict.serving.batch_queue import BatchServer, form_batches, simulate_batches
from aigc_bench.predict.serving.request_arrivals import Arrivals, Traffic
from aigc_bench.predict.serving.server_model import Slo
from aigc_bench.predict.serving.step_time import StepTime

ONE_SECOND = StepTime(token_knots=((1, 1.0),))


def poisson(rate_per_s: float, *, num_requests: int = 40_000) -> Traffic:
    return Traffic(arrivals=Arrivals(rate_per_s=rate_per_s), num_requests=num_requests, seed=2)


def erlang_c(servers: int, load: float) -> float:
    top = load**servers / math.factorial(servers) * servers / (servers - load)
    return top / (sum(load**k / math.factorial(k) for k in range(servers)) + top)


@pytest.mark.parametrize(("cv", "factor"), [(0.0, 0.5), (1.0, 1.0), (0.5, 0.625)])
def test_one_server_waits_as_pollaczek_and_khinchine_say(cv: float, factor: float) -> None:
    server = BatchServer(batch_time=ONE_SECOND, service_cv=cv)
    result = simulate_batches(server, poisson(0.7))
    assert result.queueing.mean == pytest.approx(factor * 0.7 / 0.3, rel=0.12)
    assert result.utilisation == pytest.approx(0.7, rel=0.03)


def test_four_servers_wait_as_erlang_says() -> None:
    server = BatchServer(batch_time=ONE_SECOND, num_servers=4, service_cv=1.0)
    result = simulate_batches(server, poisson(3.0))
    assert result.queueing.mean == pytest.approx(erlang_c(4, 3.0) / (4 - 3.0), rel=0.15)


def test_batches_start_when_full_or_when_the_first_has_waited() -> None:
    server = BatchServer(batch_time=ONE_SECOND, max_batch=3, max_wait_s=2.0)
    batches = form_batches(server, np.array([0.0, 0.5, 1.0, 1.5, 9.0]), seed=0)
    assert batches.size == (3, 1, 1)
    assert batches.start_s == (1.0, 3.5, 11.0)
    assert batches.end_s == (2.0, 4.5, 12.0)


def plain_batches(arrival_s: list[float], *, max_batch: int, max_wait_s: float, num_servers: int) -> list[tuple[float, int]]:
    """The same queue, looking at every moment at which something could change."""
    waiting: list[float] = []
    arriving, busy_until, started = list(arrival_s), [0.0] * num_servers, []
    moments = sorted({*arrival_s, *(moment + max_wait_s for moment in arrival_s), *range(200)})
    for now in moments:
        while arriving and arriving[0] <= now:
            waiting.append(arriving.pop(0))
        while waiting and min(busy_until) <= now and (len(waiting) >= max_batch or now >= waiting[0] + max_wait_s):
            size = min(len(waiting), max_batch)
            del waiting[:size]
            busy_until[busy_until.index(min(busy_until))] = now + size + 1
            started.append((float(now), size))
    return started


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(0, 40), min_size=1, max_size=15), st.integers(1, 5), st.integers(0, 6), st.integers(1, 3))
def test_one_line_per_batch_equals_looking_at_every_moment(
    arrivals: list[int], max_batch: int, max_wait_s: int, num_servers: int
) -> None:
    moments = [float(moment) for moment in sorted(arrivals)]
    server = BatchServer(
        batch_time=StepTime(token_knots=((0, 1.0), (1, 2.0))), max_batch=max_batch, max_wait_s=max_wait_s, num_servers=num_servers
    )
    batches = form_batches(server, np.array(moments), seed=0)
    expected = plain_batches(moments, max_batch=max_batch, max_wait_s=max_wait_s, num_servers=num_servers)
    assert list(zip(batches.start_s, batches.size, strict=True)) == expected


def test_bigger_batches_carry_a_load_that_single_requests_could_not() -> None:
    step = StepTime.roofline(weights_s=1.0, per_token_s=0.2)
    traffic = poisson(2.5, num_requests=4000)
    single = simulate_batches(BatchServer(batch_time=step), traffic)
    batched = simulate_batches(BatchServer(batch_time=step, max_batch=8), traffic)
    assert "queue_grows" in single.reasons
    assert batched.reasons == ()
    assert batched.latency.mean < single.latency.mean
    assert 1 < batched.mean_batch <= 8


def test_results_carry_goodput_and_littles_law_and_no_tokens() -> None:
    result = simulate_batches(
        BatchServer(batch_time=ONE_SECOND), poisson(0.5, num_requests=2000), slo=Slo(latency_s=2.0, share=0.5)
    )
    assert result.littles_law.error < 1e-9
    assert result.goodput_share is not None and 0 < result.goodput_share < 1
    assert (result.ttft, result.tpot, result.itl, result.output_tokens_per_s, result.kv_mean) == (None,) * 5
    assert result.mean_queue == pytest.approx(result.arrival_rate_per_s * result.queueing.mean, rel=0.05)


def test_a_batch_time_has_no_context() -> None:
    with pytest.raises(ValidationError, match="no context"):
        BatchServer(batch_time=ONE_SECOND.model_copy(update={"per_context_s": 1.0}))
