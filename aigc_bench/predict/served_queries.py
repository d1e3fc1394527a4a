"""A case under a load: from the words of a command (rate, SLO, lengths, trace file) to metric rows of basis ``modelled``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from aigc_bench.analyze.metrics import METRICS, metric_of
from aigc_bench.catalog.records import AcceleratorSpec
from aigc_bench.core import registry
from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.records import Case, Estimate, MetricRow
from aigc_bench.predict.model import TRACED_CAUTION, description
from aigc_bench.predict.query import RequestLoad
from aigc_bench.predict.serving.from_model import ServiceModel, own_lengths, service_level
from aigc_bench.predict.serving.lengths import FixedLength, Length, parse_length
from aigc_bench.predict.serving.request_arrivals import Arrivals, Traffic
from aigc_bench.predict.serving.server_model import Slo
from aigc_bench.predict.serving.trace_file import read_trace

# From one request in eleven days to more than any service has.
LEAST_RATE, MOST_RATE = 1e-6, 1e9
MOST_SECONDS = 1e9
SCENARIOS = ("offline", "server")
"""What ``predict`` answers; a single stream is ``offline`` with a batch of one."""

_NOTES = ("limited_by_slo", "limited_by_capacity", TRACED_CAUTION)
"""Reasons that explain a number and do not doubt it."""


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


def _lengths(text: str | None, case: Case) -> tuple[Length, Length]:
    own = own_lengths(case)
    if text is None:
        # Families without tokens are served in batches, whose time does not depend on lengths.
        return own or (FixedLength(tokens=1), FixedLength(tokens=1))
    if own is None:
        raise UsageError(
            message("--lengths: {workload} has no input and no output in tokens.", workload=case.workload), "Omit --lengths."
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
    parallel: Mapping[str, int] | None = None,
    precision: str | None = None,
    max_batch: int | None = None,
) -> list[MetricRow]:
    """Latencies, rates, use and goodput of the case as a service; raises ``UsageError`` where it cannot be answered."""
    traffic = traffic_of(load, case)
    slo = slo_of(load)
    servers, cautions = model.servers(case, spec, traffic=traffic, parallel=parallel, precision=precision, max_batch=max_batch)
    level = service_level(servers, traffic, slo=slo)
    found = dict(level.figures)
    if level.highest_rate is not None:
        found["highest_rate"] = level.highest_rate
    item = registry.load("workloads", case.workload).item
    served = case.model_copy(update={"scenario": "server", "batch_size": servers.max_in_flight})
    # The rate is part of the name: the same case at two rates must not share rows.
    name = f"{served.id}/rate={found['arrival_rate'].value if load.rate_per_s is None else load.rate_per_s:g}"
    return [
        _row(served, name, metric, estimate, item=item, cautions=cautions, precision=precision)
        for metric, estimate in (*_in_order(found), *description(case, precision=precision).items())
    ]


def _in_order(found: Mapping[str, Estimate]) -> Iterator[tuple[str, Estimate]]:
    """The registry's order."""
    yield from ((name, found[name]) for name in METRICS if name in found)


def _row(
    case: Case, name: str, metric_id: str, estimate: Estimate, *, item: str, cautions: Sequence[str], precision: str | None
) -> MetricRow:
    metric = metric_of(metric_id, item=item)
    codes = (*cautions, *estimate.reasons)
    doubts = set(codes) - set(_NOTES)
    return MetricRow(
        case=name,
        **case.model_dump(include={"workload", "preset", "mode", "scenario", "engine", "batch_size", "devices"}),
        precision=precision or case.precision,
        metric=metric.id,
        value=estimate.value,
        low=estimate.low,
        high=estimate.high,
        unit=metric.unit,
        n=0,
        basis="modelled",
        verdict="invalid" if "does_not_fit" in codes else "suspect" if doubts else "valid",
        reasons=codes,
    )
