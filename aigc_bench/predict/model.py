"""Predicts a case on an accelerator: stage times, throughput, TTFT, TPOT, memory, power, each as a row with an interval.

Two ways, chosen by the engine. ``torch-eager`` and ``torch-compile`` run the workload's own operators: traced without a device
(``trace_cache``), timed by ``roofline``, corrected by what the user's own runs say (``posterior``). Served engines (vLLM,
TensorRT-LLM, SGLang ...) run the closed form that was calibrated on published results (``language``), with the batch size as the
number of requests in flight.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from aigc_bench.catalog.loader import Catalogue
from aigc_bench.catalog.records import AcceleratorSpec
from aigc_bench.core import registry
from aigc_bench.core.derivation import SAME, Derivation, Places, given, number_of, record, restated
from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.records import AUDIO_ITEM, Case, Estimate
from aigc_bench.predict.closed_form.engine_options import EngineOptions, Serving, cached_bytes, refuse_options
from aigc_bench.predict.closed_form.language import default_cache_bytes
from aigc_bench.predict.closed_form.language_rows import format_as_served
from aigc_bench.predict.data_parallel import exchange_s, refuse_shards, sharded, shards_of
from aigc_bench.predict.derivations import (
    CORRECTION,
    LIVE,
    devices_of,
    fitted,
    flops_per_step,
    items_per_step,
    modelled,
    peak_number,
    stage_number,
)
from aigc_bench.predict.engines import SERVED
from aigc_bench.predict.fitting.calibration import Calibration, shipped_calibration
from aigc_bench.predict.fitting.posterior import Z_80, LogEstimate, Posterior
from aigc_bench.predict.fitting.random_effects import spreads
from aigc_bench.predict.language.figures import figures
from aigc_bench.predict.language.of_case import is_encoder, language_of
from aigc_bench.predict.machine_card import ProbedAccelerator
from aigc_bench.predict.precisions import refuse_lacking_precision
from aigc_bench.predict.predicted import DOES_NOT_FIT, HOST_BOUND, Grade, PredictedRow, predicted_row
from aigc_bench.predict.published.language_models import LanguageModel
from aigc_bench.predict.published.name_resolution import resolve_engine
from aigc_bench.predict.roofline import roofline
from aigc_bench.predict.roofline.engine_operators import executed_trace, refuse_lacking_units
from aigc_bench.predict.roofline.quantities import case_dtype, memory_quantities, power_quantity, served_quantity, stage_quantity
from aigc_bench.predict.served_encoder import served_encoder
from aigc_bench.predict.served_offline import TIMED, served_offline
from aigc_bench.predict.tracing.optrace import OpTrace, StageTrace

TRACED_CAUTION = "not_calibrated_on_published_results"
PROBED, CALIBRATED, INFORMED = "calibrated_by_probes", "calibrated_by_own_runs", "informed_by_other_machines"
"""What own measurements a number rests on: operators of this machine, models on this machine, models elsewhere."""
MAX_P_FIT = 0.999
"""A probability to fit is at most this, and at least the rest."""
LEAST_P_FIT = 0.95
"""Probability below which a case is marked ``may_not_fit``."""

FITS = message("P(peak <= usable memory), both lognormal by their intervals, of the peak that fits worst")
WATTS = message(
    "idle power + shares of arithmetic and of memory traffic in the step x what they draw at most (roofline/device_power.py)"
)


# Effects on top of probed rates and of a datasheet's are different numbers, and must not share a group.
PROBED_SUFFIX = "@probed"


class _Known(NamedTuple):
    """What the prediction of a traced case rests on: catalogue, the user's own runs, and the modules that its process imports."""

    catalogue: Catalogue
    posterior: Posterior
    libraries: Collection[str]


