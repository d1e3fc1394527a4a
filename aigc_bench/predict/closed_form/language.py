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
from aigc_bench.predict.published.language_models import LanguageModel
from aigc_bench.predict.published.name_resolution import NumberFormat

USABLE_MEMORY = 0.90
"""Share of the device's memory that engines give to weights and cache (vLLM's and TensorRT-LLM's default)."""


ENGINE_OVERHEAD_BYTES = 1.5e9
"""Bytes that an engine takes on each device besides weights and cache: context, activations, graphs."""


class Layout(Record):
    """The layout of a served model on its devices: ``tensor`` ranks hold one replica, of which there are ``replicas``.

    ``attention_replicas`` of the ranks keep whole caches (attention data parallelism). With ``is_disaggregated`` the prompts
    are read on other devices: ``prefill_tensor`` ranks, ``prefill_replicas`` of them; ``prefill_attention`` is as above.
    """

    tensor: int = 1
    pipeline: int = 1
    replicas: float = 1.0
    attention_replicas: int = 1
    is_disaggregated: bool = False
    prefill_tensor: int = 1
    prefill_attention: int = 1
    prefill_replicas: float = 1.0


def peak_flops(spec: AcceleratorSpec, number_format: NumberFormat) -> tuple[float, str]:
    """The dense peak that this format is multiplied at, and the dtype it belongs to; raises ``LookupError`` where none is known."""
    for dtype in number_format.compute:
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


def link_bytes_per_s(spec: AcceleratorSpec, *, devices: int) -> float:
    """Bytes per second and direction between devices: the scale-up link, or PCIe."""
    # Bytes/s of 16 lanes in one direction by generation; generation 4 with 16 lanes where the datasheet is silent.
    pcie = {3: 16e9, 4: 32e9, 5: 64e9, 6: 128e9}.get(spec.pcie_gen or 4, 32e9) * (spec.pcie_lanes or 16) / 16
    if spec.scale_up_bytes_per_s is None or not spec.has_scale_up_link:
        # Some datasheets state a link that is PCIe itself: never more than the slot gives.
        return min(pcie, spec.scale_up_bytes_per_s or pcie)
    return spec.scale_up_bytes_per_s if link_class(spec, devices=devices) in ("nvlink", "bridge") else pcie


LINKS = ("nvlink", "bridge", "pcie", "pcie_wide")
"""What collectives run over. ``pcie_wide``: more cards than hang on one socket's host bridge, so rings cross between sockets."""
_CARDS_PER_SOCKET = 4


def link_class(spec: AcceleratorSpec, *, devices: int) -> str:
    """``none`` for one device, else one of ``LINKS``.

    A bridge joins pairs, and only where the part is sold as a pair (H100 NVL): else it is an accessory that a server rarely has.
    """
    if devices <= 1:
        return "none"
    is_bridged = "bridge" in (spec.interconnect or "")
    if is_bridged and devices == 2 and "pairs" in (spec.form_factor or ""):
        return "bridge"
    if is_bridged or not spec.has_scale_up_link:
        return "pcie" if devices <= _CARDS_PER_SOCKET else "pcie_wide"
    return "nvlink"


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


def cache_bytes_per_element(number_format: NumberFormat, *, engine: str) -> float:
    """Bytes of a cached element: eight-bit where a serving engine runs an eight- or four-bit floating-point model, else sixteen."""
    return 1.0 if engine in _EIGHT_BIT_CACHE and number_format.name in ("fp8", "fp4") else 2.0


def weight_bytes(model: LanguageModel, number_format: NumberFormat) -> float:
    """Bytes of all weights; the embedding table stays in sixteen bits."""
    table = model.vocab_size * model.hidden_size
    width = 2.0 if number_format.name == "amp" else number_format.weight_bytes
    return (model.total_params - table) * width + 2.0 * table


