"""Puts quantised layers in the place of a module's linear ones. The weights of the original are given up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from aigc_bench.core.messages import message
from aigc_bench.core.records import Case

if TYPE_CHECKING:
    import torch

MakeLayer: TypeAlias = "Callable[[torch.Tensor, torch.Tensor | None], torch.nn.Module | None]"
"""From a weight ``[out, in]`` and a bias ``[out]`` to the layer that is executed, or ``None`` where the shape does not suit."""


def quantize_linears(module: torch.nn.Module, make: MakeLayer) -> torch.nn.Module:
    """Replace every linear layer that ``make`` takes.

    ``torch.nn.Linear`` and the transposed ``Conv1D`` of GPT-2 in transformers are linear; embeddings, convolutions and the
    experts of a mixture, which are one tensor, stay as they are.
    """
    own = _quantized(module, make)
    if own is not None:
        return own
    # Lists, because the tree changes while it is walked.
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            layer = _quantized(child, make)
            if layer is not None:
                setattr(parent, name, layer)
    return module


def nothing_quantized(modules: Sequence[torch.nn.Module], *, engine: str) -> str | None:
    """Why the engine would measure something else, where no module has a layer that it replaced."""
    if any(hasattr(part, MARK) for module in modules for part in module.modules()):
        return None
    return message("{engine} found no linear layer of a shape that its kernel takes", engine=engine)


MARK = "is_quantized"
"""Attribute of the layers that replace linear ones."""


def _quantized(module: Any, make: MakeLayer) -> torch.nn.Module | None:
    import torch

    # The exact type: a subclass may have its weight read by its owner, as in MultiheadAttention, whose fused path needs floats.
    if type(module) is torch.nn.Linear:
        layer = make(module.weight.detach(), _detached(module.bias))
    elif type(module).__name__ == "Conv1D" and hasattr(module, "nf"):
        # Conv1D keeps [in, out]. It is known by its name, so that other models do not import transformers.
        layer = make(module.weight.detach().t().contiguous(), _detached(module.bias))
    else:
        return None
    if layer is None:
        return None
    setattr(layer, MARK, True)
    return layer.train(module.training)


def _detached(bias: torch.Tensor | None) -> torch.Tensor | None:
    return None if bias is None else bias.detach()


def only_inference(case: Case, *, engine: str) -> str | None:
    """Why a quantised engine does not train, or ``None``."""
    return (
        message("{engine} runs inference only: quantised weights have no gradient", engine=engine) if case.mode == "train" else None
    )
