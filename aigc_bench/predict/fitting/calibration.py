"""The fitted constants: how they are found on published rows, and how they are kept.

Fitting, per form: (1) constants by robust least squares on log residuals (soft L1, 0.25), each held by its prior; (2) group effects
by ridge regression (``effects``); (3) intervals from left-out residuals (``intervals``). The product reads the files of ``data/``.
"""

from __future__ import annotations

import csv
import functools
import math
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path

import numpy as np
from pydantic import Field

from aigc_bench.core.csv_file import write_csv
from aigc_bench.core.records import Record
from aigc_bench.predict.closed_form import forms
from aigc_bench.predict.closed_form.columns import Form, ModelRow
from aigc_bench.predict.fitting.effects import Floats, fit_effects, total_effects

SCALE = 0.25
"""Log residuals beyond this count less and less."""
NOISE = 0.15
"""Spread of what repeats of nominally one measurement show: 15-30 % between software versions, 1.4 % between submitters."""
_EFFECT_FLOOR = 0.02
"""Effects below 2 % are far under the noise of a row (15 %): they would only lengthen the file, and are kept by no fit."""
_EFFECT_DIGITS = 3
"""Decimals of an effect, in the file and in every fit, so that what is shipped is what is scored."""

SPREADS: Mapping[str, float] = {
    "tpot.metric": 0.1, "tpot.model_engine": 0.1, "tpot.name_engine": 0.1, "tpot.release": 0.2, "tpot.release_model": 0.1,
    "tpot.form": 0.05, "tpot.ranks": 0.05, "tpot.load": 0.1,
    "tpot.cell": 0.35, "tpot.arch_format": 0.05, "tpot.format": 0.05, "tpot.layout": 0.05, "tpot.load_model": 0.05,
    "tpot.shape_model": 0.1, "tpot.device": 0.1, "tpot.device_engine": 0.2,
    "ttft.arch": 0.2, "ttft.arch_format": 0.05, "ttft.form": 0.3, "ttft.load": 0.05, "ttft.shape": 0.05,
    "ttft.shape_load": 0.05, "ttft.cell": 0.2, "ttft.device": 0.1, "ttft.device_engine": 0.2,
    "rate.metric": 0.05, "rate.engine": 0.3, "rate.model_engine": 0.12, "rate.release": 0.2,
    "rate.release_model": 0.05, "rate.format_model": 0.2, "rate.arch": 0.05, "rate.load_model": 0.05,
    "rate.shape": 0.05, "rate.shape_load": 0.12, "rate.shape_model": 0.2,
    "rate.cell": 0.15, "rate.device": 0.08, "rate.device_engine": 0.08,
    "work": 0.5, "work_model": 0.3, "work_engine": 0.3, "work_format": 0.2, "software": 0.15, "arch_format": 0.1, "arch": 0.1,
    "arch_style": 0.15, "work_devices": 0.1, "link": 0.05, "work_load": 0.1, "step_cell": 0.15, "form": 0.05, "step_device": 0.1,
    **{
        f"{aspect}.{level}": spread
        for aspect in ("latency", "server_latency", "itl_p99", "energy", "decode_rate", "prefill_rate", "prefill_time")
        for level, spread in (
            ("engine", 0.2), ("model_engine", 0.1), ("load", 0.05), ("shape", 0.05), ("format", 0.2), ("cell", 0.15),
            ("device", 0.1),
        )
    },
    "energy.device": 0.3, "energy.format": 0.1, "energy.ranks": 0.1,
}  # fmt: skip
"""Standard deviation of the effects of each level, chosen on left-out accelerators; a level that is not named has none."""

DEVICE_LEVELS = tuple(name for name in SPREADS if name.split(".")[-1] in ("device", "device_engine", "step_device"))
"""Levels that name a device: silent about a device never seen."""
WORK_LEVELS = tuple(name for name in SPREADS if name == "work" or name.endswith(".model_engine"))
"""Levels that name a model: silent about a model never seen."""
_TELLING = frozenset((*DEVICE_LEVELS, *WORK_LEVELS))
# See ``grouped_effects``: of steps few devices are known for each model.
_FITTED_LAST = ("step_device",)

_CONSTANT_SPREADS: Mapping[str, float] = {"work": 1.0, "work_model": 0.5, "work_engine": 0.4}
"""Levels that are fitted together with the constants of the ``step`` form: published work per item is rough."""


