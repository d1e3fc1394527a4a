"""The columns of the closed form for an engine with options: work that is spared, done more often, or done besides.

The groups of a row stay: what published runs say of an engine was measured without options, and holds for what is left.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from aigc_bench.catalog.records import AcceleratorSpec
from aigc_bench.core.errors import UnknownNameError, UsageError
from aigc_bench.core.messages import message
from aigc_bench.predict.closed_form.columns import ModelRow
from aigc_bench.predict.closed_form.engine_options import (
    OPTION,
    OWN_DRAFTS,
    EngineOptions,
    adapter_params,
    adapters_in_use,
    cached_bytes,
    chunks,
)
from aigc_bench.predict.closed_form.language import Layout, peak_flops
from aigc_bench.predict.closed_form.links import host_bytes_per_s, pair_bytes_per_s
from aigc_bench.predict.language.named import language_named
from aigc_bench.predict.published.language_models import LanguageModel
from aigc_bench.predict.published.name_resolution import NumberFormat
from aigc_bench.workloads._language_presets import language_presets

_LORA_LAUNCHES = 0.5
"""Kernels that adapters add to a layer, over its own: a shrink and an expand for each group of projections (assumed)."""


class Ranks(NamedTuple):
    """The ranks that run a model: their accelerator, the model's number format, and its layout over them."""

    # A NamedTuple: made for each of the thousands of rows of a plan, where a validating record would cost as much as the row.
    model: LanguageModel
    spec: AcceleratorSpec
    numbers: NumberFormat
    layout: Layout


def optioned(row: ModelRow, options: EngineOptions, *, on: Ranks) -> ModelRow:
    """Return the row with the work that the options leave; times a token and rates count the tokens that a step gives."""
    columns = optioned_columns(row.columns, options, on=on)
    # The form computes steps: a step gives several tokens, so that a token takes less and a rate is more.
    aspect, tokens = row.track.rpartition(".")[2], math.log(options.tokens_a_step)
    shift = tokens if aspect == "tpot" else -tokens if row.is_rate else 0.0
    return row.model_copy(update={"columns": columns, "offset": row.offset + shift})


def optioned_columns(columns: Mapping[str, float], options: EngineOptions, *, on: Ranks) -> dict[str, float]:
    """Return the columns of a row with the work that the options leave."""
    found = _prompts(columns, options, on=on)
    if options.lora_adapters:
        found = _adapted(found, options, on=on)
    if options.draft is None:
        return found
    return _speculating(found, options, on=on)


def _prompts(columns: Mapping[str, float], options: EngineOptions, *, on: Ranks) -> dict[str, float]:
    """Only what is not in the cache is read; with each chunk the weights are read again, and what the cache has of the prompt."""
    share, length = options.read_share, columns["input_len"]
    count = chunks(length, options)
    # Pairs of the tokens that are read with all before them: a triangle less the triangle of the cached part.
    pairs = 1.0 - options.prefix_hit_rate**2
    again = 0.0
    if count > 1:
        # On average half of the prompt lies before a chunk.
        kept = on.model.kv_elements_per_token * cached_bytes(options, 2.0) * length / 2 / on.layout.tensor
        again = (count - 1) * kept / on.spec.memory_bandwidth_bytes_per_s
    whole = columns["prompts_a_pass"] if options.chunk_tokens is None else options.chunk_tokens / length
    return {
        **columns,
        "prefill_linear": columns["prefill_linear"] * share,
        "prefill_attention": columns["prefill_attention"] * pairs,
        "prefill_bytes": columns["prefill_bytes"] * share,
        "prefill_weights": columns["prefill_weights"] * count + again,
        "prompts_a_pass": whole / share,
    }


def _adapted(columns: Mapping[str, float], options: EngineOptions, *, on: Ranks) -> dict[str, float]:
    """Adapters of the batch are read in 16 bits, multiplied for each token, and launched for every layer."""
    params, sequences = adapter_params(on.model, rank=options.lora_rank), columns["sequences"]
    read = adapters_in_use(options.lora_adapters, sequences=sequences) * 2.0 * params / on.layout.tensor
    share = 1.0 + params / on.model.active_params
    return {
        **columns,
        "decode_linear": columns["decode_linear"] * share,
        "decode_weights": columns["decode_weights"] + read / on.spec.memory_bandwidth_bytes_per_s,
        "prefill_linear": columns["prefill_linear"] * share,
        "layers": columns["layers"] * (1.0 + _LORA_LAUNCHES),
    }


def _speculating(columns: Mapping[str, float], options: EngineOptions, *, on: Ranks) -> dict[str, float]:
    """A step that verifies ``draft_tokens`` and one more of each sequence, and the steps of the draft before it."""
    count, sequences = options.draft_tokens, columns["sequences"]
    verified = count + 1
    read = on.model.read_params(sequences * verified) / on.model.read_params(sequences)
    linear_s, weights_s, cache_s, layers = _draft(columns, options, on=on)
    # A draft's layers exchange and start as those of the model do.
    drafted = count * layers / max(columns["layers"], 1.0)
    return {
        **columns,
        "decode_linear": columns["decode_linear"] * verified + count * linear_s,
        "decode_weights": columns["decode_weights"] * read + count * weights_s,
        "decode_attention": columns["decode_attention"] * verified,
        # Keys and values are read once for all tokens that are verified.
        "decode_cache": columns["decode_cache"] + count * cache_s,
        "decode_bytes": columns["decode_bytes"] * (verified + drafted),
        "collectives": columns["collectives"] * (1.0 + drafted),
        "layers": columns["layers"] * (1.0 + drafted),
        "output_len": columns["output_len"] / options.tokens_a_step,
    }


