"""Traces a case: builds its workload on ``meta`` and runs one step of it. Nothing is computed and no weight is held.

Use ``trace_cache.trace_case``, which remembers traces on disk and needs torch only for new ones.
"""

from __future__ import annotations

import contextlib
import importlib
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import torch

from aigc_bench.core import registry
from aigc_bench.core.errors import AigcBenchError, UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.records import Case
from aigc_bench.predict.tracing.caching_allocator import CachingAllocator, peak_held_bytes
from aigc_bench.predict.tracing.functions import DeviceRules
from aigc_bench.predict.tracing.glibc_malloc import peak_resident_bytes
from aigc_bench.predict.tracing.optrace import LinearLayers, OpTrace
from aigc_bench.predict.tracing.recorder import Recorder
from aigc_bench.predict.tracing.setup import lower_dtype, trace_setup
from aigc_bench.predict.tracing.stage_tracer import StageTracer
from aigc_bench.workloads.base import Program, Workload

_STEADY_STEPS = 4
"""Steps after which an allocator with the same requests in every step has reached its steady state."""
_HOST_STEPS = 24
"""Steps of a trial on a CPU, about: a heap fragments further with each."""

# One number, as the configurations of transformers' families name it.
_EXPERTS_PER_TOKEN = ("num_experts_per_tok", "num_experts_per_token", "moe_topk", "top_k_experts")


@contextlib.contextmanager
def _failures_in_one_line(case: Case) -> Iterator[None]:
    """Raise failures of building or running a model as one line: a user's own file, or sizes beyond a library's limits."""
    try:
        yield
    except AigcBenchError:
        raise
    except Exception as problem:
        why = _first_sentence(problem)
        if case.model is not None and _is_of_sizes(problem):
            what = message("{path}: the model does not run as it is written", path=case.model.path)
            remedy = message("Do the sizes in its configuration fit together?")
        elif case.model is not None:
            what = message("{path}: this version cannot trace its architecture", path=case.model.path)
            remedy = message(
                "That may be a limit of this tool, not of the file. A served engine (--engine vllm) is predicted without a trace."
            )
        else:
            what = message(
                "{workload}/{preset}: the model does not {mode} at batch {batch_size} with these settings",
                workload=case.workload,
                preset=case.preset,
                mode=case.mode,
                batch_size=case.batch_size,
            )
            remedy = message("Try a smaller batch or the preset's own settings.")
        raise UsageError(message("{what}: {why}.", what=what, why=why), remedy) from problem


_SIZES = re.compile(
    r"shape|\bsizes?\b|\bdims?\b|dimension|divisible|divide|multiple of|must match|expected .* (?:got|to be)|out of range"
    r"|layer_types|length|must be (?:a |an |one |in |>|<|equal|positive|non)|[Vv]alidation error",
)
"""What torch and transformers say of numbers that do not go together; other failures are those of the tracer's own way to run."""


def _is_of_sizes(problem: Exception) -> bool:
    # A KeyError's text is the key alone, a TypeError's what Python found: neither is about numbers in a file.
    return isinstance(problem, RuntimeError | ValueError) and _SIZES.search(str(problem)) is not None


def _first_sentence(problem: Exception) -> str:
    """What failed, without the stack traces and advice that torch appends and the heading that transformers puts before it."""
    lines = [line.strip() for line in str(problem).splitlines() if line.strip()] or [type(problem).__name__]
    # "Class validation error for validator 'validate_architecture':", and then "ValueError: the hidden size ...".
    line = next((line for line in lines if not line.endswith(":")), lines[0])
    # A Python type by its name: "any type in (int, NoneType)".
    line = re.sub(r"<class '(?:\w+\.)*(\w+)'>", r"\1", line)
    return re.sub(r"^\w+(Error|Exception): ", "", line).split(". ")[0].rstrip(".")


