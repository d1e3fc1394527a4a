"""Greedy generation by encoder-decoder models of transformers: ``encode`` reads the source, ``decode`` makes tokens.

Keys and values of the source are projected once, by the decoder's first pass, and cached with those of the tokens made so
far; both lie at fixed addresses. No stage reads a value back to the host.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from transformers import AutoModelForSeq2SeqLM
from transformers.cache_utils import Cache, EncoderDecoderCache

from aigc_bench.core.records import Attention
from aigc_bench.nets.caches import UnpaddedLayer, forget
from aigc_bench.nets.hugging_face import random_model


def random_seq2seq(config: Mapping[str, Any], *, attention: Attention) -> torch.nn.Module:
    """A model of ``config``; ``has_own_head`` unties the output head, which transformers ties in every T5 of a configuration."""
    keys = {key: value for key, value in config.items() if key != "has_own_head"}
    model: Any = random_model(AutoModelForSeq2SeqLM, keys, attention=attention)
    if config["model_type"] == "m2m_100":
        for part in (model.model.encoder, model.model.decoder):
            part.embed_positions = FixedPositions(part.embed_positions)
    if config.get("has_own_head"):
        model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.detach().clone())
    return model  # type: ignore[no-any-return]


class FixedPositions(torch.nn.Module):
    """M2M-100's table of sinusoidal positions; the library compares its length with a number of the device in each pass."""

    def __init__(self, table: Any) -> None:
        super().__init__()
        self.weights, self._first = torch.nn.Buffer(table.weights, persistent=False), table.padding_idx + 1

    def forward(self, input_ids: torch.Tensor | None, embedded: torch.Tensor, past: torch.Tensor | int = 0) -> torch.Tensor:
        """Positions ``[1, tokens, width]`` of tokens that follow ``past`` others."""
        places = torch.arange(embedded.shape[1], device=embedded.device) + past + self._first
        return self.weights.index_select(0, places)[None]


class EncoderDecoderGeneration:
    """One batch of sources at a time, without padding.

    ``encode`` is the prepared encoder and ``decode`` the prepared model. ``prompt`` are the decoder's first tokens
    ``[batch, prompt_len]``, which the first pass reads. ``generated[i]`` holds the i-th new token of each sequence, shape
    ``[max_new_tokens, batch]``.
    """

    def __init__(
        self,
        *,
        encoder: Callable[..., Any],
        model: Callable[..., Any],
        heads: tuple[int, int],
        num_layers: int,
        prompt: torch.Tensor,
        source_len: int,
        max_new_tokens: int,
        dtype: torch.dtype,
    ) -> None:
        batch, prompt_len = prompt.shape
        self._encoder, self._model, self._prompt = encoder, model, prompt
        self._max_len = prompt_len + max_new_tokens
        self._cache = encoder_decoder_cache(
            heads=heads, num_layers=num_layers, batch_size=batch, lengths=(self._max_len, source_len), like=(dtype, prompt.device)
        )
        self._positions = torch.arange(self._max_len, device=prompt.device)
        self._floor = torch.finfo(dtype).min
        self._dtype = dtype
        self._inputs: dict[str, torch.Tensor] = {}
        self._encoded: Any = None
        self._token = torch.zeros(batch, 1, dtype=torch.int64, device=prompt.device)
        self._logits: torch.Tensor | None = None
        self.generated = torch.zeros(max_new_tokens, batch, dtype=torch.int64, device=prompt.device)

    def begin(self, **inputs: torch.Tensor) -> None:
        """Take the encoder's inputs and forget the previous source."""
        self._inputs = inputs
        forget(self._cache.self_attention_cache)
        forget(self._cache.cross_attention_cache)
        self._cache.is_updated = dict.fromkeys(self._cache.is_updated, False)

    @torch.no_grad()
    def encode(self, repeat: int) -> None:
        """Read the source."""
        self._encoded = self._encoder(**self._inputs)

    def prefill(self, repeat: int) -> None:
        """Read the prompt, project the source's keys and values, make the first token."""
        self._advance(self._prompt, index=0)

    def decode_after_prefill(self, repeat: int) -> None:
        """Read the token made last, make the next."""
        self._advance(self._token, index=repeat + 1)

    def decode(self, repeat: int) -> None:
        """Make the token at ``repeat``; the first reads the prompt and projects the source's keys and values."""
        self._advance(self._prompt if repeat == 0 else self._token, index=repeat)

    @torch.no_grad()
    def _advance(self, tokens: torch.Tensor, *, index: int) -> None:
        output = self._model(
            encoder_outputs=self._encoded,
            decoder_input_ids=tokens,
            decoder_attention_mask=self._mask(tokens),
            past_key_values=self._cache,
            use_cache=True,
        )
        self._logits = output.logits[:, -1:]
        # In place: a replayed graph reads its inputs at the addresses of its capture.
        self._token.copy_(self._logits.argmax(dim=-1))
        self.generated[index].copy_(self._token[:, 0])

    def _mask(self, tokens: torch.Tensor) -> torch.Tensor | None:
        """What one token sees of the cache, to be added to its scores ``[batch, 1, 1, max_len]``; a prompt is causal by flag."""
        if tokens.shape[1] > 1:
            return None
        # Including the position of the token that is being read.
        seen = self._positions <= self._cache.get_seq_length()
        bias = torch.zeros(self._max_len, dtype=self._dtype, device=tokens.device).masked_fill(~seen, self._floor)
        return bias.expand(tokens.shape[0], 1, 1, self._max_len)

    def check(self) -> dict[str, float | str | bool | None]:
        """Whether the last logits are finite, their spread, and the sum of the token ids, which the seed determines."""
        assert self._logits is not None, "a step runs before it is checked"
        finite = bool(torch.isfinite(self._logits).all())
        return {"finite": finite, "token_sum": float(self.generated.sum()), "logits_std": float(self._logits.float().std())}


def encoder_decoder_cache(
    *, heads: tuple[int, int], num_layers: int, batch_size: int, lengths: tuple[int, int], like: tuple[torch.dtype, torch.device]
) -> EncoderDecoderCache:
    """Keys and values of ``lengths`` = (tokens made, source tokens) for each decoder layer; ``heads`` = (number, width)."""
    made, source = (Cache(layers=[UnpaddedLayer(max_cache_len=length) for _ in range(num_layers)]) for length in lengths)
    # Joined while empty: the library would read the lengths of filled ones back to the host.
    joined = EncoderDecoderCache(made, source)
    dtype, device = like
    for cache in (made, source):
        cache.early_initialization(batch_size=batch_size, num_heads=heads[0], head_dim=heads[1], dtype=dtype, device=device)
    return joined
