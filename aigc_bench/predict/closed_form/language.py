"""Inference of language models: the terms of a decode step and of a prefill, in seconds at the device's peaks.

A term is work divided by a datasheet rate; ``closed_form`` turns terms into seconds with a few efficiencies. All terms are
columns, so that thousands of published rows are fitted together and a single case costs one row.

    decode step   (linear (+) weights) + (attention (+) cache) + collectives + layers * launch + step + sequences * host
    prefill       linear + attention + collectives + launch
    (+) is the soft maximum  (a^p + b^p)^(1/p)
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from aigc_bench.catalog.records import AcceleratorSpec
from aigc_bench.core.messages import message
from aigc_bench.core.records import Record
from aigc_bench.predict.closed_form.links import link_bytes_per_s, pair_bytes_per_s
from aigc_bench.predict.published.language_models import LanguageModel, Packing
from aigc_bench.predict.published.name_resolution import NumberFormat

USABLE_MEMORY = 0.90
"""Share of the device's memory that engines give to weights and cache (vLLM's and TensorRT-LLM's default)."""


ENGINE_OVERHEAD_BYTES = 1.5e9
"""Bytes that an engine takes on each device besides weights and cache: context, activations, graphs."""


class Layout(Record):
    """The layout of a served model on its devices: ``tensor x pipeline x context`` ranks hold one of ``replicas``.

    ``attention_replicas`` of the tensor ranks keep whole caches (attention data parallelism); ``experts`` of them hold different
    experts. ``context`` groups of ranks divide the tokens of a prompt and the cache among them, each with all weights. With
    ``is_disaggregated`` the prompts are read on other devices: ``prefill_tensor`` ranks, ``prefill_replicas`` of them;
    ``prefill_attention`` is as above. Without ``is_pipelined`` the stages of a pipeline work one after the other.
    """

    tensor: int = 1
    pipeline: int = 1
    context: int = 1
    replicas: float = 1.0
    attention_replicas: int = 1
    experts: int = 1
    is_pipelined: bool = True
    is_disaggregated: bool = False
    prefill_tensor: int = 1
    prefill_attention: int = 1
    prefill_replicas: float = 1.0

    @property
    def ranks(self) -> int:
        """Return the devices of one replica."""
        return self.tensor * self.pipeline * self.context

    @property
    def streams(self) -> int:
        """Return the batches that are under way in one replica at a time: one in each stage of a pipeline."""
        return self.pipeline if self.is_pipelined else 1


def peak_flops(spec: AcceleratorSpec, number_format: NumberFormat) -> tuple[float, str]:
    """The dense peak that this format is multiplied at, and the dtype it belongs to; raises ``LookupError`` where none is known."""
    for dtype in number_format.compute:
        # Without four-bit tensor cores kernels unpack MXFP4 to the 16-bit format of its activations.
        if number_format.name == "mxfp4" and dtype == "fp8" and not spec.peak("fp4"):
            continue
        peak = spec.peak(dtype)
        if peak:
            return peak, dtype
    raise LookupError(message("no peak for {name} is known of {id}", name=number_format.name, id=spec.id))


def attention_peak(spec: AcceleratorSpec) -> float:
    """The 16-bit peak in FLOP/s, in which attention is computed for any format of the weights.

    Raises ``LookupError`` where neither a 16-bit nor an fp32 peak is known.
    """
    peak = spec.peak("bf16") or spec.peak("fp16") or spec.peak("fp32")
    if peak is None:
        raise LookupError(message("no 16-bit or 32-bit peak is known of {id}", id=spec.id))
    return peak


_FULL_POWER_W_PER_FLOPS: Mapping[str, float] = {
    "Volta": 300 / 125e12,
    "Ampere": 400 / 312e12,
    "Hopper": 700 / 989e12,
    "Ada": 350 / 362e12,
}
"""TDP per dense 16-bit peak of the architecture's part that holds its clock under load (V100 SXM, A100 SXM, H100 SXM, L40S)."""


def power_share(spec: AcceleratorSpec) -> float:
    """The part's TDP per peak over that of its architecture's full-power part, at most 1: cards clock down under tensor load."""
    full = _FULL_POWER_W_PER_FLOPS.get(spec.arch or "")
    return min(1.0, spec.tdp_w / attention_peak(spec) / full) if full and spec.tdp_w else 1.0


_EIGHT_BIT_CACHE = ("tensorrt-llm", "tensorrt", "vllm", "sglang")
"""Engines whose published runs of such models cache eight bits: inferred from the load at which their requests begin to queue."""
_STATED_BY_CHECKPOINT = ("tensorrt-llm", "tensorrt")
"""Engines that take the cache's format from the checkpoint: those that ModelOpt quantises state eight bits."""
_NARROW = ("fp8", "fp4", "mxfp4")


