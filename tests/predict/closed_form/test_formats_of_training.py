"""The number formats that published training ran in, where its table says less or something else."""

from __future__ import annotations

import pytest

from tests.predict.closed_form.test_step_rows import CATALOGUE, row


def test_deep_speech_trains_in_mixed_precision_where_the_device_has_tensor_cores() -> None:
    own = {"family": "audio-asr", "task": "train", "model": "deepspeech2 on librispeech", "software": "PyTorch"}
    v100, p100 = CATALOGUE.accelerator("v100_sxm2_16gb"), CATALOGUE.accelerator("p100_sxm2_16gb")
    seconds = [row(spec, **own, precision="fp32", metric="time_per_epoch", unit="s").columns["compute"] for spec in (p100, v100)]
    assert seconds[0] / seconds[1] == pytest.approx((v100.peak("fp16") or 0) / (p100.peak("fp32") or 1))


def test_a_framework_gains_less_from_eight_bits_than_the_peak_does() -> None:
    h100 = CATALOGUE.accelerator("h100_sxm_80gb")
    own = {"family": "llm-train", "task": "train", "model": "llama-3.1-8b", "batch": 16, "input_len": 4096, "unit": "tokens/s"}

    def compute(software: str, precision: str) -> float:
        return row(h100, **own, software=software, precision=precision).columns["compute"]

    assert compute("torchtitan", "bf16") / compute("torchtitan", "fp8") == pytest.approx(2 / 1.5, rel=0.01)
    assert compute("NeMo 24.07", "bf16") / compute("NeMo 24.07", "fp8") == pytest.approx(2.0, rel=0.01)