def predict_case(
    case: Case,
    spec: AcceleratorSpec,
    *,
    catalogue: Catalogue,
    parallel: Mapping[str, int] | None = None,
    precision: str | None = None,
    calibration: Calibration | None = None,
    posterior: Posterior | None = None,
    libraries: Collection[str] | None = None,
    options: EngineOptions | None = None,
) -> list[PredictedRow]:
    """All predicted metrics of a case on ``spec``; raises ``UsageError`` in one line where it cannot be answered.

    ``parallel`` holds ``tp`` and ``pp``; ``precision`` may name a format that only served engines have (fp8, fp4, int4).
    ``posterior`` is what the user's own runs say (``own_runs``). ``libraries`` are the modules that a process on a CPU has
    imported, by default those of the case's own workload. ``options`` are those of a served engine.
    """
    own = posterior or uninformed()
    if case.engine in SERVED:
        refuse_shards(case.engine, parallel or {})
        chosen = options or EngineOptions()
        serving = Serving(parallel=parallel or {}, precision=precision, options=chosen)
        fitted_to = calibration or shipped_calibration()
        if is_encoder(case):
            refuse_options(chosen, case)
        served = served_encoder if is_encoder(case) else served_offline
        rows = served(case, spec, serving=serving, calibration=fitted_to, catalogue=catalogue)
        found = [_recalibrated(row, case, posterior=own, machine=machine_of(spec)) for row in rows]
        return [*found, *_description_rows(case, precision=precision, options=chosen)]
    # A trace is of one device; replicas of it are data parallelism.
    shards = shards_of(case, parallel or {})
    if precision is not None and precision != case.precision:
        raise UsageError(
            message("--precision {precision}: {engine} has fp32, tf32, bf16 and fp16.", precision=precision, engine=case.engine),
            message("Other formats need one of {served}.", served=", ".join(SERVED)),
        )
    if libraries is None:
        libraries = registry.load("workloads", case.workload).imports(case)
    refuse_lacking_precision(case.precision, spec)
    refuse_lacking_units(case, spec)
    traced = _traced(case, spec, executed_trace(case), known=_Known(catalogue, own, libraries), shards=shards)
    return [*traced, *_description_rows(case)]


def _description_rows(case: Case, *, precision: str | None = None, options: EngineOptions | None = None) -> list[PredictedRow]:
    """Rows that hold whether the case fits or not: they are counted from the configuration alone."""
    item, found = registry.load("workloads", case.workload).item, description(case, precision=precision, options=options)
    return [
        predicted_row(case, metric, estimate, item=item, precision=precision, grade="physics") for metric, estimate in found.items()
    ]


def description(case: Case, *, precision: str | None = None, options: EngineOptions | None = None) -> dict[str, Estimate]:
    """Return parameters, active parameters and KV bytes of a token of a language model; nothing for other families.

    ``precision`` is a served engine's format where the case cannot hold it, ``options`` may set that of its cache.
    """
    model = language_of(case)
    if model is None:
        return {}
    return figures(model, cache_bytes=cached_bytes(options or EngineOptions(), _cache_bytes(case, model, precision=precision)))


def _cache_bytes(case: Case, model: LanguageModel, *, precision: str | None) -> float:
    """Bytes of a cached element: the engine's own choice, else the width of the case's precision."""
    if case.engine not in SERVED:
        return 2.0 if case.precision in ("bf16", "fp16") else 4.0
    numbers = format_as_served(model, precision or case.precision)
    return default_cache_bytes(numbers, engine=resolve_engine(case.engine).name)


@functools.cache
def uninformed() -> Posterior:
    """The hierarchical model before any own run."""
    return Posterior(spreads=spreads())


def machine_of(spec: AcceleratorSpec) -> str:
    """Return the name that separates measurements on a device from those on others; a probed one has other base rates."""
    return f"{spec.machine}{PROBED_SUFFIX}" if isinstance(spec, ProbedAccelerator) else spec.id


def _traced(case: Case, spec: AcceleratorSpec, trace: OpTrace, *, known: _Known, shards: int = 1) -> Iterator[PredictedRow]:
    """Every metric that the operators of one step give."""
    posterior = known.posterior
    times = stage_times(case, spec, trace, posterior=posterior)
    reduce = exchange_s(case, spec, trace, shards=shards, catalogue=known.catalogue)
    step = _step_time(case, spec, trace, times=times, reduce=reduce, posterior=posterior)
    made = items_per_step(case, trace)
    items = case.devices * sum(stage.repeats * stage.items for stage in trace.stages)
    memory = _memory(case, spec, sharded(trace, shards), known=known)
    fit_reasons = _fits(memory["p_fits"])
    reasons = (*_grounds(case, posterior, machine=machine_of(spec)), *_host_reasons(case, spec, trace), *fit_reasons)
    grade = grade_of(reasons)
    largest = _largest(case, spec, memory, known=known, shards=shards) if DOES_NOT_FIT in fit_reasons else None
    rate = _scaled_inverse(step, items, unit=f"{trace.item}s/s")
    rows = {"throughput": record(rate, Derivation("{0} / {1}", (made, step))), "step_time": step}
    rows |= {f"stage_time.{name}": time for name, time in times.items()}
    rows |= _derived_latencies(times, trace)
    if trace.item == AUDIO_ITEM and case.mode == "infer":
        batch = given(
            case.batch_size, "sequences", source=message("batch size of the case"), key="batch_size", title=message("batch size")
        )
        rows["rtf"] = modelled(
            *(case.batch_size * case.devices * seconds / items for seconds in (step.value, step.low, step.high)),
            unit="s",
            derivation=Derivation("{0} * {1} * {2} / {3}", (batch, devices_of(case), step, made)),
        )
    for metric, estimate in {**rows, **memory}.items():
        yield predicted_row(case, metric, estimate, item=trace.item, reasons=reasons, grade=grade, largest_batch=largest)
    yield from _power_rows(case, spec, trace, step, made=made, reasons=reasons, posterior=posterior)


