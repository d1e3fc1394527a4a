"""All parameters of an encoder of text, exactly: the body with its pooler, as embeddings are computed with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType

from aigc_bench.core.records import Record
from aigc_bench.predict.language.configuration import Configuration
from aigc_bench.predict.language.decoders import Counted
from aigc_bench.predict.language.layer_kinds import SLIDING, mixer_kinds, window_of
from aigc_bench.predict.published.language_models import LayerGroup


class EncoderTraits(Record):
    """What an encoder adds to or leaves out of BERT's layers.

    ``positions`` are learned positions beyond those stated, ``None`` where they are not learned; ``norm_vectors`` is 2 with a bias.
    """

    has_bias: bool = True
    has_down_bias: bool = True
    is_gated: bool = False
    positions: int | None = 0
    has_types: bool = True
    has_pooler: bool = True
    norm_vectors: int = 2
    has_embedding_norm: bool = True
    has_last_norm: bool = False
    has_relative_positions: bool = False


_BERT = EncoderTraits()
_MODERN = EncoderTraits(
    has_bias=False, has_down_bias=False, is_gated=True, positions=None, has_types=False, has_pooler=False, norm_vectors=1
)

ENCODERS: Mapping[str, EncoderTraits] = MappingProxyType(
    {
        "bert": _BERT,
        "camembert": _BERT,
        "deberta-v2": EncoderTraits(has_types=False, has_pooler=False),
        "distilbert": EncoderTraits(has_types=False, has_pooler=False),
        "electra": EncoderTraits(has_pooler=False),
        "ernie": _BERT,
        "eurobert": _MODERN.model_copy(update={"has_embedding_norm": False, "has_last_norm": True}),
        "gte": EncoderTraits(is_gated=True, positions=None, has_pooler=False),
        "megatron-bert": EncoderTraits(has_embedding_norm=False, has_last_norm=True),
        "modernbert": _MODERN.model_copy(update={"has_last_norm": True}),
        "mpnet": EncoderTraits(has_types=False, has_relative_positions=True),
        "nomic_bert": EncoderTraits(has_bias=False, has_down_bias=False, is_gated=True, positions=None, has_pooler=False),
        "roberta": _BERT,
        "roberta-prelayernorm": EncoderTraits(has_last_norm=True),
        "xlm-roberta": _BERT,
        "xlm-roberta-xl": EncoderTraits(has_embedding_norm=False, has_last_norm=True),
    }
)


def count_encoder(c: Configuration) -> Counted:
    """Return the parameters and layers of an encoder; raises ``UsageError`` where the configuration lacks a size."""
    traits = ENCODERS[c.model_type]
    hidden, size = c.number("hidden_size"), c.number("intermediate_size")
    norm = traits.norm_vectors * hidden
    inward = 2 if traits.is_gated else 1
    # Of EuroBERT's larger sizes several query heads share keys and values.
    keys = hidden * c.number("num_key_value_heads", c.number("num_attention_heads")) // c.number("num_attention_heads")
    layer = 2 * hidden * (hidden + keys) + (inward + 1) * hidden * size + 2 * norm
    # A gate's two inward matrices have no bias where the way back has one (GTE).
    layer += (4 * hidden + size * (not traits.is_gated)) * traits.has_bias + hidden * traits.has_down_bias
    kinds = Counter(mixer_kinds(c))
    num_layers = sum(kinds.values())
    tables = _tables(c, traits)
    body = num_layers * layer + norm * traits.has_last_norm + (hidden * hidden + hidden) * traits.has_pooler
    # The first layer of ModernBERT reads what the embedding has normed already.
    body -= norm * (c.model_type == "modernbert")
    if c.model_type == "deberta-v2":
        body += _disentangled(c)
    if traits.has_relative_positions:
        body += c.number("relative_attention_num_buckets", 32) * c.number("num_attention_heads")
    flops = 4.0 * hidden
    layers = tuple(
        LayerGroup(count=count, window=window_of(c) if kind == SLIDING else 0, seen_flops=flops, pair_flops=flops)
        for kind, count in kinds.items()
    )
    width = _embedding_width(c)
    around = traits.norm_vectors * width * traits.has_embedding_norm + (width * hidden + hidden) * (width != hidden)
    return Counted(total=tables + body + around, looked_up=tables, layers=layers)


def _embedding_width(c: Configuration) -> int:
    return c.number("embedding_size", c.number("hidden_size")) if c.model_type == "electra" else c.number("hidden_size")


def _disentangled(c: Configuration) -> int:
    """What DeBERTa adds for relative positions: their table with its norm, projections where not shared, a convolution."""
    hidden, params = c.number("hidden_size"), 0
    kernel = c.number("conv_kernel_size", 0)
    if kernel:
        params += hidden * hidden * kernel + 3 * hidden
    if not c.flag("relative_attention"):
        return params
    farthest = c.number("max_relative_positions", -1)
    farthest = farthest if farthest >= 1 else c.number("max_position_embeddings")
    buckets = c.number("position_buckets", -1)
    params += 2 * (buckets if buckets > 0 else farthest) * hidden
    params += 2 * hidden * ("layer_norm" in str(c.get("norm_rel_ebd", "none")))
    if not c.flag("share_att_key"):
        # Keys' projection has a bias, and so has the queries'.
        kinds = c.get("pos_att_type") or ()
        params += c.number("num_hidden_layers") * sum(hidden * hidden + hidden for kind in ("c2p", "p2c") if kind in kinds)
    return params


def _tables(c: Configuration, traits: EncoderTraits) -> int:
    rows = c.number("vocab_size") + c.number("type_vocab_size", 2) * traits.has_types
    if traits.positions is not None and (c.model_type != "deberta-v2" or c.flag("position_biased_input", default=True)):
        rows += c.number("max_position_embeddings") + traits.positions
    return rows * _embedding_width(c)
