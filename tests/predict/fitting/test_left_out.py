"""Predictions by fits that have not seen what they predict."""

from __future__ import annotations

import numpy as np

from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.predict.closed_form import forms
from aigc_bench.predict.closed_form.columns import ModelRow
from aigc_bench.predict.closed_form.language_rows import language_row
from aigc_bench.predict.fitting import left_out
from aigc_bench.predict.fitting.calibration import before_any_measurement, fit
from aigc_bench.predict.published.row import PublishedQuery
from aigc_bench.predict.published.table import parse_row

GPUS = ("a100_sxm_80gb", "h100_sxm_80gb", "b200_sxm_180gb")


def questions() -> list[ModelRow]:
    catalogue = load_catalogue(with_user_files=False)
    pairs = [
        (
            gpu,
            PublishedQuery(
                family="llm", model="llama-3.1-8b", gpu=gpu, precision="bf16", software="vllm 0.19.0", concurrency=load,
                input_len=length, output_len=256, metric=metric, unit="",
            ),
        )
        for gpu in GPUS
        for load in (1, 8, 64)
        for length in (128, 2048)
        for metric in ("tpot", "ttft")
    ]  # fmt: skip
    return [language_row(query, catalogue.accelerator(gpu)) for gpu, query in pairs]


def test_what_is_left_out_has_no_say_in_its_own_prediction() -> None:
    rows = questions()
    truth = before_any_measurement().log_quantity(rows)
    folds = [row.accelerator for row in rows]
    shifted = truth + np.where(np.array(folds) == GPUS[0], 3.0, 0.0)
    plain, other = (
        {name: own for name, _, own in left_out.predictions_by_fold(rows, logs, folds=folds, start=before_any_measurement())}
        for logs in (truth, shifted)
    )
    assert np.array_equal(plain[GPUS[0]], other[GPUS[0]])
    assert not np.array_equal(plain[GPUS[1]], other[GPUS[1]])


def test_every_row_belongs_to_the_fold_of_its_accelerator() -> None:
    rows = questions()
    folds = [row.accelerator for row in rows]
    logs = before_any_measurement().log_quantity(rows)
    masks = [inside for _, inside, _ in left_out.predictions_by_fold(rows, logs, folds=folds, start=before_any_measurement())]
    assert np.sum(masks, axis=0).tolist() == [1] * len(rows)


def test_a_run_stays_whole_when_runs_are_dealt_into_folds() -> None:
    folds = left_out.run_folds([f"run{index // 3}" for index in range(300)], count=5)
    assert set(folds) == {"0", "1", "2", "3", "4"}
    assert all(len(set(folds[first : first + 3])) == 1 for first in range(0, 300, 3))


def test_a_left_out_interval_knows_nothing_of_its_own_accelerator() -> None:
    rows = questions() * 3
    predicted = before_any_measurement().log_quantity(rows)
    own = np.array([row.accelerator == GPUS[0] for row in rows])
    noise = np.random.default_rng(0).normal(0, 0.1, len(rows))
    ends = []
    for shift in (0.0, 5.0):
        logs = predicted + noise + np.where(own, shift, 0.0)
        found = left_out.estimates_with_left_out_intervals(
            rows, logs, predicted, new_work=predicted, whole=before_any_measurement()
        )
        ends.append([(estimate.low, estimate.high) for estimate, is_own in zip(found, own, strict=True) if is_own])
    assert ends[0] == ends[1]


def test_the_slopes_are_those_of_the_form() -> None:
    rows = questions()
    columns, constants = forms.columns_of(rows), {name: value for name, (value, _) in forms.priors("language").items()}
    here, slopes = forms.log_slopes("language", columns, constants)
    for index, name in enumerate(constants):
        moved = forms.log_quantity("language", columns, {**constants, name: constants[name] * 1.0001})
        assert np.allclose((moved - here) / np.log(1.0001), slopes[:, index], atol=1e-6), name


def test_a_row_that_is_not_understood_keeps_its_reason() -> None:
    catalogue = load_catalogue(with_user_files=False)
    cells = {"family": "llm", "model": "llama-3.1-8b", "gpu": "H100-SXM-80GB", "metric": "mood", "value": "1", "unit": "s"}
    answers, indices, known = left_out.queries_of([parse_row(cells)], catalogue=catalogue)
    assert (indices, known) == ([], [])
    assert answers[0].reason == "metric mood is not modelled for language models"


def test_a_fit_from_afar_and_a_fit_from_nearby_agree() -> None:
    rows = questions()
    logs = before_any_measurement().log_quantity(rows) + 0.3
    near = fit(rows, logs, start=before_any_measurement())
    assert np.median(np.abs(near.log_quantity(rows) - fit(rows, logs).log_quantity(rows))) < 0.02
