"""The chain from accelerator to utility, redundancy, feeds and power limits."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.plan.site.power_cap import cap_curve
from aigc_bench.plan.site.power_chain import (
    Redundancy,
    feeds_for,
    installed_share,
)

CATALOGUE = load_catalogue(with_user_files=False)
CAPS = CATALOGUE.power_caps.values()


@pytest.mark.parametrize(("redundancy", "share"), [("N", 1.0), ("N+1", 1.25), ("4N/3", 4 / 3), ("3N/2", 1.5), ("2N", 2.0)])
def test_redundancy_installs_its_share(redundancy: Redundancy, share: float) -> None:
    assert installed_share(redundancy, modules=4) == pytest.approx(share)


def test_two_paths_carry_a_rack_each() -> None:
    feeds = feeds_for(40_800, feed_w=34_500)
    assert (feeds.per_path, feeds.total) == (2, 4)
    assert feeds_for(0.0, feed_w=34_500, is_dual=False).total == 1


def test_a_published_sweep_is_read_off_for_its_own_card() -> None:
    curve = cap_curve("a40", default_limit_w=300, work="training", limits_w=(150, 162.5, 200, 300), caps=CAPS)
    assert [point.limit_w for point in curve] == [150, 162.5, 200, 300]
    assert [point.throughput.value for point in curve] == pytest.approx([0.679, (0.679 + 0.847) / 2, 0.934, 1.0])
    assert {point.throughput.basis for point in curve} == {"datasheet"}


def test_a_card_without_a_published_sweep_gets_the_envelope_of_the_others() -> None:
    (point,) = cap_curve("h100_sxm_80gb", default_limit_w=700, work="training", limits_w=(490,), caps=CAPS)
    assert point.throughput.basis == "modelled"
    assert "other accelerators" in (point.throughput.source or "")
    assert point.throughput.low < 0.9 < point.throughput.value < 1


def test_below_the_published_limits_nothing_is_said() -> None:
    assert cap_curve("a40", default_limit_w=300, work="training", limits_w=(50, 400), caps=CAPS) == ()
    assert cap_curve("a40", default_limit_w=300, work="training", limits_w=(200,), caps=()) == ()


@given(st.sampled_from(["training", "prefill", "decode"]), st.lists(st.floats(50, 350), min_size=2, max_size=8))
def test_a_higher_limit_never_lowers_throughput(work: str, limits_w: list[float]) -> None:
    accelerator = "a40" if work == "training" else "rtx_3090"
    default = 300 if work == "training" else 350
    curve = cap_curve(accelerator, default_limit_w=default, work=work, limits_w=limits_w, caps=CAPS)  # type: ignore[arg-type]
    values = [point.throughput.value for point in curve]
    assert values == sorted(values)


def test_a_feed_carries_what_planning_catalogues_print() -> None:
    """sqrt(3) x 415 V x A x 0.8, at unity power factor."""
    for amperes in (32, 60):
        row = CATALOGUE.power[f"pdu_3ph_{amperes}a"].estimate()
        assert math.sqrt(3) * 415 * amperes * 0.8 == pytest.approx(row.value, rel=0.01)
