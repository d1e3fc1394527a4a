"""Machines at desks: how many, and what an outlet carries."""

from __future__ import annotations

import pytest

from aigc_bench.plan.placement.desks import at_desks, circuit_question, why_not_racked
from aigc_bench.plan.records.machine import Machine
from tests.plan.build import exact, make_machine, make_site


def tower(watts: float, *, needs_rack: bool = False) -> Machine:
    return make_machine(peak_power_w=exact(watts, "W"), design_heat_w=exact(watts, "W"), needs_rack=needs_rack)


@pytest.mark.parametrize(
    ("watts", "number", "expected"),
    [(900.0, 1, True), (900.0, 3, True), (900.0, 4, False), (400.0, 4, True), (400.0, 5, False), (3_200.0, 1, False)],
)
def test_a_few_towers_stand_at_desks_while_outlets_and_air_take_them(watts: float, number: int, expected: bool) -> None:
    assert at_desks(tower(watts), make_site(), num_servers=number) == expected


def test_what_needs_a_rack_or_a_demand_that_asks_for_a_server_room_gets_one() -> None:
    assert not at_desks(tower(900.0, needs_rack=True), make_site(), num_servers=1)
    assert not at_desks(tower(900.0), make_site(has_server_room=True), num_servers=1)


@pytest.mark.parametrize(
    ("region", "watts", "asks"),
    [("us-oregon", 1_900.0, True), ("aws-us-east-1", 1_900.0, True), ("us-oregon", 900.0, False), ("germany", 1_900.0, False)],
)
def test_a_tower_that_draws_more_than_an_outlet_of_120_volts_asks_for_a_circuit(
    region: str | None, watts: float, asks: bool
) -> None:
    assert (circuit_question(tower(watts), make_site(region=region)) is not None) == asks


@pytest.mark.parametrize(
    ("number", "is_at_desks", "is_consumer", "needs_rack", "words"),
    [
        (2, False, False, False, None),
        (3, False, False, False, "3 towers on shelves"),
        (4, True, False, False, None),
        (5, False, False, True, None),
        (1, True, True, False, None),
        (1, False, True, True, "consumer card"),
    ],
)
def test_more_than_two_towers_in_a_rack_and_consumer_cards_in_a_server_room_are_not_what_one_buys(
    number: int, is_at_desks: bool, is_consumer: bool, needs_rack: bool, words: str | None
) -> None:
    machine = tower(900.0, needs_rack=needs_rack).model_copy(update={"accelerator": "a_card"})
    found = why_not_racked(machine, num_servers=number, is_at_desks=is_at_desks, is_consumer=is_consumer, named=())
    assert (found is None) == (words is None) and (words or "") in (found or "")
    assert why_not_racked(machine, num_servers=9, is_at_desks=False, is_consumer=True, named=("a_card",)) is None
