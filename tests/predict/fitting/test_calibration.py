"""Fitting: constants come back from data made with them, effects shrink, and what is shipped is complete."""

from __future__ import annotations

import numpy as np
import pytest

from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.predict.closed_form import forms
from aigc_bench.predict.closed_form.columns import ModelRow
from aigc_bench.predict.closed_form.language_rows import language_row
from aigc_bench.predict.fitting.calibration import Calibration, fit, shipped_calibration
from aigc_bench.predict.fitting.effects import fit_effects, total_effects
from aigc_bench.predict.published.row import PublishedQuery


def rows_of_many_settings() -> list[ModelRow]:
    catalogue = load_catalogue(with_user_files=False)
    rows = []
    for gpu in ("a100_sxm_80gb", "h100_sxm_80gb", "b200_sxm_180gb"):
        for model in ("llama-3.1-8b", "llama-3.1-70b"):
            for concurrency in (1, 4, 16, 64, 256):
                for length in (128, 1024, 8192):
                    for metric in ("tpot", "ttft", "throughput"):
                        query = PublishedQuery(
                            family="llm", model=model, gpu=gpu, gpu_count=4, precision="bf16", software="vllm",
                            concurrency=concurrency,
                            input_len=length, output_len=256, metric=metric, unit="",
                        )  # fmt: skip
                        rows.append(language_row(query, catalogue.accelerator(gpu)))
    return rows


def test_predictions_come_back_from_data_made_with_known_constants() -> None:
    rows = rows_of_many_settings()
    truth = {name: value for name, (value, _) in forms.priors("language").items()} | {
        "prefill_efficiency": 0.8,
        "layer_s.vllm": 4e-5,
    }
    logs = forms.log_quantity("language", forms.columns_of(rows), truth)
    fitted = fit(rows, logs)
    assert np.median(np.abs(fitted.log_quantity(rows) - logs)) < 0.02


def test_an_effect_seen_often_moves_all_the_way_and_one_seen_once_hardly() -> None:
    groups = [{"engine": "often"}] * 200 + [{"engine": "once"}]
    effects = fit_effects(np.full(201, 0.5), groups=groups, spreads={"engine": 0.1}, noise=0.2)
    assert effects["engine=often"] == pytest.approx(0.5, abs=0.05)
    assert 0 < effects["engine=once"] < 0.25


def test_an_unseen_group_has_no_effect() -> None:
    assert total_effects([{"engine": "never"}], {"engine=often": 0.5}).tolist() == [0.0]


def test_an_outlier_does_not_move_its_group() -> None:
    residuals = np.concatenate([np.full(50, 0.1), [8.0]])
    effects = fit_effects(residuals, groups=[{"engine": "a"}] * 51, spreads={"engine": 0.3}, noise=0.15)
    assert effects["engine=a"] == pytest.approx(0.1, abs=0.03)


def test_the_shipped_calibration_has_every_constant_of_both_forms() -> None:
    shipped = shipped_calibration()
    for form in ("language", "step"):
        assert set(shipped.constants[form]) == set(forms.priors(form))
        assert all(value > 0 for value in shipped.constants[form].values())


def test_no_shipped_share_of_a_datasheet_rate_is_above_one() -> None:
    language = shipped_calibration().constants["language"]
    assert all(value <= 1.0001 for name, value in language.items() if name.endswith("efficiency"))


def test_shipped_intervals_are_ordered_and_rest_on_enough_rows() -> None:
    quantiles = shipped_calibration().quantiles
    assert quantiles
    assert all(low < high and count >= 25 for low, high, count in quantiles.values())


def test_a_fit_of_one_form_leaves_the_other_at_its_priors() -> None:
    rows = rows_of_many_settings()[:60]
    logs = forms.log_quantity(
        "language", forms.columns_of(rows), {name: value for name, (value, _) in forms.priors("language").items()}
    )
    fitted = fit(rows, logs)
    assert fitted.constants["step"] == {name: value for name, (value, _) in forms.priors("step").items()}
    assert isinstance(fitted, Calibration)
