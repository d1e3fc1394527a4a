"""The basis of a plan, what to measure next, and plans of the user's own model."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.catalog.loader import Catalogue, load_catalogue
from aigc_bench.core.errors import UsageError
from aigc_bench.plan.demand.demand_reader import read_demand
from aigc_bench.plan.full_plan import full_plan
from aigc_bench.plan.options.api import api_options
from aigc_bench.plan.records.plan import Plan
from aigc_bench.plan.risk.value_of_information import basis_of, best_measurements, collapsed
from aigc_bench.plan.stats.estimates import estimate
from tests.own_models import QWEN, write_model

OWN = """
name = "own"
[[service]]
name = "chat"
model = "{model}"
rate = 2
input_tokens = 64
output_tokens = 16
[service.slo]
latency = "30s"
[[service]]
name = "large"
workload = "gpt"
preset = "llama-3.1-70b"
rate = 2
input_tokens = 500
output_tokens = 100
[service.slo]
ttft = "2s"
"""
FEW_LAYERS = {**QWEN, "num_hidden_layers": 4}


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue(with_user_files=False)


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory, catalogue: Catalogue) -> Plan:
    folder = tmp_path_factory.mktemp("own")
    (folder / "qwen").mkdir()
    (folder / "qwen" / "config.json").write_text(json.dumps(FEW_LAYERS))
    (folder / "demand.toml").write_text(OWN.format(model="qwen"))
    return full_plan(read_demand(folder / "demand.toml", catalogue=catalogue), catalogue=catalogue)


def test_a_users_own_model_next_to_the_demand_file_is_planned(plan: Plan) -> None:
    assert plan.recommended is not None
    service = plan.demand.services[0]
    assert (service.workload, service.preset) == ("gpt", "qwen") and service.model is not None
    load = next(load for load in plan.recommended.loads if load.name == "chat")
    assert load.busy_machines.value > 0
    assert plan.recommended.replay is not None and len(plan.recommended.replay.services) == 2


def test_no_api_sells_a_users_own_model(plan: Plan) -> None:
    (api,) = (option for option in plan.options if option.kind == "api")
    assert not api.accepted
    assert "chat: no API sells your own model; name a commercial one with api_model" in api.reasons
    assert set(api.usd_per_unit) == {"large"}


def test_a_commercial_model_that_would_replace_ones_own_is_priced(tmp_path: Path, catalogue: Catalogue) -> None:
    write_model(tmp_path / "qwen", FEW_LAYERS)
    file = tmp_path / "demand.toml"
    file.write_text(OWN.format(model="qwen").replace('model = "qwen"', 'model = "qwen"\napi_model = "gpt-4o-mini"'))
    (api,) = api_options(read_demand(file, catalogue=catalogue), catalogue=catalogue, on=date(2026, 11, 1))
    assert set(api.usd_per_unit) == {"chat", "large"}
    assert api.accepted


def test_a_missing_model_is_reported_with_its_table(tmp_path: Path, catalogue: Catalogue) -> None:
    file = tmp_path / "demand.toml"
    file.write_text(OWN.format(model="nowhere"))
    with pytest.raises(UsageError, match=r"service 1 \(chat\).*nowhere"):
        read_demand(file, catalogue=catalogue)


def test_a_table_without_a_model_says_what_is_missing(tmp_path: Path, catalogue: Catalogue) -> None:
    file = tmp_path / "demand.toml"
    file.write_text(OWN.format(model="x").replace('model = "x"', 'workload = "gpt"'))
    with pytest.raises(UsageError, match="preset missing; give workload and preset, or model"):
        read_demand(file, catalogue=catalogue)


def test_every_load_states_whether_its_numbers_were_measured(plan: Plan) -> None:
    assert plan.recommended is not None
    found = basis_of(plan.recommended)
    assert {one.load for one in found} == {"chat", "large"}
    assert {one.basis for one in found if one.quantity == "throughput"} == {"modelled"}


def test_the_measurement_that_narrows_most_comes_first_with_its_command(plan: Plan) -> None:
    found = best_measurements(plan)
    assert [one.shrinks_by for one in found] == sorted((one.shrinks_by for one in found), reverse=True)
    assert all(0 <= one.shrinks_by <= 1 for one in found)
    assert all(one.before[0] <= one.after[0] and one.after[1] <= one.before[1] for one in found)
    commands = {one.load: one.command for one in found}
    assert "--model" in commands["chat"] and "qwen" in commands["chat"]
    assert commands["large"].startswith("aigc-bench run --")


@given(value=st.floats(1e-3, 1e6), down=st.floats(1.0, 10.0), up=st.floats(1.0, 10.0))
def test_a_measured_value_is_never_less_certain_than_before(value: float, down: float, up: float) -> None:
    before = estimate(value, low=value / down, high=value * up, unit="items/s", basis="modelled")
    after = collapsed(before)
    assert before.low <= after.low <= after.value <= after.high <= before.high
