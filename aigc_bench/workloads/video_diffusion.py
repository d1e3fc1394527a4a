"""Video diffusion: CogVideoX (arXiv 2408.06072), Wan 2.1 (arXiv 2503.20314), HunyuanVideo (arXiv 2412.03603), text to video.

Networks and 3-D auto-encoders are diffusers' own, text encoders transformers'. A step is that of ``_denoising``: prompts are
encoded, latents of the whole video are denoised together, and decoded to frames. Seconds of video are frames over the preset's
``fps``. HunyuanVideo was distilled to need no second pass for guidance.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.records import Case
from aigc_bench.workloads._denoising import DenoisingWorkload, Guidance, NumSteps, Parts
from aigc_bench.workloads._pipeline_parts import check_side, is_pipeline, pipeline_parts
from aigc_bench.workloads._pipeline_table import VIDEOS, adopt_pipeline
from aigc_bench.workloads._pipelines import check_key, check_width, clip, llama, network, pipeline_preset, prompt_lengths, t5
from aigc_bench.workloads._text import CLIP_L, T5_XXL, TINY_CLIP, TINY_T5, TINY_UMT5, UMT5_XXL, prompt_tokens
from aigc_bench.workloads.base import Preset, Settings, Setup

if TYPE_CHECKING:
    from aigc_bench.core.own_model import ModelFiles
    from aigc_bench.workloads._denoising import Folders

SPACE_SCALE, TIME_SCALE = 8, 4
"""Pixels of a side, and frames after the first, to one of the latents'."""

LATENT_CHANNELS = 16

_HUB = "config.json of each part in huggingface.co/{}"
_LLAMA_8B = {
    "model_type": "llama", "vocab_size": 128320, "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
    "num_attention_heads": 32, "num_key_value_heads": 8, "max_position_embeddings": 8192, "rms_norm_eps": 1e-5,
}  # fmt: skip
_INSTRUCTION_LEN = 95
"""Tokens of HunyuanVideo's fixed instruction, which are cut off the text encoder's output (diffusers' pipeline, crop_start)."""

_COGVIDEOX = {"text_embed_dim": 4096, "max_text_seq_length": 226, "sample_width": 90, "sample_height": 60, "sample_frames": 49}
_WAN = {"patch_size": (1, 2, 2), "attention_head_dim": 128, "text_dim": 4096, "freq_dim": 256}


def _cogvideox(title: str, *, repository: str, changes: Mapping[str, Any], scaling: float, num_params: int) -> Preset:
    return Preset(
        title=title,
        source="Yang et al. 2024, arXiv 2408.06072; " + _HUB.format(repository),
        config={
            "kind": "cogvideox", "text": {"kind": "t5", "t5": T5_XXL, "lengths": ((226, 32128),)},
            "denoiser": {**_COGVIDEOX, **changes}, "vae": {"scaling_factor": scaling}, "prediction": "v_prediction", "shift": 1.0,
            "fps": 8,
        },
        defaults={"height": 480, "width": 720, "num_frames": 49, "num_inference_steps": 50, "guidance_scale": 6.0},
        num_params=num_params,
    )  # fmt: skip


def _wan(
    title: str, *, repository: str, changes: Mapping[str, Any], size: tuple[int, int], shift: float, num_params: int
) -> Preset:
    return Preset(
        title=title,
        source="Wan Team 2025, arXiv 2503.20314, table 2; " + _HUB.format(repository),
        config={
            "kind": "wan", "text": {"kind": "t5", "t5": UMT5_XXL, "lengths": ((512, 256384),)}, "denoiser": {**_WAN, **changes},
            "vae": {}, "prediction": "velocity", "shift": shift, "fps": 16,
        },
        defaults={"height": size[0], "width": size[1], "num_frames": 81, "num_inference_steps": 50, "guidance_scale": 5.0},
        num_params=num_params,
    )  # fmt: skip


_TINY_DEFAULTS = {"height": 64, "width": 64, "num_frames": 5, "num_inference_steps": 3}

