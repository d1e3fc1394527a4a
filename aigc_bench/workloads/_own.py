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
from types import MappingProxyType
from typing import Any

from aigc_bench.core import registry
from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.own_model import ModelFiles, read_model
from aigc_bench.core.quantization import Quantization
from aigc_bench.core.records import OwnModel, Setting
from aigc_bench.workloads._adoption import is_seen
from aigc_bench.workloads._own_files import why_not_run
from aigc_bench.workloads.base import Workload


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """What a case of the user's model is made with: ``Case(workload=..., preset=..., model=..., ...)``.

    ``quantization`` is what its files say of the numbers of its weights, which a case's precision cannot hold; ``note`` is a
    reason to state with its answers.
    """

    workload: str
    preset: str
    model: OwnModel
    quantization: Quantization | None = None
    note: str | None = None


def resolve(what: Path | str, *, changes: Mapping[str, Setting] | None = None) -> Resolved:
    """The family and preset of a user's model; raises ``UsageError`` in one line where none runs it.

    ``changes`` are put over the keys of its config.json: fewer layers make it fit a small machine.
    """
    text = str(what)
    # A file's name may hold a colon.
    if ":" in text and not Path(text).exists():
        if changes:
            raise UsageError(message("{path}: --change is for a config.json; your function decides itself.", path=text))
        return _from_function(text)
    files = read_model(text, changes=changes)
    # Where images can be run they are; its language model alone is what served engines are predicted for.
    names = [name for name in registry.names("workloads") if name != "gpt" or not is_seen(files)]
    for name in names:
        if registry.load("workloads", name).adopt(files) is not None:
            model = OwnModel(path=text, sha256=files.sha256, changes=dict(changes or {}))
            return Resolved(workload=name, preset=files.name, model=model, quantization=files.quantization)
    if files.code is not None:
        raise UsageError(
            message(
                "{path}: {place} names code to execute, which is never run, and {why}",
                path=files.path,
                place=files.code,
                why=why_not_run(files),
            ),
            message("Write a workload of your own and give --model module:function."),
        )
    raise UsageError(message("{path}: {why}", path=files.path, why=_why(files)), _what_is_known(files))


def _why(files: ModelFiles) -> str:
    """Why no family runs the model, as the end of a sentence; of a known pipeline the part that is missing."""
    missing = _NOT_CARRIED.get(files.architecture or "")
    return (
        why_not_run(files)
        if missing is None
        else message("no family builds a {architecture}: its {part}.", architecture=files.architecture, part=missing[0])
    )


_NOT_CARRIED: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "StableAudioPipeline": ("denoiser (StableAudioDiTModel)", "music/musicgen-medium"),
        "AudioLDM2Pipeline": ("denoiser (AudioLDM2UNet2DConditionModel)", "music/musicgen-small"),
    }
)
"""Pipelines of diffusers that no family carries: the part that it cannot build, and the preset closest to it."""


def _what_is_known(files: ModelFiles) -> str:
    loaded = {name: registry.load("workloads", name) for name in registry.names("workloads")}
    if files.kind == "diffusers" and not (files.architecture or "").endswith("Pipeline"):
        return message("Give the folder of its pipeline, the one with model_index.json.")
    missing = _NOT_CARRIED.get(files.architecture or "")
    if missing is not None:
        return message("Closest: {preset}; its own parts need a workload (--model module:function).", preset=missing[1])
    if files.kind == "diffusers":
        known = [pipeline for workload in loaded.values() for pipeline in workload.pipelines]
        return message("Pipelines that are run: {names}.", names=", ".join(sorted(known)))
    adopting = [name for name, workload in loaded.items() if type(workload).adopt is not Workload.adopt and not workload.pipelines]
    return message("Families that take a user's model: {names}.", names=", ".join(adopting))


def _from_function(name: str) -> Resolved:
    workload: Any = registry.load("workloads", name)
    if not isinstance(workload, Workload):
        raise UsageError(
            message("{name}: it returned a {kind}, not a Workload.", name=name, kind=type(workload).__name__),
            message("See docs/extending.md for a complete one."),
        )
    if not workload.presets:
        raise UsageError(
            message("{name}: its workload has no presets.", name=name), message("Give it one: presets = {'mine': Preset(...)}.")
        )
    # The hash shows a resumed run that the code has changed.
    source = inspect.getsourcefile(sys.modules[type(workload).__module__])
    content = Path(source).read_bytes() if source else b""
    model = OwnModel(path=name, sha256=hashlib.sha256(content).hexdigest(), is_code=True)
    return Resolved(workload=name, preset=next(iter(workload.presets)), model=model)
