"""StyleGAN2 (Karras et al. 2019, arXiv 1912.04958), config-f: images from one pass, two networks trained in turn.

The discriminator's loss is regularised by R1 once in ``r1_interval`` iterations (lazy regularisation, section 3.1). A training
step is that many iterations: ``regularised`` once, ``iteration`` for the others, each finishing a batch. Path-length
regularisation and the generator's moving average are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from aigc_bench.core.messages import message
from aigc_bench.core.records import Case, Stage
from aigc_bench.workloads._adversaries import check_losses, generating_program
from aigc_bench.workloads._images import smooth_images
from aigc_bench.workloads._training import FUSED_DEVICES, OPTIMIZER_IMPORTS
from aigc_bench.workloads.base import NUM_INPUT_BATCHES, Preset, Program, Settings, Setup, Workload

if TYPE_CHECKING:
    import torch

LATENT_DIM = 512
# Appendix B of the paper, as the betas.
LEARNING_RATE = 0.002
BETAS = (0.0, 0.99)

_KARRAS = "Karras et al. 2019, arXiv 1912.04958, config-f; sizes of github.com/NVlabs/stylegan2-ada-pytorch, --cfg=stylegan2"
_CONFIG_F = {"latent_dim": LATENT_DIM, "mapping_layers": 8, "channel_base": 32768, "channel_max": 512}

_PRESETS = {
    # num_params counts both networks; inference holds the generator alone. R1's weight: table 5 for 1024, the same per pixel below
    "stylegan2-f-1024": Preset(
        title=message("StyleGAN2 config-f, 1024 x 1024"),
        source=_KARRAS,
        config={"resolution": 1024, "gamma": 10.0, **_CONFIG_F},
        num_params=59_382_573,
    ),
    "stylegan2-f-256": Preset(
        title=message("StyleGAN2 config-f, 256 x 256"),
        source=_KARRAS,
        config={"resolution": 256, "gamma": 1.0, **_CONFIG_F},
        num_params=58_898_467,
    ),
    "tiny": Preset(
        title=message("StyleGAN2 of 32 x 32 pixels and at most 64 channels, for CPUs"),
        source=message("stylegan2-f-256 with fewer pixels and channels"),
        config={
            "resolution": 32, "gamma": 1.0, "latent_dim": 64, "mapping_layers": 4, "channel_base": 1024, "channel_max": 64,
        },
        defaults={"r1_interval": 2},
        num_params=561_300,
    ),
}  # fmt: skip


class StyleGanSettings(Settings):
    """How often the discriminator is regularised."""

    r1_interval: int = Field(default=16, ge=1, le=64, description=message("iterations to one R1 penalty, and of a step (training)"))


class StyleGan(Workload):
    """Throughput counts images: generated in inference, real ones learnt from in training."""

    title: ClassVar[str] = "StyleGAN2"
    item: ClassVar[str] = "image"
    settings: ClassVar[type[Settings]] = StyleGanSettings
    presets: ClassVar[Mapping[str, Preset]] = _PRESETS
    writes = "image"

    def imports(self, case: Case) -> tuple[str, ...]:
        """The networks; for training also what torch's optimizers import when first made."""
        return ("aigc_bench.nets.stylegan", *OPTIMIZER_IMPORTS) if case.mode == "train" else ("aigc_bench.nets.stylegan",)

    def stages(self, case: Case) -> tuple[Stage, ...]:
        """Training: one ``regularised`` iteration, the others without. Inference: ``generate``."""
        if case.mode == "infer":
            return (Stage(name="generate", items=case.batch_size),)
        others = self.options(case).r1_interval - 1
        plain = (Stage(name="iteration", repeats=others, items=case.batch_size),) if others else ()
        return (Stage(name="regularised", items=case.batch_size), *plain)

    def build(self, case: Case, setup: Setup) -> Program:
        """Both networks for training; inference holds the generator only."""
        self.validate(case)
        config = dict(self.preset(case).config)
        # Applied in one of that many iterations only, the penalty has that many times its weight.
        gamma = config.pop("gamma") * self.options(case).r1_interval
        if setup.training:
            return _train(case, setup, config=config, gamma=gamma, stages=self.stages(case))
        return _infer(case, setup, config=config)


