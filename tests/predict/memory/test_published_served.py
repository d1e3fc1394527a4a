"""Memory of served models against what engines have printed at their start, with the source of each figure.

Few such logs name model, engine and figure together; those of multimodal models count a tower that the language model has not.
"""

from __future__ import annotations

import pytest

from aigc_bench.predict.closed_form.language import weight_bytes
from aigc_bench.predict.language.named import language_named
from aigc_bench.predict.published.name_resolution import number_format

GIB = 2**30
WEIGHTS = {
    # vLLM, "Loading model weights took 7.1694 GB" of a fine-tuned Phi-4-mini, public notebook of 2025-08.
    "microsoft/Phi-4-mini-instruct": 7.1694,
    # vLLM, "Model loading took 15.27 GiB", public notes on its KV cache of 2026 (147,456 B a token).
    "Qwen/Qwen3-8B": 15.27,
    # vLLM 0.19 on an A100, "Model loading took 48.5 GiB", myoceane.fr, 2026-04-18; with the vision tower.
    "google/gemma-4-26B-A4B": 48.5,
}


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights_are_within_five_per_cent_of_what_an_engine_printed(name: str) -> None:
    model = language_named(name)
    assert model is not None
    assert weight_bytes(model, number_format("bf16")) / GIB == pytest.approx(WEIGHTS[name], rel=0.05)


def test_a_tokens_cache_is_that_of_a_printed_pool() -> None:
    """vLLM issue 21348, 2025-07: 8.11 GiB on each of four H100 hold 178,880 tokens of Qwen3-235B-A22B-FP8, cached in 16 bits."""
    model = language_named("Qwen/Qwen3-235B-A22B")
    assert model is not None
    assert model.kv_elements_per_token * 2 / 4 == pytest.approx(8.11 * GIB / 178_880, rel=0.05)
