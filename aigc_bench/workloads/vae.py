"""Variational auto-encoders (Kingma & Welling 2013, arXiv 1312.6114): an MLP on 28 x 28 and a convolutional one on 64 x 64.

Training maximises the evidence lower bound with one reparameterised draw per image. Inference runs the two uses of a
trained model: ``reconstruct`` (encode, draw, decode) and ``sample`` (decode a draw from the prior); each finishes a batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from aigc_bench.core.records import Case, Stage
from aigc_bench.workloads._images import check_images
from aigc_bench.workloads._training import FUSED_DEVICES, OPTIMIZER_IMPORTS, TrainingStep, training_stages
from aigc_bench.workloads.base import NUM_INPUT_BATCHES, Preset, Program, Setup, Workload

if TYPE_CHECKING:
    import torch

LEARNING_RATE = 1e-3

_PRESETS = {
    "mlp-784-400-20": Preset(
        title="VAE, fully connected 784-400-20",
        source="Kingma & Welling 2013, arXiv 1312.6114, appendix C.1; sizes of github.com/pytorch/examples, vae/main.py",
        config={"kind": "mlp", "likelihood": "bernoulli", "input_dim": 784, "hidden_dim": 400, "latent_dim": 20},
        num_params=652_824,
    ),
    "conv-64": Preset(
        title="VAE, convolutional, 64 x 64",
        source="github.com/AntixK/PyTorch-VAE, models/vanilla_vae.py and configs/vae.yaml (CelebA, 64 x 64)",
        config={
            "kind": "conv",
            "likelihood": "gaussian",
            "image_size": 64,
            "image_channels": 3,
            "channels": (32, 64, 128, 256, 512),
            "latent_dim": 128,
        },
        num_params=3_937_635,
    ),
}


class Vae(Workload):
    """Throughput counts images: reconstructed and sampled in inference, learnt from in training."""

    title: ClassVar[str] = "VAE"
    item: ClassVar[str] = "image"
    presets: ClassVar[Mapping[str, Preset]] = _PRESETS

    def imports(self, case: Case) -> tuple[str, ...]:
        """The networks; for training also what torch's optimizers import when first made."""
        return ("aigc_bench.nets.vae", *OPTIMIZER_IMPORTS) if case.mode == "train" else ("aigc_bench.nets.vae",)

    def stages(self, case: Case) -> tuple[Stage, ...]:
        """Training: ``forward``, ``backward``, ``optimizer``. Inference: ``reconstruct`` and ``sample``, a batch each."""
        if case.mode == "train":
            return training_stages(items=case.batch_size)
        return (Stage(name="reconstruct", items=case.batch_size), Stage(name="sample", items=case.batch_size))

    def build(self, case: Case, setup: Setup) -> Program:
        """The encoder and decoder of the preset with the seeded images, noise and latents they run on."""
        from aigc_bench.nets.vae import make

        self.validate(case)
        config = self.preset(case).config
        module = setup.build(lambda: make(config))
        make_program = _train if setup.training else _infer
        return make_program(setup, module, _make_batches(case, setup, config=config), likelihood=config["likelihood"])


workload = Vae()


@dataclass(frozen=True, kw_only=True)
class _Batch:
    """Uniform images in the likelihood's range, noise for the draw of their latents, and latents from the prior."""

    images: torch.Tensor
    noise: torch.Tensor
    latents: torch.Tensor


def _make_batches(case: Case, setup: Setup, *, config: Mapping[str, Any]) -> list[_Batch]:
    is_flat = config["kind"] == "mlp"
    shape = (config["input_dim"],) if is_flat else (config["image_channels"], config["image_size"], config["image_size"])
    low = 0.0 if config["likelihood"] == "bernoulli" else -1.0
    return [
        _Batch(
            images=setup.uniform(case.batch_size, *shape) * (1.0 - low) + low,
            noise=setup.normal(case.batch_size, config["latent_dim"]),
            latents=setup.normal(case.batch_size, config["latent_dim"]),
        )
        for _ in range(NUM_INPUT_BATCHES)
    ]


def _infer(setup: Setup, module: Any, batches: list[_Batch], *, likelihood: str) -> Program:
    import torch

    autoencoder, decoder = setup.prepare(module), setup.prepare(module.decoder)
    link = torch.sigmoid if likelihood == "bernoulli" else torch.nn.Identity()
    state: dict[str, Any] = {}

    def begin(step: int) -> None:
        state["batch"] = batches[step % NUM_INPUT_BATCHES]

    def reconstruct(repeat: int) -> None:
        batch: _Batch = state["batch"]
        with torch.inference_mode():
            state["reconstructed"] = link(autoencoder(batch.images, batch.noise)[0])

    def sample(repeat: int) -> None:
        batch: _Batch = state["batch"]
        with torch.inference_mode():
            state["sampled"] = link(decoder(batch.latents))

    def check() -> Mapping[str, float | str | bool | None]:
        return check_images(torch.cat([state["reconstructed"], state["sampled"]]))

    return Program(begin=begin, stages={"reconstruct": reconstruct, "sample": sample}, modules=(module,), check=check)


def _train(setup: Setup, module: torch.nn.Module, batches: list[_Batch], *, likelihood: Any) -> Program:
    import torch

    from aigc_bench.nets.vae import negative_elbo

    autoencoder = setup.prepare(module)
    fused = setup.device.type in FUSED_DEVICES or None
    optimizer = torch.optim.Adam(module.parameters(), lr=LEARNING_RATE, fused=fused)

    def loss(batch: _Batch) -> torch.Tensor:
        outputs, mean, log_variance = autoencoder(batch.images, batch.noise)
        return negative_elbo(outputs, batch.images, mean, log_variance, likelihood=likelihood)

    return TrainingStep(setup, loss=loss, batches=batches, optimizer=optimizer).program(module)