_PRESETS = {
    "cogvideox-2b": _cogvideox(
        message("CogVideoX 2B, 49 frames of 480 x 720"), repository="zai-org/CogVideoX-2b",
        changes={"num_attention_heads": 30, "num_layers": 30}, scaling=1.15258426, num_params=6_671_678_435,
    ),
    "cogvideox-5b": _cogvideox(
        message("CogVideoX 5B, 49 frames of 480 x 720"), repository="zai-org/CogVideoX-5b",
        changes={"num_attention_heads": 48, "num_layers": 42, "use_rotary_positional_embeddings": True}, scaling=0.7,
        num_params=10_548_177_635,
    ),
    "wan2.1-1.3b": _wan(
        message("Wan 2.1 1.3B, 81 frames of 480 x 832"), repository="Wan-AI/Wan2.1-T2V-1.3B-Diffusers",
        changes={"num_attention_heads": 12, "ffn_dim": 8960, "num_layers": 30}, size=(480, 832), shift=3.0,
        num_params=7_226_799_667,
    ),
    "wan2.1-14b": _wan(
        message("Wan 2.1 14B, 81 frames of 720 x 1280"), repository="Wan-AI/Wan2.1-T2V-14B-Diffusers",
        changes={"num_attention_heads": 40, "ffn_dim": 13824, "num_layers": 40}, size=(720, 1280), shift=5.0,
        num_params=20_096_294_451,
    ),
    "hunyuan-video": Preset(
        title=message("HunyuanVideo, 129 frames of 720 x 1280"),
        source="Kong et al. 2024, arXiv 2412.03603, table 2; " + _HUB.format("hunyuanvideo-community/HunyuanVideo"),
        config={
            "kind": "hunyuan-video",
            "text": {
                "kind": "hunyuan-video", "llm": _LLAMA_8B, "clips": (CLIP_L,), "instruction_len": _INSTRUCTION_LEN,
                "lengths": ((256 + _INSTRUCTION_LEN, 128320), (77, 49408)),
            },
            "text_len": 256, "denoiser": {}, "vae": {}, "prediction": "velocity", "shift": 7.0, "fps": 24,
        },
        defaults={"height": 720, "width": 1280, "num_frames": 129, "num_inference_steps": 50, "guidance_scale": 1.0},
        num_params=20_695_738_643,
    ),
    "tiny": Preset(
        title=message("Wan's structure with 2 blocks of 48 channels, for CPUs"),
        source=message("wan2.1-1.3b with fewer and narrower blocks"),
        config={
            "kind": "wan", "text": {"kind": "t5", "t5": TINY_UMT5, "lengths": ((32, 1000),)},
            "denoiser": {
                **_WAN, "num_attention_heads": 2, "attention_head_dim": 24, "text_dim": 128, "freq_dim": 64, "ffn_dim": 96,
                "num_layers": 2,
            },
            "vae": {"base_dim": 8, "num_res_blocks": 1}, "prediction": "velocity", "shift": 3.0, "fps": 16,
        },
        defaults={**_TINY_DEFAULTS, "guidance_scale": 5.0},
        num_params=1_216_603,
    ),
    "cogvideox-tiny": Preset(
        title=message("CogVideoX's structure with 2 blocks of 64 channels, for CPUs"),
        source=message("cogvideox-5b with fewer and narrower blocks"),
        config={
            "kind": "cogvideox", "text": {"kind": "t5", "t5": TINY_T5, "lengths": ((32, 1000),)},
            "denoiser": {
                "num_attention_heads": 2, "attention_head_dim": 32, "num_layers": 2, "text_embed_dim": 128, "time_embed_dim": 64,
                "max_text_seq_length": 32, "sample_width": 8, "sample_height": 8, "sample_frames": 5,
                "use_rotary_positional_embeddings": True,
            },
            "vae": {"block_out_channels": (8, 16, 16, 16), "layers_per_block": 1, "norm_num_groups": 8, "scaling_factor": 0.7},
            "prediction": "v_prediction", "shift": 1.0, "fps": 8,
        },
        defaults={**_TINY_DEFAULTS, "guidance_scale": 6.0},
        num_params=924_667,
    ),
    "hunyuan-video-tiny": Preset(
        title=message("HunyuanVideo's structure with 1 + 1 blocks of 64 channels, for CPUs"),
        source=message("hunyuan-video with fewer and narrower blocks"),
        config={
            "kind": "hunyuan-video",
            "text": {
                "kind": "hunyuan-video", "clips": (TINY_CLIP,), "instruction_len": 4, "lengths": ((36, 1000), (77, 1000)),
                "llm": {
                    **_LLAMA_8B, "vocab_size": 1000, "hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 4,
                    "num_attention_heads": 4, "num_key_value_heads": 2,
                },
            },
            "text_len": 32,
            "denoiser": {
                "num_attention_heads": 2, "attention_head_dim": 32, "num_layers": 1, "num_single_layers": 1,
                "num_refiner_layers": 1, "text_embed_dim": 128, "pooled_projection_dim": 64, "rope_axes_dim": (8, 12, 12),
            },
            "vae": {"block_out_channels": (8, 16, 16, 16), "layers_per_block": 1, "norm_num_groups": 8},
            "prediction": "velocity", "shift": 7.0, "fps": 24,
        },
        defaults={**_TINY_DEFAULTS, "guidance_scale": 1.0},
        num_params=1_484_555,
    ),
}  # fmt: skip