class Calibration(Record):
    """Constants by form, effects by ``level=group``, and the spread of left-out errors by group."""

    constants: Mapping[Form, Mapping[str, float]]
    effects: Mapping[str, float]
    quantiles: Mapping[str, tuple[float, float, int]] = Field(default_factory=dict)
    ranges: Mapping[str, tuple[float, float]] = Field(default_factory=dict)

    def log_quantity(self, rows: Sequence[ModelRow]) -> Floats:
        """The model's answer to each row, as the logarithm of its quantity; never beyond the roofline."""
        answers = np.empty(len(rows))
        for form in ("language", "step"):
            chosen = [index for index, row in enumerate(rows) if row.form == form]
            if not chosen:
                continue
            own = [rows[index] for index in chosen]
            columns = forms.columns_of(own)
            logs = forms.log_quantity(form, columns, self.constants[form]) + total_effects(
                [row.groups for row in own], self.effects
            )
            limit = forms.roofline_log(form, columns)
            # A rate may not exceed the roofline, a time may not fall below it; every quantity of a step is a time or has no limit.
            is_rate = [row.is_rate and form == "language" for row in own]
            logs = np.where(is_rate, np.minimum(logs, limit), np.maximum(logs, limit))
            answers[chosen] = logs
        return answers


def before_any_measurement() -> Calibration:
    """The priors: typical constants, no effects."""
    constants: dict[Form, Mapping[str, float]] = {
        form: {name: value for name, (value, _) in forms.priors(form).items()} for form in ("language", "step")
    }
    return Calibration(constants=constants, effects={})


def fit(rows: Sequence[ModelRow], logs: Floats, *, start: Calibration | None = None) -> Calibration:
    """Constants and effects from rows and the logarithms of their quantities; ``start`` saves time where it is near."""
    constants: dict[Form, Mapping[str, float]] = {}
    effects: dict[str, float] = {}
    for form in ("language", "step"):
        chosen = [index for index, row in enumerate(rows) if row.form == form]
        if not chosen:
            constants[form] = {name: value for name, (value, _) in forms.priors(form).items()}
            continue
        own, target = [rows[index] for index in chosen], logs[chosen]
        begin = start.constants[form] if start else None
        # Rows that only an effect can explain must not move the constants that all others share.
        fitted = [index for index, row in enumerate(own) if row.shapes_constants]
        constants[form] = _fit_constants(form, [own[index] for index in fitted], target[fitted], begin=begin)
        rest = target - forms.log_quantity(form, forms.columns_of(own), constants[form])
        effects |= grouped_effects(own, rest)
    return Calibration(
        constants=constants,
        # A device's effect is kept however small: that it is there tells that the device was seen (``is_familiar``).
        effects=_kept(effects),
    )


def _kept(effects: Mapping[str, float]) -> dict[str, float]:
    """The effects that count, as they are shipped; those that tell what was seen count however small they are."""
    return {
        name: round(effect, _EFFECT_DIGITS)
        for name, effect in effects.items()
        if abs(effect) >= _EFFECT_FLOOR or name.partition("=")[0] in _TELLING
    }


def fit_effects_alone(rows: Sequence[ModelRow], logs: Floats, *, whole: Calibration) -> Calibration:
    """The constants of ``whole`` with effects of these rows alone."""
    effects: dict[str, float] = {}
    for form in ("language", "step"):
        chosen = [index for index, row in enumerate(rows) if row.form == form]
        if chosen:
            own = [rows[index] for index in chosen]
            rest = logs[chosen] - forms.log_quantity(form, forms.columns_of(own), whole.constants[form])
            effects |= grouped_effects(own, rest)
    return whole.model_copy(update={"effects": _kept(effects)})


def grouped_effects(rows: Sequence[ModelRow], rest: Floats) -> dict[str, float]:
    """Return the effects of what is known of any device and, in the ``language`` form, of the devices themselves together.

    Where one device alone speaks of a group, its deviation is shared out between the two. Of steps few devices are known for each
    model: there the device's own effect is fitted last, or it would take what the next unknown device shares.
    """
    groups = [row.groups for row in rows]
    together = {name: spread for name, spread in SPREADS.items() if name not in _FITTED_LAST}
    found = fit_effects(rest, groups=groups, spreads=together, noise=NOISE)
    last = {name: SPREADS[name] for name in _FITTED_LAST}
    return found | fit_effects(rest - total_effects(groups, found), groups=groups, spreads=last, noise=NOISE)


def _own_effects(rest: Floats, groups: Sequence[Mapping[str, str]]) -> Floats:
    """Return what each row's work itself deviates by, of the logarithms that the constants leave."""
    effects = fit_effects(rest, groups=groups, spreads=_CONSTANT_SPREADS, noise=NOISE)
    return total_effects([{level: row[level] for level in _CONSTANT_SPREADS} for row in groups], effects)


