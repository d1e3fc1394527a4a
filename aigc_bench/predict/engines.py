"""What an engine adds to or takes from the operators of a model: dispatch on the host, launches on the device, fusion, numbers.

An eager framework dispatches every operator from one thread; the device waits where that is slower than the kernels. A compiler
fuses element-wise chains (their bytes are moved once, their launches vanish); recorded graphs have no dispatch at all. Engines that
quantise replace linear layers: ``executed`` rewrites a trace by their ``LinearFormat``.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from aigc_bench.core.errors import UnknownNameError, UsageError
from aigc_bench.core.messages import joined, message
from aigc_bench.core.record import Sentence
from aigc_bench.core.records import Case, Precision, Record

SERVED = ("vllm", "sglang", "tensorrt-llm", "llama.cpp", "fastertransformer", "transformers")
"""Engines whose language-model inference is answered by the closed form that was calibrated on published results."""

Backend = Literal["cpu", "accelerator"]


class LinearFormat(Record):
    """How linear layers compute in an engine that quantises them.

    A weight is stored in ``weight_bits`` (scales included); products run in ``product``, or in the case's own precision. Quantising
    inputs and scaling outputs moves ``input_bytes`` and ``output_bytes`` for each element of them, in ``num_kernels`` operators.
    Layers whose sides are no multiples stay as they are. Inputs are padded to ``least_rows``; with more rows than ``fused_rows``
    the weights are widened in a pass of their own.
    """

    weight_bits: float
    product: Literal["int8", "fp8"] | None = None
    in_multiple: int = 1
    out_multiple: int = 1
    input_bytes: float = 0.0
    output_bytes: float = 0.0
    num_kernels: int = 0
    least_rows: int = 1
    fused_rows: int | None = None

    def takes(self, *, out_features: int, in_features: int) -> bool:
        """Whether a layer of this shape is replaced."""
        return out_features % self.out_multiple == 0 and in_features % self.in_multiple == 0


class EngineCosts(Record):
    """Seconds per operator: ``dispatch_s`` in the framework, ``python_s`` in the model's own code, ``launch_s`` on the device.

    ``unfused_share`` is the share of launches and traffic that fusion leaves. ``precisions`` are those it runs (``None``: all);
    without ``has_state`` it runs no module that keeps a key-value cache between calls. Where ``keeps_layouts`` an operator on a CPU
    is at most one parallel region, because nothing is reordered around it.
    """

    dispatch_s: float
    python_s: float
    launch_s: float
    unfused_share: float
    status: str
    source: Sentence
    linear: LinearFormat | None = None
    trains: bool = True
    has_state: bool = True
    keeps_layouts: bool = False
    precisions: tuple[Precision, ...] | None = None


_EAGER = EngineCosts(
    dispatch_s=4e-6,
    python_s=14e-6,
    launch_s=3e-6,
    unfused_share=1.0,
    status="assumed",
    source=message(
        "general knowledge: 4 us in a chain of operators; the model's own code costs the host what it costs with an "
        "accelerator (below); with parallel regions counted, 5 to 14 us score alike in 39 cases on a host, 2026-11"
    ),
)
_COMPILED = EngineCosts(
    dispatch_s=1e-6,
    python_s=2e-6,
    launch_s=3e-6,
    unfused_share=0.4,
    status="assumed",
    source=message("general knowledge; Inductor fuses pointwise chains"),
)
_LAUNCHING = message("dispatch with a launch on a device and views of tensors in between")
_EAGER_ON_DEVICE = _EAGER.model_copy(
    update={
        "dispatch_s": 8e-6,
        "python_s": 14e-6,
        "source": message(
            "{launching}: Llama-2-7B makes 25 tokens/s on an A100 in eager PyTorch, bound by its host "
            "(gpt-fast, 2023), SD-1.5's 838 kernels a step take 25 to 46 ms (diffusers, batch 1, 2023)",
            launching=_LAUNCHING,
        ),
    }
)
_COMPILED_ON_DEVICE = _COMPILED.model_copy(
    update={"dispatch_s": 3e-6, "python_s": 3e-6, "source": joined("; ", (_COMPILED.source, _LAUNCHING))}
)


def _quantising(base: EngineCosts, linear: LinearFormat, *, precisions: tuple[Precision, ...] | None, source: str) -> EngineCosts:
    """``base`` with other linear layers; bytes and operators are those of the layer in ``engines``, counted by hand."""
    own = {"linear": linear, "trains": False, "precisions": precisions, "source": joined("; ", (base.source, source))}
    return base.model_copy(update=own)


_RUNTIME = EngineCosts(
    dispatch_s=2e-6,
    python_s=0.0,
    launch_s=0.0,
    unfused_share=0.4,
    status="assumed",
    source=message("general knowledge; one call a module, its nodes run from C++, pointwise chains are fused as by a compiler"),
    trains=False,
    has_state=False,
    keeps_layouts=True,
)
# 4 bits and two 16-bit numbers for 128 weights: 4 + 32 / 128.
_INT4 = LinearFormat(weight_bits=4.25, in_multiple=128, output_bytes=4, num_kernels=1)
_INT4_SOURCE = message("engines/_int4.py: groups of 128 share a bf16 scale and zero, products in bf16")

_COSTS: Mapping[tuple[str, Backend], EngineCosts] = MappingProxyType(
    {
        ("torch-eager", "accelerator"): _EAGER_ON_DEVICE,
        ("torch-eager", "cpu"): _EAGER,
        ("torch-compile", "accelerator"): _COMPILED_ON_DEVICE,
        ("torch-compile", "cpu"): _COMPILED,
        ("torch-compile-graphs", "accelerator"): EngineCosts(
            dispatch_s=0.1e-6,
            python_s=0.0,
            launch_s=1.5e-6,
            unfused_share=0.4,
            status="assumed",
            source=message(
                "general knowledge; a graph of kernels is one launch, a kernel in it starts a microsecond or two after another"
            ),
        ),
        ("torch-int8", "accelerator"): _quantising(
            _COMPILED_ON_DEVICE,
            LinearFormat(weight_bits=8, output_bytes=4, num_kernels=1),
            precisions=("bf16", "fp16"),
            source=message(
                "engines/_int8.py: int8 weights, products in the case's precision; that the compiler widens weights inside the "
                "product is assumed"
            ),
        ),
        ("torch-int8", "cpu"): _quantising(
            _EAGER,
            LinearFormat(weight_bits=8, output_bytes=4, num_kernels=1, fused_rows=16),
            precisions=("bf16", "fp16"),
            source=message("engines/_int8.py: up to 16 rows integers are read in the product, above weights are widened first"),
        ),
        ("torch-int8-dynamic", "accelerator"): _quantising(
            _EAGER_ON_DEVICE,
            LinearFormat(
                weight_bits=8,
                product="int8",
                in_multiple=8,
                out_multiple=8,
                input_bytes=27,
                output_bytes=38,
                num_kernels=13,
                least_rows=32,
            ),
            precisions=None,
            source=message("engines/_int8.py: rows are scaled and rounded, products in int8, sums scaled back"),
        ),
        ("torch-int8-dynamic", "cpu"): _quantising(
            _EAGER,
            LinearFormat(weight_bits=8, product="int8", input_bytes=27, output_bytes=38, num_kernels=13),
            precisions=None,
            source=message("engines/_int8.py: rows are scaled and rounded, products in int8, sums scaled back"),
        ),
        ("torch-int4", "accelerator"): _quantising(_EAGER_ON_DEVICE, _INT4, precisions=("bf16",), source=_INT4_SOURCE),
        ("torch-int4", "cpu"): _quantising(_EAGER, _INT4, precisions=("bf16",), source=_INT4_SOURCE),
        ("torch-fp8", "accelerator"): _quantising(
            _EAGER_ON_DEVICE,
            LinearFormat(
                weight_bits=8, product="fp8", in_multiple=16, out_multiple=16, input_bytes=37, output_bytes=6, num_kernels=9
            ),
            precisions=("bf16",),
            source=message("engines/_fp8.py: rows are scaled to e4m3, products in fp8, results in bf16"),
        ),
        ("onnxruntime", "cpu"): _RUNTIME.model_copy(update={"precisions": ("fp32",)}),
        ("openvino", "cpu"): _RUNTIME.model_copy(update={"precisions": ("fp32", "bf16")}),
    }
)


def engine_costs(name: str, *, backend: str = "cuda") -> EngineCosts:
    """The costs of an engine that runs traced operators, on the host or on an accelerator.

    Raises ``UnknownNameError`` with the nearest names, ``UsageError`` where the engine is not for such a device.
    """
    place: Backend = "cpu" if backend == "cpu" else "accelerator"
    found = _COSTS.get((name, place))
    if found is None:
        # Each engine once, in the order of the table: several run on both kinds of device.
        known = dict.fromkeys(engine for engine, _ in _COSTS)
        if name not in known:
            raise UnknownNameError("engine", name, known=(*known, *SERVED))
        others = ", ".join(engine for engine, where in _COSTS if where == place)
        kind = "a CPU" if place == "cpu" else message("an accelerator")
        raise UsageError(
            message("--engine {name}: it is not run on {kind}.", name=name, kind=kind),
            message("There use {others}.", others=others),
        )
    return found


def refuse_unsuited(case: Case) -> EngineCosts:
    """The costs of the case's engine; raises ``UsageError`` in one line where the engine does not run such a case."""
    costs = engine_costs(case.engine, backend=case.backend)
    if case.mode == "train" and not costs.trains:
        raise UsageError(
            message("--engine {engine}: it runs inference only.", engine=case.engine),
            message("Train with torch-eager or torch-compile."),
        )
    if costs.precisions is not None and case.precision not in costs.precisions:
        allowed = " and ".join(costs.precisions)
        raise UsageError(
            message(
                "--engine {engine}: it runs {allowed}, not {precision}.",
                engine=case.engine,
                allowed=allowed,
                precision=case.precision,
            ),
            message("Use --precision {precisions}.", precisions=costs.precisions[0]),
        )
    return costs
