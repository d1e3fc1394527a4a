"""Tacotron 2 (Shen et al. 2017, arXiv 1712.05884): text to mel frames one by one, in the sizes of NVIDIA DeepLearningExamples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import nn

# Section 2.2.
_KERNEL = 5


class State(NamedTuple):
    """What one frame hands to the next: both recurrent cells, attention weights so far, and the attended text."""

    attention: tuple[torch.Tensor, torch.Tensor]
    decoder: tuple[torch.Tensor, torch.Tensor]
    weights: torch.Tensor
    cumulative: torch.Tensor
    context: torch.Tensor


class Tacotron2(nn.Module):
    """Encoder, attention, autoregressive decoder and post-net. ``forward`` is the teacher-forced pass of training."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        width, mels = config["width"], config["num_mels"]
        self.config = config
        self.embedding = nn.Embedding(config["num_symbols"], width)
        self.convolutions = nn.Sequential(*(_block(width, width, nn.ReLU()) for _ in range(3)))
        self.lstm = nn.LSTM(width, width // 2, batch_first=True, bidirectional=True)
        prenet = config["prenet"]
        self.prenet = nn.ModuleList([nn.Linear(mels, prenet, bias=False), nn.Linear(prenet, prenet, bias=False)])
        rnn = config["rnn"]
        self.attention_cell, self.decoder_cell = nn.LSTMCell(prenet + width, rnn), nn.LSTMCell(rnn + width, rnn)
        attention = config["attention"]
        self.query, self.memory = nn.Linear(rnn, attention, bias=False), nn.Linear(width, attention, bias=False)
        # Over the last and the summed attention weights; 32 filters of length 31 (section 2.2).
        self.location_convolution = nn.Conv1d(2, 32, 31, padding=15, bias=False)
        self.location, self.energy = nn.Linear(32, attention, bias=False), nn.Linear(attention, 1, bias=False)
        self.to_mel, self.to_stop = nn.Linear(rnn + width, mels), nn.Linear(rnn + width, 1)
        post = config["postnet"]
        self.postnet = nn.Sequential(
            _block(mels, post, nn.Tanh()), *(_block(post, post, nn.Tanh()) for _ in range(3)), _block(post, mels, nn.Identity())
        )

    def encode(self, symbols: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Symbols ``[batch, text]`` to the text's memory ``[batch, text, width]`` and its projection to attention."""
        x = self.convolutions(self.embedding(symbols).transpose(1, 2)).transpose(1, 2)
        memory: torch.Tensor = self.lstm(x)[0]
        return memory, self.memory(memory)

    def start(self, memory: torch.Tensor) -> State:
        """A state of zeros."""
        batch, text, width = memory.shape
        rnn = self.config["rnn"]
        zeros = [memory.new_zeros(batch, size) for size in (rnn, rnn, rnn, rnn, text, text, width)]
        return State((zeros[0], zeros[1]), (zeros[2], zeros[3]), zeros[4], zeros[5], zeros[6])

    def step(
        self, previous: torch.Tensor, state: State, memory: tuple[torch.Tensor, torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor, State]:
        """One frame: the previous one ``[batch, mels]`` to the next, the logit of stopping there, and the new state."""
        x = previous
        for layer in self.prenet:
            # Dropout at all times is what keeps the decoder from copying (section 2.2).
            x = nn.functional.dropout(torch.relu(layer(x)), 0.5, training=True)
        attention = self.attention_cell(torch.cat([x, state.context], dim=-1), state.attention)
        # [batch, 2, text] to [batch, text, 32]
        located = self.location_convolution(torch.stack([state.weights, state.cumulative], dim=1)).transpose(1, 2)
        # [batch, 1, attention] + [batch, text, attention] twice, to [batch, text].
        energies = self.energy(torch.tanh(self.query(attention[0]).unsqueeze(1) + self.location(located) + memory[1])).squeeze(-1)
        weights = torch.softmax(energies, dim=-1)
        # [batch, 1, text] x [batch, text, width]
        context = torch.bmm(weights.unsqueeze(1), memory[0]).squeeze(1)
        decoder = self.decoder_cell(torch.cat([attention[0], context], dim=-1), state.decoder)
        hidden = torch.cat([decoder[0], context], dim=-1)
        return self.to_mel(hidden), self.to_stop(hidden), State(attention, decoder, weights, state.cumulative + weights, context)

    def refine(self, mels: torch.Tensor) -> torch.Tensor:
        """Mel frames ``[batch, frames, mels]`` with the post-net's correction."""
        correction: torch.Tensor = self.postnet(mels.transpose(1, 2))
        return mels + correction.transpose(1, 2)

    def forward(self, symbols: torch.Tensor, target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Symbols ``[batch, text]`` and frames ``[batch, frames, mels]`` to frames, refined frames and stop logits."""
        memory = self.encode(symbols)
        state = self.start(memory[0])
        previous, made, stops = torch.zeros_like(target[:, 0]), [], []
        for frame in target.unbind(dim=1):
            mel, stop, state = self.step(previous, state, memory)
            made.append(mel)
            stops.append(stop)
            # Teacher forcing: the true frame, not the one made.
            previous = frame
        mels = torch.stack(made, dim=1)
        return mels, self.refine(mels), torch.cat(stops, dim=1)


def _block(before: int, after: int, activation: nn.Module) -> nn.Module:
    convolution = nn.Conv1d(before, after, _KERNEL, padding=_KERNEL // 2)
    return nn.Sequential(convolution, nn.BatchNorm1d(after), activation, nn.Dropout(0.5))


class Synthesis:
    """Tacotron 2 one frame at a time: ``encode``, ``decode``, and ``frames`` when all are made."""

    def __init__(self, model: Tacotron2, *, prepare: Any, num_frames: int, batch_size: int) -> None:
        parameter = next(model.parameters())
        shape = (batch_size, num_frames, model.config["num_mels"])
        self._made = torch.zeros(shape, dtype=parameter.dtype, device=parameter.device)
        self._model = model
        self._encoder, self._step, self._postnet = (prepare(part) for part in (Encoder(model), Step(model), Postnet(model)))

    def encode(self, symbols: torch.Tensor, speaker: torch.Tensor) -> None:
        """Read the text; there is one speaker."""
        self._memory = self._encoder(symbols)
        self._state = self._model.start(self._memory[0])

    def decode(self, repeat: int) -> None:
        """Make the frame at ``repeat``."""
        previous = self._made[:, repeat - 1] if repeat else torch.zeros_like(self._made[:, 0])
        mel, _, self._state = self._step(previous, self._state, self._memory)
        self._made[:, repeat].copy_(mel)

    def frames(self) -> torch.Tensor:
        """All mel frames ``[batch, frames, mels]`` after the post-net."""
        refined: torch.Tensor = self._postnet(self._made)
        return refined


class Encoder(nn.Module):
    """The model's way in, as a module that an engine can execute."""

    def __init__(self, model: Tacotron2) -> None:
        super().__init__()
        self.model = model

    def forward(self, symbols: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Symbols ``[batch, text]`` to the memory and its projection for attention, each ``[batch, text, width]``."""
        return self.model.encode(symbols)


class Step(nn.Module):
    """One frame of the decoder."""

    def __init__(self, model: Tacotron2) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, previous: torch.Tensor, state: State, memory: tuple[torch.Tensor, torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor, State]:
        """As ``Tacotron2.step``."""
        return self.model.step(previous, state, memory)


class Postnet(nn.Module):
    """The correction of all frames."""

    def __init__(self, model: Tacotron2) -> None:
        super().__init__()
        self.model = model

    def forward(self, mels: torch.Tensor) -> torch.Tensor:
        """``[batch, frames, mels]`` in and out."""
        return self.model.refine(mels)
