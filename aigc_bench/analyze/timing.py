"""Metrics of a trial from its own clock: throughput, latencies, stages, FLOP/s. Pure functions over one finished trial."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from aigc_bench.analyze.metrics import PERCENTILES
from aigc_bench.analyze.raw_inputs import CASE, SHEET, over, raw, sample
from aigc_bench.analyze.readings import Floats, Series
from aigc_bench.analyze.statistics import percentile
from aigc_bench.core.derivation import Derivation
from aigc_bench.core.messages import message
from aigc_bench.core.records import AUDIO_ITEM, Case, Count, Samples, Stage, TrialResult, Window, Work

BURST_S = 5.0
STEADY_C_PER_S = 1.0 / 30.0
# Embedding tables, which are looked up and not multiplied, take a dense model a little below 1.
MIN_ACTIVE_SHARE = 0.8
HARNESS_PARTS = ("count_s", "quality_s", "data_s")
"""Parts of a trial's preparation that are this harness's own (counting FLOPs, judging, laying out data): no part of being ready."""


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """One trial's value of one metric; ``None`` with the reasons where it has none. ``n`` counts what ``Metric.n_means`` says.

    ``derivation`` is what it was computed from, where more than the metric's formula is known.
    """

    metric: str
    value: float | None
    n: int = 1
    reasons: tuple[str, ...] = ()
    derivation: Derivation | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, kw_only=True)
class Peak:
    """Dense peak of a device at a case's dtype, and its memory bandwidth; ``None`` where unknown. ``reasons`` qualify the peak."""

    flops_per_s: float | None = None
    bytes_per_s: float | None = None
    reasons: tuple[str, ...] = ()


def timings(case: Case, trial: TrialResult, *, peak: Peak) -> Iterator[Quantity]:
    """Every quantity that follows from the samples of a finished trial."""
    work, window = trial.work, trial.window
    if work is None or window is None or trial.steps is None or trial.samples is None or window.num_steps == 0:
        return
    yield from _rates(case, work, window=window, peak=peak)
    yield from _steps(case, np.asarray(trial.steps.duration_s))
    yield from _stages(work, trial.samples)
    decode = _stage_index(work, "decode")
    if case.mode == "infer" and decode is not None:
        yield from _tokens(case, trial, work, samples=trial.samples, decode=decode, peak=peak)
    denoise = _stage_index(work, "denoise")
    if denoise is not None:
        repeats = _durations(trial.samples, denoise)
        how = sample(repeats, q=0.5, what=message("denoise repeats"))
        yield Quantity(metric="denoising_step_time", value=percentile(repeats, 0.5), n=repeats.size, derivation=how)
    yield Quantity(metric="launch_gap", value=launch_gap(trial))
    yield Quantity(metric="useful_fraction", value=work.useful_fraction)
    if trial.quality is not None:
        yield from (Quantity(metric=name, value=value) for name, value in trial.quality.values.items())
    if trial.time_to_ready_s:
        yield _time_to_ready(trial.time_to_ready_s)


def _time_to_ready(seconds_of: Mapping[str, float]) -> Quantity:
    """The seconds until the first step, without those of the harness itself."""
    own = {part: seconds for part, seconds in seconds_of.items() if part not in HARNESS_PARTS}
    parts = [raw(part.removesuffix("_s").replace("_", " "), seconds, "s") for part, seconds in own.items()]
    how = over(" + ".join(f"{{{place}}}" for place in range(len(parts))), *parts) if parts else None
    return Quantity(metric="time_to_ready", value=sum(own.values()), derivation=how)


def launch_gap(trial: TrialResult) -> float | None:
    """``1 - device / wall``: the share of the window in which no step was under way on the device, never negative."""
    if trial.window is None or trial.steps is None:
        return None
    return max(0.0, 1.0 - sum(trial.steps.duration_s) / trial.window.wall_s)


