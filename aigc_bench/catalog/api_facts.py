"""Facts about commercial APIs other than prices: measured latency, and discounts for cached or postponed work."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from aigc_bench.catalog.fact import Fact, Positive, Text
from aigc_bench.core.messages import message


class ApiLatency(Fact):
    """Latency of one model at an API as its source measured it: medians, from one place and for prompts of its own.

    Sources differ two- to threefold for one model, so several rows of a model are a band and no row is the truth.
    ``provider`` is ``None`` where the source names the vendor's own API only.
    """

    provider: str | None = None
    model: Text
    statistic: Literal["median"] = "median"
    ttft_s: Positive | None = None
    output_tokens_per_s: Positive | None = None

    @model_validator(mode="after")
    def _says_something(self) -> ApiLatency:
        if self.ttft_s is None and self.output_tokens_per_s is None:
            raise ValueError(message("needs ttft_s or output_tokens_per_s"))
        return self


class ApiDiscount(Fact):
    """The share of the list price that a kind of call costs: cached input, batch, flex and priority; 1.25 is dearer than the list.

    ``model`` is ``None`` where it holds for all models of the provider.
    """

    provider: Text
    model: str | None = None
    kind: Literal[
        "cached_input", "cache_write_5min", "cache_write_1h", "batch_input", "batch_output", "flex_input", "priority_input"
    ]
    of_list: Positive
