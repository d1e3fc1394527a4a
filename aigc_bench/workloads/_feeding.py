"""How a family's inputs and products meet the data pipeline: input tensors that may be written anew, and an outlet.

A family makes its inputs through ``Setup.text``, ``images``, ``log_mels``, ``waveforms`` and ``frames`` instead of ``tokens`` and
``uniform``, and states its ``outlet``: nothing else. Seeded values stand in these tensors until the pipeline, if there is one,
decodes real samples into them, in place, step by step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aigc_bench.core.pipeline import Modality
from aigc_bench.data.intake import Intake

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class Fed:
    """An input tensor ``[batch, ...]``, what a sample of it must be, and what is made anew of it when it has been filled."""

    intake: Intake
    tensor: torch.Tensor
    after: list[Callable[[], None]] = field(default_factory=list)

    def fill(self, samples: torch.Tensor) -> None:
        """Write a batch of samples, on the host, into the tensor, in its own dtype, and renew what derives from it."""
        # In place, because compiled graphs hold the address; the host goes on where the samples are pinned.
        self.tensor.copy_(samples, non_blocking=True)
        for renew in self.after:
            renew()


def derived(
    fed: Sequence[Fed], source: torch.Tensor, make: Callable[[torch.Tensor], tuple[torch.Tensor, ...]]
) -> tuple[torch.Tensor, ...]:
    """What ``make`` gives of ``source``, kept up to date in place where ``source`` is fed."""
    made = make(source)

    def renew() -> None:
        for old, new in zip(made, make(source), strict=True):
            old.copy_(new)

    for one in fed:
        # By identity: equal tensors may be of two inputs.
        if one.tensor is source:
            one.after.append(renew)
    return made


@dataclass(frozen=True, kw_only=True)
class Outlet:
    """What a step has made: ``value()`` right after its last stage.

    text: token ids ``[batch, length]`` of ``vocab_size``; image: ``[batch, 1 or 3, height, width]``; audio: ``[batch, samples]``
    in [-1, 1] at ``rate`` samples a second; video: ``[batch, 3, frames, height, width]`` at ``rate`` frames a second. Pixels run
    from ``low`` to ``high``.
    """

    modality: Modality
    value: Callable[[], torch.Tensor]
    low: float = 0.0
    high: float = 1.0
    rate: int = 0
    vocab_size: int = 0