def throughput(work: Work, window: Window) -> float:
    """Items per second: those of all the window's steps over its wall time (never over the latency of one step)."""
    return work.items_per_step * window.num_steps / window.wall_s


def step_flops(work: Work) -> int | None:
    """Counted FLOPs of one step over all devices; a stage without counted operators (an optimizer) adds nothing."""
    counted = [flops for flops in work.flops.values() if flops is not None]
    return work.replicas * sum(counted) if counted else None


def _rates(case: Case, work: Work, *, window: Window, peak: Peak) -> Iterator[Quantity]:
    rate = throughput(work, window)
    steps, wall = (
        raw(message("steps of the window"), window.num_steps, "steps"),
        raw(message("wall time of the window"), window.wall_s, "s"),
    )
    items = raw(message("items of a step"), work.items_per_step, f"{work.item}s/step")
    useful = raw(message("share of items that are not padding"), work.useful_fraction, "fraction")
    yield Quantity(metric="throughput", value=rate, derivation=over("{0} * {1} / {2}", items, steps, wall))
    how = over("{0} * {1} / {2} * {3}", items, steps, wall, useful)
    yield Quantity(metric="throughput_useful", value=rate * work.useful_fraction, derivation=how)
    devices = raw("devices", case.devices, "devices", source=CASE)
    if work.item == AUDIO_ITEM and case.mode == "infer" and rate:
        batch = raw(message("batch size"), case.batch_size, "sequences", source=CASE)
        how = over("{0} * {1} / ({2} * {3} / {4})", batch, devices, items, steps, wall)
        yield Quantity(metric="rtf", value=case.batch_size * case.devices / rate, derivation=how)
    flops = step_flops(work)
    if flops is None:
        yield Quantity(metric="flops_rate", value=None, reasons=("flops_not_counted",))
        yield Quantity(metric="mfu", value=None, reasons=("flops_not_counted",))
        return
    flops_rate = flops * window.num_steps / window.wall_s
    each = raw(message("counted FLOPs of a step, all devices"), flops, "FLOP/step")
    yield Quantity(metric="flops_rate", value=flops_rate, derivation=over("{0} * {1} / {2}", each, steps, wall))
    if peak.flops_per_s is None:
        yield Quantity(metric="mfu", value=None, reasons=("peak_unknown",))
    else:
        mfu = flops_rate / (case.devices * peak.flops_per_s)
        most = raw(message("dense peak of one device"), peak.flops_per_s, "FLOP/s", source=SHEET)
        how = over("{0} * {1} / {2} / ({3} * {4})", each, steps, wall, devices, most)
        yield Quantity(metric="mfu", value=mfu, reasons=(*(("above_peak",) if mfu > 1 else ()), *peak.reasons), derivation=how)


def _steps(case: Case, durations: Floats) -> Iterator[Quantity]:
    how = sample(durations, q=0.5, what=message("step times"))
    yield Quantity(metric="step_time", value=percentile(durations, 0.5), n=durations.size, derivation=how)
    for label, q in PERCENTILES.items():
        # The median is `step_time` itself.
        if label != "p50":
            yield _gated(f"step_time_{label}", durations, q=q)
        if case.mode == "infer":
            yield _gated(f"latency_{label}", durations, q=q)


def _gated(metric: str, values: Floats, *, q: float) -> Quantity:
    found = percentile(values, q)
    how = sample(values, q=q, what="times") if found is not None else None
    reasons = () if found is not None else ("n_too_small",)
    return Quantity(metric=metric, value=found, n=int(values.size), reasons=reasons, derivation=how)


