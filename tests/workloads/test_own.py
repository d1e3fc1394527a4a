"""Families adopt a user's model: by its architecture, at its own size, with its own weights."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch

from aigc_bench.core import registry
from aigc_bench.core.errors import UsageError
from aigc_bench.core.named_code import load_named_code, with_its_code
from aigc_bench.core.records import Case
from aigc_bench.predict.tracing.trace import trace
from aigc_bench.workloads._own import resolve
from aigc_bench.workloads._own_files import _read
from aigc_bench.workloads._own_precision import refuse_unbuilt, served_precision
from tests.own_models import BERT, CONFIGS, PIPELINES, QWEN, SHRUNK, pipelines, write_model, write_pipeline
from tests.workloads.stepping import run_steps

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


SMALL = {
    "latent_diffusion": {"resolution": 64, "num_inference_steps": 2},
    "diffusion_transformer": {"resolution": 64, "num_inference_steps": 2},
    "video_diffusion": {"height": 64, "width": 64, "num_frames": 5, "num_inference_steps": 1},
}


@pytest.mark.parametrize("name", PIPELINES)
def test_a_pipelines_folder_is_built_as_its_family_builds_the_same_preset(tmp_path, make_setup, name):
    family, preset, _ = pipelines()[name]
    case = case_of(write_pipeline(tmp_path / "mine", name))
    program = registry.load("workloads", family).build(case, make_setup(case, device="meta"))
    assert (case.workload, case.preset) == (family, "mine")
    expected = registry.load("workloads", family).presets[preset].num_params
    # Stable Diffusion's smallest preset has CLIP's whole vocabulary, the folder 1000 words, as a pipeline of tests has.
    words = (49408 - 1000) * 64 if family == "latent_diffusion" else 0
    assert sum(p.numel() for m in program.modules for p in m.parameters()) == expected - words


@pytest.mark.parametrize("name", PIPELINES)
@pytest.mark.parametrize("mode", ["infer", "train"])
def test_a_pipelines_folder_is_run(tmp_path, make_setup, name, mode):
    family = registry.load("workloads", pipelines()[name][0])
    case = case_of(write_pipeline(tmp_path, name), mode=mode, settings=SMALL[pipelines()[name][0]])
    program = family.build(case, make_setup(case))
    assert run_steps(program, family, case)["finite"] is True


@pytest.mark.parametrize("name", PIPELINES)
def test_the_weights_of_a_pipelines_folder_are_the_ones_that_compute(tmp_path, make_setup, name):
    folder = write_pipeline(tmp_path, name)
    family = registry.load("workloads", pipelines()[name][0])
    case = case_of(folder, settings=SMALL[pipelines()[name][0]], seed=1)
    parts = [part for part in ("text_encoder", "transformer", "unet", "vae") if (folder / part).exists()]
    saved = [_saved(folder / part, seed=7) for part in parts]
    _read.cache_clear()
    loaded = case_of(folder, settings=case.settings, seed=1)
    assert loaded.model.sha256 != case.model.sha256
    program = family.build(loaded, make_setup(loaded))
    tensors = [tensor for module in program.modules for tensor in module.state_dict().values()]
    for state in saved:
        largest = max(state.values(), key=torch.Tensor.numel)
        assert any(tensor.shape == largest.shape and torch.equal(tensor, largest) for tensor in tensors)
    assert run_steps(program, family, loaded)["finite"] is True


def test_weights_that_are_there_in_half_precision_only_are_read(tmp_path, make_setup):
    folder = write_pipeline(tmp_path, "FluxPipeline")
    for part in ("text_encoder", "text_encoder_2", "transformer", "vae"):
        _saved(folder / part, seed=7)
        for file in (folder / part).glob("*.safetensors"):
            file.rename(file.with_name(f"{file.stem}.fp16.safetensors"))
    case = case_of(folder, settings=SMALL["diffusion_transformer"])
    family = registry.load("workloads", case.workload)
    assert run_steps(family.build(case, make_setup(case)), family, case)["finite"] is True


def _saved(folder, *, seed):
    """Random weights of the folder's configuration, saved next to it as diffusers and transformers do."""
    import diffusers
    import transformers

    torch.manual_seed(seed)
    config = json.loads((folder / "config.json").read_text())
    if "_class_name" in config:
        model = getattr(diffusers, config["_class_name"]).from_config(config)
    else:
        model_class = getattr(transformers, config["architectures"][0])
        model = model_class(model_class.config_class(**config))
    model.save_pretrained(folder)
    return model.state_dict()