def cache_bytes_per_element(number_format: NumberFormat, *, engine: str, stated: str | None = None) -> float:
    """Bytes of a cached element in published runs: eight-bit where an engine runs an eight- or four-bit floating-point model.

    Their recipes set it (``--kv-cache-dtype fp8``). ``stated`` are the bytes that an option of the engine sets, as text.
    """
    if stated is not None:
        return float(stated)
    return 1.0 if engine in _EIGHT_BIT_CACHE and number_format.name in ("fp8", "fp4") else 2.0


def default_cache_bytes(number_format: NumberFormat, *, engine: str) -> float:
    """Bytes of a cached element without any option: 16-bit but for engines that read its format from the checkpoint.

    vLLM's ``kv_cache_dtype=auto`` is the model's dtype, whatever its weights are packed in (its documentation, quantized KV cache),
    and SGLang's ``--kv-cache-dtype auto`` and llama.cpp's ``--cache-type-k f16`` are alike.
    """
    return 1.0 if engine in _STATED_BY_CHECKPOINT and number_format.name in _NARROW else 2.0


_GGUF_BYTES: Mapping[str, float] = {"int4": 4.9 / 8, "int8": 8.5 / 8}
"""Bytes of a weight in llama.cpp's usual files, tables and head included: Q4_K_M (4.58 GiB of Llama 3.1 8B) and Q8_0 (7.95 GiB)."""
_PACKED_BYTES: Mapping[str, float] = {"int4": (4 + (16 + 4) / 128) / 8}
"""Bytes of a packed weight where they are not the format's own: AWQ and GPTQ with a scale and a zero point for 128 weights."""
_PADDED = (256, 128)
"""Multiples to which kernels for packed experts fill up the hidden size and the experts' width (vLLM, Marlin's MXFP4 experts)."""


def weight_bytes(model: LanguageModel, number_format: NumberFormat, *, engine: str = "") -> float:
    """Bytes of all weights as an engine holds them: those of the user's own checkpoint, else as published ones are packed."""
    return (_own_packing(model, number_format) or usual_packing(model, number_format, engine=engine)).total_bytes


def _own_packing(model: LanguageModel, number_format: NumberFormat) -> Packing | None:
    """The packing of the user's checkpoint in the format that it is in, as the engine's kernels fill up its experts."""
    own = model.packing
    if own is None or own.format != number_format.name:
        return None
    is_padded = number_format.name == "mxfp4" and not own.is_mean
    return own.model_copy(update={"routed_bytes": own.routed_bytes * _padding(model)}) if is_padded else own


def usual_packing(model: LanguageModel, number_format: NumberFormat, *, engine: str = "") -> Packing:
    """The bytes of a model as published checkpoints of a format have it.

    Packed formats leave tables and output head in sixteen bits (``ignore`` or ``modules_to_not_convert`` of AWQ, GPTQ,
    compressed-tensors and ModelOpt), and MXFP4 of a model that is published in it all but its experts. ``llama.cpp`` packs all.
    """
    name = number_format.name
    width = 2.0 if name == "amp" else number_format.weight_bytes
    is_gguf = engine == "llama.cpp"
    if name == "mxfp4" and model.native_format == "mxfp4":
        # llama.cpp packs what is no expert as well, in Q8_0, and pads nothing.
        others, padding = (_GGUF_BYTES["int8"], 1.0) if is_gguf else (2.0, _padding(model))
        dense, routed, tables = others, width * padding, others
        head = 0.0
    elif is_gguf or width >= 2.0:
        dense = routed = tables = _GGUF_BYTES.get(name, width) if is_gguf else width
        head = 0.0
    else:
        dense = routed = _PACKED_BYTES.get(name, width)
        tables, head = 2.0, model.table_params - model.looked_up_params
    return Packing(
        format=name,
        dense_bytes=dense * (model.dense_params - head) + 2.0 * head,
        routed_bytes=routed * model.routed_params,
        table_bytes=tables * model.looked_up_params,
    )


def read_bytes(model: LanguageModel, number_format: NumberFormat, *, tokens: float, engine: str = "") -> float:
    """Return the bytes of weights that a step over ``tokens`` tokens reads, each in its own format (``weight_bytes``).

    All but tables, of which a few rows are looked up; of experts those that some token chose.
    """
    packing = _own_packing(model, number_format) or usual_packing(model, number_format, engine=engine)
    return packing.read_bytes(model.reached_experts(tokens))


