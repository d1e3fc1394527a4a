"""A case under a load: from the words of a command (rate, SLO, lengths, trace file) to metric rows of basis ``modelled``."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from aigc_bench.analyze.metrics import METRICS
from aigc_bench.catalog.records import AcceleratorSpec
from aigc_bench.core import registry
from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.records import Case, Estimate
from aigc_bench.predict.closed_form.engine_options import Serving
from aigc_bench.predict.engines import SERVED
from aigc_bench.predict.model import description
from aigc_bench.predict.precisions import refuse_lacking_precision
from aigc_bench.predict.predicted import DOES_NOT_FIT, PredictedRow, named_as_served, predicted_row
from aigc_bench.predict.query import RequestLoad
from aigc_bench.predict.serving.capacity import Servers
from aigc_bench.predict.serving.closed_form_server import DoesNotFitError
from aigc_bench.predict.serving.from_model import ServiceLevel, ServiceModel, own_lengths, service_level
from aigc_bench.predict.serving.lengths import FixedLength, Length, parse_length
from aigc_bench.predict.serving.request_arrivals import Arrivals, Traffic
from aigc_bench.predict.serving.server_model import Slo
from aigc_bench.predict.serving.trace_file import read_trace
from aigc_bench.workloads._hugging_face import position_limit

# From one request in eleven days to more than any service has.
LEAST_RATE, MOST_RATE = 1e-6, 1e9
MOST_SECONDS = 1e9
SCENARIOS = ("offline", "server")
"""What ``predict`` answers; a single stream is ``offline`` with a batch of one."""


def slo_of(load: RequestLoad) -> Slo | None:
    """Return the SLO of a load, ``None`` without a bound; raises ``UsageError`` for a bound that no service could keep."""
    bounds = {"ttft_s": load.slo_ttft_s, "tpot_s": load.slo_tpot_s, "latency_s": load.slo_latency_s}
    for name, bound in bounds.items():
        if bound is not None and not 0 < bound <= MOST_SECONDS:
            said = (
                message("a bound is more than 0 seconds")
                # ``not > 0`` instead of ``<= 0``: NaN belongs here too.
                if not bound > 0
                else message("a bound is at most {most_seconds:g} seconds", most_seconds=MOST_SECONDS)
            )
            raise UsageError(message("--slo-{name} {bound:g}: {said}.", name=name.removesuffix("_s"), bound=bound, said=said))
    if not 0 < load.percentile <= 100:
        raise UsageError(message("--percentile {percentile:g}: not above 0 and up to 100.", percentile=load.percentile))
    return Slo(**bounds, share=load.percentile / 100) if any(bounds.values()) else None


def traffic_of(load: RequestLoad, case: Case) -> Traffic:
    """The requests of a load, with the case's own lengths where none are given; raises ``UsageError`` for what is missing."""
    if load.rate_per_s is not None and not LEAST_RATE <= load.rate_per_s <= MOST_RATE:
        is_none = not load.rate_per_s > 0
        said = (
            message("is more than 0")
            if is_none
            else message("is from {least_rate:g} to {most_rate:g}", least_rate=LEAST_RATE, most_rate=MOST_RATE)
        )
        raise UsageError(
            message("--rate {rate_per_s:g}: a rate {said} requests per second.", rate_per_s=load.rate_per_s, said=said)
        )
    if load.lengths is not None and load.trace is not None:
        raise UsageError(message("--lengths and --trace: a trace has its own lengths."), message("Omit one of them."))
    trace = read_trace(load.trace) if load.trace is not None else None
    has_moments = trace is not None and trace.arrival_s is not None
    if load.rate_per_s is None and not has_moments:
        raise UsageError(
            message("--scenario server: the arrival rate is missing."), message("Add --rate R in requests per second.")
        )
    inputs, outputs = _lengths(load.lengths, case)
    _refuse_beyond_context(case, inputs, outputs)
    # A trace is played once by default, drawn requests number as many as Traffic's default.
    count = load.num_requests or (len(trace.input_tokens) if trace is not None else Traffic.model_fields["num_requests"].default)
    return Traffic(
        arrivals=Arrivals(pattern="trace" if has_moments else "poisson", rate_per_s=load.rate_per_s),
        input_tokens=inputs,
        output_tokens=outputs,
        num_requests=count,
        seed=load.seed,
        trace=trace,
    )


def _refuse_beyond_context(case: Case, inputs: Length, outputs: Length) -> None:
    """Raise ``UsageError`` where every request is longer than the model's context; of lengths that vary, some may fit."""
    family = registry.load("workloads", case.workload)
    is_generating = case.workload == "gpt" and (case.model is not None or case.preset in family.presets)
    limit = position_limit(family.preset(case).config) if is_generating else None
    if limit is None or not isinstance(inputs, FixedLength) or not isinstance(outputs, FixedLength):
        return
    if inputs.tokens + outputs.tokens > limit:
        raise UsageError(
            message(
                "{workload}/{preset}: requests of {num_tokens} tokens exceed the model's {limit} positions.",
                workload=case.workload,
                preset=case.preset,
                num_tokens=inputs.tokens + outputs.tokens,
                limit=limit,
            )
        )


