"""Speech recognition: Whisper and its distilled offspring, as transformers defines them. Items are seconds of audio.

The encoder always reads 30 s of log-mel frames: ``encode`` once, ``prefill`` of the four prompt tokens, ``decode`` for each
further token of the transcript. Training is by cross-entropy over the transcript, which is drawn once for each clip.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.records import AUDIO_ITEM, Case, Count, Stage
from aigc_bench.workloads._adoption import CTC, speech_preset
from aigc_bench.workloads._hugging_face import modelling_module
from aigc_bench.workloads._training import TrainingStep, adamw, training_stages
from aigc_bench.workloads._translating import generating
from aigc_bench.workloads.base import NUM_INPUT_BATCHES, Preset, Program, Settings, Setup, Workload

if TYPE_CHECKING:
    import torch

    from aigc_bench.core.own_model import ModelFiles

_FRAME_RATE = 50
"""Positions of Whisper's encoder in a second of audio: log-mel frames every 10 ms, halved by its second convolution."""

_SAMPLING_RATE, _HOP = 16_000, 160

_PROMPT_LEN = 4
"""Start of transcript, language, task, no timestamps (Radford et al. 2022, section 2.3)."""

_FIRST_WORD = 4
"""Token ids below are the tiny preset's special ones; in Whisper's vocabulary they are bytes."""

_RADFORD = "Radford et al. 2022, https://arxiv.org/abs/2212.04356; config.json of openai/{}"
_GANDHI = "Gandhi et al. 2023, https://arxiv.org/abs/2311.00430; config.json of distil-whisper/{}"


class SpeechRecognitionSettings(Settings):
    """Length of the audio in seconds and of its transcript in tokens."""

    audio_s: float = Field(default=30.0, gt=0, le=600, description=message("seconds of each clip; Whisper's window is 30 s"))
    max_new_tokens: int = Field(default=64, ge=1, le=444, description=message("tokens of each transcript (inference)"))
    tgt_len: int = Field(default=64, ge=1, le=448, description=message("tokens of each transcript (training)"))


def _whisper(
    title: str,
    *,
    source: str,
    width: int,
    layers: tuple[int, int],
    heads: int,
    num_params: int,
    vocab_size: int = 51865,
    mels: int = 80,
) -> Preset:
    config = {
        "model_type": "whisper",
        "vocab_size": vocab_size,
        "num_mel_bins": mels,
        "d_model": width,
        "encoder_layers": layers[0],
        "decoder_layers": layers[1],
        "encoder_attention_heads": heads,
        "decoder_attention_heads": heads,
        "encoder_ffn_dim": 4 * width,
        "decoder_ffn_dim": 4 * width,
        "max_source_positions": 1500,
        "max_target_positions": 448,
    }
    return Preset(title=title, source=source, config=config, num_params=num_params)


_PRESETS: dict[str, Preset] = {
    "tiny": Preset(
        title=message("Whisper architecture for 1 s of audio, 0.8 M parameters"),
        source=message("A test size of this project for CPUs, not a published model (whisper-tiny has 38 M)"),
        config={
            "model_type": "whisper",
            "vocab_size": 2048,
            "num_mel_bins": 80,
            "d_model": 96,
            "encoder_layers": 2,
            "decoder_layers": 2,
            "encoder_attention_heads": 3,
            "decoder_attention_heads": 3,
            "encoder_ffn_dim": 384,
            "decoder_ffn_dim": 384,
            "max_source_positions": 50,
            "max_target_positions": 64,
            "pad_token_id": 0,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "decoder_start_token_id": 3,
        },
        defaults={"audio_s": 1.0, "max_new_tokens": 8, "tgt_len": 8},
        num_params=780_480,
    ),
    "whisper-tiny": _whisper(
        message("Whisper tiny, 38 M"),
        source=_RADFORD.format("whisper-tiny"), width=384, layers=(4, 4), heads=6, num_params=37_760_640
    ),
    "whisper-base": _whisper(
        message("Whisper base, 73 M"),
        source=_RADFORD.format("whisper-base"), width=512, layers=(6, 6), heads=8, num_params=72_593_920
    ),
    "whisper-small": _whisper(
        message("Whisper small, 242 M"), source=_RADFORD.format("whisper-small"), width=768, layers=(12, 12), heads=12,
        num_params=241_734_912,
    ),
    "whisper-medium": _whisper(
        message("Whisper medium, 764 M"), source=_RADFORD.format("whisper-medium"), width=1024, layers=(24, 24), heads=16,
        num_params=763_857_920,
    ),
    "whisper-large-v2": _whisper(
        message("Whisper large v2, 1.54 B"), source=_RADFORD.format("whisper-large-v2"), width=1280, layers=(32, 32), heads=20,
        num_params=1_543_304_960,
    ),
    "whisper-large-v3": _whisper(
        message("Whisper large v3, 1.54 B"), source=_RADFORD.format("whisper-large-v3"), width=1280, layers=(32, 32), heads=20,
        vocab_size=51866, mels=128, num_params=1_543_490_560,
    ),
    "whisper-large-v3-turbo": _whisper(
        message("Whisper large v3 turbo, 809 M: four decoder layers"), source=_RADFORD.format("whisper-large-v3-turbo"), width=1280,
        layers=(32, 4), heads=20, vocab_size=51866, mels=128, num_params=808_878_080,
    ),
    "distil-large-v3": _whisper(
        message("Distil-Whisper large v3, 756 M: two decoder layers"),
        source=_GANDHI.format("distil-large-v3"), width=1280, layers=(32, 2),
        heads=20, vocab_size=51866, mels=128, num_params=756_405_760,
    ),
    "distil-small.en": _whisper(
        message("Distil-Whisper small, English, 166 M"),
        source=_GANDHI.format("distil-small.en"), width=768, layers=(12, 4), heads=12,
        vocab_size=51864, num_params=166_132_224,
    ),
}  # fmt: skip


