"""Image classification: ViT (Dosovitskiy et al. 2020, arXiv 2010.11929) and ResNet (He et al. 2015, arXiv 1512.03385).

Both are transformers' own classes. Inference classifies a batch; training minimises the cross-entropy against fixed labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.records import Case, Stage
from aigc_bench.workloads._adoption import image_preset
from aigc_bench.workloads._hugging_face import modelling_module
from aigc_bench.workloads._training import TrainingStep, adamw, training_stages
from aigc_bench.workloads.base import NUM_INPUT_BATCHES, Preset, Program, Settings, Setup, Workload

if TYPE_CHECKING:
    import torch

    from aigc_bench.core.own_model import ModelFiles

_DOSOVITSKIY = "Dosovitskiy et al. 2020, arXiv 2010.11929, table 1; config.json of google/{}"
_HE = "He et al. 2015, arXiv 1512.03385, table 1; config.json of microsoft/{} (v1.5: strides in the 3 x 3 convolutions)"
_NUM_CLASSES = 1000


def _vit(title: str, *, source: str, layers: int, heads: int, width: int, patch: int, num_params: int, mlp: int = 4) -> Preset:
    config = {
        "model_type": "vit",
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": mlp * width,
        "patch_size": patch,
        "image_size": 224,
    }
    return Preset(title=title, source=source, config=config, num_params=num_params)


def _resnet(
    title: str, *, source: str, depths: tuple[int, ...], num_params: int, scale: int = 1, kind: str = "bottleneck"
) -> Preset:
    widths = (256, 512, 1024, 2048) if kind == "bottleneck" else (64, 128, 256, 512)
    config = {
        "model_type": "resnet",
        "embedding_size": 64 // scale,
        "hidden_sizes": [width // scale for width in widths],
        "depths": list(depths),
        "layer_type": kind,
    }
    return Preset(title=title, source=source, config=config, num_params=num_params)


_PRESETS = {
    "vit-b-16": _vit(
        "ViT-B/16, 86.6 M",
        source=_DOSOVITSKIY.format("vit-base-patch16-224"),
        layers=12, heads=12, width=768, patch=16, num_params=86_567_656,
    ),
    "vit-l-16": _vit(
        "ViT-L/16, 304 M",
        source=_DOSOVITSKIY.format("vit-large-patch16-224"),
        layers=24, heads=16, width=1024, patch=16, num_params=304_326_632,
    ),
    "vit-h-14": _vit(
        "ViT-H/14, 632 M",
        source=message("{source}, with a head of 1,000 classes", source=_DOSOVITSKIY.format("vit-huge-patch14-224-in21k")),
        layers=32, heads=16, width=1280, patch=14, num_params=632_045_800,
    ),
    "resnet-50": _resnet("ResNet-50, 25.6 M", source=_HE.format("resnet-50"), depths=(3, 4, 6, 3), num_params=25_557_032),
    "resnet-152": _resnet("ResNet-152, 60.2 M", source=_HE.format("resnet-152"), depths=(3, 8, 36, 3), num_params=60_192_808),
    "tiny": _vit(
        message("ViT of 4 layers, 192 wide, for CPUs"),
        source="vit-b-16 with the width of ViT-Ti (Touvron et al. 2020, arXiv 2012.12877)",
        layers=4, heads=3, width=192, patch=16, num_params=2_158_504,
    ),
    "resnet-tiny": _resnet(
        message("ResNet-18 with a quarter of the channels, for CPUs"), source="He et al. 2015, table 1, 18 layers, channels / 4",
        depths=(2, 2, 2, 2), num_params=831_096, scale=4, kind="basic",
    ),
}  # fmt: skip


class VisionSettings(Settings):
    """Size of an image."""

    resolution: int = Field(default=224, ge=32, le=1024, description=message("height and width of the image in pixels"))


class Vision(Workload):
    """Throughput counts images: classified in inference, learnt from in training."""

    title: ClassVar[str] = message("Image classification")
    item: ClassVar[str] = "image"
    settings: ClassVar[type[Settings]] = VisionSettings
    presets: ClassVar[Mapping[str, Preset]] = _PRESETS
    honours_attention: ClassVar[bool] = True
    learns_from = ("image",)
    reads = ("image",)

    def imports(self, case: Case) -> tuple[str, ...]:
        """The preset's modelling file."""
        return ("transformers", modelling_module(self.preset(case)), "aigc_bench.nets.hugging_face")

    def validate(self, case: Case) -> None:
        """As the base; raises ``UsageError`` for images that a ViT cannot cut into whole patches, too."""
        super().validate(case)
        patch, resolution = _patch(self.preset(case).config), self.options(case).resolution
        if resolution % patch:
            raise UsageError(
                message(
                    "{workload}/{preset}: resolution = {resolution} is not a multiple of the patch's {patch} pixels.",
                    workload=case.workload,
                    preset=case.preset,
                    resolution=resolution,
                    patch=patch,
                )
            )

    def adopt(self, files: ModelFiles) -> Preset | None:
        """Classifiers of images (ViT, DeiT, Swin, ConvNeXt, ResNet), and towers that have no head (DINOv2, CLIP, SigLIP)."""
        return image_preset(files)

    def unsupported(self, case: Case) -> str | None:
        """ResNets have no attention."""
        if case.attention != "auto" and self.preset(case).config["model_type"] == "resnet":
            return message(
                "{workload}/{preset} has no attention; use attention = 'auto'", workload=case.workload, preset=case.preset
            )
        return super().unsupported(case)

    def stages(self, case: Case) -> tuple[Stage, ...]:
        """One pass over the batch."""
        if case.mode == "train":
            return training_stages(items=case.batch_size)
        return (Stage(name="classify", items=case.batch_size),)

    def build(self, case: Case, setup: Setup) -> Program:
        """The classifier with its head of 1,000 classes."""
        from transformers import AutoModelForImageClassification

        from aigc_bench.nets.hugging_face import random_model

        self.validate(case)
        resolution = self.options(case).resolution
        config = _at_size({"num_labels": _NUM_CLASSES, **self.preset(case).config}, resolution)
        # A ResNet has no attention, and transformers refuses any implementation of it but this name.
        attention = "eager" if config["model_type"] == "resnet" else case.attention
        model = setup.build(lambda: random_model(AutoModelForImageClassification, config, attention=attention))
        shape = (case.batch_size, 3, resolution, resolution)
        # Real pixels are spread over about two deviations on either side, as normalised ones are.
        images = [setup.fed_images(setup.normal(*shape), low=-2, high=2) for _ in range(NUM_INPUT_BATCHES)]
        if not setup.training:
            return _infer(setup, model, images)
        return _train(case, setup, model, images, num_labels=config["num_labels"])


