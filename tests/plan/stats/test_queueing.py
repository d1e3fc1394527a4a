"""Waiting in queues with several servers: one, two and three of them by hand, very many by their limit."""

from __future__ import annotations

import math

import pytest

from aigc_bench.plan.stats.queueing import erlang_b, erlang_c, wait_quantile_s


def test_one_server_is_the_textbooks_queue() -> None:
    """M/M/1: an arrival waits with probability rho, and P(W > t) = rho * exp(-(mu - lambda) t)."""
    assert erlang_b(1, offered_load=0.5) == pytest.approx(0.5 / 1.5)
    assert erlang_c(1, offered_load=0.5) == pytest.approx(0.5)
    assert wait_quantile_s(2.0, service_s=0.25, num_servers=1, quantile=0.9) == pytest.approx(math.log(0.5 / 0.1) / (4 - 2))


@pytest.mark.parametrize(
    ("servers", "load", "blocked", "waits"),
    # B = (a^c / c!) / sum a^k / k!, C = c B / (c - a (1 - B)), by hand
    [(2, 1.0, 1 / 5, 1 / 3), (3, 2.0, 4 / 19, 4 / 9), (2, 1.5, 9 / 29, 9 / 14)],
)
def test_two_and_three_servers_by_hand(servers: int, load: float, blocked: float, waits: float) -> None:
    assert erlang_b(servers, offered_load=load) == pytest.approx(blocked)
    assert erlang_c(servers, offered_load=load) == pytest.approx(waits)


def test_no_servers_block_every_arrival_and_no_load_blocks_none() -> None:
    assert erlang_b(0, offered_load=1.0) == 1.0
    assert erlang_b(0, offered_load=0.0) == 1.0
    assert erlang_b(3, offered_load=0.0) == 0.0
    assert erlang_b(1000, offered_load=0.0) == 0.0
    assert erlang_c(2, offered_load=2.0) == erlang_c(2, offered_load=5.0) == 1.0
    with pytest.raises(AssertionError):
        erlang_b(-1, offered_load=1.0)
    with pytest.raises(AssertionError):
        erlang_b(1, offered_load=-1.0)


@pytest.mark.parametrize(
    ("beta", "waits"),
    # 1 / (1 + beta N(beta) / n(beta)) with the table of the normal distribution: N(1) = 0.84134, n(1) = 0.24197
    [(1.0, 1 / (1 + 0.841345 / 0.241971)), (0.5, 1 / (1 + 0.5 * 0.691462 / 0.352065)), (2.0, 1 / (1 + 2 * 0.977250 / 0.053991))],
)
def test_very_many_servers_follow_halfin_and_whitt(beta: float, waits: float) -> None:
    servers = 4 * 10**10
    assert erlang_c(servers, offered_load=servers - beta * math.sqrt(servers)) == pytest.approx(waits, rel=1e-4)
    assert erlang_c(10**10, offered_load=10**10 - beta * 10**5) == pytest.approx(waits, rel=1e-4), "the sum agrees with its limit"


def test_a_fleet_far_from_its_load_never_waits() -> None:
    assert erlang_c(10**11, offered_load=10.0) == pytest.approx(0.0, abs=1e-150)


def test_a_share_that_starts_immediately_waits_zero_and_an_overload_for_ever() -> None:
    assert wait_quantile_s(2.0, service_s=0.25, num_servers=1, quantile=0.5) == 0.0
    assert wait_quantile_s(2.0, service_s=0.25, num_servers=1, quantile=0.0) == 0.0
    assert wait_quantile_s(4.0, service_s=0.25, num_servers=1, quantile=0.5) == math.inf
    assert wait_quantile_s(4.0, service_s=0.25, num_servers=2, quantile=0.9) < math.inf
    for quantile in (1.0, -0.1):
        with pytest.raises(AssertionError):
            wait_quantile_s(1.0, service_s=0.1, num_servers=1, quantile=quantile)
