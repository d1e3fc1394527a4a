"""Caches of language models at fixed addresses, whatever a layer keeps: keys and values, a state of fixed size, both, nothing.

transformers names what each layer keeps (``layer_types``); here each kind is one that reads no value back to the host. Windows of
attention are not exploited: every layer of keys and values keeps the whole context.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers.cache_utils import (
    DYNAMIC_LAYER_TYPE_MAPPING,
    STATIC_LAYER_TYPE_MAPPING,
    Cache,
    DummyLayer,
    LinearAttentionAndStaticFullAttentionLayer,
    LinearAttentionCacheLayerMixin,
    LinearAttentionLayer,
    StaticIndexedLayer,
    StaticLayer,
    get_layer_types_and_kwargs,
)

_COUNTED = ("bart", "biogpt", "bloom", "ctrl", "mpt", "opt", "xglm")
"""Architectures that cut tensors at the length so far, which must then be a number of the host."""
_STATES_ALONE = ("mamba", "mamba2", "falcon_mamba")
_STATES = ("linear_attention", "conv")
_WHOLE = ("full_attention", "sliding_attention", "chunked_attention")
_BOTH = ("hybrid", "hybrid_sliding")
_UNEVEN = ("global_head_dim", "num_global_key_value_heads", "swa_num_key_value_heads", "attention_head_dim", "block_configs")
"""Keys of configurations whose layers keep keys of several shapes: each layer then learns its own from its first prompt."""


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


class CountedLayer(UnpaddedLayer):
    """As ``UnpaddedLayer``, and its length is counted on the host, too."""

    num_seen = 0

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **keys: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Store the new keys and values; return those of the sequence so far, since these models make no mask of the rest."""
        self.num_seen += key_states.shape[-2]
        found = super().update(key_states, value_states, *args, **keys)
        return found if key_states.shape[-2] > 1 else (found[0][:, :, : self.num_seen], found[1][:, :, : self.num_seen])

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Return the keys of the sequence with the new ones, and where they begin."""
        return self.num_seen + query_length, 0

    def get_seq_length(self) -> int:
        """Return the tokens so far, a number of the host."""
        return self.num_seen


class IndexedLayer(UnpaddedLayer, StaticIndexedLayer):  # type: ignore[misc]
    """Keys and values, and the small keys by which an indexer chooses among them (DeepSeek-V3.2, GLM-5)."""

    def __init__(self, max_cache_len: int) -> None:
        StaticIndexedLayer.__init__(self, max_cache_len=max_cache_len)

    def update_indexer(self, indexer_key_states: torch.Tensor) -> torch.Tensor:
        """Store the indexer's new keys, ``[batch, tokens, width]``; return those to choose among."""
        stored: torch.Tensor = super().update_indexer(indexer_key_states)
        return indexer_key_states if indexer_key_states.shape[1] > 1 else stored


class StatefulLayer(LinearAttentionAndStaticFullAttentionLayer):  # type: ignore[misc]
    """A layer with attention and a state side by side (Falcon-H1, Zamba)."""

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **keys: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Store the new keys and values; return those to attend to, as ``UnpaddedLayer`` does."""
        stored: tuple[torch.Tensor, torch.Tensor] = StaticLayer.update(self, key_states, value_states, *args, **keys)
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


def cache_argument(config: Any) -> str:
    """The name under which a model takes its cache; those of states alone have one of their own."""
    return "cache_params" if config.model_type in _STATES_ALONE else "past_key_values"


def passing_cache(config: Any) -> Cache | None:
    """A cache that keeps nothing: it only makes transformers treat sequences as whole, so that no value is read.

    ``None`` where layers keep states: those models take a missing cache for whole sequences.
    """
    kinds, _ = get_layer_types_and_kwargs(config.get_text_config(decoder=True))
    if any(kind in (*_STATES, *_BOTH) for kind in kinds):
        return None
    return Cache(layers=[PassingLayer() for _ in range(config.num_hidden_layers)])


def static_cache(config: Any, *, batch_size: int, max_len: int, dtype: torch.dtype, device: torch.device) -> Cache:
    """A cache of fixed addresses for ``max_len`` tokens; keys and values are allocated up front, states by the first prompt."""
    kinds, given = get_layer_types_and_kwargs(config.get_text_config(decoder=True))
    kept = UnpaddedLayer if config.model_type not in _COUNTED else CountedLayer
    cache = Cache(layers=[_layer(kind, keys, max_len=max_len, kept=kept) for kind, keys in zip(kinds, given, strict=True)])
    # transformers moves such keys into configurations of the layers (Gemma 4).
    if getattr(config, "is_heterogeneous", False) or any(getattr(config, key, None) is not None for key in _UNEVEN):
        return cache
    for layer in cache.layers:
        if isinstance(layer, UnpaddedLayer | StatefulLayer):
            # Keys and values may differ in width, which only this way of initialising learns: from a tensor of zero length each.
            heads, *widths = cache_shape(config)
            layer.lazy_initialization(*(torch.empty(batch_size, heads, 0, width, dtype=dtype, device=device) for width in widths))
    return cache


def _layer(kind: str, keys: dict[str, Any], *, max_len: int, kept: type[UnpaddedLayer]) -> Any:
    """What a layer of the kind keeps; kinds that a library's model has for itself (compressed attention) are its own."""
    if kind in _STATES:
        return LinearAttentionLayer(**keys)
    if kind in _BOTH:
        return StatefulLayer(max_cache_len=max_len, number_of_states=keys.get("number_of_states", 1))
    if kind == "dummy":
        return DummyLayer()
    if kind == "indexed_attention":
        return IndexedLayer(max_cache_len=max_len)
    if kind not in _WHOLE and (own := STATIC_LAYER_TYPE_MAPPING.get(kind) or DYNAMIC_LAYER_TYPE_MAPPING.get(kind)) is not None:
        return own(max_cache_len=max_len, **keys)
    return kept(max_cache_len=max_len)


def is_shaped_by_prompts(cache: Cache) -> bool:
    """Whether a layer keeps what only a prompt gives a shape to: a state, an indexer's keys, or keys of layers that differ."""
    return any(
        isinstance(layer, LinearAttentionCacheLayerMixin | StaticIndexedLayer) or not getattr(layer, "is_initialized", False)
        for layer in cache.layers
    )


def cache_shape(config: Any) -> tuple[int, int, int]:
    """Heads that a token keeps, and the width of their keys and of their values.

    Latent attention (DeepSeek) keeps one head: the compressed latent, and the part of the key that carries the position.
    """
    if getattr(config, "kv_lora_rank", None):
        return 1, int(config.kv_lora_rank), int(config.qk_rope_head_dim)
    heads, head_dim = key_value_heads(config)
    # Keys may be wider than values (MiMo: the part of a key that carries the position).
    return heads, head_dim, int(getattr(config, "v_head_dim", None) or head_dim)


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
    """Empty a static cache without touching its keys: what lies behind the current length is masked, states are written anew."""
    lengths = [layer.cumulative_length for layer in cache.layers if isinstance(layer, StaticLayer)]
    # torch refuses an empty list: a model of states alone has no lengths.
    if lengths:
        torch._foreach_zero_(lengths)
    for layer in cache.layers:
        if isinstance(layer, CountedLayer):
            layer.num_seen = 0
        if isinstance(layer, LinearAttentionCacheLayerMixin):
            layer.has_previous_state = dict.fromkeys(layer.has_previous_state, False)
        if isinstance(layer, StaticIndexedLayer) and layer.is_indexer_initialized:
            layer.indexer_cumulative_length.zero_()
