"""A user's own model on disk: a Hugging Face ``config.json`` (or its folder) or a diffusers folder, read without running any of it.

    read_model("models/qwen")            config.json, and *.safetensors next to it if there are any
    read_model("models/sd")              model_index.json and the config.json of each component
    read_model("models/qwen-q4.gguf")    metadata and tensor types of llama.cpp's format
    read_model("models/mixtral")         params.json of Mistral or Meta, where there is no config.json

Nothing that could run code is opened. What a configuration names as code (``auto_map``) is left out, so that it can only be one
of an architecture that the library itself has; weights that are pickles (.bin, .pt, .pth, .ckpt) are refused. Weights are read
from safetensors only.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from aigc_bench.core.errors import UsageError
from aigc_bench.core.gguf import read_gguf
from aigc_bench.core.messages import message
from aigc_bench.core.model_config import check_config, check_part
from aigc_bench.core.model_weights import PICKLE_REASON, PICKLES, refuse_adapter, refuse_pickles, weights_of
from aigc_bench.core.other_configs import PARAMS, config_of_gguf, config_of_params, quantization_of_gguf
from aigc_bench.core.quantization import KEY, Quantization, quantization_of
from aigc_bench.core.records import Setting
from aigc_bench.core.safe_config import as_data, changed, place_of_code, read_config

WEIGHTS = "_weights"
"""Key of a component's configuration that holds the folder of its safetensors."""
_INDEX = "model_index.json"
_CONFIG = "config.json"
_GGUF = ".gguf"


@dataclass(frozen=True, kw_only=True)
class ModelFiles:
    """The content of the files. ``config`` is the model's, or the pipeline's index; ``components`` are a pipeline's own
    configurations.

    A component with safetensors names their folder in its configuration (``WEIGHTS``).
    ``weights`` is the folder that holds safetensors, ``None`` without any; ``quantization`` is what the weights are kept in, where
    the files say so; ``code`` is the place of a key that names code, which was left out. ``sha256`` covers configurations, changes,
    and of the weights the names, dtypes, shapes and sizes: all that speed depends on.
    """

    kind: Literal["transformers", "diffusers"]
    path: Path
    config: Mapping[str, Any]
    components: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    weights: Path | None = None
    quantization: Quantization | None = None
    code: str | None = None
    sha256: str

    @property
    def name(self) -> str:
        """A name for presets and cases: the folder's, or the file's where it is not called config.json."""
        is_named = self.path.is_file() and self.path.name not in (_CONFIG, PARAMS)
        own = self.path.stem if is_named else _folder_name(_folder(self.path).resolve())
        return re.sub(r"[^A-Za-z0-9._-]+", "-", own).strip("-") or "model"

    @property
    def architecture(self) -> str | None:
        """The class that the configuration names: ``Qwen2ForCausalLM``, ``StableDiffusionPipeline``."""
        if self.kind == "diffusers":
            return str(self.config.get("_class_name")) if self.config.get("_class_name") else None
        named = self.config.get("architectures")
        return str(named[0]) if isinstance(named, list) and named else None


def read_model(path: Path | str, *, changes: Mapping[str, Setting] | None = None) -> ModelFiles:
    """Read a model's configuration, ``changes`` put over its keys; raises ``UsageError`` in one line where it cannot be used."""
    given = _in_cache(Path(path))
    if given.suffix.lower() in PICKLES:
        raise UsageError(
            message("{given}: {pickle_reason}", given=given, pickle_reason=PICKLE_REASON),
            message("Give its config.json, with the weights as safetensors or without weights."),
        )
    if given.suffix.lower() == ".safetensors":
        raise UsageError(
            message("{given}: weights, which say nothing of the architecture.", given=given),
            message("Give the config.json that belongs to them, or their folder."),
        )
    if not given.exists():
        raise UsageError(
            message("{given}: no such file or folder.", given=given),
            message("--model takes a config.json, a model's folder, or module:function."),
        )
    folder = _folder(given)
    if given.is_dir() and (given / _INDEX).is_file():
        return _pipeline(given, changes=changes or {})
    file = given / _CONFIG if given.is_dir() else given
    other = _other(given, file=file, changes=changes or {})
    if other is not None:
        return other
    if not file.is_file():
        refuse_adapter(given)
        refuse_pickles(given)
        raise UsageError(
            message("{given}: the folder has neither {config} nor {index}.", given=given, config=_CONFIG, index=_INDEX),
            message("--model takes a Hugging Face or diffusers folder."),
        )
    config = read_config(file)
    if file.name == _INDEX:
        return _pipeline(folder, changes=changes or {})
    quantization = quantization_of(config, file=file)
    return _model(given, config, quantization=quantization, changes=changes or {}, file=file)


