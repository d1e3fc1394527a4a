"""Closed-form work of language models, from their published hyper-parameters.

The tracer counts the work of every workload that we can build. Published results name models that have no workload to trace; for
those the few sums below suffice (a matrix multiplication of ``m`` tokens by ``p`` parameters costs ``2 m p`` FLOPs and reads ``p``
weights).

    attention      2 h (H + K) d per layer in the projections, 4 H d c FLOPs per token over a context of c tokens
    dense FFN      2 or 3 matrices h x f (gated: 3)
    experts        E of them, k chosen per token; a batch of n tokens touches E (1 - (1 - k/E)^n) of them
    KV cache       2 K d elements per token and layer; with latent attention rank + rope_dim
"""

from __future__ import annotations

import math
from functools import cached_property

from pydantic import Field

from aigc_bench.core.records import Record


class Mixing(Record):
    """What the mixer of one layer keeps, and what attending costs.

    A token leaves ``kv_elements`` in the cache; ``state_elements`` are kept for each sequence whatever its length. FLOPs of
    attention itself: ``seen_flops`` for a decoded token and each token that it sees, ``pair_flops`` for each (query, key) pair of a
    prompt, ``state_flops`` for each token.

    Sparse attention reads no more than ``chosen`` of the tokens that it sees (0: all of them). An indexer chooses them: it keeps
    ``index_elements`` of each token and spends ``index_flops`` on each token that is seen.
    """

    kv_elements: int = 0
    state_elements: int = 0
    seen_flops: float = 0.0
    pair_flops: float = 0.0
    state_flops: float = 0.0
    chosen: int = 0
    index_elements: int = 0
    index_flops: float = 0.0


class LayerGroup(Mixing):
    """``count`` equal layers of a model: a token sees the last ``window`` tokens (0: all of them)."""

    count: int = Field(gt=0)
    window: int = 0
    has_experts: bool = False

    def seen(self, context: float) -> float:
        """Return the tokens that one token sees at that context."""
        return min(context, self.window) if self.window else context

    def read(self, context: float) -> float:
        """Return the tokens that attention reads of those that one token sees."""
        return min(self.seen(context), self.chosen) if self.chosen else self.seen(context)


class Packing(Record):
    """Bytes of a checkpoint's weights in the number format ``format``: of what every token uses, of experts, of looked-up tables.

    ``is_mean`` says that all tensors are counted at the mean of the file, as of a GGUF header.
    """

    format: str
    dense_bytes: float
    routed_bytes: float
    table_bytes: float
    is_mean: bool = False

    @property
    def total_bytes(self) -> float:
        """Return the bytes of all weights."""
        return self.dense_bytes + self.routed_bytes + self.table_bytes

    def read_bytes(self, reached: float) -> float:
        """Return the bytes that a step reads whose tokens reach that share of the experts; tables are looked up."""
        return self.dense_bytes + self.routed_bytes * reached


