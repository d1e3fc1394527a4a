"""The quality gate: whether a case computes what it should, so that a fast but wrong kernel is detected.

*Inference*: the inputs and outputs of each executed module are caught in one step after the window, for the first repeats of each
stage. The same modules are then built again from the same seed, cast to fp32 and given the same inputs, without TF32 and with
attention by the memory-efficient kernel, or by plain matrix products where there is none (a CPU): that is the reference. An eager
fp32 module is its own reference, computed by other kernels.
The error is ``|output - reference| / |reference|`` (2-norms), and a module that returned noise, zeros or stale values has one of
about 1. What a precision or an engine's number format may add is far below (``ALLOWED_ERROR``, ``Engine.added_error``).

A whole output's error hides a single part: one wrong position of a thousand adds 4 %. Of logits every position's greedy token is
therefore looked at, and of images and videos each by itself:

    token   the reference's, or one whose logit the reference puts within ``TIE_WIDTH`` allowed errors of its highest (a near-tie)
    image   PSNR of ``-20 log10(allowed error)`` at least: pixels in [0, 1] may err by the allowed error

*Training*: before the warm-up one batch is repeated with the same random masks in every step, which any working forward pass,
backward pass and optimizer learn: its loss must fall. Of adversaries the sum of both losses must: turned gradients of a
discriminator let the generator's loss fall to nothing, while its own grows many times.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from aigc_bench.accelerators.base import Backend
from aigc_bench.core.messages import message
from aigc_bench.core.records import Precision, Quality, Stage
from aigc_bench.measure.ranks import Ranks
from aigc_bench.measure.tensors import floating, mapped
from aigc_bench.workloads.base import Program

ALLOWED_ERROR: Mapping[Precision, float] = {"fp32": 1e-3, "tf32": 0.02, "fp16": 0.02, "bf16": 0.08}
"""Relative error of a module's output that the precision explains: unit roundoffs 6e-8, 5e-4, 5e-4 and 4e-3, grown over the
layers of a deep model."""
MAX_REPEATS = 2
"""Repeats of a stage that are checked: the first decode step and one that reads what it wrote."""
# Stands for infinity and NaN, which JSON does not have.
ENDLESS = 1e9
# Equal images have an infinite one; 150 dB is about where fp32 rounding lies.
MAX_PSNR_DB = 150.0
TIE_WIDTH = 4.0
"""How wide a near-tie is, in allowed errors of the root mean square of a position's logits: some err by a few times the mean."""
LEARNING_STEPS = 8
LEARNING_S = 1.0
"""Longer than this the repeated batch is not trained on, after three steps."""
MAX_SKIPPED = 24
"""Steps that a gradient scaler may skip before the verdict: its scale begins at 2^16 and halves at each overflow."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call of an executed module: its index, its inputs (copies) and its outputs (copies, floating tensors only)."""

    module: int
    args: tuple[Any, ...]
    keys: Mapping[str, Any]
    outputs: tuple[torch.Tensor, ...]
    has_logits: bool


@dataclass
class Prepared:
    """The modules of a program, as they were built and as the engine executes them, in the order of their building."""

    built: list[torch.nn.Module] = field(default_factory=list)
    executed: list[torch.nn.Module] = field(default_factory=list)

    def through(self, prepare: Callable[[torch.nn.Module], torch.nn.Module]) -> Callable[[torch.nn.Module], torch.nn.Module]:
        """Prepare a module as the engine does, and record its inputs and outputs."""

        def noted(module: torch.nn.Module) -> torch.nn.Module:
            self.built.append(module)
            self.executed.append(prepare(module))
            return self.executed[-1]

        return noted


def watch(program: Program, stages: Sequence[Stage], executed: Sequence[torch.nn.Module]) -> list[Call]:
    """Run one step, at most ``MAX_REPEATS`` repeats of each stage, and return every call of a module."""
    calls: list[Call] = []
    program.begin(0)
    with contextlib.ExitStack() as hooks:
        for index, module in enumerate(executed):
            _hook(module, index=index, calls=calls, hooks=hooks)
        for stage in stages:
            for repeat in range(min(stage.repeats, MAX_REPEATS)):
                program.stages[stage.name](repeat)
    return calls


