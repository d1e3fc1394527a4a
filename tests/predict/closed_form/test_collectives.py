"""Collectives."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.predict.closed_form.collectives import bus_bytes_per_s, collective_s

CATALOGUE = load_catalogue(with_user_files=False)
H100, L4 = CATALOGUE.accelerator("h100_sxm_80gb"), CATALOGUE.accelerator("l4")


def all_reduce(num_bytes: float, *, spec: object = H100, devices: int = 8) -> float:
    return collective_s(num_bytes, kind="all_reduce", spec=spec, devices=devices, catalogue=CATALOGUE).value  # type: ignore[arg-type]


def test_one_device_needs_no_collective() -> None:
    assert all_reduce(1e9, devices=1) == 0


def test_a_large_all_reduce_runs_near_the_published_bus_bandwidth() -> None:
    seconds = all_reduce(1e9)
    assert 2 * 7 / 8 * 1e9 / seconds == pytest.approx(445e9, rel=0.15)


def test_a_small_one_takes_the_fixed_time() -> None:
    assert all_reduce(8) == pytest.approx(CATALOGUE.constant("all_reduce_alpha_s").value, rel=0.01)


def test_cards_without_a_link_are_much_slower() -> None:
    assert all_reduce(1e9, spec=L4) > 20 * all_reduce(1e9)


def test_gathering_moves_half_of_what_reducing_to_all_does() -> None:
    gather = collective_s(1e10, kind="all_gather", spec=H100, devices=8, catalogue=CATALOGUE).value
    assert gather == pytest.approx(all_reduce(1e10) / 2, rel=0.01)


@given(first=st.floats(1, 1e10), more=st.floats(1, 100), devices=st.sampled_from([2, 4, 8]))
def test_more_bytes_never_take_less_time_and_the_interval_holds_the_value(first: float, more: float, devices: int) -> None:
    small, large = (
        collective_s(size, kind="all_reduce", spec=H100, devices=devices, catalogue=CATALOGUE) for size in (first, first * more)
    )
    assert large.value >= small.value
    assert small.low <= small.value <= small.high


PARTS = ("h100_sxm_80gb", "a100_sxm_80gb", "mi300x", "l4", "l40s", "rtx_4090", "gb10", "gb200_186gb", "t4")


@pytest.mark.parametrize("name", PARTS)
def test_more_servers_on_the_way_are_never_faster(name: str) -> None:
    """Beyond a server the bytes pass its network cards: 16 L4 took less time than two when that link was taken for the slot's."""
    spec = CATALOGUE.accelerator(name)
    seconds = [all_reduce(5e8, spec=spec, devices=2**power) for power in range(1, 12)]
    assert seconds == sorted(seconds)


def test_between_servers_the_network_cards_bound_an_all_reduce() -> None:
    """Eight cards of 400 Gbit/s in a server: 400 GB/s, of which collectives reach nine tenths."""
    assert bus_bytes_per_s(H100, devices=16, catalogue=CATALOGUE)[1] == pytest.approx(360e9)
    assert bus_bytes_per_s(L4, devices=16, catalogue=CATALOGUE)[1] == bus_bytes_per_s(L4, devices=8, catalogue=CATALOGUE)[1]


@given(
    name=st.sampled_from(PARTS),
    size=st.floats(1, 1e11),
    devices=st.integers(2, 2048),
    slower=st.floats(0.01, 1.0),
)
def test_a_slower_link_never_makes_it_faster(name: str, size: float, devices: int, slower: float) -> None:
    spec = CATALOGUE.accelerator(name)
    worse = spec.model_copy(update={"scale_up_bytes_per_s": (spec.scale_up_bytes_per_s or 1e9) * slower})
    assert all_reduce(size, spec=worse, devices=devices) >= all_reduce(size, spec=spec, devices=devices) * (1 - 1e-12)
