import pytest
import torch
from torch.distributions import Normal, kl_divergence

from aigc_bench.core.records import Case
from aigc_bench.nets.nvae import NVAE, Reduction, _divergence, noise_shapes
from aigc_bench.workloads.vae import workload
from tests.workloads.stepping import count, losses

SIZES = {"image_size": 32, "groups": (2, 1), "latent_channels": 4}


def noise(batch):
    return [torch.randn(batch, *shape) for shape in noise_shapes(**SIZES)]


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return NVAE(channels=4, **SIZES).eval()


def test_the_divergence_is_that_of_the_two_gaussians():
    moved, stretched, mean, log_scale = torch.randn(4, 2, 3, 5, 5, dtype=torch.float32)
    posterior = Normal(mean + moved, torch.exp(log_scale + stretched))
    expected = kl_divergence(posterior, Normal(mean, torch.exp(log_scale))).flatten(1).sum(dim=1)
    torch.testing.assert_close(_divergence(moved, stretched, log_scale), expected, rtol=1e-4, atol=1e-4)


def test_latents_go_from_small_maps_to_large_ones():
    assert noise_shapes(**SIZES) == [(4, 8, 8), (4, 16, 16), (4, 16, 16)]


def test_images_are_reconstructed_and_sampled_at_their_size(network):
    outputs, divergence = network(torch.rand(2, 3, 32, 32) * 2 - 1, noise(2))
    assert outputs.shape == (2, 6, 32, 32)
    assert divergence.shape == (2,)
    assert bool((divergence >= 0).all())
    sampled, nothing = network.decoder(noise(2))
    assert sampled.shape == (2, 6, 32, 32)
    assert float(nothing.abs().max()) == 0.0


def test_every_parameter_matters(network):
    network.zero_grad()
    outputs, divergence = network(torch.rand(2, 3, 32, 32), noise(2))
    (outputs.square().mean() + divergence.mean()).backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_a_reduction_sees_every_pixel():
    images = torch.randn(1, 4, 4, 4, requires_grad=True)
    Reduction(4, 8)(images).sum().backward()
    assert bool((images.grad != 0).all())


@pytest.mark.parametrize("preset", ["nvae-cifar-10", "nvae-celeba-64", "nvae-celeba-hq-256", "nvae-tiny"])
def test_every_preset_has_the_parameters_it_states(preset, make_setup):
    chosen = Case(workload="vae", preset=preset, mode="train")
    (module,) = workload.build(chosen, make_setup(chosen, device="meta")).modules
    assert count(module) == workload.presets[preset].num_params


def test_its_loss_falls(make_setup):
    chosen = Case(workload="vae", preset="nvae-tiny", mode="train", batch_size=2)
    said = losses(workload.build(chosen, make_setup(chosen)), workload, chosen, rounds=1)
    assert said[-1]["loss"] < said[0]["loss"]