def _cogvideox_folder(files: ModelFiles) -> Preset:
    text, vae = t5(files, "text_encoder"), network(files, "vae", made_as="AutoencoderKLCogVideoX")
    denoiser = network(files, "transformer", made_as="CogVideoXTransformer3DModel")
    _check_channels(files, vae.get("latent_channels", 16), key="latent_channels")
    # The latents of a start image are read next to the video's.
    wanted = LATENT_CHANNELS * (2 if files.architecture == "CogVideoXImageToVideoPipeline" else 1)
    why = message("the vae's latent_channels ask for it")
    check_key(files, "transformer", key="in_channels", found=denoiser.get("in_channels", 16), wanted=wanted, why=why)
    check_width(files, "transformer", denoiser, key="text_embed_dim", default=4096, width=text["d_model"])
    lengths = prompt_lengths((denoiser.get("max_text_seq_length", 226), text))
    config = {
        "kind": "cogvideox", "text": {"kind": "t5", "t5": text, "lengths": lengths}, "denoiser": denoiser, "vae": vae,
        "prediction": "v_prediction", "shift": 1.0, "fps": 8,
    }  # fmt: skip
    # CogVideoX 1.5 (patches of two frames) states sizes of latents that it was not trained for; its pipeline's are 81 x 768 x 1360.
    sizes = (
        {"height": 768, "width": 1360, "num_frames": 81} if denoiser.get("patch_size_t") else
        {
            "height": SPACE_SCALE * denoiser.get("sample_height", 60), "width": SPACE_SCALE * denoiser.get("sample_width", 90),
            "num_frames": denoiser.get("sample_frames", 49),
        }
    )  # fmt: skip
    defaults = {**sizes, "num_inference_steps": 50, "guidance_scale": 6.0}
    return pipeline_preset(files, config=config, defaults=defaults)


