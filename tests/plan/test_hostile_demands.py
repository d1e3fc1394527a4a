"""Numbers that nobody should write, in every key that holds one: an answer that is valid JSON, or one line that names the key."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from aigc_bench.core.errors import UsageError
from aigc_bench.plan.answer import answer
from aigc_bench.plan.demand.manual import Key, keys
from aigc_bench.plan.demand.reader import read_demand
from aigc_bench.plan.output.contract import contract
from aigc_bench.report.plan.render import render_plan
from tests.plan.demands import JOBS, SERVICES, catalogue, demand_of, text_of

ACCELERATORS = ("h100_sxm_80gb",)
TABLES: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "service": (
        "[[service]]",
        {
            "name": "'chat'",
            "workload": "'gpt'",
            "preset": "'llama-3.1-8b'",
            "rate": "5",
            "input_tokens": "500",
            "output_tokens": "100",
        },
    ),
    "service.slo": ("[service.slo]", {}),
    "batch": (
        "[[batch]]",
        {
            "name": "'books'",
            "workload": "'text_to_speech'",
            "preset": "'vits'",
            "items": "5000",
            "deadline": "'4h'",
        },
    ),
    "training": (
        "[[training]]",
        {"name": "'tuning'", "workload": "'gpt'", "preset": "'llama-3.1-8b'", "tokens": "1000000", "deadline": "'4h'"},
    ),
    "dataset": ("[[dataset]]", {"name": "'data'", "size_gb": "5"}),
    "site": ("[site]", {}),
    "finance": ("[finance]", {}),
    "constraints": ("[constraints]", {}),
}
BESIDE = {
    "users": {"active_share": "0.1", "requests_per_minute": "1"},
    "active_share": {"users": "100", "requests_per_minute": "1"},
    "requests_per_minute": {"users": "100", "active_share": "0.1"},
    "peak_factor": {"users": "100", "active_share": "0.1", "requests_per_minute": "1"},
    "growth_per_year": {"horizon": "'3y'"},
    "horizon": {"growth_per_year": "0.2"},
}
"""Keys that belong together."""
OWN_UNIT = {"samples", "items_per_request"}
"""Keys of other families than these tables ask for."""
NUMBERS = [
    key for key in keys() if key.kind in ("amount", "number", "share", "duration", "whole number") and key.key not in OWN_UNIT
]


def written(key: Key, value: str) -> str:
    """A demand in which one key holds the value and all others hold something usual."""
    name = key.table.strip("[]")
    given = {key.key: value, **BESIDE.get(key.key, {})}
    top = {"name": "'hostile'", **(given if name == "top" else {})}
    lines = [f"{one} = {number}" for one, number in top.items()]
    for table, (head, usual) in TABLES.items():
        if table in ("batch", "training", "dataset") and name not in (table, "site", "finance", "constraints", "top"):
            continue
        mine = {**usual, **(given if table == name else {})}
        if "users" in mine:
            mine.pop("rate")
        lines += [head, *(f"{one} = {number}" for one, number in mine.items())]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("value", ["0", "1e12"])
@pytest.mark.parametrize("key", NUMBERS, ids=[f"{key.table}.{key.key}" for key in NUMBERS])
def test_every_number_is_answered_or_refused_in_a_line_that_names_its_key(key: Key, value: str, tmp_path: Path) -> None:
    file = tmp_path / "demand.toml"
    file.write_text(written(key, value))
    try:
        plan = answer(read_demand(file, catalogue=catalogue()), catalogue=catalogue(), accelerators=ACCELERATORS)
    except UsageError as told:
        assert "\n" not in str(told)
        assert key.key in str(told) or "prompt_len" in str(told)
        return
    json.dumps(contract(plan), allow_nan=False)
    assert not re.search(r"\b(nan|inf|None)\b", " ".join(reason for option in plan.options for reason in option.reasons))


@pytest.mark.parametrize("name", [*SERVICES, *JOBS])
def test_a_demand_for_nothing_is_answered_replayed_and_reported(name: str) -> None:
    plan = answer(demand_of(text_of(name, amount=0)), catalogue=catalogue(), accelerators=ACCELERATORS)
    json.dumps(contract(plan), allow_nan=False)
    assert plan.recommended is not None
    assert plan.recommended.tco_usd.value == 0
    assert "<html" in render_plan(plan, version="test")
