"""An encoder of text behind a serving engine as a server of whole batches."""

from __future__ import annotations

from collections.abc import Mapping

from aigc_bench.catalog.records import AcceleratorSpec
from aigc_bench.core import registry
from aigc_bench.core.records import Case
from aigc_bench.predict.closed_form.encoder_rows import UNCALIBRATED, encoder_ranks, encoder_row
from aigc_bench.predict.fitting.calibration import Calibration
from aigc_bench.predict.fitting.predictions import estimate_rows
from aigc_bench.predict.language.of_case import language_of
from aigc_bench.predict.serving.batch_queue import BatchServer
from aigc_bench.predict.serving.capacity import Servers
from aigc_bench.predict.serving.step_time import StepTime

MOST_SEQUENCES = 32
"""Sequences that a batch gathers unless the query bounds them: beyond this a card's arithmetic is full (assumed)."""


def encoder_server(
    case: Case,
    spec: AcceleratorSpec,
    *,
    parallel: Mapping[str, int],
    precision: str,
    max_batch: int | None,
    calibration: Calibration,
) -> tuple[Servers, tuple[str, ...]]:
    """Return the server with its interval; raises ``NotPredictable`` where the accelerator has no peak for the format."""
    model, ranks = language_of(case), encoder_ranks(parallel)
    assert model is not None, "encoders are described from their configuration"
    most = max_batch or MOST_SEQUENCES
    seq_len = registry.load("workloads", case.workload).options(case).seq_len
    sizes = sorted({*(2**power for power in range(most.bit_length()) if 2**power <= most), most})
    rows = [
        encoder_row(model, spec, engine=case.engine, precision=precision, ranks=ranks, sequences=size, seq_len=seq_len)
        for size in sizes
    ]
    found = estimate_rows(rows, calibration=calibration)
    likely, fast, slow = (
        BatchServer(
            batch_time=StepTime(token_knots=_rising(sizes, [getattr(one, end) for one in found])),
            max_batch=most,
            num_servers=max(1, case.devices // ranks),
        )
        for end in ("value", "low", "high")
    )
    return Servers(likely=likely, fast=fast, slow=slow), (*rows[0].caution, UNCALIBRATED)


def _rising(sizes: list[int], seconds: list[float]) -> tuple[tuple[float, float], ...]:
    # Effects by load may make a larger batch look faster, which StepTime does not take.
    return tuple((float(size), max(seconds[: index + 1])) for index, size in enumerate(sizes))
