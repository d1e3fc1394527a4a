"""What must hold of every plan over the catalogue, whatever is asked: more needs no less, worse is no cheaper, sums add up."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.core.records import Estimate, Record
from aigc_bench.plan.money.ownership import residual_of_option
from aigc_bench.plan.output.contract import contract
from aigc_bench.plan.output.plan_view import plan_view
from aigc_bench.plan.planner import plan_demand
from aigc_bench.plan.records.plan import Option, Plan
from tests.plan.demands import HANDFUL, JOBS, SERVICES, catalogue, demand_of, plan_of, text_of

few = settings(deadline=None, max_examples=12, derandomize=True)
AMOUNTS = st.floats(1, 200).map(lambda amount: float(f"{amount:.2g}"))
MORE = st.sampled_from([1.1, 1.7, 4.0])
NAMES = st.sampled_from([*SERVICES, *JOBS])
SITE = '[site]\nregion = "germany"\n'
EVERYTHING = (
    'name = "everything"\navailability = 0.999\ngrowth_per_year = [0.1, 0.2, 0.4]\nhorizon = "3y"\n'
    + SERVICES["chat"].format(rate=20, slo=2)
    + SERVICES["search"].format(rate=300, slo=0.5)
    + JOBS["tuning"].format(items=50_000)
    + JOBS["books"].format(items=500_000)
    + SITE
)
SAMPLE = (
    (EVERYTHING, HANDFUL),
    (text_of("chat", amount=30), ()),
    (text_of("tuning", amount=2e5), ()),
    (text_of("speech", amount=0.5, rest="[site]\npower_kw = 20\nracks = 2\n"), HANDFUL),
    (text_of("large chat", amount=40, rest=SITE + 'cooling = "direct_liquid"\n'), ("gb200_186gb", "mi355x", "h200_sxm_141gb")),
)
"""Plans that every statement about one plan is checked on; two of them over the whole catalogue."""


@pytest.fixture(scope="module", params=range(len(SAMPLE)), ids=["everything", "chat", "tuning", "speech", "liquid"])
def plan(request: pytest.FixtureRequest) -> Plan:
    text, accelerators = SAMPLE[request.param]
    return plan_of(text, accelerators=accelerators)


def identity(option: Option) -> tuple[object, ...]:
    return option.kind, option.term, option.provider, option.server, option.accelerator, option.placement


def accepted(plan: Plan) -> dict[tuple[object, ...], Option]:
    return {identity(option): option for option in plan.options if option.accepted and not option.parts}


def cost(plan: Plan) -> float:
    """Total cost of what is recommended; infinite where nothing is accepted."""
    return plan.recommended.tco_usd.value if plan.recommended else math.inf


@few
@given(NAMES, AMOUNTS, MORE)
def test_more_demand_never_needs_fewer_machines_of_any_kind_and_never_costs_less(name: str, amount: float, more: float) -> None:
    less, greater = plan_of(text_of(name, amount=amount)), plan_of(text_of(name, amount=amount * more))
    before, after = accepted(less), accepted(greater)
    for key in before.keys() & after.keys():
        assert after[key].num_accelerators >= before[key].num_accelerators, key
    assert cost(greater) >= cost(less) * (1 - 1e-9)


ROOMY = "[site]\nrack_kw = 40\nrack_cooling_kw = 40\n[constraints]\nconfidence = 0\n"


def costs_of(plan: Plan) -> dict[tuple[str, ...], float]:
    """Total cost of each way to have each machine; of rents by accelerator, as their instances differ in size."""
    found: dict[tuple[str, ...], float] = {}
    for one in plan.options:
        if one.accepted and not one.parts:
            key = (one.kind, one.term, one.accelerator or "", "" if one.kind == "cloud" else one.server or "")
            found[key] = min(found.get(key, math.inf), one.tco_usd.value)
    return found


@pytest.mark.parametrize("name", ["tuning", "reports"])
def test_more_work_makes_no_procurement_cheaper(name: str) -> None:
    """From a corner of one accelerator to a hundred servers, in steps of half as much again; the middle of all intervals."""
    before: dict[tuple[str, ...], float] = {}
    for step in range(24):
        now = costs_of(plan_of(text_of(name, amount=3.0 * 1.5**step, rest=ROOMY)))
        for key in before.keys() & now.keys():
            assert now[key] >= before[key] * (1 - 1e-9), (key, step)
        before |= now
    assert len(before) > 10


@few
@given(st.sampled_from(sorted(SERVICES)), AMOUNTS, st.sampled_from([1.5, 0.7, 0.3]))
def test_a_stricter_slo_never_costs_less(name: str, amount: float, slo_s: float) -> None:
    loose, strict = (plan_of(text_of(name, amount=amount, slo_s=bound)) for bound in (2.0, slo_s))
    assert cost(strict) >= cost(loose) * (1 - 1e-9)


@few
@given(NAMES, AMOUNTS, st.sampled_from(["pue = {:.2f}", "electricity_usd_per_kwh = {:.2f}", "demand_charge_usd_per_kw_month = {}"]))
def test_a_higher_pue_or_tariff_never_lowers_the_cost(name: str, amount: float, key: str) -> None:
    cheap, dear = (plan_of(text_of(name, amount=amount, rest=f"[site]\n{key.format(value)}\n")) for value in (1.1, 1.9))
    assert cost(dear) >= cost(cheap) * (1 - 1e-9)


@pytest.mark.parametrize("name", ["chat", "tuning"])
def test_higher_server_prices_never_lower_the_cost(name: str, tmp_path: Path) -> None:
    """Every server with one of the handful is a quarter dearer; there is no cloud to flee to."""
    priced = [server for server in catalogue().servers.values() if server.gpu_id in HANDFUL and server.price]
    rows = [
        f'[servers.{server.id}]\nsource = "a test"\nas_of = "2026-11"\n'
        + "".join(f"price_{end}_usd = {1.25 * value}\n" for end in ("low", "mid", "high") if (value := getattr(server.price, end)))
        for server in priced
    ]
    file = tmp_path / "dearer.toml"
    file.write_text("\n".join(rows))
    text = text_of(name, amount=50 if name == "chat" else 3e5, rest="[constraints]\nno_cloud = true\n")
    dearer = load_catalogue([file], with_user_files=False)
    assert cost(plan_demand(demand_of(text), catalogue=dearer, accelerators=HANDFUL)) > cost(plan_of(text))


WORSE = """
[accelerators.worse]
like = "{like}"
name = "Worse than {like}"
{columns}
source = "a test"
as_of = "2026-11"

