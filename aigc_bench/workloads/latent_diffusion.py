"""Latent diffusion (Rombach et al. 2022, arXiv 2112.10752): Stable Diffusion 1.5, 2.1 and SDXL, text to image.

Inference: ``text_encode`` once, ``denoise`` for each of the sampler's steps (with guidance the UNet runs on two latents an
image), ``vae_decode`` once. Training: the frozen encoders (``encode``), then noise prediction by the UNet: the mean squared
error against the noise that was added at a random timestep (Ho et al. 2020, arXiv 2006.11239, eq. 14), or the velocity (2.1).
With ``lora_rank`` the UNet is frozen, too, and adapters of its attention learn (Hu et al. 2021, arXiv 2106.09685).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from aigc_bench.core.errors import UsageError
from aigc_bench.core.records import Case, Stage
from aigc_bench.workloads._feeding import Outlet
from aigc_bench.workloads._images import check_images
from aigc_bench.workloads._pipelines import check_key, check_scale, check_width, clip, network, pipeline_preset
from aigc_bench.workloads._text import CLIP_BIG_G, CLIP_L
from aigc_bench.workloads._training import OPTIMIZER_IMPORTS, TrainingStep, adamw, encoded_training, training_stages
from aigc_bench.workloads.base import NUM_INPUT_BATCHES, Preset, Program, Settings, Setup, Workload

if TYPE_CHECKING:
    import torch

    from aigc_bench.core.own_model import ModelFiles

SCALE = 8
"""Pixels of an image's side to one of its latent's."""

LATENT_CHANNELS = 4
NUM_PROMPT_TOKENS = 77
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
        title="Stable Diffusion 1.5",
        source="huggingface.co/stable-diffusion-v1-5/stable-diffusion-v1-5: config.json of unet, vae and text_encoder",
        config={"text_encoders": (CLIP_L,), "unet": _UNET, "vae": _VAE},
        defaults={"resolution": 512},
        num_params=1_066_235_307,  # 859,520,964 UNet + 83,653,863 auto-encoder + 123,060,480 text
    ),
    "sdxl": Preset(
        title="Stable Diffusion XL base 1.0",
        source="huggingface.co/stabilityai/stable-diffusion-xl-base-1.0: config.json of unet, vae, text_encoder, text_encoder_2",
        config=_XL,
        defaults={"resolution": 1024},
        num_params=3_468_837_867,  # 2,567,463,684 UNet + 83,653,863 auto-encoder + 123,060,480 and 694,659,840 text
    ),
    "sd-2.1": Preset(
        title="Stable Diffusion 2.1",
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
        title="Stable Diffusion 1.5's structure with a tenth of its channels, for CPUs",
        source="sd-1.5 with fewer channels and layers",
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

    resolution: int = Field(default=512, ge=64, le=4096, multiple_of=SCALE, description="height and width of the image in pixels")
    num_inference_steps: int = Field(default=50, ge=1, le=1000, description="denoising steps of the sampler (inference)")
    guidance_scale: float = Field(
        default=7.5,
        ge=1,
        le=100,
        description="classifier-free guidance (inference); above 1 the UNet runs twice, 1 is off",
    )
    lora_rank: int = Field(default=0, ge=0, le=1024, description="rank of the UNet's LoRA adapters (training); 0 trains all of it")


class LatentDiffusion(Workload):
    """Throughput counts images: made in inference, learnt from in training. Only the UNet is trained."""

    title: ClassVar[str] = "Latent diffusion"
    item: ClassVar[str] = "image"
    settings: ClassVar[type[Settings]] = LatentDiffusionSettings
    presets: ClassVar[Mapping[str, Preset]] = _PRESETS
    honours_attention: ClassVar[bool] = True
    honours_gradient_checkpointing: ClassVar[bool] = True
    learns_from = ("text", "image")
    reads = ("text",)
    writes = "image"
    pipelines = ("StableDiffusionPipeline", "StableDiffusionXLPipeline")

    def adopt(self, files: ModelFiles) -> Preset | None:
        """Folders of a ``StableDiffusionPipeline`` or ``StableDiffusionXLPipeline``."""
        if files.architecture not in self.pipelines:
            return None
        unet = network(files, "unet", made_as="UNet2DConditionModel")
        vae = {"force_upcast": True, **network(files, "vae", made_as="AutoencoderKL")}
        check_scale(files, vae, scale=SCALE)
        channels = "a UNet is run on its auto-encoder's 4 channels"
        check_key(files, "unet", key="in_channels", found=unet.get("in_channels", 4), wanted=LATENT_CHANNELS, why=channels)
        check_key(files, "vae", key="latent_channels", found=vae.get("latent_channels", 4), wanted=LATENT_CHANNELS, why=channels)
        names = ("text_encoder", "text_encoder_2") if files.architecture == self.pipelines[1] else ("text_encoder",)
        texts = tuple(clip(files, name) for name in names)
        width = sum(text["hidden_size"] for text in texts)
        check_width(files, "unet", unet, key="cross_attention_dim", default=1280, width=width)
        config = {"text_encoders": texts, "unet": unet, "vae": vae}
        return pipeline_preset(files, config=config, defaults={"resolution": SCALE * int(unet.get("sample_size", 64))})

    def imports(self, case: Case) -> tuple[str, ...]:
        """The model classes of diffusers and transformers; for training also what torch's optimizers import when first made."""
        models = "aigc_bench.nets.latent_diffusion"
        return (models, *OPTIMIZER_IMPORTS) if case.mode == "train" else (models,)

    def validate(self, case: Case) -> None:
        """Adapters are trained; in inference they are merged into the weights and cost nothing."""
        super().validate(case)
        if case.mode == "infer" and self.options(case).lora_rank:
            raise UsageError(f"{case.workload}/{case.preset}: lora_rank is a setting of training; leave it out in inference.")

    def stages(self, case: Case) -> tuple[Stage, ...]:
        """Training: ``encode``, ``forward``, ``backward``, ``optimizer``. Inference: text in, ``denoise`` steps, pixels out."""
        if case.mode == "train":
            return (Stage(name="encode"), *training_stages(items=case.batch_size))
        return (
            Stage(name="text_encode"),
            Stage(name="denoise", repeats=self.options(case).num_inference_steps),
            Stage(name="vae_decode", items=case.batch_size),
        )

    def build(self, case: Case, setup: Setup) -> Program:
        """Text encoder(s), UNet and auto-encoder of the preset, all resident, as a pipeline or a fine-tuning script holds them."""
        self.validate(case)
        options = self.options(case)
        models = _make(case, setup, config=self.preset(case).config, lora_rank=options.lora_rank)
        return _train(case, setup, models, options) if setup.training else _infer(case, setup, models, options)


