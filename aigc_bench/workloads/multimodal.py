"""Vision-language models: LLaVA 1.5, Qwen2-VL and Qwen2.5-VL, as transformers defines them; one image before each text.

Inference: ``vision_encode`` (tower and projector), ``prefill`` of image and text tokens, ``decode`` for each further token.
Training is visual instruction tuning (Liu et al. 2023, arXiv 2304.08485): the tower is frozen, projector and language model
learn the text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.records import Case, Stage
from aigc_bench.workloads._adoption import vision_language_preset
from aigc_bench.workloads._feeding import Outlet
from aigc_bench.workloads._training import TrainingStep, adamw, training_stages
from aigc_bench.workloads.base import NUM_INPUT_BATCHES, Preset, Program, Settings, Setup, Workload

if TYPE_CHECKING:
    import torch

    from aigc_bench.core.own_model import ModelFiles

_CHANNELS = 3
_QWEN_TYPES = ("qwen2_vl", "qwen2_5_vl")
_LIU = "Liu et al. 2023, https://arxiv.org/abs/2310.03744; config.json of llava-hf/{}"
_WANG = "Wang et al. 2024, https://arxiv.org/abs/2409.12191; config.json of Qwen/{}"
_BAI = "Bai et al. 2025, https://arxiv.org/abs/2502.13923; config.json of Qwen/{}"


class MultimodalSettings(Settings):
    """Size of the image in pixels, and lengths of the text in tokens."""

    resolution: int = Field(default=336, ge=28, le=4096, description=message("height and width of the image in pixels"))
    prompt_len: int = Field(
        default=64, ge=1, description=message("text tokens of the prompt, without those of the image (inference)")
    )
    max_new_tokens: int = Field(default=128, ge=1, description=message("tokens generated for each image (inference)"))
    seq_len: int = Field(default=256, ge=2, description=message("text tokens of a training sequence, without those of the image"))


def _llava(title: str, *, model: str, width: int, inner: int, layers: int, heads: int, num_params: int) -> Preset:
    config = {
        "model_type": "llava",
        "vision_config": {
            "model_type": "clip_vision_model", "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24,
            "num_attention_heads": 16, "image_size": 336, "patch_size": 14, "projection_dim": 768, "vocab_size": 32000,
        },
        "text_config": {
            "model_type": "llama", "hidden_size": width, "intermediate_size": inner, "num_hidden_layers": layers,
            "num_attention_heads": heads, "num_key_value_heads": heads, "vocab_size": 32064, "max_position_embeddings": 4096,
            "rms_norm_eps": 1e-5,
        },
        "image_token_index": 32000,
    }  # fmt: skip
    return Preset(title=title, source=_LIU.format(model), config=config, num_params=num_params)


def _qwen_text(*, width: int, inner: int, layers: int, heads: int, kv_heads: int, vocab_size: int) -> dict[str, Any]:
    return {
        "hidden_size": width, "intermediate_size": inner, "num_hidden_layers": layers, "num_attention_heads": heads,
        "num_key_value_heads": kv_heads, "vocab_size": vocab_size, "max_position_embeddings": 32768, "rms_norm_eps": 1e-6,
        # Published models of up to 3B parameters tie them.
        "tie_word_embeddings": layers < 28 or width < 3000,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1000000.0, "mrope_section": [16, 24, 24]},
    }  # fmt: skip


def _qwen2(title: str, *, model: str, num_params: int, **text: int) -> Preset:
    words = _qwen_text(**text)
    config = {
        "model_type": "qwen2_vl", "text_config": words, "tie_word_embeddings": words["tie_word_embeddings"],
        "vision_config": {"depth": 32, "embed_dim": 1280, "hidden_size": text["width"], "num_heads": 16, "mlp_ratio": 4},
    }  # fmt: skip
    return Preset(title=title, source=_WANG.format(model), config=config, defaults={"resolution": 672}, num_params=num_params)


def _qwen2_5(title: str, *, model: str, num_params: int, **text: int) -> Preset:
    words = _qwen_text(**text)
    config = {
        "model_type": "qwen2_5_vl", "text_config": words, "tie_word_embeddings": words["tie_word_embeddings"],
        "vision_config": {
            "depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "num_heads": 16, "out_hidden_size": text["width"],
        },
    }  # fmt: skip
    return Preset(title=title, source=_BAI.format(model), config=config, defaults={"resolution": 672}, num_params=num_params)


_TINY_LENGTHS = {"resolution": 56, "prompt_len": 8, "max_new_tokens": 8, "seq_len": 16}
_TINY_QWEN_TEXT = {
    **_qwen_text(width=96, inner=256, layers=2, heads=4, kv_heads=2, vocab_size=2048),
    "rope_parameters": {"rope_type": "default", "rope_theta": 1000000.0, "mrope_section": [4, 4, 4]},
}

_PRESETS: dict[str, Preset] = {
    "tiny": Preset(
        title=message("LLaVA's structure with a tenth of its channels and 16 image tokens, for CPUs"),
        source=message("llava-1.5-7b with fewer channels and layers"),
        config={
            "model_type": "llava",
            "vision_config": {
                "model_type": "clip_vision_model", "hidden_size": 64, "intermediate_size": 256, "num_hidden_layers": 2,
                "num_attention_heads": 4, "image_size": 56, "patch_size": 14,
            },
            "text_config": {
                "model_type": "llama", "hidden_size": 96, "intermediate_size": 256, "num_hidden_layers": 2,
                "num_attention_heads": 4, "num_key_value_heads": 4, "vocab_size": 2048, "max_position_embeddings": 512,
            },
            "image_token_index": 2047,
        },
        defaults=_TINY_LENGTHS,
        num_params=769_440,
    ),
    "qwen2.5-vl-tiny": Preset(
        title=message("Qwen2.5-VL's structure with a tenth of its channels, for CPUs"),
        source=message("qwen2.5-vl-7b with fewer channels and layers"),
        config={
            "model_type": "qwen2_5_vl", "text_config": _TINY_QWEN_TEXT, "tie_word_embeddings": True,
            "vision_config": {
                "depth": 2, "hidden_size": 64, "intermediate_size": 128, "num_heads": 4, "out_hidden_size": 96,
                "fullatt_block_indexes": [1],
            },
        },
        defaults=_TINY_LENGTHS,
        num_params=649_344,
    ),
    "llava-1.5-7b": _llava(
        "LLaVA 1.5 7B", model="llava-1.5-7b-hf", width=4096, inner=11008, layers=32, heads=32, num_params=7_063_427_072
    ),
    "llava-1.5-13b": _llava(
        "LLaVA 1.5 13B", model="llava-1.5-13b-hf", width=5120, inner=13824, layers=40, heads=40, num_params=13_351_494_656
    ),
    "qwen2-vl-2b": _qwen2(
        "Qwen2-VL 2B", model="Qwen2-VL-2B-Instruct", width=1536, inner=8960, layers=28, heads=12, kv_heads=2, vocab_size=151936,
        num_params=2_208_985_600,
    ),
    "qwen2-vl-7b": _qwen2(
        "Qwen2-VL 7B", model="Qwen2-VL-7B-Instruct", width=3584, inner=18944, layers=28, heads=28, kv_heads=4, vocab_size=152064,
        num_params=8_291_375_616,
    ),
    "qwen2.5-vl-3b": _qwen2_5(
        "Qwen2.5-VL 3B", model="Qwen2.5-VL-3B-Instruct", width=2048, inner=11008, layers=36, heads=16, kv_heads=2,
        vocab_size=151936, num_params=3_754_622_976,
    ),
    "qwen2.5-vl-7b": _qwen2_5(
        "Qwen2.5-VL 7B", model="Qwen2.5-VL-7B-Instruct", width=3584, inner=18944, layers=28, heads=28, kv_heads=4,
        vocab_size=152064, num_params=8_292_166_656,
    ),
    "qwen2.5-vl-72b": _qwen2_5(
        "Qwen2.5-VL 72B", model="Qwen2.5-VL-72B-Instruct", width=8192, inner=29568, layers=80, heads=64, kv_heads=8,
        vocab_size=152064, num_params=73_406_351_360,
    ),
}  # fmt: skip


class Multimodal(Workload):
    """Throughput counts text tokens: generated in inference, learnt from in training."""

    title = message("LLaVA and Qwen-VL (vision-language models)")
    item = "token"
    settings = MultimodalSettings
    presets: ClassVar[Mapping[str, Preset]] = _PRESETS
    learns_from = ("image", "text")
    reads = ("image", "text")
    writes = "text"
    honours_gradient_checkpointing = True

    def stages(self, case: Case) -> tuple[Stage, ...]:
        """Image and text are read in the prefill, which makes the first token."""
        options = self.options(case)
        if case.mode == "train":
            return training_stages(items=case.batch_size * options.seq_len)
        stages = (Stage(name="vision_encode"), Stage(name="prefill", items=case.batch_size))
        if options.max_new_tokens == 1:
            return stages
        return (*stages, Stage(name="decode", repeats=options.max_new_tokens - 1, items=case.batch_size))

    def input_items(self, case: Case) -> int | None:
        """Prompt tokens of one step, those of the images among them."""
        return case.batch_size * (self._image_tokens(case) + self.options(case).prompt_len) if case.mode == "infer" else None

    def imports(self, case: Case) -> tuple[str, ...]:
        """The modelling files of the preset."""
        model_type = self.preset(case).config["model_type"]
        return ("transformers", f"transformers.models.{model_type}.modeling_{model_type}", "aigc_bench.nets.vision_language")

    def adopt(self, files: ModelFiles) -> Preset | None:
        """LLaVA 1.5, Qwen2-VL and Qwen2.5-VL."""
        return vision_language_preset(files)

    def validate(self, case: Case) -> None:
        """As the base; raises ``UsageError`` for a size that the tower does not take, too, and for texts beyond the positions."""
        super().validate(case)
        vision, resolution = self.preset(case).config["vision_config"], self.options(case).resolution
        where = f"{case.workload}/{case.preset}: resolution = {resolution}"
        if not _is_qwen(self.preset(case)) and resolution != vision["image_size"]:
            raise UsageError(
                message("{where} must be {image_size}, the one size of its tower.", where=where, image_size=vision["image_size"])
            )
        if _is_qwen(self.preset(case)) and resolution % 28:
            raise UsageError(
                message("{where} must be a multiple of 28 pixels.", where=where),
                message("Use {nearest}.", nearest=max(28, round(resolution / 28) * 28)),
            )
        limit = self.preset(case).config["text_config"]["max_position_embeddings"]
        options = self.options(case)
        text = options.seq_len if case.mode == "train" else options.prompt_len + options.max_new_tokens
        if self._image_tokens(case) + text > limit:
            raise UsageError(
                message(
                    "{workload}/{preset}: {num_image} image and {num_text} text tokens exceed the model's {limit} positions.",
                    workload=case.workload,
                    preset=case.preset,
                    num_image=self._image_tokens(case),
                    num_text=text,
                    limit=limit,
                )
            )

    def _image_tokens(self, case: Case) -> int:
        """Patches of 14 pixels, of which Qwen-VL merges four into a token."""
        side = self.options(case).resolution // (28 if _is_qwen(self.preset(case)) else 14)
        return int(side * side)

    def build(self, case: Case, setup: Setup) -> Program:
        """Tower, projector and language model, and their seeded images and texts."""
        from transformers import AutoModelForImageTextToText

        from aigc_bench.nets import vision_language as net
        from aigc_bench.nets.hugging_face import random_model

        config = self.preset(case).config
        model: Any = setup.build(lambda: random_model(AutoModelForImageTextToText, config, attention=case.attention))
        options = self.options(case)
        vision: Any = (
            net.QwenVision(model.model, batch_size=case.batch_size, resolution=options.resolution, device=setup.device)
            if _is_qwen(self.preset(case))
            else net.LlavaVision(model.model)
        )
        images = [self._images(case, setup) for _ in range(NUM_INPUT_BATCHES)]
        length = options.seq_len if case.mode == "train" else options.prompt_len
        vocab_size = config["text_config"]["vocab_size"]
        texts = [setup.text(case.batch_size, length, vocab_size=vocab_size) for _ in range(NUM_INPUT_BATCHES)]
        make = self._training if case.mode == "train" else self._inference
        return make(case, setup, model, vision, list(zip(images, texts, strict=True)))

    def _images(self, case: Case, setup: Setup) -> torch.Tensor:
        """Pixels of unit variance, as normalised images have; for Qwen-VL cut into patches, each frame twice (a still video)."""
        resolution = self.options(case).resolution
        images = setup.fed_images(setup.normal(case.batch_size, _CHANNELS, resolution, resolution), low=-2, high=2)
        if not _is_qwen(self.preset(case)):
            return images
        side = resolution // 14

        def patches(pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
            # [batch, channels, 2 frames, rows, 14, columns, 14] to [batch x rows x columns, values of a patch].
            cut = pixels.view(-1, _CHANNELS, 1, side, 14, side, 14).expand(-1, -1, 2, -1, -1, -1, -1)
            return (cut.permute(0, 3, 5, 1, 2, 4, 6).reshape(-1, 2 * _CHANNELS * 14 * 14),)

        return setup.derived(images, patches)[0]

    def _inference(self, case: Case, setup: Setup, model: Any, vision: Any, batches: list[tuple[Any, Any]]) -> Program:
        import torch

        from aigc_bench.nets.generation import GreedyGeneration
        from aigc_bench.nets.vision_language import TextDecoder, joined

        decoder, see = TextDecoder(model), setup.prepare(vision)
        options = self.options(case)
        generation = GreedyGeneration(
            setup.prepare(decoder),
            config=model.config.text_config,
            batch_size=case.batch_size,
            prompt_len=self._image_tokens(case) + options.prompt_len,
            max_new_tokens=options.max_new_tokens,
            dtype=setup.params_dtype,
            device=setup.device,
        )
        state: dict[str, torch.Tensor] = {}

        def begin(step: int) -> None:
            state["images"], state["text"] = batches[step % NUM_INPUT_BATCHES]
            generation.begin(state["text"])

        def vision_encode(repeat: int) -> None:
            with torch.no_grad():
                state["seen"] = see(state["images"])

        def prefill(repeat: int) -> None:
            with torch.no_grad():
                embedded = joined(state["seen"], state["text"], decoder=decoder)
            generation.prefill_embedded(embedded)

        runs = {"vision_encode": vision_encode, "prefill": prefill, "decode": generation.decode}
        stages = {stage.name: runs[stage.name] for stage in self.stages(case)}
        vocab_size = model.config.text_config.vocab_size
        outlet = Outlet(modality="text", value=lambda: generation.generated.T, vocab_size=vocab_size)
        return Program(begin=begin, stages=stages, modules=(model,), check=generation.check, outlet=outlet)

    def _training(self, case: Case, setup: Setup, model: Any, vision: Any, batches: list[tuple[Any, Any]]) -> Program:
        import torch

        from aigc_bench.nets.caches import passing_cache
        from aigc_bench.nets.hugging_face import checkpoint_activations
        from aigc_bench.nets.vision_language import TextDecoder, Tuning

        tower = model.model.visual if _is_qwen(self.preset(case)) else model.model.vision_tower
        tower.requires_grad_(False)
        if _is_qwen(self.preset(case)):
            # Qwen's projector lies inside its tower.
            tower.merger.requires_grad_(True)
        if case.gradient_checkpointing:
            checkpoint_activations(model.model.language_model)
        tuning = Tuning(vision, TextDecoder(model), cache=passing_cache(model.config.text_config))
        executed = setup.prepare(tuning)

        def loss(batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
            images, text = batch
            # Position i predicts token i + 1.
            logits = executed(images, text)[:, :-1].float()
            return torch.nn.functional.cross_entropy(logits.flatten(0, 1), text[:, 1:].flatten())

        return TrainingStep(setup, loss=loss, batches=batches, optimizer=adamw(model, setup=setup)).program(model)


def _is_qwen(preset: Preset) -> bool:
    return preset.config["model_type"] in _QWEN_TYPES


workload = Multimodal()