def _other(given: Path, *, file: Path, changes: Mapping[str, Setting]) -> ModelFiles | None:
    """A model whose configuration is no ``config.json``: GGUF, or the ``params.json`` of Mistral and Meta; ``None`` for others."""
    if file.is_file() and file.suffix.lower() != _GGUF and file.name != PARAMS:
        return None
    folder = _folder(given)
    params = given if given.name == PARAMS else folder / PARAMS
    ggufs = sorted(folder.glob(f"*{_GGUF}")) if given.is_dir() else [given] if given.suffix.lower() == _GGUF else []
    # Files of one model that was split; the first holds all metadata.
    firsts = [one for one in ggufs if not re.search(r"-0*(?:[2-9]|[1-9]\d+)-of-\d+$", one.stem)]
    if len(firsts) > 1:
        raise UsageError(
            message("{given}: {count} GGUF files.", given=given, count=len(firsts)),
            message("Name one: {names}.", names=", ".join(one.name for one in firsts[:5])),
        )
    if firsts:
        header = read_gguf(firsts[0])
        written = config_of_gguf(header, file=firsts[0])
        check_config(written, file=firsts[0])
        return _described(given, written, quantization=quantization_of_gguf(header), changes=changes, file=firsts[0])
    if params.is_file():
        written = config_of_params(params)
        quantization = quantization_of(written, file=params)
        written.pop(KEY, None)
        check_config(written, file=params)
        return _described(given, written, quantization=quantization, changes=changes, file=params)
    return None


def _described(
    given: Path, written: Mapping[str, Any], *, quantization: Quantization | None, changes: Mapping[str, Setting], file: Path
) -> ModelFiles:
    """A model by its sizes alone: weights in another format than safetensors of transformers' names are not read."""
    config = changed(written, changes, file=file)
    check_config(config, file=file)
    packed = [] if quantization is None else [quantization.model_dump()]
    return ModelFiles(kind="transformers", path=given, config=config, quantization=quantization, sha256=_sha256([config, *packed]))


def _model(
    given: Path, written: Mapping[str, Any], *, quantization: Quantization | None, changes: Mapping[str, Setting], file: Path
) -> ModelFiles:
    """A model of one configuration, with the headers of the weights next to it."""
    folder = _folder(given)
    config = changed(written, changes, file=file)
    if changes:
        check_config(config, file=file)
    headers = weights_of(folder)
    kept = as_data(config)
    if "model_type" not in kept and "_class_name" not in kept:
        raise UsageError(
            message("{file}: model_type is missing, so this is not a model's configuration.", file=file),
            message("Give the config.json of a transformers model."),
        )
    packed = [] if quantization is None else [quantization.model_dump()]
    return ModelFiles(
        kind="transformers" if "model_type" in kept else "diffusers",
        path=given,
        config=kept,
        weights=folder if headers else None,
        quantization=quantization,
        code=place_of_code(written),
        sha256=_sha256([kept, *packed, *headers]),
    )


def _pipeline(folder: Path, *, changes: Mapping[str, Setting]) -> ModelFiles:
    written = read_config(folder / _INDEX)
    index = as_data(written)
    # A pipeline has several configurations, and a plain key names none of them.
    if changes:
        raise UsageError(message("{folder}: --change is for the config.json of one model, not for a pipeline.", folder=folder))
    # Sorted, since the hash must not depend on the order of the file system.
    files = sorted(file for file in folder.glob(f"*/{_CONFIG}") if file.parent.name in index)
    configs = {file.parent.name: as_data(read_config(file)) for file in files}
    for name in configs:
        check_part(name, configs[name], file=folder / name / _CONFIG)
    headers = {name: weights_of(folder / name) for name in configs}
    components = {name: {**config, **({WEIGHTS: str(folder / name)} if headers[name] else {})} for name, config in configs.items()}
    return ModelFiles(
        kind="diffusers",
        path=folder,
        config=index,
        components=components,
        weights=folder if any(headers.values()) else None,
        code=place_of_code(written),
        sha256=_sha256([index, configs, *(header for of_part in headers.values() for header in of_part)]),
    )


def _in_cache(given: Path) -> Path:
    """The snapshot of a model's folder in the Hugging Face cache, any other path as it is.

    Raises ``UsageError`` where there are several and none is the branch ``main``.
    """
    snapshots = given if given.name == "snapshots" else given / "snapshots"
    if not snapshots.is_dir() or (given / _CONFIG).is_file():
        return given
    found = sorted(folder for folder in snapshots.iterdir() if folder.is_dir())
    main = snapshots.parent / "refs" / "main"
    # A commit's hash is a name and no path; a longer file is none.
    commit = main.read_text(encoding="utf-8", errors="replace")[:64].strip() if main.is_file() else ""
    chosen = [folder for folder in found if folder.name == commit] or found
    if len(chosen) > 1:
        raise UsageError(
            message("{given}: {count} snapshots.", given=given, count=len(chosen)),
            message("Name one: {names}.", names=", ".join(str(folder.relative_to(snapshots.parent)) for folder in chosen[:5])),
        )
    return chosen[0] if chosen else given


def _folder(path: Path) -> Path:
    return path if path.is_dir() else path.parent


def _folder_name(folder: Path) -> str:
    """The folder's name; in the cache of the Hugging Face hub, ``models--ORG--NAME/snapshots/COMMIT``, the model's."""
    repository = folder.parent.parent.name
    is_snapshot = folder.parent.name == "snapshots" and repository.startswith("models--")
    return repository.rpartition("--")[2] if is_snapshot else folder.name


def _sha256(parts: Sequence[Any]) -> str:
    # The same keys in another order are the same model.
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
