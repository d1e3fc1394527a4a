import pytest
import torch
from diffusers import AutoencoderKL

from aigc_bench.core.errors import UsageError
from aigc_bench.core.records import Case
from aigc_bench.nets import latent_diffusion as net
from aigc_bench.nets.components import guide
from aigc_bench.workloads.latent_diffusion import workload


def case(mode, preset="tiny", **changes):
    return Case(workload="latent_diffusion", preset=preset, mode=mode, **{"batch_size": 1, **changes})


def run(program, stages, *, step=0):
    program.begin(step)
    for stage in stages:
        for repeat in range(stage.repeats):
            program.stages[stage.name](repeat)


def count(module):
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(
    ("preset", "text", "unet", "autoencoder"),
    [
        ("sd-1.5", 123_060_480, 859_520_964, 83_653_863),
        ("sdxl", 123_060_480 + 694_659_840, 2_567_463_684, 83_653_863),
    ],
)
def test_published_sizes_are_met_to_the_parameter(preset, text, unet, autoencoder, make_setup):
    chosen = case("infer", preset)
    modules = workload.build(chosen, make_setup(chosen, device="meta")).modules
    assert [count(module) for module in modules] == [text, unet, autoencoder]
    assert workload.presets[preset].num_params == text + unet + autoencoder


def test_the_small_preset_states_its_parameters(make_setup):
    chosen = case("infer")
    program = workload.build(chosen, make_setup(chosen, device="meta"))
    assert sum(count(module) for module in program.modules) == workload.presets["tiny"].num_params


def test_an_image_is_finished_when_it_is_decoded():
    stages = workload.stages(case("infer", batch_size=3, settings={"num_inference_steps": 7}))
    assert [(stage.name, stage.repeats, stage.items) for stage in stages] == [
        ("text_encode", 1, 0),
        ("denoise", 7, 0),
        ("vae_decode", 1, 3),
    ]


def test_a_training_step_finishes_its_batch_with_the_optimizer():
    work = workload.work(case("train", batch_size=2))
    assert [stage.name for stage in work.stages] == ["encode", "forward", "backward", "optimizer"]
    assert work.items_per_step == 2


@pytest.mark.parametrize("preset", ["sd-1.5", "sdxl"])
def test_published_presets_run_each_stage_on_meta(preset, make_setup):
    chosen = case("infer", preset, settings={"num_inference_steps": 1})
    setup = make_setup(chosen, device="meta")
    run(workload.build(chosen, setup), workload.stages(chosen))


def test_sdxl_trains_on_meta_with_its_size_conditioning(make_setup):
    chosen = case("train", "sdxl", settings={"resolution": 512}, gradient_checkpointing=True)
    program = workload.build(chosen, make_setup(chosen, device="meta"))
    program.begin(0)
    for name in ("encode", "forward"):
        program.stages[name](0)


@pytest.mark.parametrize("settings", [{}, {"guidance_scale": 1.0}, {"resolution": 72, "num_inference_steps": 2}])
def test_inference_ends_in_finite_images(settings, make_setup):
    chosen = case("infer", settings={"num_inference_steps": 1, "resolution": 64, **settings})
    program = workload.build(chosen, make_setup(chosen))
    run(program, workload.stages(chosen))
    assert program.check()["finite"] is True


@pytest.mark.parametrize(("guidance_scale", "num_latents"), [(7.5, 4), (1.0, 2)])
def test_guidance_doubles_what_the_unet_sees(guidance_scale, num_latents, make_setup):
    chosen = case("infer", batch_size=2, settings={"guidance_scale": guidance_scale, "resolution": 64, "num_inference_steps": 1})
    program = workload.build(chosen, make_setup(chosen))
    seen = []
    program.modules[1].register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].shape))
    run(program, workload.stages(chosen))
    assert seen == [torch.Size([num_latents, 4, 8, 8])]


def test_guidance_of_one_is_the_conditional_prediction():
    predicted = torch.randn(4, 3)
    torch.testing.assert_close(guide(predicted, guidance_scale=1.0), predicted[2:])
    torch.testing.assert_close(guide(predicted, guidance_scale=0.0), predicted[:2])


def test_the_sampler_recovers_the_latents_where_the_noise_is_known():
    process = net.DiscreteProcess()
    sampler = process.sampler(num_inference_steps=10)
    clean, noise = torch.randn(1, 4, 8, 8), torch.randn(1, 4, 8, 8)
    latents, _ = process.noised(clean, noise, torch.tensor(sampler.timesteps[:1]))
    for index in range(10):
        latents = sampler.step(noise, index, latents)
    nearly_clean, _ = process.noised(clean, noise, torch.tensor([0]))
    torch.testing.assert_close(latents, nearly_clean, atol=1e-4, rtol=1e-3)


def test_the_two_halves_are_the_auto_encoder():
    config = workload.presets["tiny"].config["vae"]
    whole = AutoencoderKL.from_config(dict(config)).eval()
    images, noise = torch.rand(1, 3, 64, 64) * 2 - 1, torch.randn(1, 4, 8, 8)
    with torch.no_grad():
        posterior = whole.encode(images).latent_dist
        latents = net.LatentEncoder(whole)(images, noise)
        torch.testing.assert_close(latents, (posterior.mean + posterior.std * noise) * 0.18215)
        decoded = whole.decode(latents / 0.18215).sample
        torch.testing.assert_close(net.LatentDecoder(whole)(latents), (decoded / 2 + 0.5).clamp(0, 1))


def test_only_the_unet_learns(make_setup):
    chosen = case("train", settings={"resolution": 64})
    program = workload.build(chosen, make_setup(chosen))
    before = [[p.detach().clone() for p in module.parameters()] for module in program.modules]
    run(program, workload.stages(chosen))
    changed = [
        any(not torch.equal(old, new) for old, new in zip(olds, module.parameters(), strict=True))
        for olds, module in zip(before, program.modules, strict=True)
    ]
    assert changed == [False, True, False]


def test_checkpointing_and_attention_change_the_work_but_not_the_loss(make_setup):
    losses = []
    for changes in ({}, {"gradient_checkpointing": True}, {"attention": "eager"}):
        chosen = case("train", settings={"resolution": 64}, **changes)
        assert workload.unsupported(chosen) is None
        program = workload.build(chosen, make_setup(chosen))
        run(program, workload.stages(chosen))
        losses.append(program.check()["loss"])
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-4)


def test_an_eager_unet_calls_no_fused_attention(make_setup):
    fused = []
    for attention in ("eager", "sdpa"):
        chosen = case("infer", attention=attention, settings={"resolution": 64, "num_inference_steps": 1})
        program = workload.build(chosen, make_setup(chosen))
        with torch.profiler.profile() as profile:
            run(program, workload.stages(chosen))
        fused.append(any("scaled_dot_product" in event.key for event in profile.key_averages()))
    assert fused == [False, True]


def test_sdxl_holds_its_auto_encoder_in_fp32_where_fp16_overflows(make_setup):
    chosen = case("infer", "sdxl", precision="fp16")
    dtypes = [next(m.parameters()).dtype for m in workload.build(chosen, make_setup(chosen, device="meta")).modules]
    assert dtypes == [torch.float16, torch.float16, torch.float32]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"resolution": 100}, "resolution = 100"),
        ({"guidance_scale": 0.5}, "guidance_scale"),
        ({"steps": 5}, "unknown setting 'steps'"),
    ],
)
def test_settings_out_of_range_are_refused_in_one_line(settings, words):
    with pytest.raises(UsageError, match=words):
        workload.validate(case("infer", settings=settings))
