"""Single operators and layers of models, by name and size: what the probes of the operators run."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import nn

Draw = Callable[..., torch.Tensor]
"""``draw(*shape)``: random values in the precision of the case."""
Call = Callable[[], torch.Tensor]


def operator(name: str, shape: Sequence[int], *, draw: Draw, draw_tokens: Draw) -> Call:
    """A call of the operator ``name`` on inputs of ``shape``, made once; raises ``KeyError`` for a name that is not here."""
    if name == "embedding":
        rows, width, count = shape
        table, tokens = draw(rows, width), draw_tokens(1, count, vocab_size=rows)
        return lambda: F.embedding(tokens, table)
    return _OPERATORS[name](shape, draw)


def _pointwise(function: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[Sequence[int], Draw], Call]:
    def make(shape: Sequence[int], draw: Draw) -> Call:
        x = draw(*shape)
        return lambda: function(x)

    return make


def _add(shape: Sequence[int], draw: Draw) -> Call:
    x, y = draw(*shape), draw(*shape)
    return lambda: x + y


def _layer_norm(shape: Sequence[int], draw: Draw) -> Call:
    x, scale, shift = draw(*shape), draw(shape[-1]), draw(shape[-1])
    return lambda: F.layer_norm(x, shape[-1:], scale, shift)


def _group_norm(shape: Sequence[int], draw: Draw) -> Call:
    x, scale, shift = draw(*shape), draw(shape[1]), draw(shape[1])
    return lambda: F.group_norm(x, min(32, shape[1]), scale, shift)


def _batch_norm(shape: Sequence[int], draw: Draw) -> Call:
    # Running variances are positive; away from 0, so that outputs stay finite in 16 bits.
    x, mean, spread = draw(*shape), draw(shape[1]), draw(shape[1]).abs() + 1
    return lambda: F.batch_norm(x, mean, spread)


POOL_BYTES = 48 * 2**20
"""Weights of a product or convolution go round through copies that fill this: a model's next layer meets weights that are not
in a cache, if the model is larger than it."""
# Small weights would need thousands of copies to fill the pool.
MAX_COPIES = 64


def _pool(weight: torch.Tensor) -> Iterator[torch.Tensor]:
    num = min(MAX_COPIES, max(1, POOL_BYTES // (weight.numel() * weight.element_size())))
    return itertools.cycle([weight, *(weight.clone() for _ in range(num - 1))])


def _conv(shape: Sequence[int], draw: Draw) -> Call:
    """``shape``: batch, channels in and out, image side, kernel, stride."""
    batch, channels, filters, side, kernel, stride = shape
    x, weights = draw(batch, channels, side, side), _pool(draw(filters, channels, kernel, kernel))
    return lambda: F.conv2d(x, next(weights), stride=stride, padding=(kernel - 1) // 2)


def _conv_transpose(shape: Sequence[int], draw: Draw) -> Call:
    batch, channels, filters, side, kernel, stride = shape
    x, weights = draw(batch, channels, side, side), _pool(draw(channels, filters, kernel, kernel))
    return lambda: F.conv_transpose2d(x, next(weights), stride=stride, padding=1, output_padding=kernel % 2)


def _attention(shape: Sequence[int], draw: Draw) -> Call:
    """``shape``: batch, heads, queries, keys, width of a head."""
    batch, heads, queries, keys, width = shape
    q, k, v = draw(batch, heads, queries, width), draw(batch, heads, keys, width), draw(batch, heads, keys, width)
    return lambda: F.scaled_dot_product_attention(q, k, v)


def _matmul(shape: Sequence[int], draw: Draw) -> Call:
    m, k, n = shape
    # Weights as [out, in], which is how linear layers keep them.
    x, weights = draw(m, k), _pool(draw(n, k))
    return lambda: F.linear(x, next(weights))


def _bmm(shape: Sequence[int], draw: Draw) -> Call:
    batch, m, k, n = shape
    x, y = draw(batch, m, k), draw(batch, k, n)
    return lambda: torch.bmm(x, y)


_OPERATORS: Mapping[str, Callable[[Sequence[int], Draw], Call]] = {
    "add": _add,
    "gelu": _pointwise(F.gelu),
    "silu": _pointwise(F.silu),
    "tanh": _pointwise(torch.tanh),
    "relu": _pointwise(F.relu),
    "softmax": _pointwise(lambda x: torch.softmax(x, -1)),
    "sum": _pointwise(torch.sum),
    "transpose": _pointwise(lambda x: x.transpose(-1, -2).contiguous()),
    "cat": _pointwise(lambda x: torch.cat([x, x], dim=1)),
    "layer_norm": _layer_norm,
    "group_norm": _group_norm,
    "batch_norm": _batch_norm,
    "conv": _conv,
    "conv_transpose": _conv_transpose,
    "attention": _attention,
    "matmul": _matmul,
    "bmm": _bmm,
}


class Attention(nn.Module):
    """Multi-head self-attention on ``(batch, tokens, width)``, heads of 64."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, tokens, width = x.shape
        # [batch, tokens, 3 width] to three of [batch, heads, tokens, 64].
        q, k, v = self.inner(x).view(batch, tokens, 3, -1, 64).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v)
        output: torch.Tensor = self.outer(mixed.transpose(1, 2).reshape(batch, tokens, width))
        return output


def layer(name: str, width: int) -> nn.Module:
    """A layer or block of ``width`` features or channels; raises ``KeyError`` for a name that is not here."""
    blocks: Mapping[str, Callable[[], nn.Module]] = {
        "mlp": lambda: nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)),
        "attention": lambda: Attention(width),
        "conv": lambda: nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.GroupNorm(min(32, width), width), nn.SiLU()),
        "down": lambda: nn.Sequential(nn.Conv2d(width, width, 4, 2, 1, bias=False), nn.BatchNorm2d(width), nn.LeakyReLU(0.2)),
        "up": lambda: nn.Sequential(nn.ConvTranspose2d(width, width, 4, 2, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()),
    }
    return blocks[name]()
