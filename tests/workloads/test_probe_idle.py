"""The idle probe does nothing, and costs nothing."""

import resource

import pytest

from aigc_bench.core.records import Case
from aigc_bench.workloads.probe_idle import workload


def test_a_rest_takes_no_processor_time(make_setup):
    case = Case(workload="probe_idle", preset="ready", mode="infer")
    program = workload.build(case, make_setup(case))
    program.stages["rest"](0)
    before = resource.getrusage(resource.RUSAGE_THREAD)
    for repeat in range(4):
        program.stages["rest"](repeat)
    after = resource.getrusage(resource.RUSAGE_THREAD)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.05


def test_it_holds_the_device_and_computes_nothing(make_setup):
    case = Case(workload="probe_idle", preset="ready", mode="infer")
    program = workload.build(case, make_setup(case))
    before = program.check()
    program.stages["rest"](0)
    assert program.check() == before
    assert program.modules == ()


@pytest.mark.parametrize("change", [{"engine": "torch-compile"}, {"precision": "bf16"}])
def test_a_setting_that_would_mean_nothing_is_refused(change):
    assert workload.unsupported(Case(workload="probe_idle", preset="ready", mode="infer", **change)) is not None
