"""What a workload is: one description of the work, run by the worker on a device and by the tracer on ``meta``.

A family's file offers ``workload = Family()`` with a torch-free declaration (presets, settings, stages) and a ``build``
that makes the model from configuration with random weights. torch is imported inside ``build`` only, so that listing the
families costs nothing. There is no timing code in a workload: the worker runs stage *s*, repeat *i*, and reads the clock.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import ValidationError

from aigc_bench.core.errors import UnknownNameError, UsageError
from aigc_bench.core.messages import joined, message
from aigc_bench.core.pipeline import Modality
from aigc_bench.core.records import Case, Count, Mode, OwnModel, Record, Stage, Work
from aigc_bench.data.intake import AudioIntake, ImageIntake, Intake, TextIntake, VideoIntake
from aigc_bench.workloads._feeding import Fed, Outlet, derived
from aigc_bench.workloads._own_files import files_of, why_not_run

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import torch

    from aigc_bench.core.own_model import ModelFiles


class Settings(Record):
    """Base of a family's settings: fields with defaults, ranges and a description; unknown keys are refused."""


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A published model size: its source, its configuration, and the family settings it changes by default."""

    title: str
    source: str
    config: Mapping[str, Any]
    defaults: Mapping[str, Any] = field(default_factory=dict)
    num_params: int | None = None
    weights: str | None = None
    """Folder of a user's safetensors to load; ``None`` for random weights."""


@dataclass(frozen=True, kw_only=True)
class Program:
    """A built model, ready to run: ``begin(step)`` selects the step's inputs, ``stages[name](repeat)`` does the work.

    ``check`` returns what the last step produced (``{"loss": 6.9}``, ``{"finite": True}``); it is called outside the window.
    """

    begin: Callable[[int], None]
    stages: Mapping[str, Callable[[int], None]]
    modules: tuple[torch.nn.Module, ...]
    check: Callable[[], Mapping[str, float | str | bool | None]] = field(default=lambda: {})  # noqa: PIE807 - dict() is typed otherwise
    outlet: Outlet | None = None
    """What postprocessing encodes; ``None`` where a step's result is no product (a training step, a pooled vector)."""


