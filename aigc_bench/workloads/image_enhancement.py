"""Image enhancement: super-resolution, inpainting and colourisation; one pass makes the image.

Super-resolution is Swin2SR (Conde et al. 2022, arXiv 2209.11345), transformers' own class. Inpainting and colourisation are
the U-Net of Isola et al. 2016 (arXiv 1611.07004), the one with a mask as fourth channel, the other from lightness to colour.
All learn with the mean absolute error to the image that was degraded; what an adversary would add is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.records import Case, Stage
from aigc_bench.workloads._feeding import Outlet
from aigc_bench.workloads._images import check_images, smooth_images
from aigc_bench.workloads._training import TrainingStep, adamw, training_stages
from aigc_bench.workloads.base import NUM_INPUT_BATCHES, Preset, Program, Settings, Setup, Workload

if TYPE_CHECKING:
    import torch

# Isola et al. 2016, section 3.3.
LEARNING_RATE = 2e-4
MASKED_SHARE = 0.25
"""Side of the square hole over the side of the image, squared: the centre mask of Pathak et al. 2016, arXiv 1604.07379."""

_CONDE = "Conde et al. 2022, arXiv 2209.11345; config.json of caidas/{}"
_ISOLA = (
    "Isola et al. 2016, arXiv 1611.07004, sections 3.3 and 6.1; sizes of github.com/junyanz/pytorch-CycleGAN-and-pix2pix, unet_256"
)
_LEVELS = (64, 128, 256, 512, 512, 512, 512, 512)
_SWIN2SR = {"task": "super_resolution", "embed_dim": 180, "depths": (6,) * 6, "num_heads": (6,) * 6, "upsampler": "pixelshuffle"}

_PRESETS = {
    "swin2sr-x2": Preset(
        title=message("Swin2SR x2, classical"),
        source=_CONDE.format("swin2SR-classical-sr-x2-64"),
        config={**_SWIN2SR, "upscale": 2},
        defaults={"resolution": 512},
        num_params=12_091_571,
    ),
    "swin2sr-x4": Preset(
        title=message("Swin2SR x4, classical"),
        source=_CONDE.format("swin2SR-classical-sr-x4-64"),
        config={**_SWIN2SR, "upscale": 4},
        defaults={"resolution": 1024},
        num_params=12_239_283,
    ),
    "swin2sr-x2-light": Preset(
        title=message("Swin2SR x2, lightweight"),
        source=_CONDE.format("swin2SR-lightweight-x2-64"),
        config={
            "task": "super_resolution", "embed_dim": 60, "depths": (6,) * 4, "num_heads": (6,) * 4,
            "upsampler": "pixelshuffledirect", "upscale": 2,
        },
        defaults={"resolution": 512},
        num_params=1_005_348,
    ),
    "inpainting-unet": Preset(
        title=message("Inpainting U-Net, 256 x 256"),
        source=_ISOLA,
        config={"task": "inpainting", "in_channels": 4, "out_channels": 3, "channels": _LEVELS},
        num_params=54_415_555,
    ),
    "colourisation-unet": Preset(
        title=message("Colourisation U-Net, 256 x 256"),
        source=_ISOLA,
        config={"task": "colourisation", "in_channels": 1, "out_channels": 2, "channels": _LEVELS},
        num_params=54_410_434,
    ),
    "tiny": Preset(
        title=message("Swin2SR x2 of 2 x 2 layers, 24 wide, for CPUs"),
        source=message("swin2sr-x2-light with fewer layers and channels"),
        config={
            "task": "super_resolution", "embed_dim": 24, "depths": (2, 2), "num_heads": (2, 2),
            "upsampler": "pixelshuffledirect", "upscale": 2,
        },
        defaults={"resolution": 64},
        num_params=50_436,
    ),
    "inpainting-tiny": Preset(
        title=message("Inpainting U-Net of 5 levels, 64 x 64, for CPUs"),
        source=message("inpainting-unet with fewer levels and channels / 4"),
        config={"task": "inpainting", "in_channels": 4, "out_channels": 3, "channels": (16, 32, 64, 128, 128)},
        defaults={"resolution": 64},
        num_params=1_044_019,
    ),
    "colourisation-tiny": Preset(
        title=message("Colourisation U-Net of 5 levels, 64 x 64, for CPUs"),
        source=message("colourisation-unet with fewer levels and channels / 4"),
        config={"task": "colourisation", "in_channels": 1, "out_channels": 2, "channels": (16, 32, 64, 128, 128)},
        defaults={"resolution": 64},
        num_params=1_042_738,
    ),
}  # fmt: skip


class ImageEnhancementSettings(Settings):
    """Size of an image."""

    resolution: int = Field(
        default=256, ge=32, le=4096, description=message("height and width of the image that is made, in pixels")
    )


class ImageEnhancement(Workload):
    """Throughput counts images: made in inference, learnt from in training."""

    title: ClassVar[str] = message("Image enhancement")
    item: ClassVar[str] = "image"
    settings: ClassVar[type[Settings]] = ImageEnhancementSettings
    presets: ClassVar[Mapping[str, Preset]] = _PRESETS
    learns_from = ("image",)
    reads = ("image",)
    writes = "image"

    def imports(self, case: Case) -> tuple[str, ...]:
        """The preset's network."""
        is_swin = self.preset(case).config["task"] == "super_resolution"
        return ("transformers.models.swin2sr.modeling_swin2sr",) if is_swin else ("aigc_bench.nets.image_unet",)

    def validate(self, case: Case) -> None:
        """As the base; raises ``UsageError`` for sizes that the network cannot halve, or scale up to, too."""
        super().validate(case)
        config, resolution = self.preset(case).config, self.options(case).resolution
        multiple = config["upscale"] * 8 if config["task"] == "super_resolution" else 2 ** len(config["channels"])
        if resolution % multiple:
            raise UsageError(
                message(
                    "{workload}/{preset}: resolution = {resolution} is not a multiple of {multiple}.",
                    workload=case.workload,
                    preset=case.preset,
                    resolution=resolution,
                    multiple=multiple,
                )
            )

    def stages(self, case: Case) -> tuple[Stage, ...]:
        """One pass over the batch."""
        if case.mode == "train":
            return training_stages(items=case.batch_size)
        return (Stage(name="enhance", items=case.batch_size),)

    def build(self, case: Case, setup: Setup) -> Program:
        """The preset's network with degraded images and, for training, the images that they were."""
        self.validate(case)
        config = self.preset(case).config
        model = setup.build(lambda: _make(config, image_size=self.options(case).resolution))
        pairs = [_pair(case, setup, config=config, resolution=self.options(case).resolution) for _ in range(NUM_INPUT_BATCHES)]
        if setup.training:
            return _train(setup, model, pairs)
        return _infer(setup, model, pairs, low=0 if config["task"] == "super_resolution" else -1)


