"""BERT: encoder-only, as transformers defines it. Inference encodes sequences; training is masked-LM with 15 % masking."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from aigc_bench.core.messages import message
from aigc_bench.core.records import Case, Stage
from aigc_bench.workloads._hugging_face import (
    adopted,
    first_position,
    is_encoder,
    modelling_module,
    position_limit,
    refuse_beyond_positions,
)
from aigc_bench.workloads._training import TrainingStep, adamw, training_stages
from aigc_bench.workloads.base import NUM_INPUT_BATCHES, Preset, Program, Settings, Setup, Workload

if TYPE_CHECKING:
    import torch

    from aigc_bench.core.own_model import ModelFiles

# Of the uncased WordPiece vocabulary, in which 103 is [MASK]; -100 is what torch's cross-entropy leaves out.
_VOCAB_SIZE = 30522
_MASK_TOKEN = 103
_IGNORED = -100
MASKED_FRACTION = 0.15
"""Share of the tokens to predict: 80 % become [MASK], 10 % another token, 10 % stay (Devlin et al. 2019, section 3.1)."""


class BertSettings(Settings):
    """Length in tokens."""

    seq_len: int = Field(default=128, ge=8, description=message("tokens of a sequence"))


def _preset(title: str, *, source: str, layers: int, heads: int, width: int, num_params: int) -> Preset:
    return Preset(
        title=title,
        source=source,
        config={
            "model_type": "bert",
            "vocab_size": _VOCAB_SIZE,
            "hidden_size": width,
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "intermediate_size": 4 * width,
            "max_position_embeddings": 512,
            # Sequences are never padded; with a padding token transformers would read the inputs' values to warn of it.
            "pad_token_id": None,
        },
        num_params=num_params,
    )


def _xlm_roberta(title: str, *, source: str, positions: int, num_params: int) -> Preset:
    config = {
        "model_type": "xlm-roberta", "vocab_size": 250002, "hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16,
        "intermediate_size": 4096, "max_position_embeddings": positions, "type_vocab_size": 1, "layer_norm_eps": 1e-05,
        # Positions begin behind the padding token's, which the sequences here never have.
        "pad_token_id": None, "padding_token": 1,
    }  # fmt: skip
    return Preset(title=title, source=source, config=config, defaults={"seq_len": 512}, num_params=num_params)


_DEVLIN = "Devlin et al. 2019, https://arxiv.org/abs/1810.04805; config.json of google-bert/{}"
_TURC = "Turc et al. 2019, https://arxiv.org/abs/1908.08962; config.json of google/bert_uncased_L-2_H-128_A-2"


class Bert(Workload):
    """Encoder-only language models."""

    title = message("BERT (encoder-only language models)")
    item = "sequence"
    settings = BertSettings
    presets: ClassVar[Mapping[str, Preset]] = {
        "tiny": _preset("BERT-Tiny, 4.4 M", source=_TURC, layers=2, heads=2, width=128, num_params=4_385_920),
        "base": _preset(
            "BERT-Base, 110 M", source=_DEVLIN.format("bert-base-uncased"), layers=12, heads=12, width=768, num_params=109_482_240
        ),
        "large": _preset(
            "BERT-Large, 335 M",
            source=_DEVLIN.format("bert-large-uncased"),
            layers=24,
            heads=16,
            width=1024,
            num_params=335_141_888,
        ),
        "minilm-l6": Preset(
            title=message("MiniLM L6, 22.7 M, all-MiniLM-L6-v2"),
            source="Wang et al. 2020, https://arxiv.org/abs/2002.10957; config.json of sentence-transformers/all-MiniLM-L6-v2",
            config={
                "model_type": "bert",
                "vocab_size": _VOCAB_SIZE,
                "hidden_size": 384,
                "num_hidden_layers": 6,
                "num_attention_heads": 12,
                "intermediate_size": 1536,
                "max_position_embeddings": 512,
                "pad_token_id": None,
            },
            num_params=22_713_216,
        ),
        "modernbert-base": Preset(
            title=message("ModernBERT base, 149 M, also gte-modernbert-base"),
            source="Warner et al. 2024, https://arxiv.org/abs/2412.13663; config.json of answerdotai/ModernBERT-base",
            config={
                "model_type": "modernbert",
                "vocab_size": 50368,
                "hidden_size": 768,
                "num_hidden_layers": 22,
                "num_attention_heads": 12,
                "intermediate_size": 1152,
                "max_position_embeddings": 8192,
                "global_attn_every_n_layers": 3,
                "local_attention": 128,
                "pad_token_id": None,
            },
            defaults={"seq_len": 512},
            num_params=149_014_272,
        ),
        "xlm-roberta-large": _xlm_roberta(
            message("XLM-RoBERTa large, 560 M, multilingual-e5-large and bge-reranker-large"),
            source="Conneau et al. 2020, https://arxiv.org/abs/1911.02116; config.json of FacebookAI/xlm-roberta-large",
            positions=514,
            num_params=559_890_432,
        ),
        "bge-m3": _xlm_roberta(
            message("BGE-M3 and bge-reranker-v2-m3, 568 M"),
            source="Chen et al. 2024, https://arxiv.org/abs/2402.03216; config.json of BAAI/bge-m3",
            positions=8194,
            num_params=567_754_752,
        ),
    }
    honours_attention = True
    honours_gradient_checkpointing = True
    learns_from = ("text",)
    reads = ("text",)

    def stages(self, case: Case) -> tuple[Stage, ...]:
        """One pass over the batch."""
        if case.mode == "train":
            return training_stages(items=case.batch_size)
        return (Stage(name="encode", items=case.batch_size),)

    def imports(self, case: Case) -> tuple[str, ...]:
        """BERT's modelling file."""
        return ("transformers", modelling_module(self.preset(case)), "aigc_bench.nets.hugging_face")

    def adopt(self, files: ModelFiles) -> Preset | None:
        """Encoders of transformers that have a masked-LM head."""
        if not is_encoder(files):
            return None
        length = position_limit(files.config) or 512
        # With a padding token transformers would read the inputs' values to warn of it; sequences here are never padded. Where it
        # begins the positions (RoBERTa), they are given with the tokens.
        padding = {"padding_token": files.config.get("pad_token_id", 1)} if first_position(files.config) else {}
        return adopted(files, title=message("an encoder"), defaults={"seq_len": min(128, length)}, pad_token_id=None, **padding)

    def validate(self, case: Case) -> None:
        """As the base; raises ``UsageError`` where the sequence does not fit into the model's positions, too."""
        super().validate(case)
        limit = position_limit(self.preset(case).config)
        refuse_beyond_positions(case, self.options(case).seq_len, limit=limit, keys="seq_len")

    def build(self, case: Case, setup: Setup) -> Program:
        """The encoder with its pooler for inference, with the masked-LM head for training."""
        return self._training(case, setup) if case.mode == "train" else self._inference(case, setup)

    def _inference(self, case: Case, setup: Setup) -> Program:
        import torch
        from transformers import AutoModel

        model = self._model(AutoModel, case, setup)
        executed: Any = setup.prepare(model)
        shape = (case.batch_size, self.options(case).seq_len)
        vocab_size = vocabulary(self.preset(case))
        batches = [setup.text(*shape, vocab_size=vocab_size) for _ in range(NUM_INPUT_BATCHES)]
        state: dict[str, torch.Tensor] = {}
        positions = self._positions(case, setup)

        def begin(step: int) -> None:
            state["tokens"] = batches[step % NUM_INPUT_BATCHES]

        @torch.no_grad()
        def encode(repeat: int) -> None:
            output = executed(input_ids=state["tokens"], **positions)
            pooled = getattr(output, "pooler_output", None)
            # Encoders without a pooler: the first token stands for the sequence.
            state["pooled"] = output.last_hidden_state[:, 0] if pooled is None else pooled

        def check() -> Mapping[str, float | str | bool | None]:
            return {"finite": bool(torch.isfinite(state["pooled"]).all()), "pooled_mean": float(state["pooled"].float().mean())}

        return Program(begin=begin, stages={"encode": encode}, modules=(model,), check=check)

    def _training(self, case: Case, setup: Setup) -> Program:
        from transformers import AutoModelForMaskedLM

        from aigc_bench.nets.hugging_face import checkpoint_activations

        model: Any = self._model(AutoModelForMaskedLM, case, setup)
        if case.gradient_checkpointing:
            checkpoint_activations(model)
        executed: Any = setup.prepare(model)
        seq_len = self.options(case).seq_len
        size = {"batch_size": case.batch_size, "seq_len": seq_len, "vocab_size": vocabulary(self.preset(case))}
        batches = [masked_batch(setup, **size) for _ in range(NUM_INPUT_BATCHES)]
        positions = self._positions(case, setup)

        def loss(batch: tuple[torch.Tensor, torch.Tensor]) -> Any:
            tokens, labels = batch
            return executed(input_ids=tokens, labels=labels, **positions).loss

        return TrainingStep(setup, loss=loss, batches=batches, optimizer=adamw(model, setup=setup)).program(model)

    def _positions(self, case: Case, setup: Setup) -> Mapping[str, torch.Tensor]:
        """``[1, seq_len]`` where the first is not 0: otherwise the library counts them itself."""
        import torch

        first = first_position(self.preset(case).config)
        if not first:
            return {}
        return {"position_ids": torch.arange(first, first + self.options(case).seq_len, device=setup.device)[None]}

    def _model(self, auto_class: Any, case: Case, setup: Setup) -> torch.nn.Module:
        from aigc_bench.nets.hugging_face import random_model

        preset = self.preset(case)
        config = {key: value for key, value in preset.config.items() if key != "padding_token"}
        return setup.build(lambda: random_model(auto_class, config, attention=case.attention, weights=preset.weights))


