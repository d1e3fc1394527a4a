"""Diffusion transformers for images: DiT, PixArt-Sigma, Stable Diffusion 3 and FLUX.1.

Peebles & Xie 2022 (arXiv 2212.09748), Chen et al. 2024 (arXiv 2403.04692), Esser et al. 2024 (arXiv 2403.03206). Networks and
auto-encoders are diffusers' own, text encoders transformers'. A step is that of ``_denoising``; DiT has class labels in the place
of text, FLUX.1 was distilled to need no second pass for guidance, its ``schnell`` to need four steps. diffusers gives each of
DiT's 28 blocks an embedder of class and timestep of its own: 750 million parameters, not the published 675.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from aigc_bench.core.messages import message
from aigc_bench.core.records import Case
from aigc_bench.workloads._denoising import DenoisingWorkload, Guidance, NumSteps, Parts
from aigc_bench.workloads._pipeline_parts import check_side, is_pipeline, pipeline_parts
from aigc_bench.workloads._pipeline_table import IMAGES, adopt_pipeline
from aigc_bench.workloads._pipelines import (
    check_key,
    check_scale,
    check_width,
    clip,
    general_network,
    network,
    pipeline_preset,
    prompt_lengths,
    t5,
)
from aigc_bench.workloads._text import CLIP_BIG_G, CLIP_L, T5_XXL, TINY_CLIP, TINY_T5, prompt_tokens
from aigc_bench.workloads.base import Preset, Settings, Setup

if TYPE_CHECKING:
    import torch

    from aigc_bench.core.own_model import ModelFiles
    from aigc_bench.workloads._denoising import Folders

SCALE = 8
"""Pixels of an image's side to one of its latent's."""

_HUB = "config.json of each part in huggingface.co/{}"

_VAE_4 = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
    "latent_channels": 4,
    "scaling_factor": 0.18215,
}
_VAE_16 = {**_VAE_4, "latent_channels": 16, "use_quant_conv": False, "use_post_quant_conv": False}
_VAE_SD3 = {**_VAE_16, "scaling_factor": 1.5305, "shift_factor": 0.0609}
_VAE_FLUX = {**_VAE_16, "scaling_factor": 0.3611, "shift_factor": 0.1159}
_TINY_VAE = {"block_out_channels": (16, 32, 32, 32), "layers_per_block": 1, "norm_num_groups": 16}

_SD3_TEXT = {
    "kind": "sd3", "clips": ({**CLIP_L, "projection_dim": 768}, CLIP_BIG_G), "t5": T5_XXL, "lengths": ((77, 49408), (256, 32128)),
}  # fmt: skip
_FLUX_TEXT = {"kind": "flux", "clips": (CLIP_L,), "t5": T5_XXL}
_TINY_SD3_TEXT = {
    "kind": "sd3", "clips": ({**TINY_CLIP, "projection_dim": 64},) * 2, "t5": TINY_T5, "lengths": ((77, 1000), (32, 1000)),
}  # fmt: skip

_SD3 = {
    "sample_size": 128, "patch_size": 2, "in_channels": 16, "out_channels": 16, "num_layers": 24, "attention_head_dim": 64,
    "num_attention_heads": 24, "joint_attention_dim": 4096, "caption_projection_dim": 1536, "pooled_projection_dim": 2048,
    "pos_embed_max_size": 192,
}  # fmt: skip
_FLUX = {"guidance_embeds": True, "axes_dims_rope": (16, 56, 56)}
_DIT = {
    "num_attention_heads": 16, "attention_head_dim": 72, "num_layers": 28, "in_channels": 4, "out_channels": 8, "patch_size": 2,
}  # fmt: skip


def _sd3(title: str, *, repository: str, changes: Mapping[str, Any], num_params: int, steps: int, guidance: float) -> Preset:
    config = {
        "kind": "sd3", "text": _SD3_TEXT, "denoiser": {**_SD3, **changes}, "vae": _VAE_SD3, "prediction": "velocity", "shift": 3.0,
    }  # fmt: skip
    defaults = {"resolution": 1024, "num_inference_steps": steps, "guidance_scale": guidance}
    return Preset(title=title, source=_HUB.format(repository), config=config, defaults=defaults, num_params=num_params)


def _flux(
    title: str, *, repository: str, text_len: int, steps: int, shift: float | None, is_guided: bool, num_params: int
) -> Preset:
    config = {
        "kind": "flux", "text": {**_FLUX_TEXT, "lengths": ((77, 49408), (text_len, 32128))},
        "denoiser": {**_FLUX, "guidance_embeds": is_guided}, "vae": _VAE_FLUX, "prediction": "velocity", "shift": shift,
    }  # fmt: skip
    defaults = {"resolution": 1024, "num_inference_steps": steps, "guidance_scale": 1.0}
    return Preset(title=title, source=_HUB.format(repository), config=config, defaults=defaults, num_params=num_params)


def _dit(title: str, *, resolution: int, num_params: int) -> Preset:
    config = {
        "kind": "dit", "text": None, "num_classes": 1000, "denoiser": {**_DIT, "sample_size": resolution // SCALE}, "vae": _VAE_4,
        "prediction": "epsilon", "shift": 1.0,
    }  # fmt: skip
    source = "Peebles & Xie 2022, arXiv 2212.09748, table 1; " + _HUB.format(f"facebook/DiT-XL-2-{resolution}")
    defaults = {"resolution": resolution, "num_inference_steps": 250, "guidance_scale": 4.0}
    return Preset(title=title, source=source, config=config, defaults=defaults, num_params=num_params)


_PRESETS = {
    "sd3-medium": _sd3(
        "Stable Diffusion 3 medium", repository="stabilityai/stable-diffusion-3-medium-diffusers", changes={},
        num_params=7_692_768_483, steps=28, guidance=7.0,
    ),
    "sd3.5-medium": _sd3(
        "Stable Diffusion 3.5 medium", repository="stabilityai/stable-diffusion-3.5-medium",
        changes={"dual_attention_layers": tuple(range(13)), "qk_norm": "rms_norm", "pos_embed_max_size": 384},
        num_params=7_907_612_003, steps=40, guidance=4.5,
    ),
    "sd3.5-large": _sd3(
        "Stable Diffusion 3.5 large", repository="stabilityai/stable-diffusion-3.5-large",
        changes={"num_layers": 38, "num_attention_heads": 38, "caption_projection_dim": 2432, "qk_norm": "rms_norm"},
        num_params=13_721_068_003, steps=28, guidance=3.5,
    ),
    "flux.1-dev": _flux(
        "FLUX.1 [dev]", repository="black-forest-labs/FLUX.1-dev", text_len=512, steps=50, shift=None, is_guided=True,
        num_params=16_870_599_139,
    ),
    "flux.1-schnell": _flux(
        "FLUX.1 [schnell]", repository="black-forest-labs/FLUX.1-schnell", text_len=256, steps=4, shift=1.0, is_guided=False,
        num_params=16_860_369_379,
    ),
    "dit-xl-2-256": _dit("DiT-XL/2, 256 x 256", resolution=256, num_params=833_480_327),
    "dit-xl-2-512": _dit("DiT-XL/2, 512 x 512", resolution=512, num_params=833_480_327),
    "pixart-sigma": Preset(
        title=message("PixArt-Sigma XL/2, 1024 x 1024"),
        source="Chen et al. 2024, arXiv 2403.04692; " + _HUB.format("PixArt-alpha/PixArt-Sigma-XL-2-1024-MS"),
        config={
            "kind": "pixart", "text": {"kind": "t5", "t5": T5_XXL, "lengths": ((300, 32128),)},
            "denoiser": {
                "sample_size": 128, "caption_channels": 4096, "interpolation_scale": 2, "use_additional_conditions": False,
            },
            "vae": {**_VAE_4, "scaling_factor": 0.13025}, "prediction": "epsilon", "shift": 1.0,
        },
        defaults={"resolution": 1024, "num_inference_steps": 20, "guidance_scale": 4.5},
        num_params=5_456_820_615,
    ),
    "tiny": Preset(
        title=message("Stable Diffusion 3's structure with 2 blocks of 64 channels, for CPUs"),
        source=message("sd3-medium with fewer and narrower blocks"),
        config={
            "kind": "sd3", "text": _TINY_SD3_TEXT, "prediction": "velocity", "shift": 3.0,
            "denoiser": {
                **_SD3, "num_layers": 2, "attention_head_dim": 32, "num_attention_heads": 2, "joint_attention_dim": 128,
                "caption_projection_dim": 64, "pooled_projection_dim": 128,
            },
            "vae": {**_VAE_SD3, **_TINY_VAE},
        },
        defaults={"resolution": 64, "num_inference_steps": 4, "guidance_scale": 7.0},
        num_params=1_366_419,
    ),
    "flux-tiny": Preset(
        title=message("FLUX.1's structure with 2 + 2 blocks of 64 channels, for CPUs"),
        source=message("flux.1-dev with fewer and narrower blocks"),
        config={
            "kind": "flux", "prediction": "velocity", "shift": None,
            "text": {"kind": "flux", "clips": (TINY_CLIP,), "t5": TINY_T5, "lengths": ((77, 1000), (32, 1000))},
            "denoiser": {
                "num_layers": 2, "num_single_layers": 2, "attention_head_dim": 32, "num_attention_heads": 2,
                "joint_attention_dim": 128, "pooled_projection_dim": 64, "axes_dims_rope": (8, 12, 12), "guidance_embeds": True,
            },
            "vae": {**_VAE_FLUX, **_TINY_VAE},
        },
        defaults={"resolution": 64, "num_inference_steps": 4, "guidance_scale": 1.0},
        num_params=1_417_299,
    ),
    "dit-tiny": Preset(
        title=message("DiT's structure with 2 blocks of 64 channels, for CPUs"),
        source=message("dit-xl-2-256 with fewer and narrower blocks"),
        config={
            "kind": "dit", "text": None, "num_classes": 1000, "prediction": "epsilon", "shift": 1.0,
            "denoiser": {**_DIT, "num_layers": 2, "num_attention_heads": 2, "attention_head_dim": 32, "sample_size": 8},
            "vae": {**_VAE_4, **_TINY_VAE},
        },
        defaults={"resolution": 64, "num_inference_steps": 4, "guidance_scale": 4.0},
        num_params=646_903,
    ),
    "pixart-tiny": Preset(
        title=message("PixArt's structure with 2 blocks of 64 channels, for CPUs"),
        source=message("pixart-sigma with fewer and narrower blocks"),
        config={
            "kind": "pixart", "text": {"kind": "t5", "t5": TINY_T5, "lengths": ((32, 1000),)},
            "prediction": "epsilon", "shift": 1.0,
            "denoiser": {
                "num_layers": 2, "num_attention_heads": 2, "attention_head_dim": 32, "cross_attention_dim": 64, "sample_size": 8,
                "caption_channels": 128, "interpolation_scale": 1, "use_additional_conditions": False,
            },
            "vae": {**_VAE_4, **_TINY_VAE},
        },
        defaults={"resolution": 64, "num_inference_steps": 4, "guidance_scale": 4.5},
        num_params=967_927,
    ),
}  # fmt: skip


def _sd3_folder(files: ModelFiles) -> Preset:
    clips, t5_text = (clip(files, "text_encoder"), clip(files, "text_encoder_2")), t5(files, "text_encoder_3")
    denoiser = network(files, "transformer", made_as="SD3Transformer2DModel")
    vae = network(files, "vae", made_as="AutoencoderKL")
    _check_fit(files, vae, in_channels=denoiser.get("in_channels", 16), per_token=1)
    check_width(files, "transformer", denoiser, key="joint_attention_dim", default=4096, width=t5_text["d_model"])
    lengths = prompt_lengths((77, clips[0]), (256, t5_text))
    text = {"kind": "sd3", "clips": clips, "t5": t5_text, "lengths": lengths}
    config = {"kind": "sd3", "text": text, "denoiser": denoiser, "vae": vae, "prediction": "velocity", "shift": 3.0}
    defaults = {"resolution": SCALE * (denoiser.get("sample_size") or 128), "num_inference_steps": 28, "guidance_scale": 7.0}
    return pipeline_preset(files, config=config, defaults=defaults)


def _flux_folder(files: ModelFiles) -> Preset:
    """A network without an input for guidance is FLUX.1 [schnell]: shorter prompts, four steps."""
    clip_text, t5_text = clip(files, "text_encoder"), t5(files, "text_encoder_2")
    denoiser = network(files, "transformer", made_as="FluxTransformer2DModel")
    vae = network(files, "vae", made_as="AutoencoderKL")
    _check_fit(files, vae, in_channels=denoiser.get("in_channels", 64), per_token=4)
    check_width(files, "transformer", denoiser, key="joint_attention_dim", default=4096, width=t5_text["d_model"])
    is_guided = denoiser.get("guidance_embeds", False)
    text = {
        "kind": "flux", "clips": (clip_text,), "t5": t5_text,
        "lengths": prompt_lengths((77, clip_text), (512 if is_guided else 256, t5_text)),
    }  # fmt: skip
    # None: by the number of tokens (`shift_for`); schnell was distilled without a shift.
    shift = None if is_guided else 1.0
    config = {"kind": "flux", "text": text, "denoiser": denoiser, "vae": vae, "prediction": "velocity", "shift": shift}
    defaults = {"resolution": 1024, "num_inference_steps": 50 if is_guided else 4, "guidance_scale": 1.0}
    return pipeline_preset(files, config=config, defaults=defaults)


_GENERAL_KEYS = (
    "num_attention_heads", "attention_head_dim", "in_channels", "out_channels", "num_layers", "dropout", "norm_num_groups",
    "attention_bias", "sample_size", "patch_size", "activation_fn", "num_embeds_ada_norm", "norm_elementwise_affine", "norm_eps",
)  # fmt: skip
_PIXART_KEYS = (*_GENERAL_KEYS, "cross_attention_dim", "interpolation_scale", "caption_channels")


def _pixart_folder(files: ModelFiles) -> Preset:
    """PixArt-alpha and -Sigma; alpha's small embeddings of an image's size are left out."""
    text, vae = t5(files, "text_encoder"), network(files, "vae", made_as="AutoencoderKL")
    denoiser = general_network(files, made_as="PixArtTransformer2DModel", keys=_PIXART_KEYS)
    _check_fit(files, vae, in_channels=denoiser.get("in_channels", 4), per_token=1)
    check_width(files, "transformer", denoiser, key="caption_channels", default=4096, width=text["d_model"])
    # Sigma reads 300 tokens, alpha 120 (its pipeline's max_sequence_length).
    length = 120 if files.architecture == "PixArtAlphaPipeline" else 300
    config = {
        "kind": "pixart", "text": {"kind": "t5", "t5": text, "lengths": prompt_lengths((length, text))},
        "denoiser": {**denoiser, "use_additional_conditions": False}, "vae": vae, "prediction": "epsilon", "shift": 1.0,
    }  # fmt: skip
    defaults = {"resolution": SCALE * (denoiser.get("sample_size") or 128), "num_inference_steps": 20, "guidance_scale": 4.5}
    return pipeline_preset(files, config=config, defaults=defaults)


def _dit_folder(files: ModelFiles) -> Preset:
    vae = network(files, "vae", made_as="AutoencoderKL")
    denoiser = general_network(files, made_as="DiTTransformer2DModel", keys=_GENERAL_KEYS)
    _check_fit(files, vae, in_channels=denoiser.get("in_channels", 4), per_token=1)
    config = {
        "kind": "dit", "text": None, "num_classes": int(denoiser.get("num_embeds_ada_norm") or 1000), "denoiser": denoiser,
        "vae": vae, "prediction": "epsilon", "shift": 1.0,
    }  # fmt: skip
    defaults = {"resolution": SCALE * (denoiser.get("sample_size") or 32), "num_inference_steps": 250, "guidance_scale": 4.0}
    return pipeline_preset(files, config=config, defaults=defaults)


def _check_fit(files: ModelFiles, vae: Mapping[str, Any], *, in_channels: int, per_token: int) -> None:
    """The transformer reads ``per_token`` latents at a time."""
    check_scale(files, vae, scale=SCALE)
    wanted = per_token * vae.get("latent_channels", 4)
    check_key(
        files,
        "transformer",
        key="in_channels",
        found=in_channels,
        wanted=wanted,
        why=message("the vae's latent_channels ask for it"),
    )


class DiffusionTransformerSettings(Settings):
    """Size and number of denoising steps of an image, and how strongly the prompt guides it."""

    resolution: int = Field(
        default=1024, ge=64, le=4096, multiple_of=2 * SCALE, description=message("height and width of the image in pixels")
    )
    num_inference_steps: NumSteps = 28
    guidance_scale: Guidance = 7.0


class DiffusionTransformer(DenoisingWorkload):
    """Throughput counts images: made in inference, learnt from in training. Only the transformer is trained."""

    title: ClassVar[str] = message("Diffusion transformer")
    item: ClassVar[str] = "image"
    settings: ClassVar[type[Settings]] = DiffusionTransformerSettings
    presets: ClassVar[Mapping[str, Preset]] = _PRESETS
    networks = ("diffusion_transformer", "text_encoders", "flow_matching")
    folders: ClassVar[Folders] = {
        "FluxPipeline": _flux_folder, "StableDiffusion3Pipeline": _sd3_folder, "PixArtAlphaPipeline": _pixart_folder,
        "PixArtSigmaPipeline": _pixart_folder, "DiTPipeline": _dit_folder,
        **{name: functools.partial(adopt_pipeline, row=row) for name, row in IMAGES.items()},
    }  # fmt: skip
    distilled: ClassVar[Mapping[str, str]] = {"flux": "FLUX.1", "flux2": "FLUX.2"}
    learns_from = ("text", "image")
    reads = ("text",)
    writes = "image"
    pipelines = tuple(folders)

    def has_text(self, case: Case) -> bool:
        """DiT has class labels in its place."""
        return self.preset(case).config["text"] is not None

    def validate(self, case: Case) -> None:
        """As the base; raises ``UsageError`` for a resolution that an adopted auto-encoder does not divide, too."""
        super().validate(case)
        config = self.preset(case).config
        if is_pipeline(config):
            check_side(config, key="resolution", found=self.options(case).resolution)

    def parts(self, case: Case, setup: Setup) -> Parts:
        """Text encoders, transformer and auto-encoder of the preset."""
        config, side = self.preset(case).config, self.options(case).resolution
        if is_pipeline(config):
            checkpointing = case.gradient_checkpointing
            return pipeline_parts(setup, config=config, size=(side, side), num_frames=None, is_checkpointed=checkpointing)
        return _make(case, setup, config=self.preset(case).config, resolution=self.options(case).resolution)


workload = DiffusionTransformer()


def _make(case: Case, setup: Setup, *, config: Mapping[str, Any], resolution: int) -> Parts:
    from aigc_bench.nets import diffusion_transformer as net
    from aigc_bench.nets import text_encoders
    from aigc_bench.nets.flow_matching import ContinuousProcess, shift_for

    text, kind = config["text"], config["kind"]
    text_encoder = None if text is None else setup.build_frozen(lambda: text_encoders.make(text))
    # FLUX's text tokens have positions, all zero; the other networks take none.
    text_len = {"text_len": text["lengths"][-1][0]} if kind == "flux" else {}
    denoiser: Any = setup.build(lambda: net.DENOISERS[kind](config["denoiser"], **text_len))
    if case.gradient_checkpointing:
        denoiser.model.enable_gradient_checkpointing()
    is_packed = kind == "flux"
    autoencoder = setup.build_frozen(lambda: net.ImageAutoencoder(config["vae"], is_packed=is_packed))
    side, channels = resolution // SCALE, config["vae"]["latent_channels"]
    # Patches of 2 x 2 latents.
    num_tokens = (side // 2) ** 2
    latent_shape = (channels, side, side)

    def prompts(batch: int) -> tuple[torch.Tensor, ...]:
        # DiT: the conditions are class labels.
        if text is None:
            return (setup.tokens(batch, vocab_size=config["num_classes"]),)
        return prompt_tokens(setup, batch=batch, lengths=text["lengths"])

    return Parts(
        text_encoder=text_encoder,
        denoiser=denoiser,
        autoencoder=autoencoder,
        prompts=prompts,
        constants=lambda batch: denoiser.constants(side=side // 2, batch=batch),
        levels=setup.uniform,
        pixels_shape=(3, resolution, resolution),
        latent_shape=latent_shape,
        denoised_shape=(num_tokens, 4 * channels) if is_packed else latent_shape,
        process=ContinuousProcess(
            prediction=config["prediction"], shift=shift_for(num_tokens) if config["shift"] is None else config["shift"]
        ),
    )
