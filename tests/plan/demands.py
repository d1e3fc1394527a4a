"""Demand files drawn from a few numbers, and their plans, each made once for all tests that look at it."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from aigc_bench.catalog.loader import Catalogue, load_catalogue
from aigc_bench.plan.demand.demand_reader import read_demand
from aigc_bench.plan.planner import plan_demand
from aigc_bench.plan.records.demand import Demand
from aigc_bench.plan.records.plan import Plan

HANDFUL = ("h100_sxm_80gb", "a100_sxm_80gb", "l40s", "l4", "mi300x", "gaudi3")
"""Accelerators of four vendors' lines, with and without links, in servers of four and eight, and rented."""

SERVICES: Mapping[str, str] = {
    "chat": """
[[service]]
name = "chat"
workload = "gpt"
preset = "llama-3.1-8b"
rate = {rate}
input_tokens = 800
output_tokens = 200
[service.slo]
ttft = "{slo}s"
tpot = 0.05
""",
    "large chat": """
[[service]]
name = "large chat"
workload = "gpt"
preset = "llama-3.1-70b"
users = {rate}e2
active_share = 0.1
requests_per_minute = 3
peak_factor = 2
input_tokens = 1500
output_tokens = 300
[service.slo]
ttft = "{slo}s"
percentile = 90
""",
    "search": """
[[service]]
name = "search"
workload = "bert"
preset = "base"
rate = {rate}
[service.slo]
latency = "{slo}s"
""",
    "speech": """
[[service]]
name = "speech"
workload = "text_to_speech"
preset = "vits"
rate = {rate}
items_per_request = 10
[service.slo]
latency = "{slo}s"
""",
}
"""Services by name; ``rate`` requests a second at the peak and ``slo`` seconds are theirs to vary."""
JOBS: Mapping[str, str] = {
    "reports": """
[[batch]]
name = "reports"
workload = "gpt"
preset = "llama-3.1-8b"
items = {items}
input_tokens = 2000
output_tokens = 300
deadline = "6h"
""",
    "tuning": """
[[training]]
name = "tuning"
workload = "gpt"
preset = "llama-3.1-8b"
tokens = {items}e3
settings = {{ seq_len = 2048 }}
deadline = "10h"
every = "7d"
""",
    "books": """
[[batch]]
name = "books"
workload = "text_to_speech"
preset = "vits"
items = {items}
deadline = "8h"
""",
}
"""Jobs by name; ``items`` of a run are theirs to vary."""


@cache
def catalogue() -> Catalogue:
    """The shipped catalogue."""
    return load_catalogue(with_user_files=False)


def text_of(name: str, *, amount: float = 10.0, slo_s: float = 2.0, rest: str = "") -> str:
    """A demand for one service or job; ``amount`` is requests a second, or thousands of items of a run."""
    table = (
        SERVICES[name].format(rate=f"{amount:g}", slo=slo_s) if name in SERVICES else JOBS[name].format(items=round(1000 * amount))
    )
    return f'name = "{name}"\navailability = 0.99\n{table}{rest}'


@cache
def demand_of(text: str) -> Demand:
    """The demand that a file of that text holds."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "demand.toml"
        file.write_text(text)
        return read_demand(file, catalogue=catalogue())


@cache
def plan_of(text: str, *, accelerators: tuple[str, ...] = HANDFUL) -> Plan:
    """The plan of a demand; without accelerators over the whole catalogue."""
    return plan_demand(demand_of(text), catalogue=catalogue(), accelerators=accelerators)
