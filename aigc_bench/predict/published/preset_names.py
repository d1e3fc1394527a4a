"""From the names that models go by elsewhere to the presets of workloads: ``black-forest-labs/FLUX.1-dev`` is ``flux.1-dev``.

Hugging Face, MLPerf, NVIDIA, diffusers and xDiT spell the same model in several ways. A name is cut down to its bare words
(``names.bare_name``) and looked up in order among the patterns of ``data/preset_aliases.csv``.
"""

from __future__ import annotations

import csv
import functools
import re
from importlib.resources import files

from aigc_bench.predict.published.name_resolution import bare_name


@functools.cache
def preset_aliases() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Pattern and ``workload/preset``, in the order in which they are tried."""
    with files("aigc_bench.predict").joinpath("data/preset_aliases.csv").open(encoding="utf-8") as file:
        return tuple((re.compile(row["pattern"]), row["preset"]) for row in csv.DictReader(file))


def resolve_preset(text: str) -> str | None:
    """``workload/preset`` of a model by any of its names; ``None`` where it is not known."""
    name = bare_name(text)
    return next((preset for pattern, preset in preset_aliases() if pattern.search(name)), None)
