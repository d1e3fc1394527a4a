"""Candidates as columns, and which of them a host takes, on tables small enough to read."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.plan.hardware.hosts import Host, hosts
from aigc_bench.plan.records.demand import Job, Service, Slo
from aigc_bench.plan.search.candidates import NUMBERS, Candidates, power_caps, stacked, why_none, with_caps
from aigc_bench.plan.search.selection import (
    SelectionTerms,
    cheapest_usd_per_year,
    choose,
    costs_of,
    settings_by_slack,
    usd_per_year,
    work_per_s,
)
from tests.plan.build import exact, make_demand, make_job, make_rules, make_service
from tests.plan.demands import catalogue

H100 = "h100_sxm_80gb"
DEMAND = make_demand()


@cache
def host(server: str = "dgx_h100") -> Host:
    return next(one for one in hosts(catalogue()) if one.server is not None and one.server.id == server)


def row(**changes: object) -> dict[str, object]:
    """One accelerator with room for 16 requests of two seconds: 800 tokens/s."""
    plain: dict[str, object] = {
        "accelerator": H100,
        "engine": "vllm",
        "precision": "bf16",
        "devices": 1,
        "batch": 16,
        "cap": 1.0,
        "throughput": 800.0,
        "slots": 16,
        "service_s": 2.0,
        "ttft_s": 0.2,
        "tpot_s": 0.02,
        "latency_s": 2.0,
        "memory_bytes": 40e9,
        "usable_bytes": 70e9,
        "power_w": 500.0,
    }
    return plain | changes


def table(*rows: dict[str, object]) -> Candidates:
    found = stacked(rows or [row()])
    assert found is not None
    return found


def chat(**slo: float) -> Service:
    """1.667 requests/s of 100 tokens: 167 tokens/s."""
    return make_service(slo=Slo(**slo))


def refusal(found: Candidates, workload: Service | Job) -> str:
    chosen = choose(workload, found, host=host(), demand=DEMAND)
    assert chosen is not None and chosen.refusal is not None
    return chosen.refusal


def test_blocks_of_rows_become_columns_of_one_length_with_labels_by_index() -> None:
    found = table(row(batch=np.array([1.0, 2.0, 4.0])), row(accelerator="l4", engine="sglang", ttft_s=math.nan))
    assert len(found) == 4
    assert (found.accelerators, found.engines, found.precisions) == ((H100, "l4"), ("vllm", "sglang"), ("bf16",))
    assert found.of("l4").tolist() == [False, False, False, True]
    assert not found.of("mi300x").any()
    assert all(getattr(found, name).shape == (4,) for name in NUMBERS)
    assert stacked([]) is None


def test_what_a_family_does_not_have_bounds_nothing() -> None:
    found = table(row(ttft_s=math.nan), row(ttft_s=0.5), row(ttft_s=1.5))
    assert found.meets(Slo(ttft_s=1.0)).tolist() == [True, True, False]
    assert found.meets(Slo()).all()


def test_a_power_limit_scales_times_and_watts_of_a_block() -> None:
    plain, capped = with_caps(row(batch=np.array([1.0]), throughput=np.array([100.0])), [(1.0, 1.0, 1.0), (0.7, 0.8, 0.6)])
    assert (plain["throughput"], plain["cap"]) == (100.0, 1.0)
    assert (capped["throughput"], capped["power_w"], capped["cap"]) == (80.0, 300.0, 0.7)
    assert (capped["ttft_s"], capped["service_s"]) == (0.25, 2.5)


def test_limits_that_are_searched_never_speed_up_and_never_draw_more() -> None:
    for spec in catalogue().accelerators.values():
        caps = power_caps(spec, work="decode", catalogue=catalogue())
        assert caps[0] == (1.0, 1.0, 1.0)
        assert all(share < 1 and speed <= 1 + 1e-9 and draw <= 1 + 1e-9 for share, speed, draw in caps[1:])


def test_the_cheapest_that_fits_and_is_in_time_is_taken() -> None:
    found = table(row(devices=2, throughput=2000.0), row(), row(power_w=400.0), row(power_w=100.0, memory_bytes=90e9))
    assert choose(chat(ttft_s=1.0), found, host=host(), demand=DEMAND) == choose(chat(), found, host=host(), demand=DEMAND)
    chosen = choose(chat(), found, host=host(), demand=DEMAND)
    assert chosen is not None
    assert (chosen.row, chosen.refusal) == (2, None)


def test_an_accelerator_without_a_row_has_no_choice() -> None:
    assert choose(chat(), table(row(accelerator="l4")), host=host(), demand=DEMAND) is None
    assert (
        why_none(None, np.zeros(1, dtype=bool), Slo(), max_devices=8) == "the performance model does not support this accelerator"
    )


@pytest.mark.parametrize(
    ("rows", "slo", "words"),
    [
        (
            [row(memory_bytes=80e9), row(memory_bytes=90e9)],
            {},
            "memory: at least 74.5 GiB on each of 1 accelerators, 65.2 GiB usable",
        ),
        ([row(ttft_s=3.0), row(ttft_s=2.0)], {"ttft_s": 1.0}, "compute: time to first token is 2.00 s at best, 1.00 s is required"),
        ([row()], {"tpot_s": 0.01}, "compute: time per token is 20.0 ms at best, 10.0 ms is required"),
        ([row()], {"latency_s": 1.0}, "compute: latency is 2.00 s at best, 1.00 s is required"),
        ([row(ttft_s=3.0), row(tpot_s=0.09)], {"ttft_s": 1.0, "tpot_s": 0.05}, "compute: no setting meets all latency bounds"),
    ],
)
def test_a_refusal_states_the_nearest_miss_in_numbers(rows: list[dict[str, object]], slo: dict[str, float], words: str) -> None:
    assert words in refusal(table(*rows), chat(**slo))


def test_what_spans_more_than_a_server_is_for_training_on_networked_servers_only() -> None:
    found = table(row(devices=16, throughput=16_000.0))
    assert choose(chat(), found, host=host(), demand=DEMAND) is None
    training = choose(make_job(), found, host=host(), demand=DEMAND)
    assert training is not None and training.refusal is None
    words = why_none(found, found.of(H100), Slo(), max_devices=8)
    assert words.startswith("memory: needs more than the 8 accelerators of one server; larger accelerators")


def test_where_nothing_is_in_time_the_nearest_miss_is_planned_with() -> None:
    found = table(row(ttft_s=9.0), row(ttft_s=3.0), row(ttft_s=0.1, memory_bytes=99e9))
    chosen = choose(chat(ttft_s=1.0), found, host=host(), demand=DEMAND)
    assert chosen is not None and chosen.row == 1
    tight = table(row(memory_bytes=140e9), row(memory_bytes=99e9))
    fullest = choose(chat(), tight, host=host(), demand=DEMAND)
    assert fullest is not None and fullest.row == 1


def test_the_least_cost_is_infinite_where_nothing_is_good() -> None:
    found = table()
    assert cheapest_usd_per_year(chat(), found, host=host(), demand=DEMAND) == pytest.approx(
        float(usd_per_year(work_per_s(chat(), DEMAND), found, host=host(), demand=DEMAND)[0])
    )
    assert cheapest_usd_per_year(chat(tpot_s=0.001), found, host=host(), demand=DEMAND) == math.inf
    assert cheapest_usd_per_year(chat(), None, host=host(), demand=DEMAND) == math.inf


@given(st.floats(1, 1e6), st.floats(1, 4), st.sampled_from([1, 2, 4, 8]))
def test_more_work_never_costs_less_and_a_faster_row_never_more(users: float, more: float, ranks: int) -> None:
    found = table(row(devices=ranks), row(devices=ranks, throughput=1600.0))
    work = [work_per_s(make_service(users=count), DEMAND) for count in (users, users * more)]
    little, much = (usd_per_year(one, found, host=host(), demand=DEMAND) for one in work)
    assert (much >= little * (1 - 1e-12)).all()
    assert little[1] <= little[0] * (1 + 1e-12)


def test_a_job_is_counted_by_its_window() -> None:
    quick, slow = make_job(items=exact(1e9, "tokens"), window_s=3600.0), make_job(items=exact(1e9, "tokens"), window_s=36_000.0)
    costs = [float(usd_per_year(work_per_s(job, DEMAND), table(), host=host(), demand=DEMAND)[0]) for job in (quick, slow)]
    assert costs[0] == pytest.approx(10 * costs[1], rel=0.05)


def test_a_replica_of_a_rent_lies_in_one_instance() -> None:
    found = table(row(devices=2, throughput=2000.0), row(devices=1, throughput=800.0))
    for size in (1, 2):
        chosen = choose(chat(), found, host=host(), demand=DEMAND, terms=SelectionTerms(kind="cloud", instance=size))
        assert chosen is not None
        assert found.devices[chosen.row] <= size
    assert choose(chat(), table(row(devices=2)), host=host(), demand=DEMAND, terms=SelectionTerms(kind="cloud", instance=1)) is None


def test_in_a_colocation_a_watt_of_the_peak_is_paid_for() -> None:
    """Eight accelerators either way: the lower limit is slower and draws less, and space is dearer than its electricity."""
    full, limited = row(throughput=800.0, power_w=500.0), row(cap=0.7, throughput=700.0, power_w=480.0)
    job, found = make_job(items=exact(28_800 * 3000.0, "tokens")), table(full, limited)
    own, space = (SelectionTerms(watt_usd_per_year=usd, is_alone=True) for usd in (0.0, 2.34))
    dear = usd_per_year(work_per_s(job, DEMAND), found, host=host(), demand=DEMAND, terms=space)
    free = usd_per_year(work_per_s(job, DEMAND), found, host=host(), demand=DEMAND, terms=own)
    saved_w = 0.3 * 700 * 8
    assert (dear - free)[0] - (dear - free)[1] == pytest.approx(2.34 * saved_w)


@given(st.floats(1, 1e5), st.floats(1, 3))
def test_a_load_with_servers_of_its_own_pays_for_whole_ones(tokens_per_s: float, more: float) -> None:
    found = table(row(devices=1), row(devices=8, throughput=8 * 790.0))
    alone = SelectionTerms(is_alone=True)
    few, many = (usd_per_year(work, found, host=host(), demand=DEMAND, terms=alone) for work in (tokens_per_s, tokens_per_s * more))
    assert (many >= few * (1 - 1e-12)).all()
    assert (few >= usd_per_year(tokens_per_s, found, host=host(), demand=DEMAND) * (1 - 1e-12)).all()


def test_settings_with_more_slack_cost_more_and_none_is_dominated() -> None:
    found = table(row(tpot_s=0.045), row(tpot_s=0.02, throughput=400.0), row(tpot_s=0.03, throughput=300.0), row(memory_bytes=90e9))
    given = {"host": host(), "demand": DEMAND, "terms": SelectionTerms(), "rules": make_rules()}
    rows = settings_by_slack(make_service(users=1e6, slo=Slo(tpot_s=0.05)), found, **given)  # type: ignore[arg-type]
    assert [index for index, _ in rows] == [0, 1], "the third costs more than the second and has less slack, the last does not fit"
    assert [usd for _, usd in rows] == sorted(usd for _, usd in rows)
    (only,) = settings_by_slack(make_service(users=1e6, slo=Slo()), found, **given)  # type: ignore[arg-type]
    assert only[0] == 0, "without a bound nothing but the cost counts"


def test_accelerators_at_the_confidence_cost_more_than_those_at_central_values() -> None:
    given = {"host": host(), "demand": DEMAND, "terms": SelectionTerms(), "rules": make_rules()}
    few, many = (costs_of(chat(), table(), at_least=count, **given)[0] for count in (0.0, 40.0))  # type: ignore[arg-type]
    assert many > 10 * few