def reported_bytes(model: LanguageModel, number_format: NumberFormat) -> float:
    """Bytes of a model in tables that state a bandwidth: all in its format but the embedding table (gpt-fast's ``model_size``)."""
    table = model.vocab_size * model.hidden_size
    return (model.total_params - table) * number_format.weight_bytes + 2.0 * table


def _padding(model: LanguageModel) -> float:
    """The elements of padded experts over those without padding."""
    sizes = zip((model.hidden_size, model.expert_ffn_size), _PADDED, strict=True)
    return math.prod(math.ceil(size / multiple) * multiple / size for size, multiple in sizes)


def cache_capacity_tokens(
    model: LanguageModel,
    spec: AcceleratorSpec,
    *,
    number_format: NumberFormat,
    layout: Layout,
    cache_bytes: float,
    context: float,
    engine: str = "",
) -> float:
    """Return the tokens of cache that fit next to the weights of one replica; 0 where the weights alone do not fit.

    They belong to sequences of ``context`` tokens each, of which windows keep a part and states of constant size something else.
    """
    ranks = layout.ranks
    # Bytes of all ranks of a replica together; groups that divide the context each hold all weights.
    free = (
        USABLE_MEMORY * (spec.usable_memory_bytes or spec.memory_bytes) * ranks
        - weight_bytes(model, number_format, engine=engine) * layout.context
        - ENGINE_OVERHEAD_BYTES * ranks
    )
    each = cache_token_bytes(model, layout=layout, cache_bytes=cache_bytes, context=context)
    # An encoder keeps nothing: its room is without end, here as many tokens as bytes.
    return max(0.0, free / each if each else free)


def cache_token_bytes(model: LanguageModel, *, layout: Layout, cache_bytes: float, context: float) -> float:
    """Return the bytes that a token of a sequence of ``context`` tokens takes on all ranks of a replica, copies included."""
    copies = (
        # Latent attention (MLA) has one compressed cache for all heads, so that every tensor rank keeps a whole copy.
        layout.tensor / layout.attention_replicas
        if model.has_latent_attention
        # Key-value heads are split over ranks; with more ranks than heads each head is kept several times.
        else max(1.0, layout.tensor / layout.attention_replicas / model.num_kv_heads)
    )
    return model.held_elements(context) / context * cache_bytes * copies


def decode_terms(
    model: LanguageModel,
    spec: AcceleratorSpec,
    *,
    number_format: NumberFormat,
    layout: Layout,
    sequences: float,
    context: float,
    cache_bytes: float,
    slowest: float = 1.0,
    engine: str = "",
) -> dict[str, float]:
    """Seconds at peak of one decode step over ``sequences`` sequences of ``context`` cached tokens, per replica.

    A step goes through all stages of a pipeline; where it is full, at the pace of the slowest (``imbalance``).

    Products and attention are FLOPs over peak, weights and cache bytes over bandwidth, collectives bytes over the link; ``layers``,
    ``collectives`` and the like are counts. Raises ``LookupError`` where a peak is not known.
    """
    ranks = layout.tensor
    peak, _ = peak_flops(spec, number_format)
    bandwidth = spec.memory_bandwidth_bytes_per_s
    # Ranks among which the reading of the cache is divided; latent caches are copies, so only data parallelism divides them.
    per_rank = (
        layout.attention_replicas
        if model.has_latent_attention
        else max(layout.attention_replicas, min(ranks, layout.attention_replicas * model.num_kv_heads))
    )
    return {
        # A multiply-add for each active parameter and token: 2 FLOPs.
        "decode_linear": 2.0 * model.active_params * sequences / ranks / peak * slowest,
        # Of experts only those that the batch's tokens reach are read.
        "decode_weights": read_bytes(model, number_format, tokens=sequences, engine=engine) / ranks / bandwidth * slowest,
        "decode_attention": model.attention_flops(context) * sequences / ranks / attention_peak(spec) * slowest,
        "decode_cache": cache_bytes * model.moved_elements(context) * sequences / (per_rank * layout.context) / bandwidth * slowest,
        "decode_bytes": exchange_s(model, spec, layout=layout, tokens=sequences),
        # After attention and after the feed-forward part; from stage to stage; the partial results of a divided context.
        "collectives": (2.0 * model.num_layers if ranks > 1 else 0.0)
        + (layout.pipeline - 1)
        + (model.num_layers if layout.context > 1 else 0),
        "layers": float(model.num_layers),
        "moe_layers": float(model.num_moe_layers),
        "sequences": sequences,
        "stages": float(layout.streams),
    }


