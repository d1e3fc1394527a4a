"""The service level of a case on an accelerator: from names to a server model, and from there to latencies and rates.

    model = ServiceModel(catalogue)
    servers, cautions = model.servers(case, spec, traffic=traffic, serving=Serving(parallel={"tp": 4}))
    level = service_level(servers, traffic, slo=Slo(ttft_s=0.5, tpot_s=0.05))
    level.figures["ttft_p99"]        # Estimate, low <= value <= high
    level.highest_rate               # Estimate in requests/s, None without an SLO

``servers`` queries the performance model (milliseconds for served engines; for torch's the traces, which are remembered on disk)
and remembers its answer; ``service_level`` only simulates. So a planner that varies the rate, the SLO, or the spread of the lengths
keeps one ``ServiceModel``.

Which model answers: an engine of ``engines.SERVED`` the calibrated closed form (``closed_form``), torch's engines the traced
operators (``traced``): by continuous batching if the family writes token by token, else by whole batches.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from aigc_bench.catalog.loader import Catalogue
from aigc_bench.catalog.records import AcceleratorSpec
from aigc_bench.core import registry
from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.records import Case, Estimate, Record
from aigc_bench.predict.closed_form.columns import NotPredictable, uncalibrated
from aigc_bench.predict.closed_form.engine_options import EngineOptions, Serving, cached_bytes, refuse_options
from aigc_bench.predict.closed_form.language import Layout, default_cache_bytes
from aigc_bench.predict.closed_form.language_rows import number_format_of
from aigc_bench.predict.closed_form.layouts import possible_layouts, ranks_of
from aigc_bench.predict.closed_form.optioned_rows import held_besides, refuse_missing_layers
from aigc_bench.predict.closed_form.replica_memory import holding
from aigc_bench.predict.engines import SERVED
from aigc_bench.predict.fitting.calibration import Calibration, shipped_calibration
from aigc_bench.predict.language.of_case import is_encoder, served_language
from aigc_bench.predict.precisions import refuse_lacking_format, refuse_unsupported_part
from aigc_bench.predict.published.name_resolution import resolve_engine
from aigc_bench.predict.published.row import PublishedQuery
from aigc_bench.predict.serving.batch_queue import BatchServer
from aigc_bench.predict.serving.capacity import Servers, estimate, estimate_highest_rate
from aigc_bench.predict.serving.closed_form_server import closed_form_server
from aigc_bench.predict.serving.encoder_server import encoder_server
from aigc_bench.predict.serving.lengths import FixedLength, mean_tokens
from aigc_bench.predict.serving.request_arrivals import Traffic
from aigc_bench.predict.serving.server_model import Slo
from aigc_bench.predict.serving.traced_server import is_language, traced_batch_server, traced_language_server

PRECISION = 0.02
"""Relative precision of the highest rate."""


_AS_STATED = Serving()


class ServiceLevel(Record):
    """What a service gives under a load. ``figures`` by metric id (``ttft_p99``, ``goodput``, ``littles_law_error`` ...)."""

    figures: Mapping[str, Estimate]
    highest_rate: Estimate | None = None


class ServiceModel:
    """Answers what server a case is on an accelerator, each question once. ``calibration`` is the shipped one by default."""

    def __init__(self, catalogue: Catalogue, *, calibration: Calibration | None = None) -> None:
        self._catalogue = catalogue
        self._calibration = calibration or shipped_calibration()
        self._known: dict[str, tuple[Servers, tuple[str, ...]]] = {}

    def servers(
        self,
        case: Case,
        spec: AcceleratorSpec,
        *,
        traffic: Traffic,
        serving: Serving = _AS_STATED,
        max_batch: int | None = None,
    ) -> tuple[Servers, tuple[str, ...]]:
        """The case as a server, with its interval, and codes of what was assumed.

        Of the traffic only the mean lengths are used, and not the case's batch size: ``max_batch`` bounds the requests in flight
        of a replica (the size of a batch for families that are not language models, there 1 by default). All devices of the case
        serve, in replicas of ``serving.parallel``. Raises ``UsageError`` in one line where it cannot be served.
        """
        lengths = mean_lengths(traffic)
        # The whole records as text: two specs of one id may differ.
        key = "|".join(map(str, (case.model_dump_json(), spec.model_dump_json(), lengths, serving, max_batch)))
        if key not in self._known:
            # The scheduler makes the batches, not the case.
            batched = case.model_copy(update={"batch_size": max_batch or 1})
            if case.engine in SERVED and is_encoder(case):
                refuse_options(serving.options, case)
                self._known[key] = self._encoder(batched, spec, serving=serving, max_batch=max_batch)
            elif case.engine in SERVED:
                query = _query(batched, spec, lengths=lengths, precision=serving.precision)
                self._known[key] = self._closed_form(query, spec, case=batched, serving=serving, max_batch=max_batch)
            else:
                self._known[key] = self._traced(batched, spec, prompt_len=lengths[0], max_batch=max_batch)
        return self._known[key]

    def layouts(
        self, case: Case, spec: AcceleratorSpec, *, traffic: Traffic, serving: Serving = _AS_STATED
    ) -> list[Mapping[str, int]]:
        """Return the layouts of the case that hold a request, from the fewest ranks a replica, as ranks for ``servers``.

        One for torch's engines and encoders, and the widest where none fits.
        """
        if case.engine not in SERVED or is_encoder(case):
            return [serving.parallel]
        query = _query(case, spec, lengths=mean_lengths(traffic), precision=serving.precision)
        usable_bytes = self._catalogue.usable_memory(spec).value
        _refuse_apart(serving.options)
        return [ranks_of(layout) for layout in _fitting(query, spec, serving=serving, usable_bytes=usable_bytes)]

    def _closed_form(
        self, query: PublishedQuery, spec: AcceleratorSpec, *, case: Case, serving: Serving, max_batch: int | None
    ) -> tuple[Servers, tuple[str, ...]]:
        usable = self._catalogue.usable_memory(spec)
        layouts = list(_fitting(query, spec, serving=serving, usable_bytes=usable.value))
        try:
            return closed_form_server(
                query,
                spec,
                layout=layouts[0],
                usable=usable,
                calibration=self._calibration,
                max_num_seqs=max_batch,
                options=serving.options,
            )
        except NotPredictable as problem:
            raise uncalibrated(problem, case=case, spec=spec) from None

    def _encoder(
        self, case: Case, spec: AcceleratorSpec, *, serving: Serving, max_batch: int | None
    ) -> tuple[Servers, tuple[str, ...]]:
        try:
            return encoder_server(
                case,
                spec,
                parallel=serving.parallel,
                precision=serving.precision or case.precision,
                max_batch=max_batch,
                calibration=self._calibration,
            )
        except NotPredictable as problem:
            raise uncalibrated(problem, case=case, spec=spec) from None

    def _traced(
        self, case: Case, spec: AcceleratorSpec, *, prompt_len: int, max_batch: int | None
    ) -> tuple[Servers, tuple[str, ...]]:
        if case.mode != "infer":
            raise UsageError(message("Training is not a service."), message("Omit --scenario, or use --mode infer."))
        if is_language(case):
            return traced_language_server(case, spec, prompt_len=prompt_len, catalogue=self._catalogue, max_num_seqs=max_batch)
        return traced_batch_server(case, spec, catalogue=self._catalogue)


def service_level(servers: Servers, traffic: Traffic, *, slo: Slo | None = None, precision: float = PRECISION) -> ServiceLevel:
    """Simulate the traffic on the likely, fast and slow server; with an SLO also goodput and the highest rate that keeps it.

    Every run checks Little's law. Raises ``UsageError`` where no request fits into the cache, or where the SLO bounds what the
    service does not have (the first token of an image).
    """
    if isinstance(servers.likely, BatchServer) and slo is not None and slo.bounds.keys() != {"latency"}:
        raise UsageError(
            message("A result that arrives whole has no first token."), message("Bound its latency only: --slo-latency.")
        )
    figures = estimate(servers, traffic, slo=slo)
    highest = None
    # Closed arrivals have no rate to search for.
    if slo is not None and traffic.arrivals.pattern != "closed":
        highest = estimate_highest_rate(servers, traffic, slo=slo, precision=precision)
    return ServiceLevel(figures=figures, highest_rate=highest)


def mean_lengths(traffic: Traffic) -> tuple[int, int]:
    """Mean prompt and answer of the traffic in whole tokens."""
    if traffic.trace is not None:
        count = len(traffic.trace.input_tokens)
        return max(1, round(sum(traffic.trace.input_tokens) / count)), max(1, round(sum(traffic.trace.output_tokens) / count))
    return max(1, round(mean_tokens(traffic.input_tokens))), max(1, round(mean_tokens(traffic.output_tokens)))


def own_lengths(case: Case) -> tuple[FixedLength, FixedLength] | None:
    """The lengths that the case's settings state, ``None`` for a family without."""
    options = registry.load("workloads", case.workload).options(case)
    if not {"prompt_len", "max_new_tokens"} <= set(type(options).model_fields):
        return None
    return FixedLength(tokens=options.prompt_len), FixedLength(tokens=options.max_new_tokens)


