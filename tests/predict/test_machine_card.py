"""The machine card: what probes said, as estimates, as an accelerator of the catalogue, and as a section of the report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.core import registry
from aigc_bench.core.errors import UsageError
from aigc_bench.core.records import Case, Estimate, Work
from aigc_bench.core.run_records import AcceleratorInfo
from aigc_bench.measure.store import Run
from aigc_bench.predict.machine_card import accelerator_at, accelerator_from_run, collective_of, has_probes, machine_card
from aigc_bench.report.render import render_report
from aigc_bench.report.sections.machine_card import lines, roofline
from tests.analyze.synthetic import GPU, make_case, make_run, make_system

FLOPS = {"fp32": 50e9, "bf16": 90e9}
BANDWIDTH = 8e9
STEP_S = {"probe_disk": 0.02, "probe_launch": 0.002, "probe_idle": 0.05, "probe_transfer": 0.005}


def probe(workload: str, preset: str, **changes: object) -> Case:
    return make_case(workload=workload, preset=preset, mode="infer", **changes)


def work(case: Case) -> Work:
    """What the probe itself declares."""
    declared: Work = registry.load("workloads", case.workload).work(case)
    return declared.model_copy(update={"replicas": case.devices})


def step_s(case: Case, trial: int) -> float:
    """A machine of 50 and 90 GFLOP/s, of 8 GB/s, whose all-reduce takes 20 us and 1 ns for each byte; trials differ by 1 %."""
    items = work(case).items_per_step / case.devices
    spread = 1 + 0.01 * (trial - 1)
    if case.workload == "probe_gemm":
        slower = 0.5 if case.preset == "gpt2-mlp" else 1.0
        return spread * items / (FLOPS[case.precision] * slower)
    if case.workload == "probe_memory":
        return spread * items / (BANDWIDTH * (5 if case.preset == "copy-cached" else 1))
    if case.workload == "probe_collective":
        return 20e-6 + 1e-9 * items
    return spread * STEP_S[case.workload]


HOST = [
    probe("probe_gemm", "square-1024"),
    probe("probe_gemm", "square-1024", precision="bf16"),
    probe("probe_gemm", "gpt2-mlp", settings={"m": 16}),
    probe("probe_memory", "copy-cached"),
    probe("probe_memory", "triad"),
    probe("probe_launch", "add"),
    probe("probe_disk", "sequential-read"),
    probe("probe_disk", "sequential-read", settings={"cache": "cached"}),
    probe("probe_disk", "checkpoint-write"),
    probe("probe_idle", "ready"),
]


def host_run(folder: Path, *, cases: Sequence[Case] = HOST, **changes: object) -> Run:
    return make_run(folder, cases=cases, step_s=step_s, num_steps=20, work=work, **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return host_run(tmp_path_factory.mktemp("runs") / "host")


def test_the_card_gives_back_the_machine_that_the_probes_met(run: Run) -> None:
    card = machine_card(run)
    assert card.peak_flops["fp32"].value == pytest.approx(50e9, rel=0.01)
    assert card.peak_flops["bf16"].value == pytest.approx(90e9, rel=0.01)
    assert card.memory_bandwidth is not None and card.cache_bandwidth is not None
    assert card.memory_bandwidth.value == pytest.approx(8e9, rel=0.01)
    assert card.cache_bandwidth.value == pytest.approx(40e9, rel=0.01)
    assert card.launch_s["torch-eager/add"].value == pytest.approx(0.002 / 512, rel=0.01)
    assert card.disk["sequential-read/direct"].value == pytest.approx(16 * 2**20 / 0.02, rel=0.01)
    assert set(card.disk) == {"sequential-read/direct", "sequential-read/cached", "checkpoint-write/cached"}


def test_every_number_has_an_interval_that_holds_it_and_its_unit(run: Run) -> None:
    found = [line.value for line in lines(machine_card(run)) if line.value is not None]
    assert len(found) >= 8
    for number in found:
        assert number.low <= number.value <= number.high
        assert number.basis == "measured" and number.source
    assert {number.unit for number in found} <= {"FLOP/s", "B/s", "s", "fraction", "W", "C"}
    assert machine_card(run).peak_flops["fp32"].low < machine_card(run).peak_flops["fp32"].high


def test_what_was_not_probed_is_missing_with_the_reason_and_not_zero(run: Run) -> None:
    card = machine_card(run)
    assert card.collective is None and card.idle_power_w is None and not card.transfer
    assert card.absent == {"probe_transfer": "not probed in this run", "probe_collective": "not probed in this run"}
    absent = {line.what: line.absent for line in lines(card) if line.value is None}
    assert absent["All-reduce between devices"] == "not probed in this run"
    assert absent["Idle power, context loaded"] == "no sensor for it was read"


def test_a_probe_that_failed_is_reported_in_its_own_words(tmp_path: Path) -> None:
    failed = {(probe("probe_memory", "triad").id, trial): "error" for trial in range(3)}
    made = host_run(tmp_path / "failed", cases=[HOST[0], probe("probe_memory", "triad")], failures=failed)
    assert machine_card(made).absent["probe_memory"] == "made to end in error"
    with pytest.raises(UsageError, match=r"probe_memory gave no valid number \(made to end in error\)"):
        accelerator_from_run(made)


def test_a_precision_that_the_machine_lacks_is_a_line_with_the_reason(tmp_path: Path) -> None:
    failed = {(HOST[1].id, trial): "unsupported" for trial in range(3)}
    card = machine_card(host_run(tmp_path / "no-bf16", failures=failed))
    assert set(card.peak_flops) == {"fp32"}
    absent = {line.what: line.absent for line in lines(card) if line.value is None}
    assert absent["Matrix products in bf16"] == "made to end in unsupported"


def test_a_run_without_probes_has_no_card(tmp_path: Path) -> None:
    plain = make_run(tmp_path / "plain")
    assert not has_probes(plain)
    with pytest.raises(UsageError, match="holds no probe"):
        machine_card(plain)


def test_the_machine_is_an_accelerator_of_the_catalogue(run: Run) -> None:
    spec = accelerator_from_run(run)
    assert spec.basis == "measured"
    assert spec.peak("bf16") == pytest.approx(90e9, rel=0.01)
    assert spec.peak("fp8") is None
    assert spec.memory_bandwidth_bytes_per_s == pytest.approx(8e9, rel=0.01)
    assert spec.memory_bytes == run.info.system.memory_bytes
    low, high = spec.ranges["peak_flops.bf16"]
    assert low <= 90e9 <= high
    assert accelerator_at(f"@{run.path}") == spec


def test_what_no_probe_can_tell_of_a_known_part_stays_the_catalogues(tmp_path: Path) -> None:
    known = load_catalogue().accelerators["h100_sxm_80gb"]
    device = AcceleratorInfo(
        index=0, name="NVIDIA H100 80GB HBM3", uuid=GPU, backend="cuda", catalog_id=known.id, memory_bytes=79 * 2**30
    )
    cuda = [case.model_copy(update={"backend": "cuda"}) for case in HOST[:5]]
    made = host_run(
        tmp_path / "gpu",
        cases=[*cuda, probe("probe_transfer", "pinned-to-device", backend="cuda"), HOST[6]],
        devices=(GPU,),
        system=make_system(devices=(GPU,)).model_copy(update={"accelerators": (device,)}),
        telemetry={("nvml", GPU, "power_w"): 300.0, ("nvml", GPU, "energy_j"): lambda t: 300.0 * t},
    )
    card, spec = machine_card(made), accelerator_from_run(made)
    assert (spec.tdp_w, spec.form_factor) == (known.tdp_w, known.form_factor)
    assert spec.memory_bytes == 79 * 2**30
    assert set(spec.peak_flops) == {"fp32", "bf16"}, "no datasheet peak is mixed with measured ones"
    assert card.transfer["pinned-to-device"].value == pytest.approx(64 * 2**20 / 0.005, rel=0.01)
    assert card.busy_power_w is not None and card.busy_power_w.value == pytest.approx(300, rel=0.01)
    assert "sequential-read/direct" in card.disk, "the disk of an accelerator is its host's"


def test_a_gemm_point_lies_where_its_shape_puts_it_on_the_roofline(run: Run) -> None:
    points = {(point.m, point.precision): point for point in machine_card(run).gemm}
    layer = points[16, "fp32"]
    assert layer.num_bytes == 4 * (16 * 768 + 768 * 3072 + 16 * 3072)
    assert layer.intensity == pytest.approx(2 * 16 * 768 * 3072 / layer.num_bytes)
    assert points[1024, "bf16"].intensity == pytest.approx(2 * points[1024, "fp32"].intensity)


def test_the_roof_is_the_lower_of_bandwidth_and_peak(run: Run) -> None:
    card = machine_card(run)
    chart = roofline(card, number=0)
    assert chart is not None and card.memory_bandwidth is not None
    for trace in chart.traces:
        if trace["mode"] == "lines":
            peak = max(trace["y"])
            assert all(
                y <= peak and y * 1e9 <= card.memory_bandwidth.value * x * 1.001
                for x, y in zip(trace["x"], trace["y"], strict=True)
            )
    for axis in ("x", "y"):
        low, high = (10**end for end in chart.layout[f"{axis}axis"]["range"])
        assert all(low < value < high for trace in chart.traces for value in trace[axis])
    assert "1024 x 1024 x 1024 in bf16" in chart.words


def test_the_report_shows_the_card_and_only_where_there_are_probes(run: Run, tmp_path: Path) -> None:
    html = render_report([run])
    assert "Machine card" in html and "Matrix products in bf16, best shape" in html and "cold: bypassing the page cache" in html
    assert "Machine card" not in render_report([make_run(tmp_path / "plain")])


def times(
    alpha_s: float, beta_s_per_byte: float, *, change: Callable[[float], float] = lambda s: s
) -> list[tuple[Case, int, Estimate]]:
    found = []
    for preset in ("all-reduce-4k", "all-reduce-64k", "all-reduce-1m", "all-reduce-16m"):
        case = probe("probe_collective", preset, devices=4, backend="cuda")
        size = work(case).stages[0].items
        seconds = change(alpha_s + beta_s_per_byte * size)
        found.append((case, size, Estimate(value=seconds, low=0.9 * seconds, high=1.1 * seconds, unit="s", basis="measured")))
    return found


@given(alpha=st.floats(1e-6, 1e-3), beta=st.floats(1e-12, 1e-8))
def test_alpha_and_beta_are_found_again(alpha: float, beta: float) -> None:
    found = collective_of(times(alpha, beta))
    assert found is not None
    assert found.alpha_s.value == pytest.approx(alpha, rel=1e-3, abs=1e-9)
    assert found.beta_s_per_byte.value == pytest.approx(beta, rel=1e-3)
    assert found.alpha_s.low <= found.alpha_s.value <= found.alpha_s.high
    assert found.bus_bytes_per_s.value == pytest.approx(2 * 3 / 4 / beta, rel=1e-3)


def test_a_latency_is_never_negative() -> None:
    found = collective_of(times(0.0, 1e-9, change=lambda s: s**1.2))
    assert found is not None
    assert found.alpha_s.value >= 0 and found.beta_s_per_byte.value > 0


def test_a_line_at_a_bound_is_the_best_one_there() -> None:
    """Times that grow faster than the size leave no latency, times that fall no slope: least relative squares still."""
    for change in (lambda s: s**1.2, lambda s: 1e-6 / s**0.1):
        points = times(0.0, 1e-9, change=change)
        found = collective_of(points)
        assert found is not None

        def error(alpha: float, beta: float, points: list[tuple[Case, int, Estimate]] = points) -> float:
            return sum(((alpha + beta * size) / time.value - 1) ** 2 for _, size, time in points)

        best = error(found.alpha_s.value, found.beta_s_per_byte.value)
        assert all(best <= 1.0001 * error(found.alpha_s.value, found.beta_s_per_byte.value * factor) for factor in (0.8, 1.25))
        assert all(best <= 1.0001 * error(found.alpha_s.value * factor, found.beta_s_per_byte.value) for factor in (0.8, 1.25))


def test_one_size_makes_no_line() -> None:
    assert collective_of(times(1e-5, 1e-9)[:1]) is None
    assert collective_of([]) is None
