"""From the names that published tables print to what the model knows: models, engines, number formats.

Hugging Face, MLPerf and NVIDIA spell the same model five ways. A name is cut down to its bare words, then looked up among the
known names and, in order, among the patterns of ``data/model_aliases.csv``.
"""

from __future__ import annotations

import csv
import functools
import re
from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType

from aigc_bench.core.messages import message
from aigc_bench.core.records import Record
from aigc_bench.predict.published.language_models import LanguageModel

_NOISE = re.compile(r"\(.*?\)|\b(dgx|mlperf|tokendrop|dropless)\b", re.IGNORECASE)
_BILLIONS = re.compile(r"(\d+(?:\.\d+)?)\s*b\b", re.IGNORECASE)
_TYPICAL = "typical-"
_ACTIVE = re.compile(r"\ba(\d+(?:\.\d+)?)b\b", re.IGNORECASE)


class Engine(Record):
    """What executes the model: its bare name, ``major.minor`` where a version was given, and the whole ``release``."""

    name: str
    version: str = ""
    release: str = ""


class NumberFormat(Record):
    """How a model's numbers are kept and multiplied.

    ``compute`` names the peaks to look for, best first: a device without the first multiplies in the next.
    """

    name: str
    compute: tuple[str, ...]
    weight_bytes: float
    activation_bytes: float = 2.0
    is_recalled: bool = False


_FORMATS: Mapping[str, NumberFormat] = MappingProxyType(
    {
        row.name: row
        for row in (
            # NVFP4: weights in four bits and a scale of eight for every sixteen: 4.5 bits. Parts without its units widen the
            # weights to sixteen bits in the kernel (vLLM's and SGLang's Marlin).
            NumberFormat(name="fp4", compute=("fp4", "bf16", "fp16"), weight_bytes=0.5625),
            # OCP's MX: a scale of eight bits for every thirty-two, 4.25 bits.
            NumberFormat(name="mxfp4", compute=("fp8", "bf16", "fp16"), weight_bytes=0.53125),
            NumberFormat(name="int4", compute=("bf16", "fp16", "fp32"), weight_bytes=0.56),
            NumberFormat(name="fp8", compute=("fp8", "bf16", "fp16"), weight_bytes=1.0),
            NumberFormat(name="int8", compute=("int8", "fp8", "bf16", "fp16", "fp32"), weight_bytes=1.0),
            NumberFormat(name="fp16", compute=("fp16", "bf16", "fp32"), weight_bytes=2.0),
            NumberFormat(name="bf16", compute=("bf16", "fp16", "fp32"), weight_bytes=2.0),
            # Mixed precision keeps fp32 master weights and multiplies in sixteen bits.
            NumberFormat(name="amp", compute=("fp16", "bf16", "fp32"), weight_bytes=4.0),
            NumberFormat(name="tf32", compute=("tf32", "fp32"), weight_bytes=4.0, activation_bytes=4.0),
            NumberFormat(name="fp32", compute=("fp32",), weight_bytes=4.0, activation_bytes=4.0),
        )
    }
)

# In order, the first that is found: mxfp4 before fp4, tf32 before fp32, "amp-bf16" before amp.
_FORMAT_PATTERNS: tuple[tuple[str, str], ...] = (
    (r"mxfp4", "mxfp4"),
    (r"nvfp4|\bfp4|float4", "fp4"),
    (r"q4|int4|uint4|w4a16|awq|gptq", "int4"),
    (r"mxfp8|fp8|float8|e4m3", "fp8"),
    (r"int8|w8a8|q8", "int8"),
    (r"fp32/tf32|tf32", "tf32"),
    (r"amp[-_]?bf16|bf16/fp32", "bf16"),
    (r"amp|mixed", "amp"),
    (r"bf16|bfloat16", "bf16"),
    (r"fp16|f16|float16|half", "fp16"),
    (r"fp32|float32|f32", "fp32"),
)

# In order: names of an engine come before the libraries that it is built on (torch, TensorRT).
_ENGINE_PATTERNS: tuple[tuple[str, str], ...] = (
    (r"trt-?llm|tensorrt[- ]?llm", "tensorrt-llm"),
    (r"sglang", "sglang"),
    (r"deepspeed on dgx", "vllm-research"),
    (r"vllm/tgi", "vllm-tgi"),
    (r"vllm", "vllm"),
    (r"\btgi\b|text-generation-inference", "tgi"),
    (r"llama\.?cpp", "llama.cpp"),
    (r"fastchat|transformers", "transformers"),
    (r"megatron-bridge", "megatron-bridge"),
    (r"nemo framework|nvidia nemo|nemo,|nemo ", "nemo"),
    (r"megatron", "megatron-lm"),
    (r"torchtitan", "torchtitan"),
    (r"llm-foundry|composer", "llm-foundry"),
    (r"maxtext", "maxtext"),
    (r"gpt-fast", "torch-compile"),
    (r"lambda .*v0", "pytorch-ngc-v0"),
    (r"lambda .*v2", "pytorch-ngc-v2"),
    (r"lambda", "pytorch-ngc-v1"),
    (r"onnxrun|onnx", "onnxruntime"),
    (r"fastertransformer|/(eff-)?ft\b|/(eff-)?ft-", "fastertransformer"),
    (r"torchscript", "torchscript"),
    (r"tensorflow/tf", "tensorflow"),
    (r"tensorrt|jetpack|jetson cuda|^trt", "tensorrt"),
    (r"tensorflow ?2", "tensorflow2"),
    (r"tensorflow", "tensorflow"),
    (r"tome \+ xformers", "diffusers-tome-xformers"),
    (r"tome", "diffusers-tome"),
    (r"diffusers.*no compile|diffusers", "diffusers"),
    (r"stable-fast", "stable-fast"),
    (r"torch\.compile|torch-compile", "torch-compile"),
    (r"torch-eager|pytorch|torch", "torch-eager"),
)