@dataclass(frozen=True, kw_only=True)
class Setup:
    """Where and how a model is built: device, precision and engine are decided before the workload builds.

    Inference holds parameters in ``dtype``. Training holds them in fp32 and computes under ``autocast`` (mixed precision).
    """

    device: torch.device
    dtype: torch.dtype
    training: bool
    generator: torch.Generator
    autocast: Callable[[], AbstractContextManager[Any]]
    prepare: Callable[[torch.nn.Module], torch.nn.Module]
    scaler: torch.amp.GradScaler | None = None
    fed: list[Fed] | None = None
    """Input tensors that the data pipeline fills, in the order they were made; ``None`` where the case has no pipeline."""

    @property
    def params_dtype(self) -> torch.dtype:
        """dtype of the parameters: fp32 when training, the case's own in inference."""
        import torch

        return torch.float32 if self.training else self.dtype

    def build(self, make: Callable[[], torch.nn.Module], *, dtype: torch.dtype | None = None) -> torch.nn.Module:
        """Make a module directly on the device, in train or eval mode; its parameters get their dtype when they are made.

        ``dtype`` is the parameters' unless another is given, as for what is frozen in training.
        """
        import torch

        # Made in their dtype, not converted: a bf16 model never exists in fp32.
        previous = torch.get_default_dtype()
        torch.set_default_dtype(self.params_dtype if dtype is None else dtype)
        try:
            # Tensors are made where they stay: a large model built on the host and copied takes twice the memory.
            with self.device:
                module = make()
        finally:
            torch.set_default_dtype(previous)
        return module.to(self.device).train(self.training)

    def build_frozen(self, make: Callable[[], torch.nn.Module], *, dtype: torch.dtype | None = None) -> torch.nn.Module:
        """Make a part that is only executed: in eval mode, without gradients, in the case's own dtype unless another is given."""
        chosen = self.dtype if dtype is None else dtype
        # Of buffers that a module makes in fp32 by name (frequencies of positions) the dtype is the case's, too.
        return self.build(make, dtype=chosen).eval().requires_grad_(False).to(chosen)

    def tokens(self, *shape: int, vocab_size: int, low: int = 0) -> torch.Tensor:
        """Seeded random token ids of ``shape`` on the device, int64, in ``[low, vocab_size)``."""
        import torch

        return self._placed(lambda: torch.randint(low, vocab_size, shape, generator=self.generator), shape, torch.int64)

    def normal(self, *shape: int, dtype: torch.dtype | None = None) -> torch.Tensor:
        """Seeded standard-normal values of ``shape`` on the device, in the parameters' dtype unless given."""
        import torch

        return self._placed(lambda: torch.randn(shape, generator=self.generator), shape, dtype or self.params_dtype)

    def uniform(self, *shape: int, dtype: torch.dtype | None = None) -> torch.Tensor:
        """Seeded values in [0, 1) of ``shape`` on the device."""
        import torch

        return self._placed(lambda: torch.rand(shape, generator=self.generator), shape, dtype or self.params_dtype)

    def text(self, *shape: int, vocab_size: int, low: int = 0, closing: int | None = None) -> torch.Tensor:
        """Token ids ``(batch, length)`` as ``tokens`` makes them, each row ended by ``closing``; filled from real text."""
        tokens = self.tokens(*shape, vocab_size=vocab_size, low=low)
        if closing is not None:
            tokens[:, -1] = closing
        return self._fed(tokens, TextIntake(length=shape[-1], vocab_size=vocab_size, low=low, closing=closing))

    def images(self, *shape: int, low: float = 0.0, high: float = 1.0, dtype: torch.dtype | None = None) -> torch.Tensor:
        """Pixels ``(batch, 1 or 3, height, width)`` in ``[low, high)``, uniform; filled from real images."""
        pixels = self.uniform(*shape, dtype=dtype) * (high - low) + low
        return self.fed_images(pixels, low=low, high=high)

    def fed_images(self, pixels: torch.Tensor, *, low: float = 0.0, high: float = 1.0, flat: int | None = None) -> torch.Tensor:
        """``pixels`` that a family has made itself, filled from real images; rows of ``flat * flat`` grey pixels with ``flat``."""
        channels, height, width = (1, flat, flat) if flat else pixels.shape[1:]
        intake = ImageIntake(channels=channels, height=height, width=width, scale=high - low, shift=low, flat=flat is not None)
        return self._fed(pixels, intake)

    def frames(self, *shape: int, low: float = 0.0, high: float = 1.0, dtype: torch.dtype | None = None) -> torch.Tensor:
        """Pixels ``(batch, 3, frames, height, width)`` in ``[low, high)``, uniform; filled from real video."""
        pixels = self.uniform(*shape, dtype=dtype) * (high - low) + low
        intake = VideoIntake(num_frames=shape[2], height=shape[3], width=shape[4], scale=high - low, shift=low)
        return self._fed(pixels, intake)

    def log_mels(self, *shape: int, rate: int, hop: int, frames_first: bool = False) -> torch.Tensor:
        """Frames of unit variance, ``(batch, mels, frames)`` or ``(batch, frames, mels)``; filled from real audio."""
        mels, frames = reversed(shape[1:]) if frames_first else shape[1:]
        intake = AudioIntake(
            sampling_rate=rate, num_samples=frames * hop, num_mels=mels, num_frames=frames, hop=hop, frames_first=frames_first
        )
        return self._fed(self.normal(*shape), intake)

    def waveforms(self, waves: torch.Tensor, *, rate: int) -> torch.Tensor:
        """``waves``, ``(batch, samples)``, that a family has made itself, filled from real audio."""
        return self._fed(waves, AudioIntake(sampling_rate=rate, num_samples=waves.shape[-1]))

    def derived(self, source: torch.Tensor, make: Callable[[torch.Tensor], tuple[torch.Tensor, ...]]) -> tuple[torch.Tensor, ...]:
        """What ``make`` gives of a fed tensor; made anew, in place, each time that is filled."""
        return derived(self.fed or (), source, make)

    def _fed(self, tensor: torch.Tensor, intake: Intake) -> torch.Tensor:
        if self.fed is not None:
            self.fed.append(Fed(intake=intake, tensor=tensor))
        return tensor

    def _placed(self, draw: Callable[[], torch.Tensor], shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        """Drawn on the CPU, so that every device gets the same values; on ``meta`` there are none to draw."""
        import torch

        if self.device.type == "meta":
            return torch.empty(shape, dtype=dtype, device=self.device)
        return draw().to(self.device, dtype)

    def backward(self, loss: torch.Tensor) -> None:
        """Backpropagate, through the gradient scaler where the precision is fp16."""
        (loss if self.scaler is None else self.scaler.scale(loss)).backward()  # type: ignore[no-untyped-call]

    def update(self, optimizer: torch.optim.Optimizer) -> None:
        """One optimizer step and cleared gradients, through the gradient scaler where the precision is fp16."""
        if self.scaler is None:
            optimizer.step()
        else:
            self.scaler.step(optimizer)
            self.scaler.update()
        # None frees the gradients' memory between steps and saves writing zeros.
        optimizer.zero_grad(set_to_none=True)


NUM_INPUT_BATCHES = 8
"""Distinct seeded input batches that a program cycles through: made before the window, so that no step repeats its neighbour."""


class Workload(ABC):
    """One model family."""

    title: ClassVar[str]
    item: ClassVar[str]
    """What throughput counts, singular: ``token``, ``image``, ``sample``, ``audio-second``."""
    modes: ClassVar[tuple[Mode, ...]] = ("train", "infer")
    settings: ClassVar[type[Settings]] = Settings
    presets: ClassVar[Mapping[str, Preset]]
    honours_attention: ClassVar[bool] = False
    honours_gradient_checkpointing: ClassVar[bool] = False
    learns_from: ClassVar[tuple[Modality, ...]] = ()
    """Kinds of data that a training step is fed with: what ``run --data`` can bring."""
    reads: ClassVar[tuple[Modality, ...]] = ()
    """Kinds of data that inference is fed with."""
    writes: ClassVar[Modality | None] = None
    """Kind of product that inference makes, which postprocessing encodes."""
    pipelines: ClassVar[tuple[str, ...]] = ()
    """Classes of diffusers' pipelines whose folders it adopts."""

    @abstractmethod
    def stages(self, case: Case) -> tuple[Stage, ...]:
        """What one step consists of, without building anything."""

    @abstractmethod
    def build(self, case: Case, setup: Setup) -> Program:
        """Make the model and its inputs; what the program runs is exactly ``stages``."""

    def imports(self, case: Case) -> tuple[str, ...]:
        """Modules that ``build`` needs; a fork server imports them once for all trials."""
        return ()

    def input_items(self, case: Case) -> Count | None:
        """Return the items that a step takes in besides those it makes (prompt tokens), or ``None``."""
        return None

    def work(self, case: Case) -> Work:
        """The declared work of one step."""
        return Work(item=self.item, stages=self.stages(case), input_items=self.input_items(case))

    def adopt(self, files: ModelFiles) -> Preset | None:
        """A preset made of a user's own model, or ``None`` where this family does not run it."""
        return None

    def preset(self, case: Case) -> Preset:
        """The case's preset, or the user's own model; raises ``UnknownNameError`` with the nearest names."""
        # A workload from the user's function has presets of its own.
        if case.model is not None and not case.model.is_code:
            return self._adopted(case.model)
        if case.preset not in self.presets:
            raise UnknownNameError(message("{workload} preset", workload=case.workload), case.preset, known=self.presets)
        return self.presets[case.preset]

    def _adopted(self, model: OwnModel) -> Preset:
        files = files_of(model)
        adopted = self.adopt(files)
        if adopted is None:
            raise UsageError(message("{path}: {why}", path=model.path, why=why_not_run(files)))
        return adopted

    def options(self, case: Case) -> Any:
        """The family's settings for this case: the preset's defaults overridden by the case's own; raises ``UsageError``."""
        try:
            # Later keys win.
            return self.settings(**{**self.preset(case).defaults, **case.settings})
        except ValidationError as problem:
            raise UsageError(_explain(problem, case=case, known=self.settings.model_fields)) from None

    def validate(self, case: Case) -> None:
        """Raise ``UsageError`` where the case requests what this family does not define; nothing is built."""
        self.options(case)
        if case.mode not in self.modes:
            raise UsageError(
                message(
                    "{workload} cannot {mode}; it can {modes}.",
                    workload=case.workload,
                    mode=case.mode,
                    modes=joined(message(" and "), self.modes),
                )
            )

    def unsupported(self, case: Case) -> str | None:
        """Why this family cannot honour a valid setting of the case, or ``None``."""
        if case.attention != "auto" and not self.honours_attention:
            return message("{workload} has no choice of attention implementation; use attention = 'auto'", workload=case.workload)
        if case.gradient_checkpointing and not (self.honours_gradient_checkpointing and case.mode == "train"):
            return message("{workload} does not do gradient checkpointing in mode {mode}", workload=case.workload, mode=case.mode)
        if case.pipeline is not None and not self.has_pipeline(case.mode):
            return message("{workload} has no data pipeline in mode {mode}", workload=case.workload, mode=case.mode)
        return None

    def fed_with(self, mode: Mode) -> tuple[Modality, ...]:
        """Kinds of data that a step of that mode is fed with."""
        return self.learns_from if mode == "train" else self.reads

    def has_pipeline(self, mode: Mode) -> bool:
        """Whether anything is decoded before, or encoded after, a step of that mode."""
        return bool(self.fed_with(mode)) or (mode == "infer" and self.writes is not None)


def _explain(problem: ValidationError, *, case: Case, known: Mapping[str, Any]) -> str:
    parts = []
    for error in problem.errors():
        key = ".".join(str(part) for part in error["loc"])
        if error["type"] == "extra_forbidden":
            parts.append(message("unknown setting {key!r} (known: {known})", key=key, known=", ".join(known) or "none"))
        else:
            parts.append(message("{key} = {value!r}: {problem}", key=key, value=error["input"], problem=error["msg"].lower()))
    return message("{workload}/{preset}: {problems}.", workload=case.workload, preset=case.preset, problems=joined("; ", parts))