class LanguageModel(Record):
    """A decoder's hyper-parameters, named as the Hugging Face configurations name them (short forms).

    ``num_dense_layers`` layers at the front have no experts; of the others every ``moe_interval``-th has. Every
    ``attention_interval``-th layer keeps a KV cache (hybrids with state-space layers keep few). ``window`` bounds the
    context of every second layer. ``total_params`` and ``active_params`` override the sums where the architecture is not
    a plain transformer.

    A model that is described from its configuration has its ``layers`` one by one and its parameters counted: all of them,
    ``counted_routed`` of experts and ``counted_looked_up`` of tables that multiply nothing. Sums of the fields above then stand
    back. ``native_format`` is the number format that its weights are published in where that is not 16 bits, ``packing`` the bytes
    of a user's own quantized checkpoint.
    """

    name: str
    num_layers: int = Field(gt=0)
    hidden_size: int = Field(gt=0)
    ffn_size: int = 0
    ffn_matrices: int = 3
    num_heads: int = Field(gt=0)
    num_kv_heads: int = Field(gt=0)
    head_dim: int = Field(gt=0)
    vocab_size: int = Field(gt=0)
    num_experts: int = 0
    experts_per_token: int = 0
    expert_ffn_size: int = 0
    shared_ffn_size: int = 0
    num_dense_layers: int = 0
    moe_interval: int = 1
    q_lora_rank: int = 0
    kv_lora_rank: int = 0
    rope_head_dim: int = 0
    value_head_dim: int = 0
    window: int = 0
    attention_interval: int = 1
    total_params_override: float | None = None
    active_params_override: float | None = None
    layers: tuple[LayerGroup, ...] = ()
    counted_params: int | None = None
    counted_routed: int = 0
    counted_looked_up: int = 0
    is_encoder: bool = False
    native_format: str = ""
    num_mtp_layers: int = 0
    packing: Packing | None = None
    source: str = ""

    @property
    def has_latent_attention(self) -> bool:
        """Whether the cache holds a compressed latent instead of keys and values (DeepSeek's MLA)."""
        return self.kv_lora_rank > 0

    @cached_property
    def num_moe_layers(self) -> int:
        """Layers with experts."""
        if self.layers:
            return sum(group.count for group in self.layers if group.has_experts)
        return (self.num_layers - self.num_dense_layers) // self.moe_interval if self.num_experts else 0

    @cached_property
    def attention_params(self) -> float:
        """Projection parameters of one layer's attention."""
        h, heads, d = self.hidden_size, self.num_heads, self.head_dim
        if not self.has_latent_attention:
            # Queries and output h x H d each, keys and values h x K d each.
            return 2.0 * h * d * (heads + self.num_kv_heads)
        value = self.value_head_dim or d
        queries = (
            self.q_lora_rank * (h + heads * (d + self.rope_head_dim)) if self.q_lora_rank else h * heads * (d + self.rope_head_dim)
        )
        # Down to the latent and the shared rotary key, then up to keys and values of every head.
        latents = h * (self.kv_lora_rank + self.rope_head_dim) + self.kv_lora_rank * heads * (d + value)
        return float(queries + latents + heads * value * h)

    @cached_property
    def expert_params(self) -> float:
        """Parameters of one expert of one layer."""
        return float(self.ffn_matrices * self.hidden_size * self.expert_ffn_size)

    @cached_property
    def _plain_dense_params(self) -> float:
        attention = self.num_layers * self.attention_params
        dense_ffn = (self.num_layers - self.num_moe_layers) * self.ffn_matrices * self.hidden_size * self.ffn_size
        shared = self.num_moe_layers * self.ffn_matrices * self.hidden_size * self.shared_ffn_size
        return float(attention + dense_ffn + shared + self.vocab_size * self.hidden_size)

    @cached_property
    def _scale(self) -> float:
        """What the overriding figure makes of the plain sum (1 for a plain transformer)."""
        if self.active_params_override is None:
            return 1.0
        # Keeps the proportions of the sum, so that what experts read still follows from it.
        return self.active_params_override / (
            self._plain_dense_params + self.num_moe_layers * self.experts_per_token * self.expert_params
        )

    @cached_property
    def dense_params(self) -> float:
        """Parameters that every token uses, the output head among them, without the embedding table."""
        if self.counted_params is not None:
            return float(self.counted_params - self.counted_routed - self.counted_looked_up)
        return self._scale * self._plain_dense_params

    @cached_property
    def routed_params(self) -> float:
        """Parameters of all experts of all layers."""
        if self.counted_params is not None:
            return float(self.counted_routed)
        if self.total_params_override is not None and self.active_params_override is not None:
            # Both figures are published and rounded: their difference may fall below zero.
            return max(0.0, self.total_params_override - self.dense_params)
        return self.num_moe_layers * self.num_experts * self.expert_params

    @cached_property
    def active_params(self) -> float:
        """Parameters that one token is multiplied with."""
        share = self.experts_per_token / self.num_experts if self.num_experts else 0.0
        return self.dense_params + share * self.routed_params

    @cached_property
    def total_params(self) -> float:
        """All parameters, the embedding table among them."""
        if self.counted_params is not None:
            return float(self.counted_params)
        # The table is in addition to the output head, which dense_params holds: a look-up multiplies nothing.
        return self.dense_params + self.routed_params + self.vocab_size * self.hidden_size

    @cached_property
    def looked_up_params(self) -> float:
        """Parameters of tables that multiply nothing: those of ``total_params`` that are neither dense nor of experts."""
        return max(0.0, self.total_params - self.dense_params - self.routed_params)

    @cached_property
    def table_params(self) -> float:
        """Parameters of embedding table and output head, once where they are tied: packed formats leave them in 16 bits."""
        table = float(self.vocab_size * self.hidden_size)
        if self.counted_params is None:
            return 2.0 * table
        # An encoder has no head; what is looked up holds the table where it is not the head itself, and that of positions.
        return self.counted_looked_up + (0.0 if self.is_encoder else table)

    @property
    def num_active_params(self) -> float:
        """Parameters of a mixture of experts that a token is multiplied with, as most model cards state them ("A22B").

        Neither experts that it does not choose nor the table that it is looked up in; a tied table is the output head and counts.
        Without experts all parameters.
        """
        return self.active_params if self.num_experts else self.total_params

    @cached_property
    def num_kv_layers(self) -> int:
        """Layers that keep a cache."""
        if self.layers:
            return sum(group.count for group in self.layers if group.kv_elements)
        return max(1, self.num_layers // self.attention_interval)

    @cached_property
    def kv_elements_per_token(self) -> float:
        """Cached elements of one token over all layers (exact against vLLM)."""
        if self.layers:
            return float(sum(group.count * group.kv_elements for group in self.layers))
        per_layer = self.kv_lora_rank + self.rope_head_dim if self.has_latent_attention else 2 * self.num_kv_heads * self.head_dim
        return float(self.num_kv_layers * per_layer)

    @cached_property
    def state_elements(self) -> float:
        """Elements that a sequence keeps whatever its length: states of linear attention and state spaces."""
        return float(sum(group.count * group.state_elements for group in self.layers))

    def held_elements(self, context: float) -> float:
        """Return the elements that a sequence of that many tokens keeps: those of its tokens, up to the windows, and its states."""
        if not self.layers:
            return self.kv_elements_per_token * context
        kept = sum(group.count * (group.kv_elements + group.index_elements) * group.seen(context) for group in self.layers)
        return kept + self.state_elements

    def moved_elements(self, context: float) -> float:
        """Return the cached elements that a decoded token reads and writes at that context; a state is read and written."""
        if not self.layers:
            return self.kv_elements_per_token * self.cached_context(context)
        read = math.fsum(
            group.count * (group.kv_elements * group.read(context) + group.index_elements * group.seen(context))
            for group in self.layers
        )
        return read + 2.0 * self.state_elements

    def reached_experts(self, tokens: float) -> float:
        """Return the share of the experts that ``tokens`` tokens reach together; 0 without experts."""
        if not self.num_experts:
            return 0.0
        # Probability that none of the tokens chose a given expert, choices being taken as independent.
        missed: float = (1.0 - self.experts_per_token / self.num_experts) ** tokens
        return 1.0 - missed

    def read_params(self, tokens: float) -> float:
        """Parameters that a step over ``tokens`` tokens has to read: all dense ones, and the experts that some token chose."""
        return self.dense_params + self.routed_params * self.reached_experts(tokens)

    def cached_context(self, context: float) -> float:
        """Mean tokens of cache that a layer reads at that context: half of the layers see no further than the window."""
        if self.layers:
            read = math.fsum(group.count * group.kv_elements * group.read(context) for group in self.layers)
            return read / max(self.kv_elements_per_token, 1.0)
        return context if not self.window else 0.5 * (context + min(context, self.window))

    def attention_flops(self, context: float) -> float:
        """FLOPs of attention itself for one token over ``context`` cached tokens, all layers."""
        if self.layers:
            return math.fsum(
                group.count * (group.seen_flops * group.read(context) + group.index_flops * group.seen(context) + group.state_flops)
                for group in self.layers
            )
        if self.has_latent_attention:
            # Absorbed form: scores over latent and rotary part, values over the latent alone.
            width = 2 * self.kv_lora_rank + self.rope_head_dim
            return 2.0 * self.num_kv_layers * self.num_heads * width * self.cached_context(context)
        return 4.0 * self.num_kv_layers * self.num_heads * self.head_dim * self.cached_context(context)

    def prompt_attention_flops(self, length: float) -> float:
        """FLOPs of causal attention over a prompt of ``length`` tokens, all layers: half of the full square, 4 H d L^2 / 2.

        An encoder's tokens see those behind them as well, which makes the full square.
        """
        if self.layers:
            return math.fsum(
                group.count
                * (
                    group.pair_flops * self._pairs(length, seen=group.read(length))
                    + group.index_flops * self._pairs(length, seen=group.seen(length))
                    + group.state_flops * length
                )
                for group in self.layers
            )
        width = self.num_heads * (
            # Scores and values have different widths here: their mean stands for both products.
            (self.head_dim + self.rope_head_dim + self.value_head_dim) / 2 if self.has_latent_attention else self.head_dim
        )
        return 2.0 * self.num_kv_layers * width * length * self.cached_context(length)

    def _pairs(self, length: float, *, seen: float) -> float:
        """(query, key) pairs of a prompt whose tokens see ``seen`` tokens at most."""
        # Causal: the first ``seen`` tokens make a triangle, all later ones a band.
        return length * seen if self.is_encoder else seen * length - seen**2 / 2
