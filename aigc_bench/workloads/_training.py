"""The training step every supervised family shares: forward, backward, optimizer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Generic, TypeVar

from aigc_bench.core.records import Count, Stage
from aigc_bench.workloads.base import Program, Setup

if TYPE_CHECKING:
    import torch

Batch = TypeVar("Batch")

FUSED_DEVICES = ("cuda", "cpu", "xpu", "mps")
"""Device types for which torch has a one-kernel AdamW."""

OPTIMIZER_IMPORTS = ("torch._dynamo",)
"""What torch imports when the first optimizer is made (seconds): a fork server pays for it once."""


def training_stages(*, items: Count) -> tuple[Stage, ...]:
    """Forward, backward and optimizer; a batch's ``items`` count as finished once the weights have moved."""
    return (Stage(name="forward"), Stage(name="backward"), Stage(name="optimizer", items=items))


def adamw(
    module: torch.nn.Module,
    *,
    setup: Setup,
    learning_rate: float = 1e-4,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.01,
) -> torch.optim.AdamW:
    """AdamW over the module's parameters, fused where the device has it (https://arxiv.org/abs/1711.05101)."""
    import torch

    fused = setup.device.type in FUSED_DEVICES
    # Frozen weights get no optimizer state, the point of adapters.
    trainable = [parameter for parameter in module.parameters() if parameter.requires_grad]
    return torch.optim.AdamW(trainable, lr=learning_rate, betas=betas, eps=eps, weight_decay=weight_decay, fused=fused or None)


def encoded_training(step: TrainingStep[Batch], *modules: torch.nn.Module, encode: Callable[[Batch], None]) -> Program:
    """A step before which frozen networks see its batch: ``encode``, a stage of its own, without gradients.

    What they give is kept by the caller, whose loss reads it.
    """
    import torch

    program = step.program(*modules)

    def run(repeat: int) -> None:
        with torch.no_grad():
            encode(step.batch)

    return replace(program, stages={"encode": run, **program.stages})


class TrainingStep(Generic[Batch]):
    """One step of one model under one optimizer, cut into the stages that ``training_stages`` declares."""

    def __init__(
        self,
        setup: Setup,
        *,
        loss: Callable[[Batch], torch.Tensor],
        batches: Sequence[Batch],
        optimizer: torch.optim.Optimizer,
    ) -> None:
        self._setup = setup
        self._loss_of = loss
        self._batches = batches
        self._optimizer = optimizer
        self.batch = batches[0]
        self._loss: torch.Tensor | None = None

    def program(self, *modules: torch.nn.Module) -> Program:
        """The step as a program over ``modules``."""
        stages = {"forward": self._forward, "backward": self._backward, "optimizer": self._optimize}
        return Program(begin=self._begin, stages=stages, modules=modules, check=self._check)

    def _begin(self, step: int) -> None:
        self.batch = self._batches[step % len(self._batches)]

    def _forward(self, repeat: int) -> None:
        with self._setup.autocast():
            self._loss = self._loss_of(self.batch)

    def _backward(self, repeat: int) -> None:
        assert self._loss is not None, "backward runs after forward"
        self._setup.backward(self._loss)

    def _optimize(self, repeat: int) -> None:
        self._setup.update(self._optimizer)

    def _check(self) -> Mapping[str, float | str | bool | None]:
        import math

        # Waits for the device; called outside the window only.
        loss = None if self._loss is None else float(self._loss.detach())
        return {"loss": loss, "finite": loss is not None and math.isfinite(loss)}
