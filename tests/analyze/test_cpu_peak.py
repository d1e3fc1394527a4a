"""The dense peak of a host processor is what its vector units could do at most, and never a guess without saying so."""

from __future__ import annotations

from pathlib import Path

import pytest

from aigc_bench.analyze.cpu_peak import ASSUMED_CLOCK_HZ, FLOPS_PER_CYCLE, cpu_peak_flops_per_s
from aigc_bench.analyze.rows import metric_rows
from aigc_bench.core.records import MetricRow
from aigc_bench.core.run_records import System
from tests.analyze.synthetic import make_case, make_run

ZEN_5 = "avx2 avx512f avx512_bf16"
CPU_CASE = make_case(backend="cpu")


def system(features: str | None = ZEN_5, *, clock_hz: int | None = 4_000_000_000, cores: float = 2) -> System:
    details = {"cpu_features": features, "cpu_clock_max_hz": clock_hz}
    return System(host_id="0", os="", kernel="", cpu_model="", num_cores=8, num_usable_cores=cores, memory_bytes=1, details=details)


def test_the_peak_is_threads_times_clock_times_the_widest_unit() -> None:
    assert cpu_peak_flops_per_s(CPU_CASE, system()) == (2 * 4e9 * 64, False)
    assert cpu_peak_flops_per_s(make_case(backend="cpu", threads=1), system()) == (4e9 * 64, False)
    assert cpu_peak_flops_per_s(make_case(backend="cpu", precision="bf16"), system()) == (2 * 4e9 * 128, False)
    assert cpu_peak_flops_per_s(CPU_CASE, system("avx2")) == (2 * 4e9 * 32, False)


def test_threads_beyond_the_cores_add_nothing() -> None:
    assert cpu_peak_flops_per_s(CPU_CASE, system(), threads=16) == cpu_peak_flops_per_s(CPU_CASE, system(), threads=2)


def test_a_clock_without_a_source_is_assumed_and_marked() -> None:
    assert cpu_peak_flops_per_s(CPU_CASE, system(clock_hz=None)) == (2 * ASSUMED_CLOCK_HZ * 64, True)


@pytest.mark.parametrize("features", [None, "", "altivec"])
def test_unknown_instructions_have_no_peak(features: str | None) -> None:
    assert cpu_peak_flops_per_s(CPU_CASE, system(features))[0] is None


def test_a_precision_without_its_instructions_has_no_peak() -> None:
    assert cpu_peak_flops_per_s(make_case(backend="cpu", precision="fp16"), system())[0] is None


def test_a_wider_unit_comes_before_a_narrower_one() -> None:
    for widths in FLOPS_PER_CYCLE.values():
        assert list(widths.values()) == sorted(widths.values(), reverse=True)


@pytest.mark.parametrize(("clock_hz", "reasons"), [(4_000_000_000, False), (None, True)])
def test_a_run_on_the_cpu_has_its_mfu_and_the_note(tmp_path: Path, clock_hz: int | None, reasons: bool) -> None:
    run = make_run(tmp_path / "run", cases=[CPU_CASE])
    found_info = run.info.model_copy(update={"system": system(clock_hz=clock_hz)})
    row = _mfu(metric_rows(run.__class__(**{**vars(run), "info": found_info})))
    assert row.value is not None and 0 < row.value <= 1
    assert ("clock_assumed" in row.reasons) == reasons


def _mfu(rows: list[MetricRow]) -> MetricRow:
    return next(row for row in rows if row.metric == "mfu")
