"""The results of operators on ``meta``, remembered: a result for equal operands is derived once.

torch derives the shape of a result in Python for many operators (normalisation, biased products, everything with a reference in
``torch._refs``), which takes longer than everything else in a trace; networks repeat their blocks, so most questions are old.
"""

from __future__ import annotations

from typing import Any

import torch

from aigc_bench.predict.tracing.traffic import OperatorFacts

Layout = tuple[torch.Size, tuple[int, ...], torch.dtype]
"""Shape, strides and dtype of a result that is a tensor of its own."""


class Shapes:
    """Runs operators on ``meta`` tensors; one that only makes new tensors is run once for equal operands."""

    def __init__(self) -> None:
        self._known: dict[Any, tuple[bool, tuple[Layout, ...]]] = {}

    def run(self, func: Any, known: OperatorFacts, args: Any, kwargs: Any) -> Any:
        """What ``func`` returns for the arguments."""
        # What returns its argument's memory must run each time: a new tensor would cut the tie.
        if known.is_view or known.mutated or known.mutated_names:
            return func(*args, **kwargs)
        key = (func, _question(args), *((name, _question(value)) for name, value in kwargs.items()))
        try:
            found = self._known.get(key)
        # An argument that cannot be hashed makes no key, so nothing is remembered.
        except TypeError:
            return func(*args, **kwargs)
        if found is not None:
            is_one, layouts = found
            # Strides too: later operators choose views or copies by them.
            made = tuple(torch.empty_strided(shape, stride, dtype=dtype, device="meta") for shape, stride, dtype in layouts)
            return made[0] if is_one else made
        result = func(*args, **kwargs)
        answer = _answer(result, args, kwargs)
        if answer is not None:
            self._known[key] = answer
        return result


class _Unlike:
    """Equal to nothing but itself: an argument that no other question shares."""


def _question(value: Any) -> Any:
    """What of an argument decides the result's shape; types are distinguished, since ``1 == 1.0 == True``."""
    if isinstance(value, torch.Tensor):
        if not value.is_meta or value.layout is not torch.strided:
            return _Unlike()
        return value.shape, value.stride(), value.dtype
    if isinstance(value, list | tuple):
        return tuple(_question(part) for part in value)
    return type(value), value


def _answer(result: Any, args: Any, kwargs: Any) -> tuple[bool, tuple[Layout, ...]] | None:
    """The layouts of a result that is new tensors on ``meta`` and nothing else; ``None`` of any other."""
    is_one = isinstance(result, torch.Tensor)
    parts = (result,) if is_one else result
    if not isinstance(parts, tuple) or not parts or not all(isinstance(part, torch.Tensor) and _is_plain(part) for part in parts):
        return None
    storages = {part.untyped_storage()._cdata for part in parts}
    # Results that share memory with each other or with an argument are no tensors of their own.
    if len(storages) < len(parts) or storages & set(_storages((args, tuple(kwargs.values())))):
        return None
    return is_one, tuple((part.shape, part.stride(), part.dtype) for part in parts)


def _is_plain(tensor: torch.Tensor) -> bool:
    """Whether shape, strides and dtype determine all of it, its memory included."""
    if not tensor.is_meta or tensor.layout is not torch.strided or tensor.storage_offset() != 0:
        return False
    # Elements from the first to the last that the strides reach; a larger storage is a slice of something.
    reach = 1 + sum((size - 1) * step for size, step in zip(tensor.shape, tensor.stride(), strict=True))
    return tensor.untyped_storage().nbytes() == (reach if tensor.numel() else 0) * tensor.element_size()


def _storages(value: Any) -> list[int]:
    if isinstance(value, torch.Tensor):
        return [value.untyped_storage()._cdata] if value.layout is torch.strided else []
    return [found for part in value for found in _storages(part)] if isinstance(value, list | tuple) else []
