import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import Bernoulli, Normal

from aigc_bench.nets.vae import kl_divergence, make_conv, make_mlp, reconstruction_loss, reparameterise

NUM_DRAWS = 200_000
moments = st.tuples(st.floats(-2, 2), st.floats(-2, 1.5))


@settings(max_examples=20, deadline=None)
@given(st.lists(moments, min_size=1, max_size=4), st.integers(0, 10_000))
def test_the_closed_form_of_the_kl_is_the_monte_carlo_mean_of_the_log_ratio(posterior, seed):
    mean, log_variance = (torch.tensor([column]) for column in zip(*posterior, strict=True))
    noise = torch.randn(NUM_DRAWS, mean.shape[1], generator=torch.Generator().manual_seed(seed))
    draws = reparameterise(mean, log_variance, noise)
    ratio = Normal(mean, (0.5 * log_variance).exp()).log_prob(draws) - Normal(0.0, 1.0).log_prob(draws)
    estimate = ratio.sum(dim=1)
    standard_error = estimate.std().item() / math.sqrt(NUM_DRAWS)
    assert kl_divergence(mean, log_variance).item() == pytest.approx(estimate.mean().item(), abs=6 * standard_error + 1e-4)


@given(st.lists(moments, min_size=1, max_size=4))
def test_the_kl_is_never_negative(posterior):
    mean, log_variance = (torch.tensor([column]) for column in zip(*posterior, strict=True))
    assert kl_divergence(mean, log_variance).item() >= -1e-6


def test_the_kl_of_the_prior_is_zero():
    assert kl_divergence(torch.zeros(3, 5), torch.zeros(3, 5)).tolist() == [0.0, 0.0, 0.0]


def test_draws_have_the_posteriors_moments_and_carry_its_gradient():
    mean = torch.tensor([[1.5]], requires_grad=True)
    log_variance = torch.tensor([[math.log(4.0)]], requires_grad=True)
    draws = reparameterise(mean, log_variance, torch.randn(NUM_DRAWS, 1, generator=torch.Generator().manual_seed(0)))
    assert draws.mean().item() == pytest.approx(1.5, abs=0.03)
    assert draws.std().item() == pytest.approx(2.0, rel=0.01)
    draws.mean().backward()
    assert mean.grad.item() == pytest.approx(1.0, rel=1e-3)


def test_reconstruction_losses_are_negative_log_likelihoods():
    outputs, images = torch.randn(3, 1, 4, 4), torch.rand(3, 1, 4, 4)
    bernoulli = -Bernoulli(logits=outputs, validate_args=False).log_prob(images).sum(dim=(1, 2, 3))
    torch.testing.assert_close(reconstruction_loss(outputs, images, likelihood="bernoulli"), bernoulli)
    gaussian = -Normal(outputs, 1.0).log_prob(images).sum(dim=(1, 2, 3)) - 16 * 0.5 * math.log(2 * math.pi)
    torch.testing.assert_close(reconstruction_loss(outputs, images, likelihood="gaussian"), gaussian, atol=1e-4, rtol=1e-4)


def test_the_bound_stays_below_the_exact_log_likelihood():
    """x | z ~ N(z, 1) and z ~ N(0, 1) give x ~ N(0, 2); the bound is tight where q is the true posterior N(x / 2, 1 / 2)."""
    x = torch.tensor([[0.8]])
    exact = Normal(0.0, math.sqrt(2.0)).log_prob(x).item()
    noise = torch.randn(NUM_DRAWS, 1, generator=torch.Generator().manual_seed(1))

    def bound(mean, variance):
        mean, log_variance = torch.full((NUM_DRAWS, 1), mean), torch.full((NUM_DRAWS, 1), math.log(variance))
        draws = reparameterise(mean, log_variance, noise)
        reconstruction = reconstruction_loss(draws, x.expand(NUM_DRAWS, 1), likelihood="gaussian")
        loss = (reconstruction + kl_divergence(mean, log_variance)).mean()
        return -loss.item() - 0.5 * math.log(2 * math.pi)

    assert bound(0.4, 0.5) == pytest.approx(exact, abs=0.01)
    assert bound(0.0, 1.0) < exact - 0.1
    assert bound(1.0, 0.2) < exact - 0.1


def test_the_mlp_keeps_the_flat_shape():
    outputs, mean, log_variance = make_mlp(input_dim=784, hidden_dim=400, latent_dim=20)(torch.rand(5, 784), torch.randn(5, 20))
    assert outputs.shape == (5, 784)
    assert mean.shape == log_variance.shape == (5, 20)


def test_the_convolutional_net_mirrors_the_image():
    module = make_conv(image_size=64, image_channels=3, channels=(4, 8, 16), latent_dim=6)
    outputs, mean, _ = module(torch.rand(2, 3, 64, 64), torch.randn(2, 6))
    assert outputs.shape == (2, 3, 64, 64)
    assert mean.shape == (2, 6)
    assert outputs.abs().max() <= 1


def test_a_level_too_many_is_a_mistake():
    with pytest.raises(AssertionError, match="halves"):
        make_conv(image_size=48, image_channels=3, channels=(4,) * 5, latent_dim=6)