class SpeechRecognition(Workload):
    """Throughput is seconds of audio transcribed (or learnt from) in a second."""

    title = message("Whisper (speech recognition)")
    item = AUDIO_ITEM
    settings = SpeechRecognitionSettings
    presets: ClassVar[Mapping[str, Preset]] = _PRESETS
    honours_gradient_checkpointing = True
    learns_from = ("audio", "text")
    reads = ("audio",)
    writes = "text"

    def stages(self, case: Case) -> tuple[Stage, ...]:
        """A transcript covers its clip token by token: the last stage's repeats finish the clip in equal parts."""
        options = self.options(case)
        seconds = case.batch_size * options.audio_s
        if case.mode == "train":
            return training_stages(items=seconds)
        if self._is_ctc(case):
            return (Stage(name="encode", items=seconds),)
        repeats = options.max_new_tokens - 1
        prefill = Stage(name="prefill", items=0 if repeats else seconds, tokens=case.batch_size)
        if not repeats:
            return (Stage(name="encode"), prefill)
        decode = Stage(name="decode", repeats=repeats, items=seconds / repeats, tokens=case.batch_size)
        return (Stage(name="encode"), prefill, decode)

    def input_items(self, case: Case) -> Count | None:
        """Return ``None``: the only input is the audio, which is counted."""
        return None

    def imports(self, case: Case) -> tuple[str, ...]:
        """The one modelling file that the preset needs."""
        return ("transformers", modelling_module(self.preset(case)), "aigc_bench.nets.encoder_decoder")

    def adopt(self, files: ModelFiles) -> Preset | None:
        """Whisper, and encoders with a head for each frame (wav2vec 2.0, HuBERT, WavLM)."""
        return speech_preset(files, frame_rate=_FRAME_RATE)

    def unsupported(self, case: Case) -> str | None:
        """As the base; alignments of frames and letters are summed on the host's values, which is not measured."""
        if case.mode == "train" and self._is_ctc(case):
            return message("{preset} learns by CTC, whose lengths are read back to the host; it can infer", preset=case.preset)
        return super().unsupported(case)

    def _is_ctc(self, case: Case) -> bool:
        return bool(self.preset(case).config.get(CTC))

    def validate(self, case: Case) -> None:
        """As the base; raises ``UsageError`` for audio of another length than the window, and for too long a transcript, too."""
        super().validate(case)
        if self._is_ctc(case):
            return
        preset, options = self.preset(case), self.options(case)
        window_s, limit = preset.config["max_source_positions"] / _FRAME_RATE, preset.config["max_target_positions"]
        if options.audio_s != window_s:
            hint = message("Whisper pads and cuts all audio to its window; count longer audio as a larger batch_size.")
            raise UsageError(
                message(
                    "{workload}/{preset}: audio_s = {audio_s:g} must be {window_s:g}.",
                    workload=case.workload,
                    preset=case.preset,
                    audio_s=options.audio_s,
                    window_s=window_s,
                ),
                hint,
            )
        num_tokens = options.tgt_len if case.mode == "train" else _PROMPT_LEN + options.max_new_tokens
        if num_tokens > limit:
            raise UsageError(
                message(
                    "{workload}/{preset}: {num_tokens} tokens exceed the model's {limit} positions.",
                    workload=case.workload,
                    preset=case.preset,
                    num_tokens=num_tokens,
                    limit=limit,
                )
            )

    def build(self, case: Case, setup: Setup) -> Program:
        """The model, its seeded clips, and the program over them."""
        from transformers import AutoModelForSpeechSeq2Seq

        from aigc_bench.nets.hugging_face import random_model

        config = self.preset(case).config
        if self._is_ctc(case):
            return self._encoder(case, setup)
        model = setup.build(lambda: random_model(AutoModelForSpeechSeq2Seq, config, attention=case.attention))
        return self._training(case, setup, model) if case.mode == "train" else self._inference(case, setup, model)

    def _encoder(self, case: Case, setup: Setup) -> Program:
        """Waveforms ``[batch, samples]`` to scores of letters ``[batch, frames, letters]`` in one pass."""
        import torch
        from transformers import AutoModelForCTC

        from aigc_bench.nets.hugging_face import fold_weight_norm, random_model

        unsupported = self.unsupported(case)
        if unsupported is not None:
            raise UsageError(message("{workload}/{why}.", workload=case.workload, why=unsupported))
        config = {key: value for key, value in self.preset(case).config.items() if key != CTC}
        model = setup.build(lambda: random_model(AutoModelForCTC, config, attention="eager"))
        fold_weight_norm(model)
        executed: Any = setup.prepare(model)
        shape = (case.batch_size, round(_SAMPLING_RATE * self.options(case).audio_s))
        waves = [setup.waveforms(setup.normal(*shape), rate=_SAMPLING_RATE) for _ in range(NUM_INPUT_BATCHES)]
        state: dict[str, torch.Tensor] = {"waves": waves[0]}

        def begin(step: int) -> None:
            state["waves"] = waves[step % NUM_INPUT_BATCHES]

        @torch.no_grad()
        def encode(repeat: int) -> None:
            state["letters"] = executed(input_values=state["waves"]).logits

        def check() -> Mapping[str, float | str | bool | None]:
            return {"finite": bool(torch.isfinite(state["letters"]).all()), "logits_std": float(state["letters"].float().std())}

        return Program(begin=begin, stages={"encode": encode}, modules=(model,), check=check)

    def _clips(self, case: Case, setup: Setup) -> list[torch.Tensor]:
        """Log-mel frames ``[batch, mels, 100 x seconds]`` of unit variance."""
        config = self.preset(case).config
        # Two frames to a position: the encoder's second convolution has stride 2.
        shape = (case.batch_size, config["num_mel_bins"], 2 * config["max_source_positions"])
        return [setup.log_mels(*shape, rate=_SAMPLING_RATE, hop=_HOP) for _ in range(NUM_INPUT_BATCHES)]

    def _inference(self, case: Case, setup: Setup, model: Any) -> Program:
        import torch

        from aigc_bench.nets.encoder_decoder import EncoderDecoderGeneration

        config, options = model.config, self.options(case)
        heads = config.decoder_attention_heads
        # Any ids serve as a prompt: weights are random.
        prompt = torch.arange(_PROMPT_LEN, device=setup.device).expand(case.batch_size, _PROMPT_LEN)
        generation = EncoderDecoderGeneration(
            encoder=setup.prepare(model.get_encoder()),
            model=setup.prepare(model),
            heads=(heads, config.d_model // heads),
            num_layers=config.decoder_layers,
            prompt=prompt,
            source_len=config.max_source_positions,
            max_new_tokens=options.max_new_tokens,
            dtype=setup.params_dtype,
        )
        clips = self._clips(case, setup)
        runs = {"encode": generation.encode, "prefill": generation.prefill, "decode": generation.decode_after_prefill}
        return generating(
            generation,
            model,
            begin=lambda step: generation.begin(input_features=clips[step % NUM_INPUT_BATCHES]),
            stages={stage.name: runs[stage.name] for stage in self.stages(case)},
        )

    def _training(self, case: Case, setup: Setup, model: Any) -> Program:
        from aigc_bench.nets.hugging_face import checkpoint_activations

        if case.gradient_checkpointing:
            checkpoint_activations(model)
        executed: Any = setup.prepare(model)
        shape, vocab_size = (case.batch_size, self.options(case).tgt_len), model.config.vocab_size
        batches = [(clip, setup.text(*shape, vocab_size=vocab_size, low=_FIRST_WORD)) for clip in self._clips(case, setup)]

        def loss(batch: tuple[torch.Tensor, torch.Tensor]) -> Any:
            # A mask of ones says that nothing is packed; without one transformers looks at the positions' values.
            whole = batch[1].new_ones(batch[1].shape)
            return executed(input_features=batch[0], labels=batch[1], decoder_attention_mask=whole, use_cache=False).loss

        return TrainingStep(setup, loss=loss, batches=batches, optimizer=adamw(model, setup=setup)).program(model)


workload = SpeechRecognition()
