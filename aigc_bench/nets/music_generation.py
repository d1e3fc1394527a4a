"""MusicGen's language model over EnCodec codes (Copet et al. 2023, arXiv 2306.05284), with its delay pattern.

Codebook ``k`` of a frame is made ``k`` steps after the first, so that ``frames + codebooks - 1`` steps make all of them. With
classifier-free guidance the model runs on two sequences for each piece, one of which knows no text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from transformers import MusicgenDecoderConfig, MusicgenForCausalLM, T5Config, T5EncoderModel
from transformers.initialization import no_init_weights

from aigc_bench.nets.caches import forget
from aigc_bench.nets.encoder_decoder import encoder_decoder_cache
from aigc_bench.nets.hugging_face import unpadded_attention


def random_text_encoder(config: Mapping[str, Any]) -> torch.nn.Module:
    """T5's encoder alone, from configuration with random weights."""
    made = T5Config(**config)
    made._attn_implementation = unpadded_attention("auto")
    with no_init_weights():
        model: Any = T5EncoderModel(made)
    model.init_weights()
    return model  # type: ignore[no-any-return]


def random_decoder(config: Mapping[str, Any]) -> torch.nn.Module:
    """MusicGen's decoder with its output heads, from configuration with random weights."""
    made = MusicgenDecoderConfig(**config)
    with no_init_weights():
        model: Any = MusicgenForCausalLM._from_config(made, attn_implementation=unpadded_attention("auto"))
    model.init_weights()
    # Of the library's own table; no value changes.
    model.model.decoder.embed_positions = FixedPositions(model.model.decoder.embed_positions.weights)
    return model  # type: ignore[no-any-return]


class FixedPositions(torch.nn.Module):
    """A table of sinusoidal positions ``[longest, width]``; the library's reads its length from the device each time."""

    def __init__(self, weights: torch.Tensor) -> None:
        super().__init__()
        self.weights = torch.nn.Buffer(weights, persistent=False)

    def forward(self, codes: torch.Tensor, first: torch.Tensor | int = 0) -> torch.Tensor:
        return self.weights.index_select(0, torch.arange(codes.shape[-1], device=codes.device) + first)


class ConditionedDecoder(torch.nn.Module):
    """The decoder with the projection from the text encoder's width to its own.

    ``codes`` ``[batch x codebooks, time]`` and ``context`` ``[batch, text, text width]`` to logits
    ``[batch, codebooks, time, codes]``.
    """

    def __init__(self, decoder_config: Mapping[str, Any], *, text_width: int) -> None:
        super().__init__()
        self.decoder: Any = random_decoder(decoder_config)
        self.projection = torch.nn.Linear(text_width, decoder_config["hidden_size"])

    def forward(
        self, codes: torch.Tensor, context: torch.Tensor, mask: torch.Tensor | None = None, cache: Any = None
    ) -> torch.Tensor:
        output = self.decoder(
            input_ids=codes,
            attention_mask=mask,
            encoder_hidden_states=self.projection(context),
            past_key_values=cache,
            use_cache=cache is not None,
        )
        codebooks = self.decoder.config.num_codebooks
        # [batch x codebooks, time, codes] to [batch, codebooks, time, codes].
        logits: torch.Tensor = output.logits.unflatten(0, (-1, codebooks))
        return logits


