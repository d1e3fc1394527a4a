"""A whole option worked out: by plain arithmetic, over drawn worlds, and what may never make it cheaper."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.core.errors import UnknownNameError
from aigc_bench.core.records import Estimate
from aigc_bench.plan.interval import estimate
from aigc_bench.plan.money.ways import Call
from aigc_bench.plan.supply import Supply, SupplyNeed, work_out

CATALOGUE = load_catalogue(with_user_files=False)
TODAY = date(2026, 11, 25)
HOURS = 365.25 * 24


def about(value: float, *, spread: float = 0.1, unit: str) -> Estimate:
    return estimate(value, low=value / (1 + spread), high=value * (1 + spread), unit=unit, basis="modelled", source="a test")


def option(**values: object) -> Supply:
    need = {
        "server": "dgx_h100",
        "room": {"num_servers": 4, "room": "rear_door", "peak_w": 8_400.0},
        "mean_w": about(6_000.0, unit="W"),
        "idle_w": about(2_300.0, unit="W"),
        "utilisation": about(0.5, unit="fraction"),
        "units_per_year": {"token": about(2e12, unit="tokens/year")},
        "region": "de",
        "budget_usd": 3.5e6,
        "calls": (Call(name="api", usd_per_unit=about(2e-6, unit="usd/token"), units_per_year=about(2e12, unit="tokens/year")),),
    }
    return work_out(SupplyNeed.model_validate({**need, **values}), catalogue=CATALOGUE, on=TODAY)


FOUND = option()


def test_the_lines_of_a_year_add_up_to_its_cost_by_hand() -> None:
    beside_w = FOUND.room.it_peak_w - 4 * 8_400
    kwh = (4 * 6_000 + 0.6 * beside_w) / 1000 * HOURS
    tariff = CATALOGUE.electricity_price("de").value
    lines = {line.key: line.usd_per_year.value for line in FOUND.ownership.lines}
    capex = FOUND.room.bill.capex_usd.value
    assert lines["electricity"] == pytest.approx(kwh * tariff)
    assert lines["cooling"] == pytest.approx(kwh * 0.275 * tariff)
    assert lines["demand_charge"] == pytest.approx(FOUND.room.it_peak_w / 1000 * 1.275 * 12 * 12)
    assert lines["hardware"] == pytest.approx((capex - 0.3 * capex / 1.08**3) * 0.08 / (1 - 1.08**-3))
    assert FOUND.ownership.total_usd_per_year.value == pytest.approx(sum(lines.values()))
    assert FOUND.usd_per_unit["token"].value == pytest.approx(sum(lines.values()) / 2e12)
    assert FOUND.usd_per_accelerator_h is not None
    assert FOUND.usd_per_accelerator_h.value == pytest.approx(sum(lines.values()) / (32 * HOURS * 0.5))


def test_the_footprint_follows_from_the_same_energy() -> None:
    kwh = FOUND.use.it_kwh_per_year.value
    grid = CATALOGUE.grid_intensity("de").value
    assert FOUND.footprint.operation_kg_per_year.value == pytest.approx(kwh * 1.275 * grid / 1000)
    assert FOUND.footprint.making_kg.value == pytest.approx(4 * 4_700)
    assert FOUND.kg_per_unit["token"].value == pytest.approx(FOUND.footprint.total_kg_per_year.value / 2e12)


def test_every_way_and_break_even_is_told() -> None:
    assert {way.name for way in FOUND.ways} == {"owned", "cloud, on demand", "cloud, spot", "cloud, reserved 1y", "api"}
    assert sum(way.p_cheapest for way in FOUND.ways) == pytest.approx(1.0)
    assert [even.against for even in FOUND.break_even] == ["cloud, on demand", "cloud, spot", "cloud, reserved 1y"]
    on_demand = FOUND.break_even[0]
    assert on_demand.at is not None and 0.1 < on_demand.at.value < 1
    assert FOUND.p_budget is not None and 0 < FOUND.p_budget <= 1
    assert FOUND.tco_usd.low < FOUND.tco_usd.value < FOUND.tco_usd.high


def test_the_same_inputs_make_the_same_bytes() -> None:
    assert option().model_dump_json() == FOUND.model_dump_json()


def test_a_later_day_makes_prices_less_certain_but_not_different() -> None:
    need = SupplyNeed.model_validate(
        {
            "server": "dgx_h100",
            "room": {"num_servers": 1, "room": "air"},
            "mean_w": about(6_000.0, unit="W"),
            "idle_w": about(2_300.0, unit="W"),
            "utilisation": about(0.5, unit="fraction"),
        }
    )
    now, later = (work_out(need, catalogue=CATALOGUE, on=day).room.bill.capex_usd for day in (TODAY, date(2028, 11, 25)))
    assert now.value == later.value
    assert later.low < now.low and later.high > now.high


def test_no_servers_cost_nothing_and_divide_by_nothing() -> None:
    found = option(room={"num_servers": 0, "room": "air"}, units_per_year={})
    assert found.ownership.total_usd_per_year.value == 0
    assert (found.usd_per_accelerator_h, found.break_even, dict(found.usd_per_unit)) == (None, (), {})


def test_a_server_without_accelerators_is_only_bought() -> None:
    found = option(server="cpu_2u", room={"num_servers": 10, "room": "air"}, calls=())
    assert [way.name for way in found.ways] == ["owned"]
    assert found.offers == ()


def test_an_unknown_server_or_region_gets_the_nearest_names() -> None:
    with pytest.raises(UnknownNameError, match="dgx_h100"):
        option(server="dgx_h10")
    with pytest.raises(UnknownNameError, match="germany"):
        option(region="germani")


@pytest.mark.parametrize("server", sorted(CATALOGUE.servers))
def test_every_server_of_the_catalogue_can_be_worked_out(server: str) -> None:
    room = {"air": "air", "direct_liquid": "direct_liquid"}[CATALOGUE.servers[server].cooling]
    found = option(server=server, room={"num_servers": 2, "room": room}, calls=())
    assert found.ownership.total_usd_per_year.value > 0
    assert len(found.room.bill.unpriced) == (CATALOGUE.servers[server].price is None) + sum(
        line.category == "cable" and line.unit_usd is None for line in found.room.bill.lines
    )


@settings(max_examples=25)
@given(st.integers(1, 60), st.integers(0, 60), st.sampled_from([1.0, 1.2, 1.7]))
def test_more_servers_or_a_worse_pue_never_cost_or_emit_less(number: int, more: int, factor: float) -> None:
    def at(count: int, pue: float) -> Supply:
        return option(
            room={"num_servers": count, "room": "rear_door", "peak_w": 8_400.0}, pue=about(pue, unit="ratio", spread=0.02), calls=()
        )

    base, larger, worse = at(number, 1.2), at(number + more, 1.2), at(number, 1.2 * factor)
    for other in (larger, worse):
        assert other.ownership.total_usd_per_year.value >= base.ownership.total_usd_per_year.value * (1 - 1e-9)
        assert other.footprint.total_kg.value >= base.footprint.total_kg.value * (1 - 1e-9)
        assert other.chain.utility_peak_w.value >= base.chain.utility_peak_w.value * (1 - 1e-9)
