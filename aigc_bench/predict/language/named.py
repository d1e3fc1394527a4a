"""A language model by any of its names: those of the published results first, then those of the presets, whose sizes are exact."""

from __future__ import annotations

import functools

from aigc_bench.core import registry
from aigc_bench.core.records import Case
from aigc_bench.predict.language.of_case import described
from aigc_bench.predict.published.language_models import LanguageModel
from aigc_bench.predict.published.name_resolution import is_typical, resolve_language_model
from aigc_bench.predict.published.preset_names import resolve_preset

_FAMILY = "gpt"


@functools.cache
def language_named(text: str) -> LanguageModel | None:
    """Return the model that a table or a demand means by a name; ``None`` where it is not known.

    Only a name that is neither published nor a preset's, but says its size, becomes a typical decoder of that size.
    """
    published = resolve_language_model(text)
    if published is not None and not is_typical(published):
        return published
    family, _, preset = (resolve_preset(text) or "").partition("/")
    if family != _FAMILY:
        return published
    config = registry.load("workloads", family).preset(Case(workload=family, preset=preset, mode="infer")).config
    return described(config)