def trace(case: Case) -> OpTrace:
    """One step of the case on one device; raises ``UsageError`` where the workload does not define the case."""
    workload: Workload = registry.load("workloads", case.workload)
    workload.validate(case)
    # Before the modes are entered: what a library runs at import is no part of the case.
    for module in workload.imports(case):
        importlib.import_module(module)
    rules = DeviceRules(backend=case.backend, lower_dtype=lower_dtype(case))
    recorder = Recorder(is_host=case.backend == "cpu")
    # Two levels of torch: the rules decide which functions are called, the recorder sees the operators below them.
    with _failures_in_one_line(case), rules, recorder, _grad_mode(case):
        program = workload.build(case, trace_setup(case, rules=rules, recorder=recorder))
        _assign_roles(program, recorder)
        # Now, as each stage restarts the peak.
        recorder.storages.built_peak = recorder.storages.peak
        recorder.experts_per_token = _experts_per_token(program)
        stages = StageTracer(program, stages=workload.stages(case), recorder=recorder).trace()
    # By identity: modules share tied weights, which have memory once.
    parameters = {id(p): p for module in program.modules for p in module.parameters()}.values()
    storages = recorder.storages
    params_bytes = sum(p.numel() * p.element_size() for p in parameters)
    buffers_bytes, kv_cache_bytes = storages.num_bytes(role="buffer"), storages.num_bytes(role="cache")
    optimizer_bytes = storages.num_bytes(role="optimizer")
    # Epoch -1 is storages.BUILD.
    built_bytes = storages.num_bytes(epoch=-1)
    is_host = case.backend == "cpu"
    events = storages.steps(num_steps=_HOST_STEPS if is_host else _STEADY_STEPS)
    return OpTrace(
        **case.model_dump(include={"workload", "preset", "mode", "precision", "batch_size", "attention", "backend"}),
        gradient_checkpointing=case.gradient_checkpointing,
        item=workload.item,
        stages=stages,
        num_params=sum(p.numel() for p in parameters),
        params_bytes=params_bytes,
        buffers_bytes=buffers_bytes,
        gradient_bytes=sum(p.numel() * p.element_size() for p in parameters if p.requires_grad) if case.mode == "train" else 0,
        optimizer_bytes=optimizer_bytes,
        kv_cache_bytes=kv_cache_bytes,
        inputs_bytes=max(0, built_bytes - params_bytes - buffers_bytes - kv_cache_bytes),
        built_peak_bytes=storages.built_peak,
        linear_layers=_linear_layers(program),
        device_held_bytes=None if is_host else peak_held_bytes(CachingAllocator(), events),
        host_held_bytes=peak_resident_bytes(events, num_unseen=storages.num_built) if is_host else None,
    )


def _grad_mode(case: Case) -> contextlib.AbstractContextManager[object]:
    return torch.no_grad() if case.mode == "infer" else contextlib.nullcontext()


def _assign_roles(program: Program, recorder: Recorder) -> None:
    for module in program.modules:
        for parameter in module.parameters():
            recorder.storages.assign(parameter, "param")
        for buffer in module.buffers():
            # A table that a model keeps on the host is no memory of the device.
            if buffer.is_meta:
                recorder.storages.assign(buffer, "buffer")


def _linear_layers(program: Program) -> tuple[LinearLayers, ...]:
    """The layers that ``engines`` replace where they quantise: ``torch.nn.Linear`` and transformers' transposed ``Conv1D``."""
    layers = {id(layer): layer for module in program.modules for layer in module.modules()}.values()
    linear: list[Any] = [layer for layer in layers if type(layer) is torch.nn.Linear or type(layer).__name__ == "Conv1D"]
    owners = Counter(id(weight) for layer in layers for weight in layer._parameters.values() if weight is not None)
    shapes: Counter[tuple[int, int]] = Counter()
    tied: Counter[tuple[int, int]] = Counter()
    for layer in linear:
        weight = layer.weight
        if weight.numel() == 0:
            continue  # an intermediate_size of 0: the layer passes nothing on, and there is nothing to quantise
        # (out_features, in_features); Conv1D stores the transpose.
        shape = tuple(weight.shape if type(layer) is torch.nn.Linear else weight.shape[::-1])
        shapes[shape] += 1
        tied[shape] += owners[id(weight)] > 1
    return tuple(LinearLayers(out_features=m, in_features=n, count=shapes[m, n], num_tied=tied[m, n]) for m, n in sorted(shapes))


def _experts_per_token(program: Program) -> int:
    """Return the number of experts that a token is routed to, by the model's configuration; 1 without experts."""
    for module in program.modules:
        config = getattr(module, "config", None)
        for name in _EXPERTS_PER_TOKEN:
            if isinstance(getattr(config, name, None), int):
                return int(getattr(config, name))
    return 1
