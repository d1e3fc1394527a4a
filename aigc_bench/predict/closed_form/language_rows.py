"""Questions about serving language models: from a published row to the columns and groups of the closed form."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from aigc_bench.catalog.records import AcceleratorSpec
from aigc_bench.core.messages import message
from aigc_bench.core.record import Record
from aigc_bench.predict.closed_form import language, links
from aigc_bench.predict.closed_form.columns import ModelRow, NotPredictable, log2_bin
from aigc_bench.predict.closed_form.published_layouts import are_workers_stated, published_layout
from aigc_bench.predict.language.named import language_named
from aigc_bench.predict.published.image_tokens import image_tokens
from aigc_bench.predict.published.language_models import LanguageModel
from aigc_bench.predict.published.name_resolution import (
    Engine,
    NumberFormat,
    bare_name,
    is_typical,
    number_format,
    resolve_engine,
    resolve_format,
)
from aigc_bench.predict.published.row import PublishedQuery

ASPECTS: Mapping[str, str] = {
    "tpot": "tpot",
    "tpot_avg": "tpot",
    "itl_median": "tpot",
    "itl_p99": "itl_p99",
    "ttft": "ttft",
    "throughput": "rate",
    "throughput_offline": "rate",
    "throughput_server": "rate",
    "throughput_interactive": "rate",
    "throughput_per_gpu": "rate",
    "throughput_offline_samples": "rate",
    "throughput_server_samples": "rate",
    "throughput_interactive_samples": "rate",
    "request_throughput": "rate",
    "latency": "latency",
    "latency_request": "latency",
    "latency_mean_bs1": "latency",
    "latency_p90_bs1": "latency",
    "decode_throughput": "decode_rate",
    "achieved_mem_bw": "decode_rate",
    "prefill_throughput": "prefill_rate",
    "prefill_latency": "prefill_time",
}
"""Metrics that are answered -> what the closed form computes for them."""

ENERGY_UNITS = ("J/output token", "J/request")
"""Joules of all devices: the watts that they draw over the predicted rate."""

_SHARES_OF_REQUESTS = ("mean", "median", "p90", "p95", "p99")
SERVER_LATENCIES: Mapping[str, str] = {
    f"{name}_{share}": aspect
    for name, aspect in (("tpot", "tpot"), ("ttft", "ttft"), ("latency", "latency"))
    for share in _SHARES_OF_REQUESTS
}
"""Latencies at an arrival rate that the row does not state: answered by their effects, and kept out of the constants' fit.

