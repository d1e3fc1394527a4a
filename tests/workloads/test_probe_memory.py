"""The memory probe: bytes counted as STREAM counts them, and operations that do what they are named after."""

import pytest

from aigc_bench.core.records import Case
from aigc_bench.workloads.probe_memory import SCALAR, workload

MIB = 2**20


def case(preset: str, **changes) -> Case:
    return Case(**{"workload": "probe_memory", "preset": preset, "mode": "infer", **changes})


@pytest.mark.parametrize(("preset", "arrays"), [("copy", 2), ("triad", 3)])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_copy_moves_two_arrays_and_a_triad_three_whatever_the_precision(preset, arrays, precision):
    probe_case = case(preset, precision=precision, settings={"array_mib": 7}, batch_size=2)
    (stage,) = workload.stages(probe_case)
    assert (stage.name, stage.repeats, stage.items) == (preset, 2, arrays * 7 * MIB)


def test_a_triad_adds_three_times_the_third_array(make_setup):
    probe_case = case("triad", settings={"array_mib": 1})
    program = workload.build(probe_case, make_setup(probe_case))
    before = workload.build(probe_case, make_setup(probe_case)).check()["mean_square"]
    program.stages["triad"](0)
    assert program.check()["mean_square"] == pytest.approx((1 + SCALAR) ** 2 * before), "b and c hold the same values"


def test_the_cached_copy_repeats_a_small_one():
    (stage,) = workload.stages(case("copy-cached"))
    assert stage.items == 64 * 2 * MIB


def test_no_engine_is_pretended():
    assert "engine" in (workload.unsupported(case("copy", engine="torch-compile")) or "")
