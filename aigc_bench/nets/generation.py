"""Greedy generation in two stages: ``prefill`` reads the prompt and makes the first token, ``decode`` makes one token a call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from aigc_bench.nets.caches import cache_argument, forget, is_shaped_by_prompts, static_cache


class GreedyGeneration:
    """A causal language model with a static key-value cache, free of host synchronisation.

    ``model`` is called (it may be compiled); ``config`` and ``dtype`` describe its cache. ``generated[i]`` holds the i-th new
    token of each sequence, shape ``[max_new_tokens, batch]``.
    """

    def __init__(
        self,
        model: Callable[..., Any],
        *,
        config: Any,
        batch_size: int,
        prompt_len: int,
        max_new_tokens: int,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self._model = model
        max_len = prompt_len + max_new_tokens
        self._cache = static_cache(config, batch_size=batch_size, max_len=max_len, dtype=dtype, device=device)
        self._token = torch.zeros(batch_size, 1, dtype=torch.int64, device=device)
        self._logits: torch.Tensor | None = None
        self._cache_argument = cache_argument(config)
        self.generated = torch.zeros(max_new_tokens, batch_size, dtype=torch.int64, device=device)
        if is_shaped_by_prompts(self._cache):
            # Now, so that no step allocates what later steps keep.
            self._prompt = torch.zeros(batch_size, prompt_len, dtype=torch.int64, device=device)
            self.prefill(0)

    def begin(self, prompt: torch.Tensor) -> None:
        """Take ``prompt``, token ids ``[batch, prompt_len]``, and forget the previous one."""
        self._prompt = prompt
        forget(self._cache)

    def prefill(self, repeat: int) -> None:
        """Read the whole prompt; logits are computed for its last position only."""
        self._advance(index=0, input_ids=self._prompt)

    def prefill_embedded(self, embedded: torch.Tensor) -> None:
        """Read a prompt that is already embedded, ``[batch, prompt_len, width]``: text around an image."""
        self._advance(index=0, inputs_embeds=embedded)

    def decode(self, repeat: int) -> None:
        """Read the token made last, make the next."""
        self._advance(index=repeat + 1, input_ids=self._token)

    @torch.no_grad()
    def _advance(self, *, index: int, **inputs: torch.Tensor) -> None:
        output = self._model(**inputs, **{self._cache_argument: self._cache}, use_cache=True, logits_to_keep=1)
        self._logits = output.logits
        # In place: a replayed graph reads its inputs at the addresses of its capture.
        self._token.copy_(output.logits[:, -1:].argmax(dim=-1))
        self.generated[index].copy_(self._token[:, 0])

    def check(self) -> dict[str, float | str | bool | None]:
        """Whether the last logits are finite, their spread, and the sum of the token ids, which the seed determines."""
        assert self._logits is not None, "a step runs before it is checked"
        finite = bool(torch.isfinite(self._logits).all())
        return {"finite": finite, "token_sum": float(self.generated.sum()), "logits_std": float(self._logits.float().std())}
