"""Decoder-only language models, dense and mixtures of experts, as transformers defines them (``data/language_presets.json``).

Inference is ``prefill`` once (the prompt is read in one pass: compute bound) and ``decode`` for each further token (every
weight and the whole key-value cache are read for one token a sequence: bandwidth bound). TTFT is the first, TPOT the second.
The cache costs ``2 x layers x kv_heads x head_dim x bytes`` a token; latent attention (DeepSeek) keeps one compressed head.
Windows of attention (Gemma, gpt-oss) are not exploited: the whole context is kept and read.

Training is causal-LM with AdamW, of all weights or, with ``lora_rank``, of adapters alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from aigc_bench.core.messages import message
from aigc_bench.core.records import Case, Stage
from aigc_bench.workloads._feeding import Outlet
from aigc_bench.workloads._hugging_face import (
    adopted,
    is_causal,
    language_part,
    modelling_module,
    position_limit,
    refuse_beyond_positions,
)
from aigc_bench.workloads._language_presets import language_presets
from aigc_bench.workloads._training import TrainingStep, adamw, training_stages
from aigc_bench.workloads.base import NUM_INPUT_BATCHES, Preset, Program, Settings, Setup, Workload

if TYPE_CHECKING:
    from aigc_bench.core.own_model import ModelFiles

_EXPERT_KEYS = ("num_local_experts", "num_experts", "n_routed_experts")


class GptSettings(Settings):
    """Lengths in tokens; ``seq_len`` is the training sequence."""

    prompt_len: int = Field(default=128, ge=2, description=message("tokens of the prompt (inference)"))
    max_new_tokens: int = Field(default=32, ge=1, description=message("tokens generated for each sequence (inference)"))
    seq_len: int = Field(default=128, ge=2, description=message("tokens of a training sequence"))
    lora_rank: int = Field(
        default=0,
        ge=0,
        le=1024,
        description=message("rank of the attention's adapters, which alone are trained; 0 trains all weights"),
    )


class Gpt(Workload):
    """Causal language models: prefill and decode with a static key-value cache, causal-LM training."""

    title = message("GPT (decoder-only language models)")
    item = "token"
    settings = GptSettings
    presets: ClassVar[Mapping[str, Preset]] = language_presets()
    honours_attention = True
    honours_gradient_checkpointing = True
    learns_from = ("text",)
    reads = ("text",)
    writes = "text"

    def stages(self, case: Case) -> tuple[Stage, ...]:
        """Inference finishes a token of each sequence in every stage; the prefill makes the first."""
        options = self.options(case)
        if case.mode == "train":
            return training_stages(items=case.batch_size * options.seq_len)
        prefill = Stage(name="prefill", items=case.batch_size)
        if options.max_new_tokens == 1:
            return (prefill,)
        # The prefill has made the first token already.
        return (prefill, Stage(name="decode", repeats=options.max_new_tokens - 1, items=case.batch_size))

    def input_items(self, case: Case) -> int | None:
        """Prompt tokens of one step."""
        return case.batch_size * self.options(case).prompt_len if case.mode == "infer" else None

    def imports(self, case: Case) -> tuple[str, ...]:
        """The one modelling file that the preset needs."""
        return ("transformers", modelling_module(self.preset(case)), "aigc_bench.nets.generation")

    def adopt(self, files: ModelFiles) -> Preset | None:
        """Causal language models of transformers, and those of its multimodal models, which are run on text alone."""
        text = language_part(files)
        if not is_causal(text):
            return None
        length = position_limit(text.config) or 4096
        # Those of our own presets, cut to what the positions allow.
        defaults = {"prompt_len": min(1024, length // 2), "max_new_tokens": min(128, length // 4), "seq_len": min(2048, length)}
        is_part = text.config is not files.config and text.architecture != files.architecture
        title = (
            message("the language model of a {architecture}", architecture=files.architecture or files.config["model_type"])
            if is_part
            else message("a causal language model")
        )
        return adopted(text, title=title, defaults=defaults)

    def validate(self, case: Case) -> None:
        """As the base; raises ``UsageError`` where the sequence does not fit into the model's positions, too."""
        super().validate(case)
        options, limit = self.options(case), position_limit(self.preset(case).config)
        num_tokens, keys = (
            (options.seq_len, "seq_len")
            if case.mode == "train"
            else (options.prompt_len + options.max_new_tokens, "prompt_len + max_new_tokens")
        )
        refuse_beyond_positions(case, num_tokens, limit=limit, keys=keys)

    def unsupported(self, case: Case) -> str | None:
        """As the base, and experts are not trained in a precision other than the requested one."""
        is_mixture = any(key in self.preset(case).config for key in _EXPERT_KEYS)
        is_frozen = self.options(case).lora_rank > 0
        # Their grouped product is no operator that autocast converts.
        if is_mixture and not is_frozen and case.mode == "train" and case.precision in ("bf16", "fp16"):
            return message(
                "the experts of {preset} do not follow autocast and would train in fp32, not {precision}; use fp32",
                preset=case.preset,
                precision=case.precision,
            )
        return super().unsupported(case)

    def build(self, case: Case, setup: Setup) -> Program:
        """The model, its seeded inputs, and the two programs over them."""
        from aigc_bench.nets.language import random_decoder

        preset = self.preset(case)
        # Under adapters the model is frozen in the case's own dtype: in fp32 first, 8B would not fit on the card it is tuned on.
        dtype = setup.dtype if case.mode == "train" and self.options(case).lora_rank else None
        model = setup.build(lambda: random_decoder(preset.config, attention=case.attention, weights=preset.weights), dtype=dtype)
        return self._training(case, setup, model) if case.mode == "train" else self._inference(case, setup, model)

    def _inference(self, case: Case, setup: Setup, model: Any) -> Program:
        from aigc_bench.nets.generation import GreedyGeneration

        options = self.options(case)
        vocab_size = model.config.vocab_size
        prompts = [setup.text(case.batch_size, options.prompt_len, vocab_size=vocab_size) for _ in range(NUM_INPUT_BATCHES)]
        generation = GreedyGeneration(
            setup.prepare(model),
            config=model.config,
            batch_size=case.batch_size,
            prompt_len=options.prompt_len,
            max_new_tokens=options.max_new_tokens,
            dtype=setup.params_dtype,
            device=setup.device,
        )
        runs = {"prefill": generation.prefill, "decode": generation.decode}
        return Program(
            begin=lambda step: generation.begin(prompts[step % NUM_INPUT_BATCHES]),
            stages={stage.name: runs[stage.name] for stage in self.stages(case)},
            modules=(model,),
            check=generation.check,
            outlet=Outlet(modality="text", value=lambda: generation.generated.T, vocab_size=vocab_size),
        )

    def _training(self, case: Case, setup: Setup, model: Any) -> Program:
        from aigc_bench.nets.caches import cache_argument, passing_cache
        from aigc_bench.nets.hugging_face import checkpoint_activations

        rank = self.options(case).lora_rank
        if rank:
            from aigc_bench.nets.lora import adapt

            with setup.device:
                adapt(model, rank=rank, dtype=setup.dtype)
        if case.gradient_checkpointing:
            checkpoint_activations(model)
        shape = (case.batch_size, self.options(case).seq_len)
        batches = [setup.text(*shape, vocab_size=model.config.vocab_size) for _ in range(NUM_INPUT_BATCHES)]
        executed: Any = setup.prepare(model)
        # A model of states alone takes no such cache: it has nothing to mask.
        whole = {cache_argument(model.config): passing_cache(model.config)}
        # transformers guesses the loss from the class's name and warns where, as for GPT-2, the name does not reveal it.
        model.loss_type = "ForCausalLM"

        def loss(tokens: Any) -> Any:
            return executed(input_ids=tokens, labels=tokens, **whole, use_cache=False).loss

        return TrainingStep(setup, loss=loss, batches=batches, optimizer=adamw(model, setup=setup)).program(model)


workload = Gpt()
