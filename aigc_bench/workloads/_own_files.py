"""The files of a user's model as families see them: read once, unchanged since the case was made."""

from __future__ import annotations

import functools
import importlib.util
import re
from pathlib import Path

from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.own_model import ModelFiles, read_model
from aigc_bench.core.records import OwnModel, Setting

_PARTS = ("_text", "_text_model")
MAX_MODEL_TYPE = 100
"""Longer than any model type of transformers, and short enough for a file's name: longer ones would be an error of the system."""


def files_of(model: OwnModel) -> ModelFiles:
    """Read the files of a case's model; raises ``UsageError`` where they have changed since the case was made."""
    files = _read(model.path, tuple(sorted(model.changes.items())), model.sha256)
    if files.sha256 != model.sha256:
        raise UsageError(message("{path}: it has changed since this case was made.", path=model.path), message("Start a new run."))
    return files


@functools.lru_cache(maxsize=16)
def _read(path: str, changes: tuple[tuple[str, Setting], ...], sha256: str) -> ModelFiles:
    # The hash is part of the key alone: a file that was edited is read again for the case that was made of it.
    return read_model(path, changes=dict(changes))


def is_transformers_type(model_type: str) -> bool:
    """Whether the installed transformers has a modelling file for the type; looks at its folder, imports nothing."""
    return _modelling_file(model_type) is not None


@functools.cache
def heads_of(model_type: str) -> str:
    """The source of the type's modelling file, to see which heads it defines; empty where there is none."""
    file = _modelling_file(model_type)
    return "" if file is None else file.read_text(encoding="utf-8")


@functools.cache
def module_of(model_type: str) -> str | None:
    """The folder of the type in transformers' models, ``gemma3`` for ``gemma3_text``; ``None`` where it has no such type."""
    file = _modelling_file(model_type)
    return None if file is None else file.parent.name


def _modelling_file(model_type: str) -> Path | None:
    name = model_type.replace("-", "_")
    # The language part of a multimodal type is defined in that type's file.
    found = _file_of(name)
    return found if found is not None or not name.endswith(_PARTS) else _file_of(re.sub(r"_text(_model)?$", "", name))


def _file_of(name: str) -> Path | None:
    spec = importlib.util.find_spec("transformers")
    if spec is None or spec.origin is None or not name.isidentifier() or len(name) > MAX_MODEL_TYPE:
        return None
    # Imports of transformers take seconds, a look at its folder none.
    file = Path(spec.origin).parent / "models" / name / f"modeling_{name}.py"
    return file if file.is_file() else None


def why_not_run(files: ModelFiles) -> str:
    """Why no family runs the model, as the end of a sentence."""
    if files.kind == "transformers" and not is_transformers_type(str(files.config["model_type"])):
        return message("the installed transformers has no model_type {model_type!r}.", model_type=files.config["model_type"])
    return message("no family runs a {architecture}.", architecture=files.architecture or files.config.get("model_type"))
