"""A replica that is spread over several accelerators stands in one machine, rented ones too."""

from __future__ import annotations

from pathlib import Path

import pytest

from aigc_bench import api
from aigc_bench.plan.records.plan import Plan

CHAT = Path(__file__).parents[3] / "examples" / "chat-70b.toml"


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """70 billion parameters of two bytes: more than one GH200 holds, and GH200s are rented one by one."""
    demand = tmp_path_factory.mktemp("demand") / "chat.toml"
    demand.write_text(CHAT.read_text().replace('preset = "llama-3.1-70b"', 'preset = "llama-3.1-70b"\nprecisions = ["bf16"]'))
    return api.plan(demand, accelerators=["gh200_96gb", "h200_sxm_141gb"])


def test_instances_of_one_accelerator_are_refused_where_a_replica_needs_two(plan: Plan) -> None:
    rented = [one for one in plan.options if one.kind == "cloud" and one.accelerator == "gh200_96gb"]
    assert rented
    for option in rented:
        assert not option.accepted
        assert any("accelerators of one machine" in reason for reason in option.reasons)


def test_an_instance_that_holds_the_replica_is_taken_before_a_cheaper_one_that_does_not(plan: Plan) -> None:
    rented = [one for one in plan.options if one.kind == "cloud" and one.accelerator == "h200_sxm_141gb"]
    assert any(not any("accelerators of one machine" in reason for reason in option.reasons) for option in rented)
