"""Decoder-only language models: GPT-2, Llama 3, Qwen 2.5 and Mixtral, as transformers defines them.

Inference is ``prefill`` once (the prompt is read in one pass: compute bound) and ``decode`` for each further token (every
weight and the whole key-value cache are read for one token a sequence: bandwidth bound). TTFT is the first, TPOT the second.
The cache costs ``2 x layers x kv_heads x head_dim x bytes`` a token. Training is causal-LM with AdamW.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from aigc_bench.core.errors import UsageError
from aigc_bench.core.records import Case, Stage
from aigc_bench.workloads._hugging_face import adopted, is_causal, modelling_module, position_limit
from aigc_bench.workloads._training import TrainingStep, adamw, training_stages
from aigc_bench.workloads.base import NUM_INPUT_BATCHES, Preset, Program, Settings, Setup, Workload

if TYPE_CHECKING:
    from aigc_bench.core.own_model import ModelFiles

_GPT2_SOURCE = "Radford et al. 2019, Language Models are Unsupervised Multitask Learners; config.json of openai-community/{}"
_CONFIG_SOURCE = "config.json of {} on the Hugging Face hub"
_GPT2_LENGTHS = {"prompt_len": 128, "max_new_tokens": 128, "seq_len": 1024}
_LLM_LENGTHS = {"prompt_len": 1024, "max_new_tokens": 128, "seq_len": 2048}


class GptSettings(Settings):
    """Lengths in tokens; ``seq_len`` is the training sequence."""

    prompt_len: int = Field(default=128, ge=2, description="tokens of the prompt (inference)")
    max_new_tokens: int = Field(default=32, ge=1, description="tokens generated for each sequence (inference)")
    seq_len: int = Field(default=128, ge=2, description="tokens of a training sequence")


def _gpt2(title: str, *, model: str, layers: int, heads: int, width: int, num_params: int) -> Preset:
    config = {"model_type": "gpt2", "n_layer": layers, "n_head": heads, "n_embd": width, "n_positions": 1024, "vocab_size": 50257}
    return Preset(title=title, source=_GPT2_SOURCE.format(model), config=config, defaults=_GPT2_LENGTHS, num_params=num_params)


def _decoder(title: str, *, model: str, num_params: int, model_type: str, **config: Any) -> Preset:
    keys = {"model_type": model_type, **config}
    return Preset(title=title, source=_CONFIG_SOURCE.format(model), config=keys, defaults=_LLM_LENGTHS, num_params=num_params)


def _llama3_rope(factor: float) -> dict[str, Any]:
    """Llama 3.1's stretched rotary positions (Grattafiori et al. 2024, The Llama 3 Herd of Models)."""
    return {
        "rope_type": "llama3",
        "rope_theta": 500000.0,
        "factor": factor,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    }