def _refuse_apart(options: EngineOptions) -> None:
    """Raise ``UsageError`` where prompts are to be read by other devices: a simulated replica reads and decodes."""
    if options.prefill_devices:
        raise UsageError(
            message("--engine-option prefill_devices: --scenario server simulates devices that read prompts and decode."),
            message("Predict it offline at the requests in flight (--batch-size)."),
        )


def _fitting(query: PublishedQuery, spec: AcceleratorSpec, *, serving: Serving, usable_bytes: float) -> Iterator[Layout]:
    """Yield the layouts in which a request of the mean length fits next to the weights; the widest where it fits in none."""
    model, options = query.language, serving.options
    assert model is not None, "a case has the description of its model"
    refuse_missing_layers(options, model=model)
    engine, numbers = resolve_engine(query.software).name, number_format_of(query, model)
    refuse_unsupported_part(engine, spec)
    refuse_lacking_format(numbers, spec, engine=engine)
    tokens = (query.input_len or 1.0) + (query.output_len or 1.0)
    possible = list(possible_layouts(model, spec, engine=engine, devices=query.gpu_count, ranks=serving.parallel))

    def fits(layout: Layout) -> bool:
        width = cached_bytes(options, default_cache_bytes(numbers, engine=engine))
        besides = held_besides(options, model=model, numbers=numbers, layout=layout)
        held = holding(
            model, spec, number_format=numbers, cache_width=width, layout=layout, batch=1, tokens=tokens, usable_bytes=usable_bytes,
            besides_bytes=besides, engine=engine,
        )  # fmt: skip
        return held.largest_batch > 0

    yield from [layout for layout in possible if fits(layout)] or possible[-1:]


def _query(case: Case, spec: AcceleratorSpec, *, lengths: tuple[int, int], precision: str | None) -> PublishedQuery:
    """Return the case in the form of a published row."""
    model = served_language(case)
    return PublishedQuery(
        family="llm",
        task="infer-online",
        model=model.name,
        language=model,
        gpu=spec.id,
        gpu_count=case.devices,
        precision=precision or case.precision,
        software=case.engine,
        input_len=lengths[0],
        output_len=lengths[1],
        metric="tpot",
        unit="s",
    )
