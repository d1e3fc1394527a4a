import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoModelForCausalLM

from aigc_bench.nets.caches import cache_argument, key_value_heads, passing_cache
from aigc_bench.nets.flop_formulas import missing_formulas
from aigc_bench.nets.generation import GreedyGeneration
from aigc_bench.nets.hugging_face import random_model

SMALL = {"vocab_size": 97, "max_position_embeddings": 64, "initializer_range": 0.3, "eos_token_id": None, "bos_token_id": None}
DECODER = {
    **SMALL,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
CONFIGS = {
    "gpt2": {**SMALL, "model_type": "gpt2", "n_layer": 2, "n_head": 4, "n_embd": 32, "n_positions": 64},
    "llama": {**DECODER, "model_type": "llama"},
    "qwen2": {**DECODER, "model_type": "qwen2"},
    "mixtral": {**DECODER, "model_type": "mixtral", "num_local_experts": 4, "num_experts_per_tok": 2, "sliding_window": None},
}
_PLAIN = {**SMALL, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
_LATENT = {"num_key_value_heads": 4, "kv_lora_rank": 16, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 8}
_EXPERTS = {"num_experts_per_tok": 2, "moe_intermediate_size": 24, "first_k_dense_replace": 1, "n_routed_experts": 4}
WIDE = {"head_dim": 16}
MORE_CONFIGS = {
    "mistral": {**DECODER, "model_type": "mistral", "sliding_window": None},
    "qwen3": {**DECODER, **WIDE, "model_type": "qwen3"},
    "qwen3_moe": {**DECODER, **WIDE, **_EXPERTS, "model_type": "qwen3_moe", "num_experts": 4},
    "phi3": {**DECODER, "model_type": "phi3", "pad_token_id": 0},
    "gemma": {**DECODER, **WIDE, "model_type": "gemma"},
    "starcoder2": {**DECODER, "model_type": "starcoder2", "sliding_window": None},
    "deepseek_v2": {**DECODER, **_LATENT, **_EXPERTS, "model_type": "deepseek_v2", "q_lora_rank": None},
    "deepseek_v3": {
        **DECODER,
        **_LATENT,
        **_EXPERTS,
        "model_type": "deepseek_v3",
        "q_lora_rank": 16,
        "n_group": 1,
        "topk_group": 1,
    },
    "gptj": {**SMALL, "model_type": "gptj", "n_embd": 32, "n_layer": 2, "n_head": 4, "rotary_dim": 4, "n_positions": 64},
    "falcon": {**_PLAIN, "model_type": "falcon"},
    "falcon_new": {**_PLAIN, "model_type": "falcon", "new_decoder_architecture": True, "num_kv_heads": 2},
    "gpt_neox": {**_PLAIN, "model_type": "gpt_neox"},
    "gpt_oss": {**DECODER, **WIDE, "model_type": "gpt_oss", "num_local_experts": 4, "num_experts_per_tok": 2, "sliding_window": 64},
}
"""One attention each: what transformers offers of it is what ``auto`` takes."""
_SSM = {"vocab_size": 97, "hidden_size": 32, "num_hidden_layers": 2, "bos_token_id": None, "eos_token_id": None, "pad_token_id": 0}
STATEFUL = {
    "mamba": {**_SSM, "model_type": "mamba", "state_size": 8, "intermediate_size": 64, "time_step_rank": 4},
    "mamba2": {**_SSM, "model_type": "mamba2", "state_size": 8, "num_heads": 8, "head_dim": 8, "n_groups": 1, "chunk_size": 8},
    "jamba": {
        **DECODER, "model_type": "jamba", "num_hidden_layers": 4, "attn_layer_period": 2, "attn_layer_offset": 1,
        "expert_layer_period": 2, "expert_layer_offset": 1, "num_experts": 4, "num_experts_per_tok": 2, "mamba_d_state": 8,
        "use_mamba_kernels": False, "pad_token_id": 0,
    },
    "qwen3_next": {
        **DECODER, **_EXPERTS, "model_type": "qwen3_next", "num_hidden_layers": 4, "head_dim": 16, "num_experts": 4,
        "shared_expert_intermediate_size": 24, "linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 8,
        "linear_value_head_dim": 8,
    },
    "granitemoehybrid": {
        **DECODER, "model_type": "granitemoehybrid", "layer_types": ["mamba", "attention"], "num_local_experts": 0,
        "num_experts_per_tok": 0, "shared_intermediate_size": 48, "mamba_n_heads": 8, "mamba_d_head": 8, "mamba_d_state": 8,
        "mamba_n_groups": 1, "mamba_chunk_size": 8, "position_embedding_type": "nope",
    },
    "falcon_h1": {
        **DECODER, "model_type": "falcon_h1", "mamba_d_ssm": 32, "mamba_n_heads": 4, "mamba_d_head": 8, "mamba_d_state": 8,
        "mamba_n_groups": 1, "mamba_chunk_size": 8, "head_dim": 8,
    },
    "nemotron_h": {
        **DECODER, "model_type": "nemotron_h", "hybrid_override_pattern": "M-*-", "num_hidden_layers": 4, "head_dim": 8,
        "ssm_state_size": 8, "mamba_num_heads": 8, "mamba_head_dim": 8, "n_groups": 1, "chunk_size": 8,
    },
    "bamba": {
        **DECODER, "model_type": "bamba", "attn_layer_indices": [1], "mamba_n_heads": 8, "mamba_d_head": 8, "mamba_d_state": 8,
        "mamba_n_groups": 1, "mamba_chunk_size": 8,
    },
    "opt": {
        **SMALL, "model_type": "opt", "hidden_size": 32, "ffn_dim": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
        "word_embed_proj_dim": 32, "pad_token_id": 0, "init_std": 0.3, "dropout": 0.0,
    },
    "mpt": {"model_type": "mpt", "d_model": 32, "n_heads": 4, "n_layers": 2, "vocab_size": 97, "max_seq_len": 64},
    "deepseek_v32": {
        **DECODER, **_LATENT, **_EXPERTS, "model_type": "deepseek_v32", "q_lora_rank": 16, "n_group": 1, "topk_group": 1,
        "index_topk": 64, "index_n_heads": 2, "index_head_dim": 16,
    },
}  # fmt: skip
"""Layers that keep something else than keys and values alone, or that count the length so far on the host."""

BATCH, PROMPT, NEW = 3, 11, 9


def small_model(name, *, attention="auto"):
    torch.manual_seed(1)
    return random_model(AutoModelForCausalLM, {**CONFIGS, **MORE_CONFIGS, **STATEFUL}[name], attention=attention).eval()


def generation_of(model, *, batch_size=BATCH, device="cpu"):
    return GreedyGeneration(
        model,
        config=model.config,
        batch_size=batch_size,
        prompt_len=PROMPT,
        max_new_tokens=NEW,
        dtype=torch.float32,
        device=torch.device(device),
    )


def run(generation, prompt):
    generation.begin(prompt)
    generation.prefill(0)
    for repeat in range(NEW - 1):
        generation.decode(repeat)
    return generation.generated.T.clone()


def plainly_generated(model, prompt):
    """Greedy without any cache: the whole sequence is read again for every token."""
    tokens = prompt
    for _ in range(NEW):
        with torch.no_grad():
            logits = model(input_ids=tokens, attention_mask=torch.ones_like(tokens), use_cache=False).logits
        tokens = torch.cat((tokens, logits[:, -1:].argmax(-1)), dim=1)
    return tokens[:, PROMPT:]


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("name", CONFIGS)
def test_tokens_equal_those_of_the_librarys_generate(name, attention):
    model = small_model(name, attention=attention)
    prompt = torch.randint(97, (BATCH, PROMPT))
    model.generation_config.pad_token_id = 0
    theirs = model.generate(prompt, do_sample=False, max_new_tokens=NEW, attention_mask=torch.ones_like(prompt))
    ours = run(generation_of(model), prompt)
    assert torch.equal(ours, theirs[:, PROMPT:])
    assert torch.equal(ours, plainly_generated(model, prompt))
    assert ours.unique().numel() > 3, "a model that repeats itself would hide a broken cache"


@pytest.mark.parametrize("name", MORE_CONFIGS)
def test_tokens_of_every_architecture_equal_those_of_reading_the_whole_sequence_again(name):
    model = small_model(name)
    prompt = torch.randint(97, (BATCH, PROMPT))
    assert torch.equal(run(generation_of(model), prompt), plainly_generated(model, prompt))


@pytest.mark.parametrize("name", [name for name, config in MORE_CONFIGS.items() if "num_experts_per_tok" not in config])
def test_no_architecture_reads_a_value_back_to_the_host(name):
    with torch.device("meta"):
        model = small_model(name)
    run(generation_of(model, device="meta"), torch.zeros(BATCH, PROMPT, dtype=torch.int64, device="meta"))


# Bamba counts positions from 0 in every pass unless its caller does: other values of the same work.
@pytest.mark.parametrize("name", [name for name in STATEFUL if name != "bamba"])
def test_tokens_of_layers_with_states_equal_those_of_reading_the_whole_sequence_again(name):
    model = small_model(name)
    prompt = torch.randint(97, (BATCH, PROMPT))
    generation = generation_of(model)
    # A first prompt leaves states behind, which a second must not see.
    run(generation, torch.randint(97, (BATCH, PROMPT)))
    assert torch.equal(run(generation, prompt), plainly_generated(model, prompt))


@pytest.mark.parametrize("name", STATEFUL)
def test_no_layer_with_states_reads_a_value_back_to_the_host(name):
    with torch.device("meta"):
        model = small_model(name)
    if "num_experts_per_tok" not in STATEFUL[name]:
        run(generation_of(model, device="meta"), torch.zeros(BATCH, PROMPT, dtype=torch.int64, device="meta"))


@pytest.mark.parametrize("name", [name for name in STATEFUL if name != "deepseek_v32"])
def test_training_of_layers_with_states_is_that_without_a_cache(name):
    model = small_model(name).train()
    tokens = torch.randint(97, (BATCH, PROMPT))
    torch.manual_seed(2)
    plain = model(input_ids=tokens, labels=tokens, use_cache=False).loss
    torch.manual_seed(2)
    passing = {cache_argument(model.config): passing_cache(model.config)}
    torch.testing.assert_close(model(input_ids=tokens, labels=tokens, use_cache=False, **passing).loss, plain)


def test_latent_attention_keeps_one_compressed_head_a_token():
    layers = generation_of(small_model("deepseek_v3"))._cache.layers
    held = sum(tensor.numel() for layer in layers for tensor in (layer.keys, layer.values))
    assert held == 2 * (16 + 8) * BATCH * (PROMPT + NEW)


def test_a_new_prompt_forgets_the_previous_one():
    model = small_model("llama")
    first, second = torch.randint(97, (2, BATCH, PROMPT))
    generation = generation_of(model)
    run(generation, first)
    assert torch.equal(run(generation, second), run(generation_of(model), second))


def test_forgetting_touches_no_key():
    generation = generation_of(small_model("gpt2"))
    run(generation, torch.randint(97, (BATCH, PROMPT)))
    layer = generation._cache.layers[0]
    kept, length = layer.keys.clone(), int(layer.cumulative_length)
    generation.begin(torch.randint(97, (BATCH, PROMPT)))
    assert torch.equal(layer.keys, kept)
    assert (length, int(layer.cumulative_length)) == (PROMPT + NEW - 1, 0)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("name", ["gpt2", "llama", "qwen2"])
def test_no_stage_reads_a_value_back_to_the_host(name, attention):
    # Tensors on meta have no values: reading one (a hidden synchronisation on a GPU) raises.
    with torch.device("meta"):
        model = small_model(name, attention=attention)
    run(generation_of(model, device="meta"), torch.zeros(BATCH, PROMPT, dtype=torch.int64, device="meta"))


def test_a_prompt_attends_to_itself_and_not_to_the_empty_cache():
    model = small_model("llama")
    generation = generation_of(model)
    generation.begin(torch.randint(97, (BATCH, PROMPT)))
    with FlopCounterMode(display=False, custom_mapping=missing_formulas()) as counter:
        generation.prefill(0)
    layers, heads, kv_heads, head_dim, width, inner = 2, 4, 2, 8, 32, 48
    weights = width * (heads + 2 * kv_heads) * head_dim + width * width + 3 * width * inner
    products = 2 * heads * head_dim * PROMPT
    head = BATCH * width * 97
    expected = 2 * (layers * BATCH * PROMPT * (weights + products) + head)
    # Rotary angles may be a small product of their own; attending to the whole cache would add 7 %.
    assert counter.get_total_flops() == pytest.approx(expected, rel=0.01)


def test_the_cache_holds_two_times_layers_times_heads_times_width_a_token():
    model = small_model("llama")
    layers = generation_of(model)._cache.layers
    held = sum(tensor.numel() for layer in layers for tensor in (layer.keys, layer.values))
    assert key_value_heads(model.config) == (2, 8)
    assert held == 2 * 2 * 2 * 8 * BATCH * (PROMPT + NEW)


@pytest.mark.parametrize("name", CONFIGS)
def test_training_through_the_passing_cache_is_training_without_a_cache(name):
    model = small_model(name)
    tokens = torch.randint(97, (BATCH, PROMPT))
    plain = model(input_ids=tokens, labels=tokens, attention_mask=torch.ones_like(tokens), use_cache=False).loss
    passed = model(input_ids=tokens, labels=tokens, past_key_values=passing_cache(model.config), use_cache=False).loss
    torch.testing.assert_close(passed, plain)


def test_every_weight_is_drawn_once_and_none_is_left_empty():
    model = small_model("llama")
    for name, parameter in model.named_parameters():
        assert torch.isfinite(parameter).all(), name
        expected = 0.0 if "norm" in name else 0.3
        assert float(parameter.detach().std()) == pytest.approx(expected, rel=0.1), name
