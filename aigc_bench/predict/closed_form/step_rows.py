"""Questions about everything but served language models: one step of a known amount of work, repeated.

A step is a batch through an encoder, a denoiser called ``steps`` times, a forward, backward and update. Its work comes from
``step_work``; what is asked of it is its time, the energy or power it draws, the power of its server, or its memory.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from aigc_bench.catalog.records import AcceleratorSpec
from aigc_bench.core.messages import message
from aigc_bench.predict.closed_form import language, links, wall_power
from aigc_bench.predict.closed_form.columns import ModelRow, NotPredictable, log2_bin
from aigc_bench.predict.closed_form.step_work import (
    DENOISED,
    REFERENCE_AUDIO_S,
    SENTENCE_TOKENS,
    StepWork,
    language_work,
    model_work,
    training_length,
)
from aigc_bench.predict.published.name_resolution import (
    Engine,
    NumberFormat,
    bare_name,
    number_format,
    resolve_engine,
    resolve_format,
)
from aigc_bench.predict.published.row import PublishedQuery
from aigc_bench.predict.published.service_bounds import bound_of

RATES = frozenset(
    [
        "throughput",
        "throughput_offline",
        "throughput_server",
        "throughput_per_gpu",
        "throughput_interactive",
        "throughput_incl_eval",
        "denoise_iterations",
        "throughput_tokens",
        "mfu",
        "model_tflops_per_gpu",
        "rtf_x_realtime",
    ]
)
TIMES = frozenset(
    [
        "latency",
        "latency_avg",
        "latency_mean_bs1",
        "latency_p90_bs1",
        "latency_p99",
        "latency_batch",
        "time_per_epoch",
        "time_to_train",
        "time_for_clip",
        "train_time_per_1000_images",
        "step_time",
    ]
)
_OF_UNKNOWN_SIZE = ("time_per_epoch", "time_to_train", "time_for_clip")
"""Times of a number of items that the row does not state."""
ASPECTS = ("time", "energy", "power", "wall", "memory", "bound")
"""What a row asks of its step; the column ``aspect`` is an index into it.

A ``bound`` is no work of the step: the latency of a scenario at the highest rate that keeps the bound lies close below it.
"""
_ASPECT_OF: Mapping[str, str] = {
    "energy": "energy",
    "average_power": "power",
    "system_power_avg": "wall",
    "peak_memory": "memory",
}
"""Metrics that are no time or rate -> what they ask."""

FAMILIES = (
    "audio-asr", "audio-tts", "audio-tts-gan", "bert", "bert-train", "diffusion-eager", "diffusion-image", "flow", "gan", "llm",
    "llm-finetune", "llm-small", "llm-train", "llm-train-eager", "seq2seq-rnn", "seq2seq-transformer", "vae", "video", "vision-cnn",
    "vision-unet",
)  # fmt: skip
"""Families with efficiencies of their own; an encoder's training counts as one, a denoiser under a framework as another.

