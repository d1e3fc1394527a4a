"""Configurations of published models, the parameters that their authors count, and the KV cache of one token in 16 bits.

Written out from the ``config.json`` of the named repositories. ``num_params`` is that of the safetensors or of the model card;
where ``is_derived``, only a rounded name is published ("41B") and the figure is the sum over its tensors: code against hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Size(NamedTuple):
    """``kv_bytes`` of one token over all layers with two bytes an element; ``num_active`` where experts make it differ."""

    num_params: float
    kv_bytes: int
    config: Mapping[str, Any]
    num_active: float | None = None
    is_derived: bool = False


def _llama(layers: int, hidden: int, ffn: int, heads: int, kv: int, vocab: int, **more: Any) -> dict[str, Any]:
    return {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "num_hidden_layers": layers, "hidden_size": hidden,
        "intermediate_size": ffn, "num_attention_heads": heads, "num_key_value_heads": kv, "vocab_size": vocab, **more,
    }  # fmt: skip


def _of(kind: str, head: str, *sizes: int, **more: Any) -> dict[str, Any]:
    return {**_llama(*sizes), "model_type": kind, "architectures": [head], **more}


_QWEN2, _QWEN3, _GEMMA2, _COHERE = "Qwen2ForCausalLM", "Qwen3ForCausalLM", "Gemma2ForCausalLM", "CohereForCausalLM"
_MISTRAL, _MIXTRAL, _OPT = "MistralForCausalLM", "MixtralForCausalLM", "OPTForCausalLM"
_TIED: Mapping[str, Any] = {"tie_word_embeddings": True}


def _opt(layers: int, hidden: int, heads: int, **more: Any) -> dict[str, Any]:
    return {
        "architectures": [_OPT], "model_type": "opt", "num_hidden_layers": layers, "hidden_size": hidden, "ffn_dim": 4 * hidden,
        "num_attention_heads": heads, "vocab_size": 50272, "max_position_embeddings": 2048, "word_embed_proj_dim": hidden, **more,
    }  # fmt: skip


def _gpt2(layers: int, width: int, heads: int) -> dict[str, Any]:
    return {
        "architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "n_layer": layers, "n_embd": width, "n_head": heads,
        "n_positions": 1024, "n_ctx": 1024, "vocab_size": 50257,
    }  # fmt: skip


def _neox(layers: int, width: int, heads: int, vocab: int) -> dict[str, Any]:
    return {
        "architectures": ["GPTNeoXForCausalLM"], "model_type": "gpt_neox", "num_hidden_layers": layers, "hidden_size": width,
        "intermediate_size": 4 * width, "num_attention_heads": heads, "vocab_size": vocab, "max_position_embeddings": 2048,
        "tie_word_embeddings": False,
    }  # fmt: skip


def _latent(layers: int, hidden: int, heads: int, vocab: int, **more: Any) -> dict[str, Any]:
    return {
        "architectures": ["DeepseekV2ForCausalLM"], "model_type": "deepseek_v2", "num_hidden_layers": layers,
        "hidden_size": hidden,
        "num_attention_heads": heads, "num_key_value_heads": heads, "vocab_size": vocab, "kv_lora_rank": 512,
        "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128, "num_experts_per_tok": 6, "n_shared_experts": 2,
        "first_k_dense_replace": 1, "moe_layer_freq": 1, **more,
    }  # fmt: skip


def _encoder(kind: str, head: str, layers: int, width: int, heads: int, vocab: int, positions: int, types: int) -> dict[str, Any]:
    return {
        "architectures": [head], "model_type": kind, "num_hidden_layers": layers, "hidden_size": width,
        "intermediate_size": 4 * width,
        "num_attention_heads": heads, "vocab_size": vocab, "max_position_embeddings": positions, "type_vocab_size": types,
    }  # fmt: skip


SIZES: Mapping[str, Size] = {
    "meta-llama/Llama-2-7b-hf": Size(6_738_415_616, 524_288, _llama(32, 4096, 11008, 32, 32, 32000)),
    "meta-llama/Llama-2-13b-hf": Size(13_015_864_320, 819_200, _llama(40, 5120, 13824, 40, 40, 32000)),
    "meta-llama/Llama-2-70b-hf": Size(68_976_648_192, 327_680, _llama(80, 8192, 28672, 64, 8, 32000)),
    "meta-llama/Meta-Llama-3-8B": Size(8_030_261_248, 131_072, _llama(32, 4096, 14336, 32, 8, 128256)),
    "meta-llama/Llama-3.1-70B": Size(70_553_706_496, 327_680, _llama(80, 8192, 28672, 64, 8, 128256)),
    "meta-llama/Llama-3.1-405B": Size(405_853_388_800, 516_096, _llama(126, 16384, 53248, 128, 8, 128256)),
    "meta-llama/Llama-3.2-1B": Size(1_235_814_400, 32_768, _llama(16, 2048, 8192, 32, 8, 128256, head_dim=64, **_TIED)),
    "meta-llama/Llama-3.2-3B": Size(3_212_749_824, 114_688, _llama(28, 3072, 8192, 24, 8, 128256, head_dim=128, **_TIED)),
    "meta-llama/Llama-3.3-70B-Instruct": Size(70_553_706_496, 327_680, _llama(80, 8192, 28672, 64, 8, 128256)),
    "Qwen/Qwen2.5-0.5B": Size(494_032_768, 12_288, _of("qwen2", _QWEN2, 24, 896, 4864, 14, 2, 151936, **_TIED)),
    "Qwen/Qwen2.5-7B": Size(7_615_616_512, 57_344, _of("qwen2", _QWEN2, 28, 3584, 18944, 28, 4, 152064, sliding_window=131072,
        max_window_layers=28, use_sliding_window=False)),
    "Qwen/Qwen2.5-72B": Size(72_706_203_648, 327_680, _of("qwen2", _QWEN2, 80, 8192, 29568, 64, 8, 152064)),
    "Qwen/Qwen2-57B-A14B": Size(57_409_129_472, 57_344, _of("qwen2_moe", "Qwen2MoeForCausalLM", 28, 3584, 18944, 28, 4, 151936,
        moe_intermediate_size=2560, shared_expert_intermediate_size=20480, num_experts=64, num_experts_per_tok=8,
        decoder_sparse_step=1), num_active=13.7e9, is_derived=True),
    "Qwen/Qwen3-4B": Size(4_022_468_096, 147_456, _of("qwen3", _QWEN3, 36, 2560, 9728, 32, 8, 151936, head_dim=128, **_TIED)),
    "Qwen/Qwen3-8B": Size(8_190_735_360, 147_456, _of("qwen3", _QWEN3, 36, 4096, 12288, 32, 8, 151936, head_dim=128)),
    "Qwen/Qwen3-32B": Size(32_762_123_264, 262_144, _of("qwen3", _QWEN3, 64, 5120, 25600, 64, 8, 151936, head_dim=128)),
    "Qwen/Qwen3-Coder-480B-A35B-Instruct": Size(480_154_875_392, 253_952, _of("qwen3_moe", "Qwen3MoeForCausalLM", 62, 6144,
        8192, 96,
        8, 151936, head_dim=128, moe_intermediate_size=2560, num_experts=160, num_experts_per_tok=8, decoder_sparse_step=1,
        mlp_only_layers=[]), num_active=34.54e9),
    "mistralai/Mistral-7B-v0.1": Size(7_241_732_096, 131_072, _of("mistral", _MISTRAL, 32, 4096, 14336, 32, 8, 32000,
        sliding_window=4096)),
    "mistralai/Mistral-Nemo-Base-2407": Size(12_247_782_400, 163_840, _of("mistral", _MISTRAL, 40, 5120, 14336, 32, 8, 131072,
        head_dim=128, sliding_window=None)),
    "mistralai/Mixtral-8x7B-v0.1": Size(46_702_792_704, 131_072, _of("mixtral", _MIXTRAL, 32, 4096, 14336, 32, 8, 32000,
        num_local_experts=8, num_experts_per_tok=2), num_active=12.75e9),
    "mistralai/Mixtral-8x22B-v0.1": Size(140_620_634_112, 229_376, _of("mixtral", _MIXTRAL, 56, 6144, 16384, 48, 8, 32000,
        num_local_experts=8, num_experts_per_tok=2), num_active=38.96e9),
    "google/gemma-2-2b": Size(2_614_341_888, 106_496, _of("gemma2", _GEMMA2, 26, 2304, 9216, 8, 4, 256000, head_dim=256,
        sliding_window=4096)),
    "google/gemma-2-9b": Size(9_241_705_984, 344_064, _of("gemma2", _GEMMA2, 42, 3584, 14336, 16, 8, 256000, head_dim=256,
        sliding_window=4096)),
    "google/gemma-2-27b": Size(27_227_128_320, 376_832, _of("gemma2", _GEMMA2, 46, 4608, 36864, 32, 16, 256000, head_dim=128,
        sliding_window=4096)),
    "microsoft/phi-2": Size(2_779_683_840, 327_680, _of("phi", "PhiForCausalLM", 32, 2560, 10240, 32, 32, 51200)),
    "microsoft/phi-4": Size(14_659_507_200, 204_800, _of("phi3", "Phi3ForCausalLM", 40, 5120, 17920, 40, 10, 100352,
        pad_token_id=100257)),
    "microsoft/Phi-3.5-MoE-instruct": Size(41_873_153_344, 131_072, _of("phimoe", "PhiMoEForCausalLM", 32, 4096, 6400, 32,
        8, 32064,
        num_local_experts=16, num_experts_per_tok=2, attention_bias=True, lm_head_bias=True), num_active=6.51e9),
    "deepseek-ai/DeepSeek-V2": Size(235_741_434_880, 69_120, _latent(60, 5120, 128, 102400, q_lora_rank=1536,
        intermediate_size=12288,
        moe_intermediate_size=1536, n_routed_experts=160), num_active=20.85e9),
    "deepseek-ai/DeepSeek-V2-Lite": Size(15_706_484_224, 31_104, _latent(27, 2048, 16, 102400, q_lora_rank=None,
        intermediate_size=10944, moe_intermediate_size=1408, n_routed_experts=64), num_active=2.451e9),
    "THUDM/glm-4-9b-hf": Size(9_399_951_360, 40_960, _of("glm", "GlmForCausalLM", 40, 4096, 13696, 32, 2, 151552, head_dim=128,
        attention_bias=True)),
    "openai/gpt-oss-120b": Size(116_829_156_672, 73_728, _of("gpt_oss", "GptOssForCausalLM", 36, 2880, 2880, 64, 8, 201088,
        head_dim=64, num_local_experts=128, num_experts_per_tok=4, sliding_window=128, attention_bias=True), num_active=5.133e9),
    "allenai/OLMo-2-1124-7B": Size(7_298_617_344, 524_288, _of("olmo2", "Olmo2ForCausalLM", 32, 4096, 11008, 32, 32, 100352)),
    "allenai/OLMoE-1B-7B-0924": Size(6_919_161_856, 131_072, _of("olmoe", "OlmoeForCausalLM", 16, 2048, 1024, 16, 16, 50304,
        num_experts=64, num_experts_per_tok=8), num_active=1.179e9),
    "ibm-granite/granite-3.0-8b-base": Size(8_170_848_256, 163_840, _of("granite", "GraniteForCausalLM", 40, 4096, 12800, 32, 8,
        49155, **_TIED)),
    "nvidia/Minitron-8B-Base": Size(8_271_695_872, 131_072, _of("nemotron", "NemotronForCausalLM", 32, 4096, 16384, 48, 8, 256000,
        head_dim=128), is_derived=True),
    "tiiuae/falcon-7b": Size(6_921_720_704, 8_192, {
        "architectures": ["FalconForCausalLM"], "model_type": "falcon", "hidden_size": 4544, "num_hidden_layers": 32,
        "num_attention_heads": 71, "vocab_size": 65024, "multi_query": True, "parallel_attn": True, "bias": False, "alibi": False,
        "new_decoder_architecture": False}),
    "tiiuae/falcon-40b": Size(41_303_293_952, 122_880, {
        "architectures": ["FalconForCausalLM"], "model_type": "falcon", "hidden_size": 8192, "num_hidden_layers": 60,
        "num_attention_heads": 128, "num_kv_heads": 8, "vocab_size": 65024, "parallel_attn": True, "bias": False, "alibi": False,
        "new_decoder_architecture": True}, is_derived=True),
    "tiiuae/falcon-mamba-7b": Size(7_272_665_088, 0, {
        "architectures": ["FalconMambaForCausalLM"], "model_type": "falcon_mamba", "hidden_size": 4096, "intermediate_size": 8192,
        "num_hidden_layers": 64, "state_size": 16, "time_step_rank": 256, "conv_kernel": 4, "expand": 16, "vocab_size": 65024,
        "use_bias": False, "use_conv_bias": True, "tie_word_embeddings": False}),
    "state-spaces/mamba-130m-hf": Size(129_135_360, 0, {
        "architectures": ["MambaForCausalLM"], "model_type": "mamba", "hidden_size": 768, "intermediate_size": 1536,
        "num_hidden_layers": 24, "state_size": 16, "time_step_rank": 48, "conv_kernel": 4, "expand": 2, "vocab_size": 50280}),
    "facebook/opt-125m": Size(125_239_296, 36_864, _opt(12, 768, 12)),
    "facebook/opt-350m": Size(331_196_416, 98_304, _opt(24, 1024, 16, word_embed_proj_dim=512, do_layer_norm_before=False)),
    "facebook/opt-6.7b": Size(6_658_473_984, 524_288, _opt(32, 4096, 32)),
    "mosaicml/mpt-30b": Size(29_957_316_608, 1_376_256, {
        "architectures": ["MPTForCausalLM"], "model_type": "mpt", "d_model": 7168, "n_layers": 48, "n_heads": 64,
        "expansion_ratio": 4, "vocab_size": 50432, "max_seq_len": 8192, "no_bias": True}, is_derived=True),
    "openai-community/gpt2": Size(124_439_808, 36_864, _gpt2(12, 768, 12)),
    "openai-community/gpt2-xl": Size(1_557_611_200, 307_200, _gpt2(48, 1600, 25)),
    "EleutherAI/gpt-j-6b": Size(6_050_882_784, 458_752, {
        "architectures": ["GPTJForCausalLM"], "model_type": "gptj", "n_embd": 4096, "n_layer": 28, "n_head": 16,
        "n_positions": 2048,
        "rotary_dim": 64, "vocab_size": 50400, "tie_word_embeddings": False}),
    "EleutherAI/gpt-neox-20b": Size(20_554_567_680, 1_081_344, _neox(44, 6144, 64, 50432)),
    "EleutherAI/pythia-6.9b": Size(6_857_302_016, 524_288, _neox(32, 4096, 32, 50432)),
    "bigcode/starcoder": Size(15_517_456_384, 20_480, {
        "architectures": ["GPTBigCodeForCausalLM"], "model_type": "gpt_bigcode", "n_embd": 6144, "n_layer": 40, "n_head": 48,
        "n_inner": 24576, "n_positions": 8192, "multi_query": True, "vocab_size": 49152}),
    "bigcode/starcoder2-15b": Size(15_957_889_024, 81_920, _of("starcoder2", "Starcoder2ForCausalLM", 40, 6144, 24576, 48,
        4, 49152,
        use_bias=True, tie_word_embeddings=False)),
    "CohereForAI/c4ai-command-r-v01": Size(34_980_831_232, 1_310_720, _of("cohere", _COHERE, 40, 8192, 22528, 64, 64, 256000,
        use_qk_norm=False)),
    "CohereForAI/c4ai-command-r-plus": Size(103_810_674_688, 262_144, _of("cohere", _COHERE, 64, 12288, 33792, 96, 8, 256000,
        use_qk_norm=True)),
    "CohereForAI/c4ai-command-r7b-12-2024": Size(8_028_033_024, 131_072, _of("cohere2", "Cohere2ForCausalLM", 32, 4096,
        14336, 32, 8,
        256000, head_dim=128, sliding_window=4096), is_derived=True),
    "bigscience/bloom-7b1": Size(7_069_016_064, 491_520, {
        "architectures": ["BloomForCausalLM"], "model_type": "bloom", "hidden_size": 4096, "n_layer": 30, "n_head": 32,
        "vocab_size": 250880}),
    "bigscience/bloom": Size(176_247_271_424, 4_014_080, {
        "architectures": ["BloomForCausalLM"], "model_type": "bloom", "hidden_size": 14336, "n_layer": 70, "n_head": 112,
        "vocab_size": 250880}),
    "google/recurrentgemma-2b": Size(2_682_862_080, 8_192, {
        "architectures": ["RecurrentGemmaForCausalLM"], "model_type": "recurrent_gemma", "hidden_size": 2560,
        "intermediate_size": 15360, "num_hidden_layers": 26, "num_attention_heads": 10, "num_key_value_heads": 1, "head_dim": 256,
        "lru_width": 2560, "conv1d_width": 4, "attention_window_size": 2048, "vocab_size": 256000,
        "block_types": ["recurrent", "recurrent", "attention"]}),
    "MiniMaxAI/MiniMax-Text-01-hf": Size(456_089_655_296, 40_960, {
        "architectures": ["MiniMaxForCausalLM"], "model_type": "minimax", "hidden_size": 6144, "intermediate_size": 9216,
        "num_hidden_layers": 80, "num_attention_heads": 64, "num_key_value_heads": 8, "head_dim": 128, "num_local_experts": 32,
        "num_experts_per_tok": 2, "vocab_size": 200064, "tie_word_embeddings": False,
        "layer_types": (["linear_attention"] * 7 + ["full_attention"]) * 10}, is_derived=True),
    "LiquidAI/LFM2-1.2B": Size(1_170_340_608, 12_288, {
        "architectures": ["Lfm2ForCausalLM"], "model_type": "lfm2", "hidden_size": 2048, "intermediate_size": 12288,
        "num_hidden_layers": 16, "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 65536, "conv_L_cache": 3,
        "block_auto_adjust_ff_dim": True, "block_multiple_of": 256, "block_ffn_dim_multiplier": 1.0,
        "full_attn_idxs": [2, 5, 8, 10, 12, 14]}),
    "HuggingFaceTB/SmolLM3-3B": Size(3_075_098_624, 73_728, _of("smollm3", "SmolLM3ForCausalLM", 36, 2048, 11008, 16, 4, 128256,
        **_TIED)),
    "moonshotai/Kimi-Linear-48B-A3B-Instruct": Size(49_122_681_728, 8_064, _of("kimi_linear", "KimiLinearForCausalLM", 27,
        2304, 9216,
        32, 32, 163840, head_dim=72, kv_lora_rank=512, q_lora_rank=None, qk_nope_head_dim=128, qk_rope_head_dim=64,
        v_head_dim=128,
        moe_intermediate_size=1024, num_experts=256, num_experts_per_token=8, num_shared_experts=1, first_k_dense_replace=1,
        linear_attn_config={
            "full_attn_layers": [4, 8, 12, 16, 20, 24, 27], "head_dim": 128, "num_heads": 32, "short_conv_kernel_size": 4,
            "kda_layers": [1, 2, 3, 5, 6, 7, 9, 10, 11, 13, 14, 15, 17, 18, 19, 21, 22, 23, 25, 26]}), is_derived=True),
    "stabilityai/stablelm-2-1_6b": Size(1_644_515_328, 196_608, _of("stablelm", "StableLmForCausalLM", 24, 2048, 5632, 32,
        32, 100352,
        use_qkv_bias=True)),
    "google-bert/bert-base-uncased": Size(109_482_240, 0, _encoder("bert", "BertForMaskedLM", 12, 768, 12, 30522, 512, 2)),
    "google-bert/bert-large-uncased": Size(335_141_888, 0, _encoder("bert", "BertForMaskedLM", 24, 1024, 16, 30522, 512, 2)),
    "FacebookAI/xlm-roberta-base": Size(278_043_648, 0, _encoder("xlm-roberta", "XLMRobertaForMaskedLM", 12, 768, 12,
        250002, 514, 1)),
    "FacebookAI/roberta-large": Size(355_359_744, 0, _encoder("roberta", "RobertaForMaskedLM", 24, 1024, 16, 50265, 514, 1)),
}  # fmt: skip
