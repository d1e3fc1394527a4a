"""Conformal intervals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.predict.closed_form.columns import ModelRow
from aigc_bench.predict.fitting.intervals import (
    LEVEL,
    as_values,
    bounds,
    conformal_quantiles,
    familiar_quantiles,
    new_work_quantiles,
    work_of,
)


def row(
    accelerator: str = "a", *, is_rate: bool = False, sign: float = 1.0, offset: float = 0.0, work: str = "bert-large"
) -> ModelRow:
    return ModelRow(
        form="step",
        track="bert.infer.rate",
        columns={},
        groups={"work_engine": "bert|vllm", "work": f"{work}|infer|rate"},
        is_rate=is_rate,
        sign=sign,
        offset=offset,
        accelerator=accelerator,
    )


def spread_rows(num_accelerators: int, *, seed: int = 0) -> tuple[list[ModelRow], np.ndarray]:
    random = np.random.default_rng(seed)
    rows = [row(f"gpu{index}") for index in range(num_accelerators) for _ in range(40)]
    shift = np.repeat(random.normal(0, 0.2, num_accelerators), 40)
    return rows, shift + random.normal(0, 0.05, len(rows))


def test_intervals_hold_about_their_share_of_accelerators_never_seen() -> None:
    held = []
    for seed in range(30):
        rows, residuals = spread_rows(12, seed=seed)
        quantiles = conformal_quantiles(rows[:-40], residuals[:-40])
        low, high = bounds(rows[-1], quantiles, is_outside=False)
        held.append(np.mean((residuals[-40:] >= low) & (residuals[-40:] <= high)))
    assert np.mean(held) == pytest.approx(LEVEL, abs=0.12)


def test_few_accelerators_give_a_wider_interval_than_many() -> None:
    widths = []
    for count in (2, 20):
        rows, residuals = spread_rows(count)
        low, high = bounds(rows[0], conformal_quantiles(rows, np.full(len(residuals), 0.2)), is_outside=False)
        widths.append(high - low)
    assert widths[0] > widths[1]


def test_from_one_or_two_accelerators_nothing_is_known_of_the_sign() -> None:
    rows, residuals = spread_rows(2)
    low, high = bounds(rows[0], conformal_quantiles(rows, np.full(len(residuals), 0.2)), is_outside=False)
    assert low == pytest.approx(-high)


def test_accelerators_that_differ_from_each_other_stretch_the_interval_of_the_next() -> None:
    rows, _ = spread_rows(6)
    noise = np.random.default_rng(0).normal(0, 0.05, len(rows))
    alike = noise.copy()
    apart = np.roll(np.sort(noise), 40)
    widths = [np.subtract(*bounds(rows[0], conformal_quantiles(rows, own), is_outside=False)[::-1]) for own in (alike, apart)]
    assert widths[1] > widths[0]


def test_outside_the_calibrated_range_the_interval_is_wider() -> None:
    rows, residuals = spread_rows(8)
    quantiles = conformal_quantiles(rows, residuals)
    inside, outside = (bounds(rows[0], quantiles, is_outside=flag) for flag in (False, True))
    assert outside[0] < inside[0] < 0 < inside[1] < outside[1]


def test_devices_that_exchange_over_pcie_get_a_wider_interval_because_their_host_is_unknown() -> None:
    link = [
        ModelRow(
            form="language",
            track="llm.rate",
            columns={"collectives": 160.0, "link": kind},
            groups={},
            is_rate=True,
            accelerator="a",
        )
        for kind in (0.0, 2.0, 5.0)
    ]
    quantiles = {"llm.rate": (-0.2, 0.2, 99), "llm.rate|host": (-3.0, 3.0, 30)}
    nvlink, pcie, network = (bounds(row, quantiles, is_outside=False) for row in link)
    assert pcie[0] < nvlink[0] < 0 < nvlink[1] < pcie[1]
    # What was measured across a network says nothing about a host's bridge, nor the other way round.
    assert network == nvlink


def test_a_group_with_few_rows_leaves_the_word_to_a_wider_one() -> None:
    rows, residuals = spread_rows(1)
    assert bounds(rows[0], conformal_quantiles(rows[:10], residuals[:10]), is_outside=False) == (-0.7, 0.7)


@given(
    log=st.floats(-20, 20),
    low=st.floats(-3, -0.01),
    high=st.floats(0.01, 3),
    sign=st.sampled_from([1.0, -1.0]),
    offset=st.floats(-5, 5),
)
def test_the_value_lies_in_its_interval_whatever_it_measures(
    log: float, low: float, high: float, sign: float, offset: float
) -> None:
    value, least, most = as_values(row(sign=sign, offset=offset), log, low=low, high=high)
    assert 0 < least <= value <= most


@given(value=st.floats(1e-6, 1e9), sign=st.sampled_from([1.0, -1.0]), offset=st.floats(-5, 5))
def test_a_value_survives_the_way_to_the_models_quantity_and_back(value: float, sign: float, offset: float) -> None:
    own = row(sign=sign, offset=offset)
    assert own.value(own.log_quantity(value)) == pytest.approx(value, rel=1e-6)


def test_an_accelerator_that_was_seen_gets_its_own_narrower_interval() -> None:
    rows, residuals = spread_rows(12)
    own = residuals - np.repeat(residuals.reshape(12, 40).mean(axis=1), 40)
    quantiles = conformal_quantiles(rows, residuals) | familiar_quantiles(rows, own)
    seen, unseen = (bounds(rows[0], quantiles, is_outside=False, is_familiar=flag) for flag in (True, False))
    assert unseen[0] < seen[0] < 0 < seen[1] < unseen[1]


def test_a_model_never_seen_gets_the_interval_of_models_left_out() -> None:
    """Models differ by 0.3, runs of one by 0.05: who knows neither model nor accelerator takes the wider of both."""
    rows = [row("gpu", work=f"model{index}") for index in range(12) for _ in range(40)]
    random = np.random.default_rng(0)
    runs = random.normal(0, 0.05, len(rows))
    models = runs + np.repeat(random.normal(0, 0.3, 12), 40)
    quantiles = conformal_quantiles(rows, runs) | familiar_quantiles(rows, runs) | new_work_quantiles(rows, models)

    def width(*, is_familiar: bool, is_known_work: bool) -> float:
        low, high = bounds(rows[0], quantiles, is_outside=False, is_familiar=is_familiar, is_known_work=is_known_work)
        return high - low

    assert width(is_familiar=True, is_known_work=False) > 3 * width(is_familiar=True, is_known_work=True)
    assert width(is_familiar=False, is_known_work=False) >= width(is_familiar=True, is_known_work=False)
    assert work_of(rows[0]) == "model0"


def test_intervals_hold_about_their_share_of_models_never_seen() -> None:
    held = []
    for seed in range(30):
        random = np.random.default_rng(seed)
        rows = [row("gpu", work=f"model{index}") for index in range(12) for _ in range(40)]
        residuals = random.normal(0, 0.05, len(rows)) + np.repeat(random.normal(0, 0.3, 12), 40)
        quantiles = new_work_quantiles(rows[:-40], residuals[:-40])
        low, high = bounds(rows[-1], quantiles, is_outside=False, is_familiar=True, is_known_work=False)
        held.append(np.mean((residuals[-40:] >= low) & (residuals[-40:] <= high)))
    assert np.mean(held) == pytest.approx(LEVEL, abs=0.12)
