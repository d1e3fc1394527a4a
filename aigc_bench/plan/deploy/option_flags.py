"""The flags that set a demand's engine options, by engine; what no flag sets is said in a note.

vLLM: ``--speculative-config``, ``--max-num-batched-tokens``, ``--enable-lora``, ``--kv-transfer-config`` of ``vllm serve``; SGLang:
``--speculative-algorithm``, ``--chunked-prefill-size``, ``--max-loras-per-batch``, ``--enable-hierarchical-cache`` of its server
arguments (documentation of both, 2026; general knowledge).
"""

from __future__ import annotations

import json

from aigc_bench.core.messages import message
from aigc_bench.predict.closed_form.engine_options import OWN_DRAFTS, EngineOptions

DRAFT = "DRAFT"
"""Stands for the weights of a draft: a plan knows their size, but not where they lie."""
_SGLANG_DRAFTS = {"mtp": "NEXTN", "eagle": "EAGLE3", "ngram": "NGRAM"}


def vllm_flags(options: EngineOptions) -> list[str]:
    """Return the words that ``vllm serve`` takes for these options."""
    words: list[str] = ["--enable-prefix-caching"] if options.prefix_hit_rate else []
    if options.chunk_tokens is not None:
        words += ["--max-num-batched-tokens", str(options.chunk_tokens)]
    if options.kv_offload:
        words += ["--kv-transfer-config", json.dumps({"kv_connector": "OffloadingConnector", "kv_role": "kv_both"})]
    if options.draft is not None:
        how = {"mtp": "mtp", "eagle": "eagle3", "ngram": "ngram"}.get(options.draft, "draft_model")
        config: dict[str, object] = {"method": how, "num_speculative_tokens": options.draft_tokens}
        # The model's own layers and n-grams need no weights besides the model's.
        config |= {} if options.draft in ("mtp", "ngram") else {"model": DRAFT}
        words += ["--speculative-config", json.dumps(config)]
    if options.lora_adapters:
        words += ["--enable-lora", "--max-loras", str(options.lora_adapters), "--max-lora-rank", str(options.lora_rank)]
    return words


def sglang_flags(options: EngineOptions) -> list[str]:
    """Return the words that SGLang's server takes for these options."""
    words: list[str] = ["--chunked-prefill-size", str(options.chunk_tokens)] if options.chunk_tokens is not None else []
    words += ["--enable-hierarchical-cache"] if options.kv_offload else []
    if options.draft is not None:
        words += ["--speculative-algorithm", _SGLANG_DRAFTS.get(options.draft, "STANDALONE")]
        words += ["--speculative-num-draft-tokens", str(options.draft_tokens)]
        words += [] if options.draft in ("mtp", "ngram") else ["--speculative-draft-model-path", DRAFT]
    if options.lora_adapters:
        words += ["--enable-lora", "--max-loras-per-batch", str(options.lora_adapters), "--max-lora-rank", str(options.lora_rank)]
    return words


def cache_format(options: EngineOptions, *, usual: str | None, eight_bits: str) -> str | None:
    """Return the format of the KV cache for a flag: as the options state it, else ``usual``; ``None`` leaves it to the engine."""
    if options.kv_cache is None:
        return usual
    return {"fp8": eight_bits, "fp4": "fp4_e2m1", "int8": "int8"}.get(options.kv_cache, "auto")


def notes_of(options: EngineOptions, *, engine: str) -> list[str]:
    """Return what the flags leave open: weights of a draft, other devices for prompts, and engines that take options in a file."""
    found: list[str] = []
    if options.draft is not None and options.draft not in ("mtp", "ngram"):
        kind = message("layers trained for the model") if options.draft in OWN_DRAFTS else options.draft
        found.append(message("Replace {draft} by the weights that draft: {kind}.", draft=DRAFT, kind=kind))
    if options.prefill_devices:
        found.append(
            message(
                "{count} more accelerators of a replica read prompts: start a second server on them, and join both by the engine's "
                "own transfer of the KV cache.",
                count=options.prefill_devices,
            )
        )
    is_stated = options.model_copy(update={"prefix_hit_rate": 0.0, "kv_offload": 0.0, "prefill_devices": 0}) != EngineOptions()
    if is_stated and engine not in ("vllm", "sglang"):
        found.append(message("{engine} takes its options in a file of its own, which is not written here.", engine=engine))
    return found
