"""Candidates for language models behind a serving engine, by the closed form that was calibrated on published results.

throughput of a replica   n x output tokens / (TTFT + (output tokens - 1) x TPOT)          Little's law, n requests in flight
memory of an accelerator  (weights + n x (input + output / 2) x KV cache of a token) / ranks + the engine's own memory
of conversations          n x (1 + idle / seconds of a request) caches: those of people who read and type stay on the device
read by other devices     at most prompts finished / s x output tokens
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from aigc_bench.core.identity import Same
from aigc_bench.core.records import Record
from aigc_bench.plan.search.candidates import Candidates, power_caps, stacked, with_caps
from aigc_bench.predict.closed_form.columns import NotPredictable
from aigc_bench.predict.closed_form.engine_options import EngineOptions
from aigc_bench.predict.fitting.calibration import Calibration
from aigc_bench.predict.fitting.effects import Floats
from aigc_bench.predict.roofline.device_power import BUSY_ARITHMETIC, mean_watts
from aigc_bench.predict.serving.concurrency import Curves, Setting, curves, formats_of, replica_memory

if TYPE_CHECKING:
    from aigc_bench.catalog.loader import Catalogue
    from aigc_bench.catalog.records import AcceleratorSpec
    from aigc_bench.predict.published.language_models import LanguageModel

ENGINES: Mapping[str, tuple[str, ...]] = {
    "vllm": ("NVIDIA", "AMD", "Intel", "Google", "AWS"),
    "tensorrt-llm": ("NVIDIA",),
    "sglang": ("NVIDIA", "AMD"),
}
"""Serving engines that are searched, and the vendors whose accelerators they support."""
# Tensor parallel within one server; attention heads divide by powers of two.
RANKS = (1, 2, 4, 8)
# Requests in flight: 1 to 512.
SEQUENCES = tuple(2**power for power in range(10))
USUAL_PRECISIONS = ("bf16", "fp16", "fp8")
"""Number formats that are searched where a demand names none: narrower ones change a model's output."""


def served_candidates(
    model: LanguageModel,
    *,
    lengths: tuple[float, float],
    specs: Sequence[AcceleratorSpec],
    engines: Sequence[str],
    precisions: Sequence[str],
    catalogue: Catalogue,
    calibration: Calibration,
    options: EngineOptions | None = None,
    idle_s: float = 0.0,
) -> Candidates | None:
    """Return every configuration that serves ``model`` with requests of ``lengths`` (input, output) tokens.

    ``options`` are what the engine is set to do; the cache of a request stays on the device for ``idle_s`` after its answer.
    """
    asked = _Asked(
        lengths=lengths, engines=tuple(engines), precisions=tuple(precisions), idle_s=idle_s, options=options or EngineOptions()
    )
    return _found(model, asked, tuple(map(Same, specs)), Same(catalogue), Same(calibration))


class _Asked(Record):
    """What is searched for one model: tokens of a request, allowed engines and formats, options, and seconds of an idle cache."""

    lengths: tuple[float, float]
    engines: tuple[str, ...]
    precisions: tuple[str, ...]
    idle_s: float
    options: EngineOptions


# Plans of one service that differ in its rate, its place or prices ask for the same configurations, a third of a plan's time.
@lru_cache(maxsize=16)
def _found(
    model: LanguageModel,
    asked: _Asked,
    specs: tuple[Same[AcceleratorSpec], ...],
    catalogue: Same[Catalogue],
    calibration: Same[Calibration],
) -> Candidates | None:
    prompt, answer = asked.lengths
    settings = [
        Setting(
            model=model,
            spec=spec,
            engine=engine,
            precision=precision,
            ranks=ranks,
            input_len=prompt,
            output_len=answer,
            options=asked.options,
        )
        for spec in (one.held for one in specs)
        for engine, vendors in ENGINES.items()
        if spec.vendor in vendors and (not asked.engines or engine in asked.engines)
        for precision in _precisions(spec, asked.precisions)
        for ranks in RANKS
    ]
    # Some rows stay even if none fits, so that the refusal can name the nearest miss.
    settings = [one for one in settings if replica_memory(one).room >= 1] or settings[: len(RANKS)]
    if not settings:
        return None
    try:
        found = curves(settings, SEQUENCES, calibration=calibration.held)
    except NotPredictable:
        return None
    return stacked(_blocks(settings, found, idle_s=asked.idle_s, catalogue=catalogue.held))


def _precisions(spec: AcceleratorSpec, allowed: Sequence[str]) -> tuple[str, ...]:
    if allowed:
        # A part without 16-bit arithmetic computes these in fp32.
        wide = {"bf16", "fp16", "fp32"}
        return tuple(
            name for name in allowed if spec.peak(name) or name in ("int4", "int8") or (name in wide and spec.peak("fp32"))
        )
    return tuple(one.name for one in formats_of(spec) if one.name in USUAL_PRECISIONS)


def _blocks(settings: Sequence[Setting], found: Curves, *, idle_s: float, catalogue: Catalogue) -> Iterator[dict[str, object]]:
    sequences: Floats = np.array(SEQUENCES, dtype=float)
    for index, one in enumerate(settings):
        held, spec = replica_memory(one), one.spec
        ttft, tpot = found.ttft_s[index], found.tpot_s[index]
        # The first token comes with the prefill, the others a step each.
        service = ttft + max(0.0, one.output_len - 1) * tpot
        throughput = sequences * one.output_len / service
        if one.options.prefill_devices:
            # Devices that read prompts for the others bound the requests that come to them.
            throughput = np.minimum(throughput, one.output_len / found.prompt_s[index])
        # Caches that wait for the next turn: requests/s x seconds, by Little's law.
        caches = sequences + idle_s * throughput / one.output_len
        # Shape (sequences,), in W of one accelerator.
        watts = mean_watts(spec, busy_share=np.minimum(1.0, found.mfu[index] / BUSY_ARITHMETIC))
        block = {
            "accelerator": spec.id,
            "engine": one.engine,
            "precision": one.precision,
            "devices": one.devices,
            "batch": sequences,
            "slots": sequences,
            "throughput": throughput,
            "service_s": service,
            "ttft_s": ttft,
            "tpot_s": tpot,
            "latency_s": service,
            # Weights and cache are split over the ranks.
            "memory_bytes": (held.fixed_bytes + caches * held.request_bytes) / one.ranks,
            "usable_bytes": held.usable_bytes / one.ranks,
            "power_w": np.full_like(service, np.nan) if watts is None else watts,
        }
        yield from with_caps(block, power_caps(spec, work="decode", catalogue=catalogue))
