"""RAPL counters from a folder that looks like the kernel's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.telemetry.base import SensorAbsent
from aigc_bench.telemetry.rapl import Rapl

RANGE_UJ = 262_143_328_850


def domain(folder: Path, *, name: str, energy_uj: int = 1_000_000, range_uj: int = RANGE_UJ) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "name").write_text(name + "\n")
    (folder / "max_energy_range_uj").write_text(f"{range_uj}\n")
    (folder / "energy_uj").write_text(f"{energy_uj}\n")
    return folder / "energy_uj"


def test_packages_and_their_parts_are_named_and_read_in_joules(tmp_path: Path) -> None:
    domain(tmp_path / "intel-rapl:0", name="package-0", energy_uj=2_500_000)
    domain(tmp_path / "intel-rapl:0:1", name="dram", energy_uj=500_000)
    source = Rapl(powercap=tmp_path)
    source.open()
    assert [(value.device, value.metric, value.value) for value in source.read()] == [
        ("package-0", "energy_j", 2.5),
        ("package-0/dram", "energy_j", 0.5),
    ]
    assert source.status().devices == ("package-0", "package-0/dram")
    source.close()


def test_a_wrapped_counter_goes_on(tmp_path: Path) -> None:
    counter = domain(tmp_path / "intel-rapl:0", name="package-0", energy_uj=RANGE_UJ - 1_000_000)
    source = Rapl(powercap=tmp_path)
    source.open()
    before = source.read()[0].value
    counter.write_text("2000000\n")
    after = source.read()[0].value
    source.close()
    assert before is not None and after is not None
    assert after - before == pytest.approx(3.0, abs=1e-5)


@given(st.lists(st.integers(min_value=0, max_value=999), min_size=1, max_size=20))
def test_energy_never_falls_and_adds_up_across_wraps(tmp_path_factory: pytest.TempPathFactory, steps: list[int]) -> None:
    counter = domain(tmp_path_factory.mktemp("rapl") / "intel-rapl:0", name="package-0", energy_uj=0, range_uj=999)
    source = Rapl(powercap=counter.parent.parent)
    source.open()
    total = 0
    for step in steps:
        total += step
        counter.write_text(str(total % 1000))
        assert source.read()[0].value == pytest.approx(total / 1e6)
    source.close()


def test_no_powercap_is_an_absence_with_a_reason(tmp_path: Path) -> None:
    with pytest.raises(SensorAbsent, match="no RAPL"):
        Rapl(powercap=tmp_path / "none").open()


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_counters_for_root_only_are_an_absence_with_the_remedy(tmp_path: Path) -> None:
    domain(tmp_path / "intel-rapl:0", name="package-0").chmod(0)
    with pytest.raises(SensorAbsent, match="chmod"):
        Rapl(powercap=tmp_path).open()


def test_a_counter_that_vanishes_is_a_missing_value(tmp_path: Path) -> None:
    counter = domain(tmp_path / "intel-rapl:0", name="package-0")
    source = Rapl(powercap=tmp_path)
    source.open()
    counter.write_text("garbage")
    assert source.read()[0].value is None
    source.close()