@pytest.mark.parametrize(
    ("name", "without", "changes", "phrase"),
    [
        ("FluxPipeline", "text_encoder_2", {}, "text_encoder_2/config.json: it is missing, and a FluxPipeline needs it"),
        ("FluxPipeline", None, {"transformer": {"_class_name": "MyTransformer"}}, "a MyTransformer is not run here"),
        ("FluxPipeline", None, {"text_encoder_2": {"model_type": "llama"}}, "model_type 'llama' is not run here"),
        ("FluxPipeline", None, {"vae": {"block_out_channels": [16, 32]}}, "an image's side 2 times smaller"),
        ("FluxPipeline", None, {"transformer": {"in_channels": 16}}, "in_channels = 16"),
        ("StableDiffusionPipeline", None, {"unet": {"in_channels": 9}}, "in_channels = 9"),
        ("FluxPipeline", None, {"text_encoder_2": {"d_model": 64}}, "joint_attention_dim = 128: its text encoders give 64"),
        ("StableDiffusion3Pipeline", None, {"text_encoder_3": {"d_model": 64}}, "joint_attention_dim = 128"),
        ("StableDiffusionPipeline", None, {"text_encoder": {"hidden_size": 32}}, "cross_attention_dim = 64"),
        ("CogVideoXPipeline", None, {"text_encoder": {"d_model": 64}}, "text_embed_dim = 128"),
        ("WanPipeline", None, {"text_encoder": {"d_model": 64}}, "text_dim = 128"),
        ("WanPipeline", None, {"transformer": {"image_dim": 1280}}, "an image as a start"),
        ("WanPipeline", None, {"vae": {"z_dim": 32}}, "in_channels = 16: the vae's z_dim asks for it"),
    ],
)
def test_a_pipeline_that_is_not_run_as_it_is_written_is_reported_in_one_line(tmp_path, name, without, changes, phrase):
    folder = write_pipeline(tmp_path, name, without=without, **changes)
    with pytest.raises(UsageError, match=re.escape(phrase)) as caught:
        resolve(folder)
    assert "\n" not in str(caught.value)


def test_a_key_that_the_installed_diffusers_does_not_know_is_reported(tmp_path, make_setup):
    case = case_of(write_pipeline(tmp_path, "FluxPipeline", transformer={"new_in_2030": 1}))
    with pytest.raises(UsageError, match=r"FluxTransformer2DModel: diffusers .* knows no new_in_2030"):
        registry.load("workloads", case.workload).build(case, make_setup(case, device="meta"))


def test_a_pipeline_that_no_family_runs_is_reported_with_those_that_are(tmp_path):
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": "ShapEPipeline", "unet": ["diffusers", "U"]}))
    write_model(tmp_path / "unet", {"_class_name": "UNet2DConditionModel"})
    with pytest.raises(UsageError, match="no family runs a ShapEPipeline") as caught:
        resolve(tmp_path)
    assert all(name in caught.value.hint for name in (*PIPELINES, "StableDiffusionXLPipeline"))
    with pytest.raises(UsageError) as caught:
        resolve(tmp_path / "unet")
    assert "model_index.json" in caught.value.hint


def _rename(folder, pipeline):
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps({**index, "_class_name": pipeline}))
    return folder


def test_both_networks_of_wan_2_2_are_held_and_one_is_run(tmp_path, make_setup):
    one = write_pipeline(tmp_path / "one", "WanPipeline")
    two = write_pipeline(tmp_path / "two", "WanPipeline")
    write_model(two / "transformer_2", json.loads((two / "transformer" / "config.json").read_text()))
    index = json.loads((two / "model_index.json").read_text())
    (two / "model_index.json").write_text(json.dumps({**index, "transformer_2": ["diffusers", "WanTransformer3DModel"]}))
    _read.cache_clear()
    first, second = (trace(case_of(folder, backend="cuda", settings=SMALL["video_diffusion"])) for folder in (one, two))
    assert second.flops == first.flops
    assert second.params_bytes > first.params_bytes


