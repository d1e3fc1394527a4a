import pytest
import torch

from aigc_bench.core.errors import UsageError
from aigc_bench.core.records import Case
from aigc_bench.workloads.dcgan import workload


def case(mode, **changes):
    return Case(workload="dcgan", preset="tiny", mode=mode, batch_size=4, **changes)


def run(program, stages, *, step=0):
    program.begin(step)
    for stage in stages:
        for repeat in range(stage.repeats):
            program.stages[stage.name](repeat)


@pytest.mark.parametrize("preset", workload.presets)
def test_both_networks_have_the_parameters_the_preset_states(preset, make_setup):
    chosen = Case(workload="dcgan", preset=preset, mode="train", batch_size=1)
    program = workload.build(chosen, make_setup(chosen, device="meta"))
    assert sum(p.numel() for module in program.modules for p in module.parameters()) == workload.presets[preset].num_params


def test_the_example_size_is_the_one_pytorch_publishes(make_setup):
    chosen = Case(workload="dcgan", preset="dcgan-64-ngf64", mode="train")
    generator, discriminator = workload.build(chosen, make_setup(chosen, device="meta")).modules
    assert sum(p.numel() for p in generator.parameters()) == 3_576_704
    assert sum(p.numel() for p in discriminator.parameters()) == 2_765_568


def test_a_training_step_finishes_one_batch_after_both_turns():
    stages = workload.stages(case("train"))
    assert [stage.name for stage in stages] == ["discriminator", "generator"]
    assert workload.work(case("train")).items_per_step == 4


def test_each_turn_changes_its_own_network_only(make_setup):
    chosen = case("train")
    program = workload.build(chosen, make_setup(chosen))
    program.begin(0)

    def weights():
        return [torch.cat([p.detach().flatten().clone() for p in module.parameters()]) for module in program.modules]

    before = weights()
    program.stages["discriminator"](0)
    between = weights()
    program.stages["generator"](0)
    after = weights()
    assert torch.equal(before[0], between[0]) and not torch.equal(before[1], between[1])
    assert not torch.equal(between[0], after[0]) and torch.equal(between[1], after[1])
    assert all(p.grad is None for module in program.modules for p in module.parameters())


def test_the_discriminator_learns_to_tell_noise_from_the_generator(make_setup):
    chosen = case("train")
    program = workload.build(chosen, make_setup(chosen))
    losses = []
    for step in range(6):
        program.begin(step)
        program.stages["discriminator"](0)
        program.stages["generator"](0)
        losses.append(program.check()["loss_discriminator"])
    assert losses[-1] < losses[0]


def test_generation_makes_a_new_finite_batch_each_step(make_setup):
    chosen = case("infer")
    program = workload.build(chosen, make_setup(chosen))
    assert workload.work(chosen).items_per_step == 4
    run(program, workload.stages(chosen))
    assert program.check()["finite"] is True
    assert len(program.modules) == 1


def test_equal_seeds_give_equal_losses(make_setup):
    chosen = case("train", seed=3)
    losses = []
    for _ in range(2):
        program = workload.build(chosen, make_setup(chosen))
        run(program, workload.stages(chosen))
        losses.append(program.check())
    assert losses[0] == losses[1]


def test_it_has_no_settings_and_says_so():
    with pytest.raises(UsageError, match="unknown setting 'resolution'"):
        workload.validate(case("infer", settings={"resolution": 128}))
