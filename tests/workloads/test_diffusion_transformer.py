import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.core.errors import UsageError
from aigc_bench.core.records import Case
from aigc_bench.nets.diffusion_transformer import packed, unpacked
from aigc_bench.workloads.diffusion_transformer import workload
from tests.workloads.stepping import count, losses, run_step

TINY = ["tiny", "flux-tiny", "dit-tiny", "pixart-tiny"]


def case(mode, preset="tiny", **changes):
    return Case(workload="diffusion_transformer", preset=preset, mode=mode, **{"batch_size": 1, **changes})


@pytest.mark.parametrize(
    ("preset", "billions"),
    # the transformers alone, as papers and model cards state them; DiT's 0.675 is without diffusers' 28 copies of the embedder
    [
        ("sd3-medium", 2.03),
        ("sd3.5-medium", 2.24),
        ("sd3.5-large", 8.06),
        ("flux.1-dev", 11.90),
        ("flux.1-schnell", 11.89),
        ("pixart-sigma", 0.611),
        ("dit-xl-2-256", 0.750),
    ],
)
def test_published_transformers_have_their_size(preset, billions, make_setup):
    chosen = case("infer", preset)
    modules = workload.build(chosen, make_setup(chosen, device="meta")).modules
    assert count(modules[-2]) == pytest.approx(1e9 * billions, rel=0.005)
    assert sum(map(count, modules)) == workload.presets[preset].num_params


@pytest.mark.parametrize("preset", TINY)
def test_small_presets_state_their_parameters(preset, make_setup):
    chosen = case("infer", preset)
    modules = workload.build(chosen, make_setup(chosen, device="meta")).modules
    assert sum(map(count, modules)) == workload.presets[preset].num_params


def test_text_is_encoded_once_and_an_image_finished_when_it_is_decoded():
    stages = workload.stages(case("infer", "flux.1-schnell", batch_size=3))
    assert [(stage.name, stage.repeats, stage.items) for stage in stages] == [
        ("text_encode", 1, 0),
        ("denoise", 4, 0),
        ("vae_decode", 1, 3),
    ]


def test_a_class_needs_no_text_encoder(make_setup):
    chosen = case("infer", "dit-tiny")
    assert [stage.name for stage in workload.stages(chosen)] == ["denoise", "vae_decode"]
    assert len(workload.build(chosen, make_setup(chosen)).modules) == 2


@pytest.mark.parametrize("preset", TINY)
def test_images_are_of_the_requested_size_and_within_their_range(preset, make_setup):
    chosen = case("infer", preset, batch_size=2, settings={"resolution": 96, "num_inference_steps": 2})
    program = workload.build(chosen, make_setup(chosen))
    made = []
    program.modules[-1].decoder.register_forward_hook(lambda module, inputs, output: made.append(output))
    run_step(program, workload, chosen)
    (images,) = made
    assert images.shape == (2, 3, 96, 96)
    assert 0.0 <= float(images.min()) < float(images.max()) <= 1.0


@pytest.mark.parametrize(("guidance_scale", "seen"), [(7.0, 4), (1.0, 2)])
def test_guidance_doubles_what_the_denoiser_sees(guidance_scale, seen, make_setup):
    chosen = case("infer", batch_size=2, settings={"guidance_scale": guidance_scale, "num_inference_steps": 1})
    program = workload.build(chosen, make_setup(chosen))
    batches = []
    program.modules[1].register_forward_pre_hook(lambda module, inputs: batches.append(len(inputs[0])))
    run_step(program, workload, chosen)
    assert batches == [seen]


def test_flux_has_no_unconditional_pass():
    with pytest.raises(UsageError, match="has no meaning here"):
        workload.validate(case("infer", "flux.1-dev", settings={"guidance_scale": 3.5}))


@pytest.mark.parametrize("preset", TINY)
def test_only_the_transformer_learns_and_its_loss_falls(preset, make_setup):
    chosen = case("train", preset, batch_size=2)
    program = workload.build(chosen, make_setup(chosen))
    before = [[p.detach().clone() for p in module.parameters()] for module in program.modules]
    said = losses(program, workload, chosen, rounds=2)
    changed = [
        any(not torch.equal(old, new) for old, new in zip(olds, module.parameters(), strict=True))
        for olds, module in zip(before, program.modules, strict=True)
    ]
    assert changed == [module is program.modules[-2] for module in program.modules]
    assert said[-1]["loss"] < said[0]["loss"]


@pytest.mark.parametrize("preset", ["tiny", "flux-tiny"])
def test_checkpointing_changes_the_work_but_not_the_loss(preset, make_setup):
    said = []
    for is_saving in (False, True):
        chosen = case("train", preset, gradient_checkpointing=is_saving)
        program = workload.build(chosen, make_setup(chosen))
        run_step(program, workload, chosen)
        said.append(program.check()["loss"])
    assert said[0] == pytest.approx(said[1], rel=1e-4)


@given(batch=st.integers(1, 3), channels=st.integers(1, 4), side=st.integers(1, 5))
def test_unpacking_undoes_packing(batch, channels, side):
    latents = torch.randn(batch, channels, 2 * side, 2 * side)
    tokens = packed(latents)
    assert tokens.shape == (batch, side * side, 4 * channels)
    torch.testing.assert_close(unpacked(tokens), latents)