_PRESETS: dict[str, Preset] = {
    "tiny": Preset(
        title="GPT-2 architecture, 5.5 M parameters",
        source="A test size of this project for CPUs, not a published model",
        config={
            "model_type": "gpt2",
            "n_layer": 4,
            "n_head": 4,
            "n_embd": 256,
            "n_positions": 1024,
            "vocab_size": 8192,
            "bos_token_id": 0,
            "eos_token_id": 0,
        },
        defaults={"prompt_len": 32, "max_new_tokens": 16, "seq_len": 64},
        num_params=5_518_848,
    ),
    "gpt2-124m": _gpt2("GPT-2 small, 124 M", model="gpt2", layers=12, heads=12, width=768, num_params=124_439_808),
    "gpt2-355m": _gpt2("GPT-2 medium, 355 M", model="gpt2-medium", layers=24, heads=16, width=1024, num_params=354_823_168),
    "gpt2-774m": _gpt2("GPT-2 large, 774 M", model="gpt2-large", layers=36, heads=20, width=1280, num_params=774_030_080),
    "gpt2-xl": _gpt2("GPT-2 XL, 1.56 B", model="gpt2-xl", layers=48, heads=25, width=1600, num_params=1_557_611_200),
    "llama-3.2-1b": _decoder(
        "Llama 3.2 1B",
        model="meta-llama/Llama-3.2-1B",
        num_params=1_235_814_400,
        model_type="llama",
        hidden_size=2048,
        intermediate_size=8192,
        num_hidden_layers=16,
        num_attention_heads=32,
        num_key_value_heads=8,
        head_dim=64,
        vocab_size=128256,
        max_position_embeddings=131072,
        rms_norm_eps=1e-5,
        tie_word_embeddings=True,
        rope_parameters=_llama3_rope(32.0),
    ),
    "llama-3.1-8b": _decoder(
        "Llama 3.1 8B",
        model="meta-llama/Meta-Llama-3.1-8B",
        num_params=8_030_261_248,
        model_type="llama",
        hidden_size=4096,
        intermediate_size=14336,
        num_hidden_layers=32,
        num_attention_heads=32,
        num_key_value_heads=8,
        vocab_size=128256,
        max_position_embeddings=131072,
        rms_norm_eps=1e-5,
        tie_word_embeddings=False,
        rope_parameters=_llama3_rope(8.0),
    ),
    "llama-3.1-70b": _decoder(
        "Llama 3.1 70B",
        model="meta-llama/Meta-Llama-3.1-70B",
        num_params=70_553_706_496,
        model_type="llama",
        hidden_size=8192,
        intermediate_size=28672,
        num_hidden_layers=80,
        num_attention_heads=64,
        num_key_value_heads=8,
        vocab_size=128256,
        max_position_embeddings=131072,
        rms_norm_eps=1e-5,
        tie_word_embeddings=False,
        rope_parameters=_llama3_rope(8.0),
    ),
    "qwen2.5-7b": _decoder(
        "Qwen2.5 7B",
        model="Qwen/Qwen2.5-7B",
        num_params=7_615_616_512,
        model_type="qwen2",
        hidden_size=3584,
        intermediate_size=18944,
        num_hidden_layers=28,
        num_attention_heads=28,
        num_key_value_heads=4,
        vocab_size=152064,
        max_position_embeddings=131072,
        rms_norm_eps=1e-6,
        tie_word_embeddings=False,
        rope_parameters={"rope_type": "default", "rope_theta": 1000000.0},
    ),
    "mixtral-8x7b": _decoder(
        "Mixtral 8x7B, two of eight experts a token",
        model="mistralai/Mixtral-8x7B-v0.1",
        num_params=46_702_792_704,
        model_type="mixtral",
        hidden_size=4096,
        intermediate_size=14336,
        num_hidden_layers=32,
        num_attention_heads=32,
        num_key_value_heads=8,
        num_local_experts=8,
        num_experts_per_tok=2,
        vocab_size=32000,
        max_position_embeddings=32768,
        rms_norm_eps=1e-5,
        sliding_window=None,
        tie_word_embeddings=False,
        rope_parameters={"rope_type": "default", "rope_theta": 1000000.0},
    ),
}


