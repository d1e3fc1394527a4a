"""What a serving engine is set to do for a load, in words that the screen and the page share."""

from __future__ import annotations

from collections.abc import Iterator

from aigc_bench.core.messages import message, plural
from aigc_bench.core.units import quantity
from aigc_bench.plan.records.demand import Job, Service
from aigc_bench.predict.closed_form.engine_options import EngineOptions


def serving_words(workload: Service | Job) -> tuple[str, ...]:
    """Return the options of the engine, the conversation and the limits of the replicas; empty where none is stated."""
    talk = tuple(_conversation(workload)) if isinstance(workload, Service) else ()
    return (*talk, *_options(workload.engine_options))


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
