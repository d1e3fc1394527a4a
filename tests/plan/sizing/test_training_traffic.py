"""Bytes between the servers of a training job, from published formulae on round numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.core.derivation import derivation_of
from aigc_bench.core.records import Estimate
from aigc_bench.plan.records.machine import Capability, Load, Machine
from aigc_bench.plan.records.plan import Option
from aigc_bench.plan.sizing.fleets import job_load
from aigc_bench.plan.sizing.training_traffic import SHARDED_ENGINE, Spread, spread_of, step_bytes, training_bits_per_s
from tests.plan.build import exact, make_capability, make_job, make_machine, make_rules
from tests.plan.demands import plan_of, text_of

SERVER = make_machine(machines_per_server=exact(8.0, "machines/server"))


def able(ranks: int, **changes: object) -> Capability:
    plain: dict[str, object] = {"mode": "train", "engine": SHARDED_ENGINE, "num_params": 7e9, "machines_per_replica": ranks}
    return make_capability(**{**plain, **changes})


def load_of(capability: Capability, *, busy: float) -> Load:
    found = job_load(make_job(), capability, rules=make_rules())
    return found.model_copy(update={"busy_machines": exact(busy, "machines")})


@pytest.mark.parametrize(
    ("ranks", "busy", "spread"),
    [
        (1, 32, Spread(servers=4, per_replica=1, share=1.0)),
        (8, 20, Spread(servers=3, per_replica=1, share=1.0)),
        (16, 20, Spread(servers=4, per_replica=2, share=0.5)),
        (64, 10, Spread(servers=8, per_replica=8, share=0.125)),
    ],
)
def test_whole_replicas_lie_over_whole_servers(ranks: int, busy: float, spread: Spread) -> None:
    assert spread_of(load_of(able(ranks), busy=busy), SERVER) == spread


def test_a_sharded_replica_gathers_its_weights_twice_and_scatters_gradients_once() -> None:
    """7e9 parameters over two servers: 6 x 7e9 / 2 bytes; two such replicas sum half of the gradients each, 2 x 2 x 3.5e9 / 2."""
    one, two = (Spread(servers=count, per_replica=2, share=0.5) for count in (2, 4))
    assert step_bytes(make_job(), able(16), one) == pytest.approx(21e9)
    assert step_bytes(make_job(), able(16), two) == pytest.approx(21e9 + 7e9)


def test_replicas_within_servers_exchange_gradients_only_and_adapters_a_hundredth_of_them() -> None:
    spread = Spread(servers=4, per_replica=1, share=1.0)
    assert step_bytes(make_job(), able(8), spread) == pytest.approx(2 * 2 * 7e9 * 3 / 4)
    assert step_bytes(make_job(adapter=True), able(8), spread) == pytest.approx(0.01 * 2 * 2 * 7e9 * 3 / 4)
    assert step_bytes(make_job(), able(1, engine="torch-compile", precision="fp32"), spread) == pytest.approx(2 * 4 * 7e9 * 3 / 4)


def rate(machine: Machine, capability: Capability, busy: float) -> float:
    found = training_bits_per_s(make_job(), load_of(capability, busy=busy), capability, machine)
    return 0.0 if found is None else found.value


def test_traffic_is_the_bytes_of_a_step_over_its_time_for_each_accelerator() -> None:
    capability = able(8, service_s=exact(2.0, "s"))
    assert rate(SERVER, capability, busy=32) == pytest.approx(2 * 2 * 7e9 * 3 / 4 / 2.0 / 8 * 8)


@pytest.mark.parametrize("is_counted", [True, False])
def test_traffic_follows_from_the_parameters_where_they_are_counted(is_counted: bool) -> None:
    capability = able(8, service_s=exact(2.0, "s"))
    load, number = load_of(capability, busy=32), exact(capability.num_params or 0.0, "params")
    load = load.model_copy(update={"derived": {"num_params": number} if is_counted else {}})
    found = training_bits_per_s(make_job(), load, capability, SERVER)
    assert found is not None and found.unit == "bit/s"
    moved = step_bytes(make_job(), capability, spread_of(load, SERVER))
    reached, waiting = [], [found]
    while waiting:
        one = waiting.pop()
        reached.append(one)
        node = derivation_of(one)
        waiting += [below for below in (node.inputs if node else ()) if isinstance(below, Estimate)]
    each = next(one for one in reached if one.unit == "B/step")
    assert each.value == moved
    assert "R = 4 groups" in (each.source or "")
    assert any(one is number for one in reached) is is_counted


@given(st.integers(1, 64), st.integers(1, 512), st.floats(0.01, 100))
def test_one_server_exchanges_nothing_over_the_network_and_slower_steps_less(ranks: int, busy: int, step_s: float) -> None:
    fast, slow = (able(ranks, service_s=exact(seconds, "s")) for seconds in (step_s, 2 * step_s))
    found = rate(SERVER, fast, busy)
    assert found == pytest.approx(2 * rate(SERVER, slow, busy))
    assert (found > 0) is (spread_of(load_of(fast, busy=busy), SERVER).servers > 1)


def options(deadline: str) -> list[Option]:
    text = text_of("tuning", amount=50_000.0, rest="[site]\nrack_kw = 24\n").replace('deadline = "10h"', f'deadline = "{deadline}"')
    return [one for one in plan_of(text, accelerators=("h100_sxm_80gb",)).options if not one.parts]


def test_training_over_several_servers_is_never_free_for_the_network() -> None:
    spanning = [one for one in options("2h") if one.machine and one.loads[0].busy_machines.value > one.machine.devices_per_server]
    assert spanning
    for option in spanning:
        assert any("gradients and weights between servers" in name for name in option.factors["network"].inputs)
        assert option.factors["network"].required is not None and option.factors["network"].required.value > 0


def test_spot_and_instances_without_a_stated_fabric_are_no_training_cluster() -> None:
    rents = [one for one in options("2h") if one.kind == "cloud"]
    several = [one for one in rents if one.machine and one.loads[0].busy_machines.value > one.machine.devices_per_server]
    assert several
    assert not any(one.accepted for one in several if one.term == "spot")
    assert any("states no fabric" in " ".join(one.reasons) for one in several)
