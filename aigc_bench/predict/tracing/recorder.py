"""Writes down every operator that runs on ``meta`` tensors, and how many bytes of them are alive."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch.utils import flop_counter
from torch.utils._python_dispatch import TorchDispatchMode

from aigc_bench.nets.flop_formulas import grouped_mm_flops, missing_formulas
from aigc_bench.predict.tracing.optrace import Operator, Phase
from aigc_bench.predict.tracing.scratch import PERSISTENT_BYTES, scratch_bytes
from aigc_bench.predict.tracing.shapes import Shapes
from aigc_bench.predict.tracing.storages import Storages
from aigc_bench.predict.tracing.traffic import Operand, OperatorFacts, facts, traffic

_DTYPES = {torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16", torch.float64: "fp64"}
_FUSED_ATTENTION = "_scaled_dot_product_flash_attention_for_cpu"


class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """A dispatch mode: while entered, storages of ``meta`` tensors are tracked, and operators counted while ``is_recording``.

    Operators on the host's own tensors are no work of the device and are left out. ``is_host``: the traced device is a CPU, whose
    operators' scratch memory is counted.
    """

    def __init__(self, *, is_host: bool = False) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.is_host = is_host
        self.storages = Storages()
        self._shapes = Shapes()
        # Held for the whole trace: a library's packed operands stay with the process after the first product.
        self._kept: torch.Tensor | None = None
        self.experts_per_token = 1
        self.is_recording = False
        self.phase: Phase = "forward"
        self._counts: dict[Any, int] = {}
        self._operators: dict[Any, Operator] = {}
        self._formulas = {**flop_counter.flop_registry, **_formulas()}

    def take(self) -> tuple[Operator, ...]:
        """The operators since the last call, in order of first appearance, equal ones counted."""
        taken = tuple(self._operators[key].model_copy(update={"count": count}) for key, count in self._counts.items())
        self._counts = {}
        return taken

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        known = facts(func)
        if known.name == "add_" and _is_sparse(args[1]):
            # Some rows are changed. It is written down and not run: ``meta`` cannot sort a sparse tensor's rows.
            self._note(func, dataclasses.replace(known, name="index_add_", kind="gather"), args, kwargs, args[0])
            return args[0]
        if known.name == "clone" and _is_sparse(args[0]):
            # A sparse gradient, which a device takes over uncopied; cloned on ``meta`` it would lose its rows.
            return args[0]
        # A composite operator runs no kernel of its own; one with a FLOP formula is a unit and stays whole.
        if known.can_decompose and func._overloadpacket not in self._formulas:
            with self:
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
        result = self._shapes.run(func, known, args, kwargs)
        # Noted before the scratch is counted: the result is alive while the scratch is, and the peak must hold both.
        self._note(func, known, args, kwargs, result)
        if self.is_host:
            self._take_scratch(known.name, args, result)
        return result

    def _take_scratch(self, name: str, args: Any, result: Any) -> None:
        """Count what a CPU's operator holds besides its results as alive during the call."""
        num_bytes = scratch_bytes(name, args, result)
        if num_bytes and self._kept is None:
            self._kept = self._bytes(PERSISTENT_BYTES)
        if num_bytes:
            self._bytes(num_bytes)

    def _bytes(self, num_bytes: int) -> torch.Tensor:
        """Memory that is counted for as long as the tensor is held."""
        made = torch.empty(num_bytes, dtype=torch.uint8, device="meta")
        self.storages.add(made)
        return made

    def _note(self, func: Any, known: OperatorFacts, args: Any, kwargs: Any, result: Any) -> None:
        made = [tensor for tensor in _tensors(result) if tensor.is_meta]
        if not made and not any(tensor.is_meta for tensor in _tensors(args)):
            return
        new = [tensor for tensor in made if self.storages.add(tensor)]
        # Nothing new and nothing written (a reshape that returned its input): no kernel ran.
        is_idle = known.is_view or known.is_silent or not (new or known.mutated or known.mutated_names)
        if is_idle or not self.is_recording:
            return
        # Storages are numbered per call: with their addresses no two operators would ever be equal.
        numbers: dict[int, int] = {}
        inputs = self._operands(known, args, kwargs, numbers)
        outputs = [self._operand(tensor, numbers, is_written=False) for tensor in new]
        phase = self._current_phase()
        # Strides and groups decide FLOPs only; elsewhere they (a scalar, a step) would keep equal operators apart.
        settings = _plain(args) if func._overloadpacket in self._formulas else None
        # One description for all equal operators: a network repeats its blocks, and describing is the slow part.
        key = (func, phase, tuple(inputs), tuple(outputs), settings)
        if key not in self._operators:
            flops = self._flops(func, args, kwargs, result)
            self._operators[key] = self._describe(known, inputs, outputs, flops=flops, phase=phase, args=args)
        self._counts[key] = self._counts.get(key, 0) + 1

    @contextlib.contextmanager
    def during(self, phase: Phase) -> Iterator[None]:
        """What runs in the meantime is work of ``phase``; everything that autograd runs is ``backward`` in any case."""
        self.phase = phase
        try:
            yield
        finally:
            self.phase = "forward"

    def _current_phase(self) -> Phase:
        # Autograd runs the backward pass from C++, so no ``during`` surrounds each of its operators.
        return "backward" if torch._C._current_graph_task_id() != -1 else self.phase

    def _operands(self, known: OperatorFacts, args: Any, kwargs: Any, numbers: dict[int, int]) -> list[Operand]:
        operands = []
        for position, argument in enumerate(args):
            is_written = position in known.mutated
            operands += [self._operand(tensor, numbers, is_written=is_written) for tensor in _tensors(argument)]
        for name, argument in kwargs.items():
            is_written = name in known.mutated_names
            operands += [self._operand(tensor, numbers, is_written=is_written) for tensor in _tensors(argument)]
        return operands

    def _operand(self, tensor: torch.Tensor, numbers: dict[int, int], *, is_written: bool) -> Operand:
        role = self.storages.role(tensor)
        # More than two dimensions, since a cache is (batch, heads, tokens, width): counters and running means are not.
        if is_written and not role and tensor.dim() > 2 and tensor.is_floating_point() and self.storages.is_kept(tensor):
            # What lives between steps, is no parameter, and is written by a stage: keys and values of earlier tokens.
            role = "cache"
            self.storages.assign(tensor, role)
        shape = tuple(tensor.shape)
        return Operand(
            shape=shape,
            num_elements=_distinct_elements(shape, tensor.stride()),
            dtype=tensor.dtype,
            role=role,
            # ``_cdata`` is the storage's identity: data_ptr() is 0 for everything on ``meta``.
            storage=numbers.setdefault(tensor.untyped_storage()._cdata, len(numbers)),
            is_written=is_written,
        )

    def _flops(self, func: Any, args: Any, kwargs: Any, result: Any) -> int:
        formula = self._formulas.get(func._overloadpacket)
        return 0 if formula is None else int(formula(*args, **kwargs, out_val=result))

    def _describe(
        self, known: OperatorFacts, inputs: list[Operand], outputs: list[Operand], *, flops: int, phase: Phase, args: Any
    ) -> Operator:
        moved = traffic(known, inputs=inputs, outputs=outputs, experts_per_token=self.experts_per_token)
        # The first floating-point tensor states the dtype: indices and masks have dtypes that no peak is given for.
        main = next((operand for operand in (*outputs, *inputs) if operand.dtype.is_floating_point), (*outputs, *inputs)[0])
        is_attention = known.name.startswith(_FUSED_ATTENTION)
        # Place of ``is_causal``: after q, k, v, dropout_p; the backward takes the gradient, the output and logsumexp as well.
        causal_position = 4 if known.name == _FUSED_ATTENTION else 7
        return Operator(
            name=_name(known.name),
            kind=known.kind,
            phase=phase,
            dtype=_DTYPES.get(main.dtype, str(main.dtype).removeprefix("torch.")),
            inputs=tuple(operand.shape for operand in inputs) if known.kind != "optimizer" else _total_shape(inputs),
            outputs=tuple(operand.shape for operand in outputs),
            flops=flops,
            params_read_bytes=moved.params_read_bytes,
            cache_read_bytes=moved.cache_read_bytes,
            other_read_bytes=moved.other_read_bytes,
            written_bytes=moved.written_bytes,
            is_causal=bool(is_attention and len(args) > causal_position and args[causal_position]),
        )