def _draft(columns: Mapping[str, float], options: EngineOptions, *, on: Ranks) -> tuple[float, float, float, float]:
    """Seconds at peak of products, weights and cache of one drafted token of each sequence, and the draft's layers."""
    if options.draft == "ngram":
        return 0.0, 0.0, 0.0, 0.0
    sequences = columns["sequences"]
    if options.draft in OWN_DRAFTS:
        # A layer of the model's own with its output head; what it adds to a layer is small.
        head, share = float(on.model.vocab_size * on.model.hidden_size), 1.0 / on.model.num_layers
        active = (on.model.active_params - head) * share + head
        read = (on.model.read_params(sequences) - head) * share + head
        cache_s, layers = columns["decode_cache"] * share, 1.0
    else:
        draft = draft_model(options, model=on.model)
        active, read, layers = draft.active_params, draft.read_params(sequences), float(draft.num_layers)
        kept = draft.kv_elements_per_token / max(on.model.kv_elements_per_token, 1.0)
        cache_s = columns["decode_cache"] * kept
    peak, _ = peak_flops(on.spec, on.numbers)
    linear_s = 2.0 * active * sequences / on.layout.tensor / peak
    weights_s = read * on.numbers.weight_bytes / on.layout.tensor / on.spec.memory_bandwidth_bytes_per_s
    return linear_s, weights_s, cache_s, layers


def draft_model(options: EngineOptions, *, model: LanguageModel, where: str = OPTION) -> LanguageModel:
    """Return the second model that drafts; raises ``UsageError`` where it is not known, or is no smaller than the model."""
    name = options.draft or ""
    found = language_named(name)
    if found is None:
        raise UnknownNameError(message("draft"), name, known=(*OWN_DRAFTS, *language_presets()), where=where)
    if found.total_params >= model.total_params:
        raise UsageError(
            message("{where} draft={name}: it is no smaller than the model.", where=where, name=name),
            message("A draft has a tenth of the model's parameters, or less."),
        )
    return found


def refuse_missing_layers(options: EngineOptions, *, model: LanguageModel, where: str = OPTION) -> None:
    """Raise ``UsageError`` where a model without prediction layers of its own is to draft with them."""
    if options.draft == "mtp" and not model.num_mtp_layers:
        raise UsageError(
            message("{where} draft=mtp: {model} has no layers that predict several tokens.", where=where, model=model.name),
            message("Use draft=eagle, draft=ngram, or the name of a small model."),
        )


def held_besides(options: EngineOptions, *, model: LanguageModel, numbers: NumberFormat, layout: Layout) -> float:
    """Return bytes on each device that the options take next to weights and cache: adapters, and a draft."""
    adapters = options.lora_adapters * 2.0 * adapter_params(model, rank=options.lora_rank)
    draft = 0.0
    if options.draft in ("mtp", "eagle"):
        draft = model.total_params / model.num_layers * numbers.weight_bytes
    elif options.draft is not None and options.draft != "ngram":
        draft = draft_model(options, model=model).total_params * numbers.weight_bytes
    return (adapters + draft) / layout.ranks


def moved_s(options: EngineOptions, *, model: LanguageModel, spec: AcceleratorSpec, input_len: float, width: float) -> float:
    """Return the seconds that a prompt's cache travels before its first token: from the host, and to the devices that decode.

    ``width`` is bytes of a cached element. Each device has its own PCIe lanes and its share of the cache.
    """
    kept = model.held_elements(input_len) * width
    from_host = kept * options.prefix_hit_rate * options.kv_offload / host_bytes_per_s(spec)
    between = kept / pair_bytes_per_s(spec, devices=options.prefill_devices + 1) if options.prefill_devices else 0.0
    return from_host + between


def decoding_devices(options: EngineOptions, *, devices: int) -> int:
    """Return the devices that decode; raises ``UsageError`` where all would read prompts."""
    if options.prefill_devices >= devices:
        raise UsageError(
            message("--engine-option prefill_devices={count}: none of {devices} devices decodes.", count=options.prefill_devices,
                    devices=devices),
            message("Give --devices more than that."),
        )  # fmt: skip
    return devices - options.prefill_devices


def apart(options: EngineOptions, layout: Layout) -> Layout:
    """Return the layout with other devices for the prompts, in groups as wide as those that decode, or as there are."""
    if not options.prefill_devices:
        return layout
    width = math.gcd(options.prefill_devices, layout.tensor)
    changes = {
        "is_disaggregated": True,
        "prefill_tensor": width,
        "prefill_attention": 1,
        "prefill_replicas": options.prefill_devices / width,
    }
    return layout.model_copy(update=changes)
