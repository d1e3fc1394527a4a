"""The transfer probe: bytes across the link, and honesty where there is no link."""

import pytest

from aigc_bench.core.records import Case
from aigc_bench.workloads.probe_transfer import workload


def case(preset: str = "pinned-to-device", **changes) -> Case:
    return Case(**{"workload": "probe_transfer", "preset": preset, "mode": "infer", "backend": "cuda", **changes})


def test_on_a_cpu_there_is_nothing_to_transfer_and_it_says_so():
    reason = workload.unsupported(case(backend="cpu"))
    assert reason is not None and "one memory" in reason
    assert workload.unsupported(case()) is None


@pytest.mark.parametrize("preset", workload.presets)
def test_each_direction_moves_the_bytes_it_counts(preset, make_setup):
    probe_case = case(preset, settings={"size_mib": 2})
    (stage,) = workload.stages(probe_case)
    assert stage.items == 2 * 2**20
    assert stage.name == ("to_device" if preset.endswith("to-device") else "to_host")
    program = workload.build(probe_case, make_setup(probe_case))
    before = program.check()["mean_square"]
    program.stages[stage.name](0)
    after = program.check()["mean_square"]
    assert before != after, "the target holds the source's values"
    program.stages[stage.name](0)
    assert program.check()["mean_square"] == after


def test_a_precision_or_an_engine_that_would_be_ignored_is_refused():
    assert "precision" in (workload.unsupported(case(precision="bf16")) or "")
    assert "engine" in (workload.unsupported(case(engine="torch-compile")) or "")
