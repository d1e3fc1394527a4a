"""Numbers of a prediction that know what they were computed from (``core.derivation``): ideal, modelled and fitted."""

from __future__ import annotations

from aigc_bench.catalog.records import AcceleratorSpec
from aigc_bench.core.derivation import Derivation, changed, given, record
from aigc_bench.core.messages import message
from aigc_bench.core.records import Case, Estimate
from aigc_bench.predict.closed_form.column_names import CHOICES, LANGUAGE, STEP
from aigc_bench.predict.closed_form.columns import ModelRow
from aigc_bench.predict.fitting.posterior import LogEstimate, Quantity
from aigc_bench.predict.roofline import roofline
from aigc_bench.predict.roofline.quantities import case_dtype
from aigc_bench.predict.tracing.optrace import OpTrace, StageTrace

SOURCE = message("operator roofline and own runs")
CORRECTION = message(
    "effects of machine, engine, family and kind of operator: as fitted on your own runs, else 1 with their usual spread"
)
OPERATORS = message(
    "sum over the traced operators of the larger of FLOPs / peak and bytes / bandwidth, with the engine's efficiency; or their "
    "dispatch on the host, whichever is longer (on a CPU both)"
)
LIVE = message(
    "live tensors of the traced step, with what allocator, libraries and context take beyond them (predict/memory/peak.py)"
)
IDEAL = message("FLOPs of every operator / peak of its dtype: no prediction is shorter")


def modelled(value: float, low: float, high: float, *, unit: str, derivation: Derivation | None = None) -> Estimate:
    """Return a predicted number with the ends of its 80 % interval."""
    found = Estimate(value=value, low=low, high=high, unit=unit, basis="modelled", source=SOURCE)
    return found if derivation is None else record(found, derivation)


def unadjusted(quantity: Quantity) -> float:
    """Return a quantity without any effect: parts are added, of a part's alternatives the largest counts."""
    return sum(max(sum(term.amount for term in terms) for terms in alternatives) for alternatives in quantity.parts)


def fitted(found: LogEstimate, quantity: Quantity, *, unit: str, key: str, title: str, source: str) -> Estimate:
    """Return a modelled quantity as its value without effects times the correction that the effects are."""
    low, high = found.interval()
    base = unadjusted(quantity)
    before = given(base, unit, source=source, key=f"{key}.uncorrected", title=message("{title} before correction", title=title))
    own, words = f"{key}.correction", message("correction of {title}", title=title)
    # The correction is what is left between the posterior's median and the plain sum, by definition of both.
    factor = given(found.value / base, "ratio", source=CORRECTION, key=own, title=words, low=low / base, high=high / base)
    return modelled(found.value, low, high, unit=unit, derivation=Derivation("{0} * {1}", (before, factor)))


def stage_number(stage: StageTrace, found: LogEstimate, quantity: Quantity, *, floor: float) -> Estimate:
    """Return the seconds of a stage's repeats in a step, at least ``floor`` seconds."""
    key, title = f"stage_time.{stage.name}", message("time in {name}", name=stage.name)
    free = fitted(found, quantity, unit="s", key=key, title=title, source=OPERATORS)
    # Probed peaks are no limit of the hardware: without a floor there is no maximum to show.
    if not floor:
        return free
    least = given(floor, "s", source=IDEAL, key=f"{key}.ideal", title=message("least time in {name}", name=stage.name))
    ends = (max(figure, floor) for figure in (free.value, free.low, free.high))
    return modelled(*ends, unit="s", derivation=Derivation("max({0}, {1})", (free, least)))


def closed_form(answer: Estimate, row: ModelRow, *, unit: str, key: str) -> Estimate:
    """Return the answer of a closed form with its inputs, the columns of the form, by name and unit."""
    names = LANGUAGE if row.form == "language" else STEP
    source = message("work of the model over the datasheet's rates: an input of the closed form {track}", track=row.track)
    inputs = tuple(
        given(value, names[name][1], source=source, key=f"inputs.{name}", title=names[name][0])
        for name, value in row.columns.items()
        if name not in CHOICES
    )
    named = changed(answer, unit=answer.unit or unit)
    formula = message("closed form {track}, calibrated on published results (docs/method.md)", track=row.track)
    return record(named, Derivation(None, inputs, formula, None, key, message("answer of the closed form alone")))


def items_per_step(case: Case, trace: OpTrace) -> Estimate:
    """Return the items that one step of all devices finishes."""
    each = sum(stage.repeats * stage.items for stage in trace.stages)
    unit, words = f"{trace.item}s/step", message("traced: repeats x items of every stage")
    one = given(each, unit, source=words, key="items_per_device", title=message("items of a step on one device"))
    # Three equal ends: the number of items is known exactly.
    number = modelled(*(3 * (case.devices * each,)), unit=unit)
    return record(
        number, Derivation("{0} * {1}", (devices_of(case), one), None, None, "items_per_step", message("items of a step"))
    )


def devices_of(case: Case) -> Estimate:
    """Return the devices of a case."""
    return given(case.devices, "devices", source=message("devices of the case"), key="devices", title="devices")


def flops_per_step(trace: OpTrace) -> Estimate:
    """Return the FLOPs of a step on one device."""
    source = message("counted on the traced operators")
    return given(trace.flops, "FLOP/step", source=source, key="flops_per_step", title=message("FLOPs of a step on one device"))


def peak_number(case: Case, spec: AcceleratorSpec) -> Estimate:
    """Return the dense peak of one device for what the case multiplies."""
    peak = roofline.peak_of(case_dtype(case), spec, precision=case.precision)
    source = message(
        "dense peak of {id} for {case_dtype}: {source}, {as_of}",
        id=spec.id,
        case_dtype=case_dtype(case),
        source=spec.source,
        as_of=spec.as_of,
    )
    return given(peak, "FLOP/s", source=source, key="peak_flops", title=message("dense peak of one device"), basis=spec.basis)
