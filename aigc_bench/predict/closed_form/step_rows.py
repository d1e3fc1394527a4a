"""Questions about everything but served language models: one step of a known amount of work, repeated.

A step is a batch through an encoder, a denoiser called ``steps`` times, a forward, backward and update. Its work comes from
``data/step_models.csv`` (FLOPs, bytes and kernels per item) or, for language models, from their hyper-parameters.
"""

from __future__ import annotations

import csv
import functools
import math
import re
from collections.abc import Mapping
from importlib.resources import files

from aigc_bench.catalog.records import AcceleratorSpec
from aigc_bench.core.messages import message
from aigc_bench.core.records import Record
from aigc_bench.predict.closed_form import language, links
from aigc_bench.predict.closed_form.columns import ModelRow, NotPredictable, log2_bin
from aigc_bench.predict.published.name_resolution import (
    Engine,
    NumberFormat,
    bare_name,
    number_format,
    resolve_engine,
    resolve_format,
    resolve_language_model,
)
from aigc_bench.predict.published.row import PublishedQuery, resolution_pixels

RATES = frozenset(
    [
        "throughput",
        "throughput_offline",
        "throughput_server",
        "throughput_per_gpu",
        "throughput_interactive",
        "denoise_iterations",
        "throughput_tokens",
        "mfu",
        "model_tflops_per_gpu",
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
        "step_time",
    ]
)
FAMILIES = (
    "audio-asr", "bert", "bert-train", "diffusion-eager", "diffusion-image", "llm-finetune", "llm-small", "llm-train",
    "llm-train-eager", "seq2seq-rnn", "vision-cnn", "vision-unet",
)  # fmt: skip
"""Families with efficiencies of their own; an encoder's training counts as one, a denoiser under a framework as another."""

ENGINES = (
    "torch-eager", "xdit", "tensorrt", "pytorch-ngc-v0", "pytorch-ngc-v2", "tensorflow", "pytorch-ngc-v1", "nemo", "llm-foundry",
    "fastertransformer", "tensorflow2", "diffusers", "megatron-bridge", "torch-compile", "torchscript", "maxtext", "other",
)  # fmt: skip
LANGUAGE_FAMILIES = ("llm-train", "llm-finetune")
# Inference compilers and NVIDIA's own trainers, whose kernels are written for each architecture.
_OPTIMISED = frozenset({"nemo", "tensorrt", "megatron-bridge", "tensorrt-llm", "fastertransformer"})
# Items per device where a row states no batch (assumed; the row then carries ``batch_assumed``).
_DEFAULT_BATCH: Mapping[str, float] = {
    "bert": 128, "bert-train": 32, "vision-cnn": 128, "diffusion-image": 8, "diffusion-eager": 8, "audio-asr": 64,
    "llm-small": 32, "seq2seq-rnn": 256, "vision-unet": 4,
}  # fmt: skip
# Layers and hidden width.
_BERT_SHAPES: Mapping[str, tuple[int, int]] = {"bert-base": (12, 768), "bert-large": (24, 1024), "bert-6b": (48, 3200)}
_VECTOR_FLOPS_PER_MULTIPROCESSOR = 0.65e12
"""FLOPs of a model whose unfused part keeps one multiprocessor busy for a second: scales the vector term to about 1."""


class StepModel(Record):
    """Forward work of one item: FLOPs, bytes of activations, parameters; ``depth`` kernels a pass; what one item is."""

    name: str
    pattern: str
    family: str
    params: float
    forward_flops: float
    activation_bytes: float
    depth: float
    reference_items: float
    source: str


class StepWork(Record):
    """Work of one step on one group of devices: FLOPs, bytes moved, kernels, bytes between devices, items finished."""

    name: str
    flops: float
    moved_bytes: float
    depth: float
    reduced_bytes: float = 0.0
    exchanged_bytes: float = 0.0
    items: float
    ranks: int = 1
    model_flops: float = 1.0


@functools.cache
def step_models() -> tuple[StepModel, ...]:
    """The known models, in the order in which their patterns are tried."""
    with files("aigc_bench.predict").joinpath("data/step_models.csv").open(encoding="utf-8") as file:
        return tuple(StepModel.model_validate(row) for row in csv.DictReader(file))


def resolve_step_model(query: PublishedQuery) -> StepModel | None:
    """The model a row means, by its family and name."""
    # Both spellings, since a bare name drops what tells some variants apart.
    names = f"{bare_name(query.model)} {query.model.lower()}"
    if query.family == "bert" and query.words.get("size") == "base":
        names = "bert-base"
    return next((row for row in step_models() if row.family == query.family and re.search(row.pattern, names)), None)


