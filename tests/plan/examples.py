"""The example demands and their plans on a few accelerators, each made once for all tests that look at it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from aigc_bench import api
from aigc_bench.plan.records.plan import Plan

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.toml"))
ACCELERATORS = ("h100_sxm_80gb", "mi300x", "l40s")

OF_EXAMPLES = {"shanghai-10kw": ("l20", "h20_96gb")}
"""Parts of the examples that allow none of those."""


@cache
def plan_of_example(name: str) -> Plan:
    """The plan of ``examples/<name>.toml``."""
    (file,) = (one for one in EXAMPLES if one.stem == name)
    return api.plan(file, accelerators=OF_EXAMPLES.get(name, ACCELERATORS))
