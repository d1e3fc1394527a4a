"""The health gate before the first trial: each fault is found, a blind probe is not healthy, and the run keeps what was found."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aigc_bench.analyze.rows import case_summaries
from aigc_bench.core.run_records import Check
from aigc_bench.measure.preflight import inspect, preflight
from aigc_bench.telemetry.nvml import GpuFacts
from tests.analyze.synthetic import GPU, make_run
from tests.analyze.test_verdicts import gpu_with
from tests.fake_nvml import FakeGpu, FakeNvml, simulated
from tests.measure.test_doctor import HEALTHY

QUIET = {"cpu_utilization": 0.02, "cpu_steal": 0.0}


def statuses(facts: list[GpuFacts], **host: Any) -> dict[str, str]:
    return {check.name: check.status for check in preflight(facts, seen={**QUIET, **host})}


def test_a_healthy_machine_gives_no_cause_for_concern() -> None:
    assert set(statuses([HEALTHY, replace(HEALTHY, index=1)]).values()) == {"ok"}


@pytest.mark.parametrize(
    ("fault", "name", "status"),
    [
        ({"throttle_reasons": 0x40}, "gpu 0: throttling", "failure"),
        ({"throttle_reasons": 0x80 | 0x01}, "gpu 0: throttling", "failure"),
        ({"ecc_uncorrected": 2}, "gpu 0: ecc", "failure"),
        ({"temperature_c": 70}, "gpu 0: temperature", "warning"),
        ({"pids": (4711,)}, "gpu 0: processes", "warning"),
        ({"throttle_supported": 0x01}, "gpu 0: throttle control", "warning"),
        ({"throttle_supported": None}, "gpu 0: throttle control", "warning"),
    ],
)
def test_each_fault_of_a_device_is_found(fault: dict[str, Any], name: str, status: str) -> None:
    cool = [replace(HEALTHY, index=index) for index in (1, 2)]
    assert statuses([replace(HEALTHY, **fault), *cool])[name] == status


def test_what_others_do_to_the_host_is_found() -> None:
    assert statuses([HEALTHY], cpu_utilization=0.6)["cpu load"] == "warning"
    assert statuses([HEALTHY], cpu_steal=0.2)["cpu steal"] == "warning"


def test_what_cannot_be_looked_at_is_absent_and_not_healthy() -> None:
    found = {check.name: check.status for check in preflight([], seen={})}
    assert found["devices"] == found["cpu load"] == found["cpu steal"] == "absent"


def test_the_driver_is_queried_and_the_probe_of_the_cpu_is_controlled(tmp_path: Path) -> None:
    with simulated(FakeNvml.build(tmp_path, FakeGpu(series={"throttle_reasons": 0x20, "ecc_uncorrected": 1}))):
        found = {check.name: check.status for check in inspect()}
    assert found["gpu 0: throttling"] == found["gpu 0: ecc"] == "failure"
    assert "cpu control" in found


@pytest.mark.parametrize(("status", "verdict"), [("failure", "suspect"), ("warning", "valid")])
def test_a_failure_makes_the_numbers_of_the_device_suspect(tmp_path: Path, status: Any, verdict: str) -> None:
    run = make_run(tmp_path / "run", devices=(GPU,), telemetry=gpu_with())
    info = run.info.model_copy(update={"health": (Check(name="gpu 0: ecc", status=status, detail="x"),)})
    assert case_summaries(replace(run, info=info))[0].verdict == verdict


@pytest.mark.parametrize(("device", "verdict"), [(GPU, "suspect"), ("GPU-that-no-trial-used", "valid")])
def test_a_defect_of_a_gpu_that_no_trial_used_is_not_held_against_them(tmp_path: Path, device: str, verdict: str) -> None:
    run = make_run(tmp_path / "run", devices=(GPU,), telemetry=gpu_with())
    info = run.info.model_copy(update={"health": (Check(name="gpu 1: ecc", status="failure", detail="x", device=device),)})
    assert case_summaries(replace(run, info=info))[0].verdict == verdict


def test_each_finding_of_a_device_names_it(tmp_path: Path) -> None:
    with simulated(FakeNvml.build(tmp_path, FakeGpu(uuid="GPU-a"), FakeGpu(uuid="GPU-b", series={"ecc_uncorrected": 2}))):
        found = [check for check in inspect() if check.name.startswith("gpu ")]
    assert {check.device for check in found if check.status == "failure"} == {"GPU-b"}
    assert {check.device for check in found} == {"GPU-a", "GPU-b"}
