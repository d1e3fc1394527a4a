"""All parameters of a decoder, exactly, and its layers in groups of equals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from aigc_bench.core.records import Record
from aigc_bench.predict.language.configuration import Configuration
from aigc_bench.predict.language.feed_forward import Experts, dense_params, experts_of, router_params
from aigc_bench.predict.language.layer_kinds import (
    COMPRESSED,
    HEAVILY,
    SLIDING,
    WINDOWED,
    expert_layers,
    mixer_kinds,
    named_layers,
    window_of,
)
from aigc_bench.predict.language.mixers import Mixer, is_on, mixer
from aigc_bench.predict.language.traits import TRAITS, Traits
from aigc_bench.predict.published.language_models import LayerGroup


class Counted(Record):
    """Parameters: all, those of routed experts, and those of tables that are looked up and multiply nothing."""

    total: int
    routed: int = 0
    looked_up: int = 0
    layers: tuple[LayerGroup, ...]
    experts: Experts = Experts()


def is_counted(c: Configuration) -> bool:
    """Return whether the decoder's type is counted in closed form."""
    return c.model_type in TRAITS


def count_decoder(c: Configuration) -> Counted:
    """Return the parameters and layers of a decoder; raises ``UsageError`` where the configuration lacks a size."""
    traits = TRAITS[c.model_type]
    experts = experts_of(c, traits) if any(expert_layers(c)) else Experts()
    body = routed = 0
    for (kind, has_experts, name), count in _alike(c).items():
        own = mixer(c, traits, kind).params + _feed_forward(c, traits, name=name, has_experts=has_experts)
        body += count * (own + _norms(c, traits))
        routed += count * experts.num * experts.params_each if has_experts else 0
    embedding, around = _around(c, traits)
    is_tied = c.flag("tie_word_embeddings", default=False)
    head = 0 if is_tied else c.number("vocab_size") * _embedding_width(c)
    # A tied table is the output head as well, so it is multiplied; a table of positions never is.
    looked_up = (0 if is_tied else embedding) + _positions(c, traits)
    head += c.number("vocab_size") * is_on(c, traits.head_bias)
    return Counted(
        total=body + routed + embedding + around + head,
        routed=routed,
        looked_up=looked_up,
        layers=groups_of(c, traits),
        experts=experts,
    )


def groups_of(c: Configuration, traits: Traits, *, kept: Mapping[int, int] | None = None) -> tuple[LayerGroup, ...]:
    """Return the layers of a decoder in groups of equals, in the order of their first.

    ``kept`` are the cached elements of a token by layer, where they were read off the built model instead.
    """
    known = kept or {}
    # What a compressed token keeps is no row of a projection.
    layers = Counter(
        (kind, has_experts, None if kind in (COMPRESSED, HEAVILY, WINDOWED) else known.get(index))
        for index, (kind, has_experts) in enumerate(zip(mixer_kinds(c), expert_layers(c), strict=True))
    )
    return tuple(
        _group(c, mixer(c, traits, kind), kind, has_experts, own, count) for (kind, has_experts, own), count in layers.items()
    )


def _group(c: Configuration, of: Mixer, kind: str, has_experts: bool, kept: int | None, count: int) -> LayerGroup:
    numbers = of.model_dump(exclude={"params"}) | ({} if kept is None else {"kv_elements": kept})
    return LayerGroup(count=count, window=window_of(c) if kind == SLIDING else 0, has_experts=has_experts, **numbers)


def _alike(c: Configuration) -> Counter[tuple[str, bool, str]]:
    """Kind of mixer, whether with experts, and name of layers -> how many there are."""
    return Counter(zip(mixer_kinds(c), expert_layers(c), named_layers(c), strict=True))


def _feed_forward(c: Configuration, traits: Traits, *, name: str, has_experts: bool) -> int:
    """Parameters of a layer without its mixer that every token uses."""
    if has_experts:
        return router_params(c, traits)
    # A block of Mamba is a mixer alone, and so is one of Nemotron-H that is not itself a feed-forward part.
    if c.model_type in ("mamba", "mamba2", "falcon_mamba") or (c.model_type == "nemotron_h" and name not in ("mlp", "-")):
        return 0
    if c.model_type == "granitemoehybrid":
        # Without experts the shared part is the feed-forward part.
        return (
            router_params(c, traits)
            if c.number("num_experts", 0)
            else 3 * c.number("hidden_size") * c.number("shared_intermediate_size")
        )
    return dense_params(c, traits)


def _norms(c: Configuration, traits: Traits) -> int:
    count = traits.norms
    if c.model_type == "falcon":
        # Attention and feed-forward part read one norm in the older architecture, one each in the newer.
        is_new, is_parallel = c.flag("new_decoder_architecture"), c.flag("parallel_attn", default=True)
        count = c.number("num_ln_in_parallel_attn", 2) if is_new else (1 if is_parallel else 2)
    if c.model_type == "stablelm" and c.flag("use_parallel_residual"):
        count = 1
    if c.model_type == "falcon_mamba":
        count = 1
    return count * traits.norm_vectors * c.number("hidden_size")


def _positions(c: Configuration, traits: Traits) -> int:
    if traits.positions is None:
        return 0
    return (c.number("max_position_embeddings") + traits.positions) * c.number("hidden_size")


def _embedding_width(c: Configuration) -> int:
    return c.number("word_embed_proj_dim", c.number("hidden_size")) if c.model_type == "opt" else c.number("hidden_size")


def _around(c: Configuration, traits: Traits) -> tuple[int, int]:
    """The token table, and what else stands before and after the layers: positions, norms, projections."""
    hidden, width = c.number("hidden_size"), _embedding_width(c)
    norm = traits.norm_vectors * hidden
    has_last = not (c.model_type == "opt" and not c.flag("do_layer_norm_before", default=True))
    around = _positions(c, traits) + norm * has_last + norm * traits.has_embedding_norm
    # OPT-350M's table is narrower than its layers.
    around += 2 * hidden * width if width != hidden else 0
    return c.number("vocab_size") * width, around
