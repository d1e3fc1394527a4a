"""In what numbers a checkpoint holds its weights, read from ``quantization_config`` or ModelOpt's ``hf_quant_config.json``.

One record whatever the tool that made it: the format of the weights with the bits that a weight takes (scales and zero points
included), the format that products are computed in, and that of the key-value cache where the file decides it. Formats have the
names of ``--precision``: fp8, fp4 (NVIDIA's, a scale for 16), mxfp4 (a scale for 32), int8, int4.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from aigc_bench.core.document import read_json, shown
from aigc_bench.core.errors import UsageError
from aigc_bench.core.failed_download import refuse_failed_download
from aigc_bench.core.messages import message
from aigc_bench.core.module_bits import ModuleBits, module_bits
from aigc_bench.core.record import Record

KEY = "quantization_config"
MODELOPT_FILE = "hf_quant_config.json"
_CACHES: Mapping[str, str] = MappingProxyType({"fp8": "fp8", "fp4": "fp4", "nvfp4": "fp4", "int8": "int8"})
_SIXTEEN = ("none", "auto", "bf16", "fp16", "bfloat16", "float16")


class Quantization(Record):
    """``method`` is the tool's own name, ``place`` where it is written; ``kv_cache`` is ``None`` where the engine decides.

    ``modules`` has the bits by module; ``None`` where ``weight_bits`` are the mean over all tensors, tables too (GGUF).
    """

    method: str
    weights: str
    weight_bits: float
    activations: str
    kv_cache: str | None = None
    place: str
    modules: ModuleBits | None = None

    @property
    def precision(self) -> str:
        """The ``--precision`` that serves it: engines name the format of the weights."""
        return self.weights

    @property
    def words(self) -> str:
        """``fp8 weights (8 bits), fp8 activations, fp8 KV cache (quantization_config: modelopt)``."""
        cache = "" if self.kv_cache is None else message(", {format} KV cache", format=self.kv_cache)
        unread = 0 if self.modules is None else self.modules.num_unread
        others = message(", {count} of its module patterns not read", count=unread) if unread else ""
        return message(
            "{weights} weights ({bits:.3g} bits), {activations} activations{cache} ({place}: {method}{others})",
            others=others,
            weights=self.weights,
            bits=self.weight_bits,
            activations=self.activations,
            cache=cache,
            place=self.place,
            method=self.method,
        )


def quantization_of(config: Mapping[str, Any], *, file: Path) -> Quantization | None:
    """Return what a configuration (and ModelOpt's file next to it) says; raises ``UsageError`` for a format that is not known.

    ``config`` is that of the model, or of a multimodal one, whose text part may hold the key.
    """
    text = config.get("text_config")
    table = config.get(KEY) or (text.get(KEY) if isinstance(text, Mapping) else None)
    written = None if not table else _of_table(table, place=KEY, file=file)
    modelopt = file.parent / MODELOPT_FILE
    if written is not None or not modelopt.is_file():
        return written
    refuse_failed_download(modelopt)
    held = read_json(modelopt)
    table = held.get("quantization") if isinstance(held, dict) else None
    if not isinstance(table, dict):
        raise UsageError(message("{file}: the table quantization is missing.", file=modelopt), _AS_PUBLISHED)
    # A checkpoint that ModelOpt left as it was.
    if table.get("quant_algo") is None:
        return None
    return _of_table({"quant_method": "modelopt", **table}, place=MODELOPT_FILE, file=modelopt)


_AS_PUBLISHED = message("Is it the file as it was published?")


def _of_table(table: Any, *, place: str, file: Path) -> Quantization:
    if not isinstance(table, Mapping):
        raise UsageError(
            message("{file}: {place} = {value}: must be a table.", file=file, place=place, value=shown(table)), _AS_PUBLISHED
        )
    method = _method(table)
    reader = _READERS.get(method)
    found = None if reader is None else reader(table)
    if found is None:
        raise UsageError(
            message(
                "{file}: {place}: {method} is no format of weights that is computed with.",
                file=file,
                place=place,
                method=shown(table.get("quant_algo") or table.get("quant_method") or method),
            ),
            message("Known: {known}. The same model without quantisation is.", known=", ".join(sorted(_READERS))),
        )
    weights, bits, activations = found
    modules = module_bits({**table, "quant_method": method}, packed=bits, formats=_bits_of_layer)
    return Quantization(
        method=method,
        weights=weights,
        weight_bits=bits,
        activations=activations,
        kv_cache=_cache(table),
        place=place,
        modules=modules,
    )


def _bits_of_layer(table: Any) -> float | None:
    """The bits of one layer's or one group's own table, ``None`` where it says none."""
    if not isinstance(table, Mapping):
        return None
    algorithm = _ALGORITHMS.get(str(table.get("quant_algo")).upper())
    found = algorithm or _compressed({"config_groups": {"one": table}})
    return None if found is None else found[1]


def _method(table: Mapping[str, Any]) -> str:
    written = str(table.get("quant_method") or "").lower().replace("_", "-")[:40]
    # Checkpoints of bitsandbytes before 2024 name no method.
    if not written and any("load_in_" in str(key) for key in table):
        return "bitsandbytes"
    return "modelopt" if written in ("modelopt-fp4", "nvfp4", "modelopt-mixed") else written


_Found = tuple[str, float, str]
"""Format of the weights, bits of one with its scales, format of the activations."""


def _whole(table: Mapping[str, Any], *keys: str, default: int) -> int:
    """The first of the keys that is a whole number within what packed formats have."""
    for key in keys:
        value = table.get(key)
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= 65536:
            return value
    return default


def _integers(bits: int, *, group: int, activations: str = "bf16", has_zeros: bool = True) -> _Found | None:
    """Packed integers: a 16-bit scale, and a zero point of as many bits, for each group of weights."""
    if bits not in (2, 3, 4, 5, 6, 8):
        return None
    scales = (16 + (bits if has_zeros else 0)) / group if group > 0 else 0.0
    # Formats below five bits are multiplied like four: unpacked to 16 bits in the kernel.
    return ("int4" if bits <= 5 else "int8"), bits + scales, activations


def _grouped(table: Mapping[str, Any]) -> _Found | None:
    """AWQ, GPTQ, AutoRound: integers in groups, 128 by default."""
    is_symmetric = table.get("sym") is True
    return _integers(
        _whole(table, "bits", "w_bit", default=4), group=_whole(table, "group_size", "q_group_size", default=128),
        has_zeros=not is_symmetric,
    )  # fmt: skip


def _blocks(table: Mapping[str, Any]) -> _Found:
    """fp8 with a scale of four bytes for each block (DeepSeek: 128 x 128), or one for a matrix."""
    block = table.get("weight_block_size")
    sizes = [one for one in block if isinstance(one, int) and one > 0] if isinstance(block, list) else []
    scales = 32 / (sizes[0] * sizes[1]) if len(sizes) == 2 else 0.0
    return "fp8", 8 + scales, "fp8"


def _bitsandbytes(table: Mapping[str, Any]) -> _Found:
    if table.get("load_in_8bit") or table.get("_load_in_8bit"):
        # LLM.int8(): rows of both are int8, outliers in 16 bits (Dettmers et al. 2022, arXiv 2208.07339).
        return "int8", 8.0, "int8"
    # One fp32 scale for 64 weights; quantised again, eight bits and a second scale (Dettmers et al. 2023, arXiv 2305.14314).
    return "int4", 4 + (0.127 if table.get("bnb_4bit_use_double_quant") else 0.5), "bf16"


def _compressed(table: Mapping[str, Any]) -> _Found | None:
    """compressed-tensors: groups of layers, each with its weights' and its inputs' format; the first that has weights."""
    groups = table.get("config_groups")
    parts = groups.values() if isinstance(groups, Mapping) else ()
    part = next((part for part in parts if isinstance(part, Mapping) and isinstance(part.get("weights"), Mapping)), None)
    if part is None:
        return None
    weights, inputs = part["weights"], part.get("input_activations")
    bits, is_float = _scheme(weights)
    activations, group = _activations(inputs), _whole(weights, "group_size", default=0)
    if is_float and bits == 8:
        return "fp8", 8 + (16 / group if group else 0.0), activations
    if is_float and bits == 4:
        # 16 share an e4m3 scale in NVIDIA's format, 32 an e8m0 one in the OCP's: eight bits each.
        return ("mxfp4" if group == 32 else "fp4"), 4 + 8 / (group or 16), activations
    return None if is_float else _integers(bits, group=group, activations=activations, has_zeros=weights.get("symmetric") is False)


def _scheme(table: Mapping[str, Any]) -> tuple[int, bool]:
    """Bits of a scheme of compressed-tensors, and whether they are of a floating-point format."""
    return _whole(table, "num_bits", default=8), str(table.get("type", "int")).startswith("float")


def _activations(inputs: Any) -> str:
    """The format of the inputs of products: 16 bits where no scheme of fewer is stated."""
    bits, is_float = _scheme(inputs) if isinstance(inputs, Mapping) and inputs else (16, True)
    return "bf16" if bits > 8 else f"{'fp' if is_float else 'int'}{bits}"


_ALGORITHMS: Mapping[str, _Found] = MappingProxyType(
    {
        "FP8": ("fp8", 8.0, "fp8"),
        "FP8_PER_CHANNEL_PER_TOKEN": ("fp8", 8.0, "fp8"),
        "FP8_PB_WO": ("fp8", 8 + 32 / 128**2, "bf16"),
        "NVFP4": ("fp4", 4.5, "fp4"),
        "NVFP4_AWQ": ("fp4", 4.5, "fp4"),
        "NVFP4_SVDQUANT": ("fp4", 4.5, "fp4"),
        "W4A16_NVFP4": ("fp4", 4.5, "bf16"),
        "W4A8_NVFP4_FP8": ("fp4", 4.5, "fp8"),
        "W4A8_MXFP4_FP8": ("mxfp4", 4.25, "fp8"),
        "MXFP4": ("mxfp4", 4.25, "mxfp4"),
        "W4A16_AWQ": ("int4", 4 + 16 / 128, "bf16"),
        "W4A8_AWQ": ("int4", 4 + 16 / 128, "fp8"),
        "W8A16": ("int8", 8.0, "bf16"),
        "INT8_SQ": ("int8", 8.0, "int8"),
        "W8A8_SQ_PER_CHANNEL": ("int8", 8.0, "int8"),
        "MXFP8": ("fp8", 8.25, "fp8"),
    }
)
"""ModelOpt's names (TensorRT-Model-Optimizer, modelopt/torch/export); W and A are the bits of weights and activations."""


def _modelopt(table: Mapping[str, Any]) -> _Found | None:
    algorithm = str(table.get("quant_algo") or "").upper()
    if algorithm in _ALGORITHMS:
        return _ALGORITHMS[algorithm]
    if algorithm in ("", "MIXED_PRECISION"):
        return _compressed(table) or _mixed(table.get("quantized_layers"))
    return None


def _mixed(layers: Any) -> _Found | None:
    """Formats layer by layer: the one that most layers have."""
    tables = [layer for layer in layers.values() if isinstance(layer, Mapping)] if isinstance(layers, Mapping) else []
    names = [str(layer.get("quant_algo")).upper() for layer in tables]
    most = max(names, key=names.count, default="")
    return _ALGORITHMS.get(most)


def _torchao(table: Mapping[str, Any]) -> _Found | None:
    """torchao names a format in words, ``int4_weight_only``, or by the class of its settings, ``Int4WeightOnlyConfig``."""
    kind = table.get("quant_type")
    inner = kind.get("default") if isinstance(kind, Mapping) else kind
    name = str(inner.get("_type", "") if isinstance(inner, Mapping) else inner).lower().replace("_", "")
    is_only_weights = "weightonly" in name and "activation" not in name
    if "float8" in name:
        return "fp8", 8.0, "bf16" if is_only_weights else "fp8"
    if "int8" in name and "int4" not in name:
        return "int8", 8.0, "bf16" if is_only_weights else "int8"
    if "int4" in name:
        return "int4", 4 + 32 / 128, "int8" if "int8" in name else "bf16"
    return None


def _named(table: Mapping[str, Any]) -> _Found | None:
    """Quanto and Quark: a text such as ``int4``, ``float8`` or ``fp8_e4m3`` for weights and for activations."""
    whole = table.get("global_quant_config")
    of = whole if isinstance(whole, Mapping) else table
    weights, inputs = (_one_named(of.get(key)) for key in ("weights" if whole is None else "weight", "activations"))
    if weights is None:
        return None
    inputs = inputs or _one_named(of.get("input_tensors"))
    bits = {"fp8": 8.0, "int8": 8.0, "int4": 4 + 16 / 128, "mxfp4": 4.25}
    return weights, bits[weights], inputs or "bf16"


def _one_named(value: Any) -> str | None:
    text = str(value.get("dtype") if isinstance(value, Mapping) else value).lower()
    patterns = ((r"float8|fp8|e4m3", "fp8"), (r"fp4|e2m1", "mxfp4"), (r"int4", "int4"), (r"int8", "int8"))
    return next((name for pattern, name in patterns if re.search(pattern, text)), None)


def _hqq(table: Mapping[str, Any]) -> _Found | None:
    inner = table.get("quant_config")
    weights = inner.get("weight_quant_params") if isinstance(inner, Mapping) else None
    given: Mapping[str, Any] = weights if isinstance(weights, Mapping) else table
    return _integers(_whole(given, "nbits", default=4), group=_whole(given, "group_size", default=64))


def _eight_bits(table: Mapping[str, Any]) -> _Found:
    return "int8", 8.0, "bf16"


_READERS: Mapping[str, Callable[[Mapping[str, Any]], _Found | None]] = MappingProxyType(
    {
        "auto-round": _grouped,
        "intel/auto-round": _grouped,
        "awq": _grouped,
        "gptq": _grouped,
        "fp8": _blocks,
        "fbgemm-fp8": lambda table: ("fp8", 8.0, "fp8"),
        "finegrained-fp8": _blocks,
        "mxfp4": lambda table: ("mxfp4", 4.25, "bf16"),
        "bitsandbytes": _bitsandbytes,
        "compressed-tensors": _compressed,
        "modelopt": _modelopt,
        "torchao": _torchao,
        "quanto": _named,
        "quark": _named,
        "hqq": _hqq,
        "eetq": _eight_bits,
    }
)


def _cache(table: Mapping[str, Any]) -> str | None:
    """The format of the key-value cache: ModelOpt's name, or a scheme of bits and type (compressed-tensors)."""
    algorithm, scheme = table.get("kv_cache_quant_algo"), table.get("kv_cache_scheme")
    if isinstance(algorithm, str) and algorithm.lower() not in _SIXTEEN:
        return _CACHES.get(algorithm.lower())
    if isinstance(scheme, Mapping):
        kind = "fp" if str(scheme.get("type", "float")).startswith("float") else "int"
        return _CACHES.get(f"{kind}{_whole(scheme, 'num_bits', default=8)}")
    return None
