"""Pipelines of diffusers that are adopted from a folder and have no preset: their parts, as data.

``adopt_pipeline`` checks the folder's configurations against a row and makes a preset whose configuration holds all that
``_pipeline_parts`` builds from. A row says which class each part must be of, how many tokens its prompts have, how the
auto-encoder's sizes follow from its configuration, and the pipeline's own defaults (diffusers 0.42, ``__call__`` of each).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal, TypeVar

from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.own_model import ModelFiles
from aigc_bench.workloads._pipelines import check_key, check_width, clip, network, part_of, pipeline_preset, place_of, t5
from aigc_bench.workloads.base import Preset

Config = Mapping[str, Any]
_T = TypeVar("_T")
_SAVED = ("torch_dtype", "dtype", "transformers_version", "use_cache", "quantization_config", "auto_map", "_name_or_path")
"""Keys that say how a configuration was saved, not what is built."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Pixels of a side and frames to one latent, and the channels of the latents."""

    space: int
    time: int
    channels: int


@dataclass(frozen=True, kw_only=True)
class Reader:
    """A part that reads a prompt of ``length`` tokens, ``skipped`` of them a template's; an ``image`` has none.

    ``layers`` are the hidden states that a language model gives, side by side.
    """

    part: str = "text_encoder"
    kind: Literal["encoder", "language", "image", "connected"] = "encoder"
    types: tuple[str, ...] = ("t5",)
    length: int = 0
    skipped: int = 0
    layers: tuple[int, ...] = (-1,)


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """A row. ``width_key`` is the denoiser's key for the width of its (first) text; ``merge`` makes one configuration of several,
    and ``unused`` are keys of published files that the class does not have. A token of the denoiser covers ``patch`` latents of a
    side; networks of one see a multiple of two, too.
    """

    kind: str
    denoiser: str
    part: str = "transformer"
    autoencoder: str
    sizes: Callable[[Config], Sizes]
    layout: str
    readers: tuple[Reader, ...]
    width_key: tuple[str, int] | None = None
    per_token: int = 1
    added_channels: int = 0
    patch: int = 2
    prediction: str = "velocity"
    shift: float = 1.0
    fps: int | None = None
    defaults: Config = field(default_factory=dict)
    merge: Callable[[ModelFiles], dict[str, Any]] | None = None
    unused: tuple[str, ...] = ()


def _halvings(config: Config) -> Sizes:
    """An auto-encoder of images that halves a side at each level but the last (``AutoencoderKL`` and its like)."""
    levels = config.get("block_out_channels", (64,))
    return Sizes(space=2 ** (len(levels) - 1), time=1, channels=int(config.get("latent_channels", 4)))


def _qwen_sizes(config: Config) -> Sizes:
    down = config.get("temperal_downsample", (False, True, True))
    return Sizes(space=2 ** len(down), time=1, channels=int(config.get("z_dim", 16)))


def _flux2_sizes(config: Config) -> Sizes:
    levels = config.get("block_out_channels", (128, 256, 512, 512))
    return Sizes(space=2 ** (len(levels) - 1), time=1, channels=int(config.get("latent_channels", 32)))


def _dc_sizes(config: Config) -> Sizes:
    levels = config.get("encoder_block_out_channels", (128, 256, 512, 512, 1024, 1024))
    return Sizes(space=2 ** (len(levels) - 1), time=1, channels=int(config.get("latent_channels", 32)))


def _ltx_sizes(config: Config) -> Sizes:
    halved = sum(map(bool, config.get("spatio_temporal_scaling", (True, True, True, False))))
    space = config.get("spatial_compression_ratio") or config.get("patch_size", 4) * 2**halved
    time = config.get("temporal_compression_ratio") or config.get("patch_size_t", 1) * 2**halved
    return Sizes(space=int(space), time=int(time), channels=int(config.get("latent_channels", 128)))


def _hunyuan15_sizes(config: Config) -> Sizes:
    space, time = config.get("spatial_compression_ratio", 16), config.get("temporal_compression_ratio", 4)
    return Sizes(space=int(space), time=int(time), channels=int(config.get("latent_channels", 32)))


