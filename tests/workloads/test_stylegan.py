import pytest
import torch
from torch.nn import functional as F

from aigc_bench.core.records import Case
from aigc_bench.nets import stylegan as net
from aigc_bench.workloads.stylegan import workload
from tests.workloads.stepping import count, losses


def case(mode, preset="tiny", **changes):
    return Case(workload="stylegan", preset=preset, mode=mode, **{"batch_size": 2, **changes})


@pytest.mark.parametrize(
    ("preset", "generator", "discriminator"),
    # the sizes that github.com/NVlabs/stylegan2-ada-pytorch prints for --cfg=stylegan2
    [("stylegan2-f-1024", 30_370_060, 29_012_513), ("stylegan2-f-256", 30_034_338, 28_864_129)],
)
def test_published_sizes_are_met_to_the_parameter(preset, generator, discriminator, make_setup):
    chosen = case("train", preset)
    modules = workload.build(chosen, make_setup(chosen, device="meta")).modules
    assert [count(module) for module in modules] == [generator, discriminator]
    assert workload.presets[preset].num_params == generator + discriminator


def test_the_small_preset_states_its_parameters(make_setup):
    chosen = case("train")
    modules = workload.build(chosen, make_setup(chosen, device="meta")).modules
    assert sum(map(count, modules)) == workload.presets["tiny"].num_params


@pytest.mark.parametrize(("interval", "stages"), [(1, [("regularised", 1)]), (16, [("regularised", 1), ("iteration", 15)])])
def test_a_step_is_one_interval_of_lazy_regularisation(interval, stages):
    work = workload.work(case("train", settings={"r1_interval": interval}))
    assert [(stage.name, stage.repeats) for stage in work.stages] == stages
    assert work.items_per_step == 2 * interval


def test_scaling_maps_is_scaling_and_demodulating_weights():
    torch.manual_seed(0)
    layer = net.ModulatedConv(3, 5, 3, latent_dim=4)
    features, styles = torch.randn(2, 3, 8, 8), torch.randn(2, 4)
    made = layer(features, styles, net._binomial())
    for index in range(2):
        weight = layer.weight * layer.scale * layer.style(styles[index : index + 1]).reshape(1, 3, 1, 1)
        weight = weight * (weight.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8).rsqrt()
        expected = F.leaky_relu(F.conv2d(features[index : index + 1], weight, padding=1), net.LEAK) * net.GAIN
        torch.testing.assert_close(made[index : index + 1], expected, rtol=1e-4, atol=1e-5)


def test_a_flat_image_stays_flat_when_it_is_enlarged():
    enlarged = net._enlarged(torch.ones(1, 3, 8, 8), net._binomial())
    assert enlarged.shape == (1, 3, 16, 16)
    torch.testing.assert_close(enlarged[..., 2:-2, 2:-2], torch.ones(1, 3, 12, 12))


@pytest.mark.parametrize("batch", [1, 2, 3, 4, 6, 8])
def test_any_batch_has_a_deviation(batch):
    features = torch.randn(batch, 4, 2, 2)
    assert net._deviation(features).shape == (batch, 1, 2, 2)
    assert float(net._deviation(torch.ones(batch, 4, 2, 2)).max()) < 1e-3


def test_the_penalty_of_a_linear_discriminator_is_its_squared_weight():
    weight = torch.randn(3, 4, 4)
    images = torch.randn(5, 3, 4, 4, requires_grad=True)
    penalty = net.r1_penalty((images * weight).sum(dim=(1, 2, 3)), images, gamma=10.0)
    torch.testing.assert_close(penalty, 5.0 * weight.square().sum())


def test_the_discriminator_learns_to_tell_the_fixed_images(make_setup):
    chosen = case("train", settings={"r1_interval": 1})
    said = losses(workload.build(chosen, make_setup(chosen)), workload, chosen, rounds=2)
    assert said[-1]["loss_discriminator"] < said[0]["loss_discriminator"]
