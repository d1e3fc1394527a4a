"""Variational auto-encoders (Kingma & Welling 2013, arXiv 1312.6114): an MLP on 28 x 28, a convolutional one on 64 x 64, NVAE.

Training maximises the evidence lower bound with one reparameterised draw per image. Inference runs the two uses of a
trained model: ``reconstruct`` (encode, draw, decode) and ``sample`` (decode a draw from the prior); each finishes a batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from aigc_bench.core.messages import message
from aigc_bench.core.records import Case, Stage
from aigc_bench.workloads._feeding import Outlet
from aigc_bench.workloads._images import check_images
from aigc_bench.workloads._training import FUSED_DEVICES, OPTIMIZER_IMPORTS, TrainingStep, training_stages
from aigc_bench.workloads.base import NUM_INPUT_BATCHES, Preset, Program, Setup, Workload

if TYPE_CHECKING:
    import torch

LEARNING_RATE = 1e-3


def _nvae(title: str, *, image_size: int, channels: int, groups: tuple[int, ...], num_params: int) -> Preset:
    return Preset(
        title=title,
        source="Vahdat & Kautz 2020, arXiv 2007.03898, table 6; commands of github.com/NVlabs/NVAE, without normalising flows",
        config={
            "kind": "nvae", "likelihood": "scaled_gaussian", "image_size": image_size, "channels": channels, "groups": groups,
            "latent_channels": 20,
        },
        num_params=num_params,
    )  # fmt: skip


_PRESETS = {
    "mlp-784-400-20": Preset(
        title=message("VAE, fully connected 784-400-20"),
        source="Kingma & Welling 2013, arXiv 1312.6114, appendix C.1; sizes of github.com/pytorch/examples, vae/main.py",
        config={"kind": "mlp", "likelihood": "bernoulli", "input_dim": 784, "hidden_dim": 400, "latent_dim": 20},
        num_params=652_824,
    ),
    "conv-64": Preset(
        title=message("VAE, convolutional, 64 x 64"),
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
    "nvae-cifar-10": _nvae("NVAE, CIFAR-10, 30 groups", image_size=32, channels=128, groups=(30,), num_params=129_057_606),
    "nvae-celeba-64": _nvae(
        message("NVAE, CelebA 64, 35 groups of 3 scales"), image_size=64, channels=64, groups=(20, 10, 5), num_params=151_265_706
    ),
    "nvae-celeba-hq-256": _nvae(
        message("NVAE, CelebA HQ 256, 36 groups of 5 scales"),
        image_size=256,
        channels=30,
        groups=(16, 8, 4, 4, 4),
        num_params=326_784_420,
    ),
    "nvae-tiny": _nvae(
        message("NVAE of 3 groups on 32 x 32, for CPUs"), image_size=32, channels=8, groups=(2, 1), num_params=152_694
    ),
}


class Vae(Workload):
    """Throughput counts images: reconstructed and sampled in inference, learnt from in training."""

    title: ClassVar[str] = "VAE"
    item: ClassVar[str] = "image"
    presets: ClassVar[Mapping[str, Preset]] = _PRESETS
    learns_from = ("image",)
    reads = ("image",)
    writes = "image"

    def imports(self, case: Case) -> tuple[str, ...]:
        """The networks; for training also what torch's optimizers import when first made."""
        nets = ("aigc_bench.nets.vae", "aigc_bench.nets.nvae")
        return (*nets, *OPTIMIZER_IMPORTS) if case.mode == "train" else nets

    def stages(self, case: Case) -> tuple[Stage, ...]:
        """Training: ``forward``, ``backward``, ``optimizer``. Inference: ``reconstruct`` and ``sample``, a batch each."""
        if case.mode == "train":
            return training_stages(items=case.batch_size)
        return (Stage(name="reconstruct", items=case.batch_size), Stage(name="sample", items=case.batch_size))

    def build(self, case: Case, setup: Setup) -> Program:
        """The encoder and decoder of the preset with the seeded images, noise and latents they run on."""
        self.validate(case)
        config = self.preset(case).config
        module = setup.build(lambda: _make(config))
        make_program = _train if setup.training else _infer
        return make_program(setup, module, _make_batches(case, setup, config=config), likelihood=config["likelihood"])


workload = Vae()