def _ltx2_sizes(config: Config) -> Sizes:
    space, time = config.get("spatial_compression_ratio") or 32, config.get("temporal_compression_ratio") or 8
    return Sizes(space=int(space), time=int(time), channels=int(config.get("latent_channels", 128)))


def _mochi_sizes(config: Config) -> Sizes:
    space, time = 1, 1
    for one in config.get("spatial_expansions", (2, 2, 2)):
        space *= int(one)
    for one in config.get("temporal_expansions", (1, 2, 3)):
        time *= int(one)
    return Sizes(space=space, time=time, channels=int(config.get("latent_channels", 12)))


def _motion(files: ModelFiles) -> dict[str, Any]:
    """AnimateDiff's network of a UNet of images and a motion adapter, as diffusers joins them; one that was saved joined stays."""
    unet = part_of(files, "unet")
    if unet.get("_class_name") != "UNet2DConditionModel":
        return network(files, "unet", made_as="UNetMotionModel")
    plain, adapter = (
        network(files, "unet", made_as="UNet2DConditionModel"),
        network(files, "motion_adapter", made_as="MotionAdapter"),
    )
    named = {key: [name.replace("2D", "Motion") for name in plain.get(key, default)] for key, default in _BLOCKS.items()}
    kept = {key: plain[key] for key in _KEPT if key in plain}
    heads = plain.get("num_attention_heads") or plain.get("attention_head_dim") or 8
    joined = {there: adapter[here] for here, there in _JOINED.items() if here in adapter}
    return {**kept, **named, "num_attention_heads": heads, **joined}


_BLOCKS: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
        "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
    }
)
_KEPT = (
    "sample_size", "in_channels", "out_channels", "block_out_channels", "layers_per_block", "downsample_padding", "act_fn",
    "mid_block_scale_factor", "norm_num_groups", "norm_eps", "cross_attention_dim", "use_linear_projection",
)  # fmt: skip
_JOINED: Mapping[str, str] = MappingProxyType(
    {
        "motion_num_attention_heads": "motion_num_attention_heads",
        "motion_max_seq_length": "motion_max_seq_length",
        "use_motion_mid_block": "use_motion_mid_block",
        "motion_layers_per_block": "layers_per_block",
        "motion_transformer_layers_per_block": "temporal_transformer_layers_per_block",
        "motion_transformer_layers_per_mid_block": "temporal_transformer_layers_per_mid_block",
    }
)
"""Keys of a motion adapter -> those of the joined network (diffusers, ``UNetMotionModel.from_unet2d``)."""

_SEEING = ("qwen2_5_vl", "mistral3")
_FLUX2 = Pipeline(
    kind="flux2", denoiser="Flux2Transformer2DModel", autoencoder="AutoencoderKLFlux2", sizes=_flux2_sizes, layout="image",
    readers=(Reader(kind="language", types=_SEEING, length=512, layers=(10, 20, 30)),), width_key=("joint_attention_dim", 15360),
    per_token=4, shift=3.0, defaults={"resolution": 1024, "num_inference_steps": 50, "guidance_scale": 1.0},
)  # fmt: skip
_KLEIN = replace(
    _FLUX2, readers=(Reader(kind="language", types=("qwen3",), length=512, layers=(9, 18, 27)),),
    defaults={"resolution": 1024, "num_inference_steps": 4, "guidance_scale": 1.0},
)  # fmt: skip

IMAGES: Mapping[str, Pipeline] = MappingProxyType(
    {
        "QwenImagePipeline": Pipeline(
            kind="qwen-image", denoiser="QwenImageTransformer2DModel", autoencoder="AutoencoderKLQwenImage", sizes=_qwen_sizes,
            layout="frame", readers=(Reader(kind="language", types=_SEEING, length=512 + 34, skipped=34),),
            width_key=("joint_attention_dim", 3584), per_token=4, shift=3.0, unused=("pooled_projection_dim",),
            defaults={"resolution": 1024, "num_inference_steps": 50, "guidance_scale": 4.0},
        ),
        "Flux2Pipeline": _FLUX2,
        "Flux2KleinPipeline": _KLEIN,
        "SanaPipeline": Pipeline(
            kind="sana", denoiser="SanaTransformer2DModel", autoencoder="AutoencoderDC", sizes=_dc_sizes, layout="image",
            readers=(Reader(kind="language", types=("gemma2",), length=300),), width_key=("caption_channels", 2304), shift=3.0,
            defaults={"resolution": 1024, "num_inference_steps": 20, "guidance_scale": 4.5},
        ),
        "HunyuanDiTPipeline": Pipeline(
            kind="hunyuan-dit", denoiser="HunyuanDiT2DModel", autoencoder="AutoencoderKL", sizes=_halvings, layout="image",
            readers=(Reader(types=("bert",), length=77), Reader(part="text_encoder_2", types=("t5", "mt5"), length=256)),
            width_key=("cross_attention_dim", 1024), prediction="v_prediction",
            defaults={"resolution": 1024, "num_inference_steps": 50, "guidance_scale": 5.0},
        ),
    }
)  # fmt: skip
"""Pipelines of images, which the family ``diffusion_transformer`` runs."""

