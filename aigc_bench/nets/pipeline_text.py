"""What a pipeline shows its denoiser: prompts read by any of transformers' encoders or language models, or a start image.

Each reader maps its own input (token ids ``(batch, length)``, or images) to conditions; ``PipelineText`` calls them in turn and
puts their conditions one behind the other. Prompts fill their length, so nothing is masked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from diffusers.pipelines.ltx2.connectors import LTX2TextConnectors
from torch import nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
)

from aigc_bench.core.own_model import WEIGHTS
from aigc_bench.nets.caches import passing_cache
from aigc_bench.nets.components import clip_text, diffusers_model, t5_encoder
from aigc_bench.nets.hugging_face import random_model

Conditions = tuple[torch.Tensor, ...]


class EncoderReader(nn.Module):
    """The last hidden states of an encoder: T5, CLIP, or another of transformers (BERT)."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        # CLIP's selected keys come without their type.
        kind = config.get("model_type", "clip_text_model")
        if kind in ("t5", "umt5", "mt5"):
            self.model: Any = t5_encoder(config)
        elif kind == "clip_text_model":
            self.model = clip_text(config)
        else:
            self.model = _model(AutoModel, config)

    def forward(self, tokens: torch.Tensor) -> Conditions:
        """Tokens ``[batch, text]`` to ``[batch, text, width]``."""
        return (self.model(input_ids=tokens).last_hidden_state,)


class LanguageReader(nn.Module):
    """Hidden states of a language model, those of ``layers`` side by side; the first ``skipped`` tokens, a template's, are cut off.

    A model that also sees is held whole, as the pipeline holds it, and its language model alone is run.
    """

    def __init__(self, config: Mapping[str, Any], *, layers: Sequence[int] = (-1,), skipped: int = 0) -> None:
        super().__init__()
        self.layers, self.skipped = tuple(layers), skipped
        if "vision_config" in config:
            self.model: Any = _model(AutoModelForImageTextToText, {**config, "tie_word_embeddings": _is_tied(config)})
            self.part = "language_model"
        else:
            has_head = str((config.get("architectures") or ("",))[0]).endswith("ForCausalLM")
            self.model = _model(AutoModelForCausalLM if has_head else AutoModel, config)
            self.part = "model" if has_head else ""

    def hidden_states(self, tokens: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Tokens ``[batch, text]`` to one ``[batch, text, width]`` for the embeddings and each layer."""
        reader = self.model.model.language_model if self.part == "language_model" else self.model
        reader = reader.model if self.part == "model" else reader
        cache = passing_cache(reader.config)
        states: tuple[torch.Tensor, ...] = reader(
            input_ids=tokens, past_key_values=cache, use_cache=False, output_hidden_states=True
        ).hidden_states
        return states

    def forward(self, tokens: torch.Tensor) -> Conditions:
        """Tokens ``[batch, text]`` to ``[batch, text - skipped, layers x width]``."""
        states = self.hidden_states(tokens)
        return (torch.cat([states[layer] for layer in self.layers], dim=-1)[:, self.skipped :],)


class ImageReader(nn.Module):
    """CLIP's embedding of a start image, as a prompt of one token."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        keys = {key: value for key, value in config.items() if key not in ("model_type", "architectures", WEIGHTS)}
        self.model = CLIPVisionModelWithProjection(CLIPVisionConfig(**keys, attn_implementation="sdpa"))

    def forward(self, images: torch.Tensor) -> Conditions:
        """Images ``[batch, 3, side, side]`` to ``[batch, 1, width]``."""
        return (self.model(pixel_values=images).image_embeds.unsqueeze(1),)


class ConnectedReader(nn.Module):
    """LTX-2: all hidden states of a language model, joined to one context for the video and one for its sound."""

    def __init__(self, config: Mapping[str, Any], *, connectors: Mapping[str, Any]) -> None:
        super().__init__()
        self.reader = LanguageReader(config)
        self.connectors = diffusers_model(LTX2TextConnectors, connectors)

    def forward(self, tokens: torch.Tensor) -> Conditions:
        """Tokens ``[batch, text]`` to the contexts of video and sound, ``[batch, text, width]`` each."""
        states = torch.stack(self.reader.hidden_states(tokens), dim=-1)
        video, sound, _ = self.connectors(states, torch.ones_like(tokens))
        return video, sound


READERS: Mapping[str, type[nn.Module]] = {
    "encoder": EncoderReader,
    "language": LanguageReader,
    "image": ImageReader,
    "connected": ConnectedReader,
}


class PipelineText(nn.Module):
    """All readers of a pipeline: ``{"kind": ..., "config": ..., "options": ...}`` for each."""

    def __init__(self, readers: Sequence[Mapping[str, Any]]) -> None:
        super().__init__()
        self.readers = nn.ModuleList(READERS[one["kind"]](one["config"], **one["options"]) for one in readers)

    def forward(self, *inputs: torch.Tensor) -> Conditions:
        """One input for each reader to the conditions of all."""
        found: list[torch.Tensor] = []
        for reader, given in zip(self.readers, inputs, strict=True):
            found.extend(reader(given))
        return tuple(found)


def _is_tied(config: Mapping[str, Any]) -> bool:
    """Whether the head is the table of embeddings: what the file says, or else the default of the language model's type."""
    text = config.get("text_config")
    stated = config.get("tie_word_embeddings", text.get("tie_word_embeddings") if isinstance(text, Mapping) else None)
    if stated is not None or not isinstance(text, Mapping):
        return bool(stated)
    return bool(AutoConfig.for_model(str(text["model_type"])).tie_word_embeddings)


def _model(auto_class: Any, config: Mapping[str, Any]) -> nn.Module:
    keys = {key: value for key, value in config.items() if key not in ("architectures", WEIGHTS)}
    return random_model(auto_class, keys, attention="auto", weights=config.get(WEIGHTS))