# A search asks for the same few words once a candidate.
@functools.lru_cache(maxsize=256)
def resolve_format(text: str | None) -> NumberFormat | None:
    """The number format of a published ``precision``; ``None`` where it is missing or unknown."""
    if not text:
        return None
    plain = text.lower()
    found = next((name for pattern, name in _FORMAT_PATTERNS if re.search(pattern, plain)), None)
    return None if found is None else _FORMATS[found].model_copy(update={"is_recalled": "recalled" in plain})


def number_format(name: str) -> NumberFormat:
    """A format by its own name."""
    return _FORMATS[name]


def format_names() -> tuple[str, ...]:
    """The number formats that are known."""
    return tuple(_FORMATS)


def resolve_engine(text: str | None) -> Engine:
    """The engine of a published ``software``; ``other`` where the text names none that we know."""
    plain = (text or "").lower().strip()
    if not plain:
        return Engine(name="unknown")
    if "xdit" in plain:
        return Engine(name="xdit", version="ml.energy" if "ml.energy" in plain else "")
    if ("diffusers" in plain and "nightly - compile" in plain) or "2.0 - compile" in plain:
        return Engine(name="torch-compile")
    name = next((name for pattern, name in _ENGINE_PATTERNS if re.search(pattern, plain)), "other")
    # "v3" of the benchmark's name is no version of the engine.
    version = re.search(r"(\d+\.\d+)(\.\d+)?(rc\d+|\.post\d+)*", plain.replace("ml.energy benchmark v3", "mle"))
    return Engine(name=name, version=version[1] if version else "", release=version[0] if version else "")


def bare_name(text: str) -> str:
    """A model's name in lower case, without organisation and parentheses: ``meta-llama/Llama-3.1-8B`` is ``llama-3.1-8b``."""
    plain = _NOISE.sub(" ", text.rsplit("/", maxsplit=1)[-1]).strip().lower()
    return re.sub(r"-+", "-", re.sub(r"[\s_]+", "-", plain)).strip("-")


@functools.cache
def language_models() -> Mapping[str, LanguageModel]:
    """The known language models by name, from ``data/language_models.csv``."""
    with files("aigc_bench.predict").joinpath("data/language_models.csv").open(encoding="utf-8") as file:
        # An empty cell is left out, so that the record's default holds.
        rows = [{key: value for key, value in row.items() if value != ""} for row in csv.DictReader(file)]
    return MappingProxyType({row["name"]: LanguageModel.model_validate(row) for row in rows})


@functools.cache
def _patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    with files("aigc_bench.predict").joinpath("data/model_aliases.csv").open(encoding="utf-8") as file:
        return tuple((re.compile(row["pattern"]), row["name"]) for row in csv.DictReader(file))


@functools.cache
def resolve_language_model(text: str) -> LanguageModel | None:
    """The language model that a published table means, ``None`` where the name is ambiguous.

    A name that is not known but says its size (``Foo-13B``, ``Bar-30B-A3B``) becomes a typical decoder of that size,
    with ``source`` stating it.
    """
    name, known = bare_name(text), language_models()
    if name in known:
        return known[name]
    found = next((target for pattern, target in _patterns() if pattern.search(name)), None)
    if found is not None:
        return known[found]
    size = _BILLIONS.search(name)
    active = _ACTIVE.search(name)
    # "A3B" alone matches both patterns: the active size without the whole one.
    if size is None or (active is not None and active.group(1) == size.group(1)):
        return None
    return typical_language_model(float(size.group(1)) * 1e9, active_params=float(active.group(1)) * 1e9 if active else None)


def is_typical(model: LanguageModel) -> bool:
    """Return whether a model is a typical one of its size instead of a known one."""
    return model.name.startswith(_TYPICAL)


def typical_language_model(total_params: float, *, active_params: float | None = None) -> LanguageModel:
    """A decoder of that many parameters with the proportions of its time: 128 per head, 8 key-value heads, FFN 3.5 h, gated."""
    body = active_params or total_params
    # body = 12.8 layers hidden^2, with layers = 0.0079 hidden: a cubic root. Rounded to whole heads of 128.
    hidden = max(512, round((body / 12.8 / 0.0079) ** (1 / 3) / 128) * 128)
    num_layers = max(8, round(body / (12.8 * hidden**2)))
    heads = max(4, hidden // 128)
    return LanguageModel(
        name=f"{_TYPICAL}{total_params / 1e9:g}b",
        num_layers=num_layers,
        hidden_size=hidden,
        ffn_size=round(3.5 * hidden),
        num_heads=heads,
        num_kv_heads=min(8, heads),
        head_dim=128,
        vocab_size=128_000,
        num_experts=64 if active_params else 0,
        experts_per_token=4 if active_params else 0,
        total_params_override=total_params,
        active_params_override=body,
        source=message("assumed: typical proportions for the size in the name"),
    )
