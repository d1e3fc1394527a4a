"""One ``config.json`` as data: what would make a library load or run something is left out, and changes are put over its keys."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aigc_bench.core.document import MAX_MACHINE_KEYS, read_json, shown
from aigc_bench.core.errors import UsageError
from aigc_bench.core.failed_download import refuse_failed_download
from aigc_bench.core.messages import message
from aigc_bench.core.model_config import check_config
from aigc_bench.core.records import Setting

_NAMING_CODE = ("auto_map", "custom_pipelines", "custom_pipeline", "custom_generate", "trust_remote_code")
_READ_PRIVATE = ("_class_name",)
"""The one key with an underscore that is read; others are a library's own (``_attn_implementation`` may name a kernel to fetch)."""
_NOT_ARCHITECTURE = ("torch_dtype", "dtype", "transformers_version", "quantization_config", "compression_config")
"""Keys that say how the model was saved, not what it is: the case decides those."""


def read_config(file: Path) -> dict[str, Any]:
    """Return a configuration as it is written; raises ``UsageError`` where it is none, or a dimension in it is none."""
    refuse_failed_download(file)
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
    check_config(config, file=file)
    return config


def as_data(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what describes the architecture: without names of code, a library's private keys, or how the model was saved."""
    kept: dict[str, Any] = _without_private(config)
    return {**kept, **{key: config[key] for key in _READ_PRIVATE if key in config}}


def place_of_code(value: Any, place: str = "") -> str | None:
    """Return the place of the first key, at any depth, that names code: ``text_config.auto_map``."""
    if isinstance(value, list):
        return next((found for one in value if (found := place_of_code(one, place)) is not None), None)
    if not isinstance(value, dict):
        return None
    for key, inner in value.items():
        here = f"{place}.{key}" if place else key
        # An empty auto_map names nothing.
        if key in _NAMING_CODE and inner:
            return here
        if (found := place_of_code(inner, here)) is not None:
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
    is_name = key.startswith("_") or key.endswith(("attn_implementation", "experts_implementation"))
    return is_name or key in _NAMING_CODE or key in _NOT_ARCHITECTURE


def changed(config: Mapping[str, Any], changes: Mapping[str, Setting], *, file: Path) -> dict[str, Any]:
    """Return the configuration with values put over its keys; ``text_config.num_hidden_layers`` is a key of a table in it.

    Raises ``UsageError`` with the nearest keys where there is no such key.
    """
    found = dict(config)
    for key, value in changes.items():
        table, _, inner = key.rpartition(".")
        held = found.get(table) if table else found
        if not isinstance(held, dict) or inner not in held:
            raise UsageError(
                message("--change {key}: {file} has no such key.", key=key, file=file), _nearest(key, _keys_of(config))
            )
        found = {**found, table: {**held, inner: value}} if table else {**found, inner: value}
    return found


def _keys_of(config: Mapping[str, Any]) -> list[str]:
    """The keys that may be changed: of the configuration, and of the tables directly in it."""
    return [*config, *(f"{name}.{key}" for name, table in config.items() if isinstance(table, dict) for key in table)]


def _nearest(key: str, known: list[str]) -> str:
    near = difflib.get_close_matches(key, known, n=3, cutoff=0.5)
    if near:
        return message("Did you mean {near}?", near=" or ".join(near))
    return message("Its keys: {keys}.", keys=", ".join(sorted(name for name in known if "." not in name)))