_LTX = {"height": 512, "width": 704, "num_frames": 161, "num_inference_steps": 50, "guidance_scale": 3.0}
VIDEOS: Mapping[str, Pipeline] = MappingProxyType(
    {
        "LTXPipeline": Pipeline(
            kind="ltx", denoiser="LTXVideoTransformer3DModel", autoencoder="AutoencoderKLLTXVideo", sizes=_ltx_sizes,
            layout="video", readers=(Reader(length=128),), width_key=("caption_channels", 4096), shift=3.0, fps=25, defaults=_LTX,
        ),
        "LTX2Pipeline": Pipeline(
            kind="ltx2", denoiser="LTX2VideoTransformer3DModel", autoencoder="AutoencoderKLLTX2Video", sizes=_ltx2_sizes,
            layout="video", readers=(Reader(kind="connected", types=("gemma3", "gemma3_text"), length=1024),), shift=3.0, fps=24,
            defaults={"height": 512, "width": 768, "num_frames": 121, "num_inference_steps": 40, "guidance_scale": 4.0},
        ),
        "HunyuanVideo15Pipeline": Pipeline(
            kind="hunyuan-video-15", denoiser="HunyuanVideo15Transformer3DModel", autoencoder="AutoencoderKLHunyuanVideo15",
            sizes=_hunyuan15_sizes, layout="video", patch=1,
            readers=(
                Reader(kind="language", types=("qwen2_5_vl", "qwen2_5_vl_text"), length=1000 + 108, skipped=108, layers=(-3,)),
                Reader(part="text_encoder_2", length=256),
            ),
            # The start image's latents, and a mask of the frames that are known.
            width_key=("text_embed_dim", 3584), added_channels=33, shift=5.0, fps=24,
            defaults={"height": 480, "width": 848, "num_frames": 121, "num_inference_steps": 50, "guidance_scale": 6.0},
        ),
        "MochiPipeline": Pipeline(
            kind="mochi", denoiser="MochiTransformer3DModel", autoencoder="AutoencoderKLMochi", sizes=_mochi_sizes, layout="video",
            readers=(Reader(length=256),), width_key=("text_embed_dim", 4096), fps=30,
            defaults={"height": 480, "width": 848, "num_frames": 85, "num_inference_steps": 64, "guidance_scale": 4.5},
        ),
        "StableVideoDiffusionPipeline": Pipeline(
            kind="stable-video", part="unet", denoiser="UNetSpatioTemporalConditionModel",
            autoencoder="AutoencoderKLTemporalDecoder", sizes=_halvings, layout="temporal",
            readers=(Reader(part="image_encoder", kind="image", types=("clip_vision_model",)),),
            added_channels=4, prediction="v_prediction", fps=7,
            defaults={"height": 576, "width": 1024, "num_frames": 25, "num_inference_steps": 25, "guidance_scale": 3.0},
        ),
        "AnimateDiffPipeline": Pipeline(
            kind="animatediff", part="unet", denoiser="UNetMotionModel", autoencoder="AutoencoderKL", sizes=_halvings,
            layout="frames", readers=(Reader(types=("clip_text_model",), length=77),), width_key=("cross_attention_dim", 1280),
            prediction="epsilon", fps=8, merge=_motion,
            defaults={"height": 512, "width": 512, "num_frames": 16, "num_inference_steps": 50, "guidance_scale": 7.5},
        ),
    }
)  # fmt: skip
"""Pipelines of videos, which the family ``video_diffusion`` runs."""