A scenario with a bound (MLPerf's Server and Interactive) is run at the highest rate that keeps it, so that a model's effect in that
scenario holds how near the bound its latency comes.
"""

ENGINES = (
    "tensorrt-llm", "vllm", "sglang", "tensorrt", "transformers", "llama.cpp", "fastertransformer", "vllm-research", "vllm-tgi",
    "other",
)  # fmt: skip
"""Engines with constants of their own; the last stands for every other."""

_DATASET_LENGTHS: Mapping[str, tuple[float, float]] = {
    "llama-2-70b": (294, 294),
    "gpt-j-6b": (778, 69),
    "mixtral-8x7b": (450, 145),
    "llama-3.1-405b": (9400, 684),
    "llama-3.1-8b": (778, 73),
    "deepseek-v3": (800, 3880),
}
"""Mean input and output tokens of MLPerf's data sets (reference implementations), where a row does not state them."""

# Tokens of a chat request (assumed); the row then carries the caution ``lengths_assumed``.
_DEFAULT_LENGTHS = (400.0, 250.0)
# Their published checkpoints are fp8, so a row without a format means that.
_NATIVE_FP8 = ("deepseek-v3", "kimi-k2", "minimax-m2.5")
_RESERVING = ("tensorrt-llm", "tensorrt")
"""Engines that admit a request only when the cache holds its whole prompt and answer; others count on the mean in flight."""
_PASS_TOKENS = 8192.0  # of prompts that engines read in one pass by default
# Offline runs state no concurrency: an upper bound where the cache would hold more.
_MAX_SEQUENCES = 2048.0


class _Question(NamedTuple):
    """A row that is asked for, with what its words mean."""

    query: PublishedQuery
    model: LanguageModel
    spec: AcceleratorSpec
    engine: Engine
    numbers: NumberFormat
    layout: language.Layout


def language_row(query: PublishedQuery, spec: AcceleratorSpec, *, layout: language.Layout | None = None) -> ModelRow:
    """The question's columns and groups, on ``layout`` or as the row states it; raises ``NotPredictable`` with the reason."""
    is_energy, aspect, model = _is_energy(query), _aspect(query), _model(query)
    engine = resolve_engine(query.software)
    numbers = number_format_of(query, model)
    layout = layout or published_layout(query, model, spec, engine=engine, numbers=numbers)
    one = _Question(query, model, spec, engine, numbers, layout)
    columns = _columns(one, aspect="energy" if is_energy else aspect)
    # Bytes/s of one device = its weights x steps/s.
    read = language.reported_bytes(model, numbers) / layout.tensor if query.metric == "achieved_mem_bw" else 1.0
    offset = _units(query, output_len=columns["output_len"]) - math.log(read)
    if is_energy:
        # Joules a token = TDP / (tokens/s over the share drawn): in logs the watts minus the rate, hence sign -1 below.
        offset += _watts(query, spec, output_len=columns["output_len"])
    track = "energy" if is_energy else "server_latency" if is_unloaded(query) else aspect
    caution = _caution(query, model, engine)
    return ModelRow(
        form="language",
        track=f"{query.family}.{track}",
        columns=columns,
        groups=_groups(one, columns, aspect=track),
        shapes_constants=not is_energy and not is_unloaded(query) and LAYOUT_ASSUMED not in caution,
        sign=-1.0 if is_energy else 1.0,
        is_rate=aspect.endswith("rate"),
        offset=offset,
        accelerator=spec.id,
        caution=caution,
    )


def _is_energy(query: PublishedQuery) -> bool:
    return query.metric == "energy" and query.unit in ENERGY_UNITS


def _aspect(query: PublishedQuery) -> str:
    """Return what the closed form computes for the metric: of energy the rate, over which its watts are spread."""
    found = "rate" if _is_energy(query) else ASPECTS.get(query.metric) or SERVER_LATENCIES.get(query.metric)
    if found is None:
        raise NotPredictable(message("metric {metric} is not modelled for language models", metric=query.metric))
    return found


def _model(query: PublishedQuery) -> LanguageModel:
    model = query.language or language_named(query.model)
    if model is None:
        raise NotPredictable(message("model {model!r} is not known", model=query.model))
    return model


def _units(query: PublishedQuery, *, output_len: float) -> float:
    """Return the logarithm from the row's unit to tokens/s of all devices: a share of one device, requests instead of tokens."""
    of_one = "/GPU" in query.unit or query.metric.endswith("per_gpu")
    of_requests = query.metric.endswith("_samples") or query.metric == "request_throughput"
    return (math.log(query.gpu_count) if of_one else 0.0) + (math.log(output_len) if of_requests else 0.0)


def _watts(query: PublishedQuery, spec: AcceleratorSpec, *, output_len: float) -> float:
    """Return the logarithm of the TDP of all devices, times the tokens of a request where the row counts requests."""
    if spec.tdp_w is None:
        raise NotPredictable(message("no TDP is known of the accelerator"))
    return math.log(spec.tdp_w * query.gpu_count) + (math.log(output_len) if "request" in query.unit else 0.0)


def is_unloaded(query: PublishedQuery) -> bool:
    """Whether the row is a latency at a rate of requests that it does not state."""
    return query.metric in SERVER_LATENCIES


CACHE_WORD = "cache_element_bytes"
LAYOUT_ASSUMED = "layout_assumed"
"""Other devices read the prompts, and how many groups of either kind there are is not stated (``published_layouts``)."""


def _caution(query: PublishedQuery, model: LanguageModel, engine: Engine) -> tuple[str, ...]:
    notes = []
    if is_typical(model):
        notes.append("model_assumed_typical")
    if engine.name in ("other", "unknown"):
        notes.append("engine_unknown")
    if query.input_len is None and query.output_len is None:
        notes.append("lengths_assumed")
    # The format may also stand in the model's name.
    if resolve_format(query.precision) is None and resolve_format(bare_name(query.model)) is None:
        notes.append("precision_assumed")
    if query.words.get("mode") == "disagg" and not are_workers_stated(query):
        notes.append(LAYOUT_ASSUMED)
    return tuple(notes)


def number_format_of(query: PublishedQuery, model: LanguageModel) -> NumberFormat:
    """The stated format, else the one in a published model's name, else the one the model is published in."""
    # A model that is described by its configuration has a name that says nothing.
    return format_as_served(model, query.precision, name="" if query.language is not None else bare_name(query.model))


def format_as_served(model: LanguageModel, precision: str | None, *, name: str = "") -> NumberFormat:
    """Return the format that an engine runs a model in when it is asked for this one, or for none.

    ``name`` is a published model's name, which may state its format.
    """
    found = resolve_format(precision) or resolve_format(name) or number_format("fp8" if model.name in _NATIVE_FP8 else "bf16")
    # gpt-oss is published in MXFP4 alone; "bf16" in a row is the format of its activations, and "fp4" is no other four-bit one.
    return number_format(model.native_format) if model.native_format and found.name in ("bf16", "fp16", "fp4") else found


def _lengths(query: PublishedQuery, model: LanguageModel, *, aspect: str) -> tuple[float, float]:
    if aspect == "decode_rate":
        # Rows of pure decoding from an empty context, or of a pure prompt below.
        return query.input_len or 1.0, query.output_len or 200.0
    if aspect in ("prefill_rate", "prefill_time"):
        return query.input_len or 512.0, query.output_len or 1.0
    default = _DEFAULT_LENGTHS
    if query.metric.startswith(("throughput_", "ttft_", "tpot_mean")) and query.input_len is None:
        default = _DATASET_LENGTHS.get(model.name, default)
    return (query.input_len or default[0]) + image_tokens(query), query.output_len or default[1]


_OF_ONE_REQUEST = ("latency_request", "latency_mean_bs1", "latency_p90_bs1")


class _Load(Record):
    """Requests of one batch that is under way: requested, in flight, and seats in its cache; and how many batches are busy."""

    requested: float
    sequences: float
    seats: float
    busy_streams: float
    slowest: float
    is_static: bool
    is_bounded: bool


def _load(one: _Question, *, tokens: float, lengths: tuple[float, float]) -> _Load:
    """The load of one batch, where a replica's cache holds ``tokens``; batches are as many as replicas and their stages."""
    query, layout, (input_len, output_len) = one.query, one.layout, lengths
    streams = layout.replicas * layout.streams
    # The stages of a pipeline each have a part of the cache.
    own = tokens / layout.streams
    # On average over its life a request holds its prompt and half of its answer.
    room = max(1.0, own / (input_len + output_len / 2))
    is_static, is_bounded = query.batch is not None, query.concurrency is not None and math.isfinite(query.concurrency)
    # Requests are spread evenly over replicas; a static batch is that of one replica.
    requested = (query.batch / layout.streams) if query.batch is not None else (query.concurrency or 1.0) / streams
    sequences = requested if is_static else min(requested, room) if is_bounded else min(_MAX_SEQUENCES, room)
    # Fewer requests than streams leave some of them idle, and a pipeline that is not full has no slowest stage to wait for.
    busy = min(1.0, requested) if is_static or is_bounded else 1.0
    return _Load(
        requested=requested,
        sequences=max(1.0, sequences),
        seats=max(1.0, own / (input_len + output_len)) if one.engine.name in _RESERVING else room,
        busy_streams=float(streams * busy),
        slowest=language.imbalance(one.model, layout.streams) if busy >= 1 else 1.0,
        is_static=is_static,
        is_bounded=is_bounded,
    )


def _columns(one: _Question, *, aspect: str) -> dict[str, float]:
    """The terms of one decode step and one prefill, and how many sequences are in flight."""
    query, model, spec, layout = one.query, one.model, one.spec, one.layout
    input_len, output_len = _lengths(query, model, aspect=aspect)
    try:
        terms, load = _terms(one, lengths=(input_len, output_len))
    except LookupError as problem:
        raise NotPredictable(message("no peak for {name} is known of the accelerator", name=one.numbers.name)) from problem
    link = links.link_class(spec, devices=_exchanging(layout))
    return {
        **terms,
        **_flight(load),
        # The median gap between tokens is one without a prompt in it, as in a static batch.
        "is_static": float(load.is_static or query.metric.startswith("itl")),
        "input_len": input_len,
        "output_len": output_len,
        "prefill_replicas": float(layout.prefill_replicas),
        "is_disaggregated": float(layout.is_disaggregated),
        # One device has no link: its index is unused, as its collectives and bytes are 0.
        "link": float(links.LINKS.index(link)) if link in links.LINKS else 0.0,
        "looks_seldom": float(one.engine.name == "sglang" and _architecture(spec) == "Blackwell"),
        "latent_layers": float(model.num_kv_layers if model.has_latent_attention else 0),
        "attention_ranks": float(layout.prefill_attention if layout.is_disaggregated else layout.attention_replicas),
        "prompts_a_pass": _PASS_TOKENS / input_len,
        "power_share": language.power_share(spec),
        "engine": float(ENGINES.index(one.engine.name) if one.engine.name in ENGINES else len(ENGINES) - 1),
        "bandwidth": spec.memory_bandwidth_bytes_per_s,
        # Idle watts over TDP; 0.10 to 0.16 of the parts that have both in the catalogue.
        "idle_share": min(1.0, spec.idle_w / spec.tdp_w) if spec.idle_w and spec.tdp_w else 0.13,
        "aspect": float(QUANTITIES.index("request" if query.metric in _OF_ONE_REQUEST else aspect)),
    }


def _terms(one: _Question, *, lengths: tuple[float, float]) -> tuple[dict[str, float], _Load]:
    """Seconds at peak of one decode step and one prefill, and the load; raises ``LookupError`` without a peak of the format."""
    model, spec, numbers, layout, (input_len, output_len) = one.model, one.spec, one.numbers, one.layout, lengths
    cache_bytes = language.cache_bytes_per_element(numbers, engine=one.engine.name, stated=one.query.words.get(CACHE_WORD))
    # Mean context over the steps of an answer.
    context = input_len + output_len / 2
    tokens = language.cache_capacity_tokens(
        model, spec, number_format=numbers, layout=layout, cache_bytes=cache_bytes, context=context, engine=one.engine.name
    )
    load = _load(one, tokens=tokens, lengths=lengths)
    decode = language.decode_terms(
        model, spec, number_format=numbers, layout=layout, sequences=load.sequences, context=context, cache_bytes=cache_bytes,
        slowest=load.slowest, engine=one.engine.name,
    )  # fmt: skip
    ranks = layout.prefill_tensor if layout.is_disaggregated else layout.tensor
    # Whole all-reduces: a prompt is read in one group of attention ranks (``attention_dp_exponent``).
    readers = language.Layout(tensor=ranks, pipeline=layout.pipeline, context=layout.context)
    prefill = language.prefill_terms(model, spec, number_format=numbers, layout=readers, length=input_len, engine=one.engine.name)
    return {**decode, **prefill}, load


def _flight(load: _Load) -> dict[str, float]:
    """The columns of the requests that are under way and wait."""
    return {
        "replicas": load.busy_streams,
        "waiting": max(1.0, load.requested / load.sequences) if load.is_bounded else 1.0,
        "is_offline": float(not load.is_static and not load.is_bounded),
        "requested": load.requested if load.is_bounded else load.sequences,
        "room": load.seats,
    }


def _exchanging(layout: language.Layout) -> int:
    """The devices whose link counts: those of a collective, else the stages of a pipeline."""
    return layout.tensor if layout.tensor > 1 else layout.ranks


def _architecture(spec: AcceleratorSpec) -> str:
    """The architecture whose kernels a part runs: Blackwell Ultra runs Blackwell's."""
    return (spec.arch or "").removesuffix(" Ultra")


def _ranks_named(query: PublishedQuery) -> str:
    """How many devices the layout names for each kind of parallelism, as the table spells it."""
    return "|".join(f"{query.layout.get(name, 1.0):g}" for name in ("ep", "attention_dp"))


QUANTITIES = ("tpot", "ttft", "rate", "latency", "request", "decode_rate", "prefill_rate", "prefill_time", "itl_p99", "energy")
"""What the closed form can compute; the column ``aspect`` is an index into it."""


def _groups(one: _Question, columns: Mapping[str, float], *, aspect: str) -> dict[str, str]:
    """Level -> group; the levels' spreads are in ``calibration.SPREADS``."""
    query, model, spec, engine, numbers, layout = one
    scenario = query.words.get("scenario", "").lower() if is_unloaded(query) else ""
    mode = scenario or (
        "disaggregated"
        if layout.is_disaggregated
        else "server"
        if query.metric.startswith(("throughput_server", "throughput_inter"))
        else "plain"
    )
    # Bins of two octaves for loads (of a whole replica, not a stage), one octave for lengths: neighbours share an effect.
    load = log2_bin(columns["sequences"] * columns["stages"], width=2)
    shape = f"i{log2_bin(columns['input_len'], width=1)}o{log2_bin(columns['output_len'], width=1)}"
    link = links.link_class(spec, devices=_exchanging(layout))
    arch = _architecture(spec)
    of = query.metric if query.metric in SERVER_LATENCIES else query.unit if aspect == "energy" else ""
    kind = f"{aspect}|{engine.name}|{mode}|{of}"
    # The aspect is in every key: an engine's deviation in TPOT says nothing about its TTFT.
    key = f"{kind}|{model.name}"
    return {
        f"{aspect}.metric": query.metric,
        f"{aspect}.engine": kind,
        f"{aspect}.version": f"{kind}|{engine.version}",
        # Whole releases: an engine's months apart differ as much as two engines do.
        f"{aspect}.release": f"{kind}|{engine.release}",
        f"{aspect}.release_model": f"{kind}|{engine.release}|{model.name}",
        f"{aspect}.model": model.name,
        f"{aspect}.model_engine": key,
        f"{aspect}.name_engine": f"{kind}|{bare_name(query.model)}",
        f"{aspect}.format": f"{engine.name}|{numbers.name}",
        # A format is another work for each model: which layers stay in 16 bits is the checkpoint's affair.
        f"{aspect}.format_model": f"{key}|{numbers.name}",
        f"{aspect}.arch": arch,
        f"{aspect}.arch_format": f"{arch}|{numbers.name}|{engine.name}",
        f"{aspect}.form": f"{'pcie' if 'PCIe' in (spec.form_factor or '') else 'module'}|{link}|{engine.name}",
        f"{aspect}.ranks": f"{kind}|{layout.tensor}",
        f"{aspect}.ranks_model": f"{key}|{layout.tensor}",
        f"{aspect}.layout": f"{key}|{query.gpu_count}|{_ranks_named(query)}",
        f"{aspect}.load": f"{kind}|b{load}",
        f"{aspect}.load_model": f"{key}|b{load}",
        f"{aspect}.data": f"{engine.name}|{query.words.get('task') or query.words.get('dataset', '')}",
        f"{aspect}.shape": f"{kind}|{shape}",
        f"{aspect}.shape_load": f"{kind}|{shape}|b{load}",
        f"{aspect}.shape_model": f"{key}|{shape}",
        f"{aspect}.cell": f"{key}|{engine.version}|{numbers.name}|{layout.tensor}|{shape}|b{load}",
        f"{aspect}.device": spec.id,
        f"{aspect}.device_engine": f"{spec.id}|{engine.name}",
    }