workload = LatentDiffusion()


@dataclass(frozen=True, kw_only=True)
class _Models:
    text_encoder: Any
    unet: Any
    autoencoder: Any
    vocab_size: int
    is_size_conditioned: bool
    prediction: str

    @property
    def all(self) -> tuple[Any, ...]:
        return self.text_encoder, self.unet, self.autoencoder


def _make(case: Case, setup: Setup, *, config: Mapping[str, Any], lora_rank: int) -> _Models:
    """The models; what is not trained is frozen, in eval mode and in the case's own dtype.

    An auto-encoder marked ``force_upcast`` overflows in fp16 and is held in fp32 there, as diffusers' pipelines do.
    """
    import torch

    from aigc_bench.nets import latent_diffusion as net
    from aigc_bench.nets.lora import adapt

    text_encoder = setup.build(lambda: net.TextEncoder(config["text_encoders"], attention=case.attention))
    unet: Any = setup.build(lambda: net.UNet(config["unet"], attention=case.attention))
    autoencoder = setup.build(lambda: net.Autoencoder(config["vae"], attention=case.attention))
    if case.gradient_checkpointing:
        unet.model.enable_gradient_checkpointing()
    if lora_rank:
        adapt(unet, rank=lora_rank, dtype=setup.dtype, targets=LORA_TARGETS)
    overflows = config["vae"]["force_upcast"] and setup.dtype == torch.float16
    text_encoder.eval().requires_grad_(False).to(setup.dtype)
    autoencoder.eval().requires_grad_(False).to(torch.float32 if overflows else setup.dtype)
    is_size_conditioned = config["unet"].get("addition_embed_type") == "text_time"
    return _Models(
        text_encoder=text_encoder,
        unet=unet,
        autoencoder=autoencoder,
        vocab_size=config["text_encoders"][0]["vocab_size"],
        is_size_conditioned=is_size_conditioned,
        prediction=config.get("prediction", "epsilon"),
    )


def _dtype(module: torch.nn.Module) -> torch.dtype:
    return next(module.parameters()).dtype


def _prompts(setup: Setup, models: _Models, *, batch: int) -> torch.Tensor:
    """Random tokens ``(batch, 77)`` below the end-of-text one, which closes each prompt."""
    last = models.vocab_size - 1
    return setup.text(batch, NUM_PROMPT_TOKENS, vocab_size=last, closing=last)


def _time_ids(setup: Setup, *, batch: int, resolution: int) -> torch.Tensor:
    """SDXL's size conditioning ``(batch, 6)``: original height and width, crop 0 and 0, target height and width."""
    import torch

    sizes = (resolution, resolution, 0, 0, resolution, resolution)
    return torch.tensor([sizes] * batch, dtype=setup.dtype, device=setup.device)