def step_row(query: PublishedQuery, spec: AcceleratorSpec) -> ModelRow:
    """The question's columns and groups; raises ``NotPredictable`` with the reason."""
    _refuse(query, spec)
    is_energy, is_language = _is_energy(query), query.family in LANGUAGE_FAMILIES
    engine = resolve_engine(query.software)
    family = _calibrated_family(query, engine)
    if family not in FAMILIES:
        raise NotPredictable(message("family {family!r} is not calibrated", family=query.family))
    numbers = _number_format(query, spec)
    per_device = _batch_per_device(query, family=family, engine=engine)
    kind = "rate" if query.metric in RATES else "energy" if is_energy else "time"
    work = (_language_work if is_language else _model_work)(query, numbers, per_device)
    return ModelRow(
        form="step",
        track=f"{query.family}.{'train' if query.is_training else 'infer'}.{kind}",
        shapes_constants=not is_energy,
        columns=_columns(query, spec, family=family, engine=engine, numbers=numbers, work=work),
        groups=_groups(query, spec, family=family, engine=engine, numbers=numbers, work=work, per_device=per_device),
        is_rate=query.metric in RATES,
        sign=-1.0 if query.metric in RATES else 1.0,
        # Joules an item = TDP x ranks x seconds / items; seconds are the quantity.
        offset=math.log(work.items / (spec.tdp_w * work.ranks))
        if is_energy and spec.tdp_w
        else _offset(query, work=work, per_device=per_device, is_language=is_language, peak_16_bit=spec.peak("bf16") or 1e12),
        accelerator=spec.id,
        caution=() if query.batch is not None or query.metric.endswith("bs1") else ("batch_assumed",),
    )


def _is_energy(query: PublishedQuery) -> bool:
    return query.metric == "energy" and query.family == "diffusion-image"


def _refuse(query: PublishedQuery, spec: AcceleratorSpec) -> None:
    """Raise ``NotPredictable`` for a metric or a family that the model of a step does not know."""
    if query.family == "seq2seq-rnn" and not query.is_training:
        raise NotPredictable(message("recurrent decoding is not modelled"))
    if _is_energy(query) and spec.tdp_w is None:
        raise NotPredictable(message("no TDP is known of the accelerator"))
    if query.metric not in RATES | TIMES and not _is_energy(query):
        raise NotPredictable(
            message(
                "metric {metric} is not modelled for {family}", metric=query.metric, family=query.family or message("this family")
            )
        )
    if query.metric in ("mfu", "model_tflops_per_gpu") and query.family not in LANGUAGE_FAMILIES:
        raise NotPredictable(message("metric {metric} is modelled for the training of language models only", metric=query.metric))


def _calibrated_family(query: PublishedQuery, engine: Engine) -> str:
    """The family whose efficiencies speak for the row.

    A denoiser under a framework runs its attention in kernels written for an older architecture: it gains from more and faster
    multiprocessors, hardly from a higher peak. An inference compiler has kernels for the device.
    """
    if query.family == "bert" and query.is_training:
        return "bert-train"
    if query.family == "diffusion-image" and not query.is_training and engine.name not in _OPTIMISED:
        return "diffusion-eager"
    return "llm-train-eager" if query.family == "llm-train" and engine.name not in _OPTIMISED else query.family


def _number_format(query: PublishedQuery, spec: AcceleratorSpec) -> NumberFormat:
    """The stated format; single precision runs as TF32 where the device has it."""
    found = resolve_format(query.precision) or number_format("bf16")
    # NVIDIA's containers run fp32 models as TF32 from Ampere on, and published rows do not tell the two apart.
    return number_format("tf32") if found.name == "fp32" and spec.peak("tf32") else found


def _batch_per_device(query: PublishedQuery, *, family: str, engine: Engine) -> float:
    """Items per device and step; some sources state them for all devices together."""
    if query.family in LANGUAGE_FAMILIES:
        # Trainers of language models state the global batch; without one it is one sequence a device.
        return (query.batch or query.gpu_count) / query.gpu_count
    if query.batch is None:
        return 1.0 if query.metric.endswith("bs1") or query.metric == "latency_p99" else _DEFAULT_BATCH[family]
    # NVIDIA's tables of training state the batch of all devices together.
    is_global = engine.name in ("pytorch-ngc-v1", "pytorch-ngc-v2") or ("NVIDIA" in (query.software or "") and query.is_training)
    return max(1.0, query.batch / query.gpu_count) if is_global else query.batch


