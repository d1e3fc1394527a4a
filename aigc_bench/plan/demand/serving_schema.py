"""Define the keys of how a served language model is run: options of its engine, conversations, and limits of its replicas."""

from __future__ import annotations

from typing import Literal

from aigc_bench.core.messages import message
from aigc_bench.plan.demand.amounts import Number, Table, Whole, between, documented, zero_or


class WrittenEngineOptions(Table):
    """``[service.engine_options]``: what the serving engine is set to do, as ``predict --engine-option`` takes it."""

    prefix_hit_rate: Number | None = documented(
        message("share of a prompt's tokens that the prefix cache holds already"), unit="fraction", limits=between(0, 0.999)
    )
    kv_offload: Number | None = documented(
        message("share of those hits that lie in the host's memory and come back over its link"),
        unit="fraction",
        limits=between(0, 1),
    )
    kv_cache: Literal["bf16", "fp16", "fp8", "int8", "fp4"] | None = documented(
        message("number format of the KV cache: bf16, fp16, fp8, int8 or fp4")
    )
    chunk_tokens: Whole | None = documented(
        message("tokens of prompts that one step reads"), unit="token", limits=between(16, 2**20)
    )
    draft: str | None = documented(message("speculative decoding by mtp, eagle, ngram or the name of a small model"))
    draft_tokens: Whole | None = documented(message("tokens drafted for a step"), unit="token", limits=between(1, 64))
    acceptance: Number | None = documented(
        message("probability that a drafted token is accepted"), unit="fraction", limits=between(0.01, 0.99)
    )
    prefill_devices: Whole | None = documented(
        message("accelerators of a replica that only read prompts (prefill/decode disaggregation)"),
        unit="count",
        limits=zero_or(1, 64),
    )
    lora_adapters: Whole | None = documented(message("LoRA adapters that are held at a time"), unit="count", limits=zero_or(1, 1e5))
    lora_rank: Whole | None = documented(message("rank of an adapter (default 16)"), unit="count", limits=between(1, 1024))
