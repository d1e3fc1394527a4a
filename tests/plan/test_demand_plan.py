"""Demands from files, planned over the whole catalogue."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aigc_bench.catalog.loader import Catalogue, load_catalogue
from aigc_bench.core.errors import UsageError
from aigc_bench.plan.demand.demand_reader import read_demand
from aigc_bench.plan.factors.base import all_factors
from aigc_bench.plan.output.contract import contract
from aigc_bench.plan.output.plan_view import plan_view
from aigc_bench.plan.planner import plan_demand
from aigc_bench.plan.records.plan import Plan

CHAT = """
name = "chat"
[[service]]
name = "chat"
workload = "gpt"
preset = "llama-3.1-70b"
rate = {rate}
input_tokens = 800
output_tokens = 250
[service.slo]
ttft = "2s"
tpot = {tpot}
[site]
power_kw = {power}
"""


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue(with_user_files=False)


def plan_of(tmp_path: Path, catalogue: Catalogue, *, rate: float = 10, tpot: float = 0.05, power: float = 500) -> Plan:
    file = tmp_path / "demand.toml"
    file.write_text(CHAT.format(rate=rate, tpot=tpot, power=power))
    return plan_demand(read_demand(file, catalogue=catalogue), catalogue=catalogue)


def test_every_mistake_of_a_demand_is_reported_together(tmp_path: Path, catalogue: Catalogue) -> None:
    file = tmp_path / "demand.toml"
    file.write_text(CHAT.format(rate=-1, tpot='"3 parsecs"', power="[3, 2, 1]") + "colour = 1\n")
    with pytest.raises(UsageError) as caught:
        read_demand(file, catalogue=catalogue)
    text = str(caught.value)
    for told in ("4 mistakes", "service 1 (chat), rate = -1", "tpot = '3 parsecs'", "power_kw = [3, 2, 1]", "unknown key 'colour'"):
        assert told in text


def test_unknown_names_are_reported_with_the_nearest(tmp_path: Path, catalogue: Catalogue) -> None:
    file = tmp_path / "demand.toml"
    file.write_text(CHAT.format(rate=1, tpot=0.05, power=1).replace("llama-3.1-70b", "llama-3.1-71b") + 'region = "atlantis"\n')
    with pytest.raises(UsageError, match=r"Did you mean llama-3.1-70b") as caught:
        read_demand(file, catalogue=catalogue)
    assert "atlantis" in str(caught.value)


def test_accepted_options_have_room_in_every_factor_and_refused_ones_a_reason(tmp_path: Path, catalogue: Catalogue) -> None:
    plan = plan_of(tmp_path, catalogue)
    assert {"owned", "colocated", "cloud", "api"} <= {option.kind for option in plan.options}
    for option in plan.options:
        if option.accepted:
            assert all(factor.headroom is None or factor.headroom >= 0 for factor in option.factors.values())
        else:
            assert option.reasons
    accepted = [(option.misses_confidence, option.tco_usd.value) for option in plan.options if option.accepted]
    assert accepted == sorted(accepted), "the sure ones first, then the cheapest"


def test_more_demand_never_needs_fewer_accelerators(tmp_path: Path, catalogue: Catalogue) -> None:
    few, many = (plan_of(tmp_path, catalogue, rate=rate) for rate in (5, 50))
    before = {(o.kind, o.term, o.server, o.accelerator): o.num_accelerators for o in few.options if not o.parts}
    after = {(o.kind, o.term, o.server, o.accelerator): o.num_accelerators for o in many.options if not o.parts}
    assert all(after[key] >= count for key, count in before.items() if key in after)


def test_a_latency_below_physics_names_compute_and_a_small_site_names_power(tmp_path: Path, catalogue: Catalogue) -> None:
    impossible = plan_of(tmp_path, catalogue, tpot=1e-5)
    owned = [option for option in impossible.options if option.kind == "owned"]
    assert not any(option.accepted for option in owned)
    assert any("time per token" in reason for option in owned for reason in option.reasons)
    tiny = plan_of(tmp_path, catalogue, power=0.1)
    assert any(reason.startswith("power") for option in tiny.options if option.kind == "owned" for reason in option.reasons)


def test_the_contract_is_plain_json_and_the_same_bytes_twice(tmp_path: Path, catalogue: Catalogue) -> None:
    one, two = (json.dumps(contract(plan_view(plan_of(tmp_path, catalogue))), allow_nan=False) for _ in range(2))
    assert one == two
    first = json.loads(one)["options"][0]
    assert list(first["factors"]) == list(all_factors())
    assert set(first["tco_usd"]) == {"value", "low", "high", "unit", "basis"}