Of ``llm``, which has a form of its own, only the wall power is answered here.
"""

ENGINES = (
    "torch-eager", "xdit", "tensorrt", "pytorch-ngc-v0", "pytorch-ngc-v2", "tensorflow", "pytorch-ngc-v1", "nemo", "llm-foundry",
    "fastertransformer", "tensorflow2", "diffusers", "transformers", "megatron-bridge", "torch-compile", "torchscript", "maxtext",
    "other",
)  # fmt: skip
LANGUAGE_FAMILIES = ("llm-train", "llm-finetune")
# Inference compilers, NVIDIA's own trainers, and XLA under MaxText: their kernels are written or compiled for each architecture.
_OPTIMISED = frozenset({"nemo", "tensorrt", "megatron-bridge", "tensorrt-llm", "fastertransformer", "maxtext"})
_FRAMEWORK_FP8 = 1.5
"""Time of products in fp8 under a framework over that at the fp8 peak: attention and the last layers stay wide, and every operand
is scaled and cast. torchtitan and llm-foundry on H100 gain a factor of 1.0 to 1.6 over bf16, not 2."""
# Items per device where a row states no batch (assumed; the row then carries ``batch_assumed``).
_DEFAULT_BATCH: Mapping[str, float] = {
    "bert": 128, "bert-train": 32, "vision-cnn": 128, "diffusion-image": 8, "diffusion-eager": 8, "audio-asr": 64,
    "llm-small": 32, "seq2seq-rnn": 256, "vision-unet": 4, "audio-tts": 1, "audio-tts-gan": 1, "flow": 1024, "gan": 8,
    "seq2seq-transformer": 32, "vae": 3072, "video": 1, "llm": 1,
}  # fmt: skip
_RECURRENT_BATCH = 2048.0
"""Utterances that NVIDIA's harness of MLPerf gives to RNN-T together, offline: a recurrent decoder is slow for few of them."""
_VECTOR_FLOPS_PER_MULTIPROCESSOR = 0.65e12
"""FLOPs of a model whose unfused part keeps one multiprocessor busy for a second: scales the vector term to about 1."""
_AUDIO_RATE = 22_050.0
"""Samples a second of LJSpeech and of every published model of it; a mel frame is 256 of them."""
_MEL_HOP = 256.0
_WINDOW_S = 30.0
"""Seconds of audio that one item of speech recognition holds."""
_FULL_POWER_W_PER_FLOPS: Mapping[str, float] = {
    "Volta": 300 / 125e12, "Turing": 280 / 130e12, "Ampere": 400 / 312e12, "Hopper": 700 / 989e12, "Ada": 450 / 330e12,
    "Blackwell": 1000 / 2250e12,
}  # fmt: skip
"""TDP per dense fp16 peak of the architecture's part that holds its clock: V100 SXM, Titan RTX, A100 SXM, H100 SXM, RTX 4090 (whose
die runs fp16 at twice its rate of fp32 accumulation), B200."""


def step_row(query: PublishedQuery, spec: AcceleratorSpec) -> ModelRow:
    """The question's columns and groups; raises ``NotPredictable`` with the reason."""
    aspect = _aspect(query, spec)
    is_language = query.family in LANGUAGE_FAMILIES
    engine = resolve_engine(query.software)
    family = _calibrated_family(query, engine)
    if family not in FAMILIES:
        raise NotPredictable(message("family {family!r} is not calibrated", family=query.family))
    numbers = _number_format(query, spec)
    per_device = _batch_per_device(query, family=family, engine=engine)
    # A bound and the power of a server with a served model need no work.
    work = (
        _busy(query)
        if family == "llm" or aspect == "bound"
        else (language_work if is_language else model_work)(query, numbers, per_device)
    )
    kind = aspect if aspect != "time" else "rate" if query.metric in RATES else "time"
    return ModelRow(
        form="step",
        track=f"{query.family}.{'train' if query.is_training else 'infer'}.{kind}",
        # Energy is power times time, and both have rows of their own.
        shapes_constants=aspect not in ("energy", "bound"),
        columns={
            **_columns(query, spec, family=family, engine=engine, numbers=numbers, work=work),
            "aspect": float(ASPECTS.index(aspect)),
            "bound_s": bound_of(query) or 1.0,
            # Of an epoch or a whole training the number of items is not known, and seconds of a step bound nothing.
            "is_bounded": float(aspect == "time" and work.is_exact and query.metric not in _OF_UNKNOWN_SIZE),
        },
        groups=_groups(query, spec, family=family, engine=engine, numbers=numbers, work=work, per_device=per_device, aspect=aspect),
        is_rate=query.metric in RATES,
        sign=-1.0 if query.metric in RATES else 1.0,
        offset=_offset(
            query, aspect, spec, work=work, per_device=per_device, is_language=is_language, peak_16_bit=spec.peak("bf16") or 1e12
        ),
        accelerator=spec.id,
        caution=_caution(query, is_language=is_language),
    )


