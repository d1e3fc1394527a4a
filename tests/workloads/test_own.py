"""Families adopt a user's model: by its architecture, at its own size, with its own weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from aigc_bench.core import registry
from aigc_bench.core.errors import UsageError
from aigc_bench.core.records import Case
from aigc_bench.workloads._own import resolve
from tests.own_models import BERT, CONFIGS, QWEN, SHRUNK, write_model

TINY_GPT2 = {
    "model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "n_layer": 2, "n_head": 2, "n_embd": 32, "n_positions": 64,
    "vocab_size": 97, "bos_token_id": 0, "eos_token_id": 0,
}  # fmt: skip


def case_of(path: Path | str, **keys):
    resolved = resolve(path, changes=keys.pop("changes", None))
    return Case(workload=resolved.workload, preset=resolved.preset, model=resolved.model, **{"mode": "infer", **keys})


@pytest.mark.parametrize(
    ("name", "family", "num_params"), [("qwen", "gpt", 7.6e9), ("mixtral", "gpt", 46.7e9), ("bert", "bert", 109.5e6)]
)
def test_a_published_configuration_has_its_published_number_of_parameters(tmp_path, make_setup, name, family, num_params):
    case = case_of(write_model(tmp_path / name, CONFIGS[name]))
    assert case.workload == family
    program = registry.load("workloads", family).build(case, make_setup(case, device="meta"))
    assert sum(p.numel() for m in program.modules for p in m.parameters()) == pytest.approx(num_params, rel=0.01)


@pytest.mark.parametrize("name", CONFIGS)
def test_changes_make_it_fit_a_laptop(tmp_path, make_setup, name):
    case = case_of(write_model(tmp_path / name, CONFIGS[name]), changes=SHRUNK[name])
    program = registry.load("workloads", case.workload).build(case, make_setup(case, device="meta"))
    assert sum(p.numel() for m in program.modules for p in m.parameters()) < 3e6


def test_the_cases_name_tells_models_apart(tmp_path):
    first = case_of(write_model(tmp_path / "a" / "mine", QWEN))
    second = case_of(write_model(tmp_path / "b" / "mine", QWEN, num_hidden_layers=2))
    assert first.preset == second.preset == "mine"
    assert first.id != second.id
    assert Case.model_validate_json(first.model_dump_json()) == first


def test_a_model_that_changed_since_is_not_measured_under_its_old_name(tmp_path):
    case = case_of(write_model(tmp_path / "mine", BERT))
    write_model(tmp_path / "mine", BERT, num_hidden_layers=3)
    from aigc_bench.workloads._own import _read

    _read.cache_clear()
    with pytest.raises(UsageError, match="has changed since"):
        registry.load("workloads", "bert").validate(case)


def test_weights_of_the_folder_are_the_ones_that_compute(tmp_path, make_setup):
    from transformers import AutoConfig, AutoModelForCausalLM

    keys = dict(TINY_GPT2)
    torch.manual_seed(7)
    saved = AutoModelForCausalLM.from_config(AutoConfig.for_model(keys.pop("model_type"), **keys)).eval()
    saved.save_pretrained(tmp_path / "tiny")
    case = case_of(tmp_path / "tiny", settings={"prompt_len": 8, "max_new_tokens": 2}, seed=3)
    program = registry.load("workloads", "gpt").build(case, make_setup(case))
    tokens = torch.arange(8)[None]
    with torch.no_grad():
        torch.testing.assert_close(program.modules[0](input_ids=tokens).logits, saved(input_ids=tokens).logits)


def test_a_stable_diffusion_folder_is_latent_diffusion(tmp_path, make_setup):
    family = registry.load("workloads", "latent_diffusion")
    config = family.presets["tiny"].config
    parts = {"unet": config["unet"], "vae": config["vae"], "text_encoder": {**config["text_encoders"][0], "projection_dim": 64}}
    for part, keys in parts.items():
        write_model(tmp_path / part, {**keys, "_class_name": "Any"})
    index = {"_class_name": "StableDiffusionPipeline", **{part: ["diffusers", "Any"] for part in parts}}
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    case = case_of(tmp_path)
    program = family.build(case, make_setup(case, device="meta"))
    assert case.workload == "latent_diffusion"
    assert sum(p.numel() for m in program.modules for p in m.parameters()) == family.presets["tiny"].num_params


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"model_type": "qwen99", "architectures": ["Qwen99ForCausalLM"]}, "no model_type 'qwen99'"),
        ({"model_type": "../../etc/passwd"}, "no model_type"),
        (
            {"model_type": "resnet", "architectures": ["ResNetForImageClassification"]},
            "no family runs a ResNetForImageClassification",
        ),
    ],
)
def test_what_no_family_runs_is_told_with_those_that_would(tmp_path, changes, told):
    with pytest.raises(UsageError, match=told) as caught:
        resolve(write_model(tmp_path, QWEN, **changes))
    assert "bert, gpt" in str(caught.value)


def test_a_function_makes_a_workload(tmp_path, monkeypatch):
    (tmp_path / "mine_for_test.py").write_text(
        "from tests.extensions.known_rate import KnownRate\ndef make():\n    return KnownRate()\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    case = case_of("mine_for_test:make")
    assert case.preset == "sleep"
    assert registry.load("workloads", case.workload).work(case).items_per_step == 50


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("no_such_module:make", "no module 'no_such_module'"),
        ("os:nothing", "no attribute 'nothing'"),
        ("os:getcwd", "not a Workload"),
        ("math:sqrt", "raised TypeError"),
    ],
)
def test_a_function_that_makes_none_is_told_in_one_line(name, told):
    with pytest.raises(UsageError, match=told):
        resolve(name)
