"""Write ``predict/data/language_defaults.json``: the defaults of transformers' configurations for the keys that are read.

    python tools/language_defaults.py

A file that a user has may leave out what is the default of its model type. The table is shipped, because importing the
configurations takes seconds and torch. Run it again after an update of transformers; tests compare it with the installed one.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import re
from pathlib import Path

from aigc_bench.predict.language import configuration, decoders, encoders, feed_forward, layer_kinds, mixers, traits

FILE = Path("aigc_bench/predict/data/language_defaults.json")


def keys_read() -> set[str]:
    """Return every key that the description of a language model looks up, in all its spellings."""
    modules = (configuration, decoders, encoders, feed_forward, layer_kinds, mixers, traits)
    text = "\n".join(Path(module.__file__ or "").read_text(encoding="utf-8") for module in modules)
    words = set(re.findall(r'"([A-Za-z_][A-Za-z0-9_]+)"', text))
    return words | {spelling for spellings in configuration.ALIASES.values() for spelling in spellings}


def defaults() -> dict[str, dict[str, object]]:
    """Return the defaults of every model type that is counted in closed form."""
    from transformers import AutoConfig

    logging.disable(logging.CRITICAL)
    keys = keys_read() - {"layer_types", "layers_block_type", "mlp_layer_types", "model_type", "no_rope_layers", "moe_layers"}
    found = {}
    for name in sorted({*traits.TRAITS, *encoders.ENCODERS}):
        # Of the class, not of an instance: those compute missing sizes from others (falcon's width from its default hidden size).
        own = {field.name: field.default for field in dataclasses.fields(type(AutoConfig.for_model(name)))}
        found[name] = {key: own[key] for key in sorted(own) if key in keys and isinstance(own[key], bool | int | float | str)}
    return found


if __name__ == "__main__":
    FILE.write_text(json.dumps(defaults(), indent=1, sort_keys=True) + "\n", encoding="utf-8")