def _stages(work: Work, samples: Samples) -> Iterator[Quantity]:
    """Time of each stage in a step (median over steps), and its share of all stage time."""
    step, stage, duration = np.asarray(samples.step), np.asarray(samples.stage), np.asarray(samples.duration_s)
    total = float(duration.sum())
    num_steps = int(step.max()) + 1 if step.size else 0
    # A single stage is the step.
    if not num_steps or total <= 0 or len(work.stages) < 2:
        return
    for index, declared in enumerate(work.stages):
        mine = stage == index
        # Sums by step of this stage's repeats.
        per_step: Floats = np.bincount(step[mine], weights=duration[mine], minlength=num_steps).astype(np.float64)
        how = sample(per_step, q=0.5, what=message("times of the stage in a step"))
        yield Quantity(metric=f"stage_time.{declared.name}", value=float(np.median(per_step)), n=num_steps, derivation=how)
        spent = raw(message("time in {name}, all steps", name=declared.name), float(per_step.sum()), "s")
        how = over("{0} / {1}", spent, raw(message("time in all stages, all steps"), total, "s"))
        value = float(per_step.sum()) / total
        yield Quantity(metric=f"stage_share.{declared.name}", value=value, n=num_steps, derivation=how)


def _tokens(case: Case, trial: TrialResult, work: Work, *, samples: Samples, decode: int, peak: Peak) -> Iterator[Quantity]:
    """TTFT, TPOT and ITL of an autoregressive step: one batch of sequences, encoded or prefilled, then decoded.

    Where the stages before decode make the first token (prefill has items), the first token is theirs; where they make none (the
    encoder of an encoder-decoder), it is the first decode repeat's. A repeat may make several tokens of a sequence: tokens are
    counted, not repeats.
    """
    assert trial.steps is not None, "tokens are timed in steps"
    # Of one sequence, in one repeat.
    tokens = _num_tokens(work.stages[decode]) / case.batch_size
    if tokens <= 0:
        return
    step, stage, repeat = np.asarray(samples.step), np.asarray(samples.stage), np.asarray(samples.repeat)
    ends = np.asarray(samples.start_s) + np.asarray(samples.duration_s)
    makes_first = any(_num_tokens(declared) for declared in work.stages[:decode])
    is_first = (stage == decode - 1) if makes_first else ((stage == decode) & (repeat == 0))
    if makes_first:
        # A prompt read in pieces makes its token in the last one.
        is_first &= repeat == work.stages[decode - 1].repeats - 1
    starts = np.asarray(trial.steps.start_s)
    # One first token a step: all sequences of a batch start together.
    first = ends[is_first] - starts[step[is_first]]
    how = sample(first, q=0.5, what=message("times to the first token"))
    yield Quantity(metric="ttft", value=percentile(first, 0.5), n=first.size, derivation=how)
    later = work.stages[decode].repeats - (0 if makes_first else 1)
    if later < 1:
        return
    made = (np.asarray(trial.steps.duration_s) - _host_time_after(trial, work, samples, decode=decode))[step[is_first]]
    per_token = (made - first) / (later * tokens)
    how = sample(per_token, q=0.5, what=message("times per further token"))
    yield Quantity(metric="tpot", value=percentile(per_token, 0.5), n=per_token.size, derivation=how)
    # The first token of a sequence follows no other.
    gaps = _durations(samples, decode)[slice(None) if makes_first else repeat[stage == decode] > 0] / tokens
    yield _gated("itl_p50", gaps, q=0.5)
    yield _gated("itl_p99", gaps, q=0.99)
    repeats = _durations(samples, decode)
    yield _bandwidth(case, work, decode=decode, repeat_s=float(np.median(repeats)) if repeats.size else 0.0, peak=peak)


def _host_time_after(trial: TrialResult, work: Work, samples: Samples, *, decode: int) -> Floats:
    """Return the seconds of each step after its last token: postprocessing belongs to no token."""
    late = [index for index, stage in enumerate(work.stages) if index > decode and stage.on_host]
    stage, step = np.asarray(samples.stage), np.asarray(samples.step)
    weights = np.where(np.isin(stage, late), np.asarray(samples.duration_s), 0.0)
    num_steps = 0 if trial.steps is None else len(trial.steps.duration_s)
    return np.bincount(step, weights=weights, minlength=num_steps).astype(np.float64)


