"""The feed-forward part of a layer: dense, or a router with experts and shared ones. Sizes and parameters."""

from __future__ import annotations

import math

from aigc_bench.core.records import Record
from aigc_bench.predict.language.configuration import Configuration
from aigc_bench.predict.language.mixers import is_on
from aigc_bench.predict.language.traits import Traits


class Experts(Record):
    """A mixture of experts: their number, how many a token uses, and the width and parameters of each."""

    num: int = 0
    per_token: int = 0
    ffn_size: int = 0
    params_each: int = 0


def dense_size(c: Configuration, traits: Traits) -> int:
    """Return the width of a dense feed-forward part."""
    hidden = c.number("hidden_size")
    if c.model_type == "mpt":
        return int(float(c.get("expansion_ratio", 4)) * hidden)
    if c.model_type == "llama4_text":
        return c.number("intermediate_size_mlp", c.number("intermediate_size"))
    size = c.number("intermediate_size", traits.ffn_multiple * hidden)
    if c.model_type == "recurrent_gemma":
        return size // 2
    if c.model_type == "lfm2" and c.flag("block_auto_adjust_ff_dim", default=True):
        # LFM2 states what a part without a gate would have.
        size = int(float(c.get("block_ffn_dim_multiplier", 1.0)) * int(2 * size / 3))
        step = c.number("block_multiple_of", 256)
        return step * math.ceil(size / step)
    return size


def expert_size(c: Configuration) -> int:
    """Return the width of one expert."""
    size = c.get("moe_intermediate_size", c.get("expert_ffn_hidden_size"))
    # Ernie's and Hunyuan's files may list it for each layer, equal in all.
    return int(size[0]) if isinstance(size, list) else int(size or c.number("intermediate_size"))


def dense_params(c: Configuration, traits: Traits) -> int:
    """Return the parameters of a dense feed-forward part."""
    size = dense_size(c, traits)
    params = _matrices(c, traits, size)
    # Apertus learns two numbers of its activation, BitNet norms what comes before the last matrix.
    return params + 2 * (c.model_type == "apertus") + size * traits.has_inner_norms


def experts_of(c: Configuration, traits: Traits) -> Experts:
    """Return the experts of a layer that has them."""
    size, hidden = expert_size(c), c.number("hidden_size")
    each = (3 if traits.is_gated else 2) * hidden * size
    if traits.expert_bias:
        each += 2 * size + hidden
    return Experts(num=c.number("num_experts"), per_token=c.number("num_experts_per_tok", 1), ffn_size=size, params_each=each)


def shared_size(c: Configuration) -> int:
    """Return the width of what every token uses next to the experts, 0 without."""
    if c.model_type == "llama4_text":
        return c.number("intermediate_size")
    for key in ("shared_expert_intermediate_size", "shared_intermediate_size"):
        if c.number(key, 0):
            return c.number(key)
    count = c.number("num_shared_experts", 0)
    return count * c.number("moe_shared_expert_intermediate_size", expert_size(c))


def router_params(c: Configuration, traits: Traits) -> int:
    """Return the parameters of router and shared experts of a layer with experts."""
    num, hidden, shared = c.number("num_experts"), c.number("hidden_size"), shared_size(c)
    router = num * hidden + num * traits.router_bias
    return router + (_matrices(c, traits, shared) + hidden * traits.has_shared_gate if shared else 0)


def _matrices(c: Configuration, traits: Traits, size: int) -> int:
    hidden, inward = c.number("hidden_size"), 2 if traits.is_gated else 1
    return (inward + 1) * hidden * size + (inward * size + hidden) * is_on(c, traits.ffn_bias)