def test_a_start_image_is_channels_and_tokens_next_to_the_latents(tmp_path, make_setup):
    changes = {"in_channels": 36, "out_channels": 16, "image_dim": 64, "added_kv_proj_dim": 48}
    folder = _rename(write_pipeline(tmp_path, "WanPipeline", transformer=changes), "WanImageToVideoPipeline")
    case = case_of(folder, settings=SMALL["video_diffusion"])
    family = registry.load("workloads", "video_diffusion")
    assert run_steps(family.build(case, make_setup(case)), family, case)["finite"] is True


def test_patches_of_two_frames_are_run(tmp_path, make_setup):
    changes = {"patch_size_t": 2, "patch_bias": False}
    folder = write_pipeline(tmp_path, "CogVideoXPipeline", transformer=changes)
    case = case_of(folder, settings={**SMALL["video_diffusion"], "num_frames": 9})
    family = registry.load("workloads", "video_diffusion")
    assert run_steps(family.build(case, make_setup(case)), family, case)["finite"] is True


@pytest.mark.parametrize("changes", [{}, {"patch_size_t": 2, "ofs_embed_dim": 64, "patch_bias": False}])
def test_cogvideox_reads_a_start_image_next_to_the_video(tmp_path, make_setup, changes):
    folder = write_pipeline(tmp_path, "CogVideoXPipeline", transformer={"in_channels": 32, "out_channels": 16, **changes})
    case = case_of(_rename(folder, "CogVideoXImageToVideoPipeline"), settings={**SMALL["video_diffusion"], "num_frames": 9})
    family = registry.load("workloads", "video_diffusion")
    assert run_steps(family.build(case, make_setup(case)), family, case)["finite"] is True


def test_inpainting_reads_a_mask_and_the_masked_image(tmp_path, make_setup):
    folder = _rename(write_pipeline(tmp_path, "StableDiffusionPipeline", unet={"in_channels": 9}), "StableDiffusionInpaintPipeline")
    case = case_of(folder, settings=SMALL["latent_diffusion"])
    family = registry.load("workloads", "latent_diffusion")
    assert run_steps(family.build(case, make_setup(case)), family, case)["finite"] is True


def test_the_refiner_of_sdxl_has_its_second_text_encoder_alone(tmp_path, make_setup):
    changes = {
        "addition_embed_type": "text_time", "addition_time_embed_dim": 32, "projection_class_embeddings_input_dim": 64 + 5 * 32,
    }  # fmt: skip
    folder = _rename(write_pipeline(tmp_path, "StableDiffusionPipeline", unet=changes), "StableDiffusionXLImg2ImgPipeline")
    config = json.loads((folder / "text_encoder" / "config.json").read_text())
    write_model(folder / "text_encoder_2", {**config, "architectures": ["CLIPTextModelWithProjection"], "projection_dim": 64})
    index = json.loads((folder / "model_index.json").read_text())
    del index["text_encoder"]
    (folder / "model_index.json").write_text(json.dumps({**index, "text_encoder_2": ["transformers", "X"]}))
    case = case_of(folder, settings=SMALL["latent_diffusion"])
    family = registry.load("workloads", "latent_diffusion")
    assert run_steps(family.build(case, make_setup(case)), family, case)["finite"] is True


@pytest.mark.parametrize(
    ("pipeline", "phrase"),
    [
        ("StableAudioPipeline", "its denoiser (StableAudioDiTModel)"),
        ("AudioLDM2Pipeline", "its denoiser (AudioLDM2UNet2DConditionModel)"),
    ],
)
def test_a_pipeline_that_is_not_carried_names_the_part_and_what_is_possible(tmp_path, pipeline, phrase):
    folder = _rename(write_pipeline(tmp_path, "FluxPipeline"), pipeline)
    with pytest.raises(UsageError) as caught:
        resolve(folder)
    assert phrase in str(caught.value)
    assert "Closest" in caught.value.hint


