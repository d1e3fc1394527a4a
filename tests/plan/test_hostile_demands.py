"""Absurd numbers in every key that holds one: an answer that is valid JSON, or one line that names the key."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from aigc_bench.core.errors import UsageError
from aigc_bench.core.toml_file import inner_record
from aigc_bench.plan.demand.amounts import Amount, Range, range_of
from aigc_bench.plan.demand.demand_reader import read_demand
from aigc_bench.plan.demand.site_and_limits import demand_table
from aigc_bench.plan.full_plan import full_plan
from aigc_bench.plan.output.contract import contract
from aigc_bench.plan.output.plan_view import plan_view
from aigc_bench.report.plan.plan_report import render_plan
from tests.plan.demands import JOBS, SERVICES, catalogue, demand_of, text_of


def numeric_keys(record: type[BaseModel], table: str = "") -> Iterator[tuple[str, str, FieldInfo]]:
    """Table, name and field of every key of a demand file that holds a number."""
    for name, field in record.model_fields.items():
        inner = inner_record(field.annotation)
        if inner is not None and inner is not Amount:
            yield from numeric_keys(inner, f"{table}.{name}" if table else name)
        elif re.search(r"\b(Amount|int|float)\b", str(field.annotation)) and name != "settings":
            yield table or "top", name, field


ACCELERATORS = ("h100_sxm_80gb",)
USUAL: Mapping[str, Mapping[str, str]] = {
    "top": {"name": "'hostile'"},
    "service": {
        "name": "'chat'",
        "workload": "'gpt'",
        "preset": "'llama-3.1-8b'",
        "rate": "5",
        "input_tokens": "500",
        "output_tokens": "100",
    },
    "service.slo": {},
    "service.engine_options": {},
    "batch": {
        "name": "'books'",
        "workload": "'text_to_speech'",
        "preset": "'vits'",
        "items": "5000",
        "deadline": "'4h'",
    },
    "batch.engine_options": {},
    "training": {
        "name": "'tuning'",
        "workload": "'gpt'",
        "preset": "'llama-3.1-8b'",
        "tokens": "1000000",
        "deadline": "'4h'",
    },
    "rag": {"name": "'handbooks'", "preset": "'llama-3.1-8b'", "rate": "1", "passages": "100000", "output_tokens": "200"},
    "rag.slo": {},
    "rag.engine_options": {},
    "post_training": {
        "name": "'reasoning'",
        "preset": "'llama-3.1-8b'",
        "steps": "40",
        "prompts_per_step": "32",
        "answers_per_prompt": "4",
        "input_tokens": "400",
        "output_tokens": "1000",
        "deadline": "'7d'",
    },
    "dataset": {"name": "'data'", "size_gb": "5"},
    "owned": {"accelerator": "'a100'", "count": "4", "year": "2024"},
    "quote": {"name": "'q1'", "vendor": "'a vendor'", "accelerator": "'h100'", "price": "300000"},
    "site": {},
    "colocation": {},
    "finance": {},
    "constraints": {},
}
LISTS = ("service", "batch", "training", "rag", "post_training", "dataset", "owned", "quote")
ON_ITS_OWN = ("rag", "post_training", "owned", "quote")
"""Lists that are in a demand only where a key of them is tried."""
WHOLE = (
    *("racks", "rack_units", "count", "per_server", "year", "accelerators", "units", "min_replicas", "max_replicas"),
    *("chunk_tokens", "draft_tokens", "prefill_devices", "lora_adapters", "lora_rank"),
    *("instruction_tokens", "retrieved", "read", "dimensions", "index_copies", "steps", "prompts_per_step", "answers_per_prompt"),
)
OF_EVERYTHING = {"top", "site", "colocation", "finance", "constraints"}
"""Tables whose keys are about all services and jobs."""
PEOPLE = {"users": "100", "active_share": "0.1", "requests_per_minute": "1", "rate": ""}
NEEDS: Mapping[str, Mapping[str, str]] = {
    "users": PEOPLE,
    "active_share": PEOPLE,
    "requests_per_minute": PEOPLE,
    "peak_factor": PEOPLE,
    "hourly_requests": {"rate": ""},
    "items_per_request": {"workload": "'text_to_speech'", "preset": "'vits'", "input_tokens": "", "output_tokens": ""},
    "samples": {"workload": "'dcgan'", "preset": "'dcgan-64'", "tokens": ""},
    "growth_per_year": {"horizon": "'3y'"},
    "think_time": {"turns": "3"},
    "draft_tokens": {"draft": "'eagle'", "acceptance": "0.7"},
    "acceptance": {"draft": "'eagle'", "draft_tokens": "4"},
    "lora_rank": {"lora_adapters": "4"},
    "kv_offload": {"prefix_hit_rate": "0.5"},
    "per_server": {"count": "1024"},
    "horizon": {"growth_per_year": "0.2"},
}
"""What else a key needs in its table; an empty text takes a key out."""
BATCH_LENGTHS = {"workload": "'gpt'", "preset": "'llama-3.1-8b'", "input_tokens": "500", "output_tokens": "500"}
NUMBERS: Mapping[tuple[str, str], Range] = {
    (table, name): limits for table, name, field in numeric_keys(demand_table()) if (limits := range_of(field)) is not None
}
"""Range of every key that holds a number, by table and key."""
EITHER = (
    {"tokens", "samples"},
    {"count", "per_server"},
    {"budget", "budget_usd"},
    {"budget_per_year", "budget_usd_per_year"},
    {"electricity_per_kwh", "electricity_usd_per_kwh"},
    {"rate", "users", "hourly_requests"},
    {"rate", "active_share", "hourly_requests"},
    {"rate", "requests_per_minute", "hourly_requests"},
    {"rate", "peak_factor", "hourly_requests"},
    {"duty", "hourly_requests"},
    {"min_replicas", "max_replicas"},
    {"items_per_request", "input_tokens"},
    {"items_per_request", "output_tokens"},
    *({"items_per_request", name} for table, name in NUMBERS if table == "service.engine_options"),
)
"""Keys that do not stand together."""
Chosen = Mapping[tuple[str, str], str]


def written(number: float, limits: Range) -> str:
    """A number as a file writes it; a duration has its unit, since a bare one may be in another."""
    if limits.are_seconds:
        return f"'{f'{number:.9f}'.rstrip('0').rstrip('.')}s'"
    return f"{number:.12g}" if number % 1 else f"{number:.0f}"


def ends_of(key: tuple[str, str]) -> list[str]:
    """The ends of a key's range as a file writes them, and 0 where that is allowed."""
    limits = NUMBERS[key]
    texts = [written(end, limits) for end in (limits.low, limits.high)] + (["0"] if limits.or_zero else [])
    return [f"[{', '.join([text] * 24)}]" if key[1] == "hourly_requests" else text for text in texts]


