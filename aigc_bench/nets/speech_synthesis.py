"""Text-to-speech models behind one convention: text to mel frames (or VITS's latents), frames to a waveform.

Random weights predict no sensible durations, so every model gets its number of frames: shapes do not depend on values, nothing
waits for the device. What the published models compute to find durations is computed all the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from transformers import SpeechT5Config, SpeechT5ForTextToSpeech, SpeechT5HifiGan, SpeechT5HifiGanConfig, VitsConfig, VitsModel
from transformers.initialization import no_init_weights

from aigc_bench.nets.caches import forget
from aigc_bench.nets.encoder_decoder import encoder_decoder_cache
from aigc_bench.nets.hugging_face import fold_weight_norm


def symbol_of_frame(*, text_len: int, num_frames: int, device: torch.device) -> torch.Tensor:
    """Which symbol each of ``num_frames`` frames speaks when all symbols last equally long, ``[num_frames]``, int64."""
    return torch.arange(num_frames, device=device) * text_len // num_frames


def random_vocoder(config: Mapping[str, Any]) -> nn.Module:
    """HiFi-GAN's generator (Kong et al. 2020, arXiv 2010.05646): ``[batch, frames, mels]`` to ``[batch, samples]``."""
    with no_init_weights():
        model: Any = SpeechT5HifiGan(SpeechT5HifiGanConfig(**config))
    model.init_weights()
    return model  # type: ignore[no-any-return]


