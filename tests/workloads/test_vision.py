import pytest
from torch.utils.flop_counter import FlopCounterMode

from aigc_bench.core.errors import UsageError
from aigc_bench.core.records import Case
from aigc_bench.workloads.vision import workload
from tests.workloads.stepping import count, losses, run_step


def case(mode, preset="tiny", **changes):
    return Case(workload="vision", preset=preset, mode=mode, **{"batch_size": 1, **changes})


@pytest.mark.parametrize("preset", list(workload.presets))
def test_every_preset_has_the_parameters_it_states(preset, make_setup):
    chosen = case("infer", preset)
    (module,) = workload.build(chosen, make_setup(chosen, device="meta")).modules
    assert count(module) == workload.presets[preset].num_params


@pytest.mark.parametrize(
    ("preset", "giga_macs"),
    # He et al. 2015, table 1 (v1.5 adds 0.3 to ResNet-50); Touvron et al. 2020, table 5 for ViT-B
    [("resnet-50", 4.1), ("resnet-152", 11.5), ("vit-b-16", 17.6)],
)
def test_one_image_costs_what_was_published(preset, giga_macs, make_setup):
    chosen = case("infer", preset)
    program = workload.build(chosen, make_setup(chosen, device="meta"))
    with FlopCounterMode(display=False) as counter:
        run_step(program, workload, chosen)
    assert counter.get_total_flops() == pytest.approx(2e9 * giga_macs, rel=0.02)


@pytest.mark.parametrize("preset", ["tiny", "resnet-tiny"])
def test_a_classifier_learns_its_fixed_images(preset, make_setup):
    chosen = case("train", preset, batch_size=2, settings={"resolution": 64})
    program = workload.build(chosen, make_setup(chosen))
    said = losses(program, workload, chosen, rounds=2)
    assert said[-1]["loss"] < 0.9 * said[0]["loss"]


def test_an_image_that_is_no_whole_number_of_patches_is_refused():
    with pytest.raises(UsageError, match="resolution = 100 is not a multiple of the patch's 16 pixels"):
        workload.validate(case("infer", settings={"resolution": 100}))
    workload.validate(case("infer", "resnet-tiny", settings={"resolution": 100}))


def test_a_network_without_attention_says_so():
    assert "no attention" in workload.unsupported(case("infer", "resnet-50", attention="eager"))
    assert workload.unsupported(case("infer", "vit-b-16", attention="eager")) is None
