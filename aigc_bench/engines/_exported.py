"""Executes a module by a runtime outside torch: the module is exported at its first call, with that call's inputs as shapes.

What the module takes and gives may be nested (outputs of transformers); the runtime sees a flat list of tensors. A module that
takes anything else, such as a key-value cache that it changes, cannot be exported this way.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import torch
from torch.utils import _pytree as pytree

from aigc_bench.core.messages import message
from aigc_bench.core.records import Case
from aigc_bench.engines.base import CannotExecute, is_counting

Runner: TypeAlias = Callable[[Sequence[torch.Tensor]], Sequence[torch.Tensor]]
Export: TypeAlias = Callable[[torch.nn.Module, tuple[torch.Tensor, ...]], Runner]


class Flat(torch.nn.Module):
    """A module as a function of tensors: ``forward(*tensors)`` gives the tuple of its output's tensors."""

    def __init__(self, module: torch.nn.Module, *, arguments: Sequence[Any], spec: Any) -> None:
        super().__init__()
        self.module = module
        self._arguments = list(arguments)
        self._spec = spec

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        given = iter(tensors)
        leaves = [next(given) if leaf is _TENSOR else leaf for leaf in self._arguments]
        args, keys = pytree.tree_unflatten(leaves, self._spec)
        return tuple(leaf for leaf in pytree.tree_leaves(self.module(*args, **keys)) if isinstance(leaf, torch.Tensor))


_TENSOR = object()


class ExportedModule(torch.nn.Module):
    """Looks like the module, runs in the runtime. ``export`` makes the runner of a flat module and example inputs.

    With ``in_fp32`` the runtime gets an fp32 copy of the module and fp32 inputs, and decides itself what it computes in.
    The original is kept: its operators are counted, its parameters too.
    """

    def __init__(self, module: torch.nn.Module, *, engine: str, export: Export, in_fp32: bool) -> None:
        super().__init__()
        self.original = module
        self._engine = engine
        self._export = export
        self._in_fp32 = in_fp32
        self._runner: Runner | None = None

    def forward(self, *args: Any, **keys: Any) -> Any:
        # torch's FLOP counter sees no operator that runs in another runtime.
        if is_counting():
            return self.original(*args, **keys)
        leaves, spec = pytree.tree_flatten((args, keys))
        tensors = [self._given(leaf) for leaf in leaves if isinstance(leaf, torch.Tensor)]
        if self._runner is None:
            self._prepare(leaves, spec, tensors, args, keys)
        assert self._runner is not None, "it has been prepared"
        made = iter(zip(self._runner(tensors), self._dtypes, strict=True))
        outputs = [_in_dtype(*next(made)) if leaf is _TENSOR else leaf for leaf in self._outputs]
        return pytree.tree_unflatten(outputs, self._output_spec)

    def _given(self, tensor: torch.Tensor) -> torch.Tensor:
        is_low = self._in_fp32 and tensor.is_floating_point() and tensor.dtype != torch.float32
        return tensor.float() if is_low else tensor

    def _prepare(
        self, leaves: Sequence[Any], spec: Any, tensors: Sequence[torch.Tensor], args: tuple[Any, ...], keys: dict[str, Any]
    ) -> None:
        """Learn the output's structure from the original, then export."""
        kinds = [leaf for leaf in leaves if not isinstance(leaf, torch.Tensor | bool | int | float | str | type(None))]
        if kinds:
            raise CannotExecute(
                message(
                    "{engine} keeps no state between calls, and the model is given a {type}",
                    engine=self._engine,
                    type=type(kinds[0]).__name__,
                )
            )
        with torch.no_grad():
            # A runtime returns fp32 and a flat list: dtypes and nesting are those of the original's own output.
            made, self._output_spec = pytree.tree_flatten(self.original(*args, **keys))
            self._dtypes = [leaf.dtype for leaf in made if isinstance(leaf, torch.Tensor)]
            self._outputs = [_TENSOR if isinstance(leaf, torch.Tensor) else leaf for leaf in made]
            module = copy.deepcopy(self.original).float() if self._in_fp32 else self.original
            arguments = [_TENSOR if isinstance(leaf, torch.Tensor) else leaf for leaf in leaves]
            flat = Flat(module, arguments=arguments, spec=spec).eval()
            try:
                self._runner = self._export(flat, tuple(tensor.clone() for tensor in tensors))
            # Exporters raise errors of their own, of torch and of their libraries; each means that this engine cannot run the
            # model.
            except Exception as error:
                reason = (str(error).strip().splitlines() or [""])[0][:200]
                what = message("{engine} cannot export {type}", engine=self._engine, type=type(self.original).__name__)
                raise CannotExecute(f"{what}: {type(error).__name__}: {reason}") from error


def _in_dtype(tensor: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    return tensor if tensor.dtype == dtype else tensor.to(dtype)


def refusal(case: Case, *, package: str, engine: str, precisions: Sequence[str]) -> str | None:
    """Why a runtime for CPUs does not run the case: not installed, not on a CPU, training, another precision."""
    import importlib.util

    # find_spec does not import: a list of engines must not pay for all runtimes.
    if importlib.util.find_spec(package) is None:
        return message("{engine} needs the package {package}; install aigc-bench[{engine}]", engine=engine, package=package)
    if case.backend != "cpu":
        return message("{engine} is run on CPUs here; this case names backend {backend}", engine=engine, backend=case.backend)
    if case.mode == "train":
        return message("{engine} runs inference only", engine=engine)
    if case.precision not in precisions:
        return message(
            "{engine} runs {precisions} on a CPU, not {precision}",
            engine=engine,
            precisions=" and ".join(precisions),
            precision=case.precision,
        )
    return None
