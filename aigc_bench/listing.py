"""What ``aigc-bench list`` prints: rows of plain values for each kind of thing that is known. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from aigc_bench.core import registry
from aigc_bench.core.errors import UnknownNameError, UsageError
from aigc_bench.core.messages import message

Cell: TypeAlias = bool | int | float | str | None
Row: TypeAlias = dict[str, Cell]


def listing(kind: str) -> list[Row]:
    """The rows of a kind (a key of ``KINDS``); missing values are ``None``, quantities carry their unit in the key."""
    if kind not in KINDS:
        raise UnknownNameError("kind", kind, known=KINDS)
    return KINDS[kind]()


def _workloads() -> list[Row]:
    rows: list[Row] = []
    for name in registry.names("workloads"):
        workload = registry.load("workloads", name)
        for preset_name, preset in workload.presets.items():
            rows.append(
                {
                    "workload": name,
                    "preset": preset_name,
                    "num_params": preset.num_params,
                    "item": workload.item,
                    "modes": ", ".join(workload.modes),
                    "title": preset.title,
                    "source": preset.source,
                }
            )
    return rows


def _profiles() -> list[Row]:
    """Every profile; one that is wrong is listed with its mistake."""
    # Here and in the functions below: each kind imports only what it lists.
    from aigc_bench.measure.profiles import load_profile, profile_files

    rows: list[Row] = []
    for name, file in profile_files().items():
        try:
            profile = load_profile(file)
        except UsageError as problem:
            rows.append(
                {
                    "profile": name,
                    "expects": None,
                    "level": None,
                    "cases": None,
                    "title": message("cannot be used: {problem}", problem=problem),
                }
            )
            continue
        expects = profile.expects if isinstance(profile.expects, str) else ", ".join(profile.expects)
        rows.append(
            {"profile": name, "expects": expects, "level": profile.level, "cases": len(profile.cases), "title": profile.title}
        )
    return rows


def _metrics() -> list[Row]:
    from aigc_bench.analyze.metrics import METRICS

    return [
        {"metric": one.id, "unit": one.unit, "name": one.name, "formula": one.formula, "n": one.n_means, "source": one.source}
        for one in METRICS.values()
    ]


def _sensors() -> list[Row]:
    found = [(name, registry.load("telemetry", name)) for name in registry.names("telemetry")]
    return [{"sensor": name, "period_s": source.period_s, "title": source.title} for name, source in found]


def _titled(group: str, heading: str) -> Callable[[], list[Row]]:
    """The names of a group with their titles."""

    def rows() -> list[Row]:
        return [{heading: name, "title": registry.load(group, name).title} for name in registry.names(group)]

    return rows


def _accelerators() -> list[Row]:
    from aigc_bench.catalog.descriptions import accelerator_rows
    from aigc_bench.catalog.loader import load_catalogue

    return list(accelerator_rows(load_catalogue()))


def _servers() -> list[Row]:
    from aigc_bench.catalog.descriptions import server_rows
    from aigc_bench.catalog.loader import load_catalogue

    return list(server_rows(load_catalogue()))


def _prices() -> list[Row]:
    from aigc_bench.catalog.descriptions import price_rows
    from aigc_bench.catalog.loader import load_catalogue

    return list(price_rows(load_catalogue()))


# Functions, so that listing one kind does not read the others.
KINDS: dict[str, Callable[[], list[Row]]] = {
    "workloads": _workloads,
    "profiles": _profiles,
    "engines": _titled("engines", "engine"),
    "metrics": _metrics,
    "sensors": _sensors,
    "factors": _titled("factors", "factor"),
    "accelerators": _accelerators,
    "servers": _servers,
    "prices": _prices,
}
