import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.core.records import Case
from aigc_bench.nets.denoisers import ConvTasNet, Demucs, scale_invariant_noise
from aigc_bench.workloads.speech_enhancement import workload
from tests.workloads.stepping import repeated_losses, run_steps

TINY = ("tiny", "demucs-tiny")
NETS = {"tiny": ConvTasNet, "demucs-tiny": Demucs}


@pytest.mark.parametrize("preset", TINY)
@pytest.mark.parametrize("samples", [1000, 1037])
def test_a_clip_comes_out_as_long_as_it_went_in(preset, samples):
    model = NETS[preset](workload.presets[preset].config["model"])
    assert model(torch.randn(2, samples)).shape == (2, samples)


@given(samples=st.integers(400, 20000))
def test_demucs_pads_to_a_length_that_every_level_divides(samples):
    model = Demucs({"kernel": 8, "stride": 4, "resample": 4, "depth": 3, "hidden": 1})
    length = model.padded_length(samples)
    assert length >= 4 * samples
    for _ in range(3):
        assert (length - 8) % 4 == 0
        length = (length - 8) // 4 + 1


@pytest.mark.parametrize("preset", TINY)
def test_training_takes_noise_away(preset, make_setup):
    case = Case(workload="speech_enhancement", preset=preset, mode="train", batch_size=2)
    seen = repeated_losses(workload.build(case, make_setup(case)), workload, case, steps=8)
    assert seen[-1] < seen[0]


def test_the_score_knows_no_volume_and_falls_with_noise():
    torch.manual_seed(0)
    clean, noise = torch.randn(2, 500), torch.randn(2, 500)
    quiet, loud = (float(scale_invariant_noise(clean + level * noise, clean)) for level in (0.1, 1.0))
    assert quiet < loud
    assert float(scale_invariant_noise(3 * (clean + noise), clean)) == pytest.approx(loud, abs=1e-3)
    assert quiet == pytest.approx(-20.0, abs=1.0)


def test_clean_clips_are_distinguished_from_noisy_ones(make_setup):
    case = Case(workload="speech_enhancement", preset="tiny", mode="infer")
    noisy, clean = workload._clip(case, make_setup(case))
    assert float((noisy - clean).std()) == pytest.approx(0.5, rel=0.1)
    assert run_steps(workload.build(case, make_setup(case)), workload, case)["finite"]
