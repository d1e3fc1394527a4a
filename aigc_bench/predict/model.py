"""Predicts a case on an accelerator: stage times, throughput, TTFT, TPOT, memory, power, each as a row with an interval.

Two ways, chosen by the engine. ``torch-eager`` and ``torch-compile`` run the workload's own operators: traced without a device
(``trace_cache``), timed by ``roofline``. Served engines (vLLM, TensorRT-LLM, SGLang ...) run the closed form that was calibrated on
published results (``language``), with the batch size as the number of requests in flight.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from aigc_bench.analyze.metrics import metric_of
from aigc_bench.catalog.loader import Catalogue
from aigc_bench.catalog.records import AcceleratorSpec
from aigc_bench.core import registry
from aigc_bench.core.errors import UsageError
from aigc_bench.core.records import AUDIO_ITEM, Case, Count, Estimate, MetricRow
from aigc_bench.predict import roofline
from aigc_bench.predict.answers import estimate_rows, refuse_far_outside
from aigc_bench.predict.calibration import Calibration, shipped_calibration
from aigc_bench.predict.collectives import collective_s
from aigc_bench.predict.engines import SERVED, engine_costs
from aigc_bench.predict.language_rows import language_row
from aigc_bench.predict.memory import peak_memory
from aigc_bench.predict.names import resolve_language_model
from aigc_bench.predict.optrace import OpTrace
from aigc_bench.predict.power import mean_power_w
from aigc_bench.predict.published import Query
from aigc_bench.predict.rows import Unanswered
from aigc_bench.predict.trace_cache import trace_case

TRACED_SPREAD = 1.5
"""Factor up and down of a traced time on datasheet peaks: constants moved between devices err 12-34 %, other operators more."""
PROBED_SPREAD = 1.35
"""The same where the machine's own probes gave the peaks."""
TRACED_CAUTION = "not_calibrated_on_published_results"

_SERVED_METRICS: Mapping[str, str] = {"throughput": "throughput", "ttft": "ttft", "tpot": "tpot"}


def predict_case(
    case: Case,
    spec: AcceleratorSpec,
    *,
    catalogue: Catalogue,
    parallel: Mapping[str, int] | None = None,
    precision: str | None = None,
    calibration: Calibration | None = None,
) -> list[MetricRow]:
    """All predicted metrics of a case on ``spec``; raises ``UsageError`` in one line where it cannot be answered.

    ``parallel`` holds ``tp`` and ``pp``; ``precision`` may name a format that only served engines have (fp8, fp4, int4).
    """
    if case.engine in SERVED:
        return list(
            _served(case, spec, parallel=parallel or {}, precision=precision, calibration=calibration or shipped_calibration())
        )
    if any(ranks > 1 for ranks in (parallel or {}).values()):
        raise UsageError(
            f"--parallel: {case.engine} is predicted with data parallelism only.",
            f"For tp and pp name a served engine: {', '.join(SERVED)}.",
        )
    if precision is not None and precision != case.precision:
        raise UsageError(
            f"--precision {precision}: {case.engine} has fp32, tf32, bf16 and fp16.",
            f"Other formats need one of {', '.join(SERVED)}.",
        )
    return list(_traced(case, spec, trace_case(case), catalogue=catalogue))


def _served(
    case: Case, spec: AcceleratorSpec, *, parallel: Mapping[str, int], precision: str | None, calibration: Calibration
) -> Iterator[MetricRow]:
    """Throughput, TTFT and TPOT of a language model behind a serving engine."""
    if case.mode != "infer" or resolve_language_model(case.preset) is None:
        raise UsageError(
            f"{case.workload}/{case.preset}: {case.engine} serves language models only.",
            "Use --engine torch-eager or torch-compile.",
        )
    options = registry.load("workloads", case.workload).options(case)
    fields = type(options).model_fields
    lengths = {
        "input_len": float(options.prompt_len) if "prompt_len" in fields else None,
        "output_len": float(options.max_new_tokens) if "max_new_tokens" in fields else None,
    }
    text = precision or case.precision
    for metric, asked in _SERVED_METRICS.items():
        query = Query(
            family="llm", task="infer-online", model=case.preset, gpu=spec.id, gpu_count=case.devices, precision=text,
            software=case.engine, concurrency=float(case.batch_size), metric=asked, unit="",
            layout={name: float(ranks) for name, ranks in parallel.items()}, **lengths,
        )  # fmt: skip
        try:
            row = language_row(query, spec)
            refuse_far_outside(row, calibration.ranges)
        except Unanswered as problem:
            raise UsageError(f"{case.id} on {spec.id}: {problem}.", "See docs/method.md for what is calibrated.") from None
        yield _row(case, metric, estimate_rows([row], calibration=calibration)[0], item="token", precision=text)


def _traced(case: Case, spec: AcceleratorSpec, trace: OpTrace, *, catalogue: Catalogue) -> Iterator[MetricRow]:
    """Every metric that the operators of one step give."""
    times = stage_times(case, spec, trace)
    reduce = _gradient_reduction(case, spec, trace, catalogue=catalogue)
    step = _added([*times.values(), reduce])
    items = case.devices * sum(stage.repeats * stage.items for stage in trace.stages)
    memory = peak_memory(trace, catalogue=catalogue)
    fit_reasons = _fits(memory.total, catalogue.usable_memory(spec))
    rows = {"throughput": _scaled_inverse(step, items, unit=f"{trace.item}s/s"), "step_time": step}
    rows |= {f"stage_time.{name}": time for name, time in times.items()}
    rows |= _derived_latencies(times, trace)
    if trace.item == AUDIO_ITEM and case.mode == "infer":
        rows["rtf"] = _estimate(
            *(case.batch_size * case.devices * seconds / items for seconds in (step.value, step.low, step.high)), unit="s"
        )
    for metric, estimate in rows.items():
        yield _row(case, metric, estimate, item=trace.item, reasons=fit_reasons)
    yield _row(case, "memory_allocated_peak", memory.tensors, item=trace.item, reasons=fit_reasons)
    yield from _power_rows(case, spec, trace, step, items=items, reasons=fit_reasons)


