"""Mean power."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.predict.roofline.device_power import mean_power_w

H100 = load_catalogue(with_user_files=False).accelerator("h100_sxm_80gb")


@given(busy=st.floats(-1, 2), cap=st.one_of(st.none(), st.floats(100, 700)))
def test_power_lies_between_idle_and_the_cap(busy: float, cap: float | None) -> None:
    found = mean_power_w(H100, busy_share=busy, cap_w=cap)
    assert found is not None
    assert 0 < found.low <= found.value <= found.high <= (cap or H100.tdp_w or 0) + 1e-9


@given(busy=st.floats(0, 1), more=st.floats(0, 1))
def test_busier_arithmetic_never_draws_less(busy: float, more: float) -> None:
    first, second = (mean_power_w(H100, busy_share=share) for share in (busy, min(1.0, busy + more)))
    assert first is not None
    assert second is not None
    assert second.value >= first.value


def test_a_device_without_a_known_limit_has_no_power() -> None:
    assert mean_power_w(H100.model_copy(update={"tdp_w": None}), busy_share=0.5) is None


@given(memory=st.floats(0, 1), more=st.floats(0, 1), busy=st.floats(0, 1))
def test_busier_memory_never_draws_less(memory: float, more: float, busy: float) -> None:
    first, second = (mean_power_w(H100, busy_share=busy, memory_share=share) for share in (memory, min(1.0, memory + more)))
    assert first is not None
    assert second is not None
    assert second.value >= first.value - 1e-9


def test_a_device_that_waits_for_its_host_draws_little_more_than_idle() -> None:
    waiting = mean_power_w(H100, busy_share=0.0, memory_share=0.0)
    assert waiting is not None
    assert H100.idle_w is not None
    assert H100.idle_w < waiting.value < 0.25 * (H100.tdp_w or 0)
