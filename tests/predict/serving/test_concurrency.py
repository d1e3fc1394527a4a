"""One question at many concurrencies equals one answer after the other."""

from __future__ import annotations

import pytest

from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.predict.closed_form.language_rows import language_row
from aigc_bench.predict.fitting.calibration import shipped_calibration
from aigc_bench.predict.fitting.predictions import estimate_rows
from aigc_bench.predict.language.of_case import language_model
from aigc_bench.predict.serving.concurrency import Setting, curves, replica_memory

COUNTS = (1, 2, 8, 64, 256)


@pytest.mark.parametrize("model", ["llama-3.1-70b", "mixtral-8x7b"])
@pytest.mark.parametrize("accelerator", ["h100_sxm_80gb", "l40s", "mi300x"])
def test_curves_equal_single_answers(model: str, accelerator: str) -> None:
    calibration = shipped_calibration()
    spec = load_catalogue(with_user_files=False).accelerator(accelerator)
    described = language_model("gpt", model)
    assert described is not None
    setting = Setting(model=described, spec=spec, engine="vllm", precision="fp8", ranks=4, input_len=1024.0, output_len=256.0)
    found, room = curves([setting], COUNTS, calibration=calibration), replica_memory(setting).room
    for index, count in enumerate(COUNTS):
        if count <= room:
            for metric, values in (("tpot", found.tpot_s), ("ttft", found.ttft_s)):
                row = language_row(setting.query(metric, sequences=float(count)), spec)
                assert values[0, index] == pytest.approx(estimate_rows([row], calibration=calibration)[0].value)
