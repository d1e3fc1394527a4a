import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from aigc_bench.nets.dcgan import Discriminator, Generator, discriminator_loss, generator_loss, value

counts = st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=2, max_size=6)


def test_where_the_discriminator_cannot_tell_the_value_is_minus_log_4():
    undecided = torch.zeros(16)
    assert value(undecided, undecided).item() == pytest.approx(-math.log(4), abs=1e-6)


def test_the_value_is_the_expectation_of_the_log_probabilities():
    torch.manual_seed(0)
    real, fake = torch.randn(64), torch.randn(64)
    expected = torch.sigmoid(real).log().mean() + (1 - torch.sigmoid(fake)).log().mean()
    torch.testing.assert_close(value(real, fake), expected)


@settings(max_examples=25, deadline=None)
@given(counts)
def test_the_best_discriminator_is_p_over_p_plus_q(points):
    """At D = p / (p + q) the value has no slope, is never exceeded, and equals 2 JSD(p, q) - log 4 (Goodfellow 2014, theorem 1)."""
    p, q = (torch.tensor(column, dtype=torch.float64) for column in zip(*points, strict=True))
    p, q = p / p.sum(), q / q.sum()

    def weighted_value(logits):
        return sum(
            p[i] * value(logits[i], torch.tensor(-100.0)) + q[i] * value(torch.tensor(100.0), logits[i]) for i in range(len(p))
        )

    best = torch.log(p / q).float().requires_grad_()
    at_best = weighted_value(best)
    (slope,) = torch.autograd.grad(at_best, best)
    torch.testing.assert_close(torch.sigmoid(best.detach()).double(), p / (p + q), atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(slope, torch.zeros_like(slope), atol=1e-6, rtol=0)
    for shift in (-0.3, 0.3):
        assert weighted_value(best.detach() + shift) < at_best
    mixture = (p + q) / 2
    divergence = 0.5 * ((p * (p / mixture).log()).sum() + (q * (q / mixture).log()).sum())
    assert at_best.item() == pytest.approx(2 * divergence.item() - math.log(4), abs=1e-5)


def test_the_discriminator_minimises_the_value_negated():
    real, fake = torch.randn(8), torch.randn(8)
    torch.testing.assert_close(discriminator_loss(real, fake), -value(real, fake))


def test_the_generators_gradient_does_not_vanish_where_it_loses():
    logits = torch.full((4,), -20.0, requires_grad=True)
    (slope,) = torch.autograd.grad(generator_loss(logits), logits)
    (saturating,) = torch.autograd.grad(value(torch.zeros(4), logits), logits)
    assert slope.sum().item() == pytest.approx(-1.0, abs=1e-6)
    assert abs(saturating.sum().item()) < 1e-6


@pytest.mark.parametrize("kernel_size", [4, 5])
def test_images_are_64_pixels_wide_and_judged_one_by_one(kernel_size):
    generator = Generator(latent_dim=10, channels=(32, 16, 8, 4), kernel_size=kernel_size)
    discriminator = Discriminator(channels=(4, 8, 16, 32), kernel_size=kernel_size)
    images = generator(torch.randn(2, 10))
    assert images.shape == (2, 3, 64, 64)
    assert images.abs().max() <= 1
    assert discriminator(images).shape == (2,)


def test_weights_are_drawn_as_published():
    generator = Generator(latent_dim=100, channels=(512, 256, 128, 64), kernel_size=4)
    convolution, norm = generator.layers[0], generator.layers[1]
    assert convolution.weight.std().item() == pytest.approx(0.02, rel=0.02)
    assert norm.weight.mean().item() == pytest.approx(1.0, abs=0.01)
    assert norm.bias.abs().max() == 0
