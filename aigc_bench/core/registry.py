"""Finds extensions by listing a folder: the file name is the registered name.

A group is a sub-package (``workloads``, ``engines``, ``telemetry`` ...). Each of its files offers one object under the
group's singular (``workloads/gpt.py`` has ``workload``). Files named ``base`` or starting with an underscore are the
group's own. Third parties add to a group with an entry point of the group ``aigc_bench.<group>`` that names a module
of the same shape, or the object itself. Engines are written with hyphens outside (``torch-compile`` is ``torch_compile.py``).
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any

from aigc_bench.core.errors import UnknownNameError, UsageError
from aigc_bench.core.messages import message

GROUPS: dict[str, tuple[str, str]] = {
    # group: (package that holds it, name of the object in each file)
    "workloads": ("aigc_bench.workloads", "workload"),
    "engines": ("aigc_bench.engines", "engine"),
    "accelerators": ("aigc_bench.accelerators", "backend"),
    "telemetry": ("aigc_bench.telemetry", "source"),
    "factors": ("aigc_bench.plan.factors", "factor"),
    "sections": ("aigc_bench.report.sections", "section"),
}


@functools.cache
def _built_in(group: str) -> dict[str, str]:
    """Registered name -> module."""
    package = importlib.import_module(GROUPS[group][0])
    files = (module.name for module in pkgutil.iter_modules(package.__path__))
    # Listing is no import: torch is loaded by the file that needs it alone.
    own = (file for file in files if file != "base" and not file.startswith("_"))
    return {file.replace("_", "-") if group == "engines" else file: f"{package.__name__}.{file}" for file in own}


@functools.cache
def _third_party(group: str) -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=f"aigc_bench.{group}")}


def names(group: str) -> tuple[str, ...]:
    """The registered names of a group, sorted; nothing is imported but the group's package."""
    return tuple(sorted({*_built_in(group), *_third_party(group)}))


# Apart from the other two: code named by a command is in no list of names.
_admitted: dict[tuple[str, str], Any] = {}


def admit(group: str, name: str, made: Any) -> None:
    """Let ``load`` find ``made`` under ``name`` in this process; ``named_code`` is the only caller."""
    _admitted[group, name] = made


@functools.cache
def load(group: str, name: str) -> Any:
    """The object registered under ``name``; raises ``UnknownNameError`` that lists the nearest names.

    Names come from files, too: nothing is imported but what is registered. Code by its name is ``named_code``'s business.
    """
    attribute = GROUPS[group][1]
    # First, so that an installed package cannot replace one of ours.
    if name in _built_in(group):
        return getattr(importlib.import_module(_built_in(group)[name]), attribute)
    if name in _third_party(group):
        found = _third_party(group)[name].load()
        # An entry point names a module like ours, or the object itself.
        return getattr(found, attribute) if isinstance(found, ModuleType) else found
    # functools.cache keeps no exception, so a name that failed before can be admitted later.
    if (group, name) in _admitted:
        return _admitted[group, name]
    if group == "workloads" and ":" in name:
        raise UsageError(
            message("workload {name!r}: a file must not name code.", name=name),
            message("Only a command may: --model module:function."),
        )
    raise UnknownNameError(attribute, name, known=names(group))