def _hook(module: torch.nn.Module, *, index: int, calls: list[Call], hooks: contextlib.ExitStack) -> None:
    pending: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

    def before(_: Any, args: tuple[Any, ...], keys: dict[str, Any]) -> None:
        # Copies before the call, since modules write into their caches and some into their inputs.
        pending[:] = [(mapped(args, torch.Tensor.clone), mapped(keys, torch.Tensor.clone))]

    def after(_: Any, args: tuple[Any, ...], keys: dict[str, Any], output: Any) -> None:
        given = pending.pop()
        outputs = tuple(tensor.detach().clone() for tensor in floating(output))
        calls.append(
            Call(
                module=index, args=given[0], keys=given[1], outputs=outputs, has_logits=getattr(output, "logits", None) is not None
            )
        )

    hooks.callback(module.register_forward_pre_hook(before, with_kwargs=True).remove)
    hooks.callback(module.register_forward_hook(after, with_kwargs=True).remove)


def compare(calls: Sequence[Call], references: Sequence[torch.nn.Module], *, limit: float, started: float) -> Quality:
    """Give the same inputs to the references, in fp32, and judge the worst of any output: error, greedy tokens, images."""
    if not calls:
        return Quality(
            kind="reference",
            passed=None,
            note=message("no call of a module was recorded"),
            duration_s=time.perf_counter() - started,
        )
    worst: dict[str, float] = {}
    # In the order of the calls: a reference with a cache needs them all, one after the other.
    with torch.inference_mode(), exact_kernels():
        for call in calls:
            args, keys = mapped(call.args, _widened), mapped(call.keys, _widened)
            expected = tuple(floating(references[call.module](*args, **keys)))
            for number, (output, wanted) in enumerate(zip(call.outputs, expected, strict=True)):
                is_logits = call.has_logits and number == 0
                _note_worst(worst, _differences(output.float(), wanted.float(), limit=limit, is_logits=is_logits))
    floors = {name: floor for name, floor in floors_of(limit).items() if name in worst}
    passed = worst["relative_error"] <= limit and all(worst[name] >= floor for name, floor in floors.items())
    return Quality(
        kind="reference", passed=passed, values=worst, limit=limit, floors=floors, duration_s=time.perf_counter() - started
    )


def floors_of(limit: float) -> dict[str, float]:
    """Return the minimum of each metric that a relative error of ``limit`` allows."""
    return {"token_agreement_near_ties": 1.0, "psnr": -20 * math.log10(limit)}


def _note_worst(worst: dict[str, float], found: Mapping[str, float]) -> None:
    for name, value in found.items():
        choose = max if name == "relative_error" else min
        worst[name] = choose(worst.get(name, value), value)


def _differences(output: torch.Tensor, wanted: torch.Tensor, *, limit: float, is_logits: bool) -> dict[str, float]:
    """Return relative error, share of right tokens of logits, PSNR of images. Another shape or a NaN is an infinite error."""
    if output.shape != wanted.shape:
        return {"relative_error": ENDLESS}
    # A reference of zeros allows the absolute error only.
    scale = float(wanted.norm())
    error = float((output - wanted).norm()) / scale if scale > 0 else float((output - wanted).norm())
    found = {"relative_error": error if math.isfinite(error) else ENDLESS}
    if is_logits:
        found |= _token_agreement(output, wanted, limit=limit)
    if is_image(wanted):
        found["psnr"] = _worst_psnr(output, wanted)
    return found


def _token_agreement(output: torch.Tensor, wanted: torch.Tensor, *, limit: float) -> dict[str, float]:
    """Shares of the positions whose greedy token is the reference's, and is that or near-tied with it; logits ``[..., vocab]``."""
    chosen, best = output.argmax(dim=-1, keepdim=True), wanted.argmax(dim=-1, keepdim=True)
    # [..., 1]: how far the reference puts its own token above the one that was chosen.
    lead = wanted.gather(-1, best) - wanted.gather(-1, chosen)
    width = TIE_WIDTH * limit * wanted.square().mean(dim=-1, keepdim=True).sqrt()
    return {
        "token_agreement": float((chosen == best).float().mean()),
        "token_agreement_near_ties": float((lead <= width).float().mean()),
    }


