"""A user's models as they lie on a disk: published configurations, and what a download may also hold."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aigc_bench.core import registry
from aigc_bench.workloads.base import Preset

QWEN: Mapping[str, Any] = {
    "architectures": ["Qwen2ForCausalLM"],
    "hidden_act": "silu",
    "hidden_size": 3584,
    "intermediate_size": 18944,
    "max_position_embeddings": 131072,
    "max_window_layers": 28,
    "model_type": "qwen2",
    "num_attention_heads": 28,
    "num_hidden_layers": 28,
    "num_key_value_heads": 4,
    "rms_norm_eps": 1e-06,
    "rope_theta": 1000000.0,
    "sliding_window": 131072,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "transformers_version": "4.40.1",
    "use_cache": True,
    "use_sliding_window": False,
    "vocab_size": 152064,
}
"""Qwen2.5-7B's config.json."""

MIXTRAL: Mapping[str, Any] = {
    "architectures": ["MixtralForCausalLM"],
    "hidden_act": "silu",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "max_position_embeddings": 32768,
    "model_type": "mixtral",
    "num_attention_heads": 32,
    "num_experts_per_tok": 2,
    "num_hidden_layers": 32,
    "num_key_value_heads": 8,
    "num_local_experts": 8,
    "rms_norm_eps": 1e-05,
    "rope_theta": 1000000.0,
    "sliding_window": None,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "vocab_size": 32000,
}
"""Mixtral-8x7B-v0.1's config.json."""

BERT: Mapping[str, Any] = {
    "architectures": ["BertForMaskedLM"],
    "hidden_act": "gelu",
    "hidden_size": 768,
    "intermediate_size": 3072,
    "max_position_embeddings": 512,
    "model_type": "bert",
    "num_attention_heads": 12,
    "num_hidden_layers": 12,
    "pad_token_id": 0,
    "type_vocab_size": 2,
    "vocab_size": 30522,
}
"""bert-base-uncased's config.json."""

SHRUNK: Mapping[str, Mapping[str, int]] = {
    "qwen": {"num_hidden_layers": 2, "hidden_size": 128, "intermediate_size": 256, "num_attention_heads": 8, "vocab_size": 2000},
    "mixtral": {"num_hidden_layers": 2, "hidden_size": 128, "intermediate_size": 256, "vocab_size": 2000},
    "bert": {"num_hidden_layers": 2, "hidden_size": 96, "intermediate_size": 192, "vocab_size": 2000},
}
"""What a user changes so that a laptop can run it."""

CONFIGS: Mapping[str, Mapping[str, Any]] = {"qwen": QWEN, "mixtral": MIXTRAL, "bert": BERT}


CLIP: Mapping[str, Any] = {
    "architectures": ["CLIPTextModel"], "model_type": "clip_text_model", "vocab_size": 1000, "hidden_size": 64,
    "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2, "max_position_embeddings": 77,
    "hidden_act": "quick_gelu", "bos_token_id": 0, "eos_token_id": 2, "projection_dim": 64, "torch_dtype": "float16",
}  # fmt: skip
CLIP_PROJECTED: Mapping[str, Any] = {**CLIP, "architectures": ["CLIPTextModelWithProjection"]}
T5: Mapping[str, Any] = {
    "architectures": ["T5EncoderModel"], "model_type": "t5", "vocab_size": 1000, "d_model": 128, "d_kv": 32, "d_ff": 256,
    "num_layers": 2, "num_heads": 4, "feed_forward_proj": "gated-gelu", "is_gated_act": True, "num_decoder_layers": 24,
    "relative_attention_num_buckets": 32, "tie_word_embeddings": False,
}  # fmt: skip
UMT5: Mapping[str, Any] = {**T5, "architectures": ["UMT5EncoderModel"], "model_type": "umt5"}


