"""Watts at the wall of planned servers: those of ``validate``'s server model."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.plan.hardware.wall_watts import at_the_wall, wall_share_w
from aigc_bench.plan.stats.estimates import estimate

CATALOGUE = load_catalogue(with_user_files=False)
PARTS = ("h100_sxm_80gb", "b200_sxm_180gb", "mi355x", "l40s", "l4", "rtx_5090", "rtx_pro_6000_bw_ws", "gb10_dgx_spark")


@pytest.mark.parametrize(
    ("name", "watts", "least", "most"),
    [
        # MLPerf Inference v5.1 power: 8 x H100 at 8.4 kW, 8 x B200 at 9.0 to 10.4 kW; the model is 9 % off in the median.
        ("h100_sxm_80gb", 700.0, 7_000, 8_500),
        ("b200_sxm_180gb", 1000.0, 9_000, 10_900),
    ],
)
def test_a_loaded_server_draws_what_power_logs_show(name: str, watts: float, least: float, most: float) -> None:
    wall = at_the_wall(estimate(watts, unit="W", basis="datasheet", source="TDP"), CATALOGUE.accelerator(name), count=8)
    assert least < wall.value < most
    assert wall.low < wall.value < wall.high < most * 1.1


@given(name=st.sampled_from(PARTS), watts=st.floats(10, 1500), more=st.floats(0, 500), count=st.integers(1, 8))
def test_more_watts_of_a_board_are_more_at_the_wall_and_no_less_than_the_boards(
    name: str, watts: float, more: float, count: int
) -> None:
    spec = CATALOGUE.accelerator(name)
    less, full = (
        at_the_wall(estimate(each, unit="W", basis="datasheet", source="s"), spec, count=count) for each in (watts, watts + more)
    )
    idle = at_the_wall(estimate(watts, unit="W", basis="datasheet", source="s"), spec, count=count, is_idle=True)
    assert count * watts < idle.value <= less.value <= full.value


def test_the_search_counts_the_watts_that_the_option_pays_for() -> None:
    import numpy as np

    spec = CATALOGUE.accelerator("h100_sxm_80gb")
    whole = at_the_wall(estimate(500.0, unit="W", basis="datasheet", source="s"), spec, count=8).value
    assert 8 * wall_share_w(np.array([500.0]), spec, count=8)[0] == pytest.approx(whole)