def _largest(case: Case, spec: AcceleratorSpec, memory: Mapping[str, Estimate], *, known: _Known, shards: int) -> int | None:
    """The largest batch that fits where the case's own does not."""
    one = case.model_copy(update={"batch_size": 1})
    alone = memory if case.batch_size == 1 else _memory(one, spec, sharded(executed_trace(one), shards), known=known)
    return largest_batch(alone, memory, batch=case.batch_size, usable_bytes=known.catalogue.usable_memory(spec).value)


def stage_times(case: Case, spec: AcceleratorSpec, trace: OpTrace, *, posterior: Posterior | None = None) -> dict[str, Estimate]:
    """Seconds of all repeats of each stage in one step, from the traced operators.

    The interval is 80 %. Raises ``UsageError`` where the device has no peak for an operator's dtype.
    """
    own, found = posterior or uninformed(), dict[str, Estimate]()
    for stage in trace.stages:
        quantity = stage_quantity(stage, spec, case=case, machine=machine_of(spec))
        found[stage.name] = stage_number(stage, own.estimate(quantity), quantity, floor=_ideal_s(stage, spec, case))
    return found


def _step_time(
    case: Case, spec: AcceleratorSpec, trace: OpTrace, *, times: Mapping[str, Estimate], reduce: Estimate, posterior: Posterior
) -> Estimate:
    """The stages' sum; its interval knows that they err together as far as they share effects."""
    machine = machine_of(spec)
    parts = [posterior.estimate(stage_quantity(stage, spec, case=case, machine=machine)) for stage in trace.stages]
    floor = sum(_ideal_s(stage, spec, case) for stage in trace.stages)
    low, high = (max(end, floor) for end in posterior.added(parts).interval())
    # The value is the sum of the stages shown, so that a reader can add them up.
    value = sum(time.value for time in times.values())
    of = Places()
    words = of.plus([*times.values(), reduce])
    return modelled(
        value + reduce.value,
        # The posterior's median of the sum and the sum of the medians differ a little: the value must lie inside.
        min(low, value) + reduce.low,
        max(high, value) + reduce.high,
        unit="s",
        derivation=Derivation(words, tuple(of.inputs), message("sum of the stages + reduction of the gradients")),
    )


def _ideal_s(stage: StageTrace, spec: AcceleratorSpec, case: Case) -> float:
    """What no prediction is shorter than; rates that probes achieved are no limit of the hardware."""
    return 0.0 if spec.basis == "measured" else roofline.ideal_s(stage, spec, precision=case.precision)


def _grounds(case: Case, posterior: Posterior, *, machine: str) -> tuple[str, ...]:
    """Return the code of the own measurements that inform a case on a machine; none without measurements."""
    known = posterior.effects
    if not known:
        return (TRACED_CAUTION,)
    if f"machine_model={machine}|{case.mode}" in known or f"machine_engine={machine}|{case.engine}" in known:
        return (CALIBRATED,)
    if f"machine={machine}" in known:
        return (PROBED,)
    return (INFORMED,) if f"engine={case.backend}|{case.engine}" in known else (TRACED_CAUTION,)


def _host_reasons(case: Case, spec: AcceleratorSpec, trace: OpTrace) -> tuple[str, ...]:
    """``host_bound`` where a device waits for its host's dispatch for most of the step; a CPU is its own host."""
    if case.backend == "cpu":
        return ()
    total = waited = 0.0
    for stage in trace.stages:
        for device, host in stage_quantity(stage, spec, case=case, machine=machine_of(spec)).parts:
            device_s, host_s = (sum(term.amount for term in terms) for terms in (device, host))
            total += max(device_s, host_s)
            waited += host_s if host_s > device_s else 0.0
    return (HOST_BOUND,) if waited > total / 2 else ()


