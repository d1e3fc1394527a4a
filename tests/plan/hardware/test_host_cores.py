"""CPU cores: what an accelerator asks is measured or assumed, and a host with too few makes compute short."""

from __future__ import annotations

import pytest

from aigc_bench.core.records import Case, MetricRow
from aigc_bench.plan.factors.compute import BY_ITEM, OTHERWISE, cores_needed
from aigc_bench.plan.hardware.measured_machine import capabilities_of
from aigc_bench.plan.records.plan import Option
from tests.plan.build import exact, make_capability, make_machine
from tests.plan.factors.test_factors import option_of


def with_cores(there: float, asked: float | None) -> Option:
    cores = None if asked is None else exact(asked, "cores")
    capability = tuple(make_capability(mode=mode, cores_per_device=cores) for mode in ("infer", "train"))
    return option_of(make_machine(capabilities=capability, host_cores=exact(there, "cores")))


def test_a_host_with_too_few_cores_is_short_and_named() -> None:
    found = with_cores(4, 8).factors["compute"]
    assert found.verdict == "short"
    assert found.available is not None and found.available.value == pytest.approx(6 * 4 / 8)
    assert "4 CPU cores per accelerator do not suffice, 8 required" in found.why
    assert not with_cores(4, 8).accepted


def test_enough_cores_change_nothing_but_the_words() -> None:
    plain, fed = option_of(make_machine()).factors["compute"], with_cores(16, 8).factors["compute"]
    assert (fed.required, fed.available, fed.verdict) == (plain.required, plain.available, plain.verdict)
    assert "16 CPU cores per accelerator suffice" in fed.why
    assert {"CPU cores that an accelerator requires", "CPU cores of an accelerator's share"} <= set(fed.inputs)


def test_what_was_not_measured_is_assumed_by_modality() -> None:
    assert cores_needed([make_capability()]) == BY_ITEM["token"]
    assert cores_needed([make_capability(item="sample")]) == OTHERWISE
    assert cores_needed([make_capability(), make_capability(item="image")]) == BY_ITEM["image"]
    assert all(one.basis == "assumed" and one.low < one.value < one.high for one in (*BY_ITEM.values(), OTHERWISE))
    assert "(assumed)" in with_cores(16, None).factors["compute"].why


def test_a_measured_run_states_the_cores_of_its_pipeline() -> None:
    def row(metric: str, value: float, unit: str) -> MetricRow:
        return MetricRow(
            case="vit/infer", workload="vit", preset="base", mode="infer", scenario="offline", engine="torch-eager",
            precision="bf16", batch_size=1, devices=1, metric=metric, value=value, low=value, high=value, unit=unit, n=3,
            basis="measured", verdict="valid",
        )  # fmt: skip

    case = Case(workload="vit", preset="base", mode="infer", backend="cuda")
    rows = [row("throughput", 100, "images/s"), row("cores_per_device", 5.5, "cores")]
    (capability,) = capabilities_of(rows, cases={"vit/infer": case}, works={}, num_devices=1)
    assert capability.cores_per_device is not None
    assert (capability.cores_per_device.value, capability.cores_per_device.basis) == (5.5, "measured")
    assert cores_needed([capability, make_capability()]) == capability.cores_per_device
