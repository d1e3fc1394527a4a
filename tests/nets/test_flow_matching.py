import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.nets.flow_matching import FlowSampler, make_sampler, noised, shift_for


@given(steps=st.integers(1, 60), shift=st.floats(0.5, 12.0))
def test_a_straight_flow_arrives_at_the_data(steps, shift):
    generator = torch.Generator().manual_seed(steps)
    data, noise = torch.randn(2, 3, generator=generator), torch.randn(2, 3, generator=generator)
    sampler = FlowSampler(num_inference_steps=steps, shift=shift)
    latents = noise
    for index in range(steps):
        latents = sampler.step(noise - data, index, latents)
    torch.testing.assert_close(latents, data, rtol=1e-4, atol=1e-4)


@given(steps=st.integers(2, 60), shift=st.floats(1.0, 12.0))
def test_timesteps_fall_and_a_shift_keeps_them_longer_at_noise(steps, shift):
    even, shifted = (FlowSampler(num_inference_steps=steps, shift=own).timesteps for own in (1.0, shift))
    assert list(shifted) == sorted(shifted, reverse=True)
    assert shifted[0] == pytest.approx(1000.0)
    assert all(late >= early - 1e-6 for late, early in zip(shifted, even, strict=True))


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_diffusion_samplers_take_the_requested_steps_and_stay_finite(prediction):
    sampler = make_sampler(prediction, num_inference_steps=5, shift=1.0)
    assert len(sampler.timesteps) == 5
    latents = torch.randn(2, 4, generator=torch.Generator().manual_seed(0))
    for index in range(5):
        latents = sampler.step(latents, index, latents)
    assert bool(torch.isfinite(latents).all())


@pytest.mark.parametrize("prediction", ["velocity", "epsilon", "v_prediction"])
def test_without_noise_the_latents_are_as_they_were(prediction):
    latents, noise = torch.randn(3, 2, 4), torch.randn(3, 2, 4)
    kept, _ = noised(latents, noise, torch.zeros(3), prediction=prediction)
    torch.testing.assert_close(kept, latents)


def test_the_velocity_is_the_slope_of_the_line():
    latents, noise = torch.randn(2, 3), torch.randn(2, 3)
    near, slope = noised(latents, noise, torch.full((2,), 0.3), prediction="velocity")
    far, _ = noised(latents, noise, torch.full((2,), 0.4), prediction="velocity")
    torch.testing.assert_close((far - near) / 0.1, slope, rtol=1e-3, atol=1e-4)


def test_the_v_prediction_is_the_derivative_by_the_angle():
    latents, noise = torch.randn(2, 3, dtype=torch.float64), torch.randn(2, 3, dtype=torch.float64)
    step = 1e-3
    near, slope = noised(latents, noise, torch.full((2,), 0.3), prediction="v_prediction")
    far, _ = noised(latents, noise, torch.full((2,), 0.3 + step), prediction="v_prediction")
    torch.testing.assert_close((far - near) / (step * math.pi / 2), slope, rtol=2e-2, atol=2e-2)


def test_flux_shifts_by_the_size_of_the_image():
    assert shift_for(256) == pytest.approx(math.exp(0.5))
    assert shift_for(4096) == pytest.approx(math.exp(1.15))