def _caution(query: PublishedQuery, *, is_language: bool) -> tuple[str, ...]:
    """Return what the row does not state and the model assumed: such rows have intervals of their own."""
    has_batch = query.batch is not None or query.metric.endswith("bs1") or "tokens_per_step" in query.layout
    notes = () if has_batch else ("batch_assumed",)
    if not query.precision:
        notes = (*notes, "precision_assumed")
    return (*notes, "lengths_assumed") if is_language and query.input_len is None else notes


def _aspect(query: PublishedQuery, spec: AcceleratorSpec) -> str:
    """What the row asks; raises ``NotPredictable`` for a metric or a family that the model of a step does not know."""
    if bound_of(query) is not None:
        return "bound"
    aspect = "time" if query.metric in RATES | TIMES else _ASPECT_OF.get(query.metric)
    if aspect is None or (query.family == "llm" and aspect != "wall") or (aspect == "energy" and query.family not in DENOISED):
        raise NotPredictable(
            message(
                "metric {metric} is not modelled for {family}", metric=query.metric, family=query.family or message("this family")
            )
        )
    if aspect in ("energy", "power", "wall") and spec.tdp_w is None:
        raise NotPredictable(message("no TDP is known of the accelerator"))
    if query.metric in ("mfu", "model_tflops_per_gpu") and query.family not in LANGUAGE_FAMILIES:
        raise NotPredictable(message("metric {metric} is modelled for the training of language models only", metric=query.metric))
    return aspect


def _busy(query: PublishedQuery) -> StepWork:
    """A step that keeps a device busy: at an engine's highest rate a served model does, whatever its work is."""
    return StepWork(name=bare_name(query.model), flops=1e15, moved_bytes=1e12, depth=1.0, items=1.0)


def _calibrated_family(query: PublishedQuery, engine: Engine) -> str:
    """The family whose efficiencies speak for the row.

    A denoiser under a framework runs its attention in kernels written for an older architecture: it gains from more and faster
    multiprocessors, hardly from a higher peak. An inference compiler has kernels for the device.
    """
    if query.family == "bert" and query.is_training:
        return "bert-train"
    # Video runs in the same kernels: xDiT is diffusers over several devices.
    if query.family in DENOISED and not query.is_training and engine.name not in _OPTIMISED:
        return "diffusion-eager"
    return "llm-train-eager" if query.family == "llm-train" and engine.name not in _OPTIMISED else query.family


_QUANTISED = ("bert", "vision-cnn")


def _number_format(query: PublishedQuery, spec: AcceleratorSpec) -> NumberFormat:
    """The stated format; single precision runs as TF32 where the device has it."""
    found = resolve_format(query.precision) or number_format("bf16")
    if query.family in _QUANTISED and "scenario" in query.words and resolve_engine(query.software).name == "tensorrt":
        # NVIDIA's harness of MLPerf: int8 whatever the weights are stored in, and for BERT within 0.1 % fp8 instead of fp16.
        if found.name == "fp32":
            return number_format("int8")
        if found.name == "fp16" and query.family == "bert" and spec.peak("fp8"):
            return number_format("fp8")
    # The power sweeps state no format of DeepSpeech 2. Its trainer runs mixed precision: V100, RTX 6000 and A40 are within a fifth
    # of each other at every batch, as their tensor cores are, and a P100, which has none, takes four times as long.
    if query.family == "audio-asr" and query.is_training and bare_name(query.model).startswith("deepspeech2"):
        return number_format("amp" if _has_tensor_cores(spec) else "fp32")
    # NVIDIA's containers run fp32 models as TF32 from Ampere on, and published rows do not tell the two apart.
    return number_format("tf32") if found.name == "fp32" and spec.peak("tf32") else found


def _has_tensor_cores(spec: AcceleratorSpec) -> bool:
    """Whether products of half precision run on units of their own: without them (Pascal) they accumulate at the rate of fp32."""
    return (spec.arch or "") != "Pascal"


