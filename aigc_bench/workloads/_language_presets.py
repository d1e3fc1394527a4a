"""Presets of ``gpt``: published language models by the names of ``predict/data/language_models.csv``.

``data/language_presets.json`` holds for each its title, its source, its number of parameters and the keys of its ``config.json``
that decide what is built; the architectures are transformers' own.
"""

from __future__ import annotations

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
    }
)
"""Lengths in tokens that a kind of model is run with unless set otherwise."""


def language_presets() -> Mapping[str, Preset]:
    """Every preset by name, the smallest of each generation first."""
    rows = json.loads(files(__package__).joinpath("data/language_presets.json").read_text(encoding="utf-8"))
    return MappingProxyType({name: _preset(**row) for name, row in rows.items()})


def _preset(*, lengths: str, **fields: Any) -> Preset:
    return Preset(defaults=_LENGTHS[lengths], **fields)
