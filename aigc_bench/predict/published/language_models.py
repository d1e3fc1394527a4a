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

from functools import cached_property

from pydantic import Field

from aigc_bench.core.records import Record


class LanguageModel(Record):
    """A decoder's hyper-parameters, named as the Hugging Face configurations name them (short forms).

    ``num_dense_layers`` layers at the front have no experts; of the others every ``moe_interval``-th has. Every
    ``attention_interval``-th layer keeps a KV cache (hybrids with state-space layers keep few). ``window`` bounds the
    context of every second layer. ``total_params`` and ``active_params`` override the sums where the architecture is not
    a plain transformer.
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
    source: str = ""

    @property
    def has_latent_attention(self) -> bool:
        """Whether the cache holds a compressed latent instead of keys and values (DeepSeek's MLA)."""
        return self.kv_lora_rank > 0

    @cached_property
    def num_moe_layers(self) -> int:
        """Layers with experts."""
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
        return self._scale * self._plain_dense_params

    @cached_property
    def routed_params(self) -> float:
        """Parameters of all experts of all layers."""
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
        # The table is in addition to the output head, which dense_params holds: a look-up multiplies nothing.
        return self.dense_params + self.routed_params + self.vocab_size * self.hidden_size

    @cached_property
    def num_kv_layers(self) -> int:
        """Layers that keep a cache."""
        return max(1, self.num_layers // self.attention_interval)

    @cached_property
    def kv_elements_per_token(self) -> float:
        """Cached elements of one token over all layers (exact against vLLM)."""
        per_layer = self.kv_lora_rank + self.rope_head_dim if self.has_latent_attention else 2 * self.num_kv_heads * self.head_dim
        return float(self.num_kv_layers * per_layer)

    def read_params(self, tokens: float) -> float:
        """Parameters that a step over ``tokens`` tokens has to read: all dense ones, and the experts that some token chose."""
        if not self.num_experts:
            return self.dense_params
        # Probability that none of the tokens chose a given expert, choices being taken as independent.
        missed: float = (1.0 - self.experts_per_token / self.num_experts) ** tokens
        return self.dense_params + self.routed_params * (1.0 - missed)

    def cached_context(self, context: float) -> float:
        """Mean tokens of cache that a layer reads at that context: half of the layers see no further than the window."""
        return context if not self.window else 0.5 * (context + min(context, self.window))

    def attention_flops(self, context: float) -> float:
        """FLOPs of attention itself for one token over ``context`` cached tokens, all layers."""
        if self.has_latent_attention:
            # Absorbed form: scores over latent and rotary part, values over the latent alone.
            width = 2 * self.kv_lora_rank + self.rope_head_dim
            return 2.0 * self.num_kv_layers * self.num_heads * width * self.cached_context(context)
        return 4.0 * self.num_kv_layers * self.num_heads * self.head_dim * self.cached_context(context)

    def prompt_attention_flops(self, length: float) -> float:
        """FLOPs of causal attention over a prompt of ``length`` tokens, all layers: half of the full square, 4 H d L^2 / 2."""
        width = self.num_heads * (
            # Scores and values have different widths here: their mean stands for both products.
            (self.head_dim + self.rope_head_dim + self.value_head_dim) / 2 if self.has_latent_attention else self.head_dim
        )
        return 2.0 * self.num_kv_layers * width * length * self.cached_context(length)
