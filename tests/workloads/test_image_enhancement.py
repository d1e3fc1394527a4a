import pytest
import torch

from aigc_bench.core.errors import UsageError
from aigc_bench.core.records import Case
from aigc_bench.nets.image_unet import ImageUNet
from aigc_bench.workloads._images import smooth_images
from aigc_bench.workloads.image_enhancement import workload
from tests.workloads.stepping import count, losses, run_step

TINY = ["tiny", "inpainting-tiny", "colourisation-tiny"]


def case(mode, preset="tiny", **changes):
    return Case(workload="image_enhancement", preset=preset, mode=mode, **{"batch_size": 2, **changes})


@pytest.mark.parametrize("preset", list(workload.presets))
def test_every_preset_has_the_parameters_it_states(preset, make_setup):
    chosen = case("infer", preset)
    (module,) = workload.build(chosen, make_setup(chosen, device="meta")).modules
    assert count(module) == workload.presets[preset].num_params


@pytest.mark.parametrize(
    ("preset", "channels", "seen", "made"),
    [("tiny", 3, 32, 64), ("inpainting-tiny", 4, 64, 64), ("colourisation-tiny", 1, 64, 64)],
)
def test_a_network_sees_the_degraded_image_and_makes_the_whole(preset, channels, seen, made, make_setup):
    chosen = case("infer", preset)
    program = workload.build(chosen, make_setup(chosen))
    shapes = []
    program.modules[0].register_forward_hook(
        lambda module, inputs, output: shapes.append((inputs[0].shape, getattr(output, "reconstruction", output).shape))
    )
    run_step(program, workload, chosen)
    ((before, after),) = shapes
    assert before == (2, channels, seen, seen)
    assert after[-2:] == (made, made)


@pytest.mark.parametrize("preset", TINY)
def test_restoring_the_fixed_images_is_learnt(preset, make_setup):
    chosen = case("train", preset, settings={"resolution": 32})
    program = workload.build(chosen, make_setup(chosen))
    said = losses(program, workload, chosen, rounds=3)
    assert said[-1]["loss"] < said[0]["loss"]


def test_neighbouring_pixels_are_alike_and_images_are_not(make_setup):
    images = smooth_images(make_setup(case("infer")), batch_size=2, resolution=64)
    assert images.shape == (2, 3, 64, 64)
    assert float(images.min()) >= 0.0
    assert float(images.max()) < 1.0
    step = (images[..., 1:] - images[..., :-1]).abs().mean()
    assert float(step) < 0.25 * float((images[0] - images[1]).abs().mean())


def test_the_unet_uses_every_level():
    torch.manual_seed(0)
    network = ImageUNet(in_channels=1, out_channels=2, channels=(4, 8, 8)).eval()
    network(torch.rand(1, 1, 8, 8)).sum().backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in network.parameters())


@pytest.mark.parametrize(("preset", "resolution", "multiple"), [("swin2sr-x4", 200, 32), ("inpainting-unet", 128, 256)])
def test_sizes_that_do_not_divide_are_refused(preset, resolution, multiple):
    with pytest.raises(UsageError, match=f"resolution = {resolution} is not a multiple of {multiple}"):
        workload.validate(case("infer", preset, settings={"resolution": resolution}))