def _wan_folder(files: ModelFiles) -> Preset:
    text, vae = t5(files, "text_encoder"), network(files, "vae", made_as="AutoencoderKLWan")
    denoiser = network(files, "transformer", made_as="WanTransformer3DModel")
    check_width(files, "transformer", denoiser, key="text_dim", default=4096, width=text["d_model"])
    channels = vae.get("z_dim", 16)
    is_started = files.architecture == "WanImageToVideoPipeline"
    if not is_started:
        why = message("an image as a start is a WanImageToVideoPipeline's")
        check_key(files, "transformer", key="image_dim", found=denoiser.get("image_dim"), wanted=None, why=why)
    # A start image is read next to the latents: a mask of four channels and its own sixteen.
    read, wanted = denoiser.get("in_channels", 16), channels + (20 if is_started and channels == LATENT_CHANNELS else 0)
    check_key(files, "transformer", key="in_channels", found=read, wanted=wanted, why=message("the vae's z_dim asks for it"))
    # Wan 2.2 (5B) has an auto-encoder of its own: 48 channels, sixteen pixels to a latent.
    space = {"channels": channels, "space_scale": int(vae.get("scale_factor_spatial") or 16)} if channels == 48 else {}
    if not space:
        _check_channels(files, channels, key="z_dim")
    # Wan 2.2 (A14B) has one network for noise and one for detail: each step runs one, and both are held.
    if "transformer_2" in files.components:
        space["denoiser_2"] = network(files, "transformer_2", made_as="WanTransformer3DModel")
    config = {
        **space, "kind": "wan", "text": {"kind": "t5", "t5": text, "lengths": prompt_lengths((512, text))}, "denoiser": denoiser,
        "vae": vae,
        "prediction": "velocity", "shift": 3.0, "fps": 16,
    }  # fmt: skip
    defaults = {"height": 480, "width": 832, "num_frames": 81, "num_inference_steps": 50, "guidance_scale": 5.0}
    return pipeline_preset(files, config=config, defaults=defaults)


def _hunyuan_folder(files: ModelFiles) -> Preset:
    llm, clip_text = llama(files, "text_encoder"), clip(files, "text_encoder_2")
    denoiser = network(files, "transformer", made_as="HunyuanVideoTransformer3DModel")
    vae = network(files, "vae", made_as="AutoencoderKLHunyuanVideo")
    check_width(files, "transformer", denoiser, key="text_embed_dim", default=4096, width=llm["hidden_size"])
    _check_channels(files, vae.get("latent_channels", 16), key="latent_channels")
    text = {
        "kind": "hunyuan-video", "llm": llm, "clips": (clip_text,), "instruction_len": _INSTRUCTION_LEN,
        "lengths": prompt_lengths((256 + _INSTRUCTION_LEN, llm), (77, clip_text)),
    }  # fmt: skip
    config = {
        "kind": "hunyuan-video", "text": text, "text_len": 256, "denoiser": denoiser, "vae": vae, "prediction": "velocity",
        "shift": 7.0, "fps": 24,
    }  # fmt: skip
    defaults = {"height": 720, "width": 1280, "num_frames": 129, "num_inference_steps": 50, "guidance_scale": 1.0}
    return pipeline_preset(files, config=config, defaults=defaults)


def _check_channels(files: ModelFiles, found: int, *, key: str) -> None:
    check_key(files, "vae", key=key, found=found, wanted=LATENT_CHANNELS, why=message("latents of a video have 16 channels here"))


class VideoDiffusionSettings(Settings):
    """Size and length of a video, number of denoising steps, and how strongly the prompt guides it."""

    height: int = Field(
        default=480, ge=64, le=2048, multiple_of=2 * SPACE_SCALE, description=message("height of a frame in pixels")
    )
    width: int = Field(default=720, ge=64, le=2048, multiple_of=2 * SPACE_SCALE, description=message("width of a frame in pixels"))
    num_frames: int = Field(default=49, ge=1, le=1025, description=message("frames of the video, 4 n + 1"))
    num_inference_steps: NumSteps = 50
    guidance_scale: Guidance = 6.0


