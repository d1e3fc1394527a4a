"""The matrix-product probe: its FLOPs are those torch counts, its shapes those of the layers it names."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from aigc_bench.analyze.metrics import metric_of
from aigc_bench.core.errors import UsageError
from aigc_bench.core.records import Case
from aigc_bench.core.units import quantity
from aigc_bench.workloads.probe_gemm import MAX_COPIES, POOL_BYTES, num_weights, shape, workload


def case(preset: str = "square-256", **changes) -> Case:
    return Case(**{"workload": "probe_gemm", "preset": preset, "mode": "infer", **changes})


@pytest.mark.parametrize(("preset", "m"), [("square-256", 256), ("gpt2-mlp", 16), ("llama-3.1-8b-mlp", 3)])
def test_the_declared_flops_are_those_that_torch_counts(preset, m, make_setup):
    probe_case = case(preset, settings={"m": m, "calls": 3})
    program = workload.build(probe_case, make_setup(probe_case, device="meta"))
    with FlopCounterMode(display=False) as counter:
        program.begin(0)
        program.stages["multiply"](0)
    assert counter.get_total_flops() == workload.stages(probe_case)[0].items


def test_a_square_preset_is_square_and_a_layer_takes_one_token_by_default():
    assert shape(case("square-1024")) == (1024, 1024, 1024)
    assert shape(case("gpt2-mlp")) == (1, 768, 3072)
    assert shape(case("gpt2-mlp", settings={"m": 16})) == (16, 768, 3072)


@given(preset=st.sampled_from(sorted(workload.presets)), precision=st.sampled_from(["fp32", "bf16"]))
def test_the_weights_fill_the_pool_and_never_overflow_it(preset, precision):
    probe_case = case(preset, precision=precision)
    _, k, n = shape(probe_case)
    one = k * n * (4 if precision == "fp32" else 2)
    count = num_weights(probe_case)
    assert 1 <= count <= MAX_COPIES
    assert count == 1 or count * one <= POOL_BYTES
    assert count == MAX_COPIES or (count + 1) * one > POOL_BYTES


def test_each_product_meets_other_weights_and_gives_the_same_result(make_setup):
    probe_case = case("square-256", settings={"calls": 1})
    program = workload.build(probe_case, make_setup(probe_case))
    program.begin(0)
    seen = []
    for repeat in range(2):
        program.stages["multiply"](repeat)
        seen.append(program.check()["mean_square"])
    assert seen[0] == seen[1]
    assert seen[0] == pytest.approx(1.0, abs=0.1), "weights scaled by k ** -0.5 keep the variance of random inputs"


def test_another_engine_is_refused_and_not_silently_ignored():
    assert "torch-eager" in (workload.unsupported(case(engine="torch-compile")) or "")
    assert workload.unsupported(case()) is None


def test_training_and_unknown_settings_are_the_users_mistake():
    with pytest.raises(UsageError, match="can infer"):
        workload.validate(case(mode="train"))
    with pytest.raises(UsageError, match="unknown setting 'seq_len'"):
        workload.validate(case(settings={"seq_len": 3}))


def test_the_precision_of_the_case_is_that_of_the_product(make_setup):
    probe_case = case("square-256", precision="bf16", settings={"calls": 1})
    program = workload.build(probe_case, make_setup(probe_case))
    program.begin(0)
    with torch.inference_mode():
        program.stages["multiply"](0)
    assert math.isfinite(program.check()["mean_square"])


def test_a_probes_throughput_is_printed_as_the_rate_it_is():
    assert quantity(5e10, metric_of("throughput", item="FLOP").unit) == "50.0 GFLOP/s"
    assert quantity(8e9, metric_of("throughput", item="byte").unit) == "8.00 GB/s"