def exchange_s(model: LanguageModel, spec: AcceleratorSpec, *, layout: Layout, tokens: float) -> float:
    """Seconds at the links' peak in which the ranks exchange the activations of ``tokens`` tokens, 2 bytes an element.

    Two all-reduces a layer move ``2 (n - 1) / n`` of them each (Hockney's ring). Under attention data parallelism the tokens are
    divided over groups of ranks, and attention is reduced within each; experts then get them by an all-to-all, ``k`` experts a
    token there and back, or by an all-gather and a reduce-scatter where that moves less. Between stages they are sent once.
    """
    ranks, width = layout.tensor, 2.0 * model.hidden_size * tokens
    seconds = 0.0
    if ranks > 1:
        groups = layout.attention_replicas
        within = max(1, ranks // groups)
        link, share = link_bytes_per_s(spec, devices=ranks), (ranks - 1) / ranks
        attention = 2.0 * (within - 1) / within * width / groups / link_bytes_per_s(spec, devices=within) if within > 1 else 0.0
        reduced = 2.0 * share * width / link
        experts = reduced
        if groups > 1 and layout.experts > 1 and model.num_experts:
            sent = 2.0 * share * width / ranks * model.experts_per_token
            experts = min(reduced, sent / pair_bytes_per_s(spec, devices=ranks))
        seconds += model.num_layers * attention
        seconds += model.num_moe_layers * experts + (model.num_layers - model.num_moe_layers) * reduced
    if layout.pipeline > 1:
        # Each tensor rank sends its part of the activations to the rank of the same number in the next stage.
        hop = pair_bytes_per_s(spec, devices=ranks * layout.pipeline)
        seconds += (layout.pipeline - 1) * width / ranks / hop
    return seconds


def imbalance(model: LanguageModel, stages: int) -> float:
    """Return the work of a pipeline's slowest stage over the mean: layers are whole, and the last stage has the output head."""
    if stages <= 1:
        return 1.0
    head = float(model.vocab_size * model.hidden_size)
    layer = max(model.active_params - head, 1.0) / model.num_layers
    whole = layer * model.num_layers + head
    # The last stage takes as few layers as the others can bear: the best of all such divisions.
    best = min(
        max(math.ceil((model.num_layers - last) / (stages - 1)) * layer, last * layer + head)
        for last in range(max(1, model.num_layers // stages + 1))
    )
    return best * stages / whole


def prefill_terms(
    model: LanguageModel, spec: AcceleratorSpec, *, number_format: NumberFormat, layout: Layout, length: float, engine: str = ""
) -> dict[str, float]:
    """Seconds at peak of reading a prompt of ``length`` tokens; raises ``LookupError`` where a peak is not known."""
    peak, _ = peak_flops(spec, number_format)
    ranks, parts = layout.tensor, layout.context
    each = length / parts
    return {
        "prefill_linear": 2.0 * model.active_params * each / ranks / peak,
        "prefill_attention": model.prompt_attention_flops(length) / (ranks * parts) / attention_peak(spec),
        "prefill_weights": read_bytes(model, number_format, tokens=each, engine=engine) / ranks / spec.memory_bandwidth_bytes_per_s,
        "prefill_bytes": exchange_s(model, spec, layout=layout, tokens=each)
        + _context_s(model, spec, layout=layout, length=length),
    }


def _context_s(model: LanguageModel, spec: AcceleratorSpec, *, layout: Layout, length: float) -> float:
    """Seconds in which every rank sees all keys and values of a prompt that is divided over ``context`` groups (a ring)."""
    if layout.context <= 1:
        return 0.0
    share = (layout.context - 1) / layout.context
    moved = share * length * model.kv_elements_per_token * 2.0 / layout.tensor
    return moved / pair_bytes_per_s(spec, devices=layout.tensor * layout.context)


def fitting_tensor_ranks(model: LanguageModel, spec: AcceleratorSpec, *, number_format: NumberFormat, devices: int) -> int:
    """The fewest ranks (a power of two, at most ``devices``) that hold the weights in three quarters of their memory."""
    # A quarter is left for the cache, without which nothing is served.
    need = weight_bytes(model, number_format) / (0.75 * spec.memory_bytes)
    ranks: int = 2 ** max(0, math.ceil(math.log2(max(need, 1e-9))))
    return max(1, min(ranks, devices))


def merged(*terms: Mapping[str, float]) -> dict[str, float]:
    """Several sets of terms as one row."""
    return {name: value for part in terms for name, value in part.items()}
