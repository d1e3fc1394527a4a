"""Switches and storage draw power and give away heat where they stand: in the fullest rack, in the year, in the site's limit."""

from __future__ import annotations

import pytest

from aigc_bench.plan.factors._racked import OTHER_EQUIPMENT, SERVERS
from aigc_bench.plan.money.option_cost import energy_kwh_per_year
from aigc_bench.plan.placement.rack_fill import fullest_of
from aigc_bench.plan.placement.room_around import other_mean_w, other_peak_w
from aigc_bench.plan.records.plan import Option
from tests.plan.build import exact, make_machine, make_rules
from tests.plan.demands import plan_of, text_of

HOURS = 365.25 * 24


def bought(rest: str = "", *, amount: float = 200.0, kinds: tuple[str, ...] = ("owned", "colocated")) -> list[Option]:
    plan = plan_of(text_of("chat", amount=amount, rest=rest), accelerators=("h100_sxm_80gb",))
    return [one for one in plan.options if one.kind in kinds and one.room is not None]


def test_the_fullest_rack_is_the_one_of_the_layout_that_draws_most() -> None:
    for option in bought():
        assert option.room is not None and option.machine is not None
        for factor, watts, one in (("power", "peak_w", "peak_power_w"), ("cooling", "heat_w", "design_heat_w")):
            found, of_one = option.factors[factor], getattr(option.machine, one)
            assert found.required is not None
            most = max(getattr(rack, watts) for rack in option.room.layout.racks)
            assert found.required.value == pytest.approx(most)
            beside = found.inputs[OTHER_EQUIPMENT].value if OTHER_EQUIPMENT in found.inputs else 0.0
            assert found.required.value == pytest.approx(found.inputs[SERVERS].value * of_one.value + beside)


def test_energy_and_electricity_include_switches_and_storage() -> None:
    for option in bought(amount=2000.0):
        assert option.room is not None and option.machine is not None and option.energy_kwh_per_year is not None
        servers = energy_kwh_per_year(option.loads, num_servers=option.num_servers, machine=option.machine)
        beside_kwh = 0.6 * other_peak_w(option.room).value / 1000 * HOURS
        assert beside_kwh > 100
        assert option.energy_kwh_per_year.value == pytest.approx(servers.value + beside_kwh)
        line = next(one for one in option.costs if one.key == "electricity")
        assert line.inputs["energy of the IT"].value == pytest.approx(option.energy_kwh_per_year.value)


def test_the_power_for_it_is_shared_by_servers_switches_and_storage() -> None:
    option = bought("[constraints]\nconfidence = 0\n", amount=2000.0, kinds=("owned",))[0]
    assert option.room is not None and option.machine is not None
    servers_kw = option.num_servers * option.machine.peak_power_w.value / 1000
    all_kw = servers_kw + other_peak_w(option.room).value / 1000
    between = bought(
        f"[site]\npower_kw = {(servers_kw + all_kw) / 2}\n[constraints]\nconfidence = 0\n", amount=2000.0, kinds=("owned",)
    )
    same = next(one for one in between if one.server == option.server)
    assert same.factors["power"].verdict == "short" and not same.accepted
    assert same.factors["power"].required is not None
    assert same.factors["power"].required.value == pytest.approx(
        1000 * (same.num_servers * option.machine.peak_power_w.value / 1000) + other_peak_w(same.room).value  # type: ignore[arg-type]
    )


def test_servers_without_a_room_have_no_other_equipment() -> None:
    assert other_mean_w(None, make_rules()) is None
    plain = energy_kwh_per_year((), num_servers=2, machine=make_machine())
    more = energy_kwh_per_year((), num_servers=2, machine=make_machine(), other_w=exact(100.0, "W"))
    assert more.value - plain.value == pytest.approx(0.1 * HOURS)


def test_racks_without_servers_do_not_set_the_servers_per_rack() -> None:
    option = bought("[site]\nfloor_kg_per_m2 = 100\nrack_kw = 24\n", kinds=("owned",))[0]
    assert option.room is not None and option.machine is not None
    assert fullest_of(option.room, option.machine.peak_power_w, watts="peak_w") is None
    assert option.factors["power"].required is not None
    assert option.factors["power"].required.value >= option.machine.peak_power_w.value


def test_a_power_limit_is_what_the_room_is_fed_for() -> None:
    """Feeds, racks and the factor of power all take the highest draw under the limit."""
    for option in bought():
        assert option.room is not None and option.machine is not None
        node = next(line for line in option.room.bill.lines if line.category == "node")
        assert node.peak_w == pytest.approx(option.machine.peak_power_w.value)