def stage_times(case: Case, spec: AcceleratorSpec, trace: OpTrace) -> dict[str, Estimate]:
    """Seconds of all repeats of each stage in one step, from the traced operators."""
    costs = engine_costs(case.engine)
    spread = PROBED_SPREAD if spec.basis == "measured" else TRACED_SPREAD
    times = {}
    for stage in trace.stages:
        low, value, high = (
            roofline.stage_s(stage, spec, costs=costs, precision=case.precision, host=host, is_serial=case.backend == "cpu")
            for host in range(3)
        )
        floor = roofline.ideal_s(stage, spec, precision=case.precision)
        value = max(value, floor)
        times[stage.name] = _estimate(value, max(min(low / spread, value), floor), max(high * spread, value), unit="s")
    return times


def _estimate(value: float, low: float, high: float, *, unit: str) -> Estimate:
    return Estimate(
        value=value, low=low, high=high, unit=unit, basis="modelled", source="operator roofline", reasons=(TRACED_CAUTION,)
    )


def _added(parts: Sequence[Estimate]) -> Estimate:
    return _estimate(sum(part.value for part in parts), sum(part.low for part in parts), sum(part.high for part in parts), unit="s")


def _scaled_inverse(time: Estimate, amount: float, *, unit: str) -> Estimate:
    return _estimate(amount / time.value, amount / time.high, amount / time.low, unit=unit)


def _gradient_reduction(case: Case, spec: AcceleratorSpec, trace: OpTrace, *, catalogue: Catalogue) -> Estimate:
    """The all-reduce of data-parallel training; none in inference or on one device."""
    num_bytes = trace.gradient_bytes if case.mode == "train" else 0
    return collective_s(num_bytes, kind="all_reduce", spec=spec, devices=case.devices, catalogue=catalogue)


def _derived_latencies(times: Mapping[str, Estimate], trace: OpTrace) -> dict[str, Estimate]:
    """TTFT of the prefill, TPOT of the decode, seconds per denoising step, where the family has such stages."""
    stages = {stage.name: stage for stage in trace.stages}
    found = {}
    for stage, metric in (("prefill", "ttft"), ("decode", "tpot"), ("denoise", "denoising_step_time")):
        if stage in times and (metric != "tpot" or stages[stage].makes_tokens):
            time, count = times[stage], 1 if stage == "prefill" else stages[stage].repeats
            found[metric] = _estimate(time.value / count, time.low / count, time.high / count, unit="s")
    return found


def _fits(total: Estimate, usable: Estimate) -> tuple[str, ...]:
    """Whether the peak is beyond what the device offers: surely, perhaps, or not."""
    if total.value > usable.value:
        return ("does_not_fit",)
    return ("may_not_fit",) if total.high > usable.low else ()


def _power_rows(
    case: Case, spec: AcceleratorSpec, trace: OpTrace, step: Estimate, *, items: Count, reasons: tuple[str, ...]
) -> Iterator[MetricRow]:
    """Achieved FLOP/s and MFU, mean watts of all devices, joules per item."""
    rate = _scaled_inverse(step, trace.flops * case.devices, unit="FLOP/s")
    peak = roofline.peak_of({"bf16": "bfloat16", "fp16": "float16"}.get(case.precision, "float32"), spec, precision=case.precision)
    mfu = [figure / (case.devices * peak) for figure in (rate.value, rate.low, rate.high)]
    yield _row(case, "flops_rate", rate, item=trace.item, reasons=reasons)
    yield _row(case, "mfu", _estimate(*mfu, unit="fraction"), item=trace.item, reasons=reasons)
    one = mean_power_w(spec, busy_share=min(1.0, mfu[0] / 0.6))
    if one is None:
        return
    watts = one.model_copy(update={name: getattr(one, name) * case.devices for name in ("value", "low", "high")})
    yield _row(case, "power_mean", watts, item=trace.item, reasons=reasons)
    joules = (watts.value * step.value / items, watts.low * step.low / items, watts.high * step.high / items)
    yield _row(case, "energy_per_item", _estimate(*joules, unit="J"), item=trace.item, reasons=reasons)


def _row(
    case: Case, metric_id: str, estimate: Estimate, *, item: str, reasons: tuple[str, ...] = (), precision: str | None = None
) -> MetricRow:
    """One predicted metric; what surely does not fit is invalid, what is assumed or may not fit is suspect."""
    metric = metric_of(metric_id, item=item)
    codes = (*estimate.reasons, *reasons)
    return MetricRow(
        case=case.id,
        workload=case.workload,
        preset=case.preset,
        mode=case.mode,
        scenario=case.scenario,
        engine=case.engine,
        precision=precision or case.precision,
        batch_size=case.batch_size,
        devices=case.devices,
        metric=metric.id,
        value=estimate.value,
        low=estimate.low,
        high=estimate.high,
        unit=metric.unit,
        n=0,
        basis="modelled",
        verdict="invalid" if "does_not_fit" in codes else "suspect" if set(codes) - {TRACED_CAUTION} else "valid",
        reasons=codes,
    )