def adopt_pipeline(files: ModelFiles, row: Pipeline) -> Preset:
    """The preset of a folder; raises ``UsageError`` where a part is missing, of another class, or does not fit the others."""
    merge = row.merge or functools.partial(network, name=row.part, made_as=row.denoiser)
    denoiser = _read(files, row.part, lambda: merge(files))
    denoiser = {key: value for key, value in denoiser.items() if key not in row.unused}
    vae = network(files, "vae", made_as=row.autoencoder)
    sizes, found = _read(files, "vae", lambda: row.sizes(vae)), denoiser.get("in_channels")
    if min(sizes.space, sizes.time, sizes.channels) < 1:
        raise _unread(files, "vae")
    if found is not None:
        why = message("the vae's latent channels ask for it")
        check_key(
            files, row.part, key="in_channels", found=found, wanted=row.per_token * sizes.channels + row.added_channels, why=why
        )
    readers = [_read(files, one.part, functools.partial(_reader, files, one)) for one in row.readers]
    if row.width_key is not None:
        key, default = row.width_key
        width = _width(readers[0]["config"]) * len(readers[0]["options"].get("layers", (0,)))
        check_width(files, row.part, denoiser, key=key, default=default, width=width)
    text = {"kind": "pipeline", "readers": readers}
    config = {
        "kind": row.kind, "text": text, "denoiser": denoiser, "vae": vae, "vae_class": row.autoencoder, "layout": row.layout,
        "space_scale": sizes.space, "time_scale": sizes.time, "channels": sizes.channels, "prediction": row.prediction,
        "shift": row.shift, "fps": row.fps, "patch": row.patch, "is_pipeline": True,
    }  # fmt: skip
    return pipeline_preset(files, config=config, defaults=row.defaults)


def _read(files: ModelFiles, name: str, read: Callable[[], _T]) -> _T:
    """What ``read`` gives; raises ``UsageError`` where a value of the part is of another kind than its class takes."""
    try:
        return read()
    except (TypeError, ValueError, AttributeError) as problem:
        raise _unread(files, name) from problem


def _unread(files: ModelFiles, name: str) -> UsageError:
    return UsageError(
        message(
            "{place}: its lists and sizes are not those of a {architecture}.",
            place=place_of(files, name),
            architecture=files.architecture,
        ),
        message("Is it the configuration as it was published?"),
    )


def _reader(files: ModelFiles, row: Reader) -> dict[str, Any]:
    """The part's configuration and how it is read: what ``PipelineText`` takes, and the shape of its input."""
    if row.types == ("t5",):
        config: Config = t5(files, row.part)
    elif row.types == ("clip_text_model",):
        config = clip(files, row.part)
    else:
        config = _other(files, row)
    options: dict[str, Any] = {}
    if row.kind == "language":
        options = {"layers": row.layers, "skipped": row.skipped}
    elif row.kind == "connected":
        options = {"connectors": network(files, "connectors", made_as="LTX2TextConnectors")}
    shape = ("image", int(config.get("image_size", 224))) if row.kind == "image" else ("tokens", row.length, _vocabulary(config))
    return {"kind": row.kind, "config": config, "options": options, "input": shape}


def _other(files: ModelFiles, row: Reader) -> Config:
    config = part_of(files, row.part)
    found = config.get("model_type")
    if found not in row.types:
        raise UsageError(
            message("{place}: model_type {found!r} is not run here.", place=place_of(files, row.part), found=found),
            message("Known: {names}.", names=", ".join(row.types)),
        )
    return {key: value for key, value in config.items() if key not in _SAVED}


def _inner(config: Config) -> Config:
    text = config.get("text_config")
    return text if isinstance(text, Mapping) else config


def _vocabulary(config: Config) -> int:
    # The default of the library where a file leaves out what agrees with it (Gemma 3, Mistral 3's Mistral).
    return int(_inner(config).get("vocab_size") or config.get("vocab_size") or 32000)


def _width(config: Config) -> int:
    inner = _inner(config)
    return int(inner.get("hidden_size") or inner.get("d_model") or config.get("projection_dim") or 0)
