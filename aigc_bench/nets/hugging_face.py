"""Hugging Face models from configuration: random weights, nothing fetched, no host synchronisation in the forward pass.

transformers looks at the *values* of masks and positions to decide whether attention can be left to the ``is_causal`` flag,
which blocks the host once a forward pass and cannot be traced on ``meta``. Batches here are never padded nor packed, so the
answer is known: ``UnpaddedLayer`` and ``unpadded_mask`` give it through the library's own extension points.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch.nn.utils import parametrize
from transformers import AttentionInterface, AttentionMaskInterface, AutoConfig
from transformers.cache_utils import Cache, StaticLayer
from transformers.initialization import no_init_weights
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from aigc_bench.core.records import Attention

_UNPADDED_SDPA = "aigc_bench_unpadded_sdpa"
HALF_PRECISION = ".fp16."
"""In the names of safetensors that are a half-precision twin of others, or alone."""
_OWN_ATTENTION = ("falcon",)
"""Architectures that choose among attention classes of their own, by the library's names only."""


def random_model(
    auto_class: Any, config: Mapping[str, Any], *, attention: Attention, weights: str | None = None
) -> torch.nn.Module:
    """The architecture of ``config`` (``model_type`` and its keys) with the library's own random initialisation.

    Weights are drawn once, not first by ``torch.nn`` and then again by transformers, which halves the time to build. Models that
    transformers does not run through scaled-dot-product attention (GPT-J, Gemma 2, gpt-oss with its sinks) get its eager one. With
    ``weights``, a folder of safetensors, they are read from there instead (not on ``meta``, which holds no values).
    """
    keys = dict(config)
    made = AutoConfig.for_model(keys.pop("model_type"), **keys)
    has_choice = made.model_type not in _OWN_ATTENTION and auto_class._model_mapping[type(made)]._supports_sdpa
    chosen = unpadded_attention(attention if has_choice else "eager")
    if weights is not None and torch.get_default_device().type != "meta":
        return loaded(auto_class, made, implementation=chosen, folder=weights)
    # from_config draws nothing here, so that init_weights below is the only draw.
    with no_init_weights():
        model: Any = auto_class.from_config(made, attn_implementation=chosen)
    model.init_weights()
    return model  # type: ignore[no-any-return]


def loaded(auto_class: Any, config: Any, *, implementation: str, folder: str) -> torch.nn.Module:
    """The model with the folder's weights; what the folder lacks (a head) is random. Only safetensors, only from this disk."""
    # Without `variant` the library looks for names without ".fp16." only.
    is_half = all(HALF_PRECISION in file.name for file in Path(folder).glob("*.safetensors"))
    model: torch.nn.Module = auto_class.from_pretrained(
        folder,
        config=config,
        attn_implementation=implementation,
        dtype=torch.get_default_dtype(),
        use_safetensors=True,
        local_files_only=True,
        trust_remote_code=False,
        variant="fp16" if is_half else None,
    )
    return model


def unpadded_attention(attention: Attention) -> str:
    """The name under which transformers knows the attention of unpadded batches; ``eager`` stays the library's."""
    if attention == "eager":
        return "eager"
    AttentionInterface.register(_UNPADDED_SDPA, sdpa_attention_forward)
    AttentionMaskInterface.register(_UNPADDED_SDPA, unpadded_mask)
    return _UNPADDED_SDPA


def fold_weight_norm(model: Any) -> None:
    """Replace every weight-normalised weight by the plain one it stands for, as is done before a model is deployed.

    The library recomputes it from its length and direction in every forward pass.
    """
    # Without gradients the plain weight would become a buffer.
    with torch.enable_grad():
        for module in model.modules():
            if parametrize.is_parametrized(module, "weight"):
                parametrize.remove_parametrizations(module, "weight")


def checkpoint_activations(model: Any) -> None:
    """Keep only each layer's input in the forward pass and compute the rest again in the backward pass."""
    # The newer name of transformers, then the older. The reentrant kind would give no gradients where the inputs require none.
    enable = getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
    enable({"use_reentrant": False})


def unpadded_mask(*, q_length: int, **keys: Any) -> torch.Tensor | None:
    """No mask for whole sequences (attention is then causal by flag); one query token masks the unused part of its cache."""
    return None if q_length > 1 else sdpa_mask(q_length=q_length, **keys)


class UnpaddedLayer(StaticLayer):  # type: ignore[misc]
    """One layer's keys and values, ``[batch, num_kv_heads, max_len, head_dim]`` each, written in place.

    A prompt attends to its own keys only, not to the still empty rest of the buffer, as every serving engine does it.
    """

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **keys: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Store the new keys and values; return those to attend to."""
        # A prompt starts the sequence: its keys are all there is, and no read of the buffer is needed.
        stored: tuple[torch.Tensor, torch.Tensor] = super().update(key_states, value_states, *args, **keys)
        return (key_states, value_states) if key_states.shape[-2] > 1 else stored

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Number of keys that ``update`` returns, and where they begin."""
        return (query_length if query_length > 1 else self.max_cache_len), 0


class PassingLayer(StaticLayer):  # type: ignore[misc]
    """Keeps nothing: whole sequences come in one pass, as in training."""

    def __init__(self) -> None:
        super().__init__(max_cache_len=0)

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **keys: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The keys and values as they came."""
        return key_states, value_states

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """As many keys as queries."""
        return query_length, 0

    def get_seq_length(self) -> int:
        """Nothing is kept."""
        return 0


def passing_cache(config: Any) -> Cache:
    """A cache that keeps nothing: it only makes transformers treat sequences as whole, so that no value is read."""
    return Cache(layers=[PassingLayer() for _ in range(config.num_hidden_layers)])


def static_cache(config: Any, *, batch_size: int, max_len: int, dtype: torch.dtype, device: torch.device) -> Cache:
    """A key-value cache of fixed addresses for ``max_len`` tokens, allocated up front."""
    heads, *widths = cache_shape(config)
    cache = Cache(layers=[UnpaddedLayer(max_cache_len=max_len) for _ in range(config.num_hidden_layers)])
    for layer in cache.layers:
        # Keys and values may differ in width, which only this way of initialising learns: from a tensor of zero length each.
        layer.lazy_initialization(*(torch.empty(batch_size, heads, 0, width, dtype=dtype, device=device) for width in widths))
    return cache


def cache_shape(config: Any) -> tuple[int, int, int]:
    """Heads that a token keeps, and the width of their keys and of their values.

    Latent attention (DeepSeek) keeps one head: the compressed latent, and the part of the key that carries the position.
    """
    if getattr(config, "kv_lora_rank", None):
        return 1, int(config.kv_lora_rank), int(config.qk_rope_head_dim)
    heads, head_dim = key_value_heads(config)
    return heads, head_dim, head_dim


def key_value_heads(config: Any) -> tuple[int, int]:
    """Number of key-value heads and their width."""
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    # Falcon's configuration has no num_key_value_heads; its flag means one head for all queries. Its newer architecture (40B, 180B)
    # ignores the flag, and transformers spreads the heads of a group over all queries before they are kept.
    if config.model_type == "falcon" and config.multi_query and not config.new_decoder_architecture:
        heads = 1
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return int(heads), int(head_dim)


def forget(cache: Cache) -> None:
    """Empty a static cache without touching its keys: what lies behind the current length is masked."""
    torch._foreach_zero_([layer.cumulative_length for layer in cache.layers])
