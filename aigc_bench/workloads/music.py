"""Music from text: MusicGen (Copet et al. 2023, arXiv 2306.05284), a language model over the codes of EnCodec at 32 kHz.

Inference: ``text_encode`` (T5's encoder) once, ``decode`` for each of the 50 frames of a second and the delay of the last
codebook, ``audio_decode`` (EnCodec) once. Training: the frozen text encoder (``encode``), then the next code of every codebook.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.records import AUDIO_ITEM, Case, Count, Stage
from aigc_bench.workloads._adoption import music_preset
from aigc_bench.workloads._feeding import Outlet
from aigc_bench.workloads._training import TrainingStep, adamw, encoded_training, training_stages
from aigc_bench.workloads.base import NUM_INPUT_BATCHES, Preset, Program, Settings, Setup, Workload

if TYPE_CHECKING:
    import torch

    from aigc_bench.core.own_model import ModelFiles

FRAME_RATE = 50
"""Frames of codes in a second of audio."""

_SAMPLING_RATE = 32_000

_T5_BASE = {"vocab_size": 32128, "d_model": 768, "d_kv": 64, "d_ff": 3072, "num_layers": 12, "num_heads": 12}
_ENCODEC = {
    "num_filters": 64, "upsampling_ratios": (8, 5, 4, 4), "hidden_size": 128, "codebook_size": 2048, "num_codebooks": 4,
    "num_lstm_layers": 2,
}  # fmt: skip
_SOURCE = "Copet et al. 2023, https://arxiv.org/abs/2306.05284; config.json of facebook/{} and of facebook/encodec_32khz"


class MusicSettings(Settings):
    """Length of the music and of its description."""

    audio_s: float = Field(default=10.0, gt=0, le=40, description=message("seconds of music of each piece"))
    text_len: int = Field(default=32, ge=1, le=512, description=message("tokens of each description"))
    guidance_scale: float = Field(
        default=3.0,
        ge=1,
        le=100,
        description=message("classifier-free guidance (inference); above 1 two sequences run for each piece, 1 is off"),
    )


def _musicgen(title: str, *, model: str, width: int, layers: int, heads: int, num_params: int) -> Preset:
    decoder = {
        "vocab_size": 2048, "hidden_size": width, "num_hidden_layers": layers, "num_attention_heads": heads, "ffn_dim": 4 * width,
        "num_codebooks": 4, "max_position_embeddings": 2048,
    }  # fmt: skip
    config = {"text_encoder": _T5_BASE, "decoder": decoder, "audio_decoder": _ENCODEC}
    return Preset(title=title, source=_SOURCE.format(model), config=config, num_params=num_params)


_PRESETS: dict[str, Preset] = {
    "tiny": Preset(
        title=message("MusicGen's structure with a sixteenth of its channels, for CPUs"),
        source=message("musicgen-small with fewer channels and layers"),
        config={
            "text_encoder": {
                **_T5_BASE, "vocab_size": 512, "d_model": 64, "d_kv": 16, "d_ff": 128, "num_layers": 2, "num_heads": 4,
            },
            "decoder": {
                "vocab_size": 256, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "ffn_dim": 256,
                "num_codebooks": 4, "max_position_embeddings": 2048, "pad_token_id": 256, "bos_token_id": 256,
            },
            "audio_decoder": {**_ENCODEC, "num_filters": 4, "hidden_size": 32, "codebook_size": 256},
        },
        defaults={"audio_s": 0.4, "text_len": 8},
        num_params=522_003,
    ),
    "musicgen-small": _musicgen(
        message("MusicGen small, 300 M decoder"), model="musicgen-small", width=1024, layers=24, heads=16, num_params=559_486_881
    ),
    "musicgen-medium": _musicgen(
        message("MusicGen medium, 1.5 B decoder"),
        model="musicgen-medium", width=1536, layers=48, heads=24, num_params=1_977_853_345
    ),
    "musicgen-large": _musicgen(
        message("MusicGen large, 3.3 B decoder"), model="musicgen-large", width=2048, layers=48, heads=32, num_params=3_396_072_353
    ),
}  # fmt: skip


class Music(Workload):
    """Throughput is seconds of music made (or learnt from) in a second."""

    title = message("MusicGen (music generation)")
    item = AUDIO_ITEM
    settings = MusicSettings
    presets: ClassVar[Mapping[str, Preset]] = _PRESETS
    learns_from = ("text",)
    reads = ("text",)
    writes = "audio"

    def stages(self, case: Case) -> tuple[Stage, ...]:
        """Music is finished when its codes have become a waveform."""
        seconds = case.batch_size * self.options(case).audio_s
        if case.mode == "train":
            return (Stage(name="encode"), *training_stages(items=seconds))
        steps = self._num_frames(case) + self.preset(case).config["decoder"]["num_codebooks"] - 1
        return (Stage(name="text_encode"), Stage(name="decode", repeats=steps), Stage(name="audio_decode", items=seconds))

    def input_items(self, case: Case) -> Count | None:
        """A description is no audio."""
        return None

    def imports(self, case: Case) -> tuple[str, ...]:
        """The networks, and transformers' modelling files behind them."""
        return (
            "transformers.models.musicgen.modeling_musicgen", "transformers.models.t5.modeling_t5",
            "aigc_bench.nets.music_generation", "aigc_bench.nets.encodec",
        )  # fmt: skip

    def adopt(self, files: ModelFiles) -> Preset | None:
        """MusicGen."""
        return music_preset(files, codec=_ENCODEC)

    def validate(self, case: Case) -> None:
        """As the base; raises ``UsageError`` for a piece that is not a whole number of frames, too."""
        super().validate(case)
        frames = self.options(case).audio_s * FRAME_RATE
        if abs(frames - round(frames)) > 1e-6:
            raise UsageError(
                message(
                    "{workload}/{preset}: audio_s = {audio_s:g} is not a whole number of frames.",
                    workload=case.workload,
                    preset=case.preset,
                    audio_s=self.options(case).audio_s,
                ),
                message("Use a multiple of {frame_s:g} s.", frame_s=1 / FRAME_RATE),
            )

    def _num_frames(self, case: Case) -> int:
        seconds: float = self.options(case).audio_s
        return round(seconds * FRAME_RATE)

    def build(self, case: Case, setup: Setup) -> Program:
        """Text encoder and decoder, in inference also EnCodec's decoder."""
        from aigc_bench.nets import music_generation as net

        self.validate(case)
        config = self.preset(case).config
        text_encoder = setup.build(lambda: net.random_text_encoder(config["text_encoder"]))
        text_encoder.eval().requires_grad_(False).to(setup.dtype)
        decoder = setup.build(lambda: net.ConditionedDecoder(config["decoder"], text_width=config["text_encoder"]["d_model"]))
        make = self._training if case.mode == "train" else self._inference
        return make(case, setup, text_encoder, decoder)

    def _texts(self, case: Case, setup: Setup) -> list[torch.Tensor]:
        vocab_size = self.preset(case).config["text_encoder"]["vocab_size"]
        shape = (case.batch_size, self.options(case).text_len)
        # Below are T5's padding, end of sequence and unknown.
        return [setup.text(*shape, vocab_size=vocab_size, low=3) for _ in range(NUM_INPUT_BATCHES)]

    def _inference(self, case: Case, setup: Setup, text_encoder: Any, decoder: Any) -> Program:
        import torch

        from aigc_bench.nets.encodec import EncodecDecoder
        from aigc_bench.nets.music_generation import DelayedGeneration

        options, config = self.options(case), self.preset(case).config
        codec = setup.build(lambda: EncodecDecoder(config["audio_decoder"]))
        encode, play = setup.prepare(text_encoder), setup.prepare(codec)
        generation = DelayedGeneration(
            setup.prepare(decoder),
            config=decoder.decoder.config,
            batch_size=case.batch_size,
            text_len=options.text_len,
            num_frames=self._num_frames(case),
            guidance_scale=options.guidance_scale,
            dtype=setup.params_dtype,
            device=setup.device,
        )
        texts = self._texts(case, setup)
        state: dict[str, torch.Tensor] = {}

        def begin(step: int) -> None:
            state["text"] = texts[step % NUM_INPUT_BATCHES]
            generation.begin()

        def text_encode(repeat: int) -> None:
            with torch.no_grad():
                generation.read(encode(input_ids=state["text"]).last_hidden_state)

        def audio_decode(repeat: int) -> None:
            with torch.no_grad():
                state["waveform"] = play(generation.codes())

        def check() -> Mapping[str, float | str | bool | None]:
            finite = bool(torch.isfinite(state["waveform"]).all())
            return {"finite": finite, "code_sum": float(generation.codes().sum()), "rms": float(state["waveform"].float().std())}

        stages = {"text_encode": text_encode, "decode": generation.decode, "audio_decode": audio_decode}
        outlet = Outlet(modality="audio", value=lambda: state["waveform"].flatten(1), rate=_SAMPLING_RATE)
        return Program(begin=begin, stages=stages, modules=(text_encoder, decoder, codec), check=check, outlet=outlet)

    def _training(self, case: Case, setup: Setup, text_encoder: Any, decoder: Any) -> Program:
        import torch

        from aigc_bench.nets.music_generation import delayed

        config = self.preset(case).config["decoder"]
        vocab_size, codebooks = config["vocab_size"], config["num_codebooks"]
        encode, executed = setup.prepare(text_encoder), setup.prepare(decoder)
        optimizer = adamw(decoder, setup=setup)
        shape = (case.batch_size, codebooks, self._num_frames(case))
        # The code that pads is one beyond the codebook.
        pieces = [delayed(setup.tokens(*shape, vocab_size=vocab_size), pad=vocab_size) for _ in range(NUM_INPUT_BATCHES)]
        batches = list(zip(self._texts(case, setup), pieces, strict=True))
        encoded: dict[str, Any] = {}

        def encode_text(batch: tuple[Any, Any]) -> None:
            encoded["context"] = encode(input_ids=batch[0]).last_hidden_state.float()

        def loss(batch: tuple[Any, Any]) -> torch.Tensor:
            codes = batch[1]
            # [batch, codebooks, time] to [batch x codebooks, time], as the decoder takes them.
            logits = executed(codes[:, :, :-1].reshape(-1, codes.shape[-1] - 1), encoded["context"])
            targets = codes[:, :, 1:].reshape(-1)
            # -100 is left out by torch's cross-entropy: padding is not to be learnt.
            wanted = targets.masked_fill(targets == vocab_size, -100)
            return torch.nn.functional.cross_entropy(logits.reshape(-1, vocab_size), wanted)

        step = TrainingStep(setup, loss=loss, batches=batches, optimizer=optimizer)
        return encoded_training(step, text_encoder, decoder, encode=encode_text)


workload = Music()
