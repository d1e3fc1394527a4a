"""What serves: the engine's limits, its step time, its replicas. And what it must meet: the SLO."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from aigc_bench.core.records import Positive, Record
from aigc_bench.predict.serving.step_time import StepTime

KvPolicy = Literal["preempt", "reserve"]
Routing = Literal["round_robin", "join_shortest_queue"]
Schedule = Literal["mixed", "prompts_first"]


class ServerModel(Record):
    """One served model: ``replicas`` engines with these limits each, in the words of vLLM's settings.

    ``kv_capacity_tokens`` is per replica, ``None`` for no limit. ``kv_policy``: ``preempt`` takes blocks as tokens come and, when
    none is left, sends the sequence that was admitted last back to the head of the queue, to be computed again (vLLM V1,
    recompute); ``reserve`` admits a request only when its prompt and whole answer fit (TensorRT-LLM, GUARANTEED_NO_EVICT).
    ``schedule``: ``mixed`` reads prompts in the steps that decode (vLLM V1), ``prompts_first`` in steps of their own, as long as
    any waits, while decoding stands still (SGLang without mixed chunks).
    ``front_end_s`` is what a request spends in front of the engine (HTTP, tokeniser), and ``front_end_steps`` how many of its own
    decode steps a token is behind when it is seen (scheduling ahead, streaming): both are added to TTFT and end-to-end.
    ``prompt_pass_s`` is what it takes to launch a pass that reads prompts, however many it reads: the next one does not begin
    before, sequences decode meanwhile, and the first tokens of the pass are seen so much later.
    ``first_token_factor`` is the ratio of published to simulated TTFTs; what it adds is added to end-to-end, too.
    ``prefix_hit_rate`` of a prompt's tokens are cached when it is admitted and not read; blocks are counted for all. Closed
    arrivals stay on their replica under any ``routing``.
    """

    step_time: StepTime
    max_num_seqs: Positive = 256
    max_num_batched_tokens: Positive = 8192
    kv_capacity_tokens: Positive | None = None
    # vLLM's default.
    block_size: Positive = 16
    kv_policy: KvPolicy = "preempt"
    schedule: Schedule = "mixed"
    replicas: Positive = 1
    routing: Routing = "round_robin"
    front_end_s: float = Field(default=0.0, ge=0)
    prompt_pass_s: float = Field(default=0.0, ge=0)
    front_end_steps: float = Field(default=0.0, ge=0)
    first_token_factor: float = Field(default=1.0, gt=0)
    prefix_hit_rate: float = Field(default=0.0, ge=0, lt=1)

    @model_validator(mode="after")
    def _can_run(self) -> Self:
        assert self.max_num_batched_tokens >= self.max_num_seqs, "the token budget holds a token of every sequence"
        assert self.kv_capacity_tokens is None or self.kv_capacity_tokens >= self.block_size, "the KV cache holds a block"
        return self

    @property
    def num_blocks(self) -> int | None:
        """Whole KV blocks of one replica; ``None`` for no limit."""
        return None if self.kv_capacity_tokens is None else self.kv_capacity_tokens // self.block_size

    def fits(self, input_tokens: int, *, output_tokens: int) -> bool:
        """Whether a request can be served at all: alone, with its last token but one, it must fit into the KV cache."""
        return self.num_blocks is None or -(-(input_tokens + output_tokens - 1) // self.block_size) <= self.num_blocks


class Slo(Record):
    """What is promised: at least ``share`` of the requests keeps each of the bounds (a p99 bound is ``share=0.99``)."""

    ttft_s: float | None = Field(default=None, gt=0)
    tpot_s: float | None = Field(default=None, gt=0)
    latency_s: float | None = Field(default=None, gt=0)
    share: float = Field(default=0.99, gt=0, le=1)

    @model_validator(mode="after")
    def _promises_something(self) -> Self:
        assert self.bounds, "an SLO bounds at least one of ttft_s, tpot_s, latency_s"
        return self

    @property
    def bounds(self) -> dict[str, float]:
        """The bounds that are set, by the metric they bound: ``ttft``, ``tpot``, ``latency``."""
        named = {"ttft": self.ttft_s, "tpot": self.tpot_s, "latency": self.latency_s}
        return {name: bound for name, bound in named.items() if bound is not None}
