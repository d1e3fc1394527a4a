"""From what a user calls their model to a workload that runs it: the door for ``run``, ``predict`` and a demand file.

resolve("models/qwen")                    a family that adopts the configuration, and the case's ``model``
resolve("my_package.models:make")         a workload of the user's own, made by their function
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import inspect
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aigc_bench.core import registry
from aigc_bench.core.errors import UsageError
from aigc_bench.core.own_model import ModelFiles, read_model
from aigc_bench.core.records import OwnModel, Setting
from aigc_bench.workloads.base import Preset, Workload


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """What a case of the user's model is made with: ``Case(workload=..., preset=..., model=..., ...)``."""

    workload: str
    preset: str
    model: OwnModel


def resolve(what: Path | str, *, changes: Mapping[str, Setting] | None = None) -> Resolved:
    """The family and preset of a user's model; raises ``UsageError`` in one line where none runs it.

    ``changes`` are put over the keys of its config.json: fewer layers make it fit a small machine.
    """
    text = str(what)
    if ":" in text and not Path(text).exists():
        if changes:
            raise UsageError(f"{text}: --change is for a config.json; your function decides itself.")
        return _from_function(text)
    files = read_model(text, changes=changes)
    for name in registry.names("workloads"):
        if registry.load("workloads", name).adopt(files) is not None:
            model = OwnModel(path=text, sha256=files.sha256, changes=dict(changes or {}))
            return Resolved(workload=name, preset=files.name, model=model)
    raise UsageError(f"{files.path}: {_why_nobody(files)}", _what_is_known(files))


def own_preset(workload: Workload, model: OwnModel) -> Preset:
    """The preset that a family makes of the user's files; raises ``UsageError`` where they have changed since."""
    files = _read(model.path, tuple(sorted(model.changes.items())))
    if files.sha256 != model.sha256:
        raise UsageError(f"{model.path}: it has changed since this case was made.", "Start a new run.")
    adopted = workload.adopt(files)
    if adopted is None:
        raise UsageError(f"{model.path}: {_why_nobody(files)}")
    return adopted


@functools.lru_cache(maxsize=16)
def _read(path: str, changes: tuple[tuple[str, Setting], ...]) -> ModelFiles:
    return read_model(path, changes=dict(changes))


def is_transformers_type(model_type: str) -> bool:
    """Whether the installed transformers has a modelling file for the type; looks at its folder, imports nothing."""
    return _modelling_file(model_type) is not None


@functools.cache
def heads_of(model_type: str) -> str:
    """The source of the type's modelling file, to see which heads it defines; empty where there is none."""
    file = _modelling_file(model_type)
    return "" if file is None else file.read_text(encoding="utf-8")


def _modelling_file(model_type: str) -> Path | None:
    spec = importlib.util.find_spec("transformers")
    name = model_type.replace("-", "_")
    if spec is None or spec.origin is None or not name.isidentifier():
        return None
    file = Path(spec.origin).parent / "models" / name / f"modeling_{name}.py"
    return file if file.is_file() else None


def _why_nobody(files: ModelFiles) -> str:
    if files.kind == "transformers" and not is_transformers_type(str(files.config["model_type"])):
        return f"the installed transformers has no model_type {files.config['model_type']!r}."
    return f"no family runs a {files.architecture or files.config.get('model_type')}."


def _what_is_known(files: ModelFiles) -> str:
    loaded = {name: registry.load("workloads", name) for name in registry.names("workloads")}
    if files.kind == "diffusers" and not (files.architecture or "").endswith("Pipeline"):
        return "Give the folder of its pipeline, the one with model_index.json."
    if files.kind == "diffusers":
        known = [pipeline for workload in loaded.values() for pipeline in workload.pipelines]
        return f"Pipelines that are run: {', '.join(sorted(known))}."
    adopting = [name for name, workload in loaded.items() if type(workload).adopt is not Workload.adopt and not workload.pipelines]
    return f"Families that take a user's model: {', '.join(adopting)}."


def _from_function(name: str) -> Resolved:
    workload: Any = registry.load("workloads", name)
    if not isinstance(workload, Workload):
        raise UsageError(
            f"{name}: it returned a {type(workload).__name__}, not a Workload.", "See docs/extending.md for a complete one."
        )
    if not workload.presets:
        raise UsageError(f"{name}: its workload has no presets.", "Give it one: presets = {'mine': Preset(...)}.")
    source = inspect.getsourcefile(sys.modules[type(workload).__module__])
    content = Path(source).read_bytes() if source else b""
    model = OwnModel(path=name, sha256=hashlib.sha256(content).hexdigest(), is_code=True)
    return Resolved(workload=name, preset=next(iter(workload.presets)), model=model)