workload = Vision()


def _patch(config: Mapping[str, Any]) -> int:
    """Pixels of a patch's side; 1 where images are not cut, or where the configuration has another notion of them."""
    found = config.get("patch_size")
    # Towers that halve their maps (Swin, ConvNeXt) pad what is left over; SigLIP's leaves it out.
    is_strict = not any(key in config for key in ("depths", "hidden_sizes", "vision_config"))
    return found if isinstance(found, int) and found > 0 and is_strict else 1


def _at_size(config: Mapping[str, Any], resolution: int) -> dict[str, Any]:
    """The configuration for images of that size: a ViT has a position for each patch, whose number follows from it."""
    vision = config.get("vision_config")
    if isinstance(vision, Mapping):
        return {**config, "vision_config": {**vision, "image_size": resolution}}
    return {**config, "image_size": resolution} if config["model_type"] == "vit" or "image_size" in config else {**config}


def _infer(setup: Setup, model: torch.nn.Module, batches: list[torch.Tensor]) -> Program:
    import torch

    executed: Any = setup.prepare(model)
    state: dict[str, torch.Tensor] = {"images": batches[0]}

    def begin(step: int) -> None:
        state["images"] = batches[step % NUM_INPUT_BATCHES]

    def classify(repeat: int) -> None:
        with torch.inference_mode():
            state["logits"] = executed(pixel_values=state["images"]).logits

    def check() -> Mapping[str, float | str | bool | None]:
        logits = state["logits"].float()
        return {"finite": bool(torch.isfinite(logits).all()), "logits_deviation": float(logits.std())}

    return Program(begin=begin, stages={"classify": classify}, modules=(model,), check=check)


def _train(case: Case, setup: Setup, model: torch.nn.Module, images: list[torch.Tensor], *, num_labels: int) -> Program:
    import torch

    executed: Any = setup.prepare(model)
    batches = [(batch, setup.tokens(case.batch_size, vocab_size=max(2, num_labels))) for batch in images]

    def loss(batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        pixels, labels = batch
        return torch.nn.functional.cross_entropy(executed(pixel_values=pixels).logits.float(), labels)

    return TrainingStep(setup, loss=loss, batches=batches, optimizer=adamw(model, setup=setup)).program(model)
