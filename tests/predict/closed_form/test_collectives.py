"""Collectives."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.predict.closed_form.collectives import collective_s

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
