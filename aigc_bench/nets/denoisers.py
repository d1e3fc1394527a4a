"""Speech denoisers on the waveform: Conv-TasNet, which masks, and Demucs, a U-Net. ``[batch, samples]`` in and out."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn


class ConvTasNet(nn.Module):
    """Conv-TasNet (Luo & Mesgarani 2018, arXiv 1809.07454): a learnt basis, a mask over it by dilated convolutions, and back.

    Non-causal, global normalisation; letters as in the paper's table 1: N filters of length L, B bottleneck, H convolution and
    Sc skip channels, kernel P, X blocks in each of R repeats.
    """

    def __init__(self, config: Mapping[str, int]) -> None:
        super().__init__()
        filters, length, bottleneck = config["N"], config["L"], config["B"]
        self.encoder = nn.Conv1d(1, filters, length, stride=length // 2, bias=False)
        self.narrow = nn.Sequential(nn.GroupNorm(1, filters, eps=1e-8), nn.Conv1d(filters, bottleneck, 1))
        self.blocks = nn.ModuleList(
            DilatedBlock(bottleneck, hidden=config["H"], skip=config["Sc"], kernel_size=config["P"], dilation=2**block)
            for _ in range(config["R"])
            for block in range(config["X"])
        )
        self.mask = nn.Sequential(nn.PReLU(), nn.Conv1d(config["Sc"], filters, 1), nn.Sigmoid())
        self.decoder = nn.ConvTranspose1d(filters, 1, length, stride=length // 2, bias=False)

    def forward(self, noisy: torch.Tensor) -> torch.Tensor:
        """Waveforms ``[batch, samples]`` to as many; samples behind the last whole stride are silent."""
        # [batch, N, frames], frames L / 2 samples apart.
        basis = torch.relu(self.encoder(noisy.unsqueeze(1)))
        x = self.narrow(basis)
        skips = []
        for block in self.blocks:
            x, skip = block(x)
            skips.append(skip)
        # [batch, Sc, frames] to a factor in (0, 1) for each of the N filters.
        mask = self.mask(torch.stack(skips).sum(dim=0))
        clean: torch.Tensor = self.decoder(basis * mask).squeeze(1)
        return nn.functional.pad(clean, (0, noisy.shape[1] - clean.shape[1]))


class DilatedBlock(nn.Module):
    """Wide, depth-wise and dilated, narrow again: the rest and the skip path of one block."""

    def __init__(self, channels: int, *, hidden: int, skip: int, kernel_size: int, dilation: int) -> None:
        super().__init__()
        # As much on both sides (non-causal), so that the number of frames stays.
        padding = dilation * (kernel_size - 1) // 2
        self.body = nn.Sequential(
            nn.Conv1d(channels, hidden, 1),
            nn.PReLU(),
            nn.GroupNorm(1, hidden, eps=1e-8),
            nn.Conv1d(hidden, hidden, kernel_size, dilation=dilation, padding=padding, groups=hidden),
            nn.PReLU(),
            nn.GroupNorm(1, hidden, eps=1e-8),
        )
        self.rest, self.skip = nn.Conv1d(hidden, channels, 1), nn.Conv1d(hidden, skip, 1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """``[batch, channels, time]`` to the rest, of the same shape, and the skip ``[batch, skip, time]``."""
        y = self.body(x)
        return x + self.rest(y), self.skip(y)


class Demucs(nn.Module):
    """Demucs for speech (Défossez et al. 2020, arXiv 2006.12847): a causal U-Net with an LSTM at its narrowest.

    Each level halves nothing but time: kernel K, stride S, channels doubled. The input is resampled up by ``resample`` first (here
    linearly; the authors use a sinc filter of negligible cost) and down again at the end.
    """

    def __init__(self, config: Mapping[str, int]) -> None:
        super().__init__()
        kernel, self.stride, self.resample, self.depth = config["kernel"], config["stride"], config["resample"], config["depth"]
        self.kernel = kernel
        downs: list[nn.Module] = []
        ups: list[nn.Module] = []
        before, hidden = 1, config["hidden"]
        for level in range(config["depth"]):
            downs.append(
                nn.Sequential(
                    nn.Conv1d(before, hidden, kernel, self.stride), nn.ReLU(), nn.Conv1d(hidden, 2 * hidden, 1), nn.GLU(dim=1)
                )
            )
            up: list[nn.Module] = [nn.Conv1d(hidden, 2 * hidden, 1), nn.GLU(dim=1)]
            # The outermost level gives a waveform, which is signed: no ReLU.
            up += [nn.ConvTranspose1d(hidden, before, kernel, self.stride), *([nn.ReLU()] if level else [])]
            # The way up starts at the narrowest level.
            ups.insert(0, nn.Sequential(*up))
            before, hidden = hidden, 2 * hidden
        self.downs, self.ups = nn.ModuleList(downs), nn.ModuleList(ups)
        self.lstm = nn.LSTM(before, before, num_layers=2)

    def padded_length(self, num_samples: int) -> int:
        """The next length that every level divides without a rest, in samples after resampling."""
        length = num_samples * self.resample
        for _ in range(self.depth):
            # Down through the levels with every rest rounded up, then up again: the length that gives exactly that.
            length = max(1, -(-(length - self.kernel) // self.stride) + 1)
        for _ in range(self.depth):
            length = (length - 1) * self.stride + self.kernel
        return length

    def forward(self, noisy: torch.Tensor) -> torch.Tensor:
        """Waveforms ``[batch, samples]`` to as many; the padding to ``padded_length`` is cut off again."""
        num_samples = noisy.shape[1]
        x = nn.functional.interpolate(noisy.unsqueeze(1), scale_factor=float(self.resample), mode="linear")
        x = nn.functional.pad(x, (0, self.padded_length(num_samples) - x.shape[-1]))
        skips = []
        for down in self.downs:
            x = down(x)
            skips.append(x)
        # nn.LSTM takes [time, batch, channels] unless configured otherwise.
        x = self.lstm(x.permute(2, 0, 1))[0].permute(1, 2, 0)
        for up in self.ups:
            x = up(x + skips.pop())
        return nn.functional.avg_pool1d(x, self.resample)[:, 0, :num_samples]


def scale_invariant_noise(estimate: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Minus the scale-invariant signal-to-noise ratio in dB, the mean over the batch (Luo & Mesgarani 2018, eq. 19-21)."""
    estimate, target = (x.float() - x.float().mean(dim=1, keepdim=True) for x in (estimate, target))
    # The projection onto the target is what counts as signal, at whatever loudness.
    scale = (estimate * target).sum(dim=1, keepdim=True) / target.square().sum(dim=1, keepdim=True).clamp(min=1e-8)
    wanted = scale * target
    noise = (estimate - wanted).square().sum(dim=1) + 1e-8
    return -10.0 * torch.log10(wanted.square().sum(dim=1) / noise + 1e-8).mean()
