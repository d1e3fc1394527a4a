"""Every figure of a plan's JSON can be traced to leaves that have a source and a basis."""

from __future__ import annotations

import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from typing import Any

import pytest

from aigc_bench import api
from aigc_bench.cli import main
from aigc_bench.core.arithmetic import evaluate
from aigc_bench.core.derivation import derivation_of, recomputed
from aigc_bench.core.errors import UsageError
from aigc_bench.core.records import Estimate
from aigc_bench.core.trail import Trail, slug
from aigc_bench.core.trail_text import nearest
from aigc_bench.plan.explain.key_listing import listing
from aigc_bench.plan.explain.plan_trail import explain, resolve, short, trail_of
from aigc_bench.plan.output.contract import contract
from aigc_bench.plan.output.plan_view import plan_view
from aigc_bench.plan.records.plan import Option, Plan
from aigc_bench.plan.risk.counted_risk import path_key, swing_key
from aigc_bench.plan.stats.estimates import estimate
from aigc_bench.plan.stats.queueing import spares
from tests.plan.examples import EXAMPLES, plan_of_example

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
NOT_ARITHMETIC = (
    ".num_racks",
    ".servers_in_the_fullest_rack",
    ".rented",
    *(f".instances_by_year.{year}" for year in range(1, 5)),
    ".num_spares",
    ".num_margin",
    ".machines_for_wait",
    ".worlds",
    ".able",
    ".p_oom",
    ".regret_usd",
    "_tco_usd",
    ".expected_cost_usd",
    ".cost_p10_usd",
    ".cost_p90_usd",
    ".price_ratio",
    ".low",
    ".high",
    ".num_servers",
    ".staged_usd",
    ".at_once_usd",
)
"""What is no arithmetic over its inputs: queues, layouts, counts and means of drawn worlds."""


@pytest.fixture(scope="module")
def plan() -> Plan:
    return plan_of_example("mixed-company")


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


def leaves(trail: Trail, key: str) -> set[str]:
    """The ends of the trail below a key."""
    return {one for one, step in trail.reach([key]).items() if not step.inputs}


def is_circular(trail: Trail) -> bool:
    """Whether some number follows from itself."""
    try:
        TopologicalSorter({key: trail[key].inputs for key in trail}).prepare()
    except CycleError:
        return True
    return False


@pytest.fixture(scope="module", params=[file.stem for file in EXAMPLES])
def example(request: pytest.FixtureRequest) -> Plan:
    """Each of the examples, on a few accelerators."""
    return plan_of_example(request.param)


MEASURED = """
name = "what was measured"
availability = 0.99
[[service]]
name = "search"
workload = "bert"
preset = "base"
settings = { seq_len = 128 }
rate = [2, 4, 8]
response_kb = 2
[[batch]]
name = "faces"
workload = "dcgan"
preset = "dcgan-64-ngf64"
items = 400_000
deadline = "8h"
[site]
power_kw = 20
[constraints]
no_cloud = true
"""


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """A plan whose first options are machines like the one of the committed sample run."""
    file = tmp_path_factory.mktemp("measured") / "demand.toml"
    file.write_text(MEASURED)
    return api.plan(file, runs=["reports/sample"], accelerators=["l4"])


def test_machines_that_were_measured_are_explained_and_add_up(measured: Plan) -> None:
    own = [one for one in measured.options if one.accelerator is None and one.kind == "owned"]
    assert {one.placement for one in own} == {"pooled", "dedicated"}
    for option in own:
        trail = trail_of(measured, option)
        assert all(again == pytest.approx(trail[key].value.value) for key in trail if (again := trail.recomputed(key)) is not None)
        fast = trail[f"options.{option.rank}.machine.capabilities.search.throughput"]
        assert fast.value.basis == "measured"
        assert re.search(r"bert/base/infer.*, measured 20\d\d-", fast.source or "")
        keys = [key for key, _ in figures(contract(plan_view(measured))["options"][option.rank - 1], f"options.{option.rank}")]
        assert all(key in trail for key in keys)


def trails(plan: Plan) -> Iterator[tuple[Option, Trail]]:
    """The trail of every accepted option, and of the first refused ones."""
    for option in [one for one in plan.options if one.accepted] + [one for one in plan.options if not one.accepted][:3]:
        yield option, trail_of(plan, option)


def test_every_figure_of_every_option_is_explained_down_to_leaves(example: Plan) -> None:
    shown = contract(plan_view(example))["options"]
    for option, trail in trails(example):
        assert not is_circular(trail)
        found = list(figures(shown[option.rank - 1], f"options.{option.rank}"))
        assert len(found) > (3 if option.kind == "api" else 40)
        for key, figure in found:
            assert key in trail, f"{key} has no explanation"
            assert trail[key].value.value == (figure["value"] if isinstance(figure, dict) else figure), key


