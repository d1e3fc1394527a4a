"""The entry point on runs made of arithmetic: the built-in demand, the catalogue, the measured machine."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

from aigc_bench.analyze.rows import metric_rows
from aigc_bench.catalog.loader import Catalogue, load_catalogue
from aigc_bench.core.records import MetricRow
from aigc_bench.core.run_records import AcceleratorInfo, System
from aigc_bench.measure.store import Run
from aigc_bench.plan.demand.default_demand import USES, default_demand
from aigc_bench.plan.hardware.measured_machine import estimate_of, machine_from_run
from aigc_bench.plan.hardware.server_match import match_server
from aigc_bench.plan.planner import has_a_plan, plan_of_run
from aigc_bench.plan.records.demand import Slo
from aigc_bench.plan.records.plan import Plan
from tests.analyze.synthetic import GPU, make_case, make_run, make_system
from tests.plan.build import make_demand, make_service

FAMILIES = ("transformer", "gpt", "bert", "dcgan", "vae", "latent_diffusion")


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue(with_user_files=False)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    cases = [make_case(workload=family, preset="small", mode=mode) for family in FAMILIES for mode in ("infer", "train")]
    details = {"network_bits_per_s": 10_000_000_000, "disk_total_bytes": 500_000_000_000}
    system = make_system(memory_bytes=24 * 2**30, details=details)
    return make_run(tmp_path_factory.mktemp("runs") / "cpu", cases=cases, step_s=0.2, noise=0.02, system=system)


@pytest.fixture(scope="module")
def plan(run: Run, catalogue: Catalogue) -> Plan:
    return plan_of_run(run, catalogue=catalogue)


def gpu_run(folder: Path, *, name: str = "NVIDIA H100 80GB HBM3", count: int = 1, memory_gib: int = 80) -> Run:
    """Accelerators of one kind that draw 500 W each."""
    uuids = tuple(f"{GPU[:-1]}{index}" for index in range(count))
    signals = {("nvml", uuid, "power_w"): 500.0 for uuid in uuids}
    signals |= {("nvml", uuid, "memory_used_bytes"): 20e9 for uuid in uuids}
    cases = [make_case(backend="cuda", precision="bf16"), make_case(backend="cuda", mode="train")]
    devices = tuple(
        AcceleratorInfo(index=i, name=name, uuid=uuid, backend="cuda", memory_bytes=memory_gib * 2**30)
        for i, uuid in enumerate(uuids)
    )
    run = make_run(folder, cases=cases, devices=uuids[:1], telemetry=signals)
    system = run.info.system.model_copy(update={"accelerators": devices, "memory_bytes": 2**40})
    return dataclasses.replace(run, info=run.info.model_copy(update={"system": system}))


def test_every_measured_family_is_planned_with_all_six_factors_known(plan: Plan) -> None:
    assert {load.case.split("/")[0] for load in plan.loads} == set(FAMILIES)
    assert len(plan.loads) == 2 * len(FAMILIES)
    assert plan.unplanned == ()
    option = plan.recommended
    assert option is not None
    assert [factor.verdict for factor in option.factors.values() if factor.verdict not in ("ok", "tight")] == []
    assert set(option.usd_per_unit) == {load.name for load in plan.loads}
    assert option.bottleneck != option.next_bottleneck


def test_a_run_of_test_sizes_or_of_invalid_numbers_proposes_no_purchase(run: Run, catalogue: Catalogue) -> None:
    rows = metric_rows(run)
    small = [row.model_copy(update={"preset": "dit-tiny"}) for row in rows]
    assert has_a_plan(rows)
    assert not has_a_plan(small)
    assert not has_a_plan([row.model_copy(update={"verdict": "invalid", "reasons": ("throttled",)}) for row in rows])
    assert plan_of_run(run, rows=small, catalogue=catalogue) is None
    demand = make_demand(services=(make_service(workload="bert"),), jobs=())
    assert plan_of_run(run, rows=small, catalogue=catalogue, demand=demand) is not None, "a demand decides for itself"


def test_measured_throughput_is_what_the_plan_divides_by(plan: Plan) -> None:
    load = next(load for load in plan.loads if load.name.startswith("gpt: chat"))
    assert load.busy_machines.value == pytest.approx(load.rate_items_per_s.value / 80.0, rel=0.02)


def test_the_same_run_gives_the_same_bytes(run: Run, catalogue: Catalogue, plan: Plan) -> None:
    assert plan_of_run(run, catalogue=catalogue).model_dump_json() == plan.model_dump_json()


def test_a_machine_without_a_power_sensor_is_never_called_measured(plan: Plan) -> None:
    machine = plan.machine
    for power in (machine.full_power_w, machine.peak_power_w, machine.idle_power_w):
        assert power.basis in ("modelled", "assumed")
        assert power.high > power.low
    assert machine.full_power_w.high / machine.full_power_w.low > 2


def test_every_unmeasured_figure_is_listed_with_a_source(plan: Plan) -> None:
    keys = [assumption.key for assumption in plan.assumptions]
    assert len(keys) == len(set(keys))
    assert {"rules.target_utilisation", "demand.site.pue", "machine.price_usd", "demand.finance.discount_rate"} <= set(keys)
    assert all(assumption.value.source and assumption.value.basis != "measured" for assumption in plan.assumptions)
    assert any(key.endswith("arrival.active_share") for key in keys)


def test_invalid_numbers_are_planned_with_only_by_name(run: Run, catalogue: Catalogue) -> None:
    rows = [
        row.model_copy(update={"verdict": "invalid", "reasons": ("throttled",)}) if row.workload == "bert" else row
        for row in metric_rows(run)
    ]
    without = plan_of_run(run, rows=rows, catalogue=catalogue)
    assert {gap.name.split(":")[0] for gap in without.unplanned} == {"bert"}
    assert all("throttled" in gap.reason for gap in without.unplanned)
    named = {row.case for row in rows if row.workload == "bert"}
    assert plan_of_run(run, rows=rows, catalogue=catalogue, with_invalid=named).unplanned == ()


def test_the_fastest_setting_that_answers_in_time_is_chosen(tmp_path: Path, catalogue: Catalogue) -> None:
    cases = [make_case(batch_size=size) for size in (1, 8)]
    run = make_run(tmp_path / "run", cases=cases, step_s=lambda case, _: 0.1 if case.batch_size == 1 else 0.4)
    for slo_s, batch in ((60.0, "b8"), (1.0, "b1")):
        demand = make_demand(services=(make_service(slo=Slo(latency_s=slo_s)),), jobs=())
        assert f"/{batch}" in plan_of_run(run, catalogue=catalogue, demand=demand).loads[0].case


def test_a_single_trial_gets_a_wide_interval_and_students_t_stays_above_nothing() -> None:
    row = MetricRow.model_validate(
        {
            "case": "c",
            "workload": "gpt",
            "preset": "p",
            "mode": "infer",
            "scenario": "offline",
            "engine": "torch-eager",
            "precision": "fp32",
            "batch_size": 1,
            "devices": 1,
            "metric": "throughput",
            "value": 100.0,
            "low": None,
            "high": None,
            "unit": "tokens/s",
            "n": 1,
            "basis": "measured",
            "verdict": "valid",
        }
    )
    alone = estimate_of(row)
    assert alone is not None
    assert (alone.low, alone.high) == (80.0, 120.0)
    two = estimate_of(row.model_copy(update={"low": -900.0, "high": 1100.0}))
    assert two is not None
    assert (two.low, two.high) == (25.0, 400.0)
    assert estimate_of(row.model_copy(update={"value": None})) is None
    assert estimate_of(None) is None


def test_the_built_in_demand_knows_every_family_and_supposes_little_of_others(run: Run, catalogue: Catalogue) -> None:
    rows = metric_rows(run)
    demand = default_demand(rows, catalogue=catalogue)
    assert set(USES) == set(FAMILIES)
    assert {service.workload for service in demand.services} == {job.workload for job in demand.jobs} == set(FAMILIES)
    stranger = [row.model_copy(update={"workload": "song"}) for row in rows if row.workload == "vae"]
    assert [service.name for service in default_demand(stranger, catalogue=catalogue).services] == ["song: requests"]
    assert all(service.arrival.parts["users"].basis == "assumed" for service in demand.services)


def test_the_built_in_demand_uses_the_largest_measured_preset(tmp_path: Path, catalogue: Catalogue) -> None:
    cases = [make_case(preset=preset, batch_size=size) for preset in ("small", "large") for size in (1, 4)]
    run = make_run(tmp_path / "run", cases=cases, step_s=lambda case, _: 0.1 if case.preset == "small" else 0.5)
    rows = metric_rows(run)
    assert [service.preset for service in default_demand(rows, catalogue=catalogue).services] == ["large"]
    doubtful = [row.model_copy(update={"verdict": "invalid"}) if row.preset == "large" else row for row in rows]
    assert [service.preset for service in default_demand(doubtful, catalogue=catalogue).services] == ["small"]


def test_eight_h100_are_planned_as_the_server_that_holds_them_with_measured_boards(tmp_path: Path, catalogue: Catalogue) -> None:
    run = gpu_run(tmp_path / "run", count=8)
    machine = machine_from_run(run, metric_rows(run), catalogue)
    assert machine.accelerator == "h100_sxm_80gb"
    assert machine.machines_per_server.value == 1.0
    assert machine.devices_per_server == 8
    # Boards at 500 W, 1.62 kW of processors, fans and switches, supplies at 94 %.
    assert machine.full_power_w.value == pytest.approx((8 * 500 + 1622) / 0.94, rel=0.02)
    assert machine.full_power_w.basis == "modelled"
    capability = machine.capabilities[0]
    assert capability.throughput.value == pytest.approx(8 * 160, rel=0.01)
    assert capability.throughput.basis == "modelled"
    assert plan_of_run(run, catalogue=catalogue).options[0].num_accelerators % 8 == 0


def test_one_card_of_a_node_is_a_slice_of_the_server(tmp_path: Path, catalogue: Catalogue) -> None:
    run = gpu_run(tmp_path / "run")
    machine = machine_from_run(run, metric_rows(run), catalogue)
    assert machine.machines_per_server.value == 8.0
    assert machine.capabilities[0].throughput.basis == "measured"
    assert machine.device_memory_bytes is not None
    assert machine.device_memory_bytes.value == 80 * 2**30


def test_an_unknown_accelerator_is_planned_with_the_spread_of_the_catalogue(tmp_path: Path, catalogue: Catalogue) -> None:
    run = gpu_run(tmp_path / "run", name="Mystery X1", count=2, memory_gib=33)
    machine = machine_from_run(run, metric_rows(run), catalogue)
    assert machine.accelerator is None
    assert machine.price_usd.basis == "assumed"
    assert machine.price_usd.high > 2 * machine.price_usd.low
    assert "Mystery X1" in machine.notes[0]
    plan = plan_of_run(run, catalogue=catalogue)
    assert plan.options[0].num_accelerators == 2 * plan.options[0].num_servers


def test_a_recognised_cpu_brings_its_own_cores_and_watts(catalogue: Catalogue) -> None:
    system: System = make_system(cpu_model="AMD EPYC 7763 64-Core Processor", num_usable_cores=8.0)
    match = match_server(system, catalogue)
    assert match.machines_per_server.value == pytest.approx(128 / 8 * 0.8)
    assert match.watts.full.value == 453.0
    assert match.watts.full.basis == "modelled"
    whole = match_server(make_system(cpu_model="AMD EPYC 7763 64-Core Processor", num_usable_cores=128.0), catalogue)
    assert whole.machines_per_server.value == 1.0


def test_a_plan_from_records_costs_no_torch_no_pandas_and_no_scipy() -> None:
    code = (
        "import sys, aigc_bench.plan.planner\n"
        "from aigc_bench.plan.factors.base import all_factors\n"
        "all_factors()\n"
        "heavy = {'torch', 'pandas', 'scipy', 'plotly'} & set(sys.modules)\n"
        "own = [name for name in sys.modules if name.startswith('aigc_bench.measure')]\n"
        "assert not heavy and not own, (heavy, own)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_probe_is_not_a_demand(tmp_path: Path, catalogue: Catalogue) -> None:
    gemm = make_case(workload="probe_gemm", preset="square-256")
    assert plan_of_run(make_run(tmp_path / "probes", cases=[gemm]), catalogue=catalogue) is None
    both = plan_of_run(
        make_run(tmp_path / "both", cases=[gemm, make_case(workload="gpt", preset="gpt2-124m")]), catalogue=catalogue
    )
    assert both is not None
    assert [service.workload for service in both.demand.services] == ["gpt"]
