"""What a trial's value of a metric was computed from: raw numbers of the trial, and the arithmetic over them."""

from __future__ import annotations

from functools import partial

from aigc_bench.analyze.readings import Floats
from aigc_bench.analyze.statistics import percentile
from aigc_bench.core.derivation import Derivation, given
from aigc_bench.core.messages import message
from aigc_bench.core.records import Estimate

TRIAL, CASE = message("recorded in the trial"), message("stated by the case")
SHEET = message("the catalogue; of a CPU threads x clock x FLOPs a cycle")


def raw(title: str, value: float, unit: str, *, source: str = TRIAL) -> Estimate:
    """Return a number that a trial recorded, or that its case states."""
    return given(value, unit, source=source, title=title, basis="measured")


def over(arithmetic: str, *inputs: Estimate) -> Derivation:
    """Return the derivation of a value from raw numbers, by place."""
    return Derivation(arithmetic, inputs)


def sample(values: Floats, *, q: float, what: str) -> Derivation | None:
    """Return the derivation of a quantile from a trial's samples: how many, the least and the largest; ``None`` of none."""
    if not values.size:
        return None
    ends = (
        raw(message("shortest of these {what}", what=what), float(values.min()), "s"),
        raw(message("longest of these {what}", what=what), float(values.max()), "s"),
    )
    return Derivation(
        None,
        (raw(message("number of {what}", what=what), float(values.size), "count"), *ends),
        compute=partial(_quantile, values, q),
    )


def _quantile(values: Floats, q: float, *_: float) -> float:
    found = percentile(values, q)
    assert found is not None, "a quantile that too few values carry has no derivation"
    return found
