"""Cooling, queues, checkpoints and fabrics against published reference points."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aigc_bench.plan.site import power_chain as cooling
from aigc_bench.plan.sizing import checkpoints as checkpoint
from aigc_bench.plan.stats import queueing

DAY_S = 86_400.0


def test_heat_is_watts_in_other_units() -> None:
    assert cooling.btu_per_hour(10_200) == pytest.approx(34_803, rel=0.001)
    assert cooling.heat_w(38_557) == pytest.approx(11_300, rel=0.001)
    assert cooling.tons(3_517) == pytest.approx(1.0, rel=0.001)


def test_a_kilowatt_takes_158_cfm_at_20_degrees_fahrenheit() -> None:
    assert cooling.airflow_cfm(1000, rise_k=20 / 1.8) == pytest.approx(158, rel=0.001)


def test_erlang_b_matches_the_traffic_tables() -> None:
    assert queueing.erlang_b(10, offered_load=4.461) == pytest.approx(0.01, rel=0.01)
    assert queueing.erlang_b(1, offered_load=1.0) == pytest.approx(0.5)


@given(st.floats(0.1, 50), st.floats(0.01, 5), st.floats(0.0, 2.0))
def test_servers_for_a_wait_are_enough_and_one_less_is_not(rate: float, service_s: float, wait_s: float) -> None:
    found = queueing.servers_for_wait(rate, service_s=service_s, wait_s=wait_s, quantile=0.95)
    assert queueing.wait_quantile_s(rate, service_s=service_s, num_servers=found, quantile=0.95) <= wait_s
    fewer = queueing.wait_quantile_s(rate, service_s=service_s, num_servers=found - 1, quantile=0.95) if found > 1 else math.inf
    assert fewer > wait_s


@given(st.integers(501, 5000), st.floats(0.1, 1.2))
def test_many_servers_block_as_the_recursion_gives(servers: int, rho: float) -> None:
    blocked = 1.0
    for count in range(1, servers + 1):
        blocked = rho * servers * blocked / (count + rho * servers * blocked)
    assert queueing.erlang_b(servers, offered_load=rho * servers) == pytest.approx(blocked, rel=1e-9, abs=1e-300)


def test_very_many_servers_wait_as_in_halfin_and_whitts_limit() -> None:
    """With two square roots of spare servers 2.7 % wait, with 2.4 less than 1 %; the limit and the sum agree where both hold."""
    for beta, waits in ((2.0, 0.0269), (2.4, 0.0093)):
        assert queueing.erlang_c(10**8, offered_load=10**8 - beta * 10**4) == pytest.approx(waits, abs=1e-4)
        assert queueing.erlang_c(10**12, offered_load=10**12 - beta * 10**6) == pytest.approx(waits, abs=1e-4)
    assert queueing.erlang_b(1000, offered_load=0.0) == 0.0


@settings(deadline=None)
@given(st.floats(10, 1e12), st.floats(1.0, 1.5), st.sampled_from([0.5, 0.95, 0.99]), st.sampled_from([0.0, 0.01, 1.0]))
def test_more_requests_never_need_fewer_servers_however_many(rate: float, more: float, quantile: float, wait_s: float) -> None:
    few, many = (queueing.servers_for_wait(r, service_s=1.0, wait_s=wait_s, quantile=quantile) for r in (rate, rate * more))
    assert rate < few <= many


@pytest.mark.parametrize(("stall_s", "lost"), [(10.0, 0.045), (60.0, 0.11), (300.0, 0.25)])
def test_losses_of_young_and_daly_at_2_7_hours_between_interruptions(stall_s: float, lost: float) -> None:
    assert checkpoint.overhead(stall_s, mtti_s=2.7 * 3600) == pytest.approx(lost, rel=0.05)


def test_llama_3_was_interrupted_every_three_hours() -> None:
    assert pytest.approx(checkpoint.mtti_s(16_384, hours=50_700), rel=0.01) == 54 * DAY_S / 419


@given(st.floats(0.1, 3600), st.floats(60, 1e7), st.floats(0.2, 5))
def test_no_interval_loses_less_than_young_and_dalys(stall_s: float, mtti_s: float, factor: float) -> None:
    best = checkpoint.overhead(stall_s, mtti_s=mtti_s)
    other = checkpoint.overhead(stall_s, mtti_s=mtti_s, every_s=factor * checkpoint.interval_s(stall_s, mtti_s=mtti_s))
    assert other >= best * (1 - 1e-9)


def test_a_restart_costs_its_share_of_the_time_between_interruptions() -> None:
    assert checkpoint.overhead(0.0, mtti_s=3600, restart_s=36) == pytest.approx(0.01)


def test_the_airflow_of_a_dgx_h100_follows_from_its_heat_within_5_percent() -> None:
    """1,105 CFM carry 38,557 BTU/h (11.3 kW) with a rise of 32.3 degF, the low end of the catalogue's flow rule."""
    heat_w = cooling.design_heat_w(10_200, stated_btu_per_hour=38_557)
    assert cooling.airflow_cfm(heat_w, rise_k=32 / 1.8) == pytest.approx(1105, rel=0.05)


def test_a_kilowatt_takes_1_43_litres_of_water_a_minute_at_10_kelvin() -> None:
    assert cooling.water_l_per_min(1000, rise_k=10) == pytest.approx(1.43, rel=0.005)
    assert cooling.water_l_per_min(1000, rise_k=10, captured=0.9) == pytest.approx(0.9 * 1.435, rel=0.005)
