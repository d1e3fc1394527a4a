import math

import pytest
import torch

from aigc_bench.core.records import Case
from aigc_bench.workloads.vae import workload

PRESETS = ("mlp-784-400-20", "conv-64", "nvae-tiny")
"""Those that a CPU runs in a moment; the published NVAE are built on ``meta`` by test_nvae."""


def case(mode, preset="mlp-784-400-20", **changes):
    return Case(workload="vae", preset=preset, mode=mode, batch_size=4, **changes)


def run(program, stages, *, step=0):
    program.begin(step)
    for stage in stages:
        program.stages[stage.name](0)


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_have_the_parameters_they_state(preset, make_setup):
    chosen = case("infer", preset)
    program = workload.build(chosen, make_setup(chosen, device="meta"))
    assert sum(p.numel() for p in program.modules[0].parameters()) == workload.presets[preset].num_params


def test_the_mlp_has_the_parameters_of_its_layers():
    encoder = 784 * 400 + 400 + 2 * (400 * 20 + 20)
    decoder = 20 * 400 + 400 + 400 * 784 + 784
    assert workload.presets["mlp-784-400-20"].num_params == encoder + decoder


def test_reconstructing_and_sampling_finish_a_batch_each():
    stages = workload.stages(case("infer"))
    assert [(stage.name, stage.items) for stage in stages] == [("reconstruct", 4), ("sample", 4)]
    assert workload.work(case("train")).items_per_step == 4


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("mode", ["train", "infer"])
def test_a_step_runs_and_is_finite(mode, preset, make_setup):
    chosen = case(mode, preset)
    program = workload.build(chosen, make_setup(chosen))
    run(program, workload.stages(chosen))
    assert all(math.isfinite(value) for value in program.check().values())


def test_the_loss_starts_at_the_entropy_of_an_undecided_pixel(make_setup):
    chosen = case("train")
    program = workload.build(chosen, make_setup(chosen))
    run(program, workload.stages(chosen))
    assert program.check()["loss"] == pytest.approx(784 * math.log(2), rel=0.02)


@pytest.mark.parametrize("preset", PRESETS)
def test_training_lowers_the_loss_on_the_same_batch(preset, make_setup):
    chosen = case("train", preset)
    program = workload.build(chosen, make_setup(chosen))
    losses = []
    for _ in range(8):
        run(program, workload.stages(chosen))
        losses.append(program.check()["loss"])
    assert losses[-1] < losses[0]


def test_mixed_precision_keeps_the_parameters_in_fp32(make_setup):
    chosen = case("train", precision="bf16")
    program = workload.build(chosen, make_setup(chosen))
    run(program, workload.stages(chosen))
    assert {p.dtype for p in program.modules[0].parameters()} == {torch.float32}
    assert program.check()["loss"] == pytest.approx(784 * math.log(2), rel=0.05)


def test_inference_holds_the_parameters_in_the_cases_precision(make_setup):
    chosen = case("infer", precision="bf16")
    program = workload.build(chosen, make_setup(chosen))
    run(program, workload.stages(chosen))
    assert {p.dtype for p in program.modules[0].parameters()} == {torch.bfloat16}
    assert program.check()["finite"] is True
