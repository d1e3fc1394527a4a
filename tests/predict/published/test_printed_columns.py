"""What the configuration of a published row says about its work beyond ranks."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aigc_bench.predict.published.layout import read_layout
from aigc_bench.predict.published.name_resolution import number_format, resolve_engine
from aigc_bench.predict.published.row import video_latents


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"cols": {"Beam width": "5"}}, {"beams": "5"}),
        ({"decode": "beamsearch 32"}, {"beams": "32"}),
        ({"cols": {"Avg audio length (s)": "6.99"}}, {"audio_s": "6.99"}),
        ({"cols": {"Duration (s)": "16.7"}}, {"audio_s": "16.7"}),
        ({"cols": {"Duration (s)": "long"}}, {}),
        ({"cols": {"Dimension": "2"}}, {"dimension": "2"}),
        ({"audio": "150 min"}, {"clip_s": "9000"}),
        ({"system_id": "Orin_TRT_MaxQ"}, {"power_mode": "maxq"}),
        ({"scenario": "Server"}, {"scenario": "Server"}),
    ],
)
def test_a_printed_column_is_a_word(config: dict[str, Any], words: dict[str, str]) -> None:
    found = read_layout(json.dumps(config))[1]
    found.pop("cols", None)
    assert found == words


@pytest.mark.parametrize(
    ("stated", "batch"),
    [
        ("'encoder': 320, 'decoder': 320", 320.0),
        ({"bert": 1280}, 1280.0),
        ("{'clip1': 32 * 2, 'vae': 8}", 32.0),
        ("", None),
    ],
)
def test_a_submitters_batch_is_the_largest_of_its_networks(stated: object, batch: float | None) -> None:
    layout, _ = read_layout(json.dumps({"submitter_config": {"gpu_batch_size": stated}}))
    assert layout.get("harness_batch") == batch


@pytest.mark.parametrize(
    ("text", "latents"),
    [("480x832x81f", 480 * 832 * 21), ("512x512", 512 * 512), ("64x64x1f", 64 * 64), ("25 frames", None), (None, None)],
)
def test_four_frames_make_one_latent_frame(text: str | None, latents: float | None) -> None:
    assert video_latents(text) == latents


def test_mxfp4_has_a_scale_for_every_thirty_two_and_nvfp4_for_every_sixteen() -> None:
    assert 8 * number_format("mxfp4").weight_bytes == pytest.approx(4.25)
    assert 8 * number_format("fp4").weight_bytes == pytest.approx(4.5)


def test_xdit_under_a_benchmark_is_xdit() -> None:
    assert resolve_engine("xDiT (ML.ENERGY Benchmark v3)").name == "xdit"
    assert resolve_engine("vLLM (ML.ENERGY Benchmark v3)").name == "vllm"
