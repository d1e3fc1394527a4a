"""The planner with its own catalogue beside figures that vendors, papers and textbooks print, within 5 %.

What needs no catalogue stands in ``test_formulae``, ``test_finance``, ``test_availability`` and ``site``; here the numbers that a
plan is really made of are looked at: the catalogue's rows and constants through the code that uses them.
"""

from __future__ import annotations

import math
from datetime import date

import pytest

from aigc_bench.plan.hardware.hosts import Host, hosts
from aigc_bench.plan.money.ownership import annuity, annuity_factor
from aigc_bench.plan.records.rules import rules_from
from aigc_bench.plan.site.power_chain import AIR_BTU_PER_HOUR_PER_CFM_F, airflow_cfm, btu_per_hour
from aigc_bench.plan.site.room import RoomNeed, make_room
from aigc_bench.plan.sizing.checkpoints import interval_s, mtti_s, overhead
from aigc_bench.plan.stats.queueing import erlang_b, erlang_c, k_of_n, servers_for_wait, spares
from aigc_bench.predict.published.name_resolution import resolve_language_model
from tests.plan.demands import catalogue

WITHIN = 0.05


def host(server: str) -> Host:
    return next(one for one in hosts(catalogue()) if one.server is not None and one.server.id == server)


def test_a_dgx_h100_is_cooled_for_the_btu_and_the_airflow_that_its_guide_prints() -> None:
    """38,557 BTU/h and 1,105 CFM (DGX H100 user guide): 11.3 kW that warm the air by 32.3 degF."""
    heat_w = host("dgx_h100").machine.design_heat_w.value
    assert btu_per_hour(heat_w) == pytest.approx(38_557, rel=WITHIN)
    rise_f = 38_557 / (AIR_BTU_PER_HOUR_PER_CFM_F * 1_105)
    assert airflow_cfm(heat_w, rise_k=rise_f / 1.8) == pytest.approx(1_105, rel=WITHIN)


def test_nodes_are_provisioned_with_what_they_were_measured_to_draw() -> None:
    """8 x H100 at 8.4 kW at most of 10.2 rated (MLPerf power logs); an HGX H200 idles near 2.4 kW."""
    assert host("dgx_h100").machine.peak_power_w.value == pytest.approx(8_400, rel=WITHIN)
    assert host("hgx_h100_8u_generic").machine.idle_power_w.value == pytest.approx(2_400, rel=WITHIN)


@pytest.mark.parametrize(("gpus", "leaves", "spines"), [(512, 16, 8), (4_096, 128, 64)])
def test_a_room_of_dgx_h100_has_the_switches_of_the_superpod(gpus: int, leaves: int, spines: int) -> None:
    """16 leaf and 8 spine switches of 64 ports for 512 GPUs, 128 and 64 for 4,096 (DGX SuperPOD reference architecture)."""
    need = RoomNeed(num_servers=gpus // 8, room="rear_door")
    room = make_room(catalogue().servers["dgx_h100"], need, catalogue=catalogue(), on=date(2026, 11, 25))
    counts = {line.key: line.count for line in room.bill.lines}
    assert counts["compute_leaf.qm9700"] == leaves
    assert counts["compute_spine.qm9700"] == spines
    assert counts["nic_compute"] == gpus


@pytest.mark.parametrize(
    ("preset", "published_bytes"), [("llama-3.1-8b", 105e9), ("llama-3.1-70b", 912e9), ("llama-3.1-405b", 5.29e12)]
)
def test_checkpoints_of_llama_3_have_their_published_size(preset: str, published_bytes: float) -> None:
    model = resolve_language_model(preset)
    assert model is not None
    each = rules_from(catalogue()).checkpoint_bytes_per_param
    assert model.total_params * each.value == pytest.approx(published_bytes, rel=WITHIN)


@pytest.mark.parametrize(("stall_s", "lost"), [(10.0, 0.045), (60.0, 0.11), (300.0, 0.25)])
def test_a_stall_costs_what_young_and_daly_say_on_sixteen_thousand_accelerators(stall_s: float, lost: float) -> None:
    """Llama 3 was interrupted every 3.1 hours; at 2.7 hours 10, 60 and 300 s cost 4.5, 11 and 25 %."""
    hours = mtti_s(18_800, hours=catalogue().constant("gpu_hours_per_interruption").value)
    assert hours == pytest.approx(2.7 * 3600, rel=0.01)
    assert overhead(stall_s, mtti_s=hours) == pytest.approx(lost, rel=WITHIN)
    assert overhead(stall_s, mtti_s=hours, every_s=interval_s(stall_s, mtti_s=hours)) == pytest.approx(
        math.sqrt(2 * stall_s / hours)
    )


@pytest.mark.parametrize(
    ("servers", "load", "waits"), [(1, 0.5, 0.5), (2, 1.5, 0.6429), (3, 2.0, 0.4444), (5, 4.0, 0.5541), (10, 8.0, 0.4092)]
)
def test_erlang_c_is_that_of_the_tables(servers: int, load: float, waits: float) -> None:
    """M/M/c as in Gross and Harris, Fundamentals of Queueing Theory, and the usual tables."""
    assert erlang_c(servers, offered_load=load) == pytest.approx(waits, abs=5e-5)


def test_a_call_centre_of_the_textbook_needs_fourteen_agents() -> None:
    """200 calls of 3 minutes in an hour, 80 % answered within 20 s: 10 erlangs, 14 agents."""
    assert servers_for_wait(200 / 3600, service_s=180.0, wait_s=20.0, quantile=0.8) == 14
    assert erlang_b(14, offered_load=10.0) == pytest.approx(0.0568, abs=5e-4)


@pytest.mark.parametrize(
    ("rate", "years", "payment"), [(0.05, 3, 0.36721), (0.08, 3, 0.38803), (0.08, 5, 0.25046), (0.10, 5, 0.26380)]
)
def test_capital_recovery_factors_are_those_of_the_tables(rate: float, years: int, payment: float) -> None:
    assert annuity_factor(rate, years=years) == pytest.approx(payment, abs=5e-6)
    assert annuity(1000.0, rate=rate, years=years, residual=1000.0) == pytest.approx(1000 * rate)


@pytest.mark.parametrize(
    ("needed", "installed", "up", "works"), [(1, 2, 0.99, 0.9999), (2, 3, 0.9, 0.972), (3, 5, 0.9, 0.99144), (4, 5, 0.95, 0.97741)]
)
def test_k_of_n_is_that_of_the_textbook(needed: int, installed: int, up: float, works: float) -> None:
    assert k_of_n(needed, installed, availability=up) == pytest.approx(works, abs=5e-6)


def test_a_pod_of_thirty_two_servers_needs_one_spare_for_99_and_two_for_999() -> None:
    """33 choose at most 1 failure of 0.5 %: 98.7 %; 34 with at most 2: 99.94 %."""
    up = rules_from(catalogue()).machine_availability.value
    one = 0.995**33 + 33 * 0.995**32 * 0.005
    assert k_of_n(32, 33, availability=up) == pytest.approx(one)
    assert one < 0.99
    assert [spares(32, availability=up, target=target) for target in (0.98, 0.99, 0.999)] == [1, 2, 2]
