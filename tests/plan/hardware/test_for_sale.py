"""Only what is sold on the day is bought; old and announced parts are refused by name, and stay rentable."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from aigc_bench.catalog.loader import Catalogue, load_catalogue
from aigc_bench.plan.demand.demand_reader import read_demand
from aigc_bench.plan.hardware.hosts import Place, cautions_of, hosts, why_no_framework, why_not_sold
from aigc_bench.plan.hardware.measured_runs import MeasuredMachine
from aigc_bench.plan.planner import plan_demand
from aigc_bench.plan.records.plan import Plan
from tests.plan.build import make_machine

CATALOGUE = load_catalogue(with_user_files=False)
TODAY = date(2026, 10, 21)
SMALL_CHAT = """
name = "chat"
[[service]]
name = "chat"
workload = "gpt"
preset = "llama-3.1-8b"
rate = 2
input_tokens = 800
output_tokens = 250
"""


def plan_of(folder: Path, *accelerators: str, catalogue: Catalogue = CATALOGUE, measured: tuple[MeasuredMachine, ...] = ()) -> Plan:
    file = folder / "demand.toml"
    file.write_text(SMALL_CHAT)
    demand = read_demand(file, catalogue=catalogue)
    return plan_demand(demand, catalogue=catalogue, on=TODAY, accelerators=accelerators, measured=measured)


@pytest.mark.parametrize("accelerator", ["h100_sxm_80gb", "h200_sxm_141gb", "b200_sxm_180gb", "l40s", "l4", "mi300x", "mi350x"])
def test_what_is_young_or_has_a_price_as_new_is_for_sale(accelerator: str) -> None:
    assert why_not_sold(CATALOGUE.accelerators[accelerator], catalogue=CATALOGUE, on=TODAY) is None


@pytest.mark.parametrize(
    "accelerator", ["p100_sxm2_16gb", "v100_sxm2_32gb", "t4", "a100_sxm_80gb", "rtx_3090", "mi250", "rtx_4090"]
)
def test_what_is_old_and_has_a_price_at_release_or_second_hand_is_not(accelerator: str) -> None:
    reason = why_not_sold(CATALOGUE.accelerators[accelerator], catalogue=CATALOGUE, on=TODAY)
    assert reason is not None and reason.startswith("for sale: ")
    assert "more than 4 years" in reason or "no longer made" in reason


def test_what_is_announced_is_not_for_sale_and_neither_is_what_comes_later() -> None:
    rubin, h200 = CATALOGUE.accelerators["r200_288gb_announced"], CATALOGUE.accelerators["h200_sxm_141gb"]
    assert "only announced" in (why_not_sold(rubin, catalogue=CATALOGUE, on=TODAY) or "")
    assert "only announced" in (why_not_sold(h200, catalogue=CATALOGUE, on=date(2023, 6, 1)) or "")


IN_CHINA = Place(is_in_china=True)


@pytest.mark.parametrize(
    ("accelerator", "place", "word"),
    [
        ("b100_192gb", Place(), "never sold"),
        ("tpu_v6e", Place(), "maker's cloud"),
        ("h20_96gb", Place(), "there only"),
        ("l20", Place(), "there only"),
        ("ascend_910b2_64gb", Place(), "there only"),
        ("b200_sxm_180gb", IN_CHINA, "presumption of denial"),
        ("rtx_5090", IN_CHINA, "not sold in China"),
        ("h100_sxm_80gb", Place(is_in_china=True, excludes_controlled=True), "exclude_export_controlled"),
    ],
)
def test_a_part_is_bought_only_where_it_is_sold(accelerator: str, place: Place, word: str) -> None:
    reason = why_not_sold(CATALOGUE.accelerators[accelerator], catalogue=CATALOGUE, on=TODAY, place=place)
    assert reason is not None and word in reason


@pytest.mark.parametrize("accelerator", ["h20_96gb", "l20", "ascend_910b2_64gb", "ascend_910c_128gb", "h200_sxm_141gb"])
def test_parts_for_china_and_parts_with_a_licence_case_by_case_are_sold_there(accelerator: str) -> None:
    assert why_not_sold(CATALOGUE.accelerators[accelerator], catalogue=CATALOGUE, on=TODAY, place=IN_CHINA) is None


def test_a_licence_and_the_end_of_software_support_are_told() -> None:
    h200, v100 = CATALOGUE.accelerators["h200_sxm_141gb"], CATALOGUE.accelerators["v100_sxm2_32gb"]
    assert "licence" in " ".join(cautions_of(h200, catalogue=CATALOGUE, place=IN_CHINA))
    assert cautions_of(h200, catalogue=CATALOGUE) == ()
    assert "sm_70" in " ".join(cautions_of(v100, catalogue=CATALOGUE))


@pytest.mark.parametrize("accelerator", ["p100_sxm2_16gb", "v100_sxm2_32gb"])
def test_parts_that_current_frameworks_dropped_are_refused_unless_they_are_named(accelerator: str) -> None:
    spec = CATALOGUE.accelerators[accelerator]
    assert "CUDA 13" in (why_no_framework(spec) or "")
    assert why_no_framework(spec, named=[accelerator]) is None


@pytest.mark.parametrize("accelerator", ["t4", "h100_sxm_80gb", "mi300x", "tpu_v6e"])
def test_other_parts_have_current_frameworks(accelerator: str) -> None:
    assert why_no_framework(CATALOGUE.accelerators[accelerator]) is None


def test_a_chip_without_memory_of_its_own_is_no_host() -> None:
    assert not {"groq_lpu_v1", "cerebras_wse3"} & {host.spec.id for host in hosts(CATALOGUE)}


@pytest.mark.parametrize("region", ["China", "cn", "Shanghai", "cn-north-1", "cn-hangzhou"])
def test_regions_of_china_are_known(region: str) -> None:
    assert CATALOGUE.is_in_china(region)


@pytest.mark.parametrize("region", [None, "Hong Kong", "Taiwan", "de", "us-east-1"])
def test_other_regions_are_not_china(region: str | None) -> None:
    assert not CATALOGUE.is_in_china(region)


def test_the_day_of_prices_decides() -> None:
    a100 = CATALOGUE.accelerators["a100_sxm_80gb"]
    assert why_not_sold(a100, catalogue=CATALOGUE, on=date(2023, 6, 1)) is None
    assert why_not_sold(CATALOGUE.accelerators["h100_sxm_80gb"], catalogue=CATALOGUE, on=date(2028, 6, 1)) is not None


def test_a_quote_of_the_users_own_makes_an_old_part_buyable(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('[accelerators.a40]\nprice_mid_usd = 3000\nsource = "quote 7"\nas_of = "2026-10"\n')
    catalogue = load_catalogue([file], with_user_files=False)
    assert why_not_sold(catalogue.accelerators["a40"], catalogue=catalogue, on=TODAY) is None


def test_an_old_part_is_refused_as_a_purchase_and_stays_rentable(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "a100_sxm_80gb")
    kinds = {kind: [one for one in plan.options if one.kind == kind] for kind in ("owned", "colocated", "cloud")}
    assert kinds["owned"] and kinds["colocated"]
    for one in (*kinds["owned"], *kinds["colocated"]):
        assert not one.accepted and any(reason.startswith("for sale: ") for reason in one.reasons)
    assert any(one.accepted for one in kinds["cloud"])


def test_what_is_assumed_about_a_host_and_a_licence_are_open_questions(tmp_path: Path) -> None:
    def asked(accelerator: str) -> set[str]:
        owned = [one for one in plan_of(tmp_path, accelerator).options if one.kind in ("owned", "colocated")]
        assert owned and all(one.accepted or any("consumer card" in reason for reason in one.reasons) for one in owned)
        return {word for one in owned for reason in one.reasons for word in ("request a quote", "licence") if word in reason}

    assert asked("h200_sxm_141gb") == set()
    assert asked("mi350x") == {"request a quote"}
    assert asked("rtx_5080") == {"request a quote", "licence"}


def test_an_announced_part_is_among_the_refused_with_the_rule(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "r200_288gb_announced")
    assert [one.accelerator for one in plan.refused if "only announced" in one.reason] == ["r200_288gb_announced"]


def test_a_machine_that_the_user_has_measured_is_never_refused_by_the_rule(tmp_path: Path) -> None:
    own = MeasuredMachine(machine=make_machine(accelerator="a100_sxm_80gb"), cases={}, num_accelerators=8)
    plan = plan_of(tmp_path, "a100_sxm_80gb", measured=(own,))
    assert any(one.kind == "owned" and one.accepted for one in plan.options)
    assert not any(reason.startswith("for sale") for one in plan.options for reason in one.reasons)


def test_a_part_whose_vendor_has_a_stack_of_its_own_is_planned_with_only_by_name() -> None:
    spec = CATALOGUE.accelerators["tenstorrent_p150"]
    assert "stack of its own" in (why_no_framework(spec) or "")
    assert why_no_framework(spec, named=["tenstorrent_p150"]) is None