def vocabulary(preset: Preset) -> int:
    """Token ids that the preset knows."""
    return int(preset.config.get("vocab_size", _VOCAB_SIZE))


def masked_batch(
    setup: Setup, *, batch_size: int, seq_len: int, vocab_size: int = _VOCAB_SIZE
) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids with 15 % of the positions of each sequence hidden, and labels that are ``-100`` at all others.

    Both are ``[batch_size, seq_len]``, int64.
    """
    import torch

    shape = (batch_size, seq_len)
    words = setup.text(*shape, vocab_size=vocab_size)
    # The same number in every row (not 15 % by chance), so that no shape depends on values.
    chosen = setup.uniform(*shape).topk(max(1, round(MASKED_FRACTION * seq_len)), dim=1).indices
    is_chosen = torch.zeros(shape, dtype=torch.bool, device=setup.device).scatter(1, chosen, True)
    fate = setup.uniform(*shape)
    other = setup.tokens(*shape, vocab_size=vocab_size)

    def masked(tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        hidden = tokens.masked_fill(is_chosen & (fate < 0.8), min(_MASK_TOKEN, vocab_size - 1))
        changed = torch.where(is_chosen & (fate >= 0.8) & (fate < 0.9), other, hidden)
        return changed, tokens.masked_fill(~is_chosen, _IGNORED)

    # Masked anew, at the same places, each time that real text is filled in.
    tokens, labels = setup.derived(words, masked)
    return tokens, labels


workload = Bert()
