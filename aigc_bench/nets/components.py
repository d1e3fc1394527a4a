"""Parts of a diffusion pipeline from their configurations: diffusers' networks, transformers' encoders of text.

Weights are random, unless a configuration names the folder of its safetensors under ``WEIGHTS``; on ``meta`` nothing is read.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from safetensors.torch import load_file
from torch import nn
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    T5Config,
    T5EncoderModel,
    UMT5Config,
    UMT5EncoderModel,
)

from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.own_model import WEIGHTS
from aigc_bench.core.records import Attention
from aigc_bench.nets.hugging_face import HALF_PRECISION, loaded


def diffusers_model(model_class: Any, config: Mapping[str, Any]) -> Any:
    """A model of diffusers; raises ``UsageError`` where the installed one does not know a key of the configuration."""
    keys, folder = _apart(config)
    parameters = inspect.signature(model_class.__init__).parameters
    # A key that the installed version does not know and that is off asks for nothing.
    keys = {key: value for key, value in keys.items() if key in parameters or value not in (None, False)}
    unknown = sorted(keys.keys() - parameters)
    if unknown:
        import diffusers

        raise UsageError(
            message(
                "{name}: diffusers {version} knows no {unknown}.",
                name=model_class.__name__,
                version=diffusers.__version__,
                unknown=", ".join(unknown),
            ),
            message("The configuration is of another version; install that one."),
        )
    model = model_class(**keys)
    if folder is not None:
        _load(model, Path(folder))
    return model


class PipelineDenoiser(nn.Module):
    """The denoiser of a diffusers pipeline: one of its networks, and constants that are made once, before the first step."""

    network: ClassVar[Any]
    """The network's class."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        self.model = diffusers_model(self.network, config)

    def constants(self, *, shape: tuple[int, ...], batch: int) -> tuple[torch.Tensor, ...]:
        """None, unless the network says otherwise: most compute their positions from the size of the latents ``shape``."""
        return ()


def clip_text(config: Mapping[str, Any], *, attention: Attention = "auto") -> nn.Module:
    """A CLIP text model, with its projection where the configuration has one."""
    keys, folder = _apart(config)
    implementation = "sdpa" if attention == "auto" else attention
    model_class = CLIPTextModelWithProjection if "projection_dim" in keys else CLIPTextModel
    settings = CLIPTextConfig(**keys, attn_implementation=implementation)
    if folder is not None:
        return loaded(model_class, settings, implementation=implementation, folder=folder)
    model: nn.Module = model_class(settings)
    return model


CHATGLM = "chatglm"
"""``model_type`` of the language model that reads Kolors' prompts, which diffusers carries and transformers does not."""


def chatglm(config: Mapping[str, Any]) -> nn.Module:
    """ChatGLM without a head, as Kolors has it (GLM team 2024, arXiv 2406.12793)."""
    from diffusers.pipelines.kolors.text_encoder import ChatGLMConfig, ChatGLMModel

    keys, _ = _apart(config)
    keys.pop("model_type", None)
    # Its layers are otherwise made without values, for weights that are read next; its norms always are.
    model: nn.Module = ChatGLMModel(ChatGLMConfig(**keys), empty_init=False)
    for module in model.modules():
        if type(module).__name__ == "RMSNorm":
            nn.init.ones_(module.weight)  # type: ignore[arg-type]
    return model


def t5_encoder(config: Mapping[str, Any]) -> nn.Module:
    """The encoder of a T5, or of a multilingual UMT5."""
    keys, folder = _apart(config)
    is_multilingual = keys.pop("model_type") == "umt5"
    model_class = UMT5EncoderModel if is_multilingual else T5EncoderModel
    settings = UMT5Config(**keys) if is_multilingual else T5Config(**keys)
    if folder is not None:
        return loaded(model_class, settings, implementation="eager", folder=folder)
    model: nn.Module = model_class(settings)
    return model


def _apart(config: Mapping[str, Any]) -> tuple[dict[str, Any], str | None]:
    """The keys of the architecture, and the folder of weights to read."""
    keys = dict(config)
    folder = keys.pop(WEIGHTS, None)
    # Tensors on meta have shapes and no values: nothing to read the weights into.
    return keys, None if torch.get_default_device().type == "meta" else folder


def _load(model: Any, folder: Path) -> None:
    """Read a folder's safetensors, file by file, into a model of diffusers. Half-precision twins of other files are left out."""
    files = sorted(folder.glob("*.safetensors"))
    files = [file for file in files if HALF_PRECISION not in file.name] or files
    missing = set(model.state_dict())
    for file in files:
        # diffusers renames what its first versions called otherwise (auto-encoders of Stable Diffusion 1).
        tensors = model._fix_state_dict_keys_on_load(load_file(file))
        unexpected = sorted(tensors.keys() - model.state_dict().keys())
        if unexpected:
            raise UsageError(
                message(
                    "{file}: {unexpected} is no weight of a {name}.", file=file, unexpected=unexpected[0], name=type(model).__name__
                ),
                message("Is it of this config.json?"),
            )
        # Not strict, because one file of several holds only a part; what no file holds is reported below.
        model.load_state_dict(tensors, strict=False)
        missing -= tensors.keys()
    if missing:
        raise UsageError(
            message(
                "{folder}: {name} is missing, and {others} more.", folder=folder, name=sorted(missing)[0], others=len(missing) - 1
            ),
            message("Is the download complete?"),
        )


def guide(predicted: torch.Tensor, *, guidance_scale: float) -> torch.Tensor:
    """Classifier-free guidance: ``(2 batch, ...)``, the unconditional half first, to ``(batch, ...)``.

    Ho & Salimans 2022, arXiv 2207.12598, eq. 6 with ``guidance_scale = 1 + w``.
    """
    unconditional, conditional = predicted.chunk(2)
    return unconditional + guidance_scale * (conditional - unconditional)
