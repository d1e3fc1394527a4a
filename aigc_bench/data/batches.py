"""A data loader over intakes: worker processes read, decode and stack whole batches ahead of the model, or the step itself does.

Without workers a batch is made when it is requested. With workers each is a process with all the machine's cores to run on
(a CPU trial binds its own threads, ``measure.threads``), that reads a shard of its own.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from aigc_bench.core.pipeline import Cache, Modality, SkippedSample
from aigc_bench.data.audio import decode_audio
from aigc_bench.data.files import DataFiles
from aigc_bench.data.images import decode_image
from aigc_bench.data.intake import AudioIntake, ImageIntake, Intake, TextIntake, VideoIntake
from aigc_bench.data.reading import Shard, decoded, epochs, read_bytes
from aigc_bench.data.text import Tokenizer, documents, token_samples
from aigc_bench.data.video import decode_video

if TYPE_CHECKING:
    from numpy.typing import NDArray

PREFETCHED = 2
"""Batches that each worker prepares ahead: torch's default."""

_DECODERS: Mapping[type, Callable[[bytes, Any], NDArray[np.float32]]] = {
    ImageIntake: decode_image,
    AudioIntake: decode_audio,
    VideoIntake: decode_video,
}


@dataclass(frozen=True, kw_only=True)
class BatchRequest:
    """One tensor of a step: the intake of its samples, and how many make a batch."""

    intake: Intake
    batch_size: int


@dataclass(frozen=True, kw_only=True)
class Batch:
    """The tensors of one step in the order of the requests, and what was skipped on the way to them, by modality."""

    tensors: tuple[torch.Tensor, ...]
    skipped: tuple[tuple[Modality, SkippedSample], ...]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All that a reader needs to know: what to make, of which files, in which order, how cold."""

    requests: tuple[BatchRequest, ...]
    sources: Mapping[Modality, DataFiles]
    tokenizers: Mapping[Intake, Tokenizer]
    seed: int
    rank: int
    num_ranks: int
    cache: Cache


class Batches(IterableDataset):  # type: ignore[type-arg]
    """Batches without end; each worker of each rank reads its own shard of every epoch."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self._recipe = recipe

    def __iter__(self) -> Iterator[Batch]:
        info = get_worker_info()
        worker, num_workers = (info.id, info.num_workers) if info is not None else (0, 1)
        recipe = self._recipe
        shard = Shard(index=recipe.rank * num_workers + worker, count=recipe.num_ranks * num_workers)
        skips: dict[Modality, list[SkippedSample]] = {modality: [] for modality in recipe.sources}
        streams = [
            _samples(request.intake, recipe, shard=shard, stream=number, skips=skips[request.intake.modality])
            for number, request in enumerate(recipe.requests)
        ]
        while True:
            tensors = tuple(
                torch.from_numpy(np.stack([next(stream) for _ in range(request.batch_size)]))
                for request, stream in zip(recipe.requests, streams, strict=True)
            )
            # With the batch, because in a loader process this is the only way back to the trial.
            skipped = tuple((modality, one) for modality, found in skips.items() for one in found)
            for found in skips.values():
                found.clear()
            yield Batch(tensors=tensors, skipped=skipped)


def _samples(intake: Intake, recipe: Recipe, *, shard: Shard, stream: int, skips: list[SkippedSample]) -> Iterator[NDArray[Any]]:
    """Yield samples of one request; two requests of one modality read in different orders."""
    mine = recipe.sources[intake.modality].units[intake.modality]
    # A prime, so that streams of neighbouring seeds do not coincide.
    units = epochs(mine, seed=recipe.seed + 7919 * stream, shard=shard)
    is_cold = recipe.cache == "cold"
    if isinstance(intake, TextIntake):
        texts = decoded(units, lambda unit: documents(unit, is_cold=is_cold, skips=skips), skips=skips, num_units=len(mine))
        return token_samples(texts, recipe.tokenizers[intake], intake)
    decode = _DECODERS[type(intake)]
    return decoded(units, lambda unit: iter((decode(read_bytes(unit, is_cold=is_cold), intake),)), skips=skips, num_units=len(mine))


@dataclass(frozen=True, kw_only=True)
class Loader:
    """An endless iterator of batches, and the processes that fill it (their ids; none without workers)."""

    batches: Iterator[Batch]
    workers: tuple[int, ...]


def open_loader(recipe: Recipe, *, num_workers: int, pin_memory: bool) -> Loader:
    """Start the workers, if any, on all the cores that this process may use now."""
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None

    def free(worker: int) -> None:
        if cores is not None:
            # A forked worker inherits the binding of the thread that forked it.
            os.sched_setaffinity(0, cores)

    if num_workers:
        # The library's threads do not survive a fork, and each process reads a shard of its own anyway.
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
    # A DataLoader names its processes in private attributes only.
    before = {child.pid for child in multiprocessing.active_children()}
    loader = DataLoader(
        Batches(recipe),
        # The dataset yields whole batches: nothing is left to collate.
        batch_size=None,
        num_workers=num_workers,
        worker_init_fn=free,
        prefetch_factor=PREFETCHED if num_workers else None,
        pin_memory=pin_memory,
        # Shares what is imported and the tokenizers; the workers never touch the device whose context they inherit.
        multiprocessing_context="fork" if num_workers else None,
    )
    batches: Iterator[Batch] = iter(loader)
    pids = [child.pid for child in multiprocessing.active_children() if child.pid not in before]
    return Loader(batches=batches, workers=tuple(pid for pid in pids if pid is not None))
