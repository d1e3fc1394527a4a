"""Candidates for training and fine-tuning language models, by the closed form of a training step calibrated on published results.

    memory of an accelerator   (parameters x bytes of weights, gradients and Adam) / ranks + activations with full recomputation
    adapters                   weights x 2 bytes / ranks + 1 % of it for the adapters' own states

Bytes per parameter and activations: Korthikanti et al. 2022 and the catalogue's constants. Parameters, gradients and optimizer lie
in shards over the ranks (ZeRO-3, FSDP). Steps recompute activations, as ``step_rows`` knows from published runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from aigc_bench.plan.search.candidates import Candidates, power_caps, stacked, with_caps
from aigc_bench.plan.sizing.training_traffic import ADAPTER_SHARE, SHARDED_ENGINE
from aigc_bench.predict.closed_form.columns import ModelRow, NotPredictable
from aigc_bench.predict.closed_form.step_rows import step_row
from aigc_bench.predict.fitting.calibration import Calibration
from aigc_bench.predict.fitting.effects import Floats
from aigc_bench.predict.published.row import PublishedQuery
from aigc_bench.predict.roofline.device_power import BUSY_ARITHMETIC, mean_watts

if TYPE_CHECKING:
    from aigc_bench.catalog.loader import Catalogue
    from aigc_bench.catalog.records import AcceleratorSpec
    from aigc_bench.predict.published.language_models import LanguageModel

RANKS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
SEQUENCES = (1, 2, 4, 8)


def trained_candidates(
    model: LanguageModel,
    *,
    seq_len: float,
    adapter: bool,
    specs: Sequence[AcceleratorSpec],
    catalogue: Catalogue,
    calibration: Calibration,
) -> Candidates | None:
    """Return every configuration that trains the model on sequences of ``seq_len`` tokens."""
    settings: list[tuple[AcceleratorSpec, int, int, ModelRow]] = []
    for spec in specs:
        for ranks in RANKS:
            for sequences in SEQUENCES:
                try:
                    row = step_row(query(model, spec, ranks=ranks, sequences=sequences, seq_len=seq_len, adapter=adapter), spec)
                except NotPredictable:
                    continue
                settings.append((spec, ranks, sequences, row))
    if not settings:
        return None
    # All rows in one call: there are thousands of them.
    logs = calibration.log_quantity([row for *_, row in settings])
    rates = np.array([row.value(log) for (*_, row), log in zip(settings, logs.tolist(), strict=True)])
    return stacked(_blocks(model, settings, rates, seq_len=seq_len, adapter=adapter, catalogue=catalogue))


def query(
    model: LanguageModel, spec: AcceleratorSpec, *, ranks: int, sequences: int, seq_len: float, adapter: bool
) -> PublishedQuery:
    """Return the query in the form of a published training row: tokens/s of all ranks."""
    return PublishedQuery(
        family="llm-train",
        task="train",
        model=f"{model.name}-lora" if adapter else model.name,
        language=model,
        gpu=spec.id,
        gpu_count=ranks,
        precision="bf16",
        software=SHARDED_ENGINE,
        batch=float(sequences * ranks),
        input_len=seq_len,
        metric="throughput_tokens",
        unit="tokens/s",
        words={"activation_ckpt": "True"},
    )


def rank_bytes(
    model: LanguageModel, *, ranks: Floats, sequences: Floats, seq_len: float, adapter: bool, catalogue: Catalogue
) -> Floats:
    """Return the peak bytes of one accelerator."""
    full = catalogue.constant("training_bytes_per_param").value
    # Frozen weights in bf16 take 2 bytes and no gradients.
    per_param = 2.0 + ADAPTER_SHARE * full if adapter else full
    stored = catalogue.constant("activation_full_recompute_factor").value * model.num_layers * model.hidden_size
    one_layer = catalogue.constant("activation_linear_factor").value * model.hidden_size
    # Bytes per token of the logits and their gradient, 6 for each entry of the vocabulary.
    logits = 6.0 * model.vocab_size
    found: Floats = per_param * model.total_params / ranks + sequences * seq_len * (stored + one_layer + logits)
    return found


def _blocks(
    model: LanguageModel,
    settings: Sequence[tuple[AcceleratorSpec, int, int, ModelRow]],
    rates: Floats,
    *,
    seq_len: float,
    adapter: bool,
    catalogue: Catalogue,
) -> Iterator[dict[str, object]]:
    context = catalogue.constant("cuda_context_bytes").value
    usable = catalogue.constant("usable_memory_fraction").value
    fragments = 1 + catalogue.constant("fragmentation_fraction").value
    by_spec: dict[str, list[int]] = {}
    for index, (spec, *_) in enumerate(settings):
        by_spec.setdefault(spec.id, []).append(index)
    # FLOPs per parameter and token: forward 2, gradients of activations 2, gradients of weights 2 (not of frozen ones).
    passes = 4.0 if adapter else 6.0
    for rows in by_spec.values():
        spec = settings[rows[0]][0]
        ranks = np.array([settings[row][1] for row in rows], dtype=float)
        sequences = np.array([settings[row][2] for row in rows], dtype=float)
        # Of mixtures of experts only the active parameters compute.
        mfu = passes * model.active_params * rates[rows] / ranks / (spec.peak("bf16") or spec.peak("fp16") or np.inf)
        watts = mean_watts(spec, busy_share=np.minimum(1.0, mfu / BUSY_ARITHMETIC))
        held = rank_bytes(model, ranks=ranks, sequences=sequences, seq_len=seq_len, adapter=adapter, catalogue=catalogue)
        # Seconds of a step: tokens of all ranks over tokens/s.
        step_s = sequences * ranks * seq_len / rates[rows]
        block: dict[str, object] = {
            "accelerator": spec.id,
            "engine": SHARDED_ENGINE,
            "precision": "bf16",
            "devices": ranks,
            "batch": sequences,
            "slots": sequences,
            "throughput": rates[rows],
            "service_s": step_s,
            "latency_s": step_s,
            "memory_bytes": held * fragments + context,
            "usable_bytes": catalogue.usable_memory(spec).value * usable,
            "power_w": np.full(len(rows), np.nan) if watts is None else watts,
        }
        yield from with_caps(block, power_caps(spec, work="training", catalogue=catalogue))
