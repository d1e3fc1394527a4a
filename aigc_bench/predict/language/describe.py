"""From a transformers configuration to the description that the performance model computes with. Names decide nothing.

    describe({"model_type": "llama", "hidden_size": 4096, ...}).num_params

Parameters are counted in closed form for the types of ``traits`` and ``encoders``; any other type that transformers defines is
built on torch's meta device and counted there, which takes seconds instead of milliseconds.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from aigc_bench.core.document import shown
from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message
from aigc_bench.predict.language.configuration import Configuration
from aigc_bench.predict.language.decoders import Counted, count_decoder, groups_of, is_counted
from aigc_bench.predict.language.encoders import ENCODERS, count_encoder
from aigc_bench.predict.language.feed_forward import Experts, dense_size, experts_of, shared_size
from aigc_bench.predict.language.layer_kinds import expert_layers, window_of
from aigc_bench.predict.language.mixers import heads_of
from aigc_bench.predict.language.traits import TRAITS, Traits
from aigc_bench.predict.published.language_models import LanguageModel

if TYPE_CHECKING:
    from aigc_bench.nets.parameter_counts import BuiltModel

_NATIVE_FORMATS: Mapping[str, str] = {"gpt_oss": "mxfp4"}
"""Types whose published weights are of one format alone."""


def describe(config: Mapping[str, Any], *, is_encoder: bool = False) -> LanguageModel:
    """Return the description of a causal language model, or of an encoder of text.

    ``is_encoder`` says so of a type that is not counted in closed form. Raises ``UsageError`` where a size is missing.
    """
    # Configurations are mappings and cannot be hashed.
    return _described(json.dumps(config, sort_keys=True, default=dict), is_encoder)


@functools.lru_cache(maxsize=256)
def _described(text: str, is_encoder: bool) -> LanguageModel:
    c = Configuration(json.loads(text))
    try:
        if c.model_type in ENCODERS:
            return _record(c, count_encoder(c), is_encoder=True)
        if is_counted(c):
            return _record(c, count_decoder(c), is_encoder=False)
        return _built(json.loads(text), is_encoder=is_encoder)
    except ValidationError as problem:
        first = problem.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        said = message(
            "The model's configuration: its {field} comes to {value}, which no model has.", field=field, value=shown(first["input"])
        )
        raise UsageError(said, message("Check the sizes in its config.json.")) from None


@functools.lru_cache(maxsize=16)
def built_model(text: str, is_encoder: bool) -> BuiltModel:
    """Return what was counted of the model of a configuration (JSON, keys sorted) that was built without memory."""
    from aigc_bench.nets.parameter_counts import count_built

    return count_built(json.loads(text), is_encoder=is_encoder)


def _built(config: Mapping[str, Any], *, is_encoder: bool) -> LanguageModel:
    """Return the description of a type that only its own code can count."""
    found = built_model(json.dumps(config, sort_keys=True), is_encoder)
    c = Configuration(found.config)
    experts = experts_of(c, Traits()) if found.routed and any(expert_layers(c)) else None
    counted = Counted(
        total=found.total,
        routed=found.routed if experts else 0,
        looked_up=found.looked_up,
        layers=groups_of(c, Traits(), kept=found.kept),
        experts=experts or Experts(),
    )
    if is_encoder:
        # Nothing is generated, so nothing is kept.
        kept = {"kv_elements": 0, "state_elements": 0}
        counted = counted.model_copy(update={"layers": tuple(group.model_copy(update=kept) for group in counted.layers)})
    return _record(c, counted, is_encoder=is_encoder)


def _record(c: Configuration, counted: Counted, *, is_encoder: bool) -> LanguageModel:
    traits = TRAITS.get(c.model_type, Traits())
    has_heads = c.get("num_attention_heads") is not None
    # Without attention the channels of a state are what ranks divide, counted as heads of 64.
    heads, kv_heads, width = heads_of(c) if has_heads else (c.number("hidden_size") // 64, c.number("hidden_size") // 64, 64)
    rank, with_experts = c.number("kv_lora_rank", 0), bool(counted.experts.num)
    if rank:
        width = c.number("qk_nope_head_dim")
    return LanguageModel(
        name=c.model_type,
        num_layers=sum(group.count for group in counted.layers),
        hidden_size=c.number("hidden_size"),
        ffn_size=0 if is_encoder or not has_heads else dense_size(c, traits),
        ffn_matrices=3 if traits.is_gated else 2,
        num_heads=max(1, heads),
        num_kv_heads=max(1, kv_heads),
        head_dim=max(1, width),
        vocab_size=c.number("vocab_size"),
        num_experts=counted.experts.num,
        experts_per_token=min(counted.experts.per_token, counted.experts.num),
        expert_ffn_size=counted.experts.ffn_size,
        shared_ffn_size=shared_size(c) if with_experts else 0,
        q_lora_rank=c.number("q_lora_rank", 0) if rank else 0,
        kv_lora_rank=rank,
        rope_head_dim=c.number("qk_rope_head_dim") if rank else 0,
        value_head_dim=c.number("v_head_dim") if rank else 0,
        window=window_of(c) if any(group.window for group in counted.layers) else 0,
        layers=counted.layers,
        counted_params=counted.total,
        counted_routed=counted.routed,
        counted_looked_up=counted.looked_up,
        is_encoder=is_encoder,
        native_format=_NATIVE_FORMATS.get(c.model_type, ""),
        num_mtp_layers=c.number("num_mtp_layers", 0),
        source=message("its configuration"),
    )