def test_a_pickle_in_a_part_of_a_pipeline_is_refused(tmp_path):
    folder = write_pipeline(tmp_path, "FluxPipeline")
    (folder / "transformer" / "diffusion_pytorch_model.bin").write_bytes(b"\x80\x04.")
    with pytest.raises(UsageError, match=r"transformer/diffusion_pytorch_model\.bin: a pickle"):
        resolve(folder)


@pytest.mark.parametrize(
    ("changes", "phrase"),
    [
        ({"model_type": "qwen99", "architectures": ["Qwen99ForCausalLM"]}, "no model_type 'qwen99'"),
        ({"model_type": "qwen99", "auto_map": {"AutoModel": "theirs.Model"}}, "auto_map names code to execute, which is never run"),
        ({"model_type": "../../etc/passwd"}, "no model_type"),
        ({"model_type": 3000 * "x"}, "no model_type"),
        (
            {"model_type": "detr", "architectures": ["DetrForObjectDetection"]},
            "no family runs a DetrForObjectDetection",
        ),
    ],
)
def test_what_no_family_runs_is_reported_with_those_that_would(tmp_path, changes, phrase):
    with pytest.raises(UsageError, match=phrase) as caught:
        resolve(write_model(tmp_path, QWEN, **changes))
    assert "bert, gpt" in str(caught.value) or "module:function" in caught.value.hint


def test_an_architecture_of_transformers_is_run_whatever_code_its_file_names(tmp_path):
    plain = resolve(write_model(tmp_path / "plain", QWEN))
    naming = resolve(write_model(tmp_path / "naming", QWEN, auto_map={"AutoModelForCausalLM": "modeling_qwen.Qwen"}))
    assert naming.workload == "gpt"
    assert naming.model.sha256 == plain.model.sha256


FP8 = {"quant_method": "fp8", "activation_scheme": "dynamic"}


@pytest.mark.parametrize(("engine", "is_built"), [("torch-eager", False), ("torch-int4", False), ("torch-fp8", True)])
def test_an_engine_builds_a_quantised_checkpoint_in_its_own_format_or_when_told_another(tmp_path, engine, is_built):
    found = resolve(write_model(tmp_path, QWEN, quantization_config=FP8))
    refuse_unbuilt(found.quantization, path="mine", engine=engine, precision="bf16")
    if is_built:
        refuse_unbuilt(found.quantization, path="mine", engine=engine, precision=None)
        return
    with pytest.raises(UsageError, match=f"mine: fp8 weights .* which {engine} does not build") as caught:
        refuse_unbuilt(found.quantization, path="mine", engine=engine, precision=None)
    assert "torch-fp8" in caught.value.hint


def test_a_served_checkpoint_is_computed_in_its_own_numbers(tmp_path):
    found = resolve(write_model(tmp_path, QWEN, quantization_config=FP8))
    assert served_precision(found.quantization, path="mine", asked=None) == "fp8"
    assert served_precision(None, path="mine", asked="int4") == "int4"
    with pytest.raises(UsageError, match="--precision bf16: mine has fp8 weights"):
        served_precision(found.quantization, path="mine", asked="bf16")


def test_a_function_makes_a_workload(tmp_path, monkeypatch):
    (tmp_path / "mine_for_test.py").write_text(
        "from tests.extensions.known_rate import KnownRate\ndef make():\n    return KnownRate()\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(UsageError, match="a file must not name code"):
        case_of("mine_for_test:make")
    load_named_code("mine_for_test:make")
    case = case_of("mine_for_test:make")
    assert case.preset == "sleep"
    assert registry.load("workloads", case.workload).work(case).items_per_step == 50


@pytest.mark.parametrize(
    ("name", "phrase"),
    [
        ("no_such_module:make", "no module named 'no_such_module'"),
        ("os:nothing", "no attribute 'nothing'"),
        ("os:getcwd", "not a Workload"),
        ("math:sqrt", "raised TypeError"),
    ],
)
def test_a_function_that_makes_none_is_reported_in_one_line(name, phrase):
    with pytest.raises(UsageError, match=phrase):
        resolve(with_its_code(name))