class VitsLatents(nn.Module):
    """VITS without its vocoder: symbols ``[batch, text]`` to latents ``[batch, flow, frames]``.

    The text encoder and the duration predictor run; frames are then dealt to the symbols equally.
    """

    def __init__(self, model: Any, *, noise_scale: float) -> None:
        super().__init__()
        self.text_encoder, self.duration_predictor, self.flow = model.text_encoder, model.duration_predictor, model.flow
        self.noise_scale = noise_scale

    def forward(self, symbols: torch.Tensor, frames: torch.Tensor, noise: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        padding = torch.ones_like(symbols, dtype=noise.dtype).unsqueeze(-1)
        encoded = self.text_encoder(input_ids=symbols, padding_mask=padding)
        log_durations = self.duration_predictor(encoded.last_hidden_state.transpose(1, 2), padding.transpose(1, 2))
        # [batch, text, flow] to [batch, flow, frames].
        means = encoded.prior_means.index_select(1, frames).transpose(1, 2)
        log_variances = encoded.prior_log_variances.index_select(1, frames).transpose(1, 2)
        # As in the published code, which treats this output as the logarithm of the deviation, whatever its name says.
        latents = means + noise * torch.exp(log_variances) * self.noise_scale
        mask = torch.ones_like(latents[:, :1])
        flowed: torch.Tensor = self.flow(latents, mask, reverse=True)
        return flowed, log_durations


class Vits(nn.Module):
    """VITS (Kim et al. 2021, arXiv 2106.06103) for synthesis, in its two halves: ``latents`` and ``vocoder``."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        made = VitsConfig(**config, use_stochastic_duration_prediction=False, layerdrop=0.0)
        model: Any = VitsModel(made)
        fold_weight_norm(model)
        self.latents, self.vocoder = VitsLatents(model, noise_scale=made.noise_scale), model.decoder


class SpeechT5(nn.Module):
    """SpeechT5 for text to speech (Ao et al. 2022, arXiv 2110.07205); ``forward`` is the teacher-forced pass of training.

    Symbols ``[batch, text]``, mel frames ``[batch, frames, mels]`` and speaker ``[batch, width]`` to frames before and after the
    post-net and the logits of stopping.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        made = SpeechT5Config(**config, encoder_layerdrop=0.0, decoder_layerdrop=0.0)
        with no_init_weights():
            model: Any = SpeechT5ForTextToSpeech._from_config(made, attn_implementation="eager")
        model.init_weights()
        self.model = model
        self.reduction = made.reduction_factor

    def forward(
        self, symbols: torch.Tensor, target: torch.Tensor, speaker: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        # The decoder sees the last frame of each step only, one step late: [batch, steps, mels].
        last = target[:, self.reduction - 1 :: self.reduction]
        previous = torch.cat([torch.zeros_like(last[:, :1]), last[:, :-1]], dim=1)
        outputs = self.model.speecht5(
            input_values=symbols, decoder_input_values=previous, speaker_embeddings=speaker, use_cache=False, return_dict=True
        )
        before, after, stop = self.model.speech_decoder_postnet(outputs.last_hidden_state)
        return before, after, stop


class SpeechT5Frames(nn.Module):
    """One step of SpeechT5's decoder: the last frame made ``[batch, 1, mels]`` to the next ``reduction`` frames."""

    def __init__(self, speech: SpeechT5, *, cache: Any) -> None:
        super().__init__()
        self.decoder, self.postnet, self.reduction = (
            speech.model.speecht5.decoder,
            speech.model.speech_decoder_postnet,
            speech.reduction,
        )
        self._cache = cache

    def forward(
        self, previous: torch.Tensor, position: torch.Tensor, mask: torch.Tensor, memory: torch.Tensor, speaker: torch.Tensor
    ) -> torch.Tensor:
        hidden = self._prenet(previous, position, speaker)
        outputs = self.decoder.wrapped_decoder(
            hidden_states=hidden,
            attention_mask=mask,
            encoder_hidden_states=memory,
            past_key_values=self._cache,
            use_cache=True,
            return_dict=True,
        )
        frames: torch.Tensor = self.postnet.feat_out(outputs.last_hidden_state)
        return frames.view(previous.shape[0], self.reduction, -1)

    def _prenet(self, previous: torch.Tensor, position: torch.Tensor, speaker: torch.Tensor) -> torch.Tensor:
        """The pre-net of the newest frame alone; the library runs it over all frames so far in every step."""
        prenet = self.decoder.prenet
        x = previous
        for layer in prenet.layers:
            # Dropout at all times, as in Tacotron 2: it keeps the decoder from copying the last frame.
            x = nn.functional.dropout(torch.relu(layer(x)), prenet.config.speech_decoder_prenet_dropout, training=True)
        x = prenet.final_layer(x)
        encoding = prenet.encode_positions
        x = x + encoding.alpha * encoding.pe.index_select(1, position).to(x.dtype)
        speaker = nn.functional.normalize(speaker).unsqueeze(1)
        conditioned: torch.Tensor = torch.relu(prenet.speaker_embeds_layer(torch.cat([x, speaker], dim=-1)))
        return conditioned


class SpeechT5Synthesis:
    """SpeechT5 one step of ``reduction`` frames at a time: ``encode``, ``decode``, and ``frames`` when all are made."""

    def __init__(
        self, speech: SpeechT5, *, prepare: Any, batch_size: int, text_len: int, num_steps: int, dtype: torch.dtype
    ) -> None:
        config = speech.model.config
        device = next(speech.parameters()).device
        heads = config.decoder_attention_heads
        self._cache = encoder_decoder_cache(
            heads=(heads, config.hidden_size // heads),
            num_layers=config.decoder_layers,
            batch_size=batch_size,
            lengths=(num_steps, text_len),
            like=(dtype, device),
        )
        self._encoder, self._step = prepare(speech.model.speecht5.encoder), prepare(SpeechT5Frames(speech, cache=self._cache))
        self._postnet = prepare(speech.model.speech_decoder_postnet)
        self._made = torch.zeros(batch_size, num_steps * speech.reduction, config.num_mel_bins, dtype=dtype, device=device)
        self._positions, self._reduction = torch.arange(num_steps, device=device), speech.reduction
        self._floor = torch.finfo(dtype).min

    def encode(self, symbols: torch.Tensor, speaker: torch.Tensor) -> None:
        """Read the text, and begin anew."""
        forget(self._cache.self_attention_cache)
        forget(self._cache.cross_attention_cache)
        self._cache.is_updated = dict.fromkeys(self._cache.is_updated, False)
        self._memory, self._speaker = self._encoder(input_values=symbols, return_dict=True).last_hidden_state, speaker

    def decode(self, repeat: int) -> None:
        """Make the frames of the step at ``repeat``."""
        first = repeat * self._reduction
        # A slice, not an index: the dimension of time stays.
        previous = self._made[:, first - 1 : first] if repeat else torch.zeros_like(self._made[:, :1])
        seen = self._positions <= repeat
        mask = torch.zeros_like(self._positions, dtype=previous.dtype).masked_fill(~seen, self._floor)
        mask = mask.expand(previous.shape[0], 1, 1, len(self._positions))
        frames = self._step(previous, self._positions[repeat : repeat + 1], mask, self._memory, self._speaker)
        self._made[:, first : first + self._reduction].copy_(frames)

    def frames(self) -> torch.Tensor:
        """All mel frames ``[batch, frames, mels]`` after the post-net."""
        refined: torch.Tensor = self._postnet.postnet(self._made)
        return refined