def pipelines() -> Mapping[str, tuple[str, str, Mapping[str, Mapping[str, Any]]]]:
    """Pipeline classes with the family and preset that their folder is the same as, and the configurations in it."""
    small = registry.load("workloads", "latent_diffusion").presets["tiny"]
    image, video = (registry.load("workloads", name).presets for name in ("diffusion_transformer", "video_diffusion"))

    def parts(preset: Preset, denoiser: str, vae: str, **text: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
        named = {"transformer": preset.config["denoiser"], "vae": preset.config["vae"]}
        classes = {"transformer": denoiser, "vae": vae}
        return {**{name: {"_class_name": classes[name], **named[name]} for name in named}, **text}

    return {
        "StableDiffusionPipeline": ("latent_diffusion", "tiny", {
            "unet": {"_class_name": "UNet2DConditionModel", "_diffusers_version": "0.6.0", **small.config["unet"]},
            "vae": {"_class_name": "AutoencoderKL", **small.config["vae"]}, "text_encoder": {**CLIP, "intermediate_size": 256},
        }),
        "StableDiffusion3Pipeline": ("diffusion_transformer", "tiny", parts(
            image["tiny"], "SD3Transformer2DModel", "AutoencoderKL", text_encoder=CLIP_PROJECTED, text_encoder_2=CLIP_PROJECTED,
            text_encoder_3=T5,
        )),
        "FluxPipeline": ("diffusion_transformer", "flux-tiny", parts(
            image["flux-tiny"], "FluxTransformer2DModel", "AutoencoderKL", text_encoder=CLIP, text_encoder_2=T5,
        )),
        "CogVideoXPipeline": ("video_diffusion", "cogvideox-tiny", parts(
            video["cogvideox-tiny"], "CogVideoXTransformer3DModel", "AutoencoderKLCogVideoX", text_encoder=T5,
        )),
        "WanPipeline": ("video_diffusion", "tiny", parts(
            video["tiny"], "WanTransformer3DModel", "AutoencoderKLWan", text_encoder=UMT5,
        )),
        "PixArtSigmaPipeline": ("diffusion_transformer", "pixart-tiny", parts(
            image["pixart-tiny"], "PixArtTransformer2DModel", "AutoencoderKL", text_encoder=T5,
        )),
        "DiTPipeline": ("diffusion_transformer", "dit-tiny", parts(image["dit-tiny"], "DiTTransformer2DModel", "AutoencoderKL")),
        "HunyuanVideoPipeline": ("video_diffusion", "hunyuan-video-tiny", parts(
            video["hunyuan-video-tiny"], "HunyuanVideoTransformer3DModel", "AutoencoderKLHunyuanVideo", text_encoder_2=CLIP,
            text_encoder={"architectures": ["LlamaModel"], **video["hunyuan-video-tiny"].config["text"]["llm"]},
        )),
    }  # fmt: skip


PIPELINES = (
    "StableDiffusionPipeline", "StableDiffusion3Pipeline", "FluxPipeline", "CogVideoXPipeline", "WanPipeline",
    "PixArtSigmaPipeline", "DiTPipeline", "HunyuanVideoPipeline",
)  # fmt: skip


def write_pipeline(folder: Path, name: str, *, without: str | None = None, **changes: Mapping[str, Any]) -> Path:
    """A tiny pipeline's folder as diffusers saves it, without weights; ``changes`` are put over a part's keys."""
    parts = pipelines()[name][2]
    for part, config in parts.items():
        if part != without:
            write_model(folder / part, config, **changes.get(part, {}))
    (folder / "scheduler").mkdir(parents=True, exist_ok=True)
    (folder / "scheduler" / "scheduler_config.json").write_text("{}")
    index = {part: ["diffusers" if "_class_name" in config else "transformers", "Any"] for part, config in parts.items()}
    (folder / "model_index.json").write_text(json.dumps({"_class_name": name, "_diffusers_version": "0.30.0", **index}))
    return folder


def write_model(folder: Path, config: Mapping[str, Any], **changes: Any) -> Path:
    """A model's folder with its config.json."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({**config, **changes}))
    return folder