class Gpt(Workload):
    """Causal language models: prefill and decode with a static key-value cache, causal-LM training."""

    title = "GPT (decoder-only language models)"
    item = "token"
    settings = GptSettings
    presets: ClassVar[Mapping[str, Preset]] = _PRESETS
    honours_attention = True
    honours_gradient_checkpointing = True

    def stages(self, case: Case) -> tuple[Stage, ...]:
        """Inference finishes a token of each sequence in every stage; the prefill makes the first."""
        options = self.options(case)
        if case.mode == "train":
            return training_stages(items=case.batch_size * options.seq_len)
        prefill = Stage(name="prefill", items=case.batch_size)
        if options.max_new_tokens == 1:
            return (prefill,)
        return (prefill, Stage(name="decode", repeats=options.max_new_tokens - 1, items=case.batch_size))

    def input_items(self, case: Case) -> int | None:
        """Prompt tokens of one step."""
        return case.batch_size * self.options(case).prompt_len if case.mode == "infer" else None

    def imports(self, case: Case) -> tuple[str, ...]:
        """The one modelling file that the preset needs."""
        return ("transformers", modelling_module(self.preset(case)), "aigc_bench.nets.generation")

    def adopt(self, files: ModelFiles) -> Preset | None:
        """Causal language models of transformers: ``...ForCausalLM``, ``...LMHeadModel``, or a type that has no other head."""
        if not is_causal(files):
            return None
        length = position_limit(files.config) or 4096
        defaults = {"prompt_len": min(1024, length // 2), "max_new_tokens": min(128, length // 4), "seq_len": min(2048, length)}
        return adopted(files, title="a causal language model", defaults=defaults)

    def validate(self, case: Case) -> None:
        """As the base, and the sequence must fit into the model's positions."""
        super().validate(case)
        options, limit = self.options(case), position_limit(self.preset(case).config)
        asked, keys = (
            (options.seq_len, "seq_len")
            if case.mode == "train"
            else (options.prompt_len + options.max_new_tokens, "prompt_len + max_new_tokens")
        )
        if limit is not None and asked > limit:
            raise UsageError(f"{case.workload}/{case.preset}: {keys} = {asked} exceeds the model's {limit} positions.")

    def unsupported(self, case: Case) -> str | None:
        """As the base, and experts are not trained in a precision other than the one asked for."""
        is_mixture = "num_local_experts" in self.preset(case).config
        if is_mixture and case.mode == "train" and case.precision in ("bf16", "fp16"):
            return f"the experts of {case.preset} do not follow autocast and would train in fp32, not {case.precision}; use fp32"
        return super().unsupported(case)

    def build(self, case: Case, setup: Setup) -> Program:
        """The model, its seeded inputs, and the two programs over them."""
        from transformers import AutoModelForCausalLM

        from aigc_bench.nets.hugging_face import random_model

        preset = self.preset(case)
        model = setup.build(
            lambda: random_model(AutoModelForCausalLM, preset.config, attention=case.attention, weights=preset.weights)
        )
        return self._training(case, setup, model) if case.mode == "train" else self._inference(case, setup, model)

    def _inference(self, case: Case, setup: Setup, model: Any) -> Program:
        from aigc_bench.nets.generation import GreedyGeneration

        options = self.options(case)
        vocab_size = model.config.vocab_size
        prompts = [setup.tokens(case.batch_size, options.prompt_len, vocab_size=vocab_size) for _ in range(NUM_INPUT_BATCHES)]
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
        )

    def _training(self, case: Case, setup: Setup, model: Any) -> Program:
        from aigc_bench.nets.hugging_face import checkpoint_activations, passing_cache

        if case.gradient_checkpointing:
            checkpoint_activations(model)
        shape = (case.batch_size, self.options(case).seq_len)
        batches = [setup.tokens(*shape, vocab_size=model.config.vocab_size) for _ in range(NUM_INPUT_BATCHES)]
        executed: Any = setup.prepare(model)
        whole = passing_cache(model.config)
        # transformers guesses the loss from the class's name and warns where, as for GPT-2, the name does not tell.
        model.loss_type = "ForCausalLM"

        def loss(tokens: Any) -> Any:
            return executed(input_ids=tokens, labels=tokens, past_key_values=whole, use_cache=False).loss

        return TrainingStep(setup, loss=loss, batches=batches, optimizer=adamw(model, setup=setup)).program(model)


def kv_bytes_per_token(preset: Preset, *, bytes_per_value: int) -> int:
    """Bytes of keys and values that one token of one sequence adds: ``2 x layers x kv_heads x head_dim x bytes``."""
    config = preset.config
    layers = config.get("num_hidden_layers") or config["n_layer"]
    heads = config.get("num_attention_heads") or config["n_head"]
    width = config.get("hidden_size") or config["n_embd"]
    head_dim = config.get("head_dim") or width // heads
    return int(2 * layers * config.get("num_key_value_heads", heads) * head_dim * bytes_per_value)


workload = Gpt()
