"""From a service or a job to its candidates, and from a candidate to a capability with intervals for the plan."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from aigc_bench.core.messages import message
from aigc_bench.core.records import Case, Estimate
from aigc_bench.plan.hardware.measured_runs import MeasuredMachine, measured_rows
from aigc_bench.plan.records.demand import Job, Service, Slo
from aigc_bench.plan.records.machine import Capability
from aigc_bench.plan.search import served_candidates, traced_candidates, trained_candidates
from aigc_bench.plan.search.candidates import Candidates, stacked
from aigc_bench.plan.stats.estimates import estimate
from aigc_bench.predict.closed_form.columns import ModelRow
from aigc_bench.predict.closed_form.language import weight_bytes
from aigc_bench.predict.closed_form.language_rows import format_as_served
from aigc_bench.predict.closed_form.step_rows import step_row
from aigc_bench.predict.fitting.calibration import Calibration
from aigc_bench.predict.fitting.predictions import estimate_rows
from aigc_bench.predict.language.of_case import language_model
from aigc_bench.predict.model import stage_times
from aigc_bench.predict.published.name_resolution import language_models, number_format
from aigc_bench.predict.serving.concurrency import Setting
from aigc_bench.predict.tracing.optrace import OpTrace
from aigc_bench.predict.tracing.trace_cache import trace_case

if TYPE_CHECKING:
    from aigc_bench.catalog.loader import Catalogue
    from aigc_bench.catalog.records import AcceleratorSpec
    from aigc_bench.predict.published.language_models import LanguageModel

# Tokens, where the demand's settings name none.
DEFAULT_SEQ_LEN = 2048.0
MEMORY_SPREAD = 1.06
"""Upper end of a modelled memory peak over its value: fragmentation (catalogue: 3-10 %)."""
MOST_TRACES = 64
"""Traces kept in memory; a demand of many services needs a few of each."""


def cached_traces(trace: Callable[[Case], OpTrace]) -> Callable[[Case], OpTrace]:
    """A tracer with a cache in memory: all hosts need the same few cases."""
    known: dict[str, OpTrace] = {}

    def find(case: Case) -> OpTrace:
        """Return the trace of a case, computed once."""
        # Cases hold mappings and cannot be hashed.
        key = case.model_dump_json()
        if key not in known:
            if len(known) >= MOST_TRACES:
                # The oldest: a process that plans all day must not keep every trace it has seen.
                known.pop(next(iter(known)))
            known[key] = trace(case)
        return known[key]

    return find


TRACES = cached_traces(trace_case)
"""The tracer of all plans of a process: a chain or owned machines are planned several times."""


@dataclass(frozen=True, kw_only=True)
class Models:
    """The models that the search predicts with. ``trace`` is the tracer behind its cache."""

    catalogue: Catalogue
    calibration: Calibration
    trace: Callable[[Case], OpTrace] = TRACES
    measured: tuple[MeasuredMachine, ...] = ()
    floors: Mapping[str, int] = field(default_factory=dict)
    """Minimum accelerators of a load, by ``Load.case``, as required by a simulation."""
    spreads: dict[tuple[str, str, str], tuple[float, float]] = field(default_factory=dict)
    """Lower and upper error factors of traced times, by load, engine and precision; filled on demand."""


def is_language(workload: Service | Job) -> bool:
    """Return whether a serving engine or a training recipe of language models runs it, rather than the traced operators."""
    return language_of(workload) is not None


def language_of(workload: Service | Job) -> LanguageModel | None:
    """Return the description of the language model that serving engines and training recipes run; ``None`` for all others.

    A preset counts where results of a model of its sizes are published, a user's own model always.
    """
    if workload.workload != "gpt" or (workload.model is not None and _is_left_to_torch(workload)):
        return None
    model = language_model(workload.workload, workload.preset or "", model=workload.model)
    return model if model is not None and (workload.model is not None or model.name in language_models()) else None


def _is_left_to_torch(workload: Service | Job) -> bool:
    """Return whether a demand names engines, none of them a serving engine."""
    return bool(workload.engines) and not set(workload.engines) & set(served_candidates.ENGINES)


def lengths(workload: Service | Job) -> tuple[float, float]:
    """Return the tokens of a prompt and of an answer."""
    return float(workload.settings.get("prompt_len", 1)), float(workload.settings.get("max_new_tokens", 1))


def seq_len(job: Job) -> float:
    """Return the tokens of a training sequence."""
    return float(job.settings.get("seq_len", DEFAULT_SEQ_LEN))


def slo_of(workload: Service | Job) -> Slo:
    """Return the SLO of a service; a job has only a deadline."""
    return workload.slo if isinstance(workload, Service) else Slo()


def _idle_s(workload: Service | Job) -> float:
    """Return the mean seconds for which a request's cache waits on the device for the next turn; 0 where none is kept there."""
    if isinstance(workload, Job) or not workload.engine_options.prefix_hit_rate:
        return 0.0
    talk = workload.conversation
    return talk.continued_share * talk.think_s * (1.0 - workload.engine_options.kv_offload)


