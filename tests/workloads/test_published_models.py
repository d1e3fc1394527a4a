"""Published configurations are adopted by the family that runs them, at the size that their authors count."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from aigc_bench.core import registry
from aigc_bench.core.errors import UsageError
from aigc_bench.core.records import Case
from aigc_bench.predict.queries import predict_one
from aigc_bench.predict.query import Query
from aigc_bench.predict.tracing.trace import trace
from aigc_bench.workloads._own import resolve
from tests.own_models import QWEN, write_model
from tests.published_models import DECODERS, ENCODERS
from tests.published_senses import SENSES

PUBLISHED = {**DECODERS, **ENCODERS, **SENSES}


def case_of(folder: Path, **keys: Any) -> Case:
    found = resolve(folder)
    return Case(workload=found.workload, preset=found.preset, model=found.model, **{"mode": "infer", "precision": "bf16", **keys})


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_configuration_has_the_parameters_that_its_authors_count(tmp_path, make_setup, name):
    published = PUBLISHED[name]
    case = case_of(write_model(tmp_path / "any-name", published.config))
    assert case.workload == published.family
    program = registry.load("workloads", case.workload).build(case, make_setup(case, device="meta"))
    parameters = {id(p): p for module in program.modules for p in module.parameters()}.values()
    assert sum(p.numel() for p in parameters) == pytest.approx(published.num_params, rel=1e-3)


SHORT = {
    "multimodal": {"prompt_len": 8, "max_new_tokens": 2},
    "music": {"audio_s": 0.1},
    "seq2seq": {"src_len": 8, "max_new_tokens": 2},
    "speech_recognition": {"max_new_tokens": 2},
}


@pytest.mark.parametrize("name", SENSES)
def test_a_published_configuration_of_speech_images_and_translation_is_traced(tmp_path, name):
    family = SENSES[name].family
    case = case_of(write_model(tmp_path, SENSES[name].config), backend="cuda", settings=SHORT.get(family, {}))
    traced = trace(case)
    assert traced.flops > 0
    assert [stage.name for stage in traced.stages] == [stage.name for stage in registry.load("workloads", family).stages(case)]


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_configuration_states_its_precision(tmp_path, name):
    found = resolve(write_model(tmp_path, PUBLISHED[name].config)).quantization
    assert (None if found is None else found.precision) == PUBLISHED[name].precision


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_name_of_the_folder_decides_nothing(tmp_path, name):
    first, second = (resolve(write_model(tmp_path / folder, PUBLISHED[name].config)) for folder in ("llama-3.1-8b", "x"))
    assert (first.workload, first.model.sha256) == (second.workload, second.model.sha256)


def test_positions_behind_a_padding_token_are_not_for_words(tmp_path):
    """RoBERTa's table of 514 positions serves 512 tokens."""
    folder = write_model(tmp_path, ENCODERS["FacebookAI/roberta-base"].config)
    bert = registry.load("workloads", "bert")
    bert.validate(case_of(folder, settings={"seq_len": 512}))
    with pytest.raises(UsageError, match="exceeds the model's 512 positions"):
        bert.validate(case_of(folder, settings={"seq_len": 513}))


def test_a_model_that_sees_is_served_by_its_language_model(tmp_path):
    folder = write_model(tmp_path / "vl", SENSES["Qwen/Qwen2.5-VL-7B-Instruct"].config)
    found = predict_one(Query(model=folder, engine="vllm"), accelerators=["h100"]).rows
    rows = {row.metric: row for _, row in found}
    assert rows["num_params"].value == pytest.approx(7.616e9, rel=1e-3)
    assert "images_not_counted" in rows["throughput"].reasons


@pytest.mark.parametrize("key", ["text_config", "llm_config", "language_config"])
def test_the_language_model_of_a_multimodal_type_that_no_library_has_is_run(tmp_path, key):
    """InternVL and DeepSeek-VL name their language models so."""
    found = resolve(write_model(tmp_path, {"model_type": "theirs", "architectures": ["TheirsForChat"], key: dict(QWEN)}))
    assert found.workload == "gpt"


@pytest.mark.parametrize(
    "config",
    [
        {**QWEN, "architectures": ["OtherForCausalLM"]},
        {"model_type": "clip_text_model", "architectures": ["CLIPTextModel"], "hidden_size": 512, "vocab_size": 49408},
        {"model_type": "theirs", "llm_config": {"model_type": "theirs_too"}},
    ],
)
def test_what_is_no_language_model_of_the_library_is_not_taken_for_one(tmp_path, config):
    with pytest.raises(UsageError):
        resolve(write_model(tmp_path, config))
