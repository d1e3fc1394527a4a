"""A language model behind a serving engine at a fixed number of requests in flight: whether it fits, how fast, on what layout.

layout      as --parallel states it, else the fewest ranks that hold the batch, the rest replicas (``closed_form.layouts``)
memory      weights, cache and the engine's own against what the device offers (``closed_form.replica_memory``)
times       TPOT, TTFT and throughput by the calibrated closed form, made one by Little's law
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from aigc_bench.analyze.metrics import metric_of
from aigc_bench.catalog.loader import Catalogue
from aigc_bench.catalog.records import AcceleratorSpec
from aigc_bench.core import registry
from aigc_bench.core.derivation import Derivation, given, record
from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.record import Record
from aigc_bench.core.records import Case, Estimate
from aigc_bench.predict.closed_form import forms
from aigc_bench.predict.closed_form.columns import ModelRow, NotPredictable, uncalibrated
from aigc_bench.predict.closed_form.engine_options import EngineOptions, Serving, cached_bytes, reasons_of
from aigc_bench.predict.closed_form.language import Layout, default_cache_bytes
from aigc_bench.predict.closed_form.language_rows import CACHE_WORD, language_row, number_format_of
from aigc_bench.predict.closed_form.layouts import chosen_layout, words_of
from aigc_bench.predict.closed_form.optioned_rows import (
    Ranks,
    apart,
    decoding_devices,
    held_besides,
    moved_s,
    optioned,
    refuse_missing_layers,
)
from aigc_bench.predict.closed_form.replica_memory import Holding, holding
from aigc_bench.predict.derivations import closed_form, modelled
from aigc_bench.predict.fitting.calibration import Calibration
from aigc_bench.predict.fitting.grades import closed_form_grade
from aigc_bench.predict.fitting.predictions import estimate_rows, refuse_far_outside
from aigc_bench.predict.language.of_case import served_language
from aigc_bench.predict.precisions import format_reasons, refuse_lacking_format, refuse_unsupported_part
from aigc_bench.predict.predicted import DOES_NOT_FIT, HOST_BOUND, Grade, PredictedRow, predicted_row
from aigc_bench.predict.published.language_models import LanguageModel
from aigc_bench.predict.published.name_resolution import NumberFormat, resolve_engine
from aigc_bench.predict.published.row import PublishedQuery

TIMED = ("throughput", "ttft", "tpot")
"""Metrics that the closed form answers, and that runs of one's own correct."""
_MEMORY_ERROR = 0.05
"""Half width of the interval of a served model's memory: published figures lie within it."""
_RATE_SHARE = 0.5
"""The rate's part of what three closed forms differ by: it and the times are about equally uncertain."""
REPLICAS_IDLE = "replicas_idle"
"""Reason of a batch with fewer requests than there are replicas, with the number of those that have none."""
_ON_THE_DEVICE = ("decode_linear", "decode_weights", "decode_attention", "decode_cache", "decode_bytes", "collectives")
_NOTHING = 1e-12
"""Instead of 0 in a column that something is divided by."""
_WHOLE = message(
    "weights + cache of the batch at full length + the engine's own memory, on each device (predict/closed_form/replica_memory.py)"
)
_LITTLE = message(
    "requests in flight = requests/s x seconds of a request (Little 1961); what three closed forms differ by is shared out"
)
_MOVED = message(
    "bytes of the prompt's cache over PCIe from the host, or over the link to the devices that decode (optioned_rows.py)"
)


class Served(Record):
    """A case in the terms of the closed form: the question of its throughput, the model, its format, and its layout."""

    query: PublishedQuery
    model: LanguageModel
    numbers: NumberFormat
    layout: Layout
    held: Holding
    options: EngineOptions = EngineOptions()
    cache_width: float = 2.0

    @property
    def fits(self) -> bool:
        """Return whether the batch fits into the memory of every device."""
        return self.held.total_bytes <= self.held.usable_bytes

    @property
    def holds_weights(self) -> bool:
        """Return whether at least one request fits next to the weights."""
        return self.held.largest_batch > 0


