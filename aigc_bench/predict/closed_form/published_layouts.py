"""The layout of a published run of a language model: as its row states it, or as runs of its kind are laid out."""

from __future__ import annotations

import math
from collections.abc import Mapping

from aigc_bench.catalog.records import AcceleratorSpec
from aigc_bench.predict.closed_form import language
from aigc_bench.predict.published.language_models import LanguageModel
from aigc_bench.predict.published.name_resolution import Engine, NumberFormat
from aigc_bench.predict.published.row import PublishedQuery

_WIDE_ISLAND = 16
"""More ranks than this in one group, and not a power of two: prompts and tokens are served by separate devices."""
_WIDEST = 32
"""Ranks of the widest decode groups in public runs (InferenceX, 2025-2026)."""
_GROUP = 8
"""Ranks of a decode group under a light load, and of the other layouts that a row leaves open."""
_PREFILL_GROUP = 4
_LIGHT = 32.0
"""Requests a decode rank up to which a cluster is laid out for latency: several groups without data-parallel attention. Of the 205
runs of InferenceX whose workers are stated, 124 of 125 with fewer than 16 a rank and group have no more in all."""
_LIGHT_WORKERS = 4
"""Decode groups next to one group that reads prompts: the median of the same runs; one where the load is heavy."""


def published_layout(
    query: PublishedQuery, model: LanguageModel, spec: AcceleratorSpec, *, engine: Engine, numbers: NumberFormat
) -> language.Layout:
    """The stated layout; else one replica over all devices (MLPerf: as many as fit; llama.cpp: one layer after another)."""
    stated, devices = query.layout, query.gpu_count
    if query.words.get("mode") == "disagg":
        return _disaggregated(query, least=math.ceil(language.weight_bytes(model, numbers) / spec.memory_bytes))
    if engine.name == "llama.cpp":
        # One layer after another, all sequences in one batch: no stage works while another does.
        return language.Layout(pipeline=devices, is_pipelined=False)
    is_offline = query.batch is None and (query.concurrency is None or math.isinf(query.concurrency))
    # Offline the best throughput comes from as many replicas as fit (MLPerf's submissions); TensorRT-LLM then spans all devices.
    if "tp" not in stated and engine.name != "tensorrt-llm" and (is_offline or engine.name == "tensorrt"):
        ranks = language.fitting_tensor_ranks(model, spec, number_format=numbers, devices=devices)
        return language.Layout(tensor=ranks, replicas=max(1, devices // ranks))
    stated, devices = _counted_once(stated, devices)
    pipeline = int(stated.get("pp", 1))
    attention = int(stated.get("attention_dp", 1))
    # Names of one group of ranks: the largest counts, they are not multiplied (``_counted_once``).
    ranks = max(int(stated.get("tp", 0)), int(stated.get("ep", 0)), attention if "tp" in stated else 0)
    ranks = min(ranks or max(1, devices // pipeline), devices)
    # ranks & (ranks - 1) is 0 for powers of two only.
    if ranks > _WIDE_ISLAND and (ranks & (ranks - 1) or ranks > 2 * _WIDE_ISLAND):
        return _island(query, devices=devices)
    replicas = max(1, devices // (ranks * pipeline))
    return language.Layout(
        tensor=ranks, pipeline=pipeline, replicas=replicas, attention_replicas=min(attention, ranks),
        experts=min(int(stated.get("ep", 1)), ranks),
    )  # fmt: skip


def _counted_once(stated: Mapping[str, float], devices: int) -> tuple[Mapping[str, float], int]:
    """Layout and devices where a table multiplied two names of the same ranks.

    Engines lay tensor, expert and data-parallel attention ranks over one group of devices. Some tables multiply them: 64 devices
    for eight with ``tp 8, ep 8``, whose values repeat those of the row with eight. Others count one dimension alone: one device
    for experts sharded over four.
    """
    experts, attention = stated.get("ep", 1.0), stated.get("attention_dp", 1.0)
    sharded = experts * stated.get("moe_tp", 1.0)
    if experts > 1 and experts == stated.get("moe_tp"):
        ranks = experts
    elif sharded > max(devices, stated.get("tp", 1.0)):
        ranks = sharded
    elif attention > 1 and attention == stated.get("tp") and attention**2 == devices:
        ranks = attention
    else:
        return stated, devices
    return {**stated, "tp": ranks, "ep": ranks, "attention_dp": ranks if attention > 1 else 1.0}, int(ranks)


def _island(query: PublishedQuery, *, devices: int) -> language.Layout:
    """Return the layout of devices of which some read prompts and some decode, where a row states no more than their number."""
    if (query.concurrency or 1.0) <= _LIGHT * _GROUP and devices >= _GROUP + _PREFILL_GROUP:
        return language.Layout(
            tensor=_GROUP, replicas=(devices - _PREFILL_GROUP) // _GROUP, is_disaggregated=True, prefill_tensor=_PREFILL_GROUP,
            prefill_attention=_PREFILL_GROUP,
        )  # fmt: skip
    # Two thirds of the devices decode, prompts are read by groups of four (assumed).
    decode = max(_GROUP, int(devices * 0.67))
    width = min(_WIDEST, decode)
    return language.Layout(
        tensor=width, replicas=decode / width, attention_replicas=width, is_disaggregated=True, prefill_tensor=_PREFILL_GROUP,
        prefill_replicas=max(1.0, (devices - decode) / _PREFILL_GROUP),
    )  # fmt: skip


def _disaggregated(query: PublishedQuery, *, least: int) -> language.Layout:
    """Return the layout of separate devices for prompts and tokens; ``least`` ranks hold the weights.

    Tables that name no workers state one group of each kind, whatever their number, and no data-parallel attention: of 46 runs of
    which another row of the same value states both, 41 have more groups and 12 have it. Where both groups are alike and wide each
    counts all devices. Those rows are answered as such runs are laid out.
    """
    stated, devices = query.layout, query.gpu_count
    attention = int(stated.get("decode_attention_dp", 1))
    decode = min(devices, max(int(stated.get("decode_tp", devices)), attention))
    apart = int(stated.get("prefill_attention_dp", 1))
    prefill = min(devices, max(int(stated.get("prefill_tp", devices)), apart, int(stated.get("prefill_ep", 1))))
    if not are_workers_stated(query):
        if decode == prefill and decode * 2 == devices and (decode > _WIDE_ISLAND or decode & (decode - 1)):
            return _island(query, devices=decode)
        if decode < least:
            # Fewer than hold the weights: the row states no ranks.
            return _island(query, devices=_LIGHT_WORKERS * _GROUP + _PREFILL_GROUP)
        is_light = (query.concurrency or 1.0) <= _LIGHT * decode and decode <= _WIDE_ISLAND
        return language.Layout(
            tensor=decode, replicas=_LIGHT_WORKERS if is_light else 1.0, attention_replicas=attention if is_light else decode,
            is_disaggregated=True, prefill_tensor=prefill, prefill_attention=max(1, apart),
            prefill_replicas=stated.get("prefill_workers") or 1.0,
        )  # fmt: skip
    # Where the table names no workers of prompts: as many as the devices that do not decode make.
    left = devices - decode * stated.get("decode_workers", 1.0)
    prefill_workers = stated.get("prefill_workers") or max(1.0, round(left / prefill))
    # Where the table names no decode workers: as many as the remaining devices make.
    workers = stated.get("decode_workers") or max(1, round((devices - prefill * prefill_workers) / decode))
    return language.Layout(
        tensor=decode, replicas=workers, attention_replicas=max(1, attention), is_disaggregated=True, prefill_tensor=prefill,
        prefill_attention=max(1, apart), prefill_replicas=prefill_workers,
    )  # fmt: skip


def are_workers_stated(query: PublishedQuery) -> bool:
    """Return whether a run with separate devices for prompts and tokens says how many groups there are of either."""
    return "decode_workers" in query.layout or "prefill_workers" in query.layout