def grade_of(reasons: Collection[str]) -> Grade:
    """Return the grade of a number from the codes of the own measurements behind it."""
    if CALIBRATED in reasons or PROBED in reasons:
        return "calibrated"
    return "neighbours" if INFORMED in reasons else "physics"


def _scaled_inverse(time: Estimate, amount: float, *, unit: str) -> Estimate:
    # The long end of the time is the low end of the rate.
    return modelled(amount / time.value, amount / time.high, amount / time.low, unit=unit)


def _derived_latencies(times: Mapping[str, Estimate], trace: OpTrace) -> dict[str, Estimate]:
    """TTFT of the prefill, TPOT of the decode, seconds per denoising step, where the family has such stages."""
    stages = {stage.name: stage for stage in trace.stages}
    found = {}
    for stage, metric in (("prefill", "ttft"), ("decode", "tpot"), ("denoise", "denoising_step_time")):
        if stage in times and (metric != "tpot" or stages[stage].makes_tokens):
            # A prefill read in several chunks is one first token.
            time, count = times[stage], 1 if stage == "prefill" else stages[stage].repeats
            repeats = given(
                count, "repeats", source=message("traced"), key=f"repeats.{stage}", title=message("repeats of {stage}", stage=stage)
            )
            each = modelled(time.value / count, time.low / count, time.high / count, unit="s")
            found[metric] = record(each, Derivation("{0} / {1}", (time, repeats)))
    return found


def _memory(case: Case, spec: AcceleratorSpec, trace: OpTrace, *, known: _Known) -> dict[str, Estimate]:
    """Peaks by metric, and the probability that the largest of them is within what the device or host offers."""
    quantities = memory_quantities(trace, case=case, machine=machine_of(spec), catalogue=known.catalogue, libraries=known.libraries)
    found = {metric: known.posterior.estimate(quantity) for metric, quantity in quantities.items()}
    usable = known.catalogue.usable_memory(spec)
    fits = [probability_to_fit(estimate, usable) for estimate in found.values()]
    peaks = {
        metric: fitted(found[metric], quantity, unit="B", key=metric, title=metric.replace("_", " "), source=LIVE)
        for metric, quantity in quantities.items()
    }
    size = restated(usable, key="usable_memory", title=message("usable memory of the device"))
    likely = Derivation(None, (*peaks.values(), size), FITS)
    return peaks | {"p_fits": modelled(min(fits), min(fits), min(fits), unit="fraction", derivation=likely)}


def largest_batch(alone: Mapping[str, Estimate], asked: Mapping[str, Estimate], *, batch: int, usable_bytes: float) -> int | None:
    """Return the largest batch whose peaks fit, from those of one item and of a ``batch`` that does not; ``None`` where none does.

    Live tensors grow by the same bytes with every item, so that two traces tell all between them.
    """
    fitting = batch - 1
    for metric, peak in asked.items():
        if metric == "p_fits":
            continue
        room = usable_bytes - alone[metric].value
        if room < 0 or batch == 1:
            return None
        each = (peak.value - alone[metric].value) / (batch - 1)
        if each > 0:
            fitting = min(fitting, 1 + int(room / each))
    return fitting or None


def probability_to_fit(peak: LogEstimate, usable: Estimate) -> float:
    """Return the probability that a lognormal peak fits into ``usable`` memory, lognormal with its ends as 80 % interval.

    At most ``MAX_P_FIT``: beyond that the error of the model itself dominates.
    """
    # Half the width of an 80 % interval in logs is Z_80 standard deviations.
    spread = math.log(usable.high / usable.low) / (2 * Z_80)
    deviation = math.hypot(peak.deviation, spread)
    margin = math.log(usable.value) - peak.mean
    # The normal distribution function at margin / deviation; erfc keeps its precision in the tail.
    probability = 0.5 * math.erfc(-margin / deviation / math.sqrt(2)) if deviation > 0 else float(margin >= 0)
    return min(max(probability, 1 - MAX_P_FIT), MAX_P_FIT)


def _fits(probability: Estimate) -> tuple[str, ...]:
    """Whether the peak is beyond what the device offers: more likely than not, perhaps, or not."""
    if probability.value < 0.5:
        return (DOES_NOT_FIT,)
    return ("may_not_fit",) if probability.value < LEAST_P_FIT else ()