def _usual_batch(query: PublishedQuery, *, family: str, engine: Engine) -> float:
    """Items per device and step where the row does not state them."""
    # MLPerf's submitters publish the batch that their harness makes of the requests.
    if "harness_batch" in query.layout and query.metric == "throughput_offline":
        return query.layout["harness_batch"]
    if query.metric.endswith("bs1") or query.metric == "latency_p99":
        return 1.0
    is_recurrent = bare_name(query.model).startswith("rnn-t") and engine.name == "tensorrt"
    return _RECURRENT_BATCH if is_recurrent else _DEFAULT_BATCH[family]


def _batch_per_device(query: PublishedQuery, *, family: str, engine: Engine) -> float:
    """Items per device and step; some sources state them for all devices together."""
    if query.family in LANGUAGE_FAMILIES:
        # Trainers of language models state the global batch, or its tokens; without either it is one sequence a device.
        tokens = query.layout.get("tokens_per_step")
        batch = query.batch or (tokens / training_length(query) if tokens else query.gpu_count)
        return batch / query.gpu_count
    if query.batch is None:
        return _usual_batch(query, family=family, engine=engine)
    # NVIDIA's tables of training state the batch of all devices together, and so does StyleGAN's ``--batch``.
    is_global = (
        engine.name in ("pytorch-ngc-v1", "pytorch-ngc-v2")
        or ("NVIDIA" in (query.software or "") and query.is_training)
        or query.family == "gan"
    )
    batch = max(1.0, query.batch / query.gpu_count) if is_global else query.batch
    # Trainers of translation fill a batch by its number of tokens.
    return max(1.0, batch / SENTENCE_TOKENS) if _counts_tokens(query) else batch


def _counts_tokens(query: PublishedQuery) -> bool:
    """Whether the batch of a row is stated in tokens: fairseq's ``--max-tokens``, with which the transformer is run."""
    return query.family == "seq2seq-transformer" and bare_name(query.model).startswith("transformer")


def _offset(
    query: PublishedQuery,
    aspect: str,
    spec: AcceleratorSpec,
    *,
    work: StepWork,
    per_device: float,
    is_language: bool,
    peak_16_bit: float,
) -> float:
    """Joins the metric to the quantity of a step: items of all devices over the rate; an epoch's items are part of its effect."""
    if aspect in ("energy", "power"):
        assert spec.tdp_w is not None, "_aspect has looked"
        # Joules an item = TDP x ranks x (seconds x share drawn) / items; watts = TDP x share drawn.
        return math.log(work.items / work.ranks / spec.tdp_w) if aspect == "energy" else -math.log(spec.tdp_w)
    if aspect != "time" or query.metric == "denoise_iterations":
        return 0.0
    if query.metric == "train_time_per_1000_images":
        return math.log(work.items * query.gpu_count / 1000)
    if query.metric == "time_for_clip":
        # A clip is as many windows as it is long, and a step takes a batch of them.
        return math.log(work.items / max(1.0, float(query.words.get("clip_s", 0.0)) / _WINDOW_S))
    if query.metric in TIMES - {"time_per_epoch", "time_to_train"}:
        return 0.0
    if query.metric in ("time_per_epoch", "time_to_train"):
        # An epoch's number of items is constant for a model and ends up in its effect; 1e6 only centres the logarithms.
        return math.log(query.gpu_count * work.items / 1e6)
    if query.metric == "rtf_x_realtime":
        # Of one utterance, whatever the batch is: its seconds of audio over those until the batch is done.
        return math.log(_audio_s(query))
    if query.metric in ("mfu", "model_tflops_per_gpu"):
        return math.log(work.model_flops / (1e12 if query.metric != "mfu" else peak_16_bit))
    groups = 1 if "/GPU" in query.unit or "/chip" in query.unit or work.ranks > 1 else query.gpu_count
    return math.log(_counted(query, work, per_device=per_device, is_language=is_language) * groups)