def candidates_for(workload: Service | Job, specs: Sequence[AcceleratorSpec], models: Models) -> Candidates | None:
    """Return every candidate on these accelerators; ``None`` where the performance model supports none of them."""
    preset, model = workload.preset or "", language_of(workload)
    if model is not None and workload.mode == "infer":
        return served_candidates.served_candidates(
            model,
            lengths=lengths(workload),
            specs=specs,
            engines=workload.engines,
            precisions=workload.precisions,
            catalogue=models.catalogue,
            calibration=models.calibration,
            options=workload.engine_options,
            idle_s=_idle_s(workload),
        )
    if model is not None and isinstance(workload, Job):
        return trained_candidates.trained_candidates(
            model,
            seq_len=seq_len(workload),
            adapter=workload.adapter,
            specs=specs,
            catalogue=models.catalogue,
            calibration=models.calibration,
        )
    found = traced_candidates.traced_candidates(
        workload.workload,
        preset,
        mode=workload.mode,
        settings=workload.settings,
        items_per_request=workload.items_per_request.value if isinstance(workload, Service) else 1.0,
        specs=specs,
        engines=workload.engines,
        precisions=workload.precisions,
        model=workload.model,
        catalogue=models.catalogue,
        trace=models.trace,
    )
    return found or stacked(measured_rows(workload, specs, measured=models.measured, catalogue=models.catalogue))


def capability_of(workload: Service | Job, found: Candidates, index: int, *, spec: AcceleratorSpec, models: Models) -> Capability:
    """Return the candidate as the capability of one accelerator, with the predictor's interval."""
    engine, precision = found.engines[int(found.engine[index])], found.precisions[int(found.precision[index])]
    devices, batch = int(found.devices[index]), float(found.batch[index])
    low, high, source = float(found.spread_low[index]), float(found.spread_high[index]), message("a measured run")
    # Only measured rows carry an interval of their own.
    if math.isnan(low):
        low, high, source = _spread(workload, spec, engine=engine, precision=precision, devices=devices, batch=batch, models=models)

    def time(value: float) -> Estimate | None:
        """Return seconds with the inverse interval of the speed; ``None`` where the row has no such time."""
        return (
            None
            # NaN is the one value that differs from itself.
            if value != value
            # A rate's high end is a time's low end.
            else estimate(value, low=value / high, high=value / low, unit="s", basis="modelled", source=source)
        )

    def figure(value: float, unit: str, *, up: float = 1.0) -> Estimate:
        """Return a modelled figure whose upper end is ``up`` times its value."""
        return estimate(value, high=value * up, unit=unit, basis="modelled", source=source)

    # A machine of the plan is one accelerator, a candidate's rates are of a replica.
    rate = float(found.throughput[index]) / devices
    weights, params = _weights(workload, precision, models)
    item = workload.item
    case = (
        f"{workload.workload}/{workload.preset}/{workload.mode}/{engine}/{precision}/x{devices}/b{batch:g}/cap{found.cap[index]:g}"
    )
    return Capability(
        case=case,
        workload=workload.workload,
        preset=workload.preset or "",
        mode=workload.mode,
        item=item,
        throughput=estimate(rate, low=rate * low, high=rate * high, unit=f"{item}s/s", basis="modelled", source=source),
        batch_size=int(batch),
        device_memory_bytes=figure(float(found.memory_bytes[index]), "B", up=MEMORY_SPREAD),
        params_bytes=weights / devices if weights else None,
        num_params=params,
        power_w=None if math.isnan(found.power_w[index]) else figure(float(found.power_w[index]), "W", up=1.1),
        engine=engine,
        precision=precision,
        machines_per_replica=devices,
        slots=float(found.slots[index]),
        service_s=time(float(found.latency_s[index])),
        ttft_s=time(float(found.ttft_s[index])),
        tpot_s=time(float(found.tpot_s[index])),
        power_cap=float(found.cap[index]),
        batch_times_s=() if is_language(workload) else _batch_times_s(found, index),
        machines_at_least=models.floors.get(f"{workload.name}: {case}", 0),
    )


