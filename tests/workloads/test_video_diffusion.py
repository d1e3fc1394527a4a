import pytest
import torch
from diffusers import AutoencoderKLHunyuanVideo

from aigc_bench.core.errors import UsageError
from aigc_bench.core.records import Case
from aigc_bench.nets.video_diffusion import VideoAutoencoder, _blended
from aigc_bench.workloads.video_diffusion import workload
from tests.workloads.stepping import count, losses, run_step

TINY = ["tiny", "cogvideox-tiny", "hunyuan-video-tiny"]


def case(mode, preset="tiny", **changes):
    return Case(workload="video_diffusion", preset=preset, mode=mode, **{"batch_size": 1, **changes})


@pytest.mark.parametrize(
    ("preset", "billions"),
    # the transformers alone: model cards of CogVideoX and Wan, HunyuanVideo's paper says "13B"
    [("cogvideox-2b", 1.69), ("cogvideox-5b", 5.57), ("wan2.1-1.3b", 1.42), ("wan2.1-14b", 14.29), ("hunyuan-video", 12.82)],
)
def test_published_transformers_have_their_size(preset, billions, make_setup):
    chosen = case("infer", preset)
    modules = workload.build(chosen, make_setup(chosen, device="meta")).modules
    assert count(modules[1]) == pytest.approx(1e9 * billions, rel=0.01)
    assert sum(map(count, modules)) == workload.presets[preset].num_params


@pytest.mark.parametrize("preset", TINY)
def test_small_presets_state_their_parameters(preset, make_setup):
    chosen = case("infer", preset)
    modules = workload.build(chosen, make_setup(chosen, device="meta")).modules
    assert sum(map(count, modules)) == workload.presets[preset].num_params


def test_throughput_counts_frames_which_give_seconds_of_video():
    work = workload.work(case("infer", "wan2.1-1.3b", batch_size=2))
    assert (work.item, work.items_per_step) == ("frame", 2 * 81)
    assert work.items_per_step / workload.presets["wan2.1-1.3b"].config["fps"] == pytest.approx(10.1, abs=0.1)


@pytest.mark.parametrize("preset", TINY)
def test_a_video_has_the_frames_and_the_requested_size(preset, make_setup):
    settings = {"height": 64, "width": 96, "num_frames": 9, "num_inference_steps": 1}
    chosen = case("infer", preset, settings=settings)
    program = workload.build(chosen, make_setup(chosen))
    made = []
    program.modules[-1].decoder.register_forward_hook(lambda module, inputs, output: made.append(output))
    run_step(program, workload, chosen)
    (video,) = made
    assert video.shape == (1, 3, 9, 64, 96)
    assert 0.0 <= float(video.min()) < float(video.max()) <= 1.0


@pytest.mark.parametrize("preset", TINY)
def test_only_the_transformer_learns_and_its_loss_falls(preset, make_setup):
    chosen = case("train", preset)
    program = workload.build(chosen, make_setup(chosen))
    before = [[p.detach().clone() for p in module.parameters()] for module in program.modules]
    said = losses(program, workload, chosen, rounds=2)
    changed = [
        any(not torch.equal(old, new) for old, new in zip(olds, module.parameters(), strict=True))
        for olds, module in zip(before, program.modules, strict=True)
    ]
    assert changed == [False, True, False]
    assert said[-1]["loss"] < said[0]["loss"]


def test_a_length_that_cannot_be_made_is_refused_with_its_neighbours():
    with pytest.raises(UsageError, match="num_frames = 48") as caught:
        workload.validate(case("infer", settings={"num_frames": 48}))
    assert "45 or 49" in str(caught.value.hint)


def test_hunyuan_video_has_no_unconditional_pass():
    with pytest.raises(UsageError, match="has no meaning here"):
        workload.validate(case("infer", "hunyuan-video", settings={"guidance_scale": 6.0}))


@pytest.mark.parametrize(("name", "dim"), [("blend_t", -3), ("blend_v", -2), ("blend_h", -1)])
def test_seams_are_blended_as_diffusers_does_row_by_row(name, dim):
    before, after = torch.randn(1, 3, 6, 6, 6), torch.randn(1, 3, 6, 6, 6)
    expected = getattr(AutoencoderKLHunyuanVideo, name)(None, before, after.clone(), 4)
    torch.testing.assert_close(_blended(before, after.clone(), 4, dim=dim), expected)


def test_an_encoded_video_is_a_quarter_as_long_and_an_eighth_as_wide():
    config = {"block_out_channels": (8, 16, 16, 16), "layers_per_block": 1, "norm_num_groups": 8}
    torch.manual_seed(0)
    autoencoder = VideoAutoencoder("cogvideox", config).eval()
    with torch.no_grad():
        latents = autoencoder.encoder(torch.rand(1, 3, 9, 32, 48), torch.randn(1, 16, 3, 4, 6))
    assert latents.shape == (1, 16, 3, 4, 6)
