"""Parameters of any architecture that transformers defines, counted on torch's meta device: no weights, no memory."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message


@dataclass(frozen=True, kw_only=True)
class BuiltModel:
    """What was counted: all parameters, those of routed experts, those of the token table if it only is looked up.

    ``kept`` are the elements that a token leaves in the cache of each layer whose projections say so, by layer.
    ``matrices`` are the parameters of each weight of two dimensions or more that is neither token table nor output head, by name.
    ``config`` is the configuration with the library's defaults, under the library's common names.
    """

    total: int
    routed: int
    looked_up: int
    kept: Mapping[int, int]
    matrices: Mapping[str, int]
    config: Mapping[str, Any]


def count_built(config: Mapping[str, Any], *, is_encoder: bool) -> BuiltModel:
    """Build the model of a configuration and count; raises ``UsageError`` where the library cannot build it."""
    import torch
    from transformers import AutoModel

    from aigc_bench.nets.hugging_face import random_model
    from aigc_bench.nets.language import BodyWithHead, random_decoder

    try:
        with torch.device("meta"):
            model: Any = (
                random_model(AutoModel, config, attention="eager") if is_encoder else random_decoder(config, attention="eager")
            )
    except Exception as problem:  # the library's own code, which may raise anything
        first = next(iter(str(problem).splitlines()), type(problem).__name__)
        raise UsageError(
            message(
                "{type}: transformers cannot build it from this configuration: {first}.", type=config["model_type"], first=first
            )
        ) from None
    named = dict(model.named_parameters())
    body = model.body if isinstance(model, BodyWithHead) else model
    table = body.get_input_embeddings()
    head = model.lm_head if isinstance(model, BodyWithHead) else model.get_output_embeddings()
    is_shared = head is not None and table is not None and head.weight is table.weight
    return BuiltModel(
        total=sum(each.numel() for each in named.values()),
        routed=sum(each.numel() for name, each in named.items() if ".experts." in name),
        looked_up=0 if table is None or is_shared else table.weight.numel(),
        kept={} if is_encoder else _kept(named, model.config),
        matrices={name: each.numel() for name, each in named.items() if each.ndim > 1 and not name.endswith(_TABLES)},
        config=_resolved(model.config),
    )


_TABLES = ("embed_tokens.weight", "lm_head.weight", "wte.weight", "embeddings.weight", "embed_tokens_per_layer.weight")
"""Ends of the names of tables and output heads, which no tool packs unless a switch says so."""
_PROJECTION = re.compile(r"layers\.(\d+)\..*\b(k_proj|v_proj|kv_a_proj_with_mqa)\.weight$")


def _kept(named: Mapping[str, Any], config: Any) -> dict[int, int]:
    """Cached elements of a token by layer: the rows of the projections to keys and values, or to their latent."""
    rows: dict[int, Counter[str]] = {}
    for name, each in named.items():
        if found := _PROJECTION.search(name):
            rows.setdefault(int(found[1]), Counter())[found[2]] += each.shape[0]
    # Without a projection of its own a value is its key (Gemma 4).
    kept = {layer: own["k_proj"] + (own["v_proj"] or own["k_proj"]) + own["kv_a_proj_with_mqa"] for layer, own in rows.items()}
    # The last layers of Gemma 3n read the cache of an earlier one.
    text = config.get_text_config()
    first_shared = text.num_hidden_layers - (getattr(text, "num_kv_shared_layers", 0) or 0)
    return kept | dict.fromkeys(range(first_shared, text.num_hidden_layers), 0)


def _resolved(made: Any) -> dict[str, Any]:
    """Return a configuration's keys, the common names of ``attribute_map`` among them."""
    text = made.get_text_config()
    keys: dict[str, Any] = text.to_dict()
    keys |= {common: getattr(text, common, None) for common in text.attribute_map}
    if (kinds := getattr(text, "layer_types", None)) is not None:
        keys["layer_types"] = list(kinds)
    return keys
