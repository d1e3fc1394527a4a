"""Speech enhancement on the waveform: Conv-TasNet (a mask) and Demucs (a U-Net). Items are seconds of audio.

Inference is one pass, ``enhance``. Training takes noise away from clean signals: sums of sines, so that they can be learnt.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from aigc_bench.core.messages import message
from aigc_bench.core.records import AUDIO_ITEM, Case, Stage
from aigc_bench.workloads._feeding import Outlet
from aigc_bench.workloads._training import TrainingStep, adamw, training_stages
from aigc_bench.workloads.base import NUM_INPUT_BATCHES, Preset, Program, Settings, Setup, Workload

if TYPE_CHECKING:
    import torch

_NUM_TONES = 6
_TOP_HZ = 2000.0
_NOISE_LEVEL = 0.5

_TASNET = {"N": 512, "L": 16, "B": 128, "H": 512, "Sc": 128, "P": 3, "X": 8, "R": 3}
_DEMUCS = {"kernel": 8, "stride": 4, "resample": 4, "depth": 5}
_LUO = "Luo & Mesgarani 2018, https://arxiv.org/abs/1809.07454, table 2 (the best non-causal model)"
_DEFOSSEZ = "Défossez et al. 2020, https://arxiv.org/abs/2006.12847; github.com/facebookresearch/denoiser, {}"

_PRESETS: dict[str, Preset] = {
    "tiny": Preset(
        title=message("Conv-TasNet's structure with an eighth of its channels, for CPUs"),
        source=message("conv-tasnet with fewer channels and blocks"),
        config={
            "kind": "conv_tasnet",
            "sample_rate": 8000,
            "model": {**_TASNET, "N": 64, "B": 32, "H": 64, "Sc": 32, "X": 4, "R": 1},
        },
        defaults={"audio_s": 0.5},
        num_params=33_513,
    ),
    "demucs-tiny": Preset(
        title=message("Demucs's structure with four channels and three levels, for CPUs"),
        source=message("dns48 with fewer channels and levels"),
        config={"kind": "demucs", "sample_rate": 16000, "model": {**_DEMUCS, "hidden": 4, "depth": 3}},
        defaults={"audio_s": 0.25},
        num_params=8_473,
    ),
    "conv-tasnet": Preset(
        title=message("Conv-TasNet, 5 M"),
        source=_LUO,
        config={"kind": "conv_tasnet", "sample_rate": 8000, "model": _TASNET},
        num_params=4_984_497,
    ),
    "dns48": Preset(
        title=message("Demucs for speech, 48 channels, 19 M"),
        source=_DEFOSSEZ.format("dns48"),
        config={"kind": "demucs", "sample_rate": 16000, "model": {**_DEMUCS, "hidden": 48}},
        num_params=18_867_937,
    ),
    "dns64": Preset(
        title=message("Demucs for speech, 64 channels, 34 M"),
        source=_DEFOSSEZ.format("dns64"),
        config={"kind": "demucs", "sample_rate": 16000, "model": {**_DEMUCS, "hidden": 64}},
        num_params=33_533_569,
    ),
}


class SpeechEnhancementSettings(Settings):
    """Length of the audio in seconds."""

    audio_s: float = Field(default=4.0, ge=0.05, le=600, description=message("seconds of each clip"))


class SpeechEnhancement(Workload):
    """Throughput is seconds of audio cleaned (or learnt from) in a second."""

    title = message("Conv-TasNet and Demucs (speech enhancement)")
    item = AUDIO_ITEM
    settings = SpeechEnhancementSettings
    presets: ClassVar[Mapping[str, Preset]] = _PRESETS
    learns_from = ("audio",)
    reads = ("audio",)
    writes = "audio"

    def stages(self, case: Case) -> tuple[Stage, ...]:
        """One pass over the batch."""
        seconds = case.batch_size * self.options(case).audio_s
        return training_stages(items=seconds) if case.mode == "train" else (Stage(name="enhance", items=seconds),)

    def imports(self, case: Case) -> tuple[str, ...]:
        """torch is all that is needed."""
        return ("aigc_bench.nets.denoisers",)

    def build(self, case: Case, setup: Setup) -> Program:
        """The denoiser and its seeded clips."""
        from aigc_bench.nets import denoisers

        config = self.preset(case).config
        make: Any = denoisers.Demucs if config["kind"] == "demucs" else denoisers.ConvTasNet
        model = setup.build(lambda: make(config["model"]))
        clips = [self._clip(case, setup) for _ in range(NUM_INPUT_BATCHES)]
        if case.mode == "infer":
            return _enhancing(setup, model, clips, rate=config["sample_rate"])
        executed = setup.prepare(model)

        def loss(clip: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
            noisy, clean = clip
            return denoisers.scale_invariant_noise(executed(noisy), clean)

        # As published for Conv-TasNet: Adam at 1e-3, no weight decay.
        optimizer = adamw(model, setup=setup, learning_rate=1e-3, weight_decay=0.0)
        return TrainingStep(setup, loss=loss, batches=clips, optimizer=optimizer).program(model)

    def _clip(self, case: Case, setup: Setup) -> tuple[torch.Tensor, torch.Tensor]:
        """A noisy clip and its clean one, ``[batch, samples]`` each: tones of random pitch and phase, and white noise."""
        import torch

        rate = self.preset(case).config["sample_rate"]
        num_samples = round(self.options(case).audio_s * rate)
        time_s = torch.arange(num_samples, device=setup.device, dtype=torch.float32) / rate
        pitches = setup.uniform(case.batch_size, _NUM_TONES, 1, dtype=torch.float32) * _TOP_HZ
        phases = setup.uniform(case.batch_size, _NUM_TONES, 1, dtype=torch.float32)
        # [batch, tones, samples] to [batch, samples]; the mean keeps it within [-1, 1].
        clean = torch.sin(2 * math.pi * (pitches * time_s + phases)).mean(dim=1).to(setup.params_dtype)
        clean = setup.waveforms(clean, rate=rate)
        noise = _NOISE_LEVEL * setup.normal(case.batch_size, num_samples)
        (noisy,) = setup.derived(clean, lambda wave: (wave + noise,))
        return noisy, clean


def _enhancing(setup: Setup, model: torch.nn.Module, clips: list[tuple[torch.Tensor, torch.Tensor]], *, rate: int) -> Program:
    import torch

    executed = setup.prepare(model)
    state: dict[str, torch.Tensor] = {}

    def begin(step: int) -> None:
        state["noisy"] = clips[step % NUM_INPUT_BATCHES][0]

    def enhance(repeat: int) -> None:
        with torch.no_grad():
            state["clean"] = executed(state["noisy"])

    def check() -> Mapping[str, float | str | bool | None]:
        clean = state["clean"].float()
        return {"finite": bool(torch.isfinite(clean).all()), "rms": float(clean.std()), "mean": float(clean.mean())}

    outlet = Outlet(modality="audio", value=lambda: state["clean"].flatten(1), rate=rate)
    return Program(begin=begin, stages={"enhance": enhance}, modules=(model,), check=check, outlet=outlet)


workload = SpeechEnhancement()
