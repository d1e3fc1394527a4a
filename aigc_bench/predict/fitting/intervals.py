"""Intervals from what the model got wrong: conformal quantiles of left-out residuals, by group of like questions.

Residuals are ``log(measured / predicted)`` of what was left out of the fit, and what that is follows the question:

    accelerator seen, model seen        single runs, dealt into folds
    accelerator seen, model not         all runs of a model at a time (``new|``)
    accelerator not seen                all runs of an accelerator at a time; the wider of the two where the model is new as well

Groups are tried from the narrowest to the widest (over PCIe; track, engine and whether anything was assumed; track and engine;
track; all); the first with enough rows answers. 80 % means: of the rows of what was left out (grouped conformal prediction).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from aigc_bench.predict.closed_form.columns import ModelRow
from aigc_bench.predict.closed_form.links import LINKS
from aigc_bench.predict.fitting.effects import Floats

LEVEL = 0.80
"""Share of truths that an interval should hold."""
ENOUGH = 25
"""Least number of residuals for quantiles of a group's own."""
WIDENING = 0.4
"""An interval from G accelerators is wider by this share over G."""
FEW = 2
"""Accelerators up to which a group's interval is symmetric."""
FEW_WIDENING = 0.2
"""The same of a symmetric interval, which holds both tails already."""
_STRETCH = 3.0
"""An interval is stretched or shrunk by this factor at most."""
_LEAST = 0.01
"""Least distance of an end from the prediction, in logs."""
OUTSIDE = 1.5
"""Factor on the width of an interval (in logs) where the question lies outside the calibrated range."""

HOST = 1.6
"""Factor on the width of an interval where devices exchange over PCIe, whose host bridge no table names (assumed)."""

Quantiles = Mapping[str, tuple[float, float, int]]


def interval_groups(row: ModelRow) -> Iterator[str]:
    """Return the groups whose residuals apply to a row, narrowest first."""
    engine = row.groups.get("work_engine") or next((group for level, group in row.groups.items() if level.endswith(".engine")), "")
    engine = engine.split("|")[-1] if row.form == "step" else engine
    certainty = "assumed" if row.caution else "stated"
    if _crosses_a_host(row):
        yield f"{row.track}|host"
    # From the narrowest to the widest group: ``bounds`` takes the first that has quantiles.
    yield f"{row.track}|{engine}|{certainty}"
    yield f"{row.track}|{engine}"
    yield row.track
    yield row.form


def _crosses_a_host(row: ModelRow) -> bool:
    """Whether a language model's devices exchange over PCIe: host bridges differ from server to server, networks are named."""
    link = LINKS[int(row.columns.get("link", 0.0))]
    return row.form == "language" and row.columns.get("collectives", 0.0) > 0 and link not in ("nvlink", "network")


def conformal_quantiles(rows: Sequence[ModelRow], residuals: Floats) -> dict[str, tuple[float, float, int]]:
    """Low and high residual and count by group, of groups with enough rows.

    ``residuals`` are ``log(measured / predicted)`` of rows left out, of shape ``[rows]``.
    """
    return _grouped(rows, residuals, parts=[row.accelerator for row in rows], prefix="")


NEW_WORK = "new|"
"""Prefix of the groups of questions about models that the calibration has not seen."""


def new_work_quantiles(rows: Sequence[ModelRow], residuals: Floats) -> dict[str, tuple[float, float, int]]:
    """The same for models that the fit has not seen on accelerators that it has: residuals of models left out."""
    return _grouped(rows, residuals, parts=[work_of(row) for row in rows], prefix=NEW_WORK)


def work_of(row: ModelRow) -> str:
    """The model whose work a row measures, under one name for all its runs."""
    if row.form == "step":
        return row.groups["work"].split("|")[0]
    return next(group for level, group in row.groups.items() if level.endswith(".model"))


def _grouped(
    rows: Sequence[ModelRow], residuals: Floats, *, parts: Sequence[str], prefix: str
) -> dict[str, tuple[float, float, int]]:
    """Quantiles by group, stretched over what shares a deviation (``parts``, one label a row)."""
    by_group: dict[str, dict[str, list[float]]] = {}
    for row, residual, part in zip(rows, residuals.tolist(), parts, strict=True):
        for group in interval_groups(row):
            by_group.setdefault(f"{prefix}{group}", {}).setdefault(part, []).append(residual)
    counts = {group: sum(map(len, own.values())) for group, own in by_group.items()}
    return {group: (*_tails(own), counts[group]) for group, own in by_group.items() if counts[group] >= ENOUGH}


