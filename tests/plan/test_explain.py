"""Every figure of a plan's JSON can be traced to leaves that have a source and a basis."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from aigc_bench import api
from aigc_bench.cli import main
from aigc_bench.core.errors import UnknownNameError
from aigc_bench.plan.contract import contract
from aigc_bench.plan.explain.step import Trail, slug
from aigc_bench.plan.explain.told import explain, resolve, trail_of
from aigc_bench.plan.records import Option, Plan

COUNTS = (
    "num_servers",
    "num_spares",
    "num_accelerators",
    "num_racks",
    "headroom",
    "p_slo",
    "p_budget",
    "p_oom",
    "count",
    "num_candidates",
)
NARROW = ("h100_sxm_80gb", "mi300x", "l40s")


@pytest.fixture(scope="module")
def plan() -> Plan:
    return api.plan("examples/mixed-company.toml", accelerators=NARROW)


def of_kind(plan: Plan, kind: str) -> Option:
    return next(option for option in plan.options if option.kind == kind)


def figures(node: Any, path: str) -> Iterator[tuple[str, dict[str, Any] | float]]:
    """Every figure below a node of the JSON: its key and itself."""
    if isinstance(node, dict):
        if "value" in node and "basis" in node:
            yield path, node
        for name, child in node.items():
            if isinstance(child, int | float) and not isinstance(child, bool) and name in COUNTS:
                yield f"{path}.{name}", child
            elif isinstance(child, dict | list):
                yield from figures(child, f"{path}.{slug(name) if '.inputs' in path else name}".removesuffix(".usd_per_year"))
    elif isinstance(node, list):
        names = [entry.get("key", entry.get("name")) if isinstance(entry, dict) else None for entry in node]
        for at, (entry, name) in enumerate(zip(node, names, strict=True)):
            again = name is not None and name in names[:at]
            known = name if name is not None else at + 1
            yield from figures(entry, f"{path}.{known}{f'.{at}' if again else ''}")


def leaves(trail: Trail, key: str, above: tuple[str, ...] = ()) -> Iterator[str]:
    """The ends of the trail below a key; a circle is no explanation."""
    assert key not in above, f"{key} follows from itself: {' <- '.join(above)}"
    step = trail[key]
    if not step.inputs:
        yield key
    for child in step.inputs:
        yield from leaves(trail, child, (*above, key))


@pytest.mark.parametrize("kind", ["owned", "colocated", "cloud", "api", "mixed"])
def test_every_figure_of_the_json_is_explained_down_to_leaves_with_source_and_basis(plan: Plan, kind: str) -> None:
    option = next(one for one in plan.options if one.parts) if kind == "mixed" else of_kind(plan, kind)
    trail = trail_of(plan, option)
    shown = contract(plan)["options"][option.rank - 1]
    found = list(figures(shown, f"options.{option.rank}"))
    assert len(found) > (5 if kind == "api" else 50)
    for key, figure in found:
        assert key in trail, f"{key} has no explanation"
        told = trail[key].value.value
        assert told == (figure["value"] if isinstance(figure, dict) else figure), key
        for leaf in leaves(trail, key):
            assert trail[leaf].source, f"{key} rests on {leaf}, which has no source"
            assert trail[leaf].value.basis


def test_every_computed_step_has_a_formula_and_every_assumption_is_a_key(plan: Plan) -> None:
    trail = trail_of(plan)
    assert all(bool(trail[key].inputs) == bool(trail[key].formula) for key in trail)
    for one in plan.assumptions:
        assert resolve(trail, plan, one.key), f"{one.key} cannot be explained"


def test_short_keys_are_of_the_recommended_option(plan: Plan) -> None:
    trail, best = trail_of(plan), plan.recommended
    assert best is not None
    assert resolve(trail, plan, "tco_usd") == [f"options.{best.rank}.tco_usd"]
    assert [key.rpartition(".")[2] for key in resolve(trail, plan, "compute")] == ["required", "available", "headroom"]


def test_an_explanation_tells_formula_inputs_source_and_basis(plan: Plan) -> None:
    words = explain(plan, "tco_usd")
    assert words.startswith("total cost")
    assert "formula" in words and "source" in words and "assumed" in words


def test_other_options_are_explained_by_their_rank(plan: Plan) -> None:
    option = of_kind(plan, "owned")
    assert "purchase" in explain(plan, f"options.{option.rank}.capex_usd")


def test_list_names_keys_that_can_be_explained(plan: Plan) -> None:
    keys = [line.split("  ")[0].strip() for line in explain(plan, "list").splitlines()]
    assert len(keys) > 100
    assert all(explain(plan, key) for key in keys[:: len(keys) // 20])


def test_an_unknown_key_names_the_nearest(plan: Plan) -> None:
    with pytest.raises(UnknownNameError) as caught:
        explain(plan, "tco_us")
    assert re.search(r"tco_usd", str(caught.value))


def test_explain_prints_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    demand = "examples/nightly-images.toml"
    assert main(["plan", demand, "--accelerator", "l40s", "--explain", "power.required"]) == 0
    assert "formula" in capsys.readouterr().out
