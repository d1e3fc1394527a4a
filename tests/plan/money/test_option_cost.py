"""What an option costs by hand: bought and rented, a year and a unit, and its carbon."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.plan.money.instances import PaidInstances
from aigc_bench.plan.money.offers import Offer
from aigc_bench.plan.money.option_cost import carbon, energy_kwh_per_year, mean_power_w, money, per_unit, rented, shares
from aigc_bench.plan.money.ownership import annuities, annuity, annuity_factor
from aigc_bench.plan.records.machine import Load
from aigc_bench.plan.stats.estimates import estimate
from tests.plan.build import exact, make_demand, make_machine, make_site

HOURS = 365.25 * 24
DEMAND = make_demand()


def load(name: str, *, mean: float, items: float, low: float | None = None) -> Load:
    return Load(
        name=name,
        case=name,
        item="token",
        rate_items_per_s=exact(1.0, "tokens/s"),
        busy_machines=exact(2 * mean, "machines"),
        mean_machines=exact(mean, "machines"),
        items_per_year=estimate(items, low=low, unit="tokens/year", basis="assumed"),
    )


LOADS = (load("chat", mean=1.5, items=3e6), load("books", mean=0.5, items=2e6))
"""Two of four servers are busy in the mean: each draws 0.2 + 0.5 x 0.8 kW."""
MEAN_W = 4 * 600.0


def test_a_server_draws_its_idle_power_and_its_share_of_the_rest() -> None:
    half = estimate(0.5, low=0.25, high=1.0, unit="fraction", basis="measured")
    found = mean_power_w(make_machine(), utilisation=half)
    assert (found.low, found.value, found.high, found.unit) == (400.0, 600.0, 1000.0, "W")
    odd = make_machine(full_power_w=exact(100.0, "W"))
    assert mean_power_w(odd, utilisation=half).value == 200.0, "never less than idle"


def test_energy_is_of_servers_and_what_stands_beside_them() -> None:
    alone = energy_kwh_per_year(LOADS, num_servers=4, machine=make_machine())
    assert (alone.value, alone.unit) == (pytest.approx(MEAN_W / 1000 * HOURS), "kWh/year")
    more = energy_kwh_per_year(LOADS, num_servers=4, machine=make_machine(), other_w=exact(100.0, "W"))
    assert more.value == pytest.approx((MEAN_W + 100) / 1000 * HOURS)


def test_a_fleet_that_is_bought_pays_hardware_power_and_space() -> None:
    """$40,000 over three years at 8 % with 30 % left; PUE 1.5 at $0.2; 4.8 kW of space at $200; a tenth more of it all."""
    found = money(LOADS, num_servers=4, machine=make_machine(), site=DEMAND.site, finance=DEMAND.finance, is_colocated=True)
    hardware = annuity(40_000, rate=0.08, years=3, residual=12_000)
    kwh = MEAN_W / 1000 * HOURS
    by_hand = {"hardware": hardware, "electricity": kwh * 0.2, "cooling": kwh * 0.5 * 0.2, "space": 4.8 * 200 * 12}
    by_hand["adders"] = 0.1 * sum(by_hand.values())
    lines = {line.key: line.usd_per_year.value for line in found.lines}
    assert lines == {key: pytest.approx(value) for key, value in by_hand.items()}
    running = sum(by_hand.values()) - hardware
    assert found.capex_usd.value == 40_000 and found.opex_usd_per_year.value == pytest.approx(running)
    assert found.tco_usd.value == pytest.approx(40_000 * 0.7 + 3 * running)
    whole = hardware + running
    assert {name: (one.value, one.unit) for name, one in found.usd_per_unit.items()} == {
        "chat": (pytest.approx(whole * 0.75 / 3e6), "usd/token"),
        "books": (pytest.approx(whole * 0.25 / 2e6), "usd/token"),
    }


RENT = Offer(
    kind="cloud", term="on_demand", name="a cloud", accelerator="x", num_accelerators=8, price=exact(2.0, "usd/accelerator-h"),
    unit="usd/accelerator-h",
)  # fmt: skip


def paid(count: float) -> PaidInstances:
    return PaidInstances(mean=exact(count, "instances"), by_year=(exact(count, "instances"),), years=(1.0,))


def test_a_fleet_that_is_rented_pays_by_the_hour_and_owns_nothing() -> None:
    machine = make_machine(machines_per_server=exact(8.0, "machines/server"))
    found = rented(LOADS, RENT, instances=paid(1.5), machine=machine, finance=DEMAND.finance, num_servers=2)
    rent = 1.5 * 8 * 2.0 * HOURS
    assert [line.key for line in found.lines] == ["rent"]
    assert found.lines[0].usd_per_year.value == pytest.approx(rent)
    assert {name: one.value for name, one in found.lines[0].inputs.items()} == {
        "instances at work": 1.5,
        "accelerators of an instance": 8.0,
        "rent of an accelerator": 2.0,
    }
    assert (found.capex_usd.value, found.opex_usd_per_year.value) == (0.0, pytest.approx(rent))
    assert (found.tco_usd.value, found.tco_usd.unit) == (pytest.approx(3 * rent), "usd")
    assert found.usd_per_unit["chat"].value == pytest.approx(rent * 0.75 / 3e6)


@pytest.mark.parametrize("changes", [{"price": None}, {"term": "purchase"}])
def test_only_rents_with_a_price_are_rented(changes: dict[str, object]) -> None:
    with pytest.raises(AssertionError, match="only rents with a price"):
        rented(
            LOADS,
            RENT.model_copy(update=changes),
            instances=paid(1.0),
            machine=make_machine(),
            finance=DEMAND.finance,
            num_servers=1,
        )


def test_costs_are_shared_by_busy_time_and_a_load_of_perhaps_nothing_has_no_price() -> None:
    assert shares(LOADS) == {"chat": 0.75, "books": 0.25}
    assert shares(()) == {} and shares((load("idle", mean=0.0, items=1.0),)) == {}
    maybe = load("maybe", mean=2.0, items=5.0, low=0.0)
    assert set(per_unit(exact(8.0, "usd/year"), (*LOADS, maybe), unit="usd")) == {"chat", "books"}


def test_carbon_is_of_running_and_of_making() -> None:
    """Grid of 400 g/kWh behind a PUE of 1.5; four servers of 1,000 kg that live three years."""
    found = carbon(LOADS, num_servers=4, machine=make_machine(), site=make_site(), finance=DEMAND.finance)
    kwh = MEAN_W / 1000 * HOURS
    running = kwh * 1.5 * 0.4
    assert found.energy_kwh_per_year.value == pytest.approx(kwh)
    assert (found.carbon_kg.value, found.carbon_kg.unit) == (pytest.approx(3 * running + 4000), "kgCO2e")
    chat = found.carbon_kg_per_unit["chat"]
    assert (chat.value, chat.unit) == (pytest.approx((running + 4000 / 3) * 0.75 / 3e6), "kgCO2e/token")


@given(st.lists(st.tuples(st.floats(1, 1e7), st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=9), st.floats(0.5, 12))
def test_annuities_of_many_worlds_are_those_of_each(worlds: list[tuple[float, float, float]], years: float) -> None:
    capital, rate, residual = (np.array(column) for column in zip(*worlds, strict=True))
    found = annuities(capital, rate, residual, years=years)
    each = [annuity(c, rate=r, years=years, residual=s * c) for c, r, s in zip(capital, rate, residual, strict=True)]
    assert found == pytest.approx(each, rel=1e-6, abs=1e-6)


def test_a_rate_too_small_for_one_less_it_is_a_plain_spread() -> None:
    rates = np.array([0.0, 5e-324, 1e-300, 1e-18, 1e-17, 1e-16, 1e-12])
    found = annuities(np.full(7, 12_000.0), rates, np.zeros(7), years=4)
    assert found == pytest.approx(np.full(7, 3_000.0))


def test_an_annuity_at_a_rate_of_one_is_no_plain_spread() -> None:
    assert annuity_factor(1.0, years=1) == pytest.approx(2.0)
    assert annuity_factor(1.0, years=2) == pytest.approx(4 / 3)
    for years, rate in ((0.0, 0.1), (-1.0, 0.1), (1.0, -1.0)):
        with pytest.raises(AssertionError):
            annuity_factor(rate, years=years)
