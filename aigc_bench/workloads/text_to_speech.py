"""Text to speech. Items are seconds of audio made; ``text_len`` symbols are spoken in ``audio_s`` seconds.

- VITS (Kim et al. 2021): ``synthesise`` (text encoder, duration predictor, flow), ``vocode``.
- FastPitch with HiFi-GAN (Łańcucki 2020): ``synthesise`` all mel frames together, ``vocode``.
- SpeechT5 and Tacotron 2 with HiFi-GAN: ``encode``, ``decode`` for each step of frames, ``refine``, ``vocode``.

Training learns mel frames from text, the vocoder left out, as these models are trained. VITS learns against discriminators,
which transformers does not define: it synthesises only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from aigc_bench.core.messages import message
from aigc_bench.core.records import AUDIO_ITEM, Case, Stage
from aigc_bench.workloads._adoption import text_to_speech_preset
from aigc_bench.workloads._feeding import Outlet
from aigc_bench.workloads._training import TrainingStep, adamw, training_stages
from aigc_bench.workloads.base import NUM_INPUT_BATCHES, Preset, Program, Settings, Setup, Workload

if TYPE_CHECKING:
    import torch

    from aigc_bench.core.own_model import ModelFiles

_NUM_MELS = 80
_SPEAKER_WIDTH = 512
_FIRST_SYMBOL = 3
_AUTOREGRESSIVE = ("speecht5", "tacotron2")

_DLE = "github.com/NVIDIA/DeepLearningExamples, PyTorch/SpeechSynthesis/{}, default arguments"
_HIFIGAN_16K: dict[str, Any] = {"sampling_rate": 16_000}
"""config.json of microsoft/speecht5_hifigan: 256 samples a frame."""

_HIFIGAN_V1: dict[str, Any] = {
    "sampling_rate": 22_050, "upsample_rates": (8, 8, 2, 2), "upsample_kernel_sizes": (16, 16, 4, 4), "normalize_before": False,
}  # fmt: skip
"""github.com/jik876/hifi-gan, config_v1.json: 256 samples a frame."""

_TINY_HIFIGAN: dict[str, Any] = {
    **_HIFIGAN_V1,
    "upsample_initial_channel": 32,
    "resblock_kernel_sizes": (3,),
    "resblock_dilation_sizes": ((1, 3),),
}


def _preset(title: str, *, source: str, kind: str, vocoder: Mapping[str, Any], num_params: int, **config: Any) -> Preset:
    return Preset(title=title, source=source, config={"kind": kind, "vocoder": vocoder, "model": config}, num_params=num_params)


_FASTPITCH = {"width": 384, "num_layers": 6, "head_dim": 64, "inner": 1536, "predictor_filters": 256, "dropout": 0.1}

_PRESETS: dict[str, Preset] = {
    "tiny": Preset(
        title=message("FastPitch's and HiFi-GAN's structure with a tenth of their channels, for CPUs"),
        source=message("fastpitch-hifigan with fewer channels and layers"),
        config={
            "kind": "fastpitch",
            "vocoder": _TINY_HIFIGAN,
            "model": {
                **_FASTPITCH, "width": 48, "num_layers": 2, "head_dim": 16, "inner": 96, "predictor_filters": 32,
                "num_symbols": 148, "num_mels": _NUM_MELS,
            },
        },
        defaults={"text_len": 16, "audio_s": 0.5},
        num_params=184_039,
    ),
    "tacotron2-tiny": Preset(
        title=message("Tacotron 2's and HiFi-GAN's structure with a tenth of their channels, for CPUs"),
        source=message("tacotron2-hifigan with fewer channels"),
        config={
            "kind": "tacotron2",
            "vocoder": _TINY_HIFIGAN,
            "model": {
                "num_symbols": 148, "num_mels": _NUM_MELS, "width": 48, "prenet": 32, "rnn": 64, "attention": 16, "postnet": 48,
            },
        },
        defaults={"text_len": 16, "audio_s": 0.2},
        num_params=262_662,
    ),
    "vits": _preset(
        message("VITS (DDP), the deterministic duration predictor of section 4.3"),
        source="Kim et al. 2021, https://arxiv.org/abs/2106.06103, table 1; config.json of kakao-enterprise/vits-ljs",
        kind="vits",
        vocoder={"sampling_rate": 22_050, "upsample_rates": (8, 8, 2, 2)},
        num_params=28_090_625,
        vocab_size=178,
        sampling_rate=22_050,
    ),
    "mms-tts": _preset(
        message("MMS-TTS: VITS at 16 kHz (DDP)"),
        source="Pratap et al. 2023, https://arxiv.org/abs/2305.13516; config.json of facebook/mms-tts-eng",
        kind="vits",
        vocoder={"sampling_rate": 16_000, "upsample_rates": (8, 8, 2, 2)},
        num_params=28_063_745,
        vocab_size=38,
    ),
    "speecht5": _preset(
        "SpeechT5 with HiFi-GAN, 144 M",
        source="Ao et al. 2022, https://arxiv.org/abs/2110.07205; config.json of microsoft/speecht5_tts and speecht5_hifigan",
        kind="speecht5",
        vocoder=_HIFIGAN_16K,
        num_params=157_087_941,
        vocab_size=81,
        max_text_positions=600,
    ),
    "fastpitch-hifigan": _preset(
        message("FastPitch with HiFi-GAN"),
        source=_DLE.format("FastPitch"),
        kind="fastpitch",
        vocoder=_HIFIGAN_V1,
        num_params=58_692_563,
        num_symbols=148,
        num_mels=_NUM_MELS,
        **_FASTPITCH,
    ),
    "tacotron2-hifigan": _preset(
        "Tacotron 2 with HiFi-GAN",
        source=_DLE.format("Tacotron2"),
        kind="tacotron2",
        vocoder=_HIFIGAN_V1,
        num_params=42_119_170,
        num_symbols=148,
        num_mels=_NUM_MELS,
        width=512,
        prenet=256,
        rnn=1024,
        attention=128,
        postnet=512,
    ),
}  # fmt: skip


class TextToSpeechSettings(Settings):
    """Length of the text in symbols and of its speech in seconds."""

    text_len: int = Field(default=128, ge=2, le=400, description=message("symbols (letters, phonemes) of each text"))
    audio_s: float = Field(default=6.5, gt=0, le=40, description=message("seconds of speech of each text"))


class TextToSpeech(Workload):
    """Throughput is seconds of speech made (or learnt from) in a second; RTF is its inverse for one text."""

    title = message("VITS, SpeechT5, FastPitch, Tacotron 2 (text to speech)")
    item = AUDIO_ITEM
    settings = TextToSpeechSettings
    presets: ClassVar[Mapping[str, Preset]] = _PRESETS
    learns_from = ("text", "audio")
    reads = ("text",)
    writes = "audio"

    def stages(self, case: Case) -> tuple[Stage, ...]:
        """Speech is finished when the vocoder has made it."""
        seconds = case.batch_size * self.options(case).audio_s
        if case.mode == "train":
            return training_stages(items=seconds)
        vocode = Stage(name="vocode", items=seconds)
        if self._kind(case) not in _AUTOREGRESSIVE:
            return (Stage(name="synthesise"), vocode)
        return (Stage(name="encode"), Stage(name="decode", repeats=self._num_steps(case)), Stage(name="refine"), vocode)

    def imports(self, case: Case) -> tuple[str, ...]:
        """The networks of the preset."""
        own = {"fastpitch": "fastpitch", "tacotron2": "tacotron2"}.get(self._kind(case))
        return ("aigc_bench.nets.speech_synthesis", *((f"aigc_bench.nets.{own}",) if own else ()))

    def adopt(self, files: ModelFiles) -> Preset | None:
        """VITS (MMS-TTS) and SpeechT5."""
        return text_to_speech_preset(files, vocoder=_HIFIGAN_16K)

    def unsupported(self, case: Case) -> str | None:
        """As the base, and VITS does not train."""
        if case.mode == "train" and self._kind(case) == "vits":
            return message(
                "{preset} learns against discriminators, which transformers does not define; it can infer", preset=case.preset
            )
        return super().unsupported(case)

    def _kind(self, case: Case) -> str:
        return str(self.preset(case).config["kind"])

    def _num_steps(self, case: Case) -> int:
        """Steps of the decoder: frames, or pairs of them (SpeechT5)."""
        reduction = 2 if self._kind(case) == "speecht5" else 1
        return int(self._num_frames(case) // reduction)

    def _num_frames(self, case: Case) -> int:
        """Mel frames of a text's speech; an even number, as SpeechT5 makes two in a step."""
        rate, hop = self._rate_and_hop(case)
        pairs: float = self.options(case).audio_s * rate / hop / 2
        return max(2, 2 * round(pairs))

    def _rate_and_hop(self, case: Case) -> tuple[int, int]:
        """Samples of a second, and of a mel frame."""
        vocoder = self.preset(case).config["vocoder"]
        return int(vocoder["sampling_rate"]), math.prod(vocoder.get("upsample_rates", (4, 4, 4, 4)))

    def build(self, case: Case, setup: Setup) -> Program:
        """The acoustic model; in inference also its vocoder."""
        model = self._model(case, setup)
        return self._training(case, setup, model) if case.mode == "train" else self._inference(case, setup, model)

    def _model(self, case: Case, setup: Setup) -> Any:
        from aigc_bench.nets import speech_synthesis

        kind, config = self._kind(case), self.preset(case).config["model"]
        if kind == "fastpitch":
            from aigc_bench.nets.fastpitch import FastPitch

            return setup.build(lambda: FastPitch(config))
        if kind == "tacotron2":
            from aigc_bench.nets.tacotron2 import Tacotron2

            return setup.build(lambda: Tacotron2(config))
        make = speech_synthesis.SpeechT5 if kind == "speecht5" else speech_synthesis.Vits
        return setup.build(lambda: make(config))

    def _texts(self, case: Case, setup: Setup) -> list[torch.Tensor]:
        config = self.preset(case).config["model"]
        shape, vocab_size = (case.batch_size, self.options(case).text_len), config.get("num_symbols") or config["vocab_size"]
        return [setup.text(*shape, vocab_size=vocab_size, low=_FIRST_SYMBOL) for _ in range(NUM_INPUT_BATCHES)]

    def _inference(self, case: Case, setup: Setup, model: Any) -> Program:
        import torch

        from aigc_bench.nets.speech_synthesis import random_vocoder

        kind = self._kind(case)
        vocoder = model.vocoder if kind == "vits" else setup.build(lambda: random_vocoder(self.preset(case).config["vocoder"]))
        vocode_frames = setup.prepare(vocoder)
        texts = self._texts(case, setup)
        # A random vector in the place of the speaker's.
        state: dict[str, Any] = {"noise": setup.normal(case.batch_size, _SPEAKER_WIDTH)}
        runs = self._runs(case, setup, model, state)

        def begin(step: int) -> None:
            state["text"] = texts[step % NUM_INPUT_BATCHES]

        def vocode(repeat: int) -> None:
            with torch.no_grad():
                state["waveform"] = vocode_frames(state["frames"])

        def check() -> Mapping[str, float | str | bool | None]:
            waveform = state["waveform"].float()
            return {"finite": bool(torch.isfinite(waveform).all()), "rms": float(waveform.std()), "mean": float(waveform.mean())}

        modules = (model,) if kind == "vits" else (model, vocoder)
        rate, _ = self._rate_and_hop(case)
        outlet = Outlet(modality="audio", value=lambda: state["waveform"].flatten(1), rate=rate)
        return Program(begin=begin, stages={**runs, "vocode": vocode}, modules=modules, check=check, outlet=outlet)

    def _runs(self, case: Case, setup: Setup, model: Any, state: dict[str, Any]) -> Mapping[str, Any]:
        """The stages before the vocoder: each reads ``state["text"]`` and the last leaves ``state["frames"]``."""
        from aigc_bench.nets import speech_synthesis as net

        frames = self._num_frames(case)
        kind, batch, text_len = self._kind(case), case.batch_size, self.options(case).text_len
        if kind == "speecht5":
            speech = net.SpeechT5Synthesis(
                model,
                prepare=setup.prepare,
                batch_size=batch,
                text_len=text_len,
                num_steps=self._num_steps(case),
                dtype=setup.params_dtype,
            )
            return autoregressive_runs(speech, state)
        if kind == "tacotron2":
            from aigc_bench.nets.tacotron2 import Synthesis

            return autoregressive_runs(Synthesis(model, prepare=setup.prepare, num_frames=frames, batch_size=batch), state)
        symbols = net.symbol_of_frame(text_len=text_len, num_frames=frames, device=setup.device)
        if kind == "vits":
            # The flow works on halves of its channels.
            noise = setup.normal(batch, model.latents.flow.flows[0].half_channels * 2, frames)
            return parallel_runs(setup.prepare(model.latents), state, symbols, noise)
        return parallel_runs(setup.prepare(model), state, symbols)

    def _training(self, case: Case, setup: Setup, model: Any) -> Program:
        import torch

        from aigc_bench.nets.speech_synthesis import symbol_of_frame

        kind, batch, frames = self._kind(case), case.batch_size, self._num_frames(case)
        text_len = self.options(case).text_len
        executed: Any = setup.prepare(model)
        symbols = symbol_of_frame(text_len=text_len, num_frames=frames, device=setup.device)
        rate, hop = self._rate_and_hop(case)
        mels = [setup.log_mels(batch, frames, _NUM_MELS, rate=rate, hop=hop, frames_first=True) for _ in range(NUM_INPUT_BATCHES)]
        batches = [
            # FastPitch learns a pitch for each symbol; SpeechT5 is given a speaker.
            (text, mel, setup.normal(batch, text_len if kind == "fastpitch" else _SPEAKER_WIDTH))
            for text, mel in zip(self._texts(case, setup), mels, strict=True)
        ]
        functional = torch.nn.functional

        def loss(one: tuple[torch.Tensor, torch.Tensor, torch.Tensor]) -> torch.Tensor:
            text, target, extra = one
            if kind == "fastpitch":
                mels, log_durations, pitch = executed(text, symbols, extra)
                # The true durations: every symbol lasts equally long.
                spoken = torch.full_like(log_durations, frames / text_len).log()
                return (
                    functional.mse_loss(mels, target)
                    + functional.mse_loss(log_durations, spoken)
                    + functional.mse_loss(pitch, extra)
                )
            before, after, stop = executed(text, target, extra) if kind == "speecht5" else executed(text, target)
            # The last frame is where to stop.
            stops = functional.pad(torch.zeros_like(stop[:, 1:]), (0, 1), value=1.0)
            distance = functional.l1_loss if kind == "speecht5" else functional.mse_loss
            ending = functional.binary_cross_entropy_with_logits(stop, stops)
            return distance(before, target) + distance(after, target) + ending

        return TrainingStep(setup, loss=loss, batches=batches, optimizer=adamw(model, setup=setup)).program(model)


def autoregressive_runs(synthesis: Any, state: dict[str, Any]) -> Mapping[str, Any]:
    """``encode``, ``decode`` and ``refine`` over a synthesis of that form."""
    import torch

    def encode(repeat: int) -> None:
        with torch.no_grad():
            synthesis.encode(state["text"], state["noise"])

    def decode(repeat: int) -> None:
        with torch.no_grad():
            synthesis.decode(repeat)

    def refine(repeat: int) -> None:
        with torch.no_grad():
            state["frames"] = synthesis.frames()

    return {"encode": encode, "decode": decode, "refine": refine}


def parallel_runs(model: Any, state: dict[str, Any], *inputs: torch.Tensor) -> Mapping[str, Any]:
    """``synthesise``: all frames of a text together."""
    import torch

    def synthesise(repeat: int) -> None:
        with torch.no_grad():
            state["frames"] = model(state["text"], *inputs)[0]

    return {"synthesise": synthesise}


workload = TextToSpeech()
