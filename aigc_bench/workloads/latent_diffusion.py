"""Latent diffusion (Rombach et al. 2022, arXiv 2112.10752): Stable Diffusion 1.5, 2.1 and SDXL, text to image.

Inference: ``text_encode`` once, ``denoise`` for each of the sampler's steps (with guidance the UNet runs on two latents an
image), ``vae_decode`` once. Training: the frozen encoders (``encode``), then noise prediction by the UNet: the mean squared
error against the noise that was added at a random timestep (Ho et al. 2020, arXiv 2006.11239, eq. 14), or the velocity (2.1).
With ``lora_rank`` the UNet is frozen, too, and adapters of its attention learn (Hu et al. 2021, arXiv 2106.09685).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.records import Case
from aigc_bench.workloads._denoising import DenoisingWorkload, Guidance, NumSteps, Parts
from aigc_bench.workloads._pipelines import CHATGLM, chatglm, check_key, check_scale, check_width, clip, network, pipeline_preset
from aigc_bench.workloads._text import CLIP_BIG_G, CLIP_L
from aigc_bench.workloads.base import Preset, Settings, Setup

if TYPE_CHECKING:
    import torch

    from aigc_bench.core.own_model import ModelFiles
    from aigc_bench.workloads._denoising import Folders

SCALE = 8
"""Pixels of an image's side to one of its latent's."""

LATENT_CHANNELS = 4
NUM_PROMPT_TOKENS = 77
# Those of diffusers' examples/text_to_image, for whole models and for adapters.
LEARNING_RATE = 1e-5
LORA_LEARNING_RATE = 1e-4
LORA_TARGETS = ("to_q", "to_k", "to_v", "to_out.0")
"""What diffusers' own script adapts (examples/text_to_image/train_text_to_image_lora.py)."""