def text_with(chosen: Chosen) -> str:
    """A demand in which these keys hold these values and all others hold something usual."""
    named = {table for table, _ in chosen}
    parents = {table.split(".")[0] for table in named}
    lines: list[str] = []
    for table, usual in USUAL.items():
        if table in LISTS[1:] and not parents & {table} and (table in ON_ITS_OWN or not named & OF_EVERYTHING):
            continue
        if "." in table and table not in named:
            continue
        own = {key: value for (of, key), value in chosen.items() if of == table}
        needed: dict[str, str] = {}
        for key in own:
            needed |= NEEDS.get(key, {}) if table != "batch" else BATCH_LENGTHS if key.endswith("_tokens") else {}
        if table == "batch" and "batch.engine_options" in named:
            needed |= BATCH_LENGTHS
        keys = {**usual, **needed, **own}
        lines += [] if table == "top" else [f"[[{table}]]" if table in LISTS else f"[{table}]"]
        lines += [f"{key} = {value}" for key, value in keys.items() if value]
    return "\n".join(lines) + "\n"


def check_plan(chosen: Chosen, folder: Path) -> None:
    """Plan with these values: valid JSON without a number that is none, or one line that names a key."""
    file = folder / "demand.toml"
    file.write_text(text_with(chosen))
    try:
        plan = full_plan(read_demand(file, catalogue=catalogue()), catalogue=catalogue(), accelerators=ACCELERATORS)
    except UsageError as told:
        refused = str(told)
        assert len(refused.splitlines()[1:]) <= len(chosen)
        assert "exceeds the model's" in refused or any(key in refused for _, key in chosen)
        return
    json.dumps(contract(plan_view(plan)), allow_nan=False)
    assert not re.search(r"\b(nan|inf|None)\b", " ".join(reason for option in plan.options for reason in option.reasons))


