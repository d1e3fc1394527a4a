"""A configuration whose dimensions are no dimensions is refused by file and key, before a library meets it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from aigc_bench.core.errors import UsageError
from aigc_bench.core.own_model import read_model
from tests.own_models import BERT, QWEN, write_model, write_pipeline


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("max_position_embeddings", "131072", "must be a whole number"),
        ("max_position_embeddings", [1], "must be a whole number"),
        ("vocab_size", 1.5, "must be a whole number"),
        ("vocab_size", None, "must not be null"),
        ("hidden_size", -1, "must be a whole number"),
        ("hidden_size", {"a": 1}, "must be a whole number"),
        ("num_attention_heads", 2**31, "must be a whole number from 0 to 2,147,483,647"),
        ("num_hidden_layers", True, "must be a whole number"),
        ("architectures", "Qwen2ForCausalLM", "must be a list of texts"),
        ("num_hidden_layers", 32_000, "at most 1,000 layers"),
        ("num_res_blocks", 10**14, "at most 1,000 layers"),
        ("sliding_window", [131_072], "must be a whole number"),
        ("transformer_layers_per_block", [1, [2, 5_000]], "at most 1,000 layers"),
    ],
)
def test_a_dimension_that_is_none_is_refused_by_its_key(tmp_path: Path, key: str, value: Any, words: str) -> None:
    folder = write_model(tmp_path, QWEN, **{key: value})
    with pytest.raises(UsageError, match=words) as problem:
        read_model(folder)
    assert f"config.json: {key} = " in str(problem.value)
    assert "\n" not in str(problem.value)


def test_what_may_be_null_or_a_list_is_left_to_the_library(tmp_path: Path) -> None:
    changes = {"sliding_window": None, "num_key_value_heads": None, "intermediate_size": [18944, 9472], "unknown_key": {"a": [1.5]}}
    assert read_model(write_model(tmp_path / "qwen", QWEN, **changes)).config["sliding_window"] is None
    assert read_model(write_model(tmp_path / "bert", BERT)).architecture == "BertForMaskedLM"


@pytest.mark.parametrize(
    ("part", "key"),
    [
        ("text_encoder_2", "d_model"),
        ("text_encoder_2", "vocab_size"),
        ("text_encoder", "hidden_size"),
        ("text_encoder", "model_type"),
    ],
)
def test_a_text_encoder_without_its_width_is_reported(tmp_path: Path, part: str, key: str) -> None:
    folder = write_pipeline(tmp_path, "FluxPipeline")
    file = folder / part / "config.json"
    config = json.loads(file.read_text())
    del config[key]
    file.write_text(json.dumps(config))
    with pytest.raises(UsageError, match=f"{part}/config.json: {key} is missing"):
        read_model(folder)


def test_the_levels_of_an_auto_encoder_are_a_list(tmp_path: Path) -> None:
    folder = write_pipeline(tmp_path, "StableDiffusionPipeline", vae={"block_out_channels": 128})
    with pytest.raises(UsageError, match="block_out_channels = 128: must be a list of whole numbers"):
        read_model(folder)


@pytest.mark.parametrize(("part", "key"), [("text_encoder", "hidden_size"), ("unet", "sample_size")])
def test_a_part_of_a_pipeline_has_one_width(tmp_path: Path, part: str, key: str) -> None:
    folder = write_pipeline(tmp_path, "StableDiffusionPipeline", **{part: {key: [64, 64]}})
    with pytest.raises(UsageError, match=rf"{part}/config.json: {key} = .*: must be one number here"):
        read_model(folder)
