"""DCGAN (Radford et al. 2015, arXiv 1511.06434): images of 64 x 64 from one pass; two networks trained in turn.

A training step is one round of Goodfellow et al. 2014, algorithm 1: the ``discriminator`` sees a real and a generated
batch (the generator runs without gradient), then the ``generator`` is updated through the discriminator on fresh latents.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from aigc_bench.core.messages import message
from aigc_bench.core.records import Case, Stage
from aigc_bench.workloads._adversaries import check_losses, generating_program
from aigc_bench.workloads._training import FUSED_DEVICES, OPTIMIZER_IMPORTS
from aigc_bench.workloads.base import NUM_INPUT_BATCHES, Preset, Program, Setup, Workload

if TYPE_CHECKING:
    import torch

IMAGE_SIZE = 64
# Section 4 of the paper, as the momentum of 0.5.
LEARNING_RATE = 2e-4
BETAS = (0.5, 0.999)

_PRESETS = {
    # num_params counts both networks; inference holds the generator alone
    "dcgan-64": Preset(
        title=message("DCGAN 64 x 64, as published"),
        source="Radford et al. 2015, arXiv 1511.06434, figure 1 and section 3; discriminator as in github.com/Newmu/dcgan_code",
        config={"latent_dim": 100, "channels": (1024, 512, 256, 128), "kernel_size": 5},
        num_params=36_087_808,
    ),
    "dcgan-64-ngf64": Preset(
        title=message("DCGAN 64 x 64, PyTorch's example"),
        source="github.com/pytorch/examples, dcgan/main.py: ngf = ndf = 64, kernels of 4",
        config={"latent_dim": 100, "channels": (512, 256, 128, 64), "kernel_size": 4},
        num_params=6_342_272,
    ),
    "tiny": Preset(
        title=message("DCGAN 64 x 64 with an eighth of the published channels, for CPUs"),
        source=message("dcgan-64 with channels / 8"),
        config={"latent_dim": 100, "channels": (128, 64, 32, 16), "kernel_size": 5},
        num_params=747_776,
    ),
}


class Dcgan(Workload):
    """Throughput counts images: generated in inference, real ones learnt from in training."""

    title: ClassVar[str] = "DCGAN"
    item: ClassVar[str] = "image"
    presets: ClassVar[Mapping[str, Preset]] = _PRESETS
    learns_from = ("image",)
    writes = "image"

    def imports(self, case: Case) -> tuple[str, ...]:
        """The networks; for training also what torch's optimizers import when first made."""
        return ("aigc_bench.nets.dcgan", *OPTIMIZER_IMPORTS) if case.mode == "train" else ("aigc_bench.nets.dcgan",)

    def stages(self, case: Case) -> tuple[Stage, ...]:
        """Training: ``discriminator`` then ``generator``, which finishes the batch. Inference: ``generate``."""
        if case.mode == "train":
            return (Stage(name="discriminator"), Stage(name="generator", items=case.batch_size))
        return (Stage(name="generate", items=case.batch_size),)

    def build(self, case: Case, setup: Setup) -> Program:
        """Both networks in either mode's dtype; inference executes the generator only, and holds nothing else."""
        self.validate(case)
        config = self.preset(case).config
        return _train(case, setup, config=config) if setup.training else _infer(case, setup, config=config)


workload = Dcgan()


def _make_generator(setup: Setup, *, config: Mapping[str, Any]) -> torch.nn.Module:
    from aigc_bench.nets.dcgan import Generator

    return setup.build(lambda: Generator(**config))


def _make_discriminator(setup: Setup, *, config: Mapping[str, Any]) -> torch.nn.Module:
    from aigc_bench.nets.dcgan import Discriminator

    return setup.build(lambda: Discriminator(channels=tuple(reversed(config["channels"])), kernel_size=config["kernel_size"]))


def _latents(case: Case, setup: Setup, *, config: Mapping[str, Any]) -> torch.Tensor:
    """Uniform in [-1, 1), as the paper's z: ``(batch, latent_dim)``."""
    return setup.uniform(case.batch_size, config["latent_dim"]) * 2 - 1


def _infer(case: Case, setup: Setup, *, config: Mapping[str, Any]) -> Program:
    module = _make_generator(setup, config=config)
    return generating_program(setup, module, [_latents(case, setup, config=config) for _ in range(NUM_INPUT_BATCHES)])


def _train(case: Case, setup: Setup, *, config: Mapping[str, Any]) -> Program:
    import torch

    from aigc_bench.nets import dcgan as net

    modules = (_make_generator(setup, config=config), _make_discriminator(setup, config=config))
    generator, discriminator = (setup.prepare(module) for module in modules)
    fused = setup.device.type in FUSED_DEVICES or None
    generator_optimizer, discriminator_optimizer = (
        torch.optim.Adam(module.parameters(), lr=LEARNING_RATE, betas=BETAS, fused=fused) for module in modules
    )
    shape = (case.batch_size, 3, IMAGE_SIZE, IMAGE_SIZE)
    batches = [
        (setup.images(*shape, low=-1), _latents(case, setup, config=config), _latents(case, setup, config=config))
        for _ in range(NUM_INPUT_BATCHES)
    ]
    state: dict[str, Any] = {}

    def begin(step: int) -> None:
        state["images"], state["latents"], state["fresh"] = batches[step % NUM_INPUT_BATCHES]

    def train_discriminator(repeat: int) -> None:
        with setup.autocast():
            with torch.no_grad():
                # Without gradients: the generator does not learn from the discriminator's loss.
                fakes = generator(state["latents"])
            loss = net.discriminator_loss(discriminator(state["images"]), discriminator(fakes))
        setup.backward(loss)
        setup.update(discriminator_optimizer)
        state["loss_discriminator"] = loss.detach()

    def train_generator(repeat: int) -> None:
        with setup.autocast():
            loss = net.generator_loss(discriminator(generator(state["fresh"])))
        setup.backward(loss)
        setup.update(generator_optimizer)
        # The generator's loss has left gradients in the discriminator, which must not join its next step.
        discriminator_optimizer.zero_grad(set_to_none=True)
        state["loss_generator"] = loss.detach()

    stages = {"discriminator": train_discriminator, "generator": train_generator}
    return Program(begin=begin, stages=stages, modules=modules, check=lambda: check_losses(state))