def _counted(query: PublishedQuery, work: StepWork, *, per_device: float, is_language: bool) -> float:
    """What the unit of a rate counts in one step of one group of devices."""
    if query.unit.startswith("audio-samples"):
        return work.items * _audio_s(query) * _AUDIO_RATE
    if query.unit.startswith("mel-frames"):
        return work.items * _audio_s(query) * _AUDIO_RATE / _MEL_HOP
    if "tokens" not in query.unit:
        return work.items
    if is_language:
        # The same lengths as in the work, or tokens and FLOPs would not belong together.
        return work.items * training_length(query)
    if query.family in ("llm-small", "seq2seq-rnn"):
        return work.items * (query.input_len or _SEQUENCE_TOKENS[query.family])
    return work.items * (query.input_len or SENTENCE_TOKENS)


_SEQUENCE_TOKENS: Mapping[str, float] = {"llm-small": 192.0, "seq2seq-rnn": 50.0}
"""Tokens of a sequence of the published runs: Transformer-XL's target length, GNMT's longest sentence."""


def _audio_s(query: PublishedQuery) -> float:
    return float(query.words.get("audio_s", REFERENCE_AUDIO_S))


def _columns(
    query: PublishedQuery, spec: AcceleratorSpec, *, family: str, engine: Engine, numbers: NumberFormat, work: StepWork
) -> dict[str, float]:
    try:
        peak, _ = language.peak_flops(spec, numbers)
    except LookupError as problem:
        raise NotPredictable(message("no peak for {name} is known of the accelerator", name=numbers.name)) from problem
    devices = query.gpu_count
    link = links.link_bytes_per_s(spec, devices=min(devices, 8))
    # Where the datasheet names none: about 0.5 TFLOP/s of fp32 a multiprocessor (128 lanes x 2 FLOPs x 1.9 GHz).
    multiprocessors = spec.num_multiprocessors or max(20.0, (spec.peak("fp32") or 20e12) / 0.5e12)
    clock = _clock(spec, multiprocessors)
    limit = query.layout.get("power_limit_w")
    tdp_w = spec.tdp_w or 0.0
    capped = min(1.0, limit / tdp_w) if limit and tdp_w else 1.0
    if query.words.get("power_mode") == "maxq":
        capped = min(capped, wall_power.MAXQ_SOC_SHARE if wall_power.is_whole_computer(spec) else wall_power.MAXQ_SHARE)
    return {
        "compute": work.flops / peak * (_FRAMEWORK_FP8 if numbers.name == "fp8" and family == "llm-train-eager" else 1.0),
        "memory": work.moved_bytes / spec.memory_bandwidth_bytes_per_s,
        "pointwise": work.pointwise_bytes / spec.memory_bandwidth_bytes_per_s,
        "vector": work.flops / (multiprocessors * clock * _VECTOR_FLOPS_PER_MULTIPROCESSOR),
        "decoder_compute": work.decoder_flops / peak,
        "decoder_memory": work.decoder_bytes / spec.memory_bandwidth_bytes_per_s,
        "depth": work.depth,
        "reduced": work.reduced_bytes / link,
        "exchanged": work.exchanged_bytes / link,
        "power_share": capped * _sustained_share(spec),
        "limit_share": capped,
        "idle_share": min(1.0, (spec.idle_w or _IDLE_SHARE * tdp_w) / tdp_w) if tdp_w else _IDLE_SHARE,
        "tdp_w": tdp_w,
        "devices": float(devices),
        "host_w": wall_power.host_w(spec, devices=devices, nodes=query.nodes),
        "psu_efficiency": wall_power.psu_efficiency(spec, devices=devices),
        "state_bytes": work.state_bytes,
        "kept_bytes": work.kept_bytes,
        "bandwidth": spec.memory_bandwidth_bytes_per_s,
        "family": float(FAMILIES.index(family)),
        "engine": float(ENGINES.index(engine.name) if engine.name in ENGINES else len(ENGINES) - 1),
    }


def _link_within_server(spec: AcceleratorSpec, *, devices: int) -> str:
    """The link among the devices of one server, of all sorts of PCIe alike: training overlaps what crosses servers."""
    link = links.link_class(spec, devices=min(devices, links.domain_devices(spec)))
    return link if link != "staged" else "pcie" if devices <= links.CARDS_PER_SOCKET else "pcie_wide"