class DelayedGeneration:
    """Greedy generation of ``num_frames`` frames of all codebooks for one batch of texts at a time."""

    def __init__(
        self,
        model: Callable[..., torch.Tensor],
        *,
        config: Any,
        batch_size: int,
        text_len: int,
        num_frames: int,
        guidance_scale: float,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self._model, self._guidance_scale = model, guidance_scale
        self._num_codebooks, self._pad, self._dtype = config.num_codebooks, config.pad_token_id, dtype
        # Guidance of 1 is no guidance: the half without text would cancel out.
        rows = batch_size * (2 if guidance_scale > 1 else 1)
        self._num_steps = num_frames + config.num_codebooks - 1
        self._cache = encoder_decoder_cache(
            heads=(config.num_attention_heads, config.hidden_size // config.num_attention_heads),
            num_layers=config.num_hidden_layers,
            batch_size=rows,
            lengths=(self._num_steps, text_len),
            like=(dtype, device),
        )
        self._context: torch.Tensor | None = None
        self._positions = torch.arange(self._num_steps, device=device)
        self._is_late = delay_pattern(num_frames, num_codebooks=config.num_codebooks, device=device)
        self._input = torch.full((batch_size, config.num_codebooks), self._pad, dtype=torch.int64, device=device)
        self._made = torch.zeros(batch_size, config.num_codebooks, self._num_steps, dtype=torch.int64, device=device)
        self._num_frames = num_frames

    def begin(self) -> None:
        """Forget the previous piece."""
        forget(self._cache.self_attention_cache)
        forget(self._cache.cross_attention_cache)
        self._cache.is_updated = dict.fromkeys(self._cache.is_updated, False)
        self._input.fill_(self._pad)

    def read(self, context: torch.Tensor) -> None:
        """Take the encoded text ``[batch, text, width]``; the half without text is zero (Copet et al., section 2.2)."""
        self._context = torch.cat([context, torch.zeros_like(context)]) if self._guidance_scale > 1 else context

    @torch.no_grad()
    def decode(self, repeat: int) -> None:
        """Make the step at ``repeat``: one code of each codebook, of frames that lie one behind another."""
        assert self._context is not None, "text is encoded before music is made"
        # [batch, codebooks], twice as many with guidance: the half with text first, as in `read`.
        codes = torch.cat([self._input, self._input]) if self._guidance_scale > 1 else self._input
        # Including the position that is being read.
        seen = self._positions <= self._cache.get_seq_length()
        bias = torch.zeros(self._num_steps, dtype=self._dtype, device=codes.device)
        bias = bias.masked_fill(~seen, torch.finfo(self._dtype).min).expand(codes.shape[0], 1, 1, self._num_steps)
        logits = self._model(codes.reshape(-1, 1), self._context, bias, self._cache)[:, :, -1]
        if self._guidance_scale > 1:
            conditional, unconditional = logits.chunk(2)
            logits = unconditional + self._guidance_scale * (conditional - unconditional)
        chosen = logits.argmax(dim=-1)
        # Kept with its delays; late codebooks are masked in the next input only, and `codes` cuts the rest off.
        self._made[:, :, repeat].copy_(chosen)
        self._input.copy_(chosen.masked_fill(self._is_late[:, repeat], self._pad))

    def codes(self) -> torch.Tensor:
        """The finished piece with its delays undone, ``[batch, codebooks, frames]``."""
        shifted = [self._made[:, index, index : index + self._num_frames] for index in range(self._num_codebooks)]
        return torch.stack(shifted, dim=1)


def delay_pattern(num_frames: int, *, num_codebooks: int, device: torch.device) -> torch.Tensor:
    """Where a codebook has no code yet or no more: step ``t`` makes frame ``t - k`` of codebook ``k``.

    Booleans ``[codebooks, frames + codebooks - 1]``.
    """
    steps = torch.arange(num_frames + num_codebooks - 1, device=device)
    frames = steps[None, :] - torch.arange(num_codebooks, device=device)[:, None]
    return (frames < 0) | (frames >= num_frames)


def delayed(codes: torch.Tensor, *, pad: int) -> torch.Tensor:
    """Codes ``[batch, codebooks, frames]`` with codebook ``k`` shifted by ``k`` steps and ``pad`` around them.

    ``[batch, codebooks, frames + codebooks - 1]``.
    """
    num_codebooks = codes.shape[1]
    rows = [
        torch.nn.functional.pad(codes[:, index], (index, num_codebooks - 1 - index), value=pad) for index in range(num_codebooks)
    ]
    return torch.stack(rows, dim=1)
