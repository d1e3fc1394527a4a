"""Presets of ``gpt``: published language models by their bare names, those of ``predict/data/language_models.csv`` among them.

``data/language_presets.json`` holds for each its title, its source, its number of parameters, the number format of its published
weights where that is not 16 bits, and the keys of its ``config.json`` that decide what is built; the architectures are
transformers' own.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from aigc_bench.workloads.base import Preset

_LENGTHS: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {
        "tiny": {"prompt_len": 32, "max_new_tokens": 16, "seq_len": 64},
        "gpt2": {"prompt_len": 128, "max_new_tokens": 128, "seq_len": 1024},
        "llm": {"prompt_len": 1024, "max_new_tokens": 128, "seq_len": 2048},
        # A text is read once: its vector, or its score, is what the one pass computes.
        "embedding": {"prompt_len": 512, "max_new_tokens": 1, "seq_len": 512},
    }
)
"""Lengths in tokens that a kind of model is run with unless set otherwise."""


def language_presets() -> Mapping[str, Preset]:
    """Every preset by name, the smallest of each generation first."""
    return MappingProxyType({name: _preset(**row) for name, row in _rows().items()})


@functools.cache
def published_precision(preset: str) -> str | None:
    """Return the number format that a preset's weights are published in, ``None`` where that is 16 bits."""
    row = _rows().get(preset)
    return None if row is None else row.get("precision")


@functools.cache
def _rows() -> Mapping[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = json.loads(
        files(__package__).joinpath("data/language_presets.json").read_text(encoding="utf-8")
    )
    return MappingProxyType(found)


def _preset(*, lengths: str, precision: str | None = None, **fields: Any) -> Preset:
    del precision
    return Preset(defaults=_LENGTHS[lengths], **fields)