def _infer(case: Case, setup: Setup, models: _Models, options: LatentDiffusionSettings) -> Program:
    import torch

    from aigc_bench.nets import latent_diffusion as net

    is_guided = options.guidance_scale > 1
    batch = case.batch_size * (2 if is_guided else 1)
    side = options.resolution // SCALE
    sampler = net.make_sampler(num_inference_steps=options.num_inference_steps, prediction=models.prediction)
    moments = [int(moment) for moment in sampler.timesteps]
    moments_on_device = torch.tensor(moments, device=setup.device)
    text_encoder, unet = setup.prepare(models.text_encoder), setup.prepare(models.unet)
    decoder, decoder_dtype = setup.prepare(models.autoencoder.decoder), _dtype(models.autoencoder)
    size_ids = _time_ids(setup, batch=batch, resolution=options.resolution) if models.is_size_conditioned else None
    inputs = [
        (_prompts(setup, models, batch=batch), setup.normal(case.batch_size, LATENT_CHANNELS, side, side))
        for _ in range(NUM_INPUT_BATCHES)
    ]
    state: dict[str, Any] = {}

    def begin(step: int) -> None:
        state["tokens"], state["latents"] = inputs[step % NUM_INPUT_BATCHES]

    def text_encode(repeat: int) -> None:
        with torch.inference_mode():
            state["context"], state["pooled"] = text_encoder(state["tokens"])

    def denoise(repeat: int) -> None:
        with torch.inference_mode():
            latents = state["latents"]
            doubled = torch.cat([latents, latents]) if is_guided else latents
            predicted = unet(doubled, moments_on_device[repeat], state["context"], state["pooled"], size_ids)
            if is_guided:
                predicted = net.guide(predicted, guidance_scale=options.guidance_scale)
            state["latents"] = sampler.step(predicted, moments[repeat], latents, return_dict=False)[0]

    def vae_decode(repeat: int) -> None:
        with torch.inference_mode():
            state["images"] = decoder(state["latents"].to(decoder_dtype))

    def check() -> Mapping[str, float | str | bool | None]:
        return check_images(state["images"])

    stages = {"text_encode": text_encode, "denoise": denoise, "vae_decode": vae_decode}
    outlet = Outlet(modality="image", value=lambda: state["images"])
    return Program(begin=begin, stages=stages, modules=models.all, check=check, outlet=outlet)


@dataclass(frozen=True, kw_only=True)
class _Batch:
    """A training batch: images and what is drawn at random for them. Latents' noises are of the latents' shape."""

    tokens: torch.Tensor
    images: torch.Tensor
    posterior_noise: torch.Tensor
    noise: torch.Tensor
    timesteps: torch.Tensor


def _make_batch(case: Case, setup: Setup, models: _Models, *, resolution: int, encoder_dtype: torch.dtype) -> _Batch:
    from aigc_bench.nets.latent_diffusion import NUM_TRAIN_TIMESTEPS

    latent_shape = (case.batch_size, LATENT_CHANNELS, resolution // SCALE, resolution // SCALE)
    return _Batch(
        tokens=_prompts(setup, models, batch=case.batch_size),
        images=setup.images(case.batch_size, 3, resolution, resolution, low=-1, dtype=encoder_dtype),
        posterior_noise=setup.normal(*latent_shape, dtype=encoder_dtype),
        noise=setup.normal(*latent_shape),
        timesteps=setup.tokens(case.batch_size, vocab_size=NUM_TRAIN_TIMESTEPS),
    )


def _train(case: Case, setup: Setup, models: _Models, options: LatentDiffusionSettings) -> Program:
    import torch

    from aigc_bench.nets import latent_diffusion as net

    schedule = net.make_noise_schedule()
    encoder_dtype = _dtype(models.autoencoder)
    text_encoder, unet = setup.prepare(models.text_encoder), setup.prepare(models.unet)
    encoder = setup.prepare(models.autoencoder.encoder)
    learning_rate = LORA_LEARNING_RATE if options.lora_rank else LEARNING_RATE
    optimizer = adamw(models.unet, setup=setup, learning_rate=learning_rate)
    size_ids = _time_ids(setup, batch=case.batch_size, resolution=options.resolution) if models.is_size_conditioned else None
    batches = [
        _make_batch(case, setup, models, resolution=options.resolution, encoder_dtype=encoder_dtype)
        for _ in range(NUM_INPUT_BATCHES)
    ]
    encoded: dict[str, Any] = {}

    def encode(batch: _Batch) -> None:
        encoded["context"], encoded["pooled"] = text_encoder(batch.tokens)
        encoded["latents"] = encoder(batch.images, batch.posterior_noise).float()

    def loss(batch: _Batch) -> torch.Tensor:
        noisy = schedule.add_noise(encoded["latents"], batch.noise, batch.timesteps)
        predicted = unet(noisy, batch.timesteps, encoded["context"], encoded["pooled"], size_ids)
        is_noise = models.prediction == "epsilon"
        target = batch.noise if is_noise else schedule.get_velocity(encoded["latents"], batch.noise, batch.timesteps)
        return torch.nn.functional.mse_loss(predicted.float(), target)

    step = TrainingStep(setup, loss=loss, batches=batches, optimizer=optimizer)
    return encoded_training(step, *models.all, encode=encode)