def cache_capacity_tokens(
    model: LanguageModel,
    spec: AcceleratorSpec,
    *,
    number_format: NumberFormat,
    layout: Layout,
    cache_bytes: float,
    context: float,
) -> float:
    """Return the tokens of cache that fit next to the weights of one replica; 0 where the weights alone do not fit.

    They belong to sequences of ``context`` tokens each, of which windows keep a part and states of constant size something else.
    """
    ranks = layout.tensor * layout.pipeline
    # Bytes of all ranks of a replica together.
    free = (
        USABLE_MEMORY * (spec.usable_memory_bytes or spec.memory_bytes) * ranks
        - weight_bytes(model, number_format)
        - ENGINE_OVERHEAD_BYTES * ranks
    )
    copies = (
        # Latent attention (MLA) has one compressed cache for all heads, so that every rank keeps a whole copy.
        ranks / layout.attention_replicas
        if model.has_latent_attention
        # Key-value heads are split over ranks; with more ranks than heads each head is kept several times.
        else max(1.0, layout.tensor / layout.attention_replicas / model.num_kv_heads)
    )
    each = model.held_elements(context) / context
    # An encoder keeps nothing: its room is without end, here as many tokens as bytes.
    return max(0.0, free / (each * cache_bytes * copies) if each else free)


def decode_terms(
    model: LanguageModel,
    spec: AcceleratorSpec,
    *,
    number_format: NumberFormat,
    layout: Layout,
    sequences: float,
    context: float,
    cache_bytes: float,
) -> dict[str, float]:
    """Seconds at peak of one decode step over ``sequences`` sequences of ``context`` cached tokens, per replica.

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
    width = 2.0 if number_format.name == "amp" else number_format.weight_bytes
    link = link_bytes_per_s(spec, devices=ranks)
    share = (ranks - 1) / ranks
    return {
        # A multiply-add for each active parameter and token: 2 FLOPs.
        "decode_linear": 2.0 * model.active_params * sequences / ranks / peak,
        # Of experts only those that the batch's tokens reach are read.
        "decode_weights": model.read_params(sequences) * width / ranks / bandwidth,
        "decode_attention": model.attention_flops(context) * sequences / ranks / attention_peak(spec),
        "decode_cache": cache_bytes * model.moved_elements(context) * sequences / per_rank / bandwidth,
        # Two all-reduces a layer of 2-byte activations, each moving 2 (n - 1) / n of them: 2 x 2 x share x 2 bytes.
        "decode_bytes": 4.0 * share * model.num_layers * 2.0 * sequences * model.hidden_size / link if ranks > 1 else 0.0,
        # After attention and after the feed-forward part.
        "collectives": 2.0 * model.num_layers if ranks > 1 else 0.0,
        "layers": float(model.num_layers),
        "moe_layers": float(model.num_moe_layers),
        "sequences": sequences,
        "stages": float(layout.pipeline),
    }


def prefill_terms(
    model: LanguageModel, spec: AcceleratorSpec, *, number_format: NumberFormat, ranks: int, length: float
) -> dict[str, float]:
    """Seconds at peak of reading a prompt of ``length`` tokens; raises ``LookupError`` where a peak is not known."""
    peak, _ = peak_flops(spec, number_format)
    width = 2.0 if number_format.name == "amp" else number_format.weight_bytes
    link = link_bytes_per_s(spec, devices=ranks)
    share = (ranks - 1) / ranks
    return {
        "prefill_linear": 2.0 * model.active_params * length / ranks / peak,
        "prefill_attention": model.prompt_attention_flops(length) / ranks / attention_peak(spec),
        "prefill_weights": model.read_params(length) * width / ranks / spec.memory_bandwidth_bytes_per_s,
        "prefill_bytes": 4.0 * share * model.num_layers * 2.0 * length * model.hidden_size / link if ranks > 1 else 0.0,
    }


def fitting_tensor_ranks(model: LanguageModel, spec: AcceleratorSpec, *, number_format: NumberFormat, devices: int) -> int:
    """The fewest ranks (a power of two, at most ``devices``) that hold the weights in three quarters of their memory."""
    # A quarter is left for the cache, without which nothing is served.
    need = weight_bytes(model, number_format) / (0.75 * spec.memory_bytes)
    ranks: int = 2 ** max(0, math.ceil(math.log2(max(need, 1e-9))))
    return max(1, min(ranks, devices))


def merged(*terms: Mapping[str, float]) -> dict[str, float]:
    """Several sets of terms as one row."""
    return {name: value for part in terms for name, value in part.items()}