_IDLE_SHARE = 0.13
"""Idle watts over TDP where the catalogue has none: 0.10 to 0.16 of its parts."""


def _sustained_share(spec: AcceleratorSpec) -> float:
    """The part's TDP per peak over that of its architecture's full-power part, at most 1: small cards clock down under load."""
    architecture = (spec.arch or "").removesuffix(" Ultra")
    full, peak = _FULL_POWER_W_PER_FLOPS.get(architecture), spec.peak("fp16") or spec.peak("bf16")
    # The TDP of a whole computer is shared with its processors, and its GPU is laid out for it.
    if full is None or not peak or not spec.tdp_w or wall_power.is_whole_computer(spec):
        return 1.0
    return min(1.0, spec.tdp_w / peak / full)


def _clock(spec: AcceleratorSpec, multiprocessors: float) -> float:
    """The clock over 1.7 GHz, from the vector peak: 128 lanes of two FLOPs a cycle; 64 on Pascal, Volta, Turing and GA100."""
    peak = spec.peak("fp32")
    lanes = 64 if spec.compute_capability in ("6.0", "7.0", "7.5", "8.0", "gfx908", "gfx90a") else 128
    return peak / (multiprocessors * 2 * lanes * 1.7e9) if peak and spec.vendor in ("NVIDIA", "AMD") else 1.0


def _form(spec: AcceleratorSpec) -> str:
    return "soc" if wall_power.is_whole_computer(spec) else "pcie" if "PCIe" in (spec.form_factor or "") else "module"


def _groups(
    query: PublishedQuery,
    spec: AcceleratorSpec,
    *,
    family: str,
    engine: Engine,
    numbers: NumberFormat,
    work: StepWork,
    per_device: float,
    aspect: str,
) -> dict[str, str]:
    """Level -> group; the levels' spreads are in ``calibration.SPREADS``."""
    kind = "rate" if query.metric in RATES else query.metric
    side = "train" if query.is_training else "infer"
    own = query.unit if query.metric == "throughput" else query.metric
    # What a family or an architecture loses in time says nothing about its watts or bytes.
    apart = "" if aspect in ("time", "energy") else f"{aspect}|"
    if aspect == "bound":
        # How near the bound a scenario comes depends on which of its bounds it meets first.
        family = f"{family}|{query.words.get('scenario', '').lower()}|{query.metric}"
    own += f"|{query.words.get('scenario', '').lower()}" if aspect == "bound" else ""
    model = f"{query.family}|{bare_name(query.model)}|{side}|{kind}|{own}"
    # Within a server or beyond: more classes would leave few rows in each.
    devices = "1" if query.gpu_count == 1 else "some" if query.gpu_count <= 8 else "many"
    layout = "x".join(f"{query.layout.get(key, 1.0):g}" for key in ("ulysses", "ring", "cfg_parallel"))
    load = log2_bin(per_device, width=1.5)
    shape = f"{query.gpu_count}|{query.input_len or 0:g}|{query.resolution or ''}|{layout}"
    style = "optimised" if engine.name in _OPTIMISED else "eager"
    return {
        "work": f"{work.name}|{side}|{kind}|{own}",
        "work_model": model,
        "work_engine": f"{model}|{engine.name}",
        "work_format": f"{model}|{engine.name}|{numbers.name}",
        "software": f"{model}|{query.software}",
        "arch_format": f"{apart}{family}|{spec.arch}|{numbers.name}",
        "arch": f"{apart}{family}|{spec.arch}",
        "arch_style": f"{apart}{spec.arch}|{numbers.name}|{style}",
        "work_devices": f"{model}|{engine.name}|{devices}|{layout}",
        "link": f"{apart}{family}|{_link_within_server(spec, devices=query.gpu_count)}|{devices}",
        "work_load": f"{model}|{engine.name}|{load}",
        "step_cell": f"{model}|{engine.name}|{numbers.name}|{load}|{shape}",
        "form": f"{apart}{family}|{_form(spec)}|{query.words.get('power_mode', '')}",
        "step_device": f"{apart}{family}|{spec.id}",
    }
