"""Chains of a demand: several loads that are one service with one SLO, or one job with one deadline."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from aigc_bench.core.record import Sentence
from aigc_bench.core.records import Estimate, Record

IndexKind = Literal["hnsw", "ivf_flat", "ivf_pq"]


class VectorIndex(Record):
    """An index of vectors in the memory of the servers: bytes of one copy, copies, and what a search takes of one core."""

    kind: IndexKind
    memory_bytes: Estimate
    copies: int = Field(ge=1)
    search_s: Estimate
    cores: Estimate


class Chain(Record):
    """Loads that belong together, in their order: ``stages`` are the names of services, or of jobs.

    ``ttft_s`` and ``latency_s`` bound the whole chain of services, for a share ``percentile`` of requests; ``tpot_s`` the last of
    them. ``budgets`` are the seconds that each stage has of it (``plan.chain_budgets``). ``rests_on`` tells in words what a chain
    of jobs counts.
    """

    name: str
    kind: Literal["rag", "post_training"]
    stages: tuple[str, ...]
    ttft_s: float | None = None
    tpot_s: float | None = None
    latency_s: float | None = None
    percentile: float = Field(default=0.95, gt=0, lt=1)
    index: VectorIndex | None = None
    budgets: tuple[tuple[str, float], ...] = ()
    rests_on: tuple[Sentence, ...] = ()

    @property
    def bound_s(self) -> float | None:
        """Return the bound that the stages share: the first token's, else the whole answer's; ``None`` without one."""
        return self.ttft_s if self.ttft_s is not None else self.latency_s

    @property
    def stage_percentile(self) -> float:
        """Return the share of requests that each stage must keep, so that together they keep the chain's (Bonferroni's bound)."""
        return 1.0 - (1.0 - self.percentile) / len(self.stages)
