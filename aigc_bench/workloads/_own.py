"""From what a user calls their model to a workload that runs it: the door for ``run``, ``predict`` and a demand file.

resolve("models/qwen")                    a family that adopts the configuration, and the case's ``model``
resolve("my_package.models:make")         a workload of the user's own, made by their function
"""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aigc_bench.core import registry
from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.own_model import ModelFiles, read_model
from aigc_bench.core.quantization import Quantization
from aigc_bench.core.records import OwnModel, Setting
from aigc_bench.workloads._own_files import why_not_run
from aigc_bench.workloads.base import Workload


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """What a case of the user's model is made with: ``Case(workload=..., preset=..., model=..., ...)``.

    ``quantization`` is what its files say of the numbers of its weights, which a case's precision cannot hold.
    """

    workload: str
    preset: str
    model: OwnModel
    quantization: Quantization | None = None


def resolve(what: Path | str, *, changes: Mapping[str, Setting] | None = None) -> Resolved:
    """The family and preset of a user's model; raises ``UsageError`` in one line where none runs it.

    ``changes`` are put over the keys of its config.json: fewer layers make it fit a small machine.
    """
    text = str(what)
    # A file's name may hold a colon.
    if ":" in text and not Path(text).exists():
        if changes:
            raise UsageError(f"{text}: --change is for a config.json; your function decides itself.")
        return _from_function(text)
    files = read_model(text, changes=changes)
    for name in registry.names("workloads"):
        if registry.load("workloads", name).adopt(files) is not None:
            model = OwnModel(path=text, sha256=files.sha256, changes=dict(changes or {}))
            return Resolved(workload=name, preset=files.name, model=model, quantization=files.quantization)
    if files.code is not None:
        raise UsageError(
            message("{path}: {place} names code to execute, which is never run.", path=files.path, place=files.code),
            message("{why} Write a workload of your own and give --model module:function.", why=why_not_run(files).capitalize()),
        )
    raise UsageError(f"{files.path}: {why_not_run(files)}", _what_is_known(files))


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
    # The hash shows a resumed run that the code has changed.
    source = inspect.getsourcefile(sys.modules[type(workload).__module__])
    content = Path(source).read_bytes() if source else b""
    model = OwnModel(path=name, sha256=hashlib.sha256(content).hexdigest(), is_code=True)
    return Resolved(workload=name, preset=next(iter(workload.presets)), model=model)
