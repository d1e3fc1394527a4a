"""Queues over arrays agree with Erlang's recursion, and replicas are the fewest that keep the SLO."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.plan.risk.load_samples import Queue, erlang_c, keeps, replicas_needed
from aigc_bench.plan.stats import queueing


def a_queue(
    *, rate: float = 5.0, service_s: float = 2.0, slots: float = 4.0, wait_s: float | None = 1.0, late: float = 0.05
) -> Queue:
    return Queue(
        rate_per_s=np.full(1, rate),
        service_s=np.full(1, service_s),
        slots=np.full(1, slots),
        wait_s=None if wait_s is None else np.full(1, wait_s),
        late_share=late,
    )


@pytest.mark.parametrize("servers", [1, 2, 5, 20, 100, 1000])
@pytest.mark.parametrize("load", [0.5, 0.7, 0.9, 0.97])
def test_the_probability_to_wait_is_erlangs(servers: int, load: float) -> None:
    exact = queueing.erlang_c(servers, offered_load=load * servers)
    found = float(erlang_c(np.array([float(servers)]), np.array([load * servers]))[0])
    assert found == pytest.approx(exact, rel=0.035, abs=1e-6)


def test_every_request_waits_where_the_load_reaches_the_servers() -> None:
    assert erlang_c(np.array([3.0, 3.0]), np.array([3.0, 9.0])).tolist() == [1.0, 1.0]


@pytest.mark.parametrize(("rate", "service_s", "wait_s"), [(1.0, 2.0, 0.5), (20.0, 1.0, 0.1), (100.0, 3.0, 2.0), (0.1, 1.0, 0.01)])
def test_one_slot_a_replica_needs_as_many_as_the_scalar_formula(rate: float, service_s: float, wait_s: float) -> None:
    exact = queueing.servers_for_wait(rate, service_s=service_s, wait_s=wait_s, quantile=0.95)
    found = replicas_needed(a_queue(rate=rate, service_s=service_s, slots=1.0, wait_s=wait_s))[0]
    assert abs(found - exact) <= 1


@given(rate=st.floats(0.01, 1e4), service_s=st.floats(0.01, 100), slots=st.floats(0.5, 300), wait_s=st.floats(0, 60))
def test_the_count_is_the_least_that_keeps_the_slo(rate: float, service_s: float, slots: float, wait_s: float) -> None:
    queue = a_queue(rate=rate, service_s=service_s, slots=slots, wait_s=wait_s)
    count = replicas_needed(queue)
    assert keeps(queue, count)[0]
    assert count[0] == 1 or not keeps(queue, count - 1)[0]


@given(rate=st.floats(0.01, 1e3), more=st.floats(1.0, 10), wait_s=st.floats(0.01, 10), longer=st.floats(1.0, 10))
def test_more_requests_and_a_shorter_wait_never_need_fewer(rate: float, more: float, wait_s: float, longer: float) -> None:
    few = replicas_needed(a_queue(rate=rate, wait_s=wait_s * longer))[0]
    assert replicas_needed(a_queue(rate=rate * more, wait_s=wait_s * longer))[0] >= few
    assert replicas_needed(a_queue(rate=rate, wait_s=wait_s))[0] >= few


def test_no_number_of_replicas_helps_where_one_request_alone_is_late() -> None:
    assert np.isinf(replicas_needed(a_queue(wait_s=-0.1)))[0]


def test_without_a_bound_on_waiting_the_queue_only_has_to_be_stable() -> None:
    assert replicas_needed(a_queue(rate=5.0, service_s=2.0, slots=4.0, wait_s=None))[0] == 3
