"""From the names that models go by elsewhere to the presets of workloads: ``black-forest-labs/FLUX.1-dev`` is ``flux.1-dev``.

Hugging Face, MLPerf, NVIDIA, diffusers and xDiT spell the same model in several ways. A name is cut down to its bare words
(``names.bare_name``) and looked up in order among the patterns of ``data/preset_aliases.csv``.
"""

from __future__ import annotations

import csv
import functools
import re
from importlib.resources import files

from aigc_bench.core import registry
from aigc_bench.core.records import PROBE_PREFIX
from aigc_bench.predict.published.name_resolution import bare_name, resolve_format, resolve_language_model
from aigc_bench.workloads._language_presets import language_presets

# What a hub adds for another training of the same network, or for a release of it.
_FINE_TUNED = re.compile(r"(-(instruct|it|chat|base|hf|thinking|preview|exp|v\d+(\.\d+)?|\d{4}|pt))+$")
# What it adds for another number format of the same weights.
_PACKED = re.compile(
    r"([-.](fp8|fp4|nvfp4|mxfp4|bf16|fp16|int8|int4|w4a16|w8a8|w8a16|w4a8|awq|gptq|bnb|qat|mlx|gguf|marlin|autoround|exl[23]"
    r"|dynamic|block|kv|quantized|[348]-?bit|q[2-8](-[0k](-[sml])?)?|bpw))+(-v\d+(\.\d+)?)?$"
)
_SIZE = re.compile(r"(\d+(?:\.\d+)?)b\b")
_ROUNDED = 0.25
"""Relative difference of a size in a name to what is counted: Gemma 7B has 8.5 billion parameters."""


@functools.cache
def preset_aliases() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Pattern and ``workload/preset``, in the order in which they are tried."""
    with files("aigc_bench.predict").joinpath("data/preset_aliases.csv").open(encoding="utf-8") as file:
        return tuple((re.compile(row["pattern"]), row["preset"]) for row in csv.DictReader(file))


def resolve_preset(text: str) -> str | None:
    """``workload/preset`` of a model by any of its names, whatever number format they state; ``None`` where it is not known."""
    name = _without_format(bare_name(text))
    found = next((preset for pattern, preset in preset_aliases() if pattern.search(name)), None)
    return found or _language_preset(name)


def precision_in(text: str) -> str | None:
    """Return the number format that the name of a published checkpoint ends with, ``None`` where it states none.

    ``nvidia/Llama-3.3-70B-Instruct-FP4`` is served in fp4, a GGUF of no stated kind in its usual four bits.
    """
    name = bare_name(text)
    ending = name[len(_without_format(name)) :]
    if not ending:
        return None
    # A method that is mostly four bits may state eight.
    is_eight = re.search(r"int8|8-?bit|w8a16|q8", ending) is not None and "fp8" not in ending
    found = resolve_format("int8" if is_eight else re.sub(r"[34]-?bit|q[2-6]|gguf|exl[23]|marlin|autoround", "int4", ending))
    return None if found is None else found.name


def _without_format(name: str) -> str:
    # A date or "instruct" may stand between two formats: from the right until nothing is left to take off.
    plain = _PACKED.sub("", name)
    return plain if plain == name else _without_format(plain)


def preset_names() -> list[str]:
    """Every ``workload/preset``, and the language models by their bare names, for suggestions."""
    families = {name: registry.load("workloads", name) for name in registry.names("workloads") if not name.startswith(PROBE_PREFIX)}
    return [*(f"{name}/{preset}" for name, family in families.items() for preset in family.presets), *language_presets()]


def _language_preset(name: str) -> str | None:
    """The language model that a hub's name means: ``llama-3.1-8b-instruct`` is ``gpt/llama-3.1-8b``."""
    presets = language_presets()
    plain = _FINE_TUNED.sub("", name)
    for spelling in (name, plain, plain.removeprefix("meta-")):
        if spelling in presets:
            return f"gpt/{spelling}"
    known = resolve_language_model(plain)
    # Published tables mean the first GPT-3 by several names; here it would answer for every GPT-3.5.
    if known is None or known.name not in presets or known.name == "gpt-175b":
        return None
    # A name that states another size means a smaller model made from this one (DeepSeek-R1-Distill-Qwen-7B).
    stated = _SIZE.search(plain)
    is_other = stated is not None and abs(float(stated[1]) * 1e9 / known.total_params - 1) > _ROUNDED
    return None if is_other else f"gpt/{known.name}"