class VideoDiffusion(DenoisingWorkload):
    """Throughput counts frames: made in inference, learnt from in training. Only the transformer is trained."""

    title: ClassVar[str] = message("Video diffusion")
    item: ClassVar[str] = "frame"
    settings: ClassVar[type[Settings]] = VideoDiffusionSettings
    presets: ClassVar[Mapping[str, Preset]] = _PRESETS
    networks = ("video_diffusion", "text_encoders", "flow_matching")
    folders: ClassVar[Folders] = {
        "CogVideoXPipeline": _cogvideox_folder, "CogVideoXImageToVideoPipeline": _cogvideox_folder,
        "WanPipeline": _wan_folder, "WanImageToVideoPipeline": _wan_folder,
        "HunyuanVideoPipeline": _hunyuan_folder,
        **{name: functools.partial(adopt_pipeline, row=row) for name, row in VIDEOS.items()},
    }  # fmt: skip
    distilled: ClassVar[Mapping[str, str]] = {"hunyuan-video": "HunyuanVideo"}
    learns_from = ("text", "video")
    reads = ("text",)
    writes = "video"
    pipelines = tuple(folders)

    def validate(self, case: Case) -> None:
        """As the base; raises ``UsageError`` for lengths that the auto-encoder cannot make, too."""
        super().validate(case)
        config, options = self.preset(case).config, self.options(case)
        if is_pipeline(config):
            check_side(config, key="height", found=options.height)
            check_side(config, key="width", found=options.width)
        frames, scale = options.num_frames, config.get("time_scale", TIME_SCALE)
        if (frames - 1) % scale:
            below = (frames - 1) // scale * scale + 1
            raise UsageError(
                message(
                    "{workload}/{preset}: num_frames = {frames} is not {scale} n + 1.",
                    workload=case.workload,
                    preset=case.preset,
                    frames=frames,
                    scale=scale,
                ),
                message("Use {below} or {above}.", below=below, above=below + scale),
            )

    def num_items(self, case: Case) -> int:
        """Return the frames of all videos."""
        num_frames: int = self.options(case).num_frames
        return case.batch_size * num_frames

    def parts(self, case: Case, setup: Setup) -> Parts:
        """Text encoder, transformer and auto-encoder of the preset."""
        config, options = self.preset(case).config, self.options(case)
        if is_pipeline(config):
            size, checkpointing = (options.height, options.width), case.gradient_checkpointing
            return pipeline_parts(setup, config=config, size=size, num_frames=options.num_frames, is_checkpointed=checkpointing)
        return _make(case, setup, config=self.preset(case).config, options=self.options(case))


workload = VideoDiffusion()


def _make(case: Case, setup: Setup, *, config: Mapping[str, Any], options: VideoDiffusionSettings) -> Parts:
    from aigc_bench.nets import text_encoders
    from aigc_bench.nets import video_diffusion as net
    from aigc_bench.nets.flow_matching import ContinuousProcess

    text, kind = config["text"], config["kind"]
    text_encoder = setup.build_frozen(lambda: text_encoders.make(text))
    second = {"second": config["denoiser_2"]} if "denoiser_2" in config else {}
    denoiser: Any = setup.build(lambda: net.DENOISERS[kind](config["denoiser"], **second))
    if case.gradient_checkpointing:
        denoiser.model.enable_gradient_checkpointing()
    autoencoder = setup.build_frozen(lambda: net.VideoAutoencoder(kind, config["vae"]))
    # The first frame stays by itself, the others shrink fourfold.
    frames = 1 + (options.num_frames - 1) // TIME_SCALE
    # [channels, frames, height, width] of the latents.
    scale = config.get("space_scale", SPACE_SCALE)
    shape = (config.get("channels", LATENT_CHANNELS), frames, options.height // scale, options.width // scale)
    # HunyuanVideo's instruction is cut off before the denoiser.
    text_len = config.get("text_len", text["lengths"][0][0])
    return Parts(
        text_encoder=text_encoder,
        denoiser=denoiser,
        autoencoder=autoencoder,
        prompts=lambda batch: prompt_tokens(setup, batch=batch, lengths=text["lengths"]),
        constants=lambda batch: denoiser.constants(shape=shape, text_len=text_len, batch=batch),
        levels=setup.uniform,
        pixels_shape=(3, options.num_frames, options.height, options.width),
        latent_shape=shape,
        denoised_shape=shape,
        process=ContinuousProcess(prediction=config["prediction"], shift=config["shift"]),
        fps=config["fps"],
    )