def _batch_times_s(found: Candidates, index: int) -> tuple[tuple[float, float], ...]:
    """Return the time of each number of requests in one batch, from rows with smaller batches that are otherwise identical."""
    same = found.batch <= found.batch[index]
    for name in ("accelerator", "engine", "precision", "devices", "cap"):
        column = getattr(found, name)
        same &= column == column[index]
    requests, seconds = found.slots[same], found.service_s[same]
    # lexsort sorts by the last key first: by requests, then by seconds.
    order = np.lexsort((seconds, requests))
    # A larger batch can also run fewer requests, so the time never falls with the number of requests.
    least = np.minimum.accumulate(seconds[order][::-1])[::-1]
    sizes, first = np.unique(requests[order], return_index=True)
    return tuple(zip(sizes.tolist(), least[first].tolist(), strict=True))


def _spread(
    workload: Service | Job, spec: AcceleratorSpec, *, engine: str, precision: str, devices: int, batch: float, models: Models
) -> tuple[float, float, str]:
    """Return low and high end of a rate over its value, and their source."""
    row = _question(workload, spec, engine=engine, precision=precision, devices=devices, batch=batch)
    if row is None:
        return *_traced_spread(workload, spec, engine, precision, models), message(
            "operator roofline of {id}, not calibrated", id=spec.id
        )
    found = estimate_rows([row], calibration=models.calibration)[0]
    ends = (found.low / found.value, found.high / found.value)
    # Callers need the ends of a rate; of a time the inverse ones change places.
    low, high = ends if row.is_rate else (1 / ends[1], 1 / ends[0])
    return low, high, message("{track} on {id}, calibrated on published results, 80 % interval", track=row.track, id=spec.id)


def _traced_spread(
    workload: Service | Job, spec: AcceleratorSpec, engine: str, precision: str, models: Models
) -> tuple[float, float]:
    """Return the ends of a traced rate over its value: those of the step at batch 1 on the first requested accelerator."""
    key = (workload.name, engine, precision)
    if key not in models.spreads:
        case = _traced_case(workload, precision)
        times = stage_times(case.model_copy(update={"engine": engine}), spec, models.trace(case)).values()
        likely, fast, slow = (math.fsum(getattr(time, end) for time in times) for end in ("value", "low", "high"))
        models.spreads[key] = (likely / slow, likely / fast)
    return models.spreads[key]


def _traced_case(workload: Service | Job, precision: str) -> Case:
    """Return the case whose operators are traced for a workload."""
    return traced_candidates.case_of(
        workload.workload,
        workload.preset or "",
        workload.mode,
        precision=traced_candidates.as_traced(precision),
        settings=workload.settings,
        model=workload.model,
    )


def _question(
    workload: Service | Job, spec: AcceleratorSpec, *, engine: str, precision: str, devices: int, batch: float
) -> ModelRow | None:
    model = language_of(workload)
    if model is not None and workload.mode == "infer":
        prompt, answer = lengths(workload)
        options = workload.engine_options
        setting = Setting(
            model=model, spec=spec, engine=engine, precision=precision, ranks=devices - options.prefill_devices, input_len=prompt,
            output_len=answer, options=options,
        )  # fmt: skip
        return setting.row("tpot", sequences=batch)
    if model is not None and isinstance(workload, Job):
        query = trained_candidates.query(
            model, spec, ranks=devices, sequences=int(batch), seq_len=seq_len(workload), adapter=workload.adapter
        )
        return step_row(query, spec)
    return None


def _weights(workload: Service | Job, precision: str, models: Models) -> tuple[float | None, float | None]:
    """Return bytes and number of parameters, for storage and checkpoints."""
    model = language_of(workload)
    if model is not None:
        numbers = format_as_served(model, precision) if workload.mode == "infer" else number_format(precision)
        return weight_bytes(model, numbers), float(model.total_params)
    trace = models.trace(_traced_case(workload, precision))
    return float(trace.params_bytes), float(trace.num_params)
