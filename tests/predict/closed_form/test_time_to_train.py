"""The time of a training of fixed samples, whatever its batch is."""

from __future__ import annotations

import pytest

from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.predict.closed_form.step_rows import step_row
from aigc_bench.predict.fitting.calibration import shipped_calibration
from aigc_bench.predict.published.row import PublishedQuery


@pytest.mark.parametrize("family", ["llm-train", "llm-finetune"])
@pytest.mark.parametrize("devices", [8, 64])
def test_time_to_train_does_not_change_with_the_batch_at_fixed_samples(family: str, devices: int) -> None:
    spec, calibration = load_catalogue(with_user_files=False).accelerator("h100_sxm_80gb"), shipped_calibration()

    def seconds(batch: float) -> float:
        query = PublishedQuery(
            family=family, task="train", model="llama-3.1-8b", gpu=spec.id, gpu_count=devices, precision="bf16", software="NeMo",
            batch=batch, input_len=8192, metric="time_to_train", unit="s",
        )  # fmt: skip
        row = step_row(query, spec)
        return row.value(float(calibration.log_quantity([row])[0]))

    # Only what a step does once (gathering weights, the update) and the bins of the load may tell batches apart.
    assert all(seconds(devices * items) == pytest.approx(seconds(devices * 4), rel=0.1) for items in (1, 16, 64))
