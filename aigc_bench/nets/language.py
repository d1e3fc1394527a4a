"""Causal language models of transformers from a configuration, those too that the library has as a part of another model only."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import torch
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM

from aigc_bench.core.records import Attention
from aigc_bench.nets.hugging_face import random_model


def random_decoder(config: Mapping[str, Any], *, attention: Attention, weights: str | None = None) -> torch.nn.Module:
    """The decoder of ``config`` with its head, random or with the ``weights`` of a folder."""
    kind = type(AutoConfig.for_model(str(config["model_type"])))
    if kind in AutoModelForCausalLM._model_mapping:
        return random_model(AutoModelForCausalLM, config, attention=attention, weights=weights)
    return BodyWithHead(random_model(AutoModel, config, attention=attention))


class BodyWithHead(torch.nn.Module):
    """The language model of a multimodal one (Qwen-VL's), called as transformers calls a causal language model."""

    def __init__(self, body: Any) -> None:
        super().__init__()
        self.body, self.config = body, body.config
        embedding = body.get_input_embeddings().weight
        self.lm_head = torch.nn.Linear(embedding.shape[1], embedding.shape[0], bias=False)
        if getattr(self.config, "tie_word_embeddings", False):
            self.lm_head.weight = embedding

    def forward(
        self, input_ids: torch.Tensor, labels: torch.Tensor | None = None, logits_to_keep: int = 0, **keys: Any
    ) -> SimpleNamespace:
        """Logits ``[batch, tokens, vocabulary]``, of the last ``logits_to_keep`` only where that is not 0; with labels a loss."""
        hidden = self.body(input_ids=input_ids, **keys).last_hidden_state
        logits = self.lm_head(hidden[:, -logits_to_keep:] if logits_to_keep else hidden)
        if labels is None:
            return SimpleNamespace(logits=logits)
        # Position i predicts token i + 1.
        loss = torch.nn.functional.cross_entropy(logits[:, :-1].float().flatten(0, 1), labels[:, 1:].flatten())
        return SimpleNamespace(logits=logits, loss=loss)

    def gradient_checkpointing_enable(self, keys: Mapping[str, Any]) -> None:
        """As the library's own models."""
        self.body.gradient_checkpointing_enable(dict(keys))