workload = StyleGan()


def _make_generator(setup: Setup, *, config: Mapping[str, Any]) -> torch.nn.Module:
    from aigc_bench.nets.stylegan import Generator

    return setup.build(lambda: Generator(**config))


def _make_discriminator(setup: Setup, *, config: Mapping[str, Any]) -> torch.nn.Module:
    from aigc_bench.nets.stylegan import Discriminator

    sizes = {name: config[name] for name in ("resolution", "channel_base", "channel_max")}
    return setup.build(lambda: Discriminator(**sizes))


def _infer(case: Case, setup: Setup, *, config: Mapping[str, Any]) -> Program:
    module = _make_generator(setup, config=config)
    latents = [setup.normal(case.batch_size, config["latent_dim"]) for _ in range(NUM_INPUT_BATCHES)]
    return generating_program(setup, module, latents)


def _train(case: Case, setup: Setup, *, config: Mapping[str, Any], gamma: float, stages: tuple[Stage, ...]) -> Program:
    import torch

    from aigc_bench.nets import stylegan as net

    modules = (_make_generator(setup, config=config), _make_discriminator(setup, config=config))
    generator, discriminator = (setup.prepare(module) for module in modules)
    fused = setup.device.type in FUSED_DEVICES or None
    optimizers = [torch.optim.Adam(module.parameters(), lr=LEARNING_RATE, betas=BETAS, fused=fused) for module in modules]
    batches = [_batch(case, setup, config=config) for _ in range(NUM_INPUT_BATCHES)]
    state: dict[str, Any] = {}

    def begin(step: int) -> None:
        state["number"] = step * sum(stage.repeats for stage in stages)

    def train_discriminator(images: torch.Tensor, latents: torch.Tensor, *, is_regularised: bool) -> None:
        # A view, since torch's counter of FLOPs cannot follow a gradient that is taken of a leaf.
        images = images.detach().requires_grad_(is_regularised).view_as(images)
        with setup.autocast():
            with torch.no_grad():
                # Without gradients: the generator does not learn from the discriminator's loss.
                fakes = generator(latents)
            real_logits = discriminator(images)
            loss = net.discriminator_loss(real_logits, discriminator(fakes))
            if is_regularised:
                loss = loss + net.r1_penalty(real_logits, images, gamma=gamma)
        setup.backward(loss)
        setup.update(optimizers[1])
        state["loss_discriminator"] = loss.detach()

    def train_generator(latents: torch.Tensor) -> None:
        with setup.autocast():
            loss = net.generator_loss(discriminator(generator(latents)))
        setup.backward(loss)
        setup.update(optimizers[0])
        # The generator's loss has left gradients in the discriminator, which must not join its next step.
        optimizers[1].zero_grad(set_to_none=True)
        state["loss_generator"] = loss.detach()

    def iterate(repeat: int, *, is_regularised: bool = False) -> None:
        images, latents, fresh = batches[state["number"] % NUM_INPUT_BATCHES]
        state["number"] += 1
        train_discriminator(images, latents, is_regularised=is_regularised)
        train_generator(fresh)

    def regularise(repeat: int) -> None:
        iterate(repeat, is_regularised=True)

    known = {"regularised": regularise, "iteration": iterate}
    executed = {stage.name: known[stage.name] for stage in stages}
    return Program(begin=begin, stages=executed, modules=modules, check=lambda: check_losses(state))


def _batch(case: Case, setup: Setup, *, config: Mapping[str, Any]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Real images in [-1, 1) and latents for either network."""
    images = smooth_images(setup, batch_size=case.batch_size, resolution=config["resolution"]) * 2 - 1
    return images, setup.normal(case.batch_size, config["latent_dim"]), setup.normal(case.batch_size, config["latent_dim"])
