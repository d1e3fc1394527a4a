"""The chain from accelerator to utility, redundancy, feeds and power limits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.plan.interval import estimate
from aigc_bench.plan.site.power_cap import cap_curve, more_in_the_same_power, thriftiest
from aigc_bench.plan.site.power_chain import (
    HOURS_PER_YEAR,
    PowerChain,
    Redundancy,
    feed_w,
    feeds_for,
    installed_share,
    node_power_w,
    power_chain,
)

CATALOGUE = load_catalogue(with_user_files=False)
CAPS = CATALOGUE.power_caps.values()


def chain(peak_w: float, mean_w: float, redundancy: Redundancy = "N+1") -> PowerChain:
    return power_chain(
        it_peak_w=estimate(peak_w, unit="W", basis="measured"),
        it_mean_w=estimate(mean_w, unit="W", basis="measured"),
        pue=CATALOGUE.pue("air"),
        ups_efficiency=CATALOGUE.constant("ups_efficiency"),
        distribution_efficiency=CATALOGUE.constant("distribution_efficiency"),
        redundancy=redundancy,
    )


def test_the_peak_is_provisioned_and_the_mean_is_billed() -> None:
    found = chain(400_000, 250_000)
    assert found.utility_peak_w.value == pytest.approx(400_000 * 1.52)
    assert found.billed_kwh_per_year.value == pytest.approx(250 * HOURS_PER_YEAR * 1.52)
    assert found.ups_load_w.value == pytest.approx(400_000 / 0.98)
    assert found.ups_input_w.value == pytest.approx(400_000 / 0.98 / 0.95)
    assert found.ups_modules == 2
    assert found.ups_installed_w.value == pytest.approx(400_000 / 0.98 * 1.5)


@pytest.mark.parametrize(("redundancy", "share"), [("N", 1.0), ("N+1", 1.25), ("4N/3", 4 / 3), ("3N/2", 1.5), ("2N", 2.0)])
def test_redundancy_installs_its_share(redundancy: Redundancy, share: float) -> None:
    assert installed_share(redundancy, modules=4) == pytest.approx(share)


def test_a_node_is_its_accelerators_and_the_rest_over_the_supplies() -> None:
    one = node_power_w(
        estimate(700.0, unit="W", basis="measured"),
        count=8,
        rest_w=CATALOGUE.constant("node_non_gpu_power_w"),
        psu_efficiency=CATALOGUE.constant("psu_efficiency"),
    )
    assert one.value == pytest.approx((8 * 700 + 2000) / 0.94)


def test_a_feed_carries_what_planning_catalogues_print() -> None:
    assert feed_w(volts=415, amperes=32, continuous_share=0.8) == pytest.approx(
        CATALOGUE.power["pdu_3ph_32a"].estimate().value, rel=0.01
    )
    assert feed_w(volts=415, amperes=60, continuous_share=0.8) == pytest.approx(
        CATALOGUE.power["pdu_3ph_60a"].estimate().value, rel=0.01
    )


def test_two_paths_carry_a_rack_each() -> None:
    feeds = feeds_for(40_800, feed_w=34_500)
    assert (feeds.per_path, feeds.total) == (2, 4)
    assert feeds_for(0.0, feed_w=34_500, is_dual=False).total == 1


@given(st.floats(0, 1e8), st.floats(0, 1))
def test_losses_only_ever_add(peak_w: float, mean_share: float) -> None:
    found = chain(peak_w, peak_w * mean_share)
    assert found.it_peak_w.value <= found.ups_load_w.value <= found.ups_input_w.value
    assert found.ups_installed_w.value >= found.ups_load_w.value
    assert found.billed_kwh_per_year.value >= found.it_kwh_per_year.value


def test_a_published_sweep_is_read_off_for_its_own_card() -> None:
    curve = cap_curve("a40", default_limit_w=300, work="training", limits_w=(150, 162.5, 200, 300), caps=CAPS)
    assert [point.limit_w for point in curve] == [150, 162.5, 200, 300]
    assert [point.throughput.value for point in curve] == pytest.approx([0.679, (0.679 + 0.847) / 2, 0.934, 1.0])
    assert {point.throughput.basis for point in curve} == {"datasheet"}


def test_a_card_that_nobody_swept_gets_the_envelope_of_the_others() -> None:
    (point,) = cap_curve("h100_sxm_80gb", default_limit_w=700, work="training", limits_w=(490,), caps=CAPS)
    assert point.throughput.basis == "modelled"
    assert "other accelerators" in (point.throughput.source or "")
    assert point.throughput.low < 0.9 < point.throughput.value < 1


def test_below_the_published_limits_nothing_is_said() -> None:
    assert cap_curve("a40", default_limit_w=300, work="training", limits_w=(50, 400), caps=CAPS) == ()
    assert cap_curve("a40", default_limit_w=300, work="training", limits_w=(200,), caps=()) == ()


def test_some_limit_below_the_default_saves_energy_a_unit() -> None:
    curve = cap_curve("a40", default_limit_w=300, work="training", limits_w=range(100, 301, 25), caps=CAPS)
    best = thriftiest(curve)
    assert best is not None and best.joules_per_unit is not None
    assert 150 < best.limit_w < 300
    assert best.joules_per_unit < 0.9
    assert (more_in_the_same_power(best, rest_share=0.3) or 0) > 1


def test_without_published_draw_no_limit_is_called_thrifty() -> None:
    curve = cap_curve("rtx_3090", default_limit_w=350, work="decode", limits_w=(250, 350), caps=CAPS)
    assert thriftiest(curve) is None
    assert more_in_the_same_power(curve[0], rest_share=0.3) is None


@given(st.sampled_from(["training", "prefill", "decode"]), st.lists(st.floats(50, 350), min_size=2, max_size=8))
def test_a_higher_limit_never_lowers_throughput(work: str, limits_w: list[float]) -> None:
    accelerator = "a40" if work == "training" else "rtx_3090"
    default = 300 if work == "training" else 350
    curve = cap_curve(accelerator, default_limit_w=default, work=work, limits_w=limits_w, caps=CAPS)  # type: ignore[arg-type]
    values = [point.throughput.value for point in curve]
    assert values == sorted(values)