def _num_tokens(stage: Stage) -> Count:
    """Tokens of all sequences that one repeat makes: the family's items where it counts nothing else."""
    return stage.items if stage.tokens is None else stage.tokens


def _bandwidth(case: Case, work: Work, *, decode: int, repeat_s: float, peak: Peak) -> Quantity:
    """MBU: each decode repeat reads every parameter once. Unknown where much of the model stays unread (mixture of experts)."""
    stage = work.stages[decode]
    flops = work.flops.get(stage.name)
    if not work.params_bytes or not work.num_params or not flops or not repeat_s:
        return Quantity(metric="mbu", value=None, reasons=("bytes_unknown",))
    # Two FLOPs for each parameter and token, if every parameter is used.
    active = flops / (2 * work.num_params * stage.repeats * _num_tokens(stage))
    if active < MIN_ACTIVE_SHARE:
        return Quantity(metric="mbu", value=None, reasons=("bytes_unknown",))
    if peak.bytes_per_s is None:
        return Quantity(metric="mbu", value=None, reasons=("peak_unknown",))
    mbu = work.params_bytes / repeat_s / (case.devices * peak.bytes_per_s)
    read, time = (
        raw(message("bytes of the parameters"), work.params_bytes, "B"),
        raw(message("median time of a decode repeat"), repeat_s, "s"),
    )
    devices = raw("devices", case.devices, "devices", source=CASE)
    most = raw(message("peak memory bandwidth of one device"), peak.bytes_per_s, "B/s", source=SHEET)
    how = over("{0} / {1} / ({2} * {3})", read, time, devices, most)
    return Quantity(metric="mbu", value=mbu, reasons=("above_peak",) if mbu > 1 else (), derivation=how)


def burst_to_sustained(trial: TrialResult, temperature: Series) -> Quantity:
    """Step rate of the first 5 s after warm-up over that of the window's last half, once the temperature is steady.

    Unknown in windows under 15 s, without a temperature sensor, and while the device still warms up by more than 1 C per 30 s.
    """
    name = "burst_to_sustained"
    window, steps = trial.window, trial.steps
    # Burst and last half must not overlap, with a margin.
    if window is None or steps is None or window.wall_s < 3 * BURST_S:
        return Quantity(metric=name, value=None, reasons=("window_too_short",))
    middle_s = window.start_s + window.wall_s / 2
    tail = temperature.between(middle_s, window.end_s)
    if len(tail) < 3:
        return Quantity(metric=name, value=None, reasons=("no_temperature_sensor",))
    # In C per second; moments are taken from the middle, because Unix seconds squared lose digits.
    slope = float(np.polyfit(tail.time_s - middle_s, tail.value, 1)[0])
    if abs(slope) > STEADY_C_PER_S:
        return Quantity(metric=name, value=None, reasons=("temperature_not_steady",))
    ends = np.asarray(steps.start_s) + np.asarray(steps.duration_s)
    burst = _rate(ends, start_s=0.0, end_s=BURST_S)
    sustained = _rate(ends, start_s=window.wall_s / 2, end_s=window.wall_s)
    if burst is None or sustained is None:
        return Quantity(metric=name, value=None, reasons=("n_too_small",))
    return Quantity(metric=name, value=burst / sustained)


def _rate(ends_s: Floats, *, start_s: float, end_s: float) -> float | None:
    """Steps per second between the first and the last step that end in the stretch."""
    inside = ends_s[(ends_s >= start_s) & (ends_s <= end_s)]
    # n ends bound n - 1 steps.
    return (inside.size - 1) / float(inside[-1] - inside[0]) if inside.size >= 3 and inside[-1] > inside[0] else None


def _durations(samples: Samples, stage: int) -> Floats:
    durations: Floats = np.asarray(samples.duration_s, dtype=np.float64)[np.asarray(samples.stage) == stage]
    return durations


def _stage_index(work: Work, name: str) -> int | None:
    names = [stage.name for stage in work.stages]
    return names.index(name) if name in names else None