def _language_work(query: PublishedQuery, numbers: NumberFormat, per_device: float) -> StepWork:
    """Training of a decoder: three times the forward work, four with recomputation, two where only adapters learn."""
    model = query.language or resolve_language_model(query.model)
    if model is None:
        raise NotPredictable(message("model {model!r} is not known", model=query.model))
    is_adapter = "lora" in query.model.lower()
    length = query.input_len or (8192.0 if query.family == "llm-finetune" else 2048.0)
    # Forward 1, gradients of activations 1, of weights 1; adapters spare the last. Recomputation adds a forward: 8 for 6 FLOPs.
    passes = (2.0 if is_adapter else 3.0) * (8 / 6 if query.words.get("activation_ckpt") == "True" else 1.0)
    tensor, devices = query.layout.get("tp", 1.0), query.gpu_count
    tokens = per_device * length
    # Four all-reduces a layer (two forward, two backward) of 2-byte activations, each moving 2 (n - 1) / n of them.
    exchanged = 4 * model.num_layers * 2 * tokens * model.hidden_size * 2 * (tensor - 1) / tensor if tensor > 1 else 0.0
    if model.num_experts and query.layout.get("ep", 0.0) > 1:
        # Four all-to-alls a layer: to the experts and back, forward and backward; every token goes to each of its experts.
        exchanged += 4 * model.num_layers * tokens * model.hidden_size * 2 * model.experts_per_token
    return StepWork(
        name="lora" if is_adapter else model.name,
        # By convention without recomputation: MFU counts useful FLOPs only, ``flops`` below what is executed.
        model_flops=(6 * model.active_params * length + 3 * model.prompt_attention_flops(length)) * per_device,
        flops=(2 * model.active_params * length + model.prompt_attention_flops(length)) * passes * per_device,
        # 34 bytes of activations a token, layer and width (Korthikanti et al. 2022); 18 a parameter: weight, gradient, Adam.
        moved_bytes=34 * model.num_layers * model.hidden_size * tokens * passes + 18 * model.total_params / devices,
        depth=12 * model.num_layers * passes,
        # As fully sharded data parallelism: weights gathered twice, gradients scattered once, two bytes each.
        reduced_bytes=6 * model.total_params * (devices - 1) / devices,
        exchanged_bytes=exchanged,
        items=per_device,
    )


def _model_work(query: PublishedQuery, numbers: NumberFormat, per_device: float) -> StepWork:
    """A table's work per item times the items, three times that in training; a denoiser's once per step and guidance branch."""
    model = resolve_step_model(query)
    if model is None:
        raise NotPredictable(message("model {model!r} is not known in family {family}", model=query.model, family=query.family))
    flops, activation, calls = _item_work(query, model)
    # xDiT divides one image over the devices; everybody else gives each device images of its own.
    is_split = query.family == "diffusion-image" and resolve_engine(query.software).name == "xdit"
    ranks = query.gpu_count if is_split else 1
    # Rows of these families count sequences, the table's work is of one token.
    items = per_device * (model.reference_items if query.family in ("llm-small", "seq2seq-rnn") else 1.0)
    passes = 3.0 if query.is_training else 1.0
    # The table's bytes are of 16-bit activations; under 8-bit formats only products read 8 bits, the rest stays wide.
    width_factor = 0.6 if numbers.name in ("int8", "fp8") else numbers.activation_bytes / 2
    param_bytes = 22.0 if query.is_training else (2.0 if numbers.name == "amp" else numbers.weight_bytes) * calls
    devices = query.gpu_count
    reduces = query.is_training and devices > 1
    return StepWork(
        name=model.name,
        flops=flops * passes * items / ranks,
        moved_bytes=activation * passes * width_factor * items / ranks + model.params * param_bytes,
        depth=model.depth * passes * calls,
        # A ring's all-reduce of the gradients.
        reduced_bytes=2 * model.params * numbers.activation_bytes * (devices - 1) / devices if reduces else 0.0,
        exchanged_bytes=0.1 * activation * items / ranks if ranks > 1 else 0.0,
        items=items,
        ranks=ranks,
    )


def _item_work(query: PublishedQuery, model: StepModel) -> tuple[float, float, float]:
    """Return FLOPs and bytes of activations of one item at its own length or size, and the calls of the network that it takes."""
    flops, activation = model.forward_flops, model.activation_bytes
    if query.family == "bert":
        # The table is linear in the length; attention adds its square: two products of two FLOPs, and the scores.
        length = query.input_len or model.reference_items
        layers, width = _BERT_SHAPES[model.name]
        return flops * length + 4 * layers * length**2 * width, activation * length + layers * (width / 64) * length**2 * 10, 1.0
    if query.family != "diffusion-image":
        return flops, activation, 1.0
    scale = (resolution_pixels(query.resolution) or model.reference_items) / model.reference_items
    one_call = query.is_training or query.metric == "denoise_iterations"
    calls = 1.0 if one_call else query.steps or 1.0
    # Distilled models run without guidance; all others twice a step, with the prompt and without it.
    branches = 1.0 if model.name in ("flux", "sdxl-turbo") or query.is_training else 2.0
    # Work grows with the pixels; attention over them makes larger images cost more than in proportion.
    return flops * scale * max(1.0, scale) ** 0.15 * calls * branches, activation * scale * calls * branches, calls


