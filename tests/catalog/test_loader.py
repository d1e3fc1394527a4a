"""The catalogue reads lazily, answers with intervals, and names what is near when it cannot answer."""

from __future__ import annotations

import subprocess
import sys

import pytest

from aigc_bench.catalog.loader import KINDS, Catalogue, load_catalogue
from aigc_bench.catalog.records import AcceleratorSpec, Price, Quantity
from aigc_bench.core.errors import UnknownNameError, UsageError
from aigc_bench.core.units import GIB

CATALOGUE = load_catalogue(with_user_files=False)


def test_loading_reads_nothing_and_one_table_reads_no_other() -> None:
    catalogue = Catalogue()
    assert not set(KINDS) & set(vars(catalogue))
    assert catalogue.cpus
    assert set(KINDS) & set(vars(catalogue)) == {"cpus"}


def test_the_catalogue_pays_for_no_heavy_import() -> None:
    code = (
        "import sys\n"
        "from aigc_bench.catalog.loader import load_catalogue\n"
        "from aigc_bench.catalog import descriptions\n"
        "descriptions.accelerator_rows(load_catalogue(with_user_files=False))\n"
        "print([name for name in ('torch', 'pandas', 'numpy', 'scipy', 'plotly') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("kind", KINDS)
def test_an_unknown_id_is_reported_with_the_nearest_ones(kind: str) -> None:
    known = next(iter(CATALOGUE.rows(kind)))
    with pytest.raises(UnknownNameError) as caught:
        CATALOGUE.get(kind, known + "x")
    assert isinstance(caught.value, UsageError)
    assert known in str(caught.value)


def test_an_unknown_table_lists_the_tables() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean servers"):
        CATALOGUE.get("server", "dgx_h100")


@pytest.mark.parametrize("name", CATALOGUE.constants)
def test_every_constant_is_an_ordered_interval_with_unit_basis_and_source(name: str) -> None:
    estimate = CATALOGUE.constant(name)
    assert estimate.low <= estimate.value <= estimate.high
    assert estimate.unit
    assert estimate.source
    assert estimate.basis == ("assumed" if CATALOGUE.constants[name].status == "assumed" else "datasheet")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("pue_default", 1.52),
        ("air_cfm_per_w", 0.158),
        ("water_l_per_min_per_w", 1.43e-3),
        ("breaker_continuous_fraction", 0.8),
        ("btu_per_h_per_w", 3.412),
        ("usable_memory_fraction", 0.91),
        ("gpu_hours_per_interruption", 50_700),
        ("all_reduce_bytes_per_s_h100", 445e9),
        ("gemm_efficiency", 0.79),
        ("training_bytes_per_param", 16),
    ],
)
def test_constants_hold_the_published_values(name: str, value: float) -> None:
    assert CATALOGUE.constant(name).value == pytest.approx(value, rel=1e-3)


@pytest.mark.parametrize(
    "name", ["breaker_continuous_fraction", "cuda_context_bytes", "fragmentation_fraction", "usable_storage_fraction"]
)
def test_constants_without_a_document_are_assumed(name: str) -> None:
    assert CATALOGUE.constant(name).basis == "assumed"
    assert CATALOGUE.constants[name].confidence == "low"


def test_airflow_of_a_kilowatt_agrees_with_its_formula() -> None:
    airflow = CATALOGUE.constant("air_cfm_per_w")
    btu_per_h = CATALOGUE.constant("btu_per_h_per_w").value
    for cfm_per_w, rise_f in ((airflow.low, 32), (airflow.value, 20), (airflow.high, 15)):
        assert cfm_per_w == pytest.approx(btu_per_h / (1.08 * rise_f), rel=0.02)


def test_coolant_flow_of_a_kilowatt_agrees_with_its_formula() -> None:
    per_s = 1 / (4186 * 10)  # kg/s, or L/s, of water per watt at 10 K
    assert CATALOGUE.constant("water_l_per_min_per_w").value == pytest.approx(per_s * 60, rel=0.01)


def test_pue_falls_from_air_to_immersion() -> None:
    values = [CATALOGUE.pue(method).value for method in ("air", "rear_door", "direct_liquid", "immersion")]
    assert values == sorted(values, reverse=True)
    assert CATALOGUE.pue() == CATALOGUE.constant("pue_default")
    with pytest.raises(UnknownNameError, match="direct_liquid"):
        CATALOGUE.pue("liquid")


def test_servers_of_an_accelerator_come_with_those_that_have_a_price_first() -> None:
    servers = CATALOGUE.servers_with("b200_sxm_180gb")
    assert {server.id for server in servers} >= {"dgx_b200", "hgx_b200_8u", "lenovo_sr680a_b200"}
    assert [server.price is None for server in servers] == sorted(server.price is None for server in servers)


def test_rents_are_current_offers_newest_first() -> None:
    rents = CATALOGUE.rents("h100_sxm_80gb")
    assert len(rents) > 15
    assert not any(offer.is_historic for offer in rents)
    assert [offer.as_of for offer in rents] == sorted((offer.as_of for offer in rents), reverse=True)


def test_a_purchase_price_is_an_interval_around_the_listed_one() -> None:
    listed = CATALOGUE.price(CATALOGUE.accelerators["h100_sxm_80gb"])
    assert listed is not None
    assert (listed.low, listed.value, listed.high) == (22_000, 30_000, 40_000)
    single = CATALOGUE.price(CATALOGUE.accelerators["t4"])
    assert single is not None
    assert single.low < single.value < single.high
    assert CATALOGUE.price(CATALOGUE.accelerators["tpu_v5p"]) is None


def test_a_measured_machine_can_be_an_accelerator() -> None:
    spec = AcceleratorSpec(
        id="@run", name="this machine", source="run 2026-11-23", as_of="2026-11-23", basis="measured", confidence="high",
        memory_bytes=8 * GIB, usable_memory_bytes=6 * GIB, memory_bandwidth_bytes_per_s=20e9, peak_flops={"fp32": 150e9},
    )  # fmt: skip
    assert spec.peak("bf16") is None
    assert not spec.has_scale_up_link
    assert CATALOGUE.usable_memory(spec).basis == "measured"


def test_records_refuse_what_cannot_be() -> None:
    with pytest.raises(ValueError, match="must rise"):
        Price(low=3, mid=2, high=4, as_of="2026", source="x")
    with pytest.raises(ValueError, match="unknown dtype int4"):
        AcceleratorSpec(
            id="x", name="x", source="x", as_of="2026", memory_bytes=1, memory_bandwidth_bytes_per_s=1, peak_flops={"int4": 1.0}
        )
    with pytest.raises(ValueError, match="must be a date such as"):
        Price(mid=2, as_of="last May", source="x")


def test_a_pure_range_is_estimated_by_its_middle() -> None:
    row = Quantity(id="x", source="x", as_of="2026", kind="k", name="n", low=18, high=27, unit="degC")
    assert row.estimate().value == 22.5
