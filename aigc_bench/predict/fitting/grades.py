"""The grade of a closed form's answer: what measurements of this device, or of its neighbours, stand behind it."""

from __future__ import annotations

import functools

from aigc_bench.catalog.loader import Catalogue, load_catalogue
from aigc_bench.catalog.records import AcceleratorSpec
from aigc_bench.predict.closed_form.columns import ModelRow
from aigc_bench.predict.fitting.calibration import DEVICE_LEVELS, Calibration
from aigc_bench.predict.predicted import Grade


def closed_form_grade(row: ModelRow, spec: AcceleratorSpec, *, calibration: Calibration) -> Grade:
    """Return the grade of an answer for ``spec``.

    ``calibrated``: the fit has seen this device at this kind of work; ``neighbours``: another device of its architecture;
    ``physics``: neither, so that only datasheet and constants of other architectures speak.
    """
    if is_familiar(row, calibration):
        return "calibrated"
    levels = {level for level in row.groups if level in DEVICE_LEVELS}
    known = _architectures(_shipped_catalogue())
    groups = (key.partition("=") for key in calibration.effects)
    # A device's group is its id, alone or next to an engine or a family.
    seen = {known.get(part) for level, _, group in groups if level in levels for part in group.split("|")}
    return "neighbours" if spec.arch is not None and spec.arch in seen else "physics"


def is_familiar(row: ModelRow, calibration: Calibration) -> bool:
    """Return whether the fit has seen the row's device at this kind of work."""
    return any(f"{level}={group}" in calibration.effects for level, group in row.groups.items() if level in DEVICE_LEVELS)


@functools.cache
def _shipped_catalogue() -> Catalogue:
    # The devices of the calibration are those of the shipped catalogue, whatever a user adds.
    return load_catalogue(with_user_files=False)


def _architectures(catalogue: Catalogue) -> dict[str, str | None]:
    return {spec.id: spec.arch for spec in catalogue.accelerators.values()}
