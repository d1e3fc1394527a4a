"""Configurations of published models with the keys that decide what is built, and the parameters that their authors count.

Written out from the ``config.json`` of the named repositories. Keys that only say how a file was saved are left out; those that
make reading a file hard (``auto_map``, ``quantization_config``, flat and nested parts) are kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Published(NamedTuple):
    """``num_params`` counts a tied embedding once; ``family`` runs the whole, ``precision`` is what its file states."""

    family: str
    num_params: float
    config: Mapping[str, Any]
    precision: str | None = None


_FP8_BLOCKS = {"activation_scheme": "dynamic", "fmt": "e4m3", "quant_method": "fp8", "weight_block_size": [128, 128]}
_CODE = {"AutoConfig": "configuration_theirs.Config", "AutoModelForCausalLM": "modeling_theirs.ForCausalLM"}
_LLAMA3 = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 128256, "hidden_act": "silu", "rms_norm_eps": 1e-05,
    "max_position_embeddings": 131072, "rope_theta": 500000.0, "tie_word_embeddings": False, "torch_dtype": "bfloat16",
    "rope_scaling": {
        "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192,
        "rope_type": "llama3",
    },
}  # fmt: skip
_LLAMA_8B = {
    **_LLAMA3, "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32,
    "num_key_value_heads": 8,
}  # fmt: skip
_DEEPSEEK_V3 = {
    "architectures": ["DeepseekV3ForCausalLM"], "model_type": "deepseek_v3", "auto_map": _CODE, "hidden_size": 7168,
    "intermediate_size": 18432, "moe_intermediate_size": 2048, "num_hidden_layers": 61, "num_attention_heads": 128,
    "num_key_value_heads": 128, "kv_lora_rank": 512, "q_lora_rank": 1536, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64,
    "v_head_dim": 128, "n_routed_experts": 256, "n_shared_experts": 1, "num_experts_per_tok": 8, "n_group": 8, "topk_group": 4,
    "first_k_dense_replace": 3, "moe_layer_freq": 1, "norm_topk_prob": True, "routed_scaling_factor": 2.5,
    "scoring_func": "sigmoid",
    "topk_method": "noaux_tc", "num_nextn_predict_layers": 1, "vocab_size": 129280, "max_position_embeddings": 163840,
    "rms_norm_eps": 1e-06, "rope_theta": 10000, "hidden_act": "silu", "attention_bias": False, "tie_word_embeddings": False,
    "rope_scaling": {
        "beta_fast": 32, "beta_slow": 1, "factor": 40, "mscale": 1.0, "mscale_all_dim": 1.0,
        "original_max_position_embeddings": 4096, "type": "yarn",
    },
    "quantization_config": _FP8_BLOCKS,
}  # fmt: skip
_QWEN3_MOE = {
    "architectures": ["Qwen3MoeForCausalLM"], "model_type": "qwen3_moe", "vocab_size": 151936, "head_dim": 128,
    "hidden_act": "silu",
    "max_position_embeddings": 40960, "norm_topk_prob": True, "num_experts": 128, "num_experts_per_tok": 8,
    "decoder_sparse_step": 1,
    "mlp_only_layers": [], "rms_norm_eps": 1e-06, "rope_theta": 1000000.0, "rope_scaling": None, "sliding_window": None,
    "tie_word_embeddings": False, "use_sliding_window": False, "attention_bias": False,
}  # fmt: skip
QWEN25_VL_7B = {
    "architectures": ["Qwen2_5_VLForConditionalGeneration"], "model_type": "qwen2_5_vl", "hidden_act": "silu", "hidden_size": 3584,
    "intermediate_size": 18944, "max_position_embeddings": 128000, "max_window_layers": 28, "num_attention_heads": 28,
    "num_hidden_layers": 28, "num_key_value_heads": 4, "rms_norm_eps": 1e-06, "rope_theta": 1000000.0, "sliding_window": 32768,
    "tie_word_embeddings": False, "use_sliding_window": False, "vocab_size": 152064, "image_token_id": 151655,
    "vision_start_token_id": 151652, "vision_end_token_id": 151653, "vision_token_id": 151654, "video_token_id": 151656,
    "rope_scaling": {"type": "mrope", "mrope_section": [16, 24, 24]},
    "vision_config": {
        "depth": 32, "hidden_act": "silu", "hidden_size": 1280, "intermediate_size": 3420, "num_heads": 16, "in_chans": 3,
        "out_hidden_size": 3584, "patch_size": 14, "spatial_merge_size": 2, "spatial_patch_size": 14, "window_size": 112,
        "fullatt_block_indexes": [7, 15, 23, 31], "tokens_per_second": 2, "temporal_patch_size": 2,
    },
}  # fmt: skip
_MAMBA = {
    "architectures": ["MambaForCausalLM"], "model_type": "mamba", "state_size": 16, "conv_kernel": 4, "expand": 2,
    "use_bias": False,
    "use_conv_bias": True, "hidden_act": "silu", "layer_norm_epsilon": 1e-05, "rms_norm": True, "residual_in_fp32": True,
    "time_step_floor": 0.0001, "time_step_max": 0.1, "time_step_min": 0.001, "time_step_scale": 1.0, "vocab_size": 50280,
    "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0,
}  # fmt: skip
_GRANITE_H = {
    "architectures": ["GraniteMoeHybridForCausalLM"], "model_type": "granitemoehybrid", "attention_bias": False,
    "hidden_act": "silu",
    "vocab_size": 100352, "max_position_embeddings": 131072, "mamba_chunk_size": 256, "mamba_conv_bias": True, "mamba_d_conv": 4,
    "mamba_d_state": 128, "mamba_expand": 2, "mamba_n_groups": 1, "mamba_proj_bias": False, "position_embedding_type": "nope",
    "rms_norm_eps": 1e-05, "rope_theta": 10000, "tie_word_embeddings": True, "attention_multiplier": 0.0078125,
    "embedding_multiplier": 12, "logits_scaling": 16, "residual_multiplier": 0.22,
}  # fmt: skip


def _layers(count: int, attention: tuple[int, ...], *, other: str, kept: str = "attention") -> list[str]:
    return [kept if index in attention else other for index in range(count)]


DECODERS: Mapping[str, Published] = {
    "meta-llama/Llama-3.1-8B-Instruct": Published("gpt", 8.0302e9, _LLAMA_8B),
    "deepseek-ai/DeepSeek-V3": Published("gpt", 671.026e9, _DEEPSEEK_V3, "fp8"),
    "deepseek-ai/DeepSeek-V3.2-Exp": Published("gpt", 671.88e9, {
        **_DEEPSEEK_V3, "architectures": ["DeepseekV32ForCausalLM"], "model_type": "deepseek_v32", "index_head_dim": 128,
        "index_n_heads": 64, "index_topk": 2048,
    }, "fp8"),
    "moonshotai/Kimi-K2-Instruct": Published("gpt", 1026.4e9, {
        **_DEEPSEEK_V3, "model_type": "kimi_k2", "n_routed_experts": 384, "num_attention_heads": 64, "num_key_value_heads": 64,
        "n_group": 1, "topk_group": 1, "first_k_dense_replace": 1, "routed_scaling_factor": 2.827, "vocab_size": 163840,
        "max_position_embeddings": 131072, "rope_theta": 50000.0,
    }, "fp8"),
    "Qwen/Qwen3-30B-A3B": Published("gpt", 30.532e9, {
        **_QWEN3_MOE, "hidden_size": 2048, "intermediate_size": 6144, "moe_intermediate_size": 768, "num_hidden_layers": 48,
        "num_attention_heads": 32, "num_key_value_heads": 4,
    }),
    "Qwen/Qwen3-235B-A22B-FP8": Published("gpt", 235.094e9, {
        **_QWEN3_MOE, "hidden_size": 4096, "intermediate_size": 12288, "moe_intermediate_size": 1536, "num_hidden_layers": 94,
        "num_attention_heads": 64, "num_key_value_heads": 4, "quantization_config": _FP8_BLOCKS,
    }, "fp8"),
    "Qwen/Qwen3-Next-80B-A3B-Instruct": Published("gpt", 79.674e9, {
        "architectures": ["Qwen3NextForCausalLM"], "model_type": "qwen3_next", "vocab_size": 151936, "hidden_size": 2048,
        "intermediate_size": 5120, "num_hidden_layers": 48, "num_attention_heads": 16, "num_key_value_heads": 2, "head_dim": 256,
        "full_attention_interval": 4, "partial_rotary_factor": 0.25, "linear_conv_kernel_dim": 4, "linear_key_head_dim": 128,
        "linear_num_key_heads": 16, "linear_num_value_heads": 32, "linear_value_head_dim": 128, "decoder_sparse_step": 1,
        "moe_intermediate_size": 512, "num_experts": 512, "num_experts_per_tok": 10, "norm_topk_prob": True, "mlp_only_layers": [],
        "shared_expert_intermediate_size": 512, "max_position_embeddings": 262144, "rms_norm_eps": 1e-06, "rope_theta": 10000000,
        "rope_scaling": None, "tie_word_embeddings": False, "hidden_act": "silu", "attention_bias": False,
    }),
    "openai/gpt-oss-20b": Published("gpt", 20.915e9, {
        "architectures": ["GptOssForCausalLM"], "model_type": "gpt_oss", "attention_bias": True, "head_dim": 64,
        "hidden_act": "silu",
        "hidden_size": 2880, "intermediate_size": 2880, "num_hidden_layers": 24, "num_attention_heads": 64,
        "num_key_value_heads": 8,
        "num_local_experts": 32, "num_experts_per_tok": 4, "experts_per_token": 4, "sliding_window": 128, "swiglu_limit": 7.0,
        "initial_context_length": 4096, "max_position_embeddings": 131072, "rms_norm_eps": 1e-05, "rope_theta": 150000,
        "layer_types": ["sliding_attention", "full_attention"] * 12, "tie_word_embeddings": False, "vocab_size": 201088,
        "rope_scaling": {
            "beta_fast": 32.0, "beta_slow": 1.0, "factor": 32.0, "original_max_position_embeddings": 4096, "rope_type": "yarn",
            "truncate": False,
        },
        "quantization_config": {
            "modules_to_not_convert": ["model.layers.*.self_attn", "model.layers.*.mlp.router", "lm_head"], "quant_method": "mxfp4",
        },
    }, "mxfp4"),
    "microsoft/Phi-3-mini-4k-instruct": Published("gpt", 3.8211e9, {
        "architectures": ["Phi3ForCausalLM"], "model_type": "phi3", "auto_map": _CODE, "hidden_size": 3072,
        "intermediate_size": 8192,
        "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 32, "vocab_size": 32064, "hidden_act": "silu",
        "max_position_embeddings": 4096, "original_max_position_embeddings": 4096, "rms_norm_eps": 1e-05, "rope_theta": 10000.0,
        "rope_scaling": None, "sliding_window": 2047, "tie_word_embeddings": False, "pad_token_id": 32000, "bos_token_id": 1,
        "eos_token_id": 32000,
    }),
    "google/gemma-3-1b-it": Published("gpt", 0.99989e9, {
        "architectures": ["Gemma3ForCausalLM"], "model_type": "gemma3_text", "head_dim": 256, "hidden_size": 1152,
        "intermediate_size": 6912, "num_hidden_layers": 26, "num_attention_heads": 4, "num_key_value_heads": 1,
        "vocab_size": 262144,
        "sliding_window": 512, "sliding_window_pattern": 6, "max_position_embeddings": 32768, "rms_norm_eps": 1e-06,
        "rope_theta": 1000000, "rope_local_base_freq": 10000, "query_pre_attn_scalar": 256,
        "hidden_activation": "gelu_pytorch_tanh",
    }),
    "ai21labs/Jamba-v0.1": Published("gpt", 51.570e9, {
        "architectures": ["JambaForCausalLM"], "model_type": "jamba", "auto_map": _CODE, "attn_layer_offset": 4,
        "attn_layer_period": 8, "expert_layer_offset": 1, "expert_layer_period": 2, "hidden_size": 4096, "intermediate_size": 14336,
        "mamba_conv_bias": True, "mamba_d_conv": 4, "mamba_d_state": 16, "mamba_dt_rank": 256, "mamba_expand": 2,
        "mamba_proj_bias": False, "num_attention_heads": 32, "num_experts": 16, "num_experts_per_tok": 2, "num_hidden_layers": 32,
        "num_key_value_heads": 8, "use_mamba_kernels": True, "vocab_size": 65536, "tie_word_embeddings": False,
        "hidden_act": "silu",
        "max_position_embeddings": 262144, "rms_norm_eps": 1e-06,
    }),
    "ibm-granite/granite-4.0-h-tiny": Published("gpt", 6.9390e9, {
        **_GRANITE_H, "hidden_size": 1536, "intermediate_size": 512, "shared_intermediate_size": 1024, "num_local_experts": 64,
        "num_experts_per_tok": 6, "num_hidden_layers": 40, "num_attention_heads": 12, "num_key_value_heads": 4, "mamba_d_head": 64,
        "mamba_n_heads": 48, "layer_types": _layers(40, (5, 15, 25, 35), other="mamba"),
    }),
    "ibm-granite/granite-4.0-h-micro": Published("gpt", 3.1914e9, {
        **_GRANITE_H, "hidden_size": 2048, "intermediate_size": 8192, "shared_intermediate_size": 8192, "num_local_experts": 0,
        "num_experts_per_tok": 0, "num_hidden_layers": 40, "num_attention_heads": 32, "num_key_value_heads": 8, "mamba_d_head": 64,
        "mamba_n_heads": 64, "layer_types": _layers(40, (5, 15, 25, 35), other="mamba"),
    }),
    "nvidia/Nemotron-H-8B-Base-8K": Published("gpt", 8.0977e9, {
        "architectures": ["NemotronHForCausalLM"], "model_type": "nemotron_h", "auto_map": _CODE, "attention_bias": False,
        "attention_head_dim": 128, "chunk_size": 128, "conv_kernel": 4, "expand": 2, "head_dim": 128, "hidden_size": 4096,
        "hybrid_override_pattern": "M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M-", "intermediate_size": 21504,
        "layer_norm_epsilon": 1e-05, "mamba_head_dim": 64, "mamba_hidden_act": "silu", "mamba_num_heads": 128,
        "mamba_proj_bias": False,
        "max_position_embeddings": 8192, "mlp_bias": False, "mlp_hidden_act": "relu2", "n_groups": 8, "num_attention_heads": 32,
        "num_hidden_layers": 52, "num_key_value_heads": 8, "ssm_state_size": 128, "tie_word_embeddings": False, "use_bias": False,
        "use_conv_bias": True, "vocab_size": 131072, "time_step_limit": [0.0, float("inf")], "residual_in_fp32": False,
    }),
    "state-spaces/mamba-2.8b-hf": Published("gpt", 2.7683e9, {
        **_MAMBA, "hidden_size": 2560, "d_model": 2560, "intermediate_size": 5120, "num_hidden_layers": 64, "n_layer": 64,
        "time_step_rank": 160,
    }),
    "mistralai/Mamba-Codestral-7B-v0.1": Published("gpt", 7.2854e9, {
        "architectures": ["Mamba2ForCausalLM"], "model_type": "mamba2", "chunk_size": 256, "conv_kernel": 4, "expand": 2,
        "head_dim": 64, "hidden_act": "silu", "hidden_size": 4096, "layer_norm_epsilon": 1e-05, "n_groups": 8,
        "norm_before_gate": True,
        "num_heads": 128, "num_hidden_layers": 64, "residual_in_fp32": True, "rms_norm": True, "state_size": 128,
        "tie_word_embeddings": False, "time_step_limit": [0.0, float("inf")], "time_step_rank": 256, "use_bias": False,
        "use_conv_bias": True, "vocab_size": 32768, "pad_token_id": 0, "bos_token_id": 0, "eos_token_id": 0,
    }),
    "tiiuae/Falcon-H1-7B-Instruct": Published("gpt", 7.5857e9, {
        "architectures": ["FalconH1ForCausalLM"], "model_type": "falcon_h1", "attention_bias": False, "head_dim": 128,
        "hidden_act": "silu", "hidden_size": 3072, "intermediate_size": 12288, "mamba_chunk_size": 256, "mamba_conv_bias": True,
        "mamba_d_conv": 4, "mamba_d_head": 128, "mamba_d_ssm": 3072, "mamba_d_state": 256, "mamba_expand": 2, "mamba_n_groups": 1,
        "mamba_n_heads": 24, "mamba_norm_before_gate": False, "mamba_proj_bias": False, "mamba_rms_norm": False, "mlp_bias": False,
        "max_position_embeddings": 262144, "num_attention_heads": 12, "num_hidden_layers": 44, "num_key_value_heads": 2,
        "projectors_bias": False, "rms_norm_eps": 1e-05, "rope_theta": 100000000000.0, "tie_word_embeddings": False,
        "vocab_size": 130049,
    }),
    "ibm-ai-platform/Bamba-9B": Published("gpt", 9.78e9, {
        "architectures": ["BambaForCausalLM"], "model_type": "bamba", "attention_bias": False, "attn_layer_indices": [9, 18, 27],
        "attn_rotary_emb": 64, "hidden_act": "silu", "hidden_size": 4096, "intermediate_size": 14336, "mamba_chunk_size": 256,
        "mamba_conv_bias": True, "mamba_d_conv": 4, "mamba_d_head": 64, "mamba_d_state": 128, "mamba_expand": 2,
        "mamba_n_groups": 1,
        "mamba_n_heads": 128, "mamba_proj_bias": False, "mlp_bias": False, "num_attention_heads": 32, "num_hidden_layers": 32,
        "num_key_value_heads": 8, "rms_norm_eps": 1e-05, "tie_word_embeddings": False, "vocab_size": 128256,
        "max_position_embeddings": 262144,
    }),
    "facebook/opt-1.3b": Published("gpt", 1.3158e9, {
        "architectures": ["OPTForCausalLM"], "model_type": "opt", "activation_function": "relu", "do_layer_norm_before": True,
        "ffn_dim": 8192, "hidden_size": 2048, "max_position_embeddings": 2048, "num_attention_heads": 32, "num_hidden_layers": 24,
        "vocab_size": 50272, "word_embed_proj_dim": 2048, "pad_token_id": 1, "bos_token_id": 2, "eos_token_id": 2, "prefix": "</s>",
    }),
    "mosaicml/mpt-7b": Published("gpt", 6.6493e9, {
        "architectures": ["MPTForCausalLM"], "model_type": "mpt", "auto_map": _CODE, "d_model": 4096, "expansion_ratio": 4,
        "n_heads": 32, "n_layers": 32, "max_seq_len": 2048, "vocab_size": 50432, "no_bias": True, "learned_pos_emb": True,
        "attn_config": {"alibi": True, "alibi_bias_max": 8, "attn_impl": "torch", "attn_type": "multihead_attention"},
    }),
    "Qwen/Qwen3-Reranker-0.6B": Published("gpt", 0.59578e9, {
        "architectures": ["Qwen3ForSequenceClassification"], "model_type": "qwen3", "head_dim": 128, "hidden_act": "silu",
        "hidden_size": 1024, "intermediate_size": 3072, "max_position_embeddings": 40960, "num_attention_heads": 16,
        "num_hidden_layers": 28, "num_key_value_heads": 8, "rms_norm_eps": 1e-06, "rope_theta": 1000000, "rope_scaling": None,
        "tie_word_embeddings": True, "use_sliding_window": False, "vocab_size": 151669, "attention_bias": False,
    }),
    "zai-org/GLM-4.5-Air": Published("gpt", 106.85e9, {
        "architectures": ["Glm4MoeForCausalLM"], "model_type": "glm4_moe", "attention_bias": True, "head_dim": 128,
        "hidden_act": "silu", "hidden_size": 4096, "partial_rotary_factor": 0.5, "intermediate_size": 10944,
        "max_position_embeddings": 131072, "moe_intermediate_size": 1408, "n_group": 1, "topk_group": 1, "n_routed_experts": 128,
        "n_shared_experts": 1, "norm_topk_prob": True, "num_attention_heads": 96, "num_experts_per_tok": 8, "num_hidden_layers": 46,
        "first_k_dense_replace": 1, "num_key_value_heads": 8, "rms_norm_eps": 1e-05, "rope_scaling": None, "rope_theta": 1000000,
        "num_nextn_predict_layers": 1, "tie_word_embeddings": False, "use_qk_norm": False, "vocab_size": 151552,
    }),
    "MiniMaxAI/MiniMax-M2": Published("gpt", 228.69e9, {
        "architectures": ["MiniMaxM2ForCausalLM"], "model_type": "minimax_m2", "auto_map": _CODE, "head_dim": 128,
        "hidden_act": "silu", "hidden_size": 3072, "intermediate_size": 1536, "max_position_embeddings": 196608,
        "num_attention_heads": 48, "num_experts_per_tok": 8, "num_hidden_layers": 62, "num_key_value_heads": 8,
        "num_local_experts": 256, "num_mtp_modules": 3, "qk_norm_type": "per_layer", "rms_norm_eps": 1e-06, "rope_theta": 5000000,
        "rotary_dim": 64, "scoring_func": "sigmoid", "shared_intermediate_size": 0, "tie_word_embeddings": False, "use_mtp": True,
        "use_qk_norm": True, "use_routing_bias": True, "vocab_size": 200064, "quantization_config": _FP8_BLOCKS,
    }, "fp8"),
    "google/gemma-3-27b-it": Published("gpt", 27.0e9, {
        "architectures": ["Gemma3ForConditionalGeneration"], "model_type": "gemma3", "boi_token_index": 255999,
        "image_token_index": 262144, "mm_tokens_per_image": 256,
        "text_config": {
            "head_dim": 128, "hidden_size": 5376, "intermediate_size": 21504, "model_type": "gemma3_text",
            "num_attention_heads": 32,
            "num_hidden_layers": 62, "num_key_value_heads": 16, "query_pre_attn_scalar": 168, "sliding_window": 1024,
            "rope_scaling": {"factor": 8.0, "rope_type": "linear"}, "vocab_size": 262208,
        },
        "vision_config": {
            "hidden_size": 1152, "image_size": 896, "intermediate_size": 4304, "model_type": "siglip_vision_model",
            "num_attention_heads": 16, "num_hidden_layers": 27, "patch_size": 14, "vision_use_head": False,
        },
    }),
    "mistralai/Mistral-Small-3.1-24B-Instruct-2503": Published("gpt", 23.572e9, {
        "architectures": ["Mistral3ForConditionalGeneration"], "model_type": "mistral3", "image_token_index": 10,
        "multimodal_projector_bias": False, "projector_hidden_act": "gelu", "spatial_merge_size": 2, "vision_feature_layer": -1,
        "text_config": {
            "attention_dropout": 0.0, "head_dim": 128, "hidden_act": "silu", "hidden_size": 5120, "intermediate_size": 32768,
            "max_position_embeddings": 131072, "model_type": "mistral", "num_attention_heads": 32, "num_hidden_layers": 40,
            "num_key_value_heads": 8, "rms_norm_eps": 1e-05, "rope_theta": 1000000000.0, "sliding_window": None,
            "vocab_size": 131072,
        },
        "vision_config": {
            "head_dim": 64, "hidden_act": "silu", "hidden_size": 1024, "image_size": 1540, "intermediate_size": 4096,
            "model_type": "pixtral", "num_attention_heads": 16, "num_channels": 3, "num_hidden_layers": 24, "patch_size": 14,
            "rope_theta": 10000.0,
        },
    }),
    "meta-llama/Llama-4-Scout-17B-16E-Instruct": Published("gpt", 107.77e9, {
        "architectures": ["Llama4ForConditionalGeneration"], "model_type": "llama4", "boi_token_index": 200080,
        "text_config": {
            "attention_bias": False, "attention_chunk_size": 8192, "head_dim": 128, "hidden_act": "silu", "hidden_size": 5120,
            "interleave_moe_layer_step": 1, "intermediate_size": 8192, "intermediate_size_mlp": 16384,
            "max_position_embeddings": 10485760,
            "model_type": "llama4_text", "no_rope_layers": [], "num_attention_heads": 40, "num_experts_per_tok": 1,
            "num_hidden_layers": 48, "num_key_value_heads": 8, "num_local_experts": 16, "rms_norm_eps": 1e-05,
            "rope_theta": 500000.0,
            "rope_scaling": {
                "factor": 16.0, "high_freq_factor": 1.0, "low_freq_factor": 1.0, "original_max_position_embeddings": 8192,
                "rope_type": "llama3",
            },
            "tie_word_embeddings": False, "use_qk_norm": True, "vocab_size": 202048,
        },
        "vision_config": {
            "hidden_size": 1408, "image_size": 336, "intermediate_size": 5632, "model_type": "llama4_vision_model",
            "num_attention_heads": 16, "num_hidden_layers": 34, "patch_size": 14, "vision_output_dim": 4096,
        },
    }),
    "Qwen/Qwen3-VL-30B-A3B-Instruct": Published("gpt", 30.532e9, {
        "architectures": ["Qwen3VLMoeForConditionalGeneration"], "model_type": "qwen3_vl_moe", "image_token_id": 151655,
        "tie_word_embeddings": False,
        "text_config": {
            "attention_bias": False, "decoder_sparse_step": 1, "head_dim": 128, "hidden_act": "silu", "hidden_size": 2048,
            "intermediate_size": 6144, "max_position_embeddings": 262144, "mlp_only_layers": [], "model_type": "qwen3_vl_moe_text",
            "moe_intermediate_size": 768, "norm_topk_prob": True, "num_attention_heads": 32, "num_experts": 128,
            "num_experts_per_tok": 8, "num_hidden_layers": 48, "num_key_value_heads": 4, "rms_norm_eps": 1e-06,
            "rope_scaling": {"mrope_interleaved": True, "mrope_section": [24, 20, 20], "rope_type": "default"},
            "rope_theta": 5000000, "vocab_size": 151936,
        },
        "vision_config": {"depth": 27, "hidden_size": 1152, "intermediate_size": 4304, "num_heads": 16, "out_hidden_size": 2048},
    }),
    "Qwen/Qwen2.5-Omni-7B": Published("gpt", 7.6156e9, {
        "architectures": ["Qwen2_5OmniModel"], "model_type": "qwen2_5_omni",
        "thinker_config": {
            "model_type": "qwen2_5_omni_thinker", "audio_config": {"model_type": "qwen2_5_omni_audio_encoder"},
            "text_config": {
                "model_type": "qwen2_5_omni_text", "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28,
                "num_attention_heads": 28, "num_key_value_heads": 4, "vocab_size": 152064, "max_position_embeddings": 32768,
                "rms_norm_eps": 1e-06, "rope_theta": 1000000.0, "tie_word_embeddings": False,
                "rope_scaling": {"mrope_section": [16, 24, 24], "rope_type": "default", "type": "default"},
            },
            "vision_config": {"model_type": "qwen2_5_omni_vision_encoder", "depth": 32},
        },
    }),
}  # fmt: skip

_XLM_LARGE = {
    "model_type": "xlm-roberta", "attention_probs_dropout_prob": 0.1, "bos_token_id": 0, "eos_token_id": 2, "hidden_act": "gelu",
    "hidden_size": 1024, "intermediate_size": 4096, "layer_norm_eps": 1e-05, "num_attention_heads": 16, "num_hidden_layers": 24,
    "output_past": True, "pad_token_id": 1, "position_embedding_type": "absolute", "type_vocab_size": 1, "vocab_size": 250002,
}  # fmt: skip
ENCODERS: Mapping[str, Published] = {
    "BAAI/bge-m3": Published("bert", 567.75e6, {**_XLM_LARGE, "architectures": ["XLMRobertaModel"],
    "max_position_embeddings": 8194}),
    "BAAI/bge-reranker-v2-m3": Published("bert", 567.75e6, {
        **_XLM_LARGE, "architectures": ["XLMRobertaForSequenceClassification"], "max_position_embeddings": 8194,
    }),
    "FacebookAI/roberta-base": Published("bert", 124.646e6, {
        "architectures": ["RobertaForMaskedLM"], "model_type": "roberta", "bos_token_id": 0, "eos_token_id": 2,
        "hidden_act": "gelu",
        "hidden_size": 768, "intermediate_size": 3072, "layer_norm_eps": 1e-05, "max_position_embeddings": 514,
        "num_attention_heads": 12, "num_hidden_layers": 12, "pad_token_id": 1, "type_vocab_size": 1, "vocab_size": 50265,
    }),
    "distilbert/distilbert-base-uncased": Published("bert", 66.363e6, {
        "architectures": ["DistilBertForMaskedLM"], "model_type": "distilbert", "activation": "gelu", "dim": 768,
        "hidden_dim": 3072,
        "max_position_embeddings": 512, "n_heads": 12, "n_layers": 6, "pad_token_id": 0, "sinusoidal_pos_embds": False,
        "tie_weights_": True, "vocab_size": 30522,
    }),
    "answerdotai/ModernBERT-base": Published("bert", 149.014e6, {
        "architectures": ["ModernBertForMaskedLM"], "model_type": "modernbert", "attention_bias": False, "attention_dropout": 0.0,
        "bos_token_id": 50281, "cls_token_id": 50281, "decoder_bias": True, "eos_token_id": 50282, "global_attn_every_n_layers": 3,
        "global_rope_theta": 160000.0, "hidden_activation": "gelu", "hidden_size": 768, "intermediate_size": 1152,
        "local_attention": 128, "local_rope_theta": 10000.0, "max_position_embeddings": 8192, "mlp_bias": False, "norm_bias": False,
        "norm_eps": 1e-05, "num_attention_heads": 12, "num_hidden_layers": 22, "pad_token_id": 50283, "sep_token_id": 50282,
        "vocab_size": 50368,
    }),
    "microsoft/deberta-v3-base": Published("bert", 183.831e6, {
        "model_type": "deberta-v2", "attention_probs_dropout_prob": 0.1, "hidden_act": "gelu", "hidden_size": 768,
        "intermediate_size": 3072, "max_position_embeddings": 512, "relative_attention": True, "position_buckets": 256,
        "norm_rel_ebd": "layer_norm", "share_att_key": True, "pos_att_type": "p2c|c2p", "layer_norm_eps": 1e-07,
        "max_relative_positions": -1, "position_biased_input": False, "num_attention_heads": 12, "num_hidden_layers": 12,
        "type_vocab_size": 0, "vocab_size": 128100,
    }),
    "sentence-transformers/all-mpnet-base-v2": Published("bert", 109.486e6, {
        "architectures": ["MPNetForMaskedLM"], "model_type": "mpnet", "bos_token_id": 0, "eos_token_id": 2, "hidden_act": "gelu",
        "hidden_size": 768, "intermediate_size": 3072, "layer_norm_eps": 1e-05, "max_position_embeddings": 514,
        "num_attention_heads": 12, "num_hidden_layers": 12, "pad_token_id": 1, "relative_attention_num_buckets": 32,
        "vocab_size": 30527,
    }),
    "google/electra-base-discriminator": Published("bert", 108.892e6, {
        "architectures": ["ElectraForPreTraining"], "model_type": "electra", "embedding_size": 768, "hidden_act": "gelu",
        "hidden_size": 768, "intermediate_size": 3072, "layer_norm_eps": 1e-12, "max_position_embeddings": 512,
        "num_attention_heads": 12, "num_hidden_layers": 12, "pad_token_id": 0, "type_vocab_size": 2, "vocab_size": 30522,
    }),
    "albert/albert-base-v2": Published("bert", 11.684e6, {
        "architectures": ["AlbertForMaskedLM"], "model_type": "albert", "embedding_size": 128, "hidden_act": "gelu_new",
        "hidden_size": 768, "inner_group_num": 1, "intermediate_size": 3072, "layer_norm_eps": 1e-12,
        "max_position_embeddings": 512,
        "num_attention_heads": 12, "num_hidden_groups": 1, "num_hidden_layers": 12, "pad_token_id": 0, "type_vocab_size": 2,
        "vocab_size": 30000,
    }),
}  # fmt: skip
