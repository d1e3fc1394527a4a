"""The safety margin: the fewest servers that reach a confidence, and a plan with and without it."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aigc_bench.catalog.loader import Catalogue, load_catalogue
from aigc_bench.core.errors import UsageError
from aigc_bench.plan.demand.demand_reader import read_demand
from aigc_bench.plan.options.assemble import Procurement, make_option, ranked
from aigc_bench.plan.planner import plan_demand
from aigc_bench.plan.records.demand import Slo
from aigc_bench.plan.records.plan import Plan
from aigc_bench.plan.risk.fleet_service import serves
from aigc_bench.plan.risk.safer import servers_more
from aigc_bench.plan.search.selection import Spare, spare_of
from tests.plan.risk.cases import (
    a_ground,
    about,
    an_option,
    loads_of,
    served,
    uncertain_demand,
    uncertain_machine,
    uncertain_rules,
    uncertain_service,
)

DEMAND = """
name = "chat"

[[service]]
name = "chat"
workload = "gpt"
preset = "llama-3.1-8b"
rate = [14, 20, 28]
input_tokens = [600, 800, 1000]
output_tokens = [150, 200, 260]
[service.slo]
ttft = "2s"
tpot = {tpot}

[constraints]
{confidence}
"""


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue(with_user_files=False)


def share_that_serves(more: int) -> float:
    capability = serves(an_option(), a_ground(), more_servers=more)
    assert capability is not None
    return float(np.mean(capability))


@pytest.mark.parametrize("confidence", [0.5, 0.8, 0.9, 0.95])
def test_the_margin_is_the_fewest_servers_that_are_enough(confidence: float) -> None:
    more = servers_more(an_option(), a_ground(), confidence=confidence)
    assert more is not None
    assert share_that_serves(more) >= confidence
    assert more == 0 or share_that_serves(more - 1) < confidence


@settings(max_examples=20, deadline=None)
@given(low=st.floats(0.1, 0.95), high=st.floats(0.1, 0.95))
def test_more_confidence_never_takes_fewer_servers(low: float, high: float) -> None:
    context, option = a_ground(), an_option()
    few, many = (servers_more(option, context, confidence=one) for one in sorted((low, high)))
    assert few is not None
    assert many is None or many >= few


def test_no_number_of_servers_makes_a_slow_setting_fast() -> None:
    demand = uncertain_demand(services=(uncertain_service(slo=Slo(latency_s=2.5)),), jobs=())
    assert servers_more(an_option(demand), a_ground(demand), confidence=0.8) is None


def test_a_fleet_with_a_margin_costs_it_and_has_the_room() -> None:
    demand, machine, rules = uncertain_demand(), uncertain_machine(), uncertain_rules()
    procurement = Procurement(machine=machine, placement="shared")
    plain, wide = (
        make_option(procurement, loads_of(demand, machine, rules), demand=demand, rules=rules, margin=one) for one in (0, 5)
    )
    assert (plain.num_margin, wide.num_margin) == (0, 5)
    assert wide.num_servers - wide.num_spares == plain.num_servers - plain.num_spares + 5
    assert wide.capex_usd.value > plain.capex_usd.value
    assert (wide.factors["compute"].headroom or 0) > (plain.factors["compute"].headroom or 0)
    assert wide.num_machines == plain.num_machines, "what the loads need does not change"


def test_an_option_that_misses_the_confidence_ranks_behind_a_more_expensive_one() -> None:
    cheap = an_option().model_copy(update={"misses_confidence": True})
    dear = an_option(machine=uncertain_machine(server="dear", price_usd=about(20_000.0, "usd")))
    assert [one.server for one in ranked([cheap, dear])] == ["dear", cheap.server]


def test_the_reserve_is_what_the_upper_ends_require() -> None:
    capability = served(service_s=about(2.0, "s", up=1.4), device_memory_bytes=about(10e9, "B", up=1.06))
    assert spare_of(capability) == Spare(time=pytest.approx(1.4), memory=pytest.approx(1.06))
    assert spare_of(served(service_s=None, device_memory_bytes=None)) == Spare()


def planned(tmp_path: Path, catalogue: Catalogue, *, tpot: float = 0.04, confidence: str = "") -> Plan:
    file = tmp_path / "demand.toml"
    file.write_text(DEMAND.format(tpot=tpot, confidence=confidence))
    wanted = read_demand(file, catalogue=catalogue)
    return plan_demand(wanted, catalogue=catalogue, on=date(2026, 11, 25), accelerators=("h100_sxm_80gb", "l40s"))


def test_a_plan_with_confidence_costs_more_and_is_never_slower(tmp_path: Path, catalogue: Catalogue) -> None:
    middle, sure = (planned(tmp_path, catalogue, confidence=text) for text in ("confidence = 0", ""))
    before, after = middle.recommended, sure.recommended
    assert before is not None and after is not None
    # No latency of an API is published here, whatever the confidence.
    assert all(one.num_margin == 0 and not one.misses_confidence for one in middle.options if one.kind != "api")
    assert after.num_accelerators >= before.num_accelerators and after.tco_usd.value >= before.tco_usd.value
    assert not after.misses_confidence


def test_settings_keep_the_slo_at_the_slow_end_of_the_prediction_where_one_does(tmp_path: Path, catalogue: Catalogue) -> None:
    best = planned(tmp_path, catalogue).recommended
    assert best is not None and best.machine is not None
    (capability,) = best.machine.capabilities
    assert capability.tpot_s is not None and capability.service_s is not None
    slow = capability.service_s.high / capability.service_s.value
    assert capability.tpot_s.value * slow <= 0.040 * 1.02


@pytest.mark.parametrize("wrong", ["1", "-0.1", "0.999", '"much"'])
def test_an_invalid_confidence_is_reported_in_one_line(tmp_path: Path, catalogue: Catalogue, wrong: str) -> None:
    with pytest.raises(UsageError, match="confidence"):
        planned(tmp_path, catalogue, confidence=f"confidence = {wrong}")