def _power_rows(
    case: Case,
    spec: AcceleratorSpec,
    trace: OpTrace,
    step: Estimate,
    *,
    made: Estimate,
    reasons: tuple[str, ...],
    posterior: Posterior,
) -> Iterator[PredictedRow]:
    """Achieved FLOP/s and MFU, mean watts of all devices, joules per item."""
    grade = grade_of(reasons)
    rate = _scaled_inverse(step, trace.flops * case.devices, unit="FLOP/s")
    peak = roofline.peak_of(case_dtype(case), spec, precision=case.precision)
    devices = devices_of(case)
    record(rate, Derivation("{0} * {1} / {2}", (flops_per_step(trace), devices, step)))
    ends = [figure / (case.devices * peak) for figure in (rate.value, rate.low, rate.high)]
    mfu = modelled(*ends, unit="fraction", derivation=Derivation("{0} / ({1} * {2})", (rate, devices, peak_number(case, spec))))
    yield predicted_row(case, "flops_rate", rate, item=trace.item, reasons=reasons, grade=grade)
    yield predicted_row(case, "mfu", mfu, item=trace.item, reasons=reasons, grade=grade)
    quantity = power_quantity(case, spec, trace=trace, step_s=step.value, machine=machine_of(spec))
    if quantity is None:
        return
    found = posterior.estimate(quantity)
    limit = spec.tdp_w or math.inf
    one = fitted(found, quantity, unit="W", key="power_mean", title=message("power of one device"), source=WATTS)
    tdp = given(
        limit,
        "W",
        source=message("TDP of {accelerator}: {source}, {as_of}", accelerator=spec.id, source=spec.source, as_of=spec.as_of),
        key="tdp_w",
        title="TDP",
        basis=spec.basis,
    )
    watts = modelled(
        *(case.devices * min(figure, limit) for figure in (found.value, *found.interval())),
        unit="W",
        derivation=Derivation("{0} * min({1}, {2})", (devices, one, tdp)),
    )
    yield predicted_row(case, "power_mean", watts, item=trace.item, reasons=reasons, grade=grade)
    joules = [getattr(watts, end) * getattr(step, end) / made.value for end in ("value", "low", "high")]
    energy = modelled(*joules, unit="J", derivation=Derivation("{0} * {1} / {2}", (watts, step, made)))
    yield predicted_row(case, "energy_per_item", energy, item=trace.item, reasons=reasons, grade=grade)


def _recalibrated(row: PredictedRow, case: Case, *, posterior: Posterior, machine: str) -> PredictedRow:
    """A served engine's row, shifted and narrowed by own runs of that engine."""
    if row.value is None or row.low is None or row.high is None or row.metric not in TIMED:
        return row
    quantity = served_quantity(case, row, machine=machine)
    if not quantity.groups.keys() & posterior.effects.keys():
        return row
    before, after = uninformed().estimate(quantity), posterior.estimate(quantity)
    # Standard deviation of the closed form, which holds the machine's and engine's spread before any run.
    form = math.log(row.high / row.low) / (2 * Z_80)
    # Own runs replace the part of the variance that these effects had; what the form itself errs by stays.
    left = math.sqrt(max(form**2 - before.deviation**2, 0.0) + after.deviation**2)
    # Never wider than before: a measurement cannot make less known.
    width = math.exp(Z_80 * min(left, form))
    is_own = any(group.startswith("served=") for group in quantity.groups.keys() & posterior.effects.keys())
    ends = {"value": after.value, "low": after.value / width, "high": after.value * width}
    ground = CALIBRATED if is_own else INFORMED
    # The closed form may have seen the device; an own run elsewhere does not undo that.
    grade = "calibrated" if is_own or row.grade == "calibrated" else "neighbours"
    changed = row.model_copy(
        update={**ends, "reasons": (*row.reasons, ground), "grade": grade if row.verdict == "modelled" else None}
    )
    number = number_of(row)
    if number is None:
        return changed
    name = f"{row.metric}.correction"
    factor = given(
        after.value / row.value, "ratio", source=CORRECTION, key=name, title=message("correction of {metric}", metric=row.metric)
    )
    moved = Estimate(**ends, unit=number.unit, basis="modelled", source=number.source)
    return record(changed, Derivation(SAME, (record(moved, Derivation("{0} * {1}", (number, factor))),)))
