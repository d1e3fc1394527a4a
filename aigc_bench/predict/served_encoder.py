"""An encoder behind a serving engine: latency of a batch and throughput. There is no token after the first, so no TPOT."""

from __future__ import annotations

import math
from collections.abc import Iterator

from aigc_bench.catalog.loader import Catalogue
from aigc_bench.catalog.records import AcceleratorSpec
from aigc_bench.core import registry
from aigc_bench.core.derivation import Derivation, given, record
from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.records import Case, Estimate
from aigc_bench.predict.closed_form.columns import NotPredictable, uncalibrated
from aigc_bench.predict.closed_form.encoder_rows import UNCALIBRATED, encoder_ranks, encoder_row
from aigc_bench.predict.closed_form.engine_options import Serving
from aigc_bench.predict.closed_form.language import ENGINE_OVERHEAD_BYTES, weight_bytes
from aigc_bench.predict.closed_form.language_rows import format_as_served
from aigc_bench.predict.derivations import closed_form, modelled
from aigc_bench.predict.fitting.calibration import Calibration
from aigc_bench.predict.fitting.predictions import estimate_rows
from aigc_bench.predict.language.of_case import language_of
from aigc_bench.predict.precisions import format_reasons, refuse_lacking_format, refuse_unsupported_part
from aigc_bench.predict.predicted import DOES_NOT_FIT, PredictedRow, predicted_row
from aigc_bench.predict.published.language_models import LanguageModel

_HELD = message("weights + the engine's own memory; an encoder keeps nothing of a sequence (predict/served_encoder.py)")


def served_encoder(
    case: Case,
    spec: AcceleratorSpec,
    *,
    serving: Serving,
    calibration: Calibration,
    catalogue: Catalogue,
) -> Iterator[PredictedRow]:
    """Yield throughput and latency of the case's sequences in flight; raises ``UsageError`` where the engine cannot serve it.

    The sequences are spread over the replicas; ``serving.parallel`` has the devices of one, by default one.
    """
    model = language_of(case)
    if model is None:
        raise UsageError(
            message(
                "{workload}/{preset}: no encoder that {engine} serves.",
                workload=case.workload,
                preset=case.preset,
                engine=case.engine,
            )
        )
    precision = serving.precision
    numbers, ranks = format_as_served(model, precision or case.precision), encoder_ranks(serving.parallel)
    refuse_unsupported_part(case.engine, spec)
    refuse_lacking_format(numbers, spec)
    held = weight_bytes(model, numbers) / ranks + ENGINE_OVERHEAD_BYTES
    fits = held <= catalogue.usable_memory(spec).value
    reasons = (UNCALIBRATED, *format_reasons(numbers, spec), *(() if fits else (DOES_NOT_FIT,)))
    answers = _answers(case, spec, model, ranks=ranks, precision=precision, calibration=calibration)
    answers["memory_allocated_peak"] = given(
        held, "B", source=_HELD, key="memory.held", title=message("weights and the engine's own memory on each device")
    )
    item = registry.load("workloads", case.workload).item
    for metric, answer in answers.items():
        yield predicted_row(case, metric, answer, item=item, precision=precision, reasons=reasons, grade="physics")


def _answers(
    case: Case, spec: AcceleratorSpec, model: LanguageModel, *, ranks: int, precision: str | None, calibration: Calibration
) -> dict[str, Estimate]:
    each = math.ceil(case.batch_size / max(1, case.devices // ranks))
    try:
        row = encoder_row(
            model,
            spec,
            engine=case.engine,
            precision=precision or case.precision,
            ranks=ranks,
            sequences=each,
            seq_len=registry.load("workloads", case.workload).options(case).seq_len,
        )
    except NotPredictable as problem:
        raise uncalibrated(problem, case=case, spec=spec) from None
    # UNCALIBRATED says what the length outside of the calibrated range would say again.
    found = estimate_rows([row], calibration=calibration)[0].model_copy(update={"reasons": ()})
    latency = closed_form(found, row, unit="s", key="latency.closed_form")
    batch = given(
        case.batch_size, "sequences", source=message("batch size of the case"), key="batch_size", title=message("batch size")
    )
    ends = (case.batch_size / seconds for seconds in (latency.value, latency.high, latency.low))
    rate = modelled(*ends, unit="sequences/s")
    return {"throughput": record(rate, Derivation("{0} / {1}", (batch, latency))), "latency_mean": latency}