def test_every_leaf_has_a_source_and_a_date_or_says_that_it_is_assumed_or_modelled(example: Plan) -> None:
    for _, trail in trails(example):
        for key in trail:
            step = trail[key]
            if not step.inputs and step.value.value:
                assert step.source, f"{key} has no source"
                assert step.value.basis in ("assumed", "modelled") or re.search(r"\b(19|20)\d\d\b", step.source), (key, step.source)


def test_the_arithmetic_of_every_step_adds_up(example: Plan) -> None:
    """A step without arithmetic is a queue, spares, a count of the room, or a draw of scenarios."""
    for _, trail in trails(example):
        for key in trail:
            again = trail.recomputed(key)
            if again is not None:
                assert again == pytest.approx(trail[key].value.value, rel=1e-6, abs=1e-12), f"{key}: {trail[key].arithmetic}"
            elif trail[key].inputs:
                # The instances that a step counts may be an input without a name of its own.
                is_count = re.search(r"\.input_\d+$", key) and "instances of whole replicas" in str(trail[key].formula)
                assert is_count or key.endswith(NOT_ARITHMETIC) or ".bill." in key, (
                    f"{key} cannot be done again: {trail[key].formula}"
                )


def graph_of(plan: Plan) -> dict[int, Estimate]:
    """Every number that the shown numbers of a plan were computed from, as the objects that they are."""
    found: dict[int, Estimate] = {}
    waiting = [trail[key].value for _, trail in trails(plan) for key in trail]
    while waiting:
        number = waiting.pop()
        if id(number) not in found:
            found[id(number)] = number
            derivation = derivation_of(number)
            waiting += [one for one in derivation.inputs if isinstance(one, Estimate)] if derivation else []
    return found


def test_every_number_of_the_graph_follows_again_from_what_it_was_computed_from(example: Plan) -> None:
    graph = graph_of(example)
    done = [(number, again) for number in graph.values() if (again := recomputed(number)) is not None]
    assert len(done) > 500
    for number, again in done:
        assert again == pytest.approx(number.value, rel=1e-9, abs=1e-12), (number, derivation_of(number))


def test_spares_are_those_that_the_binomial_asks_for(example: Plan) -> None:
    for option, trail in trails(example):
        if not option.parts and option.machine is not None:
            serving = round(trail[f"options.{option.rank}.num_serving"].value.value)
            wanted = spares(serving, availability=example.rules.machine_availability.value, target=example.demand.availability)
            assert option.num_spares == wanted


def test_a_probability_is_a_count_of_worlds_over_all_that_were_drawn(example: Plan) -> None:
    assert example.certainty is not None
    for option, trail in trails(example):
        key = f"options.{option.rank}.p_slo"
        if option.p_slo is None:
            assert key not in trail
            continue
        held, drawn = (trail[one].value.value for one in trail[key].inputs)
        assert drawn == (example.certainty.num_worlds if option.rank <= example.certainty.num_close else 256)
        assert held == round(held) and held / drawn == option.p_slo


def test_what_is_said_of_how_sure_a_plan_is_can_be_traced(example: Plan) -> None:
    found, trail = example.certainty, trail_of(example)
    assert found is not None
    for one in found.regret:
        assert trail[f"certainty.regret.{one.rank}.p_cheapest"].value.value == one.p_cheapest
        assert trail[f"certainty.regret.{one.rank}.regret_usd"].value.value == one.regret_usd
        assert trail.recomputed(f"certainty.regret.{one.rank}.p_cheapest") == pytest.approx(one.p_cheapest, abs=1e-12)
    ends = [trail[swing_key("cost", one.name, end)].value.value for one in found.tornado.cost for end in ("low", "high")]
    assert ends == [usd for one in found.tornado.cost for usd in (one.tco_low_usd, one.tco_high_usd)]
    shares = [trail[swing_key("slo", one.name, end)].value.value for one in found.tornado.slo for end in ("low", "high")]
    assert shares == [share for one in found.tornado.slo for share in (one.p_slo_low, one.p_slo_high)]
    for year in found.growth_path.years if found.growth_path else ():
        assert trail[path_key(year.year, "num_servers")].value.value == year.num_servers
        assert trail[path_key(year.year, "p_slo")].value.value == year.p_slo


def test_a_probability_is_told_with_its_worlds_its_seed_and_how_they_were_drawn(plan: Plan) -> None:
    words = " ".join(explain(plan, "p_slo").split())
    assert re.search(r"= [\d,]+ scenarios / 2,048 scenarios", words)
    assert "seed 0" in words and "lognormal" in words and "modelled" in words
    assert explain(plan, "certainty").startswith(explain(plan, "p_slo"))


