"""Tensors inside what modules take and give: tuples, mappings, outputs of transformers, key-value caches."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch

_SHARED = (str, bytes, int, float, bool, torch.dtype, torch.device, torch.Size, torch.nn.Module, type, type(None))


def mapped(value: Any, change: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    """A copy of ``value`` in which every tensor is changed; modules and plain values are shared, other objects copied."""
    if isinstance(value, torch.Tensor):
        return change(value)
    if isinstance(value, _SHARED) or callable(value):
        return value
    if isinstance(value, list | tuple):
        parts = [mapped(part, change) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    if isinstance(value, dict):
        return {key: mapped(part, change) for key, part in value.items()}
    if not hasattr(value, "__dict__"):
        return value
    twin = copy.copy(value)
    twin.__dict__.update({name: mapped(part, change) for name, part in vars(value).items()})
    return twin


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
