"""A user's own model on disk: a Hugging Face ``config.json`` (or its folder) or a diffusers folder, read without running any of it.

    read_model("models/qwen")            config.json, and *.safetensors next to it if there are any
    read_model("models/sd")              model_index.json and the config.json of each component

Nothing that could run code is opened: a configuration that names code of its own (``auto_map``) and weights that are pickles
(.bin, .pt, .pth, .ckpt) are refused. Weights are read from safetensors only.
"""

from __future__ import annotations

import hashlib
import json
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from aigc_bench.core.document import MAX_JSON_CHARACTERS, MAX_MACHINE_KEYS, parse_json, read_json, shown
from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.model_config import check_config, check_part
from aigc_bench.core.records import Setting

# Formats of torch.save and pickle: loading one can run any code.
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
WEIGHTS = "_weights"
"""Key of a component's configuration that holds the folder of its safetensors."""
_INDEX = "model_index.json"
_CONFIG = "config.json"
_ADAPTER = "adapter_config.json"
_COMPLETE = message("Is the download complete?")
_NAMING_CODE = ("auto_map", "custom_pipelines", "custom_pipeline", "custom_generate", "trust_remote_code")
_READ_PRIVATE = ("_class_name",)
"""The one key with an underscore that is read; others are a library's own (``_attn_implementation`` may name a kernel to fetch)."""
_NOT_ARCHITECTURE = ("torch_dtype", "dtype", "transformers_version", "_name_or_path", "_attn_implementation", "attn_implementation")
"""Keys of a config.json that say how the model was saved or run, not what it is: the case decides those."""