@pytest.mark.parametrize(
    ("key", "value"), [pytest.param(key, end, id=f"{'.'.join(key)} = {end[:12]}") for key in NUMBERS for end in ends_of(key)[-2:]]
)
def test_a_number_at_the_end_of_its_range_is_planned_with(key: tuple[str, str], value: str, tmp_path: Path) -> None:
    check_plan({key: value}, tmp_path)


several = (
    st.lists(st.sampled_from(sorted(NUMBERS)), min_size=2, max_size=4, unique=True)
    .filter(lambda keys: all(len(alike & {name for _, name in keys}) < 2 for alike in EITHER))
    .flatmap(lambda keys: st.fixed_dictionaries({key: st.sampled_from(ends_of(key)) for key in keys}))
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(chosen=several)
@example(chosen={("owned", "count"): "1", ("top", "horizon"): "'86400s'"})  # fewer than a replica takes
def test_several_numbers_at_the_ends_of_their_ranges_are_planned_with(chosen: Chosen, tmp_path: Path) -> None:
    check_plan(chosen, tmp_path)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(chosen=several)
def test_several_numbers_at_the_ends_of_their_ranges_are_read(chosen: Chosen, tmp_path: Path) -> None:
    file = tmp_path / "demand.toml"
    file.write_text(text_with(chosen))
    try:
        read_demand(file, catalogue=catalogue())
    except UsageError as told:
        # Each number is within its range; two of them may contradict each other.
        assert re.search("exceed|leave no time|is a share of", str(told))


@pytest.mark.parametrize("key", NUMBERS, ids=".".join)
def test_a_number_outside_of_its_range_is_refused_by_its_key(key: tuple[str, str], tmp_path: Path) -> None:
    limits, file = NUMBERS[key], tmp_path / "demand.toml"
    is_whole = key[1] in WHOLE
    below = limits.low - 1 if is_whole else limits.low * 0.99 or -1e-9
    below = -1 if limits.or_zero and below == 0 else below
    beyond = [limits.high + 1 if is_whole else limits.high * 1.01, below]
    # A duration with a sign is none, which has words of its own.
    for value in beyond if limits.are_seconds else [*beyond, -1]:
        text = f"{value:.0f}" if is_whole else written(value, limits) if limits.are_seconds else f"{value:.9g}"
        text = f"[{', '.join([text] * 24)}]" if key[1] == "hourly_requests" else text
        file.write_text(text_with({key: text}))
        with pytest.raises(UsageError, match=rf"{key[1]} = .*must be (0 or )?between") as caught:
            read_demand(file, catalogue=catalogue())
        assert "\n" not in str(caught.value)


def test_every_key_that_holds_a_number_has_a_range() -> None:
    without = [f"{table}.{name}" for table, name, field in numeric_keys(demand_table()) if range_of(field) is None]
    assert without == []
    assert len(NUMBERS) > 60


@pytest.mark.parametrize(("key", "value"), [("racks", "3.5"), ("racks", "'3'"), ("racks", "true"), ("rack_units", "42.0")])
def test_what_is_counted_is_a_whole_number(key: str, value: str, tmp_path: Path) -> None:
    file = tmp_path / "demand.toml"
    file.write_text(text_with({("site", key): value}))
    with pytest.raises(UsageError, match=f"{key} = .*must be a whole number"):
        read_demand(file, catalogue=catalogue())


@pytest.mark.parametrize("name", [*SERVICES, *JOBS])
def test_a_demand_for_nothing_is_answered_replayed_and_reported(name: str) -> None:
    plan = full_plan(demand_of(text_of(name, amount=0)), catalogue=catalogue(), accelerators=ACCELERATORS)
    json.dumps(contract(plan_view(plan)), allow_nan=False)
    assert plan.recommended is not None
    assert plan.recommended.tco_usd.value == 0
    assert "<html" in render_plan(plan_view(plan), version="test")
