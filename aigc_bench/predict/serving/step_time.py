"""How long one step of an engine takes, as a sum of parts, so that thousands of steps can be added up together.

A step of continuous batching runs one token for each sequence that decodes and a chunk of prompt for those that prefill. Its time
is the sum of its operators:

    T  tokens in the step                       dense layers and collectives  curve(T)   max(weights read, tokens computed)
    C  KV entries that the decoding sequences read   attention, decode        per_context_s * C
    P  (query, key) pairs of the prompt chunks       attention, prefill       per_pair_s * P
    n  sequences in the step                         sampling, scheduling     per_sequence_s * n
                                                     launches                 overhead_s

``curve`` is piecewise linear in T: two knots make the roofline ``max(weights_s, T * per_token_s)``; more knots carry what a
performance model knows of small batches, experts or collectives. While n sequences decode and nothing else happens, T = n stands
still and C grows by n a step, so k steps take ``k * step + per_context_s * n * k * (k - 1) / 2``: no loop over tokens.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Self

import numpy as np
from pydantic import Field, model_validator

from aigc_bench.core.records import Record

Knot = tuple[float, float]


class StepTime(Record):
    """Seconds of a step from what is in it. ``token_knots`` are (tokens, seconds), rising in tokens, never falling in seconds."""

    token_knots: tuple[Knot, ...] = Field(min_length=1)
    per_context_s: float = Field(default=0.0, ge=0)
    per_pair_s: float = Field(default=0.0, ge=0)
    per_sequence_s: float = Field(default=0.0, ge=0)
    overhead_s: float = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _knots_rise(self) -> Self:
        tokens, seconds = zip(*self.token_knots, strict=True)
        assert all(a < b for a, b in pairwise(tokens)), "token_knots rise in tokens"
        assert all(a <= b for a, b in pairwise(seconds)), "more tokens never take less time"
        assert seconds[0] >= 0, "time is not negative"
        assert seconds[0] + self.overhead_s + self.per_sequence_s > 0, "a step takes some time"
        return self

    @classmethod
    def roofline(
        cls,
        *,
        weights_s: float,
        per_token_s: float,
        per_context_s: float = 0.0,
        per_pair_s: float = 0.0,
        per_sequence_s: float = 0.0,
        overhead_s: float = 0.0,
    ) -> StepTime:
        """Dense layers that take ``max(weights_s, tokens * per_token_s)``: read the weights once, or compute the tokens."""
        # Tokens at which computing takes as long as reading the weights; two knots give the slope after it.
        corner = weights_s / per_token_s if per_token_s > 0 else 1.0
        knots = ((corner, weights_s), (2 * corner, 2 * weights_s if per_token_s > 0 else weights_s))
        if corner == 0:
            # No weights to read: a line through the origin, as two knots at 0 would coincide.
            knots = ((0.0, 0.0), (1.0, per_token_s))
        return cls(
            token_knots=knots,
            per_context_s=per_context_s,
            per_pair_s=per_pair_s,
            per_sequence_s=per_sequence_s,
            overhead_s=overhead_s,
        )

    def curve_s(self, num_tokens: float) -> float:
        """Seconds of the dense part at that many tokens: level before the first knot, with the last slope after the last."""
        knots = self.token_knots
        if num_tokens <= knots[0][0] or len(knots) == 1:
            return knots[0][1]
        index = next((i for i in range(1, len(knots)) if num_tokens <= knots[i][0]), len(knots) - 1)
        (left, below), (right, above) = knots[index - 1], knots[index]
        return below + (above - below) / (right - left) * (num_tokens - left)

    def seconds(self, *, num_tokens: int, num_sequences: int, context_tokens: int = 0, prefill_pairs: int = 0) -> float:
        """Seconds of one step; the definition that every faster way of computing it must equal."""
        return (
            self.curve_s(num_tokens)
            + self.per_context_s * context_tokens
            + self.per_pair_s * prefill_pairs
            + self.per_sequence_s * num_sequences
            + self.overhead_s
        )

    def table_s(self, max_tokens: int) -> list[float]:
        """Curve and overhead at 0, 1, ... ``max_tokens`` tokens."""
        tokens = np.arange(max_tokens + 1, dtype=float)
        knot_tokens, knot_seconds = (np.array(column, dtype=float) for column in zip(*self.token_knots, strict=True))
        if knot_tokens.size == 1:
            return [self.curve_s(0) + self.overhead_s] * (max_tokens + 1)
        # Index of the knot to the right, as in ``curve_s``; clipped, the last slope goes on.
        right = np.clip(np.searchsorted(knot_tokens, tokens, side="left"), 1, knot_tokens.size - 1)
        slope = np.diff(knot_seconds) / np.diff(knot_tokens)
        curve = knot_seconds[right - 1] + slope[right - 1] * (tokens - knot_tokens[right - 1])
        level = np.where(tokens <= knot_tokens[0], knot_seconds[0], curve)
        seconds: list[float] = (level + self.overhead_s).tolist()
        return seconds

    def scaled(self, factor: float) -> StepTime:
        """Every part slower (> 1) or faster (< 1) by one factor."""
        assert factor > 0, "a factor of time is positive"
        return StepTime(
            token_knots=tuple((tokens, seconds * factor) for tokens, seconds in self.token_knots),
            per_context_s=self.per_context_s * factor,
            per_pair_s=self.per_pair_s * factor,
            per_sequence_s=self.per_sequence_s * factor,
            overhead_s=self.overhead_s * factor,
        )


def chunk_pairs(start: int, *, num_tokens: int) -> int:
    """(query, key) pairs of causal attention for ``num_tokens`` tokens from ``start`` on: each sees itself and all before."""
    return num_tokens * start + num_tokens * (num_tokens + 1) // 2