workload = ImageEnhancement()


def _make(config: Mapping[str, Any], *, image_size: int) -> torch.nn.Module:
    sizes = {key: size for key, size in config.items() if key != "task"}
    if config["task"] != "super_resolution":
        from aigc_bench.nets.image_unet import ImageUNet

        return ImageUNet(**sizes)
    from transformers import Swin2SRConfig, Swin2SRForImageSuperResolution

    # The published networks were trained on 64 x 64 patches; attention is within windows of 8, so any size is taken.
    model: torch.nn.Module = Swin2SRForImageSuperResolution(Swin2SRConfig(image_size=image_size // config["upscale"], **sizes))
    return model


def _pair(case: Case, setup: Setup, *, config: Mapping[str, Any], resolution: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A degraded batch and what it was, both in [0, 1) for super-resolution and in [-1, 1) for the U-Nets."""
    images = setup.fed_images(smooth_images(setup, batch_size=case.batch_size, resolution=resolution))
    degrade: Mapping[str, Callable[[torch.Tensor], tuple[torch.Tensor, ...]]] = {
        "super_resolution": lambda image: _shrunk(image, factor=config["upscale"]),
        "inpainting": _holed,
        "colourisation": _colourless,
    }
    degraded, wanted = setup.derived(images, degrade[config["task"]])
    return degraded, wanted


def _shrunk(images: torch.Tensor, *, factor: int) -> tuple[torch.Tensor, torch.Tensor]:
    import torch

    return torch.nn.functional.avg_pool2d(images, factor), images


def _holed(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    import torch

    images = images * 2 - 1
    mask = torch.zeros_like(images[:, :1])
    side = images.shape[-1]
    # A quarter of the area is half of the side.
    low = round(side * (1 - MASKED_SHARE**0.5) / 2)
    mask[:, :, low : side - low, low : side - low] = 1
    # [batch, 3 + 1, side, side]: the network sees where the hole is.
    return torch.cat([images * (1 - mask), mask], dim=1), images


def _colourless(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Luma and the two colour differences of ITU-R BT.601, the differences scaled to [-1, 1]."""
    import torch

    red, green, blue = images.unbind(dim=1)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    # 1 - 0.114 and 1 - 0.299, the largest values that the differences take.
    colour = ((blue - luma) / 0.886, (red - luma) / 0.701)
    return (luma * 2 - 1).unsqueeze(1), torch.stack(colour, dim=1)


def _output(made: Any) -> torch.Tensor:
    """The image: transformers wraps it."""
    images: torch.Tensor = getattr(made, "reconstruction", made)
    return images


def _infer(setup: Setup, model: torch.nn.Module, pairs: list[tuple[torch.Tensor, torch.Tensor]], *, low: float) -> Program:
    import torch

    executed: Any = setup.prepare(model)
    inputs = [degraded for degraded, _ in pairs]
    state: dict[str, torch.Tensor] = {}

    def begin(step: int) -> None:
        state["degraded"] = inputs[step % NUM_INPUT_BATCHES]

    def enhance(repeat: int) -> None:
        with torch.inference_mode():
            state["images"] = _output(executed(state["degraded"]))

    def check() -> Mapping[str, float | str | bool | None]:
        return check_images(state["images"])

    outlet = Outlet(modality="image", value=lambda: _picture(state), low=low)
    return Program(begin=begin, stages={"enhance": enhance}, modules=(model,), check=check, outlet=outlet)


def _picture(state: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Three channels: colourisation makes two colour differences, and the lightness it was given is sent with them."""
    import torch

    images = state["images"]
    return images if images.shape[1] == 3 else torch.cat([state["degraded"], images], dim=1)


def _train(setup: Setup, model: torch.nn.Module, pairs: list[tuple[torch.Tensor, torch.Tensor]]) -> Program:
    import torch

    executed: Any = setup.prepare(model)

    def loss(pair: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        degraded, images = pair
        return torch.nn.functional.l1_loss(_output(executed(degraded)).float(), images)

    optimizer = adamw(model, setup=setup, learning_rate=LEARNING_RATE)
    return TrainingStep(setup, loss=loss, batches=pairs, optimizer=optimizer).program(model)