@pytest.mark.parametrize("kind", ["owned", "colocated", "cloud", "api", "mixed"])
def test_every_kind_of_option_is_among_those_that_are_explained(plan: Plan, kind: str) -> None:
    option = next(one for one in plan.options if one.parts) if kind == "mixed" else of_kind(plan, kind)
    trail = trail_of(plan, option)
    assert all(trail[leaf].source for leaf in leaves(trail, f"options.{option.rank}.tco_usd"))


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


def test_an_explanation_goes_down_to_leaves_and_tells_each_number_once(plan: Plan) -> None:
    words, best, trail = explain(plan, "tco_usd"), plan.recommended, trail_of(plan)
    assert best is not None
    assert words.startswith("Total cost")
    assert "formula: " in words and "source: " in words and "assumed" in words
    for leaf in leaves(trail, f"options.{best.rank}.tco_usd"):
        assert f"[{short(leaf, plan)}]" in " ".join(words.split()), f"{leaf} is not told"
    lines = [line.strip() for line in words.splitlines() if line.strip().startswith("source: ")]
    assert len(lines) < 200


def test_an_explanation_shows_the_numbers_that_the_formula_was_fed_with(plan: Plan) -> None:
    best = plan.recommended
    assert best is not None
    assert re.search(r"= .*\$.* × .*3 years", explain(plan, "tco_usd"))


def test_other_options_are_explained_by_their_rank(plan: Plan) -> None:
    option = of_kind(plan, "owned")
    assert explain(plan, f"options.{option.rank}.capex_usd").startswith("Purchase")


def test_list_names_keys_in_groups_that_can_be_explained(plan: Plan) -> None:
    lines = explain(plan, "list").splitlines()
    keys = [line.strip().split("  ")[0] for line in lines if line.startswith("  ")]
    headings = [line for line in lines[1:] if line and not line.startswith(" ")]
    assert headings[0] == "Money"
    assert {"Factors: power", "Rules", "Fleet"} <= set(headings)
    assert len(keys) > 100
    assert all(explain(plan, key) for key in keys[:: len(keys) // 20])


@pytest.mark.parametrize(
    ("wrong", "near"),
    [
        ("tco_us", "tco_usd"),
        ("factors.powr.required", "factors.power.required"),
        ("rules.job_goodputt", "rules.job_goodput"),
        ("site.electricity_usd", "demand.site.electricity_usd_per_kwh"),
    ],
)
def test_an_unknown_key_names_the_nearest(plan: Plan, wrong: str, near: str) -> None:
    with pytest.raises(UsageError) as caught:
        explain(plan, wrong)
    assert near in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_near_keys_are_of_like_letters_or_of_a_like_end() -> None:
    keys = ["costs.electricity", "costs.rent", "machine.price_usd"]
    assert nearest("electricty", keys) == ["costs.electricity"]
    assert nearest("costs.rents", keys) == ["costs.rent"]
    assert nearest("price", keys) == ["machine.price_usd"]
    assert nearest("zzzz", keys) == []


def test_a_key_like_nothing_is_sent_to_the_list(plan: Plan) -> None:
    with pytest.raises(UsageError, match=r"`--explain list` lists all \d+"):
        explain(plan, "zzzzzz")
    with pytest.raises(UsageError, match="it has options 1 to"):
        explain(plan, "options.9999.tco_usd")


def test_explain_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    demand = ["plan", "examples/nightly-images.toml", "--accelerator", "l40s", "--explain"]
    assert main([*demand, "power.required"]) == 0
    assert "formula" in capsys.readouterr().out
    assert main([*demand, "powr"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert len(told.err.splitlines()) == 1
    assert "Did you mean" in told.err


def test_the_json_of_a_plan_holds_the_derivations_of_what_it_recommends(plan: Plan) -> None:
    found = contract(plan_view(plan))["derivations"]
    assert plan.recommended is not None
    assert found[f"options.{plan.recommended.rank}.tco_usd"]["inputs"]
    for key, one in found.items():
        if "arithmetic" in one:
            again = evaluate(one["arithmetic"], [found[name]["value"] for name in one["inputs"]])
            assert again == pytest.approx(one["value"], rel=1e-6, abs=1e-12), key


def test_a_load_whose_name_holds_dots_is_listed_under_its_whole_name() -> None:
    trail = Trail()
    value = estimate(1.0, unit="s", basis="assumed", source="a test")
    keys = ["loads.chat v2.1.wait_s", "demand.services.chat v2.1.slo.ttft_s", "loads.chat v2.wait_s"]
    for key in keys:
        trail.add(key, "time", value)
    lines = listing(trail, {key: key for key in keys}, owners=["chat v2", "chat v2.1"]).splitlines()
    assert {"Loads: chat v2", "Loads: chat v2.1", "Demand: chat v2.1"} <= set(lines)
