"""What a family takes of a user's diffusers folder: configurations of the parts that it runs, checked to be what they must be.

Schedulers are not read: a sampler's steps are numbers made before the first one, for any scheduler.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.own_model import WEIGHTS, ModelFiles
from aigc_bench.workloads._text import CLIP_L, T5_XXL
from aigc_bench.workloads.base import Preset

_CLIP_KEYS = (*CLIP_L, "bos_token_id", "eos_token_id", "layer_norm_eps", WEIGHTS)
_T5_KEYS = (*T5_XXL, "relative_attention_num_buckets", "relative_attention_max_distance", "layer_norm_epsilon", WEIGHTS)


def pipeline_preset(files: ModelFiles, *, config: Mapping[str, Any], defaults: Mapping[str, Any]) -> Preset:
    """A family's preset of the folder."""
    return Preset(
        title=message("{architecture} from a user's folder", architecture=files.architecture),
        source=str(files.path),
        config=config,
        defaults=defaults,
    )


_GENERAL = "Transformer2DModel"
"""The class under which DiT and PixArt were published, before diffusers gave each its own."""
_LLAMA_KEYS = (
    "model_type", "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
    "num_key_value_heads", "max_position_embeddings", "rms_norm_eps", "head_dim", "rope_theta", "rope_scaling",
)  # fmt: skip


def general_network(files: ModelFiles, *, made_as: str, keys: Collection[str]) -> dict[str, Any]:
    """The keys of a transformer that its class takes, whether it was published under that or under the general class."""
    config = part_of(files, "transformer")
    found = config.get("_class_name", made_as)
    if found == _GENERAL:
        return _selected_keys(config, (*keys, WEIGHTS))
    return _selected_keys(network(files, "transformer", made_as=made_as), (*keys, WEIGHTS))


def llama(files: ModelFiles, name: str) -> dict[str, Any]:
    """What shapes a Llama that reads prompts."""
    return _selected_keys(_of_types(files, name, types=("llama",)), (*_LLAMA_KEYS, WEIGHTS))


def network(files: ModelFiles, name: str, *, made_as: str) -> dict[str, Any]:
    """Configuration of a part of diffusers, which must be of the class ``made_as``; notes (``_...``) are left out.

    Raises ``UsageError`` where the part is missing or of another class.
    """
    config = part_of(files, name)
    found = config.get("_class_name", made_as)
    if found != made_as:
        raise UsageError(
            message("{place}: a {found} is not run here.", place=place_of(files, name), found=found),
            message("A {architecture} has a {part}.", architecture=files.architecture, part=made_as),
        )
    return {key: value for key, value in config.items() if not key.startswith("_") or key == WEIGHTS}


def clip(files: ModelFiles, name: str) -> dict[str, Any]:
    """What shapes a CLIP text model; a projection only where the class has one (the key is there in both)."""
    config = _of_types(files, name, types=("clip_text_model",))
    has_projection = "CLIPTextModelWithProjection" in (config.get("architectures") or ())
    return _selected_keys(config, (*_CLIP_KEYS, *(["projection_dim"] if has_projection else [])))


CHATGLM = "chatglm"
"""Model type of the language model that reads Kolors' prompts; ``nets/components.py`` makes it (importing that takes seconds)."""
_CHATGLM_KEYS = (
    "num_layers", "padded_vocab_size", "hidden_size", "ffn_hidden_size", "kv_channels", "num_attention_heads", "seq_length",
    "layernorm_epsilon", "rmsnorm", "apply_residual_connection_post_layernorm", "post_layer_norm", "add_bias_linear",
    "add_qkv_bias", "multi_query_attention", "multi_query_group_num", "original_rope",
)  # fmt: skip


def chatglm(files: ModelFiles, name: str) -> dict[str, Any]:
    """What shapes a ChatGLM that reads prompts, whatever code its file names; sizes that it leaves out are ChatGLM3-6B's."""
    config = _of_types(files, name, types=(CHATGLM,))
    sizes = {"hidden_size": 4096, "padded_vocab_size": 65024}
    return {"model_type": CHATGLM, **sizes, **_selected_keys(config, _CHATGLM_KEYS)}


def t5(files: ModelFiles, name: str) -> dict[str, Any]:
    """What shapes a T5 or UMT5 encoder."""
    return _selected_keys(_of_types(files, name, types=("t5", "umt5", "mt5")), _T5_KEYS)


def check_scale(files: ModelFiles, vae: Mapping[str, Any], *, scale: int) -> None:
    """Raise where an image's side is not ``scale`` times its latent's: an auto-encoder halves it at each level but the last."""
    # The default of diffusers is a single block.
    found = 2 ** (len(vae.get("block_out_channels", (64,))) - 1)
    if found != scale:
        raise UsageError(
            message("{place}: it makes an image's side {found:g} times smaller.", place=place_of(files, "vae"), found=found),
            message("Auto-encoders of {scale} are run.", scale=scale),
        )


def check_key(files: ModelFiles, name: str, *, key: str, found: object, wanted: object, why: str) -> None:
    """Raise where a key has a value that the family does not run."""
    if found != wanted:
        hint = (
            message("It is run without {key}.", key=key)
            if wanted is None
            else message("It is run with {key} = {wanted}.", key=key, wanted=wanted)
        )
        raise UsageError(
            message("{place}: {key} = {found}: {why}.", place=place_of(files, name), key=key, found=found, why=why), hint
        )


def check_width(files: ModelFiles, name: str, config: Mapping[str, Any], *, key: str, default: int, width: int) -> None:
    """Raise where a denoiser expects text of another width than its encoders give."""
    why = message("its text encoders give {width} numbers a token", width=width)
    check_key(files, name, key=key, found=config.get(key, default), wanted=width, why=why)


def prompt_lengths(*parts: tuple[int, Mapping[str, Any]]) -> Sequence[tuple[int, int]]:
    """Lengths of the prompts and vocabularies of their encoders."""
    return tuple((length, int(config["vocab_size"])) for length, config in parts)


def part_of(files: ModelFiles, name: str) -> Mapping[str, Any]:
    """Return a part's configuration; raises ``UsageError`` where the folder has none."""
    if name not in files.components:
        raise UsageError(
            message(
                "{place}: it is missing, and a {architecture} needs it.",
                place=place_of(files, name),
                architecture=files.architecture,
            ),
            message("Is the download complete?"),
        )
    return files.components[name]


def _of_types(files: ModelFiles, name: str, *, types: Sequence[str]) -> Mapping[str, Any]:
    config = part_of(files, name)
    found = config.get("model_type", types[0])
    if found not in types:
        raise UsageError(
            message("{place}: model_type {found!r} is not run here.", place=place_of(files, name), found=found),
            message("Known: {names}.", names=", ".join(types)),
        )
    return {"model_type": found, **config}


def _selected_keys(config: Mapping[str, Any], keys: Collection[str]) -> dict[str, Any]:
    return {key: config[key] for key in keys if key in config}


def place_of(files: ModelFiles, name: str) -> str:
    """Return where a part's configuration lies."""
    return f"{files.path / name / 'config.json'}"
