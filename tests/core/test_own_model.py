"""A user's files are read without running any of them, and what cannot be used is refused in one line."""

from __future__ import annotations

import json
import pickle
import struct
from pathlib import Path
from typing import Any

import pytest

from aigc_bench.core.errors import UsageError
from aigc_bench.core.own_model import read_model
from tests.own_models import QWEN, write_model


def refusal(path: Path, **keys: Any) -> str:
    with pytest.raises(UsageError) as caught:
        read_model(path, **keys)
    phrase = str(caught.value)
    assert "\n" not in phrase
    assert caught.value.hint
    return phrase


def safetensors(file: Path, header: object) -> None:
    text = json.dumps(header).encode()
    file.write_bytes(struct.pack("<Q", len(text)) + text + bytes(8))


def test_a_folder_and_its_file_are_the_same_model(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "My Qwen", QWEN)
    files = read_model(folder)
    assert files.sha256 == read_model(folder / "config.json").sha256
    assert files.name == "My-Qwen"
    assert files.architecture == "Qwen2ForCausalLM"
    assert files.weights is None


def test_the_hash_follows_the_architecture_and_nothing_else(tmp_path: Path) -> None:
    base = read_model(write_model(tmp_path / "a", QWEN)).sha256
    assert read_model(write_model(tmp_path / "b", QWEN, torch_dtype="float32", transformers_version="5.0")).sha256 == base
    assert read_model(write_model(tmp_path / "c", QWEN, num_hidden_layers=27)).sha256 != base
    changed = read_model(tmp_path / "a", changes={"num_hidden_layers": 27})
    assert changed.config["num_hidden_layers"] == 27
    assert changed.sha256 == read_model(tmp_path / "c").sha256


def test_weights_count_by_their_shapes(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "a", QWEN)
    bare = read_model(folder)
    safetensors(folder / "model.safetensors", {"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}})
    with_weights = read_model(folder)
    assert with_weights.weights == folder
    assert with_weights.sha256 != bare.sha256


def test_code_in_a_configuration_is_left_out_and_told(tmp_path: Path) -> None:
    plain = read_model(write_model(tmp_path / "plain", QWEN))
    naming = read_model(write_model(tmp_path / "naming", QWEN, auto_map={"AutoModelForCausalLM": "modeling_evil.Evil"}))
    assert (plain.code, naming.code) == (None, "auto_map")
    assert naming.config == plain.config
    assert naming.sha256 == plain.sha256


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "model.ckpt", "weights.pth"])
def test_a_pickle_is_refused_and_never_opened(tmp_path: Path, name: str) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "exploded",))

    folder = write_model(tmp_path / "model", QWEN)
    (folder / name).write_bytes(pickle.dumps(Bomb()))
    assert "a pickle" in refusal(folder)
    assert "a pickle" in refusal(folder / name)
    assert not (tmp_path / "exploded").exists()


def test_safetensors_next_to_a_pickle_are_what_is_read(tmp_path: Path) -> None:
    folder = write_model(tmp_path, QWEN)
    (folder / "pytorch_model.bin").write_bytes(b"")
    safetensors(folder / "model.safetensors", {})
    assert read_model(folder).weights == folder


@pytest.mark.parametrize(
    ("content", "phrase"),
    [
        (b'{"model_type": "qwen2", "hidden', "not JSON: it is cut short"),
        (b'{"model_type": "qwen2",', "not JSON: it is cut short"),
        (b"", "the file is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 120\n", "a Git LFS pointer, not the file itself"),
        (b"\n<!DOCTYPE html>\n<html><body>Sign in</body></html>", "a web page"),
        (b"\xff\xfe\x00", "not valid UTF-16 text"),
        (b"[1, 2]", "expected a JSON object"),
        (b"{}", "model_type is missing"),
        (b'{"model_type": "qwen2", "quantization_config": {"bits": 4}}', "quantization_config"),
        (b'{"model_type": "qwen2", "quantization_config": "fp8"}', "quantization_config = 'fp8': must be a table"),
        (b'{"model_type": "qwen2", "quantization_config": {"quant_method": "aqlm"}}', "'aqlm' is no format"),
        (b"[" * 100_000, "more than 64 lists or tables inside each other"),
    ],
)
def test_a_broken_configuration_is_reported_in_one_line(tmp_path: Path, content: bytes, phrase: str) -> None:
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(UsageError, match=phrase) as caught:
        read_model(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"12345678", struct.pack("<Q", 2**60) + b"{}", struct.pack("<Q", 4) + b"nope"])
def test_weights_that_are_cut_short_are_reported(tmp_path: Path, content: bytes) -> None:
    folder = write_model(tmp_path, QWEN)
    (folder / "model.safetensors").write_bytes(content)
    said = refusal(folder)
    assert "not safetensors" in said or "header: line 1: not JSON" in said or "the file is empty" in said


def test_weights_that_end_before_their_last_tensor_are_reported(tmp_path: Path) -> None:
    folder = write_model(tmp_path, QWEN)
    safetensors(folder / "model.safetensors", {"w": {"dtype": "F32", "shape": [4096], "data_offsets": [0, 16384]}})
    assert "cut short" in refusal(folder)
    (folder / "model.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 120\n")
    assert "a Git LFS pointer" in refusal(folder)