def _fit_constants(form: Form, rows: Sequence[ModelRow], logs: Floats, *, begin: Mapping[str, float] | None) -> dict[str, float]:
    """Maximum a posteriori on the logarithms; in the ``step`` form in turns with the effects of the work itself."""
    from scipy.optimize import least_squares

    columns, priors = forms.columns_of(rows), forms.priors(form)
    names = list(priors)
    # Everything below is in logarithms: constants stay positive, and spreads are relative.
    centre = np.log([priors[name][0] for name in names])
    spread = np.array([priors[name][1] for name in names])
    groups = [row.groups for row in rows]
    point = centre if begin is None else np.log([begin[name] for name in names])
    own: Floats = np.zeros(len(rows))
    # A warm start is close: the fits of left-out folds begin at the whole fit.
    evaluations = 15 if begin is not None else 60 if form == "language" else 20
    for turn in range(1 if form == "language" else 2 if begin is not None else 3):
        # The first turn from the priors has no effects yet, so that they do not absorb what the constants should explain.
        if turn or (begin is not None and form == "step"):
            own = _own_effects(logs - forms.log_quantity(form, columns, _named(names, point)), groups)
        target = logs - own

        # ``target`` is bound now: a closure in a loop would see the last turn's.
        def residuals(x: Floats, target: Floats = target) -> Floats:
            error = (forms.log_quantity(form, columns, _named(names, x)) - target) / SCALE
            # The prior as further residuals, one for each constant: least squares then is maximum a posteriori.
            return np.concatenate([error, (x - centre) / spread])

        def slopes(x: Floats) -> Floats:
            _, rows_by_constants = forms.log_slopes(form, columns, _named(names, x))
            return np.concatenate([rows_by_constants / SCALE, np.diag(1 / spread)])

        upper = np.log([forms.largest(form, name) for name in names])
        # least_squares refuses a start beyond its bounds.
        begin_at = np.minimum(point, upper - 1e-3)
        with np.errstate(over="ignore", divide="ignore"):  # a trial step far out overflows, and is rejected
            point = least_squares(residuals, begin_at, jac=slopes, bounds=(-np.inf, upper), loss="soft_l1", max_nfev=evaluations).x
    return _named(names, point)


def _named(names: Sequence[str], logs: Floats) -> dict[str, float]:
    return dict(zip(names, np.exp(logs).tolist(), strict=True))


PARAMETER_COLUMNS = ("form", "name", "value", "low", "high", "unit", "num_rows", "source", "as_of")


def save(calibration: Calibration, folder: Path, *, num_rows: Mapping[str, int], source: str, as_of: str) -> None:
    """Write the files of ``data/``; a constant's bounds are its prior's spread, halved by the data."""
    rows = [
        [form, name, *_with_bounds(form, name, value), num_rows[form], source, as_of]
        for form, constants in calibration.constants.items()
        for name, value in constants.items()
    ]
    write_csv(folder / "parameters.csv", [PARAMETER_COLUMNS, *rows])
    effects = [(name, f"{effect:.{_EFFECT_DIGITS}f}") for name, effect in sorted(calibration.effects.items())]
    write_csv(folder / "effects.csv", [("group", "effect"), *effects])
    quantiles = [(name, f"{low:.4f}", f"{high:.4f}", count) for name, (low, high, count) in sorted(calibration.quantiles.items())]
    write_csv(folder / "intervals.csv", [("group", "low", "high", "num_rows"), *quantiles])
    ranges = [(name, f"{low:.5g}", f"{high:.5g}") for name, (low, high) in sorted(calibration.ranges.items())]
    write_csv(folder / "ranges.csv", [("quantity", "low", "high"), *ranges])


def _with_bounds(form: Form, name: str, value: float) -> tuple[str, ...]:
    """Value, low, high and unit of a constant."""
    # Half the prior's spread in logs, so a factor on the value in both directions.
    width, unit = math.exp(forms.priors(form)[name][1] / 2), "s" if name.split(".")[0].endswith("_s") else "1"
    return (*(f"{number:.5g}" for number in (value, value / width, value * width)), unit)


@functools.cache
def shipped_calibration() -> Calibration:
    """The calibration that comes with the product."""
    constants: dict[Form, dict[str, float]] = {"language": {}, "step": {}}
    for row in _table("parameters.csv"):
        constants["language" if row["form"] == "language" else "step"][row["name"]] = float(row["value"])
    return Calibration(
        constants=constants,
        effects={row["group"]: float(row["effect"]) for row in _table("effects.csv")},
        quantiles={row["group"]: (float(row["low"]), float(row["high"]), int(row["num_rows"])) for row in _table("intervals.csv")},
        ranges={row["quantity"]: (float(row["low"]), float(row["high"])) for row in _table("ranges.csv")},
    )


def _table(name: str) -> list[dict[str, str]]:
    with files("aigc_bench.predict").joinpath(f"data/{name}").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))