@dataclass(frozen=True, kw_only=True)
class ModelFiles:
    """The content of the files. ``config`` is the model's, or the pipeline's index; ``components`` are a pipeline's own
    configurations.

    A component with safetensors names their folder in its configuration (``WEIGHTS``).
    ``weights`` is the folder that holds safetensors, ``None`` without any; ``sha256`` covers configurations, changes, and of the
    weights the names, dtypes, shapes and sizes: all that speed depends on.
    """

    kind: Literal["transformers", "diffusers"]
    path: Path
    config: Mapping[str, Any]
    components: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    weights: Path | None = None
    sha256: str

    @property
    def name(self) -> str:
        """A name for presets and cases: the folder's, or the file's where it is not called config.json."""
        own = self.path.stem if self.path.is_file() and self.path.name != _CONFIG else _folder(self.path).resolve().name
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
    given = Path(path)
    if given.suffix.lower() in PICKLES:
        raise UsageError(
            message("{given}: {pickle_reason}", given=given, pickle_reason=_PICKLE_REASON),
            message("Give its config.json, with the weights as safetensors or without weights."),
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
    if not file.is_file():
        _refuse_pickles(given)
        raise UsageError(
            message("{given}: the folder has neither {config} nor {index}.", given=given, config=_CONFIG, index=_INDEX),
            message("--model takes a Hugging Face or diffusers folder."),
        )
    config = _read_config(file)
    if file.name == _INDEX:
        return _pipeline(folder, changes=changes or {})
    config = {**config, **_known(changes or {}, config=config, file=file)}
    headers = _weights(folder)
    kept = {key: value for key, value in config.items() if key not in _NOT_ARCHITECTURE}
    if "model_type" not in kept and "_class_name" not in kept:
        raise UsageError(
            message("{file}: model_type is missing, so this is not a model's configuration.", file=file),
            message("Give the config.json of a transformers model."),
        )
    return ModelFiles(
        kind="transformers" if "model_type" in kept else "diffusers",
        path=given,
        config=kept,
        weights=folder if headers else None,
        sha256=_sha256([kept, *headers]),
    )


def _pipeline(folder: Path, *, changes: Mapping[str, Setting]) -> ModelFiles:
    index = _read_config(folder / _INDEX)
    # A pipeline has several configurations, and a plain key names none of them.
    if changes:
        raise UsageError(message("{folder}: --change is for the config.json of one model, not for a pipeline.", folder=folder))
    # Sorted, since the hash must not depend on the order of the file system.
    files = sorted(file for file in folder.glob(f"*/{_CONFIG}") if file.parent.name in index)
    configs = {file.parent.name: _read_config(file) for file in files}
    for name in configs:
        check_part(name, configs[name], file=folder / name / _CONFIG)
    headers = {name: _weights(folder / name) for name in configs}
    components = {name: {**config, **({WEIGHTS: str(folder / name)} if headers[name] else {})} for name, config in configs.items()}
    return ModelFiles(
        kind="diffusers",
        path=folder,
        config=index,
        components=components,
        weights=folder if any(headers.values()) else None,
        sha256=_sha256([index, configs, *(header for of_part in headers.values() for header in of_part)]),
    )


def _folder(path: Path) -> Path:
    return path if path.is_dir() else path.parent


def _read_config(file: Path) -> dict[str, Any]:
    """A JSON object that names no code of its own."""
    # Labels of classes are keys (ImageNet-21k has 43,000), and Mamba2 writes Infinity for a limit that there is not.
    config = read_json(file, max_keys=MAX_MACHINE_KEYS, may_be_infinite=True)
    if not isinstance(config, dict):
        raise UsageError(
            message("{file}: not a configuration: expected a JSON object, found {found}.", file=file, found=shown(config))
        )
    for key in ("model_type", "_class_name"):
        if not isinstance(config.get(key, ""), str):
            raise UsageError(
                message("{file}: {key} must be text.", file=file, key=key), message("It is the name of an architecture.")
            )
    place, kept = _place_of_code(config), _without_private(config)
    # Checked before private keys are dropped, which would hide what they name.
    if place is not None:
        raise UsageError(
            message("{file}: {place} names code to execute, which is never run.", file=file, place=place),
            message(
                "Remove it if the architecture is one of transformers' own; else write a workload and give --model module:function."
            ),
        )
    if config.get("quantization_config"):
        raise UsageError(
            message("{file}: quantization_config is not run as written.", file=file),
            message("Remove it to measure the architecture, with an engine such as torch-int4 for the format."),
        )
    check_config(config, file=file)
    return {**kept, **{key: config[key] for key in _READ_PRIVATE if key in config}}


def _place_of_code(value: Any, place: str = "") -> str | None:
    """The place of the first key, at any depth, that names code: ``text_config.auto_map``."""
    if isinstance(value, list):
        return next((found for one in value if (found := _place_of_code(one, place)) is not None), None)
    if not isinstance(value, dict):
        return None
    for key, inner in value.items():
        here = f"{place}.{key}" if place else key
        # An empty auto_map names nothing.
        if key in _NAMING_CODE and inner:
            return here
        if (found := _place_of_code(inner, here)) is not None:
            return found
    return None


def _without_private(value: Any) -> Any:
    """Return the value without the keys, at any depth, that make a library load or run something."""
    if isinstance(value, list):
        return [_without_private(one) for one in value]
    if isinstance(value, dict):
        return {key: _without_private(inner) for key, inner in value.items() if not _is_private(key)}
    return value


def _is_private(key: str) -> bool:
    return key.startswith("_") or key.endswith(("attn_implementation", "experts_implementation"))


def _known(changes: Mapping[str, Setting], *, config: Mapping[str, Any], file: Path) -> Mapping[str, Setting]:
    import difflib

    for key in changes:
        if key not in config:
            near = difflib.get_close_matches(key, config, n=3, cutoff=0.5)
            hint = (
                message("Did you mean {near}?", near=" or ".join(near))
                if near
                else message("Its keys: {keys}.", keys=", ".join(sorted(config)))
            )
            raise UsageError(message("--change {key}: {file} has no such key.", key=key, file=file), hint)
    return changes


_PICKLE_REASON = message("a pickle, and opening one runs the code that it contains.")


def _refuse_pickles(folder: Path) -> None:
    if not folder.is_dir():
        return
    found = sorted(file.name for file in folder.iterdir() if file.suffix.lower() in PICKLES)
    if found:
        raise UsageError(
            message("{folder}: {pickle_reason}", folder=folder / found[0], pickle_reason=_PICKLE_REASON),
            message("Convert the weights to safetensors, or move them away to measure with random ones (speed is the same)."),
        )


def _weights(folder: Path) -> list[Mapping[str, Any]]:
    """What each safetensors file of the folder holds, without its values; pickles without any safetensors are refused."""
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        _refuse_pickles(folder)
    elif (folder / _ADAPTER).exists():
        raise UsageError(
            message("{folder}: an adapter, which names another model to load.", folder=folder / _ADAPTER),
            message("Give the folder of that model, or of a merged one."),
        )
    _check_indexes(folder, files)
    return [{"file": file.name, "bytes": file.stat().st_size, "header": _header(file)} for file in files]


def _check_indexes(folder: Path, files: Sequence[Path]) -> None:
    """Raise where an index spreads the weights over anything but these files: it may name a pickle, or a file elsewhere."""
    known = {file.name for file in files}
    for index in sorted(folder.glob("*.safetensors.index*.json")) if files else ():
        found = read_json(index, max_keys=MAX_MACHINE_KEYS)
        spread = found.get("weight_map") if isinstance(found, dict) else None
        names = spread.values() if isinstance(spread, dict) else [spread]
        strange = [name for name in names if not isinstance(name, str) or name not in known]
        if strange:
            raise UsageError(
                message(
                    "{index}: weight_map names {strange}, which is not a safetensors file in its folder.",
                    index=index,
                    strange=shown(strange[0]),
                ),
                _COMPLETE,
            )


def _header(file: Path) -> Mapping[str, Any]:
    """The JSON header of a safetensors file: eight bytes of length (little-endian), then names, dtypes, shapes and offsets."""
    try:
        with file.open("rb") as handle:
            (length,) = struct.unpack("<Q", handle.read(8))
            # Checked before the read: a damaged length can be exabytes, which read() would try to allocate.
            if not 2 <= length <= min(file.stat().st_size, MAX_JSON_CHARACTERS):
                raise UsageError(message("{file}: not safetensors: the length of its header is impossible.", file=file), _COMPLETE)
            text = handle.read(length).decode("utf-8")
    except OSError as problem:
        raise UsageError(
            message("{file}: {strerror}.", file=file, strerror=(problem.strerror or message("cannot be read")).lower())
        ) from None
    except (UnicodeDecodeError, struct.error):
        raise UsageError(message("{file}: not safetensors: it has no header.", file=file), _COMPLETE) from None
    header = parse_json(text, where=message("{file}: header", file=file), max_keys=MAX_MACHINE_KEYS)
    if not isinstance(header, dict):
        raise UsageError(message("{file}: not safetensors: its header is {header}.", file=file, header=shown(header)), _COMPLETE)
    return header


def _sha256(parts: Sequence[Any]) -> str:
    # The same keys in another order are the same model.
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