def test_a_byte_order_mark_is_no_part_of_a_configuration(tmp_path: Path) -> None:
    folder = write_model(tmp_path, QWEN)
    before = read_model(folder)
    (folder / "config.json").write_bytes(b"\xef\xbb\xbf" + (folder / "config.json").read_bytes())
    assert read_model(folder) == before


def test_a_snapshot_in_the_hubs_cache_has_the_name_of_its_model(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "models--Qwen--Qwen2.5-7B-Instruct" / "snapshots" / "a09a35458c", QWEN)
    assert read_model(folder).name == "Qwen2.5-7B-Instruct"


@pytest.mark.parametrize("part", ["", "snapshots"])
def test_a_models_folder_in_the_cache_means_its_main_snapshot(tmp_path, part):
    cache = tmp_path / "models--Qwen--Qwen2.5-7B-Instruct"
    write_model(cache / "snapshots" / "a09a35458c", QWEN)
    assert read_model(cache / part).name == "Qwen2.5-7B-Instruct"
    write_model(cache / "snapshots" / "b7f2", {**QWEN, "num_hidden_layers": 3})
    with pytest.raises(UsageError, match="2 snapshots"):
        read_model(cache / part)
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text("b7f2")
    assert read_model(cache / part).config["num_hidden_layers"] == 3


def test_a_key_of_a_part_is_changed_by_its_path(tmp_path: Path) -> None:
    folder = write_model(tmp_path, {"model_type": "llava", "text_config": dict(QWEN), "vision_config": {}})
    changed = read_model(folder, changes={"text_config.num_hidden_layers": 2})
    assert changed.config["text_config"]["num_hidden_layers"] == 2
    assert "Did you mean text_config.num_hidden_layers" in refusal(folder, changes={"text_config.num_hidden_layer": 2})


def test_what_is_not_there_and_what_is_no_model_is_reported(tmp_path: Path) -> None:
    assert "no such file or folder" in refusal(tmp_path / "nowhere")
    assert "neither config.json nor model_index.json" in refusal(tmp_path)


def test_a_change_of_an_unknown_key_names_the_nearest(tmp_path: Path) -> None:
    folder = write_model(tmp_path, QWEN)
    assert "Did you mean num_hidden_layers" in refusal(folder, changes={"num_layers_hidden": 2})


def test_a_pipeline_is_its_components(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": "StableDiffusionPipeline", "unet": ["diffusers", "U"]}))
    write_model(tmp_path / "unet", {"_class_name": "UNet2DConditionModel", "sample_size": 64})
    write_model(tmp_path / "notes", {"anything": 1})
    files = read_model(tmp_path)
    assert files.kind == "diffusers"
    assert set(files.components) == {"unet"}


@pytest.mark.parametrize("named", ["evil.bin", "../model.safetensors", ["model.safetensors"], None])
def test_an_index_that_spreads_weights_over_other_files_is_refused(tmp_path: Path, named: object) -> None:
    folder = write_model(tmp_path / "mine", QWEN)
    safetensors(folder / "model.safetensors", {})
    (folder / "evil.bin").write_bytes(pickle.dumps({}))
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "model.safetensors", "b": named}}))
    assert "which is not a safetensors file in its folder" in refusal(folder)
    index.write_text(json.dumps({"weight_map": {"a": "model.safetensors"}}))
    assert read_model(folder).weights == folder


def test_an_adapter_is_refused_since_it_names_another_model(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "mine", QWEN)
    safetensors(folder / "adapter_model.safetensors", {})
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "somebody/elses"}')
    assert "an adapter (LORA) of 'somebody/elses', not a model" in refusal(folder)


@pytest.mark.parametrize(
    ("adapter", "phrase"),
    [
        ({"base_model_name_or_path": "meta-llama/Llama-3.1-8B", "peft_type": "LORA", "r": 16}, "of 'meta-llama/Llama-3.1-8B'"),
        ({"peft_type": "LORA"}, "of another model, which it does not name"),
        ([], "of another model"),
    ],
)
def test_a_folder_of_an_adapter_alone_names_its_base(tmp_path: Path, adapter: object, phrase: str) -> None:
    (tmp_path / "adapter_config.json").write_text(json.dumps(adapter))
    assert phrase in refusal(tmp_path)


def test_keys_that_tell_a_library_what_to_load_are_left_out(tmp_path: Path) -> None:
    plain = read_model(write_model(tmp_path / "plain", QWEN))
    keys = {"_attn_implementation_internal": "somebody/kernel", "_weights": "/elsewhere", "experts_implementation": "x"}
    phrase = read_model(write_model(tmp_path / "phrase", QWEN, **keys, rope_scaling={"_attn_implementation": "somebody/kernel"}))
    assert phrase.config == {**plain.config, "rope_scaling": {}}


@pytest.mark.parametrize("key", ["model_type", "_class_name"])
def test_an_architecture_is_named_by_a_text(tmp_path: Path, key: str) -> None:
    assert f"{key} must be text" in refusal(write_model(tmp_path / "mine", QWEN, **{key: ["os", "abort"]}))