def _worst_psnr(output: torch.Tensor, wanted: torch.Tensor) -> float:
    """The least PSNR of any image or video of a batch, in dB; pixels in [0, 1]."""
    # The worst of the batch: one image, or one video with all its frames.
    mean_square = float((output - wanted).square().flatten(1).mean(dim=1).max())
    if not math.isfinite(mean_square):
        return 0.0
    return min(MAX_PSNR_DB, -10 * math.log10(mean_square)) if mean_square > 0 else MAX_PSNR_DB


def is_image(tensor: torch.Tensor) -> bool:
    """Whether these are images ``[batch, 3, height, width]``, or videos with frames before the height, of values in [0, 1]."""
    has_shape = tensor.dim() in (4, 5) and tensor.shape[1] == 3
    return has_shape and float(tensor.min()) >= 0 and float(tensor.max()) <= 1


def _widened(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor.clone()


@contextlib.contextmanager
def exact_kernels() -> Iterator[None]:
    """Attention by kernels other than the fast ones, fp32 without TF32.

    Plain products hold a score for each pair of tokens: 32,000 tokens of a video with 24 heads take 98 GB in fp32.
    """
    matmul, convolution = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    try:
        with sdpa_kernel([SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]):
            yield
    finally:
        torch.set_float32_matmul_precision(matmul)
        torch.backends.cudnn.allow_tf32 = convolution


def could_not(error: Exception, *, backend: Backend, started: float) -> Quality:
    """Return a finding without verdict and its reason: the gate failed, for example without memory for a wider model."""
    why = message("not enough memory for the fp32 reference") if backend.is_out_of_memory(error) else _first_line(error)
    return Quality(kind="reference", passed=None, note=why, duration_s=time.perf_counter() - started)


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}"[:300]


def learns(
    program: Program,
    run: Callable[[], None],
    *,
    step_s: float,
    seed: int,
    ranks: Ranks,
    started: float,
    scaler: torch.amp.GradScaler | None = None,
) -> Quality:
    """Repeat the program's first batch; every loss must stay finite and their sum fall. ``run`` does one step of batch 0.

    In fp16 the gradient ``scaler`` skips its first steps, until it has found a scale at which no gradient overflows: they change
    no weight, and are repeated.
    """
    # Fewer for slow steps, but at least three; all ranks must make the same number.
    num_steps = ranks.agree(max(3, min(LEARNING_STEPS, int(LEARNING_S / max(step_s, 1e-6)))))
    history: list[Mapping[str, float]] = []
    num_skipped = 0
    while len(history) < num_steps:
        # The same dropout masks and noise in every step, so that the loss falls by learning alone.
        torch.manual_seed(seed)
        scale = None if scaler is None else scaler.get_scale()
        run()
        if scaler is not None and scale is not None and ranks.agree(int(scaler.get_scale() < scale)):
            num_skipped += 1
            if num_skipped > MAX_SKIPPED:
                return _never_stepped(time.perf_counter() - started)
            continue
        history.append(losses(program))
    duration_s = time.perf_counter() - started
    names = tuple(history[0])
    if not names:
        return Quality(kind="training", passed=None, note=message("the workload's check reports no loss"), duration_s=duration_s)
    if not all(math.isfinite(value) for moment in history for value in moment.values()):
        return Quality(kind="training", passed=False, note=message("a loss was not finite"), duration_s=duration_s)
    first, last = sum(history[0].values()), sum(history[-1].values())
    note = message("{names} over {num_steps} steps on one batch", names=" + ".join(names), num_steps=num_steps)
    values = {"loss_first": first, "loss_last": last}
    return Quality(kind="training", passed=last < first, values=values, note=note, duration_s=duration_s)


def _never_stepped(duration_s: float) -> Quality:
    note = message("the gradient scaler skipped {num_skipped} steps: gradients overflow fp16 at any scale", num_skipped=MAX_SKIPPED)
    return Quality(kind="training", passed=False, note=note, duration_s=duration_s)


def losses(program: Program) -> dict[str, float]:
    """Return the losses that the workload's check reports, by name."""
    return {
        name: float(value)
        for name, value in program.check().items()
        if name.startswith("loss") and isinstance(value, float) and not isinstance(value, bool)
    }
