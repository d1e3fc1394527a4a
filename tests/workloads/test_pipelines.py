"""Folders of diffusers pipelines that have no preset: at their published size, traced, and run where they are small."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from aigc_bench.core import registry
from aigc_bench.core.errors import UsageError
from aigc_bench.core.records import Case
from aigc_bench.predict.queries import predict_one
from aigc_bench.predict.query import Query
from aigc_bench.workloads._own import resolve
from tests.published_pipelines import FOLDERS, write_folder
from tests.workloads.stepping import run_steps

TINY_T5 = {"vocab_size": 100, "d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 4, "num_decoder_layers": 2}
TINY_CLIP = {
    "vocab_size": 100, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
    "bos_token_id": 0, "eos_token_id": 99,
}  # fmt: skip
TINY_VAE = {"block_out_channels": [8, 8, 16, 16], "layers_per_block": 1, "norm_num_groups": 4}
TINY_VISION = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
TINY_TEXT = {
    "hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2,
    "head_dim": 16, "vocab_size": 100,
}  # fmt: skip
TINY: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "Qwen/Qwen-Image": {
        "transformer": {
            "num_layers": 2, "num_attention_heads": 2, "attention_head_dim": 16, "joint_attention_dim": 64,
            "axes_dims_rope": [4, 6, 6],
        },
        "vae": {"base_dim": 8, "num_res_blocks": 1},
        "text_encoder": {
            **TINY_TEXT, "rope_scaling": {"type": "mrope", "mrope_section": [2, 3, 3]}, "pad_token_id": 0,
            "vision_config": {
                "depth": 1, "hidden_size": 32, "intermediate_size": 32, "num_heads": 2, "out_hidden_size": 64,
                "fullatt_block_indexes": [0],
            },
        },
    },
    "black-forest-labs/FLUX.2-dev": {
        "transformer": {
            "num_layers": 1, "num_single_layers": 1, "num_attention_heads": 2, "attention_head_dim": 16,
            "joint_attention_dim": 192, "axes_dims_rope": [4, 4, 4, 4], "timestep_guidance_channels": 32,
        },
        "vae": TINY_VAE,
        "text_encoder": {
            "text_config": {"model_type": "mistral", **TINY_TEXT, "num_hidden_layers": 30},
            "vision_config": {"model_type": "pixtral", **TINY_VISION, "head_dim": 16, "patch_size": 14, "image_size": 28},
        },
    },
    "Efficient-Large-Model/Sana_600M_1024px_diffusers": {
        "transformer": {
            "num_layers": 2, "num_attention_heads": 2, "attention_head_dim": 16, "num_cross_attention_heads": 2,
            "cross_attention_head_dim": 16, "cross_attention_dim": 32, "caption_channels": 64,
        },
        "vae": {
            "encoder_block_out_channels": [8, 8, 16, 16, 32, 32], "decoder_block_out_channels": [8, 8, 16, 16, 32, 32],
            "encoder_layers_per_block": [1] * 6, "decoder_layers_per_block": [1] * 6, "attention_head_dim": 16,
        },
        "text_encoder": {**TINY_TEXT, "pad_token_id": 0},
    },
    "Tencent-Hunyuan/HunyuanDiT-v1.2-Diffusers": {
        "transformer": {
            "num_layers": 2, "hidden_size": 32, "num_attention_heads": 2, "attention_head_dim": 16, "cross_attention_dim": 32,
            "cross_attention_dim_t5": 32, "pooled_projection_dim": 32,
        },
        "vae": TINY_VAE,
        "text_encoder": {
            "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 100,
        },
        "text_encoder_2": TINY_T5,
    },
    "Kwai-Kolors/Kolors-diffusers": {
        "unet": {
            "block_out_channels": [32, 32, 64], "attention_head_dim": [2, 2, 4], "cross_attention_dim": 32, "encoder_hid_dim": 64,
            "transformer_layers_per_block": [1, 1, 1], "layers_per_block": 1, "norm_num_groups": 8, "addition_time_embed_dim": 16,
            "projection_class_embeddings_input_dim": 64 + 6 * 16,
        },
        "vae": TINY_VAE,
        "text_encoder": {
            "ffn_hidden_size": 64, "hidden_size": 64, "kv_channels": 16, "num_attention_heads": 4, "num_layers": 2,
            "padded_vocab_size": 100, "seq_length": 256,
        },
    },
    "Lightricks/LTX-Video": {
        "transformer": {
            "num_layers": 2, "num_attention_heads": 2, "attention_head_dim": 16, "cross_attention_dim": 32, "caption_channels": 32,
            "in_channels": 16, "out_channels": 16,
        },
        "vae": {
            "latent_channels": 16, "block_out_channels": [8, 8, 16, 16], "decoder_block_out_channels": [8, 8, 16, 16],
            "layers_per_block": [1] * 5, "decoder_layers_per_block": [1] * 5,
        },
        "text_encoder": TINY_T5,
    },
    "Lightricks/LTX-2": {
        "transformer": {
            "num_layers": 1, "num_attention_heads": 2, "attention_head_dim": 16, "cross_attention_dim": 32, "caption_channels": 64,
            "in_channels": 16, "out_channels": 16, "audio_in_channels": 16, "audio_out_channels": 16,
            "audio_num_attention_heads": 2, "audio_attention_head_dim": 8, "audio_cross_attention_dim": 16,
        },
        "vae": {
            "latent_channels": 16, "block_out_channels": [8, 8, 16, 16], "decoder_block_out_channels": [8, 16, 32],
            "layers_per_block": [1] * 5, "decoder_layers_per_block": [1] * 4,
        },
        "text_encoder": {
            "text_config": {"model_type": "gemma3_text", **TINY_TEXT, "sliding_window": 16},
            "vision_config": {"model_type": "siglip_vision_model", **TINY_VISION, "image_size": 28, "patch_size": 14},
        },
        "connectors": {
            "caption_channels": 64, "text_proj_in_factor": 5, "video_connector_num_attention_heads": 4,
            "video_connector_attention_head_dim": 16, "video_connector_num_layers": 1, "audio_connector_num_attention_heads": 4,
            "audio_connector_attention_head_dim": 16, "audio_connector_num_layers": 1,
        },
    },
    "hunyuanvideo-community/HunyuanVideo-1.5-480p_t2v": {
        "transformer": {
            "num_layers": 2, "num_attention_heads": 2, "attention_head_dim": 16, "rope_axes_dim": [4, 6, 6], "text_embed_dim": 64,
            "text_embed_2_dim": 32, "image_embed_dim": 32, "num_refiner_layers": 1, "in_channels": 41, "out_channels": 8,
        },
        "vae": {"latent_channels": 8, "block_out_channels": [16, 16, 16, 16, 16], "layers_per_block": 1},
        "text_encoder": {**TINY_TEXT, "rope_scaling": {"type": "mrope", "mrope_section": [2, 3, 3]}, "pad_token_id": 0},
        "text_encoder_2": TINY_T5,
    },
    "genmo/mochi-1-preview": {
        "transformer": {
            "num_layers": 2, "num_attention_heads": 2, "attention_head_dim": 16, "pooled_projection_dim": 16, "text_embed_dim": 32,
        },
        "vae": {
            "encoder_block_out_channels": [32] * 4, "decoder_block_out_channels": [32] * 4, "layers_per_block": [1] * 5,
        },
        "text_encoder": TINY_T5,
    },
    "stabilityai/stable-video-diffusion-img2vid-xt": {
        "unet": {
            "block_out_channels": [32, 32, 64, 64], "num_attention_heads": [2, 2, 4, 4], "cross_attention_dim": 32,
            "layers_per_block": 1, "addition_time_embed_dim": 16, "projection_class_embeddings_input_dim": 48,
        },
        "vae": {"block_out_channels": [32, 32, 32, 32], "layers_per_block": 1},
        "image_encoder": {**TINY_VISION, "projection_dim": 32, "image_size": 28},
    },
    "guoyww/animatediff-motion-adapter-v1-5-2": {
        "unet": {
            "block_out_channels": [32, 32, 64, 64], "layers_per_block": 1, "cross_attention_dim": 32, "norm_num_groups": 8,
            "attention_head_dim": 4,
        },
        "motion_adapter": {"block_out_channels": [32, 32, 64, 64], "motion_layers_per_block": 1, "motion_num_attention_heads": 2},
        "vae": TINY_VAE, "text_encoder": TINY_CLIP,
    },
}  # fmt: skip


def case_of(folder, **keys) -> Case:
    found = resolve(folder)
    return Case(workload=found.workload, preset=found.preset, model=found.model, **{"mode": "infer", **keys})


def num_params(module) -> int:
    return sum(p.numel() for p in {id(p): p for p in module.parameters()}.values())


@pytest.mark.parametrize("name", FOLDERS)
def test_a_pipelines_denoiser_has_the_parameters_that_are_published(tmp_path, make_setup, name):
    published = FOLDERS[name]
    case = case_of(write_folder(tmp_path / "any-name", published), precision="bf16")
    assert case.workload == published.family
    family = registry.load("workloads", case.workload)
    parts = family.parts(case, make_setup(case, device="meta"))
    assert num_params(parts.denoiser) == pytest.approx(published.denoiser, rel=published.rel)
    assert num_params(parts.text_encoder) == pytest.approx(published.readers, rel=published.rel)


@pytest.mark.parametrize("name", FOLDERS)
def test_a_published_pipeline_is_predicted_in_time_and_memory_whatever_its_folder_is_called(tmp_path, name):
    published = FOLDERS[name]
    answers = []
    for folder in ("flux.1-dev", "x"):
        query = Query(model=write_folder(tmp_path / folder, published), precision="bf16", settings=published.short)
        rows = {row.metric: row for _, row in predict_one(query, accelerators=["h200"]).rows}
        answers.append((rows["throughput"].value, rows["step_time"].value, rows["memory_device_peak"].value))
    assert answers[0] == answers[1]
    assert all(value > 0 for value in answers[0])
    # All parts are resident, two bytes a number.
    assert answers[0][2] > 2 * (published.denoiser + published.readers) * (1 - published.rel)


@pytest.mark.parametrize("name", TINY)
@pytest.mark.parametrize("mode", ["infer", "train"])
def test_a_small_pipeline_of_every_kind_is_run(tmp_path, make_setup, name, mode):
    published = FOLDERS[name]
    side = {key: 64 for key in ("resolution", "height", "width") if key in published.short}
    folder = write_folder(tmp_path, published, **TINY[name])
    case = case_of(folder, mode=mode, settings={**published.short, **side}, batch_size=2)
    family = registry.load("workloads", case.workload)
    found = run_steps(family.build(case, make_setup(case)), family, case)
    assert found["finite"] is True if mode == "infer" else found


@pytest.mark.parametrize(
    ("name", "without", "changes", "phrase"),
    [
        ("Qwen/Qwen-Image", "text_encoder", {}, "text_encoder/config.json: it is missing, and a QwenImagePipeline needs it"),
        (
            "Qwen/Qwen-Image",
            None,
            {"transformer": {"joint_attention_dim": 64}},
            "joint_attention_dim = 64: its text encoders give 3584",
        ),
        ("Qwen/Qwen-Image", None, {"vae": {"z_dim": 8}}, "in_channels = 64: the vae's latent channels ask for it"),
        ("black-forest-labs/FLUX.2-dev", None, {"text_encoder": {"model_type": "llama"}}, "model_type 'llama' is not run here"),
        ("Qwen/Qwen-Image", None, {"vae": {"temperal_downsample": 3}}, "lists and sizes are not those of a QwenImagePipeline"),
        ("Lightricks/LTX-Video", None, {"vae": {"spatial_compression_ratio": "x"}}, "vae/config.json: its lists and sizes"),
        ("Lightricks/LTX-Video", None, {"vae": {"patch_size": 0}}, "vae/config.json: its lists and sizes"),
        ("genmo/mochi-1-preview", None, {"vae": {"spatial_expansions": ["a"]}}, "vae/config.json: its lists and sizes"),
        ("guoyww/animatediff-motion-adapter-v1-5-2", None, {"unet": {"down_block_types": [1]}}, "unet/config.json: its lists"),
        ("Lightricks/LTX-2", "connectors", {}, "connectors/config.json: it is missing"),
        ("genmo/mochi-1-preview", None, {"vae": {"_class_name": "AutoencoderKL"}}, "a AutoencoderKL is not run here"),
        ("guoyww/animatediff-motion-adapter-v1-5-2", "motion_adapter", {}, "motion_adapter/config.json: it is missing"),
    ],
)
def test_a_pipeline_whose_parts_do_not_fit_together_is_reported_in_one_line(tmp_path, name, without, changes, phrase):
    with pytest.raises(UsageError) as caught:
        resolve(write_folder(tmp_path, FOLDERS[name], without=without, **changes))
    assert phrase in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "settings", "phrase"),
    [
        ("Lightricks/LTX-Video", {"num_frames": 20}, "num_frames = 20 is not 8 n + 1"),
        ("genmo/mochi-1-preview", {"num_frames": 20}, "num_frames = 20 is not 6 n + 1"),
        ("Lightricks/LTX-Video", {"height": 144}, "height = 144: not a multiple of 32"),
        ("Efficient-Large-Model/Sana_600M_1024px_diffusers", {"resolution": 80}, "resolution = 80: not a multiple of 32"),
    ],
)
def test_sizes_that_an_auto_encoder_cannot_make_name_the_nearest(tmp_path, name, settings, phrase):
    case = case_of(write_folder(tmp_path, FOLDERS[name]), settings=settings)
    with pytest.raises(UsageError) as caught:
        registry.load("workloads", case.workload).validate(case)
    assert phrase in str(caught.value)
    assert "Use " in caught.value.hint
