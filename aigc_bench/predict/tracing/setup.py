"""The ``Setup`` that a workload is built with when it is traced: everything on ``meta``, no value drawn, nothing filled."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from aigc_bench.core.records import Case, Precision
from aigc_bench.predict.tracing.functions import DeviceRules
from aigc_bench.predict.tracing.recorder import Recorder
from aigc_bench.workloads.base import Setup

_DTYPES: dict[Precision, torch.dtype] = {
    "fp32": torch.float32,
    # TF32 is a mode of the matrix units: tensors keep fp32's four bytes.
    "tf32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
}
# torch.amp.GradScaler's initial scale; only that it multiplies matters here.
_LOSS_SCALE = 65536.0
_FUSED_KERNELS: dict[type[torch.optim.Optimizer], Any] = {
    torch.optim.Adam: torch.ops.aten._fused_adam_.default,
    torch.optim.AdamW: torch.ops.aten._fused_adamw_.default,
}


@dataclass(frozen=True, kw_only=True)
class TraceSetup(Setup):
    """Inputs are shapes only; the optimizer's one-kernel form, which ``meta`` refuses through torch's class, is called directly."""

    rules: DeviceRules
    recorder: Recorder

    def build(self, make: Callable[[], torch.nn.Module], *, dtype: torch.dtype | None = None) -> torch.nn.Module:
        """As the base, without drawing initial weights."""
        with self.rules.building():
            return super().build(make, dtype=dtype)

    def tokens(self, *shape: int, vocab_size: int, low: int = 0) -> torch.Tensor:
        """Token ids of ``shape`` without values."""
        return torch.empty(shape, dtype=torch.int64, device=self.device)

    def normal(self, *shape: int, dtype: torch.dtype | None = None) -> torch.Tensor:
        """Numbers of ``shape`` without values."""
        return torch.empty(shape, dtype=dtype or self.params_dtype, device=self.device)

    def uniform(self, *shape: int, dtype: torch.dtype | None = None) -> torch.Tensor:
        """Numbers of ``shape`` without values."""
        return self.normal(*shape, dtype=dtype)

    def backward(self, loss: torch.Tensor) -> None:
        """Backpropagate; fp16 scales the loss first, as the gradient scaler does."""
        with self.recorder.during("backward"):
            (loss * _LOSS_SCALE if self._is_scaled else loss).backward()  # type: ignore[no-untyped-call]

    def update(self, optimizer: torch.optim.Optimizer) -> None:
        """One optimizer step and cleared gradients, written down as work of the optimizer."""
        with self.recorder.during("optimizer"):
            self._step(optimizer)
        # Outside ``during``: setting to None runs no kernel, it only frees the gradients.
        optimizer.zero_grad(set_to_none=True)

    @property
    def _is_scaled(self) -> bool:
        return self.training and self.dtype is torch.float16

    def _step(self, optimizer: torch.optim.Optimizer) -> None:
        for group in optimizer.param_groups:
            moving = [parameter for parameter in group["params"] if parameter.grad is not None]
            gradients = [parameter.grad for parameter in moving]
            # The memory of a sparse gradient is its values (rows looked up, width).
            values = [gradient._values() if gradient.is_sparse else gradient for gradient in gradients]
            for value in values:
                self.recorder.storages.assign(value, "gradient")
            if self._is_scaled and values:
                # Under a scaler the gradients are read once more, to look for infinities.
                torch._amp_foreach_non_finite_check_and_unscale_(values, self.normal(1), self.normal(1))
            if type(optimizer) in _FUSED_KERNELS and moving:
                self._fused_step(optimizer, group, moving, gradients)
        if type(optimizer) not in _FUSED_KERNELS:
            # Optimizers without a fused kernel run as they are; their state exists only after the first step.
            optimizer.step()
            for state in optimizer.state.values():
                for value in state.values():
                    if isinstance(value, torch.Tensor) and value.is_meta:
                        self.recorder.storages.assign(value, "optimizer")

    def _fused_step(self, optimizer: Any, group: Any, moving: list[Any], gradients: list[Any]) -> None:
        # torch's names: first and second moment, and with AMSGrad the largest second moment so far.
        names = ("exp_avg", "exp_avg_sq", *(("max_exp_avg_sq",) if group["amsgrad"] else ()))
        self._allocate(optimizer, moving, names=names)
        moments = [[optimizer.state[parameter][name] for parameter in moving] for name in names]
        steps = [optimizer.state[parameter]["step"] for parameter in moving]
        averages, squares, *largest = moments
        beta1, beta2 = group["betas"]
        with torch.no_grad():
            _FUSED_KERNELS[type(optimizer)](
                moving,
                gradients,
                averages,
                squares,
                largest[0] if largest else [],
                steps,
                lr=float(group["lr"]),
                beta1=beta1,
                beta2=beta2,
                weight_decay=group["weight_decay"],
                eps=group["eps"],
                amsgrad=group["amsgrad"],
                maximize=group["maximize"],
            )

    def _allocate(self, optimizer: Any, moving: list[Any], *, names: Sequence[str]) -> None:
        """The state of parameters that have none, as the first step makes it; later steps do not, so it is no work of a step."""
        storages, was_recording = self.recorder.storages, self.recorder.is_recording
        storages.default_role, self.recorder.is_recording = "optimizer", False
        for parameter in moving:
            if not optimizer.state[parameter]:
                made = {name: torch.empty_like(parameter) for name in names}
                # torch keeps the step of a fused optimizer as an fp32 tensor on the device.
                optimizer.state[parameter] = {**made, "step": torch.empty((), dtype=torch.float32, device=self.device)}
        storages.default_role, self.recorder.is_recording = "", was_recording


def trace_setup(case: Case, *, rules: DeviceRules, recorder: Recorder) -> TraceSetup:
    """The setup of the case on ``meta``."""
    mixed = lower_dtype(case) is not None
    return TraceSetup(
        device=torch.device("meta"),
        dtype=_DTYPES[case.precision],
        training=case.mode == "train",
        generator=torch.Generator().manual_seed(case.seed),
        autocast=rules.autocast if mixed else contextlib.nullcontext,
        # No engine: the trace is of the model's own operators, engines rewrite it later (ADR 23).
        prepare=lambda module: module,
        rules=rules,
        recorder=recorder,
    )


def lower_dtype(case: Case) -> torch.dtype | None:
    """The dtype that mixed-precision training computes in, ``None`` without mixed precision."""
    dtype = _DTYPES[case.precision]
    return dtype if case.mode == "train" and dtype is not torch.float32 else None
