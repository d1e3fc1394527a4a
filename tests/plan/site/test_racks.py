"""Every rack keeps its limits, nothing is lost, nothing overlaps, and what finds no place says why."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.plan.site.bill import BillLine
from aigc_bench.plan.site.racks import Layout, RackLimits, lay_out


def node(key: str = "node", **values: object) -> BillLine:
    defaults: dict[str, object] = {"rack_units": 8, "peak_w": 10_000.0, "heat_w": 11_000.0, "weight_kg": 130.0, "count": 1}
    return BillLine.model_validate({"key": key, "name": key, "category": "node", "source": "a test", **defaults, **values})


def switch(**values: object) -> BillLine:
    return node(
        "leaf", **{"category": "switch", "rack_units": 1, "peak_w": 1_700.0, "heat_w": 1_700.0, "weight_kg": 15.0, **values}
    )


LINES = st.builds(
    node,
    key=st.sampled_from(["a", "b", "c"]),
    rack_units=st.sampled_from([1, 2, 4, 8, 10]),
    peak_w=st.floats(100, 15_000),
    heat_w=st.floats(100, 15_000),
    weight_kg=st.none() | st.floats(5, 300),
    count=st.integers(0, 60),
    cooling=st.sampled_from(["air", "direct_liquid"]),
)
SWITCHES = st.builds(switch, count=st.integers(0, 30))
LIMITS = st.builds(
    RackLimits,
    height_u=st.sampled_from([42, 48]),
    power_w=st.none() | st.floats(5_000, 60_000),
    cooling_w=st.none() | st.floats(5_000, 60_000),
    load_kg=st.none() | st.floats(100, 1_500),
    floor_kg=st.none() | st.floats(300, 2_000),
    empty_kg=st.floats(0, 200),
    max_racks=st.none() | st.integers(0, 20),
)


@given(st.lists(LINES, max_size=3, unique_by=lambda line: line.key), SWITCHES, LIMITS)
def test_every_rack_keeps_its_limits(lines: list[BillLine], leaf: BillLine, limits: RackLimits) -> None:
    layout = lay_out([*lines, leaf], limits=limits)
    for rack in layout.racks:
        assert rack.used_u <= limits.height_u - limits.reserved_u
        assert rack.peak_w <= (limits.power_w or float("inf")) * (1 + 1e-6)
        assert rack.heat_w <= (limits.cooling_w or float("inf")) * (1 + 1e-6)
        assert rack.weight_kg <= (limits.floor_kg or float("inf")) * (1 + 1e-6)
    assert len(layout.racks) <= (len(layout.racks) if limits.max_racks is None else limits.max_racks)


@given(st.lists(LINES, max_size=3, unique_by=lambda line: line.key), SWITCHES, LIMITS)
def test_nothing_is_lost_and_nothing_overlaps(lines: list[BillLine], leaf: BillLine, limits: RackLimits) -> None:
    layout = lay_out([*lines, leaf], limits=limits)
    stands = Counter(position.key for rack in layout.racks for position in rack.positions)
    for line in [*lines, leaf]:
        assert stands[line.key] + sum(left.count for left in layout.unplaced if left.key == line.key) == line.count
    for rack in layout.racks:
        filled = [unit for position in rack.positions for unit in range(position.bottom_u, position.bottom_u + position.height_u)]
        assert len(filled) == len(set(filled)) == rack.used_u
        assert all(1 <= unit <= rack.height_u for unit in filled)


@given(st.integers(0, 200), st.integers(0, 200), st.floats(12_000, 60_000))
def test_more_nodes_or_less_power_never_need_fewer_racks(first: int, second: int, power_w: float) -> None:
    def racks(count: int, watts: float) -> int:
        return len(lay_out([node(count=count)], limits=RackLimits(power_w=watts)).racks)

    assert racks(min(first, second), power_w) <= racks(max(first, second), power_w)
    assert racks(first, power_w) <= racks(first, power_w * 0.9)


def test_four_dgx_fill_a_rack_of_forty_five_kilowatts() -> None:
    layout = lay_out([node(count=8)], limits=RackLimits(cooling_w=45_000, power_w=45_000))
    assert [len(rack.positions) for rack in layout.racks] == [4, 4]


def test_a_switch_stands_at_the_top_of_each_rack_in_turn() -> None:
    layout = lay_out([node(count=4), switch(count=3)], limits=RackLimits(power_w=25_000))
    tops = [[position.bottom_u for position in rack.positions if position.key == "leaf"] for rack in layout.racks]
    assert tops == [[45, 46], [46]]


def only(layout: Layout) -> tuple[str | None, str]:
    assert not layout.racks
    (left,) = layout.unplaced
    return left.limit, left.reason


@pytest.mark.parametrize(
    ("limits", "limit", "reason"),
    [
        ({"power_w": 8_000}, "power", "one needs 10,000 W, an empty rack offers 8,000"),
        ({"cooling_w": 10_500}, "cooling", "one needs 11,000 W of heat, an empty rack offers 10,500"),
        ({"load_kg": 100}, "weight", "one needs 130 kg, an empty rack offers 100"),
        ({"floor_kg": 200, "empty_kg": 100}, "floor", "one needs 230 kg with its rack, an empty rack offers 200"),
        ({"height_u": 9}, "height", "one needs 8 U, an empty rack offers 7"),
        ({"max_racks": 0}, "racks", "the site's 0 racks are full"),
    ],
)
def test_what_cannot_be_placed_names_the_limit_that_forbids_it(limits: dict[str, float], limit: str | None, reason: str) -> None:
    assert only(lay_out([node()], limits=RackLimits.model_validate(limits))) == (limit, reason)


def test_more_of_a_kind_than_any_room_holds_is_reported_and_not_laid_out() -> None:
    for line in (node(count=20_000), switch(count=10_000_000), node(count=10**9, rack_units=None)):
        layout = lay_out([line], limits=RackLimits())
        assert (layout.racks, [left.limit for left in layout.unplaced]) == ((), ["racks"])
        assert layout.unplaced[0].reason == "one room holds at most 10,000 of a kind"


def test_equipment_of_unknown_height_is_not_placed() -> None:
    assert only(lay_out([node(rack_units=None)], limits=RackLimits())) == (None, "its height is not in the catalogue")


def test_unknown_weight_is_reported_and_not_taken_as_zero() -> None:
    layout = lay_out([node(weight_kg=None)], limits=RackLimits(floor_kg=500))
    assert layout.notes == ("weight not in the catalogue, left out of the floor load: node",)


def test_a_product_that_is_a_rack_stands_alone_under_its_own_cooling_limit() -> None:
    big = node("nvl72", rack_units=48, peak_w=132_000, heat_w=132_000, weight_kg=1360, count=2, cooling="direct_liquid")
    limits = RackLimits(height_u=42, cooling_w=120_000, own_rack_cooling_w=150_000, load_kg=1000, floor_kg=2_600, empty_kg=150)
    layout = lay_out([big], limits=limits)
    assert [(rack.height_u, rack.weight_kg) for rack in layout.racks] == [(48, 1360), (48, 1360)]


def test_servers_of_two_cooling_methods_share_no_rack() -> None:
    layout = lay_out([node("dry"), node("wet", cooling="direct_liquid")], limits=RackLimits())
    assert [rack.cooling for rack in layout.racks] == ["air", "direct_liquid"]