def _tails(parts: Mapping[str, Sequence[float]]) -> tuple[float, float]:
    """The 10th and 90th percentile, stretched until they hold 80 % of the residuals of accelerators left out of them.

    What is left out next is an accelerator, not a row: the rows of one share its deviation, so each accelerator in turn is held
    against the percentiles of the others. From one or two nothing is known of the sign of that deviation: the interval of so few
    is symmetric.
    """
    # parts: accelerator -> its log residuals.
    if len(parts) <= FEW:
        # 80 % of the deviations in either direction: the larger of two percentiles would hold up to 90 %.
        sizes = np.abs(np.concatenate([np.asarray(own) for own in parts.values()]))
        widest = float(np.quantile(sizes, LEVEL)) * (1 + FEW_WIDENING / len(parts))
        return -widest, widest
    low, high = _percentiles(list(parts.values()))
    ratios = []
    for name, own in parts.items():
        below, above = _percentiles([others for other, others in parts.items() if other != name])
        values = np.asarray(own)
        # How far a residual lies in units of the others' percentile on its side; 1 is just held.
        ratios.append(np.where(values < 0, values / min(below, -_LEAST), values / max(above, _LEAST)))
    # The ratio that 80 % of the residuals stay below is the factor that makes the interval hold 80 %.
    stretch = float(np.clip(np.quantile(np.concatenate(ratios), LEVEL), 1 / _STRETCH, _STRETCH)) * (1 + WIDENING / len(parts))
    return min(low, -_LEAST) * stretch, max(high, _LEAST) * stretch


def _percentiles(parts: Sequence[Sequence[float]]) -> tuple[float, float]:
    values = np.concatenate([np.asarray(own) for own in parts])
    low, high = np.quantile(values, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return float(low), float(high)


def familiar_quantiles(rows: Sequence[ModelRow], residuals: Floats) -> dict[str, tuple[float, float, int]]:
    """The same for accelerators that the fit has seen: residuals of left-out runs, every row of equal weight."""
    by_group: dict[str, list[float]] = {}
    for row, residual in zip(rows, residuals.tolist(), strict=True):
        for group in _familiar_groups(row):
            by_group.setdefault(group, []).append(residual)
    tail = (1 - LEVEL) / 2
    return {
        group: (float(np.quantile(own, tail)), float(np.quantile(own, 1 - tail)), len(own))
        for group, own in by_group.items()
        if len(own) >= ENOUGH
    }


def _familiar_groups(row: ModelRow) -> Iterator[str]:
    first, *wider = interval_groups(row)
    yield f"familiar|{first}|{row.accelerator}"
    yield f"familiar|{row.track}|{row.accelerator}"
    yield from (f"familiar|{group}" for group in (first, *wider))


def bounds(
    row: ModelRow, quantiles: Quantiles, *, is_outside: bool, is_familiar: bool = False, is_known_work: bool = True
) -> tuple[float, float]:
    """What to add to the predicted log quantity for the low and the high end; 0 lies between them.

    ``is_familiar``: the accelerator itself was among those that the calibration has seen at this kind of work; ``is_known_work``:
    so was the model.
    """
    plain = list(interval_groups(row))
    new = [f"{NEW_WORK}{group}" for group in plain]
    if is_familiar:
        low, high = _first([*_familiar_groups(row), *plain] if is_known_work else [*new, *plain], quantiles)
    else:
        low, high = _first(plain, quantiles)
        if not is_known_work:
            # Both are new, and the wider of the two errors is the least that is left.
            other = _first([*new, *plain], quantiles)
            low, high = min(low, other[0]), max(high, other[1])
    width = (OUTSIDE if is_outside else 1.0) * (HOST if _crosses_a_host(row) else 1.0)
    # Quantiles of a biased group may both lie on one side of 0; an interval must hold its value.
    return min(low * width, -_LEAST), max(high * width, _LEAST)


def _first(groups: Sequence[str], quantiles: Quantiles) -> tuple[float, float]:
    """The quantiles of the first group that has any; without one half to double (e^0.7 = 2.01), assumed."""
    low, high, _ = next((quantiles[group] for group in groups if group in quantiles), (-0.7, 0.7, 0))
    return low, high


def as_values(row: ModelRow, log_quantity: float, *, low: float, high: float) -> tuple[float, float, float]:
    """Value, low and high in SI; the ends change places where the value falls as the quantity rises."""
    value = row.value(log_quantity)
    # A rate from a predicted time falls as the time rises.
    ends = sorted((row.value(log_quantity + low), row.value(log_quantity + high)))
    assert math.isfinite(value) and ends[0] <= value <= ends[1], "an interval must hold its value"
    return value, ends[0], ends[1]