_VAE = {
    "in_channels": 3,
    "out_channels": 3,
    "latent_channels": LATENT_CHANNELS,
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
    "norm_num_groups": 32,
    "sample_size": 512,
    "scaling_factor": 0.18215,
    "force_upcast": False,
}
_UNET = {
    "sample_size": 64,
    "in_channels": LATENT_CHANNELS,
    "out_channels": LATENT_CHANNELS,
    "block_out_channels": (320, 640, 1280, 1280),
    "down_block_types": ("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
    "layers_per_block": 2,
    # Numbers of heads, whatever the name says: diffusers kept it so that published configurations stay valid (its issue 2011).
    "attention_head_dim": 8,
    "cross_attention_dim": 768,
    "norm_num_groups": 32,
}
_UNET_XL = {
    **_UNET,
    "sample_size": 128,
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": (1, 2, 10),
    "attention_head_dim": (5, 10, 20),
    "cross_attention_dim": 2048,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
_CLIP_H = {
    **CLIP_L,
    "hidden_size": 1024,
    "intermediate_size": 4096,
    # Of 24: the last layer is not used (SD 2 reads the one before it), and is left out of the configuration.
    "num_hidden_layers": 23,
    "num_attention_heads": 16,
    "hidden_act": "gelu",
}
_UNET_2 = {
    **_UNET,
    "sample_size": 96,
    "attention_head_dim": (5, 10, 20, 20),
    "cross_attention_dim": 1024,
    "use_linear_projection": True,
}
_XL = {
    "text_encoders": (CLIP_L, CLIP_BIG_G),
    "unet": _UNET_XL,
    "vae": {**_VAE, "sample_size": 1024, "scaling_factor": 0.13025, "force_upcast": True},
}
_TINY_CLIP = {**CLIP_L, "hidden_size": 64, "intermediate_size": 256, "num_hidden_layers": 2, "num_attention_heads": 2}

_PRESETS = {
    "sd-1.5": Preset(
        title=message("Stable Diffusion 1.5"),
        source="huggingface.co/stable-diffusion-v1-5/stable-diffusion-v1-5: config.json of unet, vae and text_encoder",
        config={"text_encoders": (CLIP_L,), "unet": _UNET, "vae": _VAE},
        defaults={"resolution": 512},
        num_params=1_066_235_307,  # 859,520,964 UNet + 83,653,863 auto-encoder + 123,060,480 text
    ),
    "sdxl": Preset(
        title=message("Stable Diffusion XL base 1.0"),
        source="huggingface.co/stabilityai/stable-diffusion-xl-base-1.0: config.json of unet, vae, text_encoder, text_encoder_2",
        config=_XL,
        defaults={"resolution": 1024},
        num_params=3_468_837_867,  # 2,567,463,684 UNet + 83,653,863 auto-encoder + 123,060,480 and 694,659,840 text
    ),
    "sd-2.1": Preset(
        title=message("Stable Diffusion 2.1"),
        source="huggingface.co/stabilityai/stable-diffusion-2-1: config.json of unet, vae and text_encoder",
        config={"text_encoders": (_CLIP_H,), "unet": _UNET_2, "vae": {**_VAE, "sample_size": 768}, "prediction": "v_prediction"},
        defaults={"resolution": 768},
        num_params=1_289_952_427,  # 865,910,724 UNet + 83,653,863 auto-encoder + 340,387,840 text
    ),
    "sdxl-turbo": Preset(
        title="SDXL-Turbo",
        source="Sauer et al. 2023, arXiv 2311.17042; huggingface.co/stabilityai/sdxl-turbo: SDXL distilled to one step",
        config=_XL,
        defaults={"resolution": 512, "num_inference_steps": 1, "guidance_scale": 1.0},
        num_params=3_468_837_867,
    ),
    "tiny": Preset(
        title=message("Stable Diffusion 1.5's structure with a tenth of its channels, for CPUs"),
        source=message("sd-1.5 with fewer channels and layers"),
        config={
            "text_encoders": (_TINY_CLIP,),
            "unet": {
                **_UNET,
                "block_out_channels": (32, 64, 128, 128),
                "layers_per_block": 1,
                "cross_attention_dim": 64,
                "norm_num_groups": 16,
            },
            "vae": {**_VAE, "block_out_channels": (16, 32, 64, 64), "layers_per_block": 1, "norm_num_groups": 16},
        },
        defaults={"resolution": 128, "num_inference_steps": 4},
        num_params=10_046_779,
    ),
}


class LatentDiffusionSettings(Settings):
    """Size and number of denoising steps of an image, and how strongly the text guides it."""

    resolution: int = Field(
        default=512, ge=64, le=4096, multiple_of=SCALE, description=message("height and width of the image in pixels")
    )
    num_inference_steps: NumSteps = 50
    guidance_scale: Guidance = 7.5
    lora_rank: int = Field(
        default=0, ge=0, le=1024, description=message("rank of the UNet's LoRA adapters (training); 0 trains all of it")
    )


def _folder(files: ModelFiles) -> Preset:
    unet = network(files, "unet", made_as="UNet2DConditionModel")
    # diffusers' own default where the file does not say.
    vae = {"force_upcast": True, **network(files, "vae", made_as="AutoencoderKL")}
    check_scale(files, vae, scale=SCALE)
    channels = message("a UNet is run on its auto-encoder's 4 channels")
    # Inpainting reads a mask and the masked image's latents next to the noise.
    read = LATENT_CHANNELS + (1 + LATENT_CHANNELS if "Inpaint" in (files.architecture or "") else 0)
    found = unet.get("in_channels", 4)
    if found != LATENT_CHANNELS:
        check_key(files, "unet", key="in_channels", found=found, wanted=read, why=channels)
    check_key(files, "vae", key="latent_channels", found=vae.get("latent_channels", 4), wanted=LATENT_CHANNELS, why=channels)
    # SDXL has two, its refiner the second alone.
    is_kolors = files.architecture == "KolorsPipeline"
    names = tuple(name for name in ("text_encoder", "text_encoder_2") if name in files.components) or ("text_encoder",)
    texts = tuple(chatglm(files, name) if is_kolors else clip(files, name) for name in names)
    width = sum(text["hidden_size"] for text in texts)
    # Kolors projects its text to the width of SDXL's.
    key = "encoder_hid_dim" if is_kolors else "cross_attention_dim"
    check_width(files, "unet", unet, key=key, default=1280, width=width)
    config = {"text_encoders": texts, "unet": unet, "vae": vae}
    return pipeline_preset(files, config=config, defaults={"resolution": SCALE * int(unet.get("sample_size") or 64)})


class LatentDiffusion(DenoisingWorkload):
    """Throughput counts images: made in inference, learnt from in training. Only the UNet is trained."""

    title: ClassVar[str] = message("Latent diffusion")
    item: ClassVar[str] = "image"
    settings: ClassVar[type[Settings]] = LatentDiffusionSettings
    presets: ClassVar[Mapping[str, Preset]] = _PRESETS
    networks = ("latent_diffusion",)
    folders: ClassVar[Folders] = dict.fromkeys(
        (
            "StableDiffusionPipeline", "StableDiffusionImg2ImgPipeline", "StableDiffusionInpaintPipeline",
            "StableDiffusionXLPipeline", "StableDiffusionXLImg2ImgPipeline", "StableDiffusionXLInpaintPipeline", "KolorsPipeline",
        ),
        _folder,
    )  # fmt: skip
    honours_attention: ClassVar[bool] = True
    learns_from = ("text", "image")
    reads = ("text",)
    writes = "image"
    pipelines = tuple(folders)

    def validate(self, case: Case) -> None:
        """As the base; raises ``UsageError`` for adapters in inference, where they are merged into the weights and cost nothing."""
        super().validate(case)
        if case.mode == "infer" and self.options(case).lora_rank:
            raise UsageError(
                message(
                    "{workload}/{preset}: lora_rank is a setting of training; leave it out in inference.",
                    workload=case.workload,
                    preset=case.preset,
                )
            )

    def parts(self, case: Case, setup: Setup) -> Parts:
        """Text encoder(s), UNet and auto-encoder of the preset."""
        return _make(case, setup, config=self.preset(case).config, options=self.options(case))


workload = LatentDiffusion()


def _make(case: Case, setup: Setup, *, config: Mapping[str, Any], options: LatentDiffusionSettings) -> Parts:
    """The models; what is not trained is frozen, in eval mode and in the case's own dtype.

    An auto-encoder marked ``force_upcast`` overflows in fp16 and is held in fp32 there, as diffusers' pipelines do.
    """
    import torch

    from aigc_bench.nets import latent_diffusion as net
    from aigc_bench.nets.lora import adapt

    overflows = config["vae"]["force_upcast"] and setup.dtype == torch.float16
    text_encoder = setup.build_frozen(lambda: net.TextEncoder(config["text_encoders"], attention=case.attention))
    unet: Any = setup.build(
        lambda: net.UNet(config["unet"], attention=case.attention), dtype=setup.dtype if options.lora_rank else None
    )
    autoencoder = setup.build_frozen(
        lambda: net.Autoencoder(config["vae"], attention=case.attention), dtype=torch.float32 if overflows else None
    )
    if case.gradient_checkpointing:
        unet.model.enable_gradient_checkpointing()
    if options.lora_rank:
        adapt(unet, rank=options.lora_rank, dtype=setup.dtype, targets=LORA_TARGETS)
    resolution, side = options.resolution, options.resolution // SCALE
    first = config["text_encoders"][0]
    is_glm = first.get("model_type") == CHATGLM
    vocab_size, length = (first["padded_vocab_size"], 256) if is_glm else (first["vocab_size"], NUM_PROMPT_TOKENS)
    is_size_conditioned = config["unet"].get("addition_embed_type") == "text_time"
    count = _num_sizes(config)

    def sizes(batch: int) -> torch.Tensor:
        return _time_ids(setup, batch=batch, resolution=resolution, count=count)

    shape = (LATENT_CHANNELS, side, side)
    return Parts(
        text_encoder=text_encoder,
        denoiser=unet,
        autoencoder=autoencoder,
        prompts=lambda batch: _prompts(setup, batch=batch, length=length, vocab_size=vocab_size),
        constants=lambda batch: (sizes(batch),) if is_size_conditioned else (),
        levels=lambda batch: setup.tokens(batch, vocab_size=net.NUM_TRAIN_TIMESTEPS),
        pixels_shape=(3, resolution, resolution),
        latent_shape=shape,
        denoised_shape=shape,
        process=net.DiscreteProcess(prediction=config.get("prediction", "epsilon")),
        learning_rate=LORA_LEARNING_RATE if options.lora_rank else LEARNING_RATE,
        has_fp32_conditions=False,
    )


def _prompts(setup: Setup, *, batch: int, length: int, vocab_size: int) -> tuple[torch.Tensor]:
    """Random tokens ``(batch, length)``, 77 of them for CLIP, below the end-of-text one, which closes each prompt."""
    last = vocab_size - 1
    return (setup.text(batch, length, vocab_size=last, closing=last),)


def _num_sizes(config: Mapping[str, Any]) -> int:
    """Numbers that state an image's size: six in SDXL, five in its refiner (an aesthetic score for the target's size)."""
    unet, pooled = config["unet"], int(config["text_encoders"][-1]["hidden_size"])
    width = int(unet.get("addition_time_embed_dim") or 256)
    found = (int(unet.get("projection_class_embeddings_input_dim") or 0) - pooled) // width
    return found if found in (5, 6) else 6


def _time_ids(setup: Setup, *, batch: int, resolution: int, count: int) -> torch.Tensor:
    """SDXL's size conditioning ``(batch, count)``: original height and width, crop 0 and 0, target height and width."""
    import torch

    sizes = (resolution, resolution, 0, 0, resolution, resolution)[:count]
    return torch.tensor([sizes] * batch, dtype=setup.dtype, device=setup.device)
