"""Questions about serving encoders of text (embeddings, rerankers): a prefill without anything after it."""

from __future__ import annotations

from collections.abc import Mapping

from aigc_bench.catalog.records import AcceleratorSpec
from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message
from aigc_bench.predict.closed_form.columns import ModelRow
from aigc_bench.predict.closed_form.language_rows import language_row
from aigc_bench.predict.published.language_models import LanguageModel
from aigc_bench.predict.published.row import PublishedQuery

UNCALIBRATED = "not_calibrated_on_published_results"
"""The constants are those of decoders that read a prompt: no results of encoders on these engines are in the table."""


def encoder_row(
    model: LanguageModel, spec: AcceleratorSpec, *, engine: str, precision: str, ranks: int, sequences: int, seq_len: int
) -> ModelRow:
    """Return the seconds of one batch of ``sequences`` of ``seq_len`` tokens on ``ranks`` devices as a row of the closed form.

    Raises ``NotPredictable`` where the accelerator has no peak for the format.
    """
    query = PublishedQuery(
        family="llm",
        task="infer",
        model=model.name,
        language=model,
        gpu=spec.id,
        gpu_count=ranks,
        precision=precision,
        software=engine,
        batch=float(sequences),
        input_len=float(seq_len),
        # Nothing is generated: the one output is the vector. That lies outside of what is calibrated, which widens the interval.
        output_len=1.0,
        metric="prefill_latency",
        unit="s",
        layout={"tp": float(ranks)},
    )
    return language_row(query, spec)


def encoder_ranks(parallel: Mapping[str, int]) -> int:
    """Return the devices of one replica; raises ``UsageError`` for stages of a pipeline."""
    if parallel.get("pp", 1) > 1:
        raise UsageError(
            message("--parallel pp={stages}: an encoder is not served in stages of a pipeline.", stages=parallel["pp"]),
            message("Split it with tp, or leave --parallel out: each device then holds a replica."),
        )
    return parallel.get("tp", 1)
