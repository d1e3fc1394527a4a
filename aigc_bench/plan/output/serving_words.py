"""What a serving engine is set to do for a load, in words that the screen and the page share."""

from __future__ import annotations

import math
from collections.abc import Iterator

from aigc_bench.core.messages import message, plural
from aigc_bench.core.units import memory, quantity
from aigc_bench.plan.records.chains import Chain
from aigc_bench.plan.records.demand import Job, Service
from aigc_bench.predict.closed_form.engine_options import EngineOptions


def serving_words(workload: Service | Job) -> tuple[str, ...]:
    """Return the options of the engine, the conversation and the limits of the replicas; empty where none is stated."""
    talk = tuple(_conversation(workload)) if isinstance(workload, Service) else ()
    return (*talk, *_options(workload.engine_options))


def chain_words(chain: Chain) -> tuple[str, ...]:
    """Return what a chain is as a whole: its bound and how it is divided, its index, and what a chain of jobs rests on."""
    return (*_budgets(chain), *_index(chain), *chain.rests_on)


def _budgets(chain: Chain) -> Iterator[str]:
    if chain.bound_s is None or chain.index is None:
        return
    what = message("first token") if chain.ttft_s is not None else message("answer")
    parts = [message("{stage} {seconds}", stage=stage, seconds=quantity(seconds, "s")) for stage, seconds in chain.budgets]
    parts.append(message("vector search {seconds}", seconds=quantity(chain.index.search_s.high, "s")))
    yield message(
        "{what} within {bound} for {share:.4g} % of requests, divided at the least cost of the whole: {parts}; each stage keeps "
        "its part for {each:.4g} %",
        what=what,
        bound=quantity(chain.bound_s, "s"),
        share=100 * chain.percentile,
        parts=", ".join(map(str, parts)),
        each=100 * chain.stage_percentile,
    )


def _index(chain: Chain) -> Iterator[str]:
    if chain.index is not None:
        yield plural(
            "index: {kind}, {size} in host memory x {copies} copies, {count} core searches at the peak",
            "index: {kind}, {size} in host memory x {copies} copies, {count} cores search at the peak",
            kind=chain.index.kind,
            size=memory(chain.index.memory_bytes.value),
            copies=chain.index.copies,
            count=max(1, math.ceil(chain.index.cores.value)),
        )


def _options(options: EngineOptions) -> Iterator[str]:
    if options.prefix_hit_rate:
        yield message("{share:.0f} % of prompt tokens in the prefix cache", share=100 * options.prefix_hit_rate)
    if options.kv_offload:
        yield message("{share:.0f} % of hits from the host's memory", share=100 * options.kv_offload)
    if options.kv_cache is not None:
        yield message("KV cache in {kv_cache}", kv_cache=options.kv_cache)
    if options.chunk_tokens is not None:
        yield message("prompts in chunks of {count} tokens", count=options.chunk_tokens)
    if options.draft is not None:
        yield message(
            "speculative decoding by {draft}, {count} tokens drafted, {share:.0f} % accepted",
            draft=options.draft,
            count=options.draft_tokens,
            share=100 * options.acceptance,
        )
    if options.prefill_devices:
        yield plural(
            "{count} accelerator of a replica reads prompts only",
            "{count} accelerators of a replica read prompts only",
            count=options.prefill_devices,
        )
    if options.lora_adapters:
        yield plural(
            "{count} LoRA adapter of rank {rank}",
            "{count} LoRA adapters of rank {rank}",
            count=options.lora_adapters,
            rank=options.lora_rank,
        )


def _conversation(service: Service) -> Iterator[str]:
    talk, scale = service.conversation, service.autoscaling
    if talk.turns > 1:
        yield message("conversations of {turns:g} turns, {pause} apart", turns=talk.turns, pause=quantity(talk.think_s, "s"))
    if scale.at_least > 1:
        yield message("at least {count} replicas", count=scale.at_least)
    if scale.at_most is not None:
        yield message("at most {count} replicas", count=scale.at_most)
