"""GGUF headers and params.json are read as the configuration of the same model, and nothing of them is trusted."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from aigc_bench.core.errors import UsageError
from aigc_bench.core.gguf import read_gguf
from aigc_bench.core.own_model import read_model
from tests.core.gguf_files import LLAMA_8B, MXFP4, gguf

MIXTRAL = {
    "dim": 4096, "n_layers": 32, "head_dim": 128, "hidden_dim": 14336, "n_heads": 32, "n_kv_heads": 8, "norm_eps": 1e-05,
    "vocab_size": 32000, "moe": {"num_experts_per_tok": 2, "num_experts": 8},
}  # fmt: skip
META = {
    "dim": 4096, "ffn_dim_multiplier": 1.3, "multiple_of": 1024, "n_heads": 32, "n_kv_heads": 8, "n_layers": 32, "norm_eps": 1e-05,
    "rope_theta": 500000.0, "use_scaled_rope": True, "vocab_size": 128256,
}  # fmt: skip


def test_a_gguf_header_is_the_models_configuration(tmp_path: Path) -> None:
    file = tmp_path / "Llama-3.1-8B-Instruct-Q4_K_M.gguf"
    file.write_bytes(gguf(LLAMA_8B))
    found = read_model(file)
    wanted = {"model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32, "intermediate_size": 14336, "vocab_size": 128256}
    assert {key: found.config[key] for key in wanted} == wanted
    assert found.config["tie_word_embeddings"] is False
    assert found.name == "Llama-3.1-8B-Instruct-Q4_K_M"
    assert read_model(tmp_path).sha256 == found.sha256


def test_bits_are_the_mean_over_all_tensors(tmp_path: Path) -> None:
    file = tmp_path / "a.gguf"
    file.write_bytes(gguf(LLAMA_8B))
    found = read_model(file).quantization
    assert found is not None
    embedding, down = 4096 * 128256, 14336 * 4096
    num_bytes = embedding * (144 + 210) / 256 + down * 210 / 256 + 4096 * 4
    assert found.weight_bits == pytest.approx(8 * num_bytes / (2 * embedding + down + 4096))
    assert found.weights == "int4"
    file.write_bytes(gguf(LLAMA_8B, [("token_embd.weight", (4096, 128256), 1)]))
    plain = read_model(file)
    assert plain.quantization is None
    assert plain.config["tie_word_embeddings"] is True


def test_experts_and_lists_of_a_layer_each_are_read(tmp_path: Path) -> None:
    metadata = {
        "general.architecture": "gpt-oss", "gpt-oss.block_count": 24, "gpt-oss.embedding_length": 2880,
        "gpt-oss.feed_forward_length": 2880, "gpt-oss.attention.head_count": 64, "gpt-oss.attention.head_count_kv": [8] * 24,
        "gpt-oss.attention.key_length": 64, "gpt-oss.expert_count": 32, "gpt-oss.expert_used_count": 4,
        "gpt-oss.context_length": 131072,
        "tokenizer.ggml.tokens": ["a"] * 300,
    }  # fmt: skip
    (tmp_path / "a.gguf").write_bytes(gguf(metadata, [("blk.0.ffn_up_exps.weight", (2880, 2880, 32), MXFP4)]))
    found = read_model(tmp_path)
    assert found.config["num_local_experts"] == 32
    assert (found.config["num_key_value_heads"], found.config["head_dim"], found.config["vocab_size"]) == (8, 64, 300)
    assert found.quantization is not None
    assert found.quantization.weights == "mxfp4"


def test_a_split_file_is_its_first_part_and_several_models_are_told(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / f"big-0000{number}-of-00002.gguf").write_bytes(gguf(LLAMA_8B))
    assert read_model(tmp_path).config["hidden_size"] == 4096
    (tmp_path / "other.gguf").write_bytes(gguf(LLAMA_8B))
    with pytest.raises(UsageError, match="2 GGUF files") as caught:
        read_model(tmp_path)
    assert "other.gguf" in caught.value.hint


@pytest.mark.parametrize(
    ("content", "phrase"),
    [
        (b"GGML" + bytes(40), "not a GGUF file"),
        (b"GGUF", "cut short"),
        (gguf(LLAMA_8B)[:200], "cut short"),
        (gguf(LLAMA_8B, version=1), "versions 2 and 3 are read"),
        (b"GGUF" + struct.pack("<IQQ", 3, 2**60, 1), "tensors; at most"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 2**60), "keys; at most"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 2**62), "characters; at most"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"a" + struct.pack("<I", 99), "a type that is not known"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"a" + struct.pack("<IIQ", 9, 9, 1), "lists inside of lists"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"a" + struct.pack("<IIQ", 9, 4, 2**50), "entries; at most"),
        (gguf(LLAMA_8B, [("a", (2**39, 2**39), 1)]), "a type or size that is not known"),
        (gguf({**LLAMA_8B, "general.architecture": "clip"}), "'clip' is not computed with"),
        (gguf({**LLAMA_8B, "llama.rope.freq_base": float("nan")}), "must be a finite number"),
        (gguf({**LLAMA_8B, "llama.expert_count": "eight"}), "num_local_experts = 'eight'"),
        (gguf({**LLAMA_8B, "llama.block_count": 30_000}), "at most 1,000 layers"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 9\n", "a Git LFS pointer"),
    ],
)
def test_a_header_that_is_none_is_refused_in_one_line(tmp_path: Path, content: bytes, phrase: str) -> None:
    file = tmp_path / "a.gguf"
    file.write_bytes(content)
    with pytest.raises(UsageError, match=phrase) as caught:
        read_model(file)
    assert "\n" not in str(caught.value)


def test_a_header_has_no_more_than_its_file(tmp_path: Path) -> None:
    (tmp_path / "a.gguf").write_bytes(gguf(LLAMA_8B))
    assert read_gguf(tmp_path / "a.gguf").metadata["tokenizer.ggml.token_type"] == 2000


@pytest.mark.parametrize(
    ("params", "wanted"),
    [
        (MIXTRAL, {"model_type": "mixtral", "num_local_experts": 8, "intermediate_size": 14336, "vocab_size": 32000}),
        (META, {"model_type": "llama", "intermediate_size": 14336, "num_key_value_heads": 8, "rope_theta": 500000.0}),
        (
            {"dim": 4096, "n_heads": 32, "n_layers": 32, "vocab_size": -1, "multiple_of": 256},
            {"intermediate_size": 11008, "vocab_size": 32000},
        ),
    ],
)  # fmt: skip
def test_params_of_mistral_and_meta_are_the_models_configuration(tmp_path: Path, params: Any, wanted: Any) -> None:
    (tmp_path / "params.json").write_text(json.dumps(params))
    for path in (tmp_path, tmp_path / "params.json"):
        found = read_model(path)
        assert {key: found.config[key] for key in wanted} == wanted
    assert read_model(tmp_path, changes={"num_hidden_layers": 2}).config["num_hidden_layers"] == 2


@pytest.mark.parametrize(
    "params", [[], {}, {"dim": "4096", "n_layers": 2, "n_heads": 2}, {"dim": 8, "n_layers": True, "n_heads": 2}]
)
def test_params_of_something_else_are_refused(tmp_path: Path, params: Any) -> None:
    (tmp_path / "params.json").write_text(json.dumps(params))
    with pytest.raises(UsageError, match="dim, n_layers and n_heads are missing"):
        read_model(tmp_path)