def _formulas() -> dict[Any, Any]:
    """FLOPs of what torch's registry lacks, in its calling convention."""
    found = {operator: _by_shape(formula) for operator, formula in missing_formulas().items()}
    # Registered only once transformers' mixture-of-experts module has been imported.
    grouped = getattr(torch.ops.transformers, "grouped_mm_fallback", None)
    if grouped is not None:
        found[grouped] = _by_shape(grouped_mm_flops)
        found[torch.ops.transformers.grouped_mm_fallback_backward] = _by_shape(_grouped_backward_flops)
    return found


_by_shape: Callable[[Callable[..., int]], Callable[..., int]] = flop_counter.shape_wrapper


def _grouped_backward_flops(left: Any, right: Any, *args: Any, **keys: Any) -> int:
    """The gradients of both operands: two products of the forward's size."""
    return 2 * grouped_mm_flops(left, right)


def _name(name: str) -> str:
    if name == _FUSED_ATTENTION:
        return "attention"
    return "attention_backward" if name == _FUSED_ATTENTION + "_backward" else name


def _total_shape(inputs: Iterable[Operand]) -> tuple[tuple[int, ...], ...]:
    """An optimizer takes all parameters together: its shape is the number of tensors and of elements."""
    sizes = [operand.num_elements for operand in inputs if operand.role == "param"]
    return ((len(sizes), sum(sizes)),)


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    """All tensors in an argument; of a sparse one its indices and values, which have the memory."""
    if isinstance(value, torch.Tensor):
        yield from (value._indices(), value._values()) if value.is_sparse else (value,)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _tensors(part)


def _distinct_elements(shape: tuple[int, ...], stride: tuple[int, ...]) -> int:
    """Elements at distinct places: an expanded dimension has stride 0 and repeats the same ones."""
    count = 1
    for size, step in zip(shape, stride, strict=True):
        # A size of 0 empties the tensor whatever its stride is.
        if step != 0 or size == 0:
            count *= size
    return count


def _plain(args: Any) -> Any:
    """The arguments that are no tensors, as far as they decide FLOPs: strides, groups, masks of gradients."""
    # As text: a list cannot be part of a dictionary's key.
    return tuple(str(arg) for arg in args if not isinstance(arg, torch.Tensor) and not _has_tensors(arg))


def _is_sparse(value: Any) -> bool:
    """Whether adding it in place touches some rows only."""
    return isinstance(value, torch.Tensor) and value.is_sparse


def _has_tensors(value: Any) -> bool:
    return next(_tensors(value), None) is not None
