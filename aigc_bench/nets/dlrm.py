"""DLRM: deep learning recommendation model (Naumov et al. 2019, arXiv 1906.00091).

A click is predicted from dense features (counts) and categorical ones. Each category is a row of a table; the dense features
pass a bottom MLP into a vector of the same width. All pairs of these vectors meet in dot products, which together with the
dense vector enter the top MLP. The cross network of DCN-v2 (Wang et al. 2020, arXiv 2008.13535, eq. 1 and section 3.6 with
low-rank matrices) can take the place of the dot products, as in MLPerf Training since v3.0::

    x_(l+1) = x_0 * (W_l (V_l x_l) + b_l) + x_l

Tables are looked up at random addresses: a table is bound by memory, never by arithmetic.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import nn


class DLRM(nn.Module):
    """Dense features ``(batch, num_dense)`` and row indices to logits ``(batch,)``.

    ``indices`` are one ``(batch, hot)`` int64 tensor for each table: ``hot`` rows of it are summed. ``cross_rank`` is that of each
    cross layer's matrices; without ``num_cross_layers`` the interaction is by dot products.
    """

    def __init__(
        self,
        *,
        table_rows: Sequence[int],
        embedding_dim: int,
        num_dense: int,
        bottom: Sequence[int],
        top: Sequence[int],
        num_cross_layers: int = 0,
        cross_rank: int = 0,
        sparse_gradients: bool = True,
    ) -> None:
        super().__init__()
        assert bottom[-1] == embedding_dim, "dense features become a vector like the tables' rows"
        self.tables = nn.ModuleList(_table(rows, embedding_dim, sparse_gradients=sparse_gradients) for rows in table_rows)
        self.bottom = _mlp(num_dense, bottom, ends_in_relu=True)
        # The tables' and that of the dense features.
        vectors = len(table_rows) + 1
        self.cross = nn.ModuleList(CrossLayer(vectors * embedding_dim, rank=cross_rank) for _ in range(num_cross_layers))
        pairs = torch.tensor(list(itertools.combinations(range(vectors), 2)), dtype=torch.int64).T
        self.pairs: torch.Tensor
        # Places of the upper triangle in the flattened n x n matrix of products.
        self.register_buffer("pairs", pairs[0] * vectors + pairs[1], persistent=False)
        width = vectors * embedding_dim if num_cross_layers else embedding_dim + pairs.shape[1]
        self.top = _mlp(width, top, ends_in_relu=False)

    def forward(self, dense: torch.Tensor, indices: Sequence[torch.Tensor]) -> torch.Tensor:
        embedded = self.bottom(dense)
        rows = [table(chosen).to(embedded.dtype) for table, chosen in zip(self.tables, indices, strict=True)]
        # [batch, n, embedding_dim]
        vectors = torch.stack([embedded, *rows], dim=1)
        mixed = self._crossed(vectors) if len(self.cross) else self._dotted(embedded, vectors)
        logits: torch.Tensor = self.top(mixed)
        return logits.squeeze(1)

    def _dotted(self, embedded: torch.Tensor, vectors: torch.Tensor) -> torch.Tensor:
        """Each pair's product once: ``(batch, embedding_dim + n (n - 1) / 2)``."""
        products = torch.bmm(vectors, vectors.transpose(1, 2)).flatten(1)
        return torch.cat([embedded, products.index_select(1, self.pairs)], dim=1)

    def _crossed(self, vectors: torch.Tensor) -> torch.Tensor:
        first = vectors.flatten(1)
        mixed = first
        for layer in self.cross:
            mixed = layer(first, mixed)
        return mixed


class CrossLayer(nn.Module):
    """One low-rank cross layer over ``(batch, width)``."""

    def __init__(self, width: int, *, rank: int) -> None:
        super().__init__()
        self.project = nn.Linear(width, rank, bias=False)
        self.expand = nn.Linear(rank, width)

    def forward(self, first: torch.Tensor, mixed: torch.Tensor) -> torch.Tensor:
        crossed: torch.Tensor = first * self.expand(self.project(mixed)) + mixed
        return crossed


def _table(rows: int, width: int, *, sparse_gradients: bool) -> nn.EmbeddingBag:
    """Rows from U(-sqrt(1/rows), sqrt(1/rows)), as the authors' code draws them."""
    # With a weight given torch draws none of its own, which would be a second pass over tables of many GB.
    table = nn.EmbeddingBag(rows, width, mode="sum", sparse=sparse_gradients, _weight=torch.empty(rows, width))
    nn.init.uniform_(table.weight, -(rows**-0.5), rows**-0.5)
    return table


def _mlp(before: int, widths: Sequence[int], *, ends_in_relu: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width in widths:
        layers += [nn.Linear(before, width), nn.ReLU()]
        before = width
    return nn.Sequential(*(layers if ends_in_relu else layers[:-1]))
