"""Tensors inside what modules take and give: tuples, mappings, outputs of transformers, key-value caches."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch

_SHARED = (str, bytes, int, float, bool, torch.dtype, torch.device, torch.Size, torch.nn.Module, type, type(None))
_OF_MODULES = vars(torch.nn.Module()).keys()
"""What every module holds: its parameters, buffers and submodules, which it changes itself, and its hooks."""


def mapped(value: Any, change: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    """A copy of ``value`` in which every tensor is changed; modules and plain values are shared, other objects copied."""
    if isinstance(value, torch.Tensor):
        return change(value)
    if isinstance(value, _SHARED) or callable(value):
        return value
    if isinstance(value, list | tuple):
        parts = [mapped(part, change) for part in value]
        # A named tuple takes its parts one by one, a tuple as one iterable.
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    if isinstance(value, dict):
        # Copied as what it is: an output of transformers answers to numbers as well as to names.
        same = copy.copy(value)
        for key, part in value.items():
            same[key] = mapped(part, change)
        return same
    if not hasattr(value, "__dict__"):
        return value
    twin = copy.copy(value)
    twin.__dict__.update({name: mapped(part, change) for name, part in vars(value).items()})
    return twin


def widen(module: torch.nn.Module) -> None:
    """Make a module fp32, in place: parameters, buffers and the tensors it keeps besides them, as a cache that modules share."""
    module.float()
    kept = [part for owner in module.modules() for name, part in vars(owner).items() if name not in _OF_MODULES]
    for tensor in _inside(kept):
        if tensor.is_floating_point():
            # In place, since a cache's tensors are held by several modules.
            tensor.data = tensor.data.float()


def _inside(value: Any) -> Iterator[torch.Tensor]:
    """Every tensor in nested lists, tuples, mappings and plain objects; modules are not entered."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, Mapping):
        yield from _inside(list(value.values()))
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _inside(part)
    elif hasattr(value, "__dict__") and not isinstance(value, _SHARED) and not callable(value):
        yield from _inside(list(vars(value).values()))


def floating(output: Any) -> Iterator[torch.Tensor]:
    """The floating tensors of a module's output, in order; a cache that came along is no output."""
    if isinstance(output, torch.Tensor):
        if output.is_floating_point():
            yield output
    elif isinstance(output, Mapping):
        for part in output.values():
            yield from floating(part)
    elif isinstance(output, list | tuple):
        for part in output:
            yield from floating(part)
