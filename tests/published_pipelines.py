"""Folders of diffusers pipelines: ``model_index.json`` and the configuration of each part, as published, without weights.

Written out from the ``config.json`` of the parts in the named repositories; keys that only say how a file was saved, and those
whose value is the library's default, are left out. ``denoiser`` is the number of parameters that is published for the denoiser,
known to ``rel``; ``readers`` those of its text and image encoders together.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tests.published_models import DECODERS, QWEN25_VL_7B


class Folder(NamedTuple):
    """``source`` is where ``denoiser`` is published; ``short`` are settings that a trace is quick with."""

    family: str
    pipeline: str
    denoiser: float
    readers: float
    parts: Mapping[str, Mapping[str, Any]]
    source: str
    rel: float = 1e-3
    part: str = "transformer"
    short: Mapping[str, Any] = {}


_T5_XXL = {
    "architectures": ["T5EncoderModel"], "model_type": "t5", "vocab_size": 32128, "d_model": 4096, "d_kv": 64, "d_ff": 10240,
    "num_layers": 24, "num_heads": 64, "num_decoder_layers": 24, "feed_forward_proj": "gated-gelu", "is_gated_act": True,
    "dense_act_fn": "gelu_new", "tie_word_embeddings": False, "torch_dtype": "bfloat16",
}  # fmt: skip
_CLIP_L = {
    "architectures": ["CLIPTextModel"], "model_type": "clip_text_model", "vocab_size": 49408, "hidden_size": 768,
    "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12, "max_position_embeddings": 77,
    "hidden_act": "quick_gelu", "projection_dim": 768, "torch_dtype": "float32",
}  # fmt: skip
_CLIP_H_VISION = {
    "architectures": ["CLIPVisionModelWithProjection"], "model_type": "clip_vision_model", "hidden_act": "gelu",
    "hidden_size": 1280, "image_size": 224, "intermediate_size": 5120, "num_attention_heads": 16, "num_hidden_layers": 32,
    "patch_size": 14, "projection_dim": 1024, "torch_dtype": "float16",
}  # fmt: skip
_GEMMA2_2B = {
    "architectures": ["Gemma2Model"], "model_type": "gemma2", "head_dim": 256, "hidden_size": 2304, "intermediate_size": 9216,
    "num_attention_heads": 8, "num_hidden_layers": 26, "num_key_value_heads": 4, "query_pre_attn_scalar": 256,
    "sliding_window": 4096, "vocab_size": 256000, "max_position_embeddings": 8192, "torch_dtype": "bfloat16",
}  # fmt: skip
_GEMMA3_12B = {
    "architectures": ["Gemma3ForConditionalGeneration"], "model_type": "gemma3", "mm_tokens_per_image": 256,
    "text_config": {
        "model_type": "gemma3_text", "hidden_size": 3840, "intermediate_size": 15360, "num_attention_heads": 16,
        "num_hidden_layers": 48, "num_key_value_heads": 8, "head_dim": 256, "sliding_window": 1024, "vocab_size": 262208,
        "query_pre_attn_scalar": 256, "max_position_embeddings": 131072,
    },
    "vision_config": {
        "model_type": "siglip_vision_model", "hidden_size": 1152, "image_size": 896, "intermediate_size": 4304,
        "num_attention_heads": 16, "num_hidden_layers": 27, "patch_size": 14, "vision_use_head": False,
    },
}  # fmt: skip
_BYT5_SMALL = {
    "architectures": ["T5EncoderModel"], "model_type": "t5", "vocab_size": 1510, "d_model": 1472, "d_kv": 64, "d_ff": 3584,
    "num_layers": 12, "num_heads": 6, "num_decoder_layers": 4, "feed_forward_proj": "gated-gelu", "is_gated_act": True,
    "dense_act_fn": "gelu_new", "tie_word_embeddings": False,
}  # fmt: skip
_QWEN25_VL_7B_TEXT = {
    **{key: value for key, value in QWEN25_VL_7B.items() if not key.startswith(("vision", "image", "video"))},
    "architectures": ["Qwen2_5_VLTextModel"], "model_type": "qwen2_5_vl_text",
}  # fmt: skip
_BERT_HUNYUAN = {
    "architectures": ["BertModel"], "model_type": "bert", "hidden_act": "gelu", "hidden_size": 1024, "intermediate_size": 4096,
    "max_position_embeddings": 512, "num_attention_heads": 16, "num_hidden_layers": 24, "type_vocab_size": 2,
    "vocab_size": 47020, "pad_token_id": 0,
}  # fmt: skip
_MT5_XL = {
    "architectures": ["T5EncoderModel"], "model_type": "mt5", "vocab_size": 250112, "d_model": 2048, "d_kv": 64, "d_ff": 5120,
    "num_layers": 24, "num_heads": 32, "feed_forward_proj": "gated-gelu", "is_gated_act": True, "tie_word_embeddings": False,
}  # fmt: skip
_VAE = {
    "_class_name": "AutoencoderKL", "block_out_channels": [128, 256, 512, 512], "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4, "layers_per_block": 2, "latent_channels": 4, "scaling_factor": 0.18215,
}  # fmt: skip
_UNET_15 = {
    "_class_name": "UNet2DConditionModel", "act_fn": "silu", "attention_head_dim": 8, "block_out_channels": [320, 640, 1280, 1280],
    "cross_attention_dim": 768, "in_channels": 4, "out_channels": 4, "layers_per_block": 2, "norm_num_groups": 32,
    "down_block_types": ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"], "sample_size": 64,
    "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3,
}  # fmt: skip


def _sana(layers: int, heads: int, cross_heads: int, cross_dim: int) -> dict[str, Any]:
    return {
        "_class_name": "SanaTransformer2DModel", "in_channels": 32, "out_channels": 32, "num_layers": layers,
        "num_attention_heads": heads, "attention_head_dim": 32, "num_cross_attention_heads": cross_heads,
        "cross_attention_head_dim": cross_dim, "cross_attention_dim": heads * 32, "caption_channels": 2304, "mlp_ratio": 2.5,
        "patch_size": 1, "sample_size": 32,
    }  # fmt: skip


_DC = {
    "_class_name": "AutoencoderDC", "latent_channels": 32, "attention_head_dim": 32, "scaling_factor": 0.41407,
    "encoder_block_types": ["ResBlock"] * 3 + ["EfficientViTBlock"] * 3,
    "decoder_block_types": ["ResBlock"] * 3 + ["EfficientViTBlock"] * 3,
    "encoder_block_out_channels": [128, 256, 512, 512, 1024, 1024], "upsample_block_type": "interpolate",
    "decoder_block_out_channels": [128, 256, 512, 512, 1024, 1024], "downsample_block_type": "conv",
    "encoder_layers_per_block": [2, 2, 2, 3, 3, 3], "decoder_layers_per_block": [3, 3, 3, 3, 3, 3],
}  # fmt: skip
_SMALL_VIDEO = {"height": 128, "width": 128, "num_frames": 17, "num_inference_steps": 1}
_SMALL_IMAGE = {"resolution": 256, "num_inference_steps": 1}

FOLDERS: Mapping[str, Folder] = {
    "Qwen/Qwen-Image": Folder("diffusion_transformer", "QwenImagePipeline", 20.43e9, 8.2922e9, {
        "transformer": {
            "_class_name": "QwenImageTransformer2DModel", "attention_head_dim": 128, "axes_dims_rope": [16, 56, 56],
            "guidance_embeds": False, "in_channels": 64, "joint_attention_dim": 3584, "num_attention_heads": 24, "num_layers": 60,
            "out_channels": 16, "patch_size": 2, "pooled_projection_dim": 768,
        },
        "vae": {"_class_name": "AutoencoderKLQwenImage", "base_dim": 96, "z_dim": 16, "dim_mult": [1, 2, 4, 4]},
        "text_encoder": QWEN25_VL_7B,
    }, "safetensors of Qwen/Qwen-Image, 20.4 B", short=_SMALL_IMAGE),
    "black-forest-labs/FLUX.2-dev": Folder("diffusion_transformer", "Flux2Pipeline", 32.2e9, 24.011e9, {
        "transformer": {
            "_class_name": "Flux2Transformer2DModel", "attention_head_dim": 128, "axes_dims_rope": [32, 32, 32, 32],
            "in_channels": 128, "joint_attention_dim": 15360, "mlp_ratio": 3.0, "num_attention_heads": 48, "num_layers": 8,
            "num_single_layers": 48, "patch_size": 1, "rope_theta": 2000, "timestep_guidance_channels": 256,
        },
        "vae": {"_class_name": "AutoencoderKLFlux2", "latent_channels": 32},
        "text_encoder": DECODERS["mistralai/Mistral-Small-3.1-24B-Instruct-2503"].config,
    }, "model card of FLUX.2 [dev], 32 B", short=_SMALL_IMAGE),
    "Efficient-Large-Model/Sana_1600M_1024px_diffusers": Folder("diffusion_transformer", "SanaPipeline", 1604e6, 2.6143e9, {
        "transformer": _sana(20, 70, 20, 112), "vae": _DC, "text_encoder": _GEMMA2_2B,
    }, "Xie et al. 2024, arXiv 2410.10629, table 7", short=_SMALL_IMAGE),
    "Efficient-Large-Model/Sana_600M_1024px_diffusers": Folder("diffusion_transformer", "SanaPipeline", 590e6, 2.6143e9, {
        "transformer": _sana(28, 36, 16, 72), "vae": _DC, "text_encoder": _GEMMA2_2B,
    }, "Xie et al. 2024, arXiv 2410.10629, table 7", short=_SMALL_IMAGE, rel=5e-3),
    "Tencent-Hunyuan/HunyuanDiT-v1.2-Diffusers": Folder("diffusion_transformer", "HunyuanDiTPipeline", 1.5e9, 2.02e9, {
        "transformer": {
            "_class_name": "HunyuanDiT2DModel", "attention_head_dim": 88, "cross_attention_dim": 1024,
            "cross_attention_dim_t5": 2048, "hidden_size": 1408, "in_channels": 4, "learn_sigma": True, "mlp_ratio": 4.3637,
            "num_attention_heads": 16, "num_layers": 40, "patch_size": 2, "pooled_projection_dim": 1024, "sample_size": 128,
            "text_len": 77, "text_len_t5": 256, "use_style_cond_and_image_meta_size": False,
        },
        "vae": {**_VAE, "scaling_factor": 0.13025}, "text_encoder": _BERT_HUNYUAN, "text_encoder_2": _MT5_XL,
    }, "Li et al. 2024, arXiv 2405.08748, section 2: 1.5 B", short=_SMALL_IMAGE),
    "Kwai-Kolors/Kolors-diffusers": Folder("latent_diffusion", "KolorsPipeline", 2.579e9, 6.244e9, {
        "unet": {
            "_class_name": "UNet2DConditionModel", "act_fn": "silu", "addition_embed_type": "text_time",
            "addition_time_embed_dim": 256, "attention_head_dim": [5, 10, 20], "block_out_channels": [320, 640, 1280],
            "cross_attention_dim": 2048, "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
            "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"], "encoder_hid_dim": 4096,
            "encoder_hid_dim_type": "text_proj", "in_channels": 4, "out_channels": 4, "layers_per_block": 2,
            "projection_class_embeddings_input_dim": 5632, "sample_size": 128, "transformer_layers_per_block": [1, 2, 10],
            "use_linear_projection": True,
        },
        "vae": {**_VAE, "scaling_factor": 0.13025, "sample_size": 1024},
        "text_encoder": {
            "architectures": ["ChatGLMModel"], "model_type": "chatglm", "add_bias_linear": False, "add_qkv_bias": True,
            "auto_map": {"AutoModel": "modeling_chatglm.ChatGLMForConditionalGeneration"}, "ffn_hidden_size": 13696,
            "hidden_size": 4096, "kv_channels": 128, "layernorm_epsilon": 1e-05, "multi_query_attention": True,
            "multi_query_group_num": 2, "num_attention_heads": 32, "num_layers": 28, "original_rope": True,
            "padded_vocab_size": 65024, "post_layer_norm": True, "rmsnorm": True, "seq_length": 32768,
        },
    }, "safetensors of Kwai-Kolors/Kolors, 2.58 B and ChatGLM3-6B, 6.24 B", part="unet", short=_SMALL_IMAGE),
    "Lightricks/LTX-Video": Folder("video_diffusion", "LTXPipeline", 1.923e9, 4.7623e9, {
        "transformer": {"_class_name": "LTXVideoTransformer3DModel", "num_layers": 28, "caption_channels": 4096},
        "vae": {"_class_name": "AutoencoderKLLTXVideo", "latent_channels": 128}, "text_encoder": _T5_XXL,
    }, "safetensors of Lightricks/LTX-Video, 1.92 B", short=_SMALL_VIDEO),
    "Lightricks/LTX-2": Folder("video_diffusion", "LTX2Pipeline", 18.88e9, 13.6e9, {
        "transformer": {"_class_name": "LTX2VideoTransformer3DModel", "num_layers": 48},
        "vae": {"_class_name": "AutoencoderKLLTX2Video"}, "text_encoder": _GEMMA3_12B,
        "connectors": {"_class_name": "LTX2TextConnectors"},
    }, "HaCohen et al. 2026, arXiv 2601.03233: 14 B + 5 B, 19 B", rel=0.01, short=_SMALL_VIDEO),
    "hunyuanvideo-community/HunyuanVideo-1.5-480p_t2v": Folder("video_diffusion", "HunyuanVideo15Pipeline", 8.3e9, 7.29e9, {
        "transformer": {
            "_class_name": "HunyuanVideo15Transformer3DModel", "attention_head_dim": 128, "image_embed_dim": 1152,
            "in_channels": 65, "mlp_ratio": 4.0, "num_attention_heads": 16, "num_layers": 54, "num_refiner_layers": 2,
            "out_channels": 32, "patch_size": 1, "patch_size_t": 1, "qk_norm": "rms_norm", "rope_axes_dim": [16, 56, 56],
            "rope_theta": 256.0, "target_size": 640, "task_type": "t2v", "text_embed_2_dim": 1472, "text_embed_dim": 3584,
        },
        "vae": {"_class_name": "AutoencoderKLHunyuanVideo15", "latent_channels": 32},
        "text_encoder": _QWEN25_VL_7B_TEXT, "text_encoder_2": _BYT5_SMALL,
    }, "Wu et al. 2025, arXiv 2511.18870: 8.3 B", rel=5e-3, short={**_SMALL_VIDEO, "height": 240}),
    "genmo/mochi-1-preview": Folder("video_diffusion", "MochiPipeline", 10.03e9, 4.7623e9, {
        "transformer": {
            "_class_name": "MochiTransformer3DModel", "attention_head_dim": 128, "in_channels": 12, "num_attention_heads": 24,
            "num_layers": 48, "patch_size": 2, "pooled_projection_dim": 1536, "qk_norm": "rms_norm", "text_embed_dim": 4096,
        },
        "vae": {"_class_name": "AutoencoderKLMochi", "latent_channels": 12}, "text_encoder": _T5_XXL,
    }, "safetensors of genmo/mochi-1-preview, 10.0 B", short={**_SMALL_VIDEO, "num_frames": 7}),
    "stabilityai/stable-video-diffusion-img2vid-xt": Folder("video_diffusion", "StableVideoDiffusionPipeline", 1.5246e9, 632.08e6, {
        "unet": {
            "_class_name": "UNetSpatioTemporalConditionModel", "in_channels": 8, "num_frames": 25, "sample_size": 96,
            "cross_attention_dim": 1024, "num_attention_heads": [5, 10, 20, 20], "block_out_channels": [320, 640, 1280, 1280],
        },
        "vae": {
            "_class_name": "AutoencoderKLTemporalDecoder", "block_out_channels": [128, 256, 512, 512], "layers_per_block": 2,
            "down_block_types": ["DownEncoderBlock2D"] * 4, "latent_channels": 4, "scaling_factor": 0.18215,
        },
        "image_encoder": _CLIP_H_VISION,
    }, "Blattmann et al. 2023, arXiv 2311.15127: 1.5 B", part="unet", short={**_SMALL_VIDEO, "num_frames": 2}),
    "guoyww/animatediff-motion-adapter-v1-5-2": Folder("video_diffusion", "AnimateDiffPipeline", 1.3127e9, 123.06e6, {
        "unet": _UNET_15, "motion_adapter": {
            "_class_name": "MotionAdapter", "block_out_channels": [320, 640, 1280, 1280], "motion_layers_per_block": 2,
            "motion_max_seq_length": 32, "motion_num_attention_heads": 8, "use_motion_mid_block": True,
            "motion_mid_block_layers_per_block": 1, "motion_norm_num_groups": 32,
        },
        "vae": _VAE, "text_encoder": _CLIP_L,
    }, "859.5 M of Stable Diffusion 1.5 and 453 M of the motion module", part="unet", short={**_SMALL_VIDEO, "num_frames": 2}),
}  # fmt: skip


def write_folder(folder: Path, published: Folder, *, without: str | None = None, **changes: Mapping[str, Any]) -> Path:
    """The published pipeline as it lies on a disk; ``changes`` are put over a part's keys."""
    for name, config in published.parts.items():
        if name != without:
            (folder / name).mkdir(parents=True, exist_ok=True)
            (folder / name / "config.json").write_text(json.dumps({**config, **changes.get(name, {})}))
    index = {name: ["diffusers" if "_class_name" in part else "transformers", "Any"] for name, part in published.parts.items()}
    (folder / "model_index.json").write_text(
        json.dumps({"_class_name": published.pipeline, "_diffusers_version": "0.36.0", **index})
    )
    return folder
