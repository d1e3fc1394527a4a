"""Encoder-decoder language models for translation and summarisation: T5, Flan-T5 and BART, as transformers defines them.

Inference is ``encode`` once and ``decode`` for each target token, greedy; the first decode also projects the source's keys
and values. Training is teacher-forced: each target is its source, cut or repeated to length, so that there is something
to learn.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.records import Case
from aigc_bench.workloads._adoption import seq2seq_preset
from aigc_bench.workloads._hugging_face import modelling_module
from aigc_bench.workloads._training import TrainingStep, adamw
from aigc_bench.workloads._translating import TranslatingWorkload, generating
from aigc_bench.workloads.base import NUM_INPUT_BATCHES, Preset, Program, Settings, Setup

if TYPE_CHECKING:
    import torch

    from aigc_bench.core.own_model import ModelFiles

_START_TOKEN = 0
_FIRST_WORD = 3
"""Token ids below are padding, end of sequence and unknown, or their like."""

_RAFFEL = "Raffel et al. 2020, https://arxiv.org/abs/1910.10683; config.json of google-t5/{}"
_FLAN = "Chung et al. 2022, https://arxiv.org/abs/2210.11416; config.json of google/{}"
_LEWIS = "Lewis et al. 2020, https://arxiv.org/abs/1910.13461; config.json of facebook/{}"


class Seq2SeqSettings(Settings):
    """Lengths in tokens."""

    src_len: int = Field(default=512, ge=2, le=16384, description=message("tokens of a source text"))
    tgt_len: int = Field(default=128, ge=2, le=16384, description=message("tokens of a target text (training)"))
    max_new_tokens: int = Field(default=64, ge=1, le=16384, description=message("tokens generated for each text (inference)"))


def _t5(
    title: str, *, source: str, width: int, inner: int, layers: int, heads: int, num_params: int, head_dim: int = 64, is_gated: bool
) -> Preset:
    config = {
        "model_type": "t5",
        "vocab_size": 32128,
        "d_model": width,
        "d_kv": head_dim,
        "d_ff": inner,
        "num_layers": layers,
        "num_decoder_layers": layers,
        "num_heads": heads,
        "feed_forward_proj": "gated-gelu" if is_gated else "relu",
        "decoder_start_token_id": _START_TOKEN,
        # T5 1.1 and Flan-T5 have an output head of their own, T5 uses the embedding table turned round.
        "has_own_head": is_gated,
    }
    return Preset(title=title, source=source, config=config, num_params=num_params)


def _bart(title: str, *, model: str, width: int, layers: int, heads: int, num_params: int, vocab_size: int = 50265) -> Preset:
    config = {
        "model_type": "bart",
        "vocab_size": vocab_size,
        "d_model": width,
        "encoder_layers": layers,
        "decoder_layers": layers,
        "encoder_attention_heads": heads,
        "decoder_attention_heads": heads,
        "encoder_ffn_dim": 4 * width,
        "decoder_ffn_dim": 4 * width,
        "max_position_embeddings": 1024,
    }
    return Preset(title=title, source=_LEWIS.format(model), config=config, num_params=num_params)


def _original(title: str, *, model: str, num_params: int, **sizes: int) -> Preset:
    return _t5(title, source=_RAFFEL.format(model), num_params=num_params, is_gated=False, **sizes)


def _flan(title: str, *, model: str, num_params: int, **sizes: int) -> Preset:
    return _t5(title, source=_FLAN.format(model), num_params=num_params, is_gated=True, **sizes)


_TINY = {
    "vocab_size": 4096, "d_model": 128, "d_kv": 32, "d_ff": 256, "num_layers": 2, "num_decoder_layers": 2, "num_heads": 4,
}  # fmt: skip

_PRESETS: dict[str, Preset] = {
    "tiny": Preset(
        title=message("T5 architecture, 1.2 M parameters"),
        source=message("A test size of this project for CPUs, not a published model"),
        config={"model_type": "t5", "feed_forward_proj": "relu", "decoder_start_token_id": _START_TOKEN, **_TINY},
        defaults={"src_len": 32, "tgt_len": 16, "max_new_tokens": 8},
        num_params=1_181_440,
    ),
    "t5-small": _original(
        "T5 small, 61 M", model="t5-small", width=512, inner=2048, layers=6, heads=8, num_params=60_506_624
    ),
    "t5-base": _original("T5 base, 223 M", model="t5-base", width=768, inner=3072, layers=12, heads=12, num_params=222_903_552),
    "t5-large": _original(
        "T5 large, 738 M", model="t5-large", width=1024, inner=4096, layers=24, heads=16, num_params=737_668_096
    ),
    "t5-3b": _original(
        "T5 3B", model="t5-3b", width=1024, inner=16384, layers=24, heads=32, head_dim=128, num_params=2_851_598_336
    ),
    "t5-11b": _original(
        "T5 11B", model="t5-11b", width=1024, inner=65536, layers=24, heads=128, head_dim=128, num_params=11_307_321_344
    ),
    "flan-t5-small": _flan(
        "Flan-T5 small, 77 M", model="flan-t5-small", width=512, inner=1024, layers=8, heads=6, num_params=76_961_152
    ),
    "flan-t5-base": _flan(
        "Flan-T5 base, 248 M", model="flan-t5-base", width=768, inner=2048, layers=12, heads=12, num_params=247_577_856
    ),
    "flan-t5-large": _flan(
        "Flan-T5 large, 783 M", model="flan-t5-large", width=1024, inner=2816, layers=24, heads=16, num_params=783_150_080
    ),
    "flan-t5-xl": _flan(
        "Flan-T5 XL, 2.8 B", model="flan-t5-xl", width=2048, inner=5120, layers=24, heads=32, num_params=2_849_757_184
    ),
    "flan-t5-xxl": _flan(
        "Flan-T5 XXL, 11 B", model="flan-t5-xxl", width=4096, inner=10240, layers=24, heads=64, num_params=11_135_332_352
    ),
    "bart-base": _bart(message("BART base, 139 M"), model="bart-base", width=768, layers=6, heads=12, num_params=139_420_416),
    "bart-large": _bart(message("BART large, 406 M"), model="bart-large", width=1024, layers=12, heads=16, num_params=406_291_456),
    "bart-large-cnn": _bart(
        message("BART large, fine-tuned for news summaries"),
        model="bart-large-cnn", width=1024, layers=12, heads=16, vocab_size=50264,
        num_params=406_290_432,
    ),
}  # fmt: skip


class Seq2Seq(TranslatingWorkload):
    """Translation and summarisation."""

    title = message("T5 and BART (encoder-decoder language models)")
    settings = Seq2SeqSettings
    presets: ClassVar[Mapping[str, Preset]] = _PRESETS
    honours_attention = True
    honours_gradient_checkpointing = True

    def imports(self, case: Case) -> tuple[str, ...]:
        """The one modelling file that the preset needs."""
        return ("transformers", modelling_module(self.preset(case)), "aigc_bench.nets.encoder_decoder")

    def adopt(self, files: ModelFiles) -> Preset | None:
        """T5, mT5, BART, mBART, Marian, M2M-100, NLLB and their like."""
        return seq2seq_preset(files)

    def validate(self, case: Case) -> None:
        """As the base; raises ``UsageError`` for texts beyond learnt positions (BART), too; T5's are relative."""
        super().validate(case)
        options, limit = self.options(case), self.preset(case).config.get("max_position_embeddings")
        # In inference the start token takes a position, too.
        target = options.tgt_len if case.mode == "train" else options.max_new_tokens + 1
        if limit is not None and max(options.src_len, target) > limit:
            raise UsageError(
                message(
                    "{workload}/{preset}: {num_tokens} tokens exceed the model's {limit} positions.",
                    workload=case.workload,
                    preset=case.preset,
                    num_tokens=max(options.src_len, target),
                    limit=limit,
                ),
                message("Lower src_len, tgt_len or max_new_tokens."),
            )

    def build(self, case: Case, setup: Setup) -> Program:
        """The model, its seeded texts, and the program over them."""
        from aigc_bench.nets.encoder_decoder import random_seq2seq

        config = self.preset(case).config
        model = setup.build(lambda: random_seq2seq(config, attention=case.attention))
        return self._training(case, setup, model) if case.mode == "train" else self._inference(case, setup, model)

    def _inference(self, case: Case, setup: Setup, model: Any) -> Program:
        import torch

        from aigc_bench.nets.encoder_decoder import EncoderDecoderGeneration

        options, config = self.options(case), model.config
        heads = getattr(config, "decoder_attention_heads", None) or config.num_heads
        generation = EncoderDecoderGeneration(
            encoder=setup.prepare(model.get_encoder()),
            model=setup.prepare(model),
            # T5's heads have a width of their own, whatever d_model is.
            heads=(heads, getattr(config, "d_kv", None) or config.d_model // heads),
            num_layers=getattr(config, "decoder_layers", None) or config.num_decoder_layers,
            prompt=torch.full((case.batch_size, 1), config.decoder_start_token_id, dtype=torch.int64, device=setup.device),
            source_len=options.src_len,
            max_new_tokens=options.max_new_tokens,
            dtype=setup.params_dtype,
        )
        shape = (case.batch_size, options.src_len)
        sources = [setup.text(*shape, vocab_size=config.vocab_size, low=_FIRST_WORD) for _ in range(NUM_INPUT_BATCHES)]
        return generating(
            generation,
            model,
            begin=lambda step: generation.begin(input_ids=sources[step % NUM_INPUT_BATCHES]),
            stages={"encode": generation.encode, "decode": generation.decode},
        )

    def _training(self, case: Case, setup: Setup, model: Any) -> Program:
        from aigc_bench.nets.hugging_face import checkpoint_activations

        if case.gradient_checkpointing:
            checkpoint_activations(model)
        options = self.options(case)
        shape = (case.batch_size, options.src_len)
        sources = [setup.text(*shape, vocab_size=model.config.vocab_size, low=_FIRST_WORD) for _ in range(NUM_INPUT_BATCHES)]
        targets = [setup.derived(source, lambda text: (targets_of(text, length=options.tgt_len),))[0] for source in sources]
        batches = list(zip(sources, targets, strict=True))
        executed: Any = setup.prepare(model)

        def loss(batch: tuple[torch.Tensor, torch.Tensor]) -> Any:
            source, target = batch
            return executed(input_ids=source, labels=target, use_cache=False).loss

        return TrainingStep(setup, loss=loss, batches=batches, optimizer=adamw(model, setup=setup)).program(model)


def targets_of(source: torch.Tensor, *, length: int) -> torch.Tensor:
    """The source ``[batch, src_len]`` cut, or repeated, to ``[batch, length]``: copying is what the model can learn."""
    repeats = -(-length // source.shape[1])
    return source.repeat(1, repeats)[:, :length].contiguous()


workload = Seq2Seq()