[servers.worse_server]
like = "{server}"
name = "A server of the worse"
gpu_id = "worse"
{server_columns}
source = "a test"
as_of = "2026-11"
"""


@pytest.mark.parametrize(
    ("like", "server"), [("h100_sxm_80gb", "dgx_h100"), ("l40s", "pcie_4u_8x_l40s"), ("mi300x", "smc_8125gs_mi300x")]
)
@pytest.mark.parametrize("name", ["chat", "speech", "tuning"])
def test_an_accelerator_that_is_worse_in_everything_and_costs_more_is_never_chosen(
    name: str, like: str, server: str, tmp_path: Path
) -> None:
    file = tmp_path / "worse.toml"
    file.write_text(worse_than(like, server))
    richer = load_catalogue([file], with_user_files=False)
    text = text_of(name, amount={"chat": 50, "speech": 5, "tuning": 2000}[name], rest="[constraints]\nno_cloud = true\n")
    found = plan_demand(demand_of(text), catalogue=richer, accelerators=(like, "worse"))
    assert {option.accelerator for option in found.options if option.accepted} == {like, "worse"}
    assert found.recommended is not None
    assert found.recommended.accelerator == like


def worse_than(like: str, server: str) -> str:
    """A row that is a tenth worse than an accelerator in every figure, in a server that is a tenth worse, too."""
    spec, host = catalogue().accelerators[like], catalogue().servers[server]
    assert host.price is not None and spec.tdp_w is not None
    slower = {
        f"{name}_tflops": 0.9 * value / 1e12 for name in ("fp32", "tf32", "fp16", "bf16", "fp8") if (value := spec.peak(name))
    }
    columns = {
        **slower,
        "memory_gib": 0.9 * spec.memory_bytes / 2**30,
        "memory_bandwidth_gb_per_s": 0.9 * spec.memory_bandwidth_bytes_per_s / 1e9,
        "tdp_w": 1.1 * spec.tdp_w,
        "idle_w": 1.1 * (spec.idle_w or 60.0),
        "price_mid_usd": 1.1 * (spec.price.mid if spec.price else 30_000),
    }
    prices = {f"price_{end}_usd": 1.1 * getattr(host.price, end) for end in ("low", "mid", "high")}
    watts = {name: 1.1 * value for name in ("max_power_w", "typical_power_w", "idle_power_w") if (value := getattr(host, name))}
    return WORSE.format(like=like, server=server, columns=_toml(columns), server_columns=_toml(prices | watts))


def _toml(columns: Mapping[str, float]) -> str:
    return "\n".join(f"{name} = {value:.6g}" for name, value in columns.items())


def test_accepted_options_have_room_in_every_factor_and_a_place_for_everything(plan: Plan) -> None:
    for option in plan.options:
        if not option.accepted:
            assert option.reasons
            continue
        assert all(found.headroom is None or found.headroom >= 0 for found in option.factors.values())
        assert all(found.verdict != "short" for found in option.factors.values())
        left = [one for one in option.room.layout.unplaced if one.limit] if option.room else []
        assert not left, f"{option.server}: {left}"


def test_the_recommended_option_is_the_cheapest_of_those_accepted(plan: Plan) -> None:
    costs = [option.tco_usd.value for option in plan.options if option.accepted and not option.misses_confidence]
    assert plan.recommended is not None
    assert plan.recommended.tco_usd.value == min(costs)
    assert [option.rank for option in plan.options] == list(range(1, len(plan.options) + 1))


def test_cost_lines_add_up_to_running_and_total_cost(plan: Plan) -> None:
    years = plan.demand.finance.life_years
    for option in plan.options:
        running = math.fsum(line.usd_per_year.value for line in option.costs if line.key != "hardware")
        assert option.opex_usd_per_year.value == pytest.approx(running)
        kept = residual_of_option(option, plan.demand.finance).value
        assert option.tco_usd.value == pytest.approx(option.capex_usd.value * (1 - kept) + running * years)


def test_the_bill_adds_up_to_the_purchase(plan: Plan) -> None:
    for option in plan.options:
        if option.room is None or option.machine is None:
            continue
        servers = option.num_servers * option.machine.price_usd.value
        beside = math.fsum(line.usd.value for line in option.room.bill.lines if line.usd and line.category != "node")
        assert option.capex_usd.value == pytest.approx(servers + beside)
        assert sum(line.count for line in option.room.bill.lines if line.category == "node") == option.num_servers


def test_what_all_loads_pay_is_the_cost_of_a_year(plan: Plan) -> None:
    for option in plan.options:
        if option.parts or not option.loads:
            continue
        paid = math.fsum(option.usd_per_unit[load.name].value * load.items_per_year.value for load in option.loads)
        assert paid == pytest.approx(math.fsum(line.usd_per_year.value for line in option.costs))
        assert option.carbon_kg is not None
        made = math.fsum(option.carbon_kg_per_unit[load.name].value * load.items_per_year.value for load in option.loads)
        assert made * plan.demand.finance.life_years == pytest.approx(option.carbon_kg.value)


def test_a_mixed_option_is_the_sum_of_its_parts(plan: Plan) -> None:
    for option in (one for one in plan.options if one.parts):
        for name in ("capex_usd", "opex_usd_per_year", "tco_usd", "carbon_kg"):
            whole, parts = getattr(option, name), [getattr(part, name) for part in option.parts]
            assert whole.value == pytest.approx(math.fsum(part.value for part in parts))
        for name in ("num_servers", "num_spares", "num_accelerators"):
            assert getattr(option, name) == sum(getattr(part, name) for part in option.parts)
        assert {load.name for load in option.loads} == {workload.name for workload in (*plan.demand.services, *plan.demand.jobs)}
        for name, factor in option.factors.items():
            known = [found.headroom for part in option.parts if (found := part.factors[name]).headroom is not None]
            assert factor.headroom == min(known, default=None)


def estimates(node: object) -> Iterator[Estimate]:
    """Every Estimate below a record."""
    if isinstance(node, Estimate):
        yield node
    elif isinstance(node, Record):
        for name in type(node).model_fields:
            # Numbers for explanations: counts with units of their own, and head-rooms that may be below zero.
            if name != "derived":
                yield from estimates(getattr(node, name))
    elif isinstance(node, Mapping):
        for value in node.values():
            yield from estimates(value)
    elif isinstance(node, tuple):
        for entry in node:
            yield from estimates(entry)


UNITS = {
    *("B", "W", "s", "K", "B/s", "bit/s", "BTU/h", "CFM", "ton", "L/year", "kWh/year", "day", "fraction", "ratio", "count"),
    *("kgCO2e", "kgCO2e/year", "gCO2e/kWh", "L/kWh", "usd", "USD", "usd/year", "USD/kWh", "USD/kW-month", "usd/accelerator-h"),
    *("m3/day", "USD/m3"),
    *(
        "usd/request",
        "usd/image",
        "usd/second",
        "users",
        "servers",
        "machines",
        "machines/server",
        "B/param",
        "fraction/year",
        "steps",
    ),
    *("B/month", "usd/B-month", "usd/instance-h"),
    *("request/s", "request/min", "request/year", "instances", "cores", "GPU-h", "degC"),
}
OF_ITEMS = ("{}s", "{}s/s", "{}s/year", "{}s/request", "{}/request", "{}/answer", "B/{}", "usd/{}", "kgCO2e/{}")
"""Units that are made of what a family counts."""


def units_of(plan: Plan) -> set[str]:
    items = {workload.item for workload in (*plan.demand.services, *plan.demand.jobs)}
    return {*UNITS, *(pattern.format(item) for item in items for pattern in OF_ITEMS)}


def test_every_estimate_holds_its_value_and_has_a_unit_that_is_known(plan: Plan) -> None:
    seen = list(estimates(plan))
    assert len(seen) > 500
    for found in seen:
        assert 0 <= found.low <= found.value <= found.high < math.inf, found
    assert {found.unit for found in seen} <= units_of(plan)


def test_money_is_stated_in_dollars_and_dollars_per_year(plan: Plan) -> None:
    for option in plan.options:
        assert (option.capex_usd.unit, option.opex_usd_per_year.unit, option.tco_usd.unit) == ("usd", "usd/year", "usd")
        assert {line.usd_per_year.unit for line in option.costs} <= {"usd/year"}
        items = {load.name: load.item for load in option.loads} or {one.name: one.item for one in plan.demand.services}
        for name, usd in option.usd_per_unit.items():
            assert usd.unit == f"usd/{items[name]}"
        for found in option.factors.values():
            assert {one.unit for one in (found.required, found.available) if one is not None} <= {found.unit}


def numbers(node: object) -> Iterator[float]:
    """Every number of a JSON."""
    if isinstance(node, float | int) and not isinstance(node, bool):
        yield node
    elif isinstance(node, dict):
        for value in node.values():
            yield from numbers(value)
    elif isinstance(node, list):
        for value in node:
            yield from numbers(value)


def test_the_json_holds_finite_numbers_only(plan: Plan) -> None:
    assert all(math.isfinite(number) for number in numbers(json.loads(json.dumps(contract(plan_view(plan)), allow_nan=False))))


@pytest.mark.parametrize("name", [*SERVICES, *JOBS])
def test_an_empty_demand_buys_nothing(name: str) -> None:
    found = plan_of(text_of(name, amount=0))
    json.dumps(contract(plan_view(found)), allow_nan=False)
    assert found.recommended is not None
    assert found.recommended.tco_usd.value == 0
    assert all(option.num_servers == 0 for option in found.options)


@pytest.mark.parametrize("name", ["chat", "search", "reports"])
def test_an_enormous_demand_is_answered_or_refused_by_name(name: str) -> None:
    """A billion users who all ask at once, or a thousand billion answers in a night."""
    found = plan_of(text_of(name, amount=1e7 if name in SERVICES else 1e9), accelerators=("h100_sxm_80gb", "l4"))
    json.dumps(contract(plan_view(found)), allow_nan=False)
    bought = [option for option in found.options if option.kind in ("owned", "colocated")]
    assert bought
    for option in bought:
        # Ten million embeddings a second are a hundred servers, which a hall holds.
        assert option.accepted == (name == "search")
        assert option.accepted or any(reason.split(":")[0] in {*option.factors, "space"} for reason in option.reasons)