def _lengths(text: str | None, case: Case) -> tuple[Length, Length]:
    own = own_lengths(case)
    if text is None:
        # Families without tokens are served in batches, whose time does not depend on lengths.
        return own or (FixedLength(tokens=1), FixedLength(tokens=1))
    if own is None:
        raise UsageError(
            message("--lengths: {workload} has no input and no output in tokens.", workload=case.workload),
            message("Omit --lengths."),
        )
    inputs, separator, outputs = text.partition("/")
    if not separator:
        raise UsageError(
            message("--lengths {text}: the output length is missing.", text=text),
            message("Write INPUT/OUTPUT, such as 1024/256 or lognormal:700,1/256."),
        )
    return parse_length(inputs), parse_length(outputs)


def predict_served(
    case: Case,
    spec: AcceleratorSpec,
    *,
    load: RequestLoad,
    model: ServiceModel,
    serving: Serving,
    max_batch: int | None = None,
) -> list[PredictedRow]:
    """Latencies, rates, use and goodput of the case as a service; raises ``UsageError`` where it cannot be answered."""
    traffic, precision = traffic_of(load, case), serving.precision
    slo = slo_of(load)
    if case.engine not in SERVED:
        refuse_lacking_precision(case.precision, spec)
    try:
        servers, cautions, level = _served(case, spec, traffic=traffic, slo=slo, model=model, serving=serving, max_batch=max_batch)
    except DoesNotFitError as problem:
        unfit = _unfit(case, precision=precision, why=problem.message)
        return [unfit, *_described(case, unfit.case, serving=serving)]
    found = dict(level.figures)
    if level.highest_rate is not None:
        found["highest_rate"] = level.highest_rate
    item = registry.load("workloads", case.workload).item
    served = case.model_copy(update={"scenario": "server", "batch_size": servers.max_in_flight})
    # The rate is part of the name: the same case at two rates must not share rows.
    name = (
        f"{named_as_served(served, precision)}/rate={found['arrival_rate'].value if load.rate_per_s is None else load.rate_per_s:g}"
    )
    return [
        predicted_row(served, metric, estimate, item=item, name=name, reasons=cautions, precision=precision, grade=servers.grade)
        for metric, estimate in _in_order(found)
    ] + _described(case, name, serving=serving)


def _described(case: Case, name: str, *, serving: Serving) -> list[PredictedRow]:
    """The rows of the model's description, which hold whether the service fits or not."""
    served, item = case.model_copy(update={"scenario": "server"}), registry.load("workloads", case.workload).item
    return [
        predicted_row(served, metric, estimate, item=item, name=name, precision=serving.precision, grade="physics")
        for metric, estimate in description(case, precision=serving.precision, options=serving.options).items()
    ]


def _served(
    case: Case,
    spec: AcceleratorSpec,
    *,
    traffic: Traffic,
    slo: Slo | None,
    model: ServiceModel,
    serving: Serving,
    max_batch: int | None,
) -> tuple[Servers, tuple[str, ...], ServiceLevel]:
    """The servers of the case on the layout of the fewest ranks that keeps the SLO, else on the one that comes nearest to it."""
    best = None
    for ranks in model.layouts(case, spec, traffic=traffic, serving=serving):
        placed = serving.model_copy(update={"parallel": ranks})
        servers, cautions = model.servers(case, spec, traffic=traffic, serving=placed, max_batch=max_batch)
        level = service_level(servers, traffic, slo=slo)
        highest = level.highest_rate.value if level.highest_rate is not None else math.inf
        if best is None or highest > best[0]:
            best = highest, (servers, cautions, level)
        # Without an SLO the fewest ranks are the best: the rest are replicas.
        if level.highest_rate is None or highest >= level.figures["arrival_rate"].value:
            break
    assert best is not None, "there is always a layout"
    return best[1]


def _unfit(case: Case, *, precision: str | None, why: str) -> PredictedRow:
    """The throughput of a service whose weights do not fit: no number, and the reason."""
    nothing = Estimate(value=0.0, low=0.0, high=0.0, unit="", basis="modelled", source=why, reasons=(DOES_NOT_FIT,))
    item = registry.load("workloads", case.workload).item
    served = case.model_copy(update={"scenario": "server"})
    row = predicted_row(served, "throughput", nothing, item=item, precision=precision, grade="physics")
    return row.model_copy(update={"value": None, "low": None, "high": None})


def _in_order(found: Mapping[str, Estimate]) -> Iterator[tuple[str, Estimate]]:
    """The registry's order."""
    yield from ((name, found[name]) for name in METRICS if name in found)