def _offset(query: PublishedQuery, *, work: StepWork, per_device: float, is_language: bool, peak_16_bit: float) -> float:
    """Joins the metric to the seconds of a step: items of all devices over the rate; an epoch's items are part of its effect."""
    if query.metric == "denoise_iterations" or query.metric in TIMES - {"time_per_epoch", "time_to_train"}:
        return 0.0
    if query.metric in ("time_per_epoch", "time_to_train"):
        scale = query.gpu_count if query.family == "llm-train" else query.gpu_count * work.items
        # An epoch's number of items is constant for a model and ends up in its effect; 1e6 only centres the logarithms.
        return math.log(scale / 1e6)
    if query.metric in ("mfu", "model_tflops_per_gpu"):
        return math.log(work.model_flops / (1e12 if query.metric != "mfu" else peak_16_bit))
    groups = 1 if "/GPU" in query.unit or "/chip" in query.unit or work.ranks > 1 else query.gpu_count
    items = work.items * groups
    if query.family in ("llm-small", "seq2seq-rnn") and query.unit.startswith("sequences"):
        items = per_device * groups
    if is_language and "tokens" in query.unit:
        # The same lengths as in ``_language_work``, or tokens and FLOPs would not belong together.
        items *= query.input_len or (8192.0 if query.family == "llm-finetune" else 2048.0)
    return math.log(items)


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
    return {
        "compute": work.flops / peak,
        "memory": work.moved_bytes / spec.memory_bandwidth_bytes_per_s,
        "vector": work.flops / (multiprocessors * clock * _VECTOR_FLOPS_PER_MULTIPROCESSOR),
        "depth": work.depth,
        "reduced": work.reduced_bytes / link,
        "exchanged": work.exchanged_bytes / link,
        "power_share": min(1.0, limit / spec.tdp_w) if limit and spec.tdp_w else 1.0,
        "bandwidth": spec.memory_bandwidth_bytes_per_s,
        "family": float(FAMILIES.index(family)),
        "engine": float(ENGINES.index(engine.name) if engine.name in ENGINES else len(ENGINES) - 1),
    }


def _link_within_server(spec: AcceleratorSpec, *, devices: int) -> str:
    """The link among the devices of one server, of all sorts of PCIe alike: training overlaps what crosses servers."""
    link = links.link_class(spec, devices=min(devices, links.domain_devices(spec)))
    return link if link != "staged" else "pcie" if devices <= links.CARDS_PER_SOCKET else "pcie_wide"


def _clock(spec: AcceleratorSpec, multiprocessors: float) -> float:
    """The clock over 1.7 GHz, from the vector peak: 128 lanes of two FLOPs a cycle; 64 on Pascal, Volta, Turing and GA100."""
    peak = spec.peak("fp32")
    lanes = 64 if spec.compute_capability in ("6.0", "7.0", "7.5", "8.0", "gfx908", "gfx90a") else 128
    return peak / (multiprocessors * 2 * lanes * 1.7e9) if peak and spec.vendor in ("NVIDIA", "AMD") else 1.0


def _groups(
    query: PublishedQuery,
    spec: AcceleratorSpec,
    *,
    family: str,
    engine: Engine,
    numbers: NumberFormat,
    work: StepWork,
    per_device: float,
) -> dict[str, str]:
    """Level -> group; the levels' spreads are in ``calibration.SPREADS``."""
    kind = "rate" if query.metric in RATES else query.metric
    side = "train" if query.is_training else "infer"
    own = query.unit if query.metric == "throughput" else query.metric
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
        "arch_format": f"{family}|{spec.arch}|{numbers.name}",
        "arch": f"{family}|{spec.arch}",
        "arch_style": f"{spec.arch}|{numbers.name}|{style}",
        "work_devices": f"{model}|{engine.name}|{devices}|{layout}",
        "link": f"{family}|{_link_within_server(spec, devices=query.gpu_count)}|{devices}",
        "work_load": f"{model}|{engine.name}|{load}",
        "step_cell": f"{model}|{engine.name}|{numbers.name}|{load}|{shape}",
        "form": f"{family}|{'pcie' if 'PCIe' in (spec.form_factor or '') else 'module'}",
        "step_device": f"{family}|{spec.id}",
    }
