"""Presets of 2025 and 2026 against what their authors publish: parameters, those of a token, and the cache of a token.

Published counts are rounded, and some are of a whole that also sees or predicts further tokens: ``rel`` is how near they must be.
Looked up on 2026-12-01 (search of public pages): DeepSeek V4, GLM-4.5 and 5, MiniMax M3, Nemotron 3, Qwen3.5. The others are
general knowledge of the named publications.

Active parameters are published without the table of embeddings (and its head) by some and with it by others: either is right.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import pytest

from aigc_bench.predict.language.describe import describe
from aigc_bench.predict.queries import predict_one
from aigc_bench.predict.query import Query
from aigc_bench.workloads._language_presets import language_presets


class Card(NamedTuple):
    """Billions of parameters as published, their source, and bytes of the 16-bit cache of a token over all layers."""

    total: float
    active: float
    kv_bytes: int
    source: str
    rel: float = 0.01


_HUB = "model card, huggingface.co/{}"
CARDS: Mapping[str, Card] = {
    # Counted with the vision encoder, which the preset leaves out: 109 and 400 billion.
    "llama-4-scout": Card(109, 17, 48 * 8 * 128 * 4, _HUB.format("meta-llama/Llama-4-Scout-17B-16E-Instruct"), rel=0.02),
    "llama-4-maverick": Card(400, 17, 48 * 8 * 128 * 4, _HUB.format("meta-llama/Llama-4-Maverick-17B-128E-Instruct")),
    "mistral-small-24b": Card(24, 24, 40 * 8 * 128 * 4, _HUB.format("mistralai/Mistral-Small-3.1-24B-Instruct-2503"), rel=0.02),
    "ministral-8b": Card(8.02, 8.02, 36 * 8 * 128 * 4, _HUB.format("mistralai/Ministral-8B-Instruct-2410")),
    "qwen3-next-80b-a3b": Card(80, 3, 12 * 2 * 256 * 4, _HUB.format("Qwen/Qwen3-Next-80B-A3B-Instruct")),
    "qwen3.5-27b": Card(27, 27, 16 * 4 * 256 * 4, _HUB.format("Qwen/Qwen3.5-27B")),
    "qwen3.5-35b-a3b": Card(35, 3, 10 * 2 * 256 * 4, _HUB.format("Qwen/Qwen3.5-35B-A3B")),
    "qwen3.5-122b-a10b": Card(122, 10, 12 * 2 * 256 * 4, _HUB.format("Qwen/Qwen3.5-122B-A10B")),
    "qwen3.5-397b-a17b": Card(397, 17, 15 * 2 * 256 * 4, _HUB.format("Qwen/Qwen3.5-397B-A17B")),
    "deepseek-v3.2": Card(671, 37, 61 * 576 * 2, _HUB.format("deepseek-ai/DeepSeek-V3.2-Exp")),
    # 21 layers keep a vector of 512 for four tokens, 20 one for 128; two keep a window alone.
    "deepseek-v4-flash": Card(284, 13, (21 * 128 + 20 * 4) * 2, _HUB.format("deepseek-ai/DeepSeek-V4-Flash")),
    "kimi-k2": Card(1026, 32, 61 * 576 * 2, _HUB.format("moonshotai/Kimi-K2-Instruct")),
    "kimi-k2.5": Card(1026, 32, 61 * 576 * 2, _HUB.format("moonshotai/Kimi-K2.5")),
    "kimi-linear-48b-a3b": Card(48, 3, 7 * 576 * 2, "arXiv 2510.26692: 48 B, 3 B", rel=0.025),
    # Counted with the layer that predicts a further token.
    "glm-4.5": Card(355, 32, 92 * 8 * 128 * 4, "arXiv 2508.06471, table 1"),
    "glm-4.6": Card(355, 32, 92 * 8 * 128 * 4, _HUB.format("zai-org/GLM-4.6")),
    "glm-4.5-air": Card(106, 12, 46 * 8 * 128 * 4, "arXiv 2508.06471, table 1"),
    "glm-5": Card(744, 40, 78 * 576 * 2, "arXiv 2602.15763, table 10"),
    "minimax-m2": Card(230, 10, 62 * 8 * 128 * 4, _HUB.format("MiniMaxAI/MiniMax-M2")),
    # Counted with the vision encoder and the indexers of sparse attention.
    "minimax-m3": Card(428, 23, 60 * 4 * 128 * 4, _HUB.format("MiniMaxAI/MiniMax-M3")),
    "gemma-3-1b": Card(1.0, 1.0, 26 * 1 * 256 * 4, "arXiv 2503.19786, table 1: 302 M + 698 M"),
    "gemma-3-4b": Card(3.884, 3.884, 34 * 4 * 256 * 4, "arXiv 2503.19786, table 1: 675 M + 3,209 M"),
    "gemma-3-12b": Card(11.767, 11.767, 48 * 8 * 256 * 4, "arXiv 2503.19786, table 1: 1,012 M + 10,759 M"),
    "gemma-3-27b": Card(27.018, 27.018, 62 * 16 * 128 * 4, "arXiv 2503.19786, table 1: 1,416 M + 25,600 M"),
    "phi-4-mini": Card(3.8, 3.8, 32 * 8 * 128 * 4, "arXiv 2503.01743: 3.8 B"),
    "nemotron-nano-9b-v2": Card(8.89, 8.89, 4 * 8 * 128 * 4, "arXiv 2508.14444, table 1"),
    "nemotron-nano-12b-v2": Card(12.31, 12.31, 6 * 8 * 128 * 4, "arXiv 2508.14444: 12.31 B"),
    "nemotron-3-nano-30b-a3b": Card(31.6, 3.6, 6 * 2 * 128 * 4, "arXiv 2512.20848: 31.6 B, 3.6 B with embeddings"),
    # Five of six layers see a window and count up to it.
    "gemma-4-26b-a4b": Card(25.2, 3.8, (25 * 8 * 256 + 5 * 2 * 512) * 4, _HUB.format("google/gemma-4-26B-A4B")),
    "gemma-4-31b": Card(30.7, 30.7, (50 * 16 * 256 + 10 * 4 * 512) * 4, _HUB.format("google/gemma-4-31B")),
    "gpt-oss-20b": Card(20.9, 3.6, 24 * 8 * 64 * 4, "arXiv 2508.10925, table 1"),
    "gpt-oss-120b": Card(116.8, 5.1, 36 * 8 * 64 * 4, "arXiv 2508.10925, table 1"),
    "qwen3-embedding-0.6b": Card(0.596, 0.596, 28 * 8 * 128 * 4, "safetensors of Qwen/Qwen3-Embedding-0.6B"),
    "qwen3-embedding-4b": Card(4.02, 4.02, 36 * 8 * 128 * 4, "safetensors of Qwen/Qwen3-Embedding-4B"),
    "qwen3-embedding-8b": Card(7.57, 7.57, 36 * 8 * 128 * 4, "safetensors of Qwen/Qwen3-Embedding-8B"),
}


@pytest.mark.parametrize("name", CARDS)
def test_a_preset_has_the_parameters_and_the_cache_that_are_published(name):
    card, config = CARDS[name], language_presets()[name].config
    found = predict_one(Query(f"gpt/{name}", engine="vllm", precision="bf16"), accelerators=["b300"]).rows
    rows = {row.metric: row.value for _, row in found}
    assert rows["num_params"] == language_presets()[name].num_params
    assert rows["num_params"] / 1e9 == pytest.approx(card.total, rel=card.rel)
    assert rows["kv_bytes_per_token"] == card.kv_bytes
    table = config["vocab_size"] * config["hidden_size"]
    # The input table is left out of a mixture of experts; some cards count it, and some leave out the head as well.
    others = (-1, 0, 1) if rows["num_active_params"] != rows["num_params"] else (0, 1)
    # A count in whole billions is within half of one, or a twentieth.
    counts = [(rows["num_active_params"] - number * table) / 1e9 for number in others]
    assert any(count == pytest.approx(card.active, rel=0.05, abs=0.5) for count in counts)


@pytest.mark.parametrize(
    ("name", "billions", "source"),
    [
        ("gpt-oss-20b", "3.61", "arXiv 2508.10925, table 1"),
        ("gpt-oss-120b", "5.13", "arXiv 2508.10925, table 1"),
        ("deepseek-v3", "37", "arXiv 2412.19437"),
        ("deepseek-v2-lite", "2.4", "arXiv 2405.04434, appendix B"),
        ("kimi-k2", "32", "arXiv 2507.20534"),
        ("minimax-m2", "10", _HUB.format("MiniMaxAI/MiniMax-M2")),
        ("nemotron-3-nano-30b-a3b", "3.2", "arXiv 2512.20848: 3.2 B, 3.6 B with embeddings"),
        ("gemma-4-26b-a4b", "3.8", _HUB.format("google/gemma-4-26B-A4B")),
        ("deepseek-v4-flash", "13", _HUB.format("deepseek-ai/DeepSeek-V4-Flash")),
        ("mixtral-8x22b", "39", "mistral.ai, Cheaper, Better, Faster, Stronger, 2024-04-17"),
        ("qwen3-235b-a22b", "22", "arXiv 2505.09388"),
        ("qwen3.5-35b-a3b", "3", _HUB.format("Qwen/Qwen3.5-35B-A3B")),
        ("kimi-linear-48b-a3b", "3", "arXiv 2510.26692"),
    ],
)
def test_active_parameters_are_what_the_card_prints_to_its_last_digit(name: str, billions: str, source: str) -> None:
    """Without the input embedding table; other cards count it (Llama 4: 17) or leave out the head as well (GLM-4.5: 32)."""
    found = describe(language_presets()[name].config).num_active_params / 1e9
    digits = len(billions.partition(".")[2])
    # DeepSeek-V2-Lite's 2.45 is cut off on its card, not rounded.
    assert found == pytest.approx(float(billions), abs=0.52 * 10**-digits), source
