"""What a device multiplies in and which engines run on it: a case's default precision, and the refusal of what a part lacks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import get_args

from aigc_bench.catalog.records import AcceleratorSpec
from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.records import Precision, Record
from aigc_bench.predict.closed_form.language import peak_flops
from aigc_bench.predict.published.name_resolution import NumberFormat

MULTIPLIED_IN = "multiplied_in"
"""Reason of a format that the part stores but does not multiply: weights are widened before each product."""
_SIXTEEN_BIT_BYTES = 2.0
_WIDE = ("bf16", "fp16", "fp32")
"""Formats in the order in which a case's default is looked for."""


def default_precision(spec: AcceleratorSpec | None, *, backend: str) -> Precision:
    """Return bf16 where the device multiplies in it, else fp16, else fp32; fp32 on a CPU."""
    if backend == "cpu":
        return "fp32"
    # A measured machine knows the peaks that were probed, and may have others.
    known = spec is not None and spec.basis != "measured" and any(spec.peak(name) for name in _WIDE)
    found = next((name for name in _WIDE if spec is not None and spec.peak(name)), "bf16") if known else "bf16"
    return next(name for name in get_args(Precision) if name == found)


def refuse_lacking_precision(precision: str, spec: AcceleratorSpec) -> None:
    """Raise ``UsageError`` where a device has no units for a case's own precision: it is never run in a wider one unsaid."""
    if spec.basis == "measured" or precision not in get_args(Precision) or spec.peak(precision):
        return
    known = [name for name in (*_WIDE, "tf32") if spec.peak(name)]
    raise UsageError(
        message(
            "--precision {precision}: {id} has no {precision} units, or their peak is not known.", precision=precision, id=spec.id
        ),
        message("Use --precision {known}.", known=" or ".join(known)) if known else None,
    )


class Support(Record):
    """The parts that an engine runs on: of ``vendors`` (none: all), ``without`` some, NVIDIA's from a compute capability on."""

    vendors: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    least_capability: float = 0.0

    def is_for(self, vendor: str) -> bool:
        """Return whether the engine runs on any part of a vendor."""
        return vendor not in self.without and (not self.vendors or vendor in self.vendors)

    def includes(self, spec: AcceleratorSpec) -> bool:
        """Return whether the engine runs on a part; one without a vendor or a known capability is taken to be new enough."""
        capability = spec.compute_capability or ""
        is_counted = spec.vendor == "NVIDIA" and re.fullmatch(r"\d+\.\d+", capability) is not None
        return not spec.vendor or (self.is_for(spec.vendor) and (not is_counted or float(capability) >= self.least_capability))


_DATAFLOW = ("Cerebras", "Groq", "SambaNova", "d-Matrix")
_SUPPORT: Mapping[str, Support] = MappingProxyType(
    {
        "vllm": Support(without=_DATAFLOW, least_capability=7.0),
        "sglang": Support(vendors=("NVIDIA", "AMD", "Google", "Huawei", "Intel"), least_capability=7.5),
        "tensorrt-llm": Support(vendors=("NVIDIA",), least_capability=8.0),
        "fastertransformer": Support(vendors=("NVIDIA",), least_capability=7.0),
        "llama.cpp": Support(without=(*_DATAFLOW, "Google", "AWS", "Cambricon", "Enflame")),
        "transformers": Support(without=_DATAFLOW),
    }
)
"""Hardware by the engines' documentation of 2026: vLLM's and SGLang's installation pages, TensorRT-LLM's support matrix (general
knowledge). Vendors' own plugins of vLLM count."""


def refuse_unsupported_part(engine: str, spec: AcceleratorSpec) -> None:
    """Raise ``UsageError`` where an engine does not run on a part: it would be answered by what engines do on others."""
    support = _SUPPORT.get(engine)
    if support is None or support.includes(spec):
        return
    works = [name for name, one in _SUPPORT.items() if one.includes(spec)]
    said = (
        message("it needs compute capability {least:g}, and {id} has {capability}",
                least=support.least_capability, id=spec.id, capability=spec.compute_capability)
        if support.is_for(spec.vendor or "")
        else message("it does not run on accelerators of {vendor}", vendor=spec.vendor)
    )  # fmt: skip
    raise UsageError(
        message("--engine {engine} on {id}: {said}.", engine=engine, id=spec.id, said=said),
        message("Use --engine {works}.", works=" or ".join(works[:3])) if works else None,
    )


_WIDENING = ("llama.cpp",)
"""Engines whose kernels for packed weights multiply in fp32 on parts without narrow units (Pascal)."""


def refuse_lacking_format(numbers: NumberFormat, spec: AcceleratorSpec, *, engine: str = "") -> None:
    """Raise ``UsageError`` where a narrow format could only be multiplied in fp32, which few engines do."""
    refuse_lacking_precision(numbers.name, spec)
    if engine in _WIDENING and numbers.weight_bytes < _SIXTEEN_BIT_BYTES:
        return
    if numbers.name != "fp32" and multiplied_in(numbers, spec) == "fp32":
        raise UsageError(
            message("--precision {name}: {id} has no units of sixteen bits or fewer for it.", name=numbers.name, id=spec.id),
            message("Use --precision fp32."),
        )


def multiplied_in(numbers: NumberFormat, spec: AcceleratorSpec) -> str | None:
    """Return the precision of the products where it is another than the format's own; ``None`` where no peak is known."""
    try:
        _, dtype = peak_flops(spec, numbers)
    except LookupError:
        return None
    return dtype


def format_reasons(numbers: NumberFormat, spec: AcceleratorSpec) -> tuple[str, ...]:
    """Return ``multiplied_in:bf16`` where the part widens a format before its products."""
    dtype = multiplied_in(numbers, spec)
    native = numbers.compute[0]
    return () if dtype is None or dtype == native else (f"{MULTIPLIED_IN}:{dtype}",)