def served_offline(
    case: Case, spec: AcceleratorSpec, *, serving: Serving, calibration: Calibration, catalogue: Catalogue
) -> Iterator[PredictedRow]:
    """Yield throughput, TTFT, TPOT and memory; all of them ``invalid`` where the batch does not fit.

    Raises ``UsageError`` in one line where the engine does not serve the case, or the layout is impossible.
    """
    text = serving.precision or case.precision
    served = served_case(case, spec, serving=serving, catalogue=catalogue)
    reasons = (
        f"layout:{words_of(served.layout)}",
        *reasons_of(served.options),
        *format_reasons(served.numbers, spec),
        *(() if served.fits else (DOES_NOT_FIT,)),
    )
    try:
        answers, grades = _answers(served, spec, calibration=calibration)
        idle = _idle_replicas(served)
        reasons += (f"{REPLICAS_IDLE}:{idle}",) if idle else ()
        reasons += (HOST_BOUND,) if _waits_for_host(served, spec, calibration=calibration) else ()
    except NotPredictable as problem:
        raise uncalibrated(problem, case=case, spec=spec) from None
    largest = served.held.largest_batch or None
    for metric, answer in {**answers, "memory_allocated_peak": _memory(served.held)}.items():
        row = predicted_row(
            case,
            metric,
            answer,
            item="token",
            precision=text,
            reasons=reasons,
            # Published runs were made without such options.
            grade=grades.get(metric, "physics") if served.options.is_calibrated else "physics",
            largest_batch=largest,
        )
        # Where not even the weights fit there is no speed to tell.
        is_speed = metric in TIMED
        yield row if served.holds_weights or not is_speed else row.model_copy(update={"value": None, "low": None, "high": None})


def refuse_served_training(case: Case) -> None:
    """Raise ``UsageError`` where a serving engine is asked to train."""
    if case.mode == "train":
        raise UsageError(
            message("--mode train: {engine} serves, and does not train.", engine=case.engine),
            message("Train with --engine torch-eager or torch-compile."),
        )


def served_case(case: Case, spec: AcceleratorSpec, *, serving: Serving, catalogue: Catalogue) -> Served:
    """Return the case with its layout and what it holds; raises ``UsageError`` where the engine does not serve it."""
    refuse_served_training(case)
    model = served_language(case)
    chosen = serving.options
    refuse_missing_layers(chosen, model=model)
    query = _query_of(case, spec, model=model, precision=serving.precision)
    numbers, engine = number_format_of(query, model), resolve_engine(case.engine).name
    refuse_unsupported_part(engine, spec)
    refuse_lacking_format(numbers, spec, engine=engine)
    usable = catalogue.usable_memory(spec).value
    width = cached_bytes(chosen, default_cache_bytes(numbers, engine=engine))

    def held(layout: Layout) -> Holding:
        return holding(
            model, spec, number_format=numbers, cache_width=width, layout=layout,
            batch=case.batch_size,
            tokens=(query.input_len or 1.0) + (query.output_len or 1.0),
            usable_bytes=usable,
            besides_bytes=held_besides(chosen, model=model, numbers=numbers, layout=layout), engine=engine,
        )  # fmt: skip

    layout = chosen_layout(
        model,
        spec,
        engine=engine,
        devices=decoding_devices(chosen, devices=case.devices),
        ranks=serving.parallel,
        fits=lambda one: held(one).largest_batch >= case.batch_size,
    )
    return Served(
        query=query.model_copy(update={"words": {CACHE_WORD: str(width)}}),
        model=model,
        numbers=numbers,
        layout=apart(chosen, layout),
        held=held(layout),
        options=chosen,
        cache_width=width,
    )


def _query_of(case: Case, spec: AcceleratorSpec, *, model: LanguageModel, precision: str | None) -> PublishedQuery:
    settings = registry.load("workloads", case.workload).options(case)
    fields = type(settings).model_fields
    return PublishedQuery(
        family="llm", task="infer-online", model=model.name, language=model, gpu=spec.id, gpu_count=case.devices,
        precision=precision or case.precision, software=case.engine, concurrency=float(case.batch_size),
        metric="throughput", unit="",
        input_len=float(settings.prompt_len) if "prompt_len" in fields else None,
        output_len=float(settings.max_new_tokens) if "max_new_tokens" in fields else None,
    )  # fmt: skip


def _answers(served: Served, spec: AcceleratorSpec, *, calibration: Calibration) -> tuple[dict[str, Estimate], dict[str, Grade]]:
    """The closed form's answers by metric, consistent with each other, and their grades."""
    found, grades, limits = dict[str, Estimate](), dict[str, Grade](), dict[str, float]()
    for metric in TIMED:
        # One token is the first one, and there is no time between tokens.
        if metric == "tpot" and served.query.output_len == 1:
            continue
        row = _row(served, spec, metric=metric)
        refuse_far_outside(row, calibration.ranges)
        unit = metric_of(metric, item="token").unit
        found[metric] = closed_form(estimate_rows([row], calibration=calibration)[0], row, unit=unit, key=f"{metric}.closed_form")
        grades[metric] = closed_form_grade(row, spec, calibration=calibration)
        limits[metric] = row.value(float(forms.roofline_log("language", forms.columns_of([row]))[0]))
    return _delayed(_consistent(found, served.query, limits=limits), served, spec), grades