def _make(config: Mapping[str, Any]) -> torch.nn.Module:
    if config["kind"] != "nvae":
        from aigc_bench.nets.vae import make

        return make(config)
    from aigc_bench.nets.nvae import NVAE

    return NVAE(**{key: size for key, size in config.items() if key not in {"kind", "likelihood"}})


@dataclass(frozen=True, kw_only=True)
class _Batch:
    """Uniform images in the likelihood's range, noise for the draw of their latents, and latents from the prior.

    NVAE's latents are one tensor for each group: its noise is a list.
    """

    images: torch.Tensor
    noise: Any
    latents: Any


def _make_batches(case: Case, setup: Setup, *, config: Mapping[str, Any]) -> list[_Batch]:
    is_flat = config["kind"] == "mlp"
    side = config.get("image_size")
    shape = (config["input_dim"],) if is_flat else (config.get("image_channels", 3), side, side)
    # A Bernoulli's means are probabilities, a Gaussian's are pixels in [-1, 1].
    low = 0.0 if config["likelihood"] == "bernoulli" else -1.0
    return [
        _Batch(
            images=setup.fed_images(
                setup.uniform(case.batch_size, *shape) * (1.0 - low) + low,
                low=low,
                flat=math.isqrt(config["input_dim"]) if is_flat else None,
            ),
            noise=_noise(case, setup, config=config),
            latents=_noise(case, setup, config=config),
        )
        for _ in range(NUM_INPUT_BATCHES)
    ]


def _noise(case: Case, setup: Setup, *, config: Mapping[str, Any]) -> Any:
    if config["kind"] != "nvae":
        return setup.normal(case.batch_size, config["latent_dim"])
    from aigc_bench.nets.nvae import noise_shapes

    sizes = {key: config[key] for key in ("image_size", "groups", "latent_channels")}
    return [setup.normal(case.batch_size, *shape) for shape in noise_shapes(**sizes)]


def _infer(setup: Setup, module: Any, batches: list[_Batch], *, likelihood: str) -> Program:
    import torch

    # The decoder is prepared by itself as well, because sampling runs it without the encoder.
    autoencoder, decoder = setup.prepare(module), setup.prepare(module.decoder)
    link = _link(likelihood)
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
            state["sampled"] = link(_first(decoder(batch.latents)))

    def made() -> torch.Tensor:
        return torch.cat([state["reconstructed"], state["sampled"]])

    def pictures() -> torch.Tensor:
        images = made()
        side = math.isqrt(images.shape[-1])
        return images if images.dim() == 4 else images.view(-1, 1, side, side)

    stages = {"reconstruct": reconstruct, "sample": sample}
    outlet = Outlet(modality="image", value=pictures, low=0 if likelihood == "bernoulli" else -1)
    return Program(begin=begin, stages=stages, modules=(module,), check=lambda: check_images(made()), outlet=outlet)


def _train(setup: Setup, module: torch.nn.Module, batches: list[_Batch], *, likelihood: Any) -> Program:
    import torch

    from aigc_bench.nets.vae import kl_divergence, reconstruction_loss

    autoencoder = setup.prepare(module)
    fused = setup.device.type in FUSED_DEVICES or None
    optimizer = torch.optim.Adam(module.parameters(), lr=LEARNING_RATE, fused=fused)

    def loss(batch: _Batch) -> torch.Tensor:
        outputs, *posterior = autoencoder(batch.images, batch.noise)
        # NVAE sums its groups' divergences itself; the plain one gives mean and log variance.
        divergence = posterior[0] if len(posterior) == 1 else kl_divergence(*posterior)
        return (reconstruction_loss(outputs, batch.images, likelihood=likelihood) + divergence).mean()

    return TrainingStep(setup, loss=loss, batches=batches, optimizer=optimizer).program(module)


def _first(outputs: Any) -> torch.Tensor:
    """Return the pixels: NVAE's decoder also gives a divergence."""
    pixels: torch.Tensor = outputs[0] if isinstance(outputs, tuple) else outputs
    return pixels


def _link(likelihood: str) -> Callable[[torch.Tensor], torch.Tensor]:
    """From a decoder's outputs to images."""
    import torch

    if likelihood == "scaled_gaussian":
        # The means; log scales follow as many channels later.
        return lambda outputs: outputs.chunk(2, dim=1)[0]
    return torch.sigmoid if likelihood == "bernoulli" else torch.nn.Identity()