def _row(served: Served, spec: AcceleratorSpec, *, metric: str) -> ModelRow:
    """The question of one metric."""
    plain = language_row(served.query.model_copy(update={"metric": metric}), spec, layout=served.layout)
    return optioned(plain, served.options, on=Ranks(served.model, spec, served.numbers, served.layout))


def _idle_replicas(served: Served) -> int:
    """How many replicas no request of the batch reaches: a batch is all requests in flight on all devices."""
    return max(0, math.floor(served.layout.replicas - (served.query.concurrency or 1.0)))


def _waits_for_host(served: Served, spec: AcceleratorSpec, *, calibration: Calibration) -> bool:
    """Whether a decode step is launches, scheduling and sampling for more than half, as the traced prediction says it of a step."""
    row = _row(served, spec, metric="tpot")
    idle = row.model_copy(update={"columns": {**row.columns, **dict.fromkeys(_ON_THE_DEVICE, _NOTHING)}})
    whole_s, host_s = forms.decode_and_prefill(forms.columns_of([row, idle]), calibration.constants["language"])[0]
    return served.query.output_len != 1 and bool(host_s > whole_s / 2)


def _consistent(found: Mapping[str, Estimate], query: PublishedQuery, *, limits: Mapping[str, float]) -> dict[str, Estimate]:
    """The answers with their difference from Little's law shared out between rate and times, half of its logarithm each.

    Neither goes beyond its roofline in ``limits``: what the one cannot give, the other does. The shares are the same for every
    layout: shared out by the widths of the intervals, which are others over PCIe, two devices came out slower than one.
    """
    rate, first, each = found["throughput"], found["ttft"], found.get("tpot")
    output, requests = query.output_len or 1.0, query.concurrency or 1.0
    seconds = first.value + (output - 1) * (each.value if each else 0.0)
    # log(rate x seconds of a request / tokens in flight): 0 where the three agree.
    excess = math.log(rate.value * seconds / (requests * output))
    faster = min(math.exp(-excess * _RATE_SHARE), limits["throughput"] / rate.value)
    longer = math.exp(-excess) / faster
    least = max(limits[name] / one.value for name, one in found.items() if name != "throughput")
    if longer < least:
        faster, longer = math.exp(-excess) / least, least
    return {name: _scaled(one, faster if name == "throughput" else longer, metric=name) for name, one in found.items()}


def _delayed(found: Mapping[str, Estimate], served: Served, spec: AcceleratorSpec) -> dict[str, Estimate]:
    """The answers with the time in which a prompt's cache travels: the first token is later, and the same requests make fewer."""
    length, output = served.query.input_len or 1.0, served.query.output_len or 1.0
    seconds = moved_s(served.options, model=served.model, spec=spec, input_len=length, width=served.cache_width)
    if not seconds:
        return dict(found)
    first, each = found["ttft"], found.get("tpot")
    whole = first.value + (output - 1) * (each.value if each else 0.0)
    moved = given(seconds, "s", source=_MOVED, key="ttft.moved", title=message("transfer of the prompt's cache"))
    later = modelled(
        first.value + seconds,
        first.low + seconds,
        first.high + seconds,
        unit="s",
        derivation=Derivation("{0} + {1}", (first, moved)),
    )
    return {
        **found,
        "ttft": later,
        "throughput": _scaled(found["throughput"], whole / (whole + seconds), metric="throughput.moved"),
    }


def _scaled(one: Estimate, factor: float, *, metric: str) -> Estimate:
    correction = given(factor, "ratio", source=_LITTLE, key=f"{metric}.consistency", title=message("agreement with Little's law"))
    ends = {name: getattr(one, name) * factor for name in ("value", "low", "high")}
    return record(one.model_copy(update=ends), Derivation("{0} * {1}", (one, correction)))


def _memory(held: Holding) -> Estimate:
    parts = {"weights": held.weights_bytes, "cache": held.cache_bytes, "engine": held.beside_bytes}
    inputs = tuple(
        given(size, "B", source=_WHOLE, key=f"memory.{name}", title=message("bytes of {name} on each device", name=name))
        for name, size in parts.items()
    )
    total = held.total_bytes
    return modelled(
        total, total * (1 - _MEMORY_ERROR), total * (1 + _MEMORY_ERROR), unit="B", derivation=Derivation("{0} + {1} + {2}", inputs)
    )
