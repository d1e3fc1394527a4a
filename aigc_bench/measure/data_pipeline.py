"""The data pipeline of a trial: ``preprocess`` and ``postprocess`` as stages around a family's program, and their cost counted.

``preprocess`` takes the next batch (made here and now, or ahead by loader processes), copies it into the program's input tensors
and begins the step: what it takes is what the step waits for data. ``postprocess`` fetches the product from the device, and
detokenises or encodes, filters and signs it. CPU seconds are those of this process inside the two stages, once the device is done
with what they need, and those of the loader's processes over the window.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from math import gcd
from typing import Any

import torch

from aigc_bench.accelerators.base import Backend
from aigc_bench.core.errors import AigcBenchError
from aigc_bench.core.messages import message
from aigc_bench.core.pipeline import DataUse, Modality, Pipeline, PipelineUse, SkippedSample
from aigc_bench.core.records import Case, Stage, Work
from aigc_bench.data import page_cache
from aigc_bench.data.batches import Batch, BatchRequest, Loader, Recipe, open_loader
from aigc_bench.data.files import DataFiles, find_files
from aigc_bench.data.generated import generated_folder
from aigc_bench.data.intake import Intake, TextIntake
from aigc_bench.data.products import finish
from aigc_bench.data.reading import drop_all
from aigc_bench.data.screening import screen
from aigc_bench.data.text import Tokenizer
from aigc_bench.data.tokenizer import trained
from aigc_bench.measure.ranks import ALONE, Ranks
from aigc_bench.workloads._feeding import Fed, Outlet
from aigc_bench.workloads.base import NUM_INPUT_BATCHES, Program, Setup

PREPROCESS, POSTPROCESS = "preprocess", "postprocess"
NAMED_SKIPS = 20
"""Skipped samples that a result names; all are counted."""


@dataclass(kw_only=True)
class _Source:
    """Files of one modality, and what was skipped of them so far."""

    modality: Modality
    files: DataFiles
    is_generated: bool
    skipped: dict[str, SkippedSample] = field(default_factory=dict)

    @property
    def paths(self) -> list[str]:
        return list(dict.fromkeys(unit.path for unit in self.files.units[self.modality]))


@dataclass(kw_only=True)
class _Counters:
    """Costs and counts summed over a window."""

    cpu_s: dict[str, float] = field(default_factory=dict)
    num_batches: int = 0
    workers_cpu_s: dict[int, float] = field(default_factory=dict)
    cached: dict[Modality, float | None] = field(default_factory=dict)
    num_unsafe: int = 0
    product_bytes: int | None = None


class DataPipeline:
    """An open pipeline around a built program; ``program`` and ``work`` replace the family's own."""

    def __init__(self, case: Case, setup: Setup, program: Program, *, backend: Backend, ranks: Ranks = ALONE) -> None:
        assert case.pipeline is not None, "a case without pipeline has none to open"
        self._pipeline: Pipeline = case.pipeline
        self._backend, self._setup = backend, setup
        self._fed = fed = setup.fed or []
        self._num_workers = case.pipeline.num_workers(case.mode) if fed else 0
        self._slots = _slots(fed)
        self._outlet = program.outlet if case.mode == "infer" else None
        self._sources = _sources(case.pipeline, {one.intake.modality for one in fed} | _spoken(self._outlet))
        self._tokenizer = self._trained(self._outlet.vocab_size) if self._outlet and self._outlet.modality == "text" else None
        self._loader = self._open(case, ranks) if fed else None
        self._counters = _Counters()
        self._cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
        self._used: PipelineUse | None = None
        self._model, self._step = program, 0
        self.program = self._around(program)

    def _trained(self, vocab_size: int) -> Tokenizer:
        files = self._sources["text"].files
        return trained(files.units["text"], vocab_size=vocab_size, sha256=files.sha256)

    def _open(self, case: Case, ranks: Ranks) -> Loader:
        requests = tuple(BatchRequest(intake=one.intake, batch_size=one.tensor.shape[0]) for one in self._slots[0])
        tokenizers: dict[Intake, Tokenizer] = {
            request.intake: self._trained(request.intake.vocab_size - request.intake.low)
            for request in requests
            if isinstance(request.intake, TextIntake)
        }
        self._settle_cache()
        recipe = Recipe(
            requests=requests,
            sources={modality: source.files for modality, source in self._sources.items()},
            tokenizers=tokenizers,
            seed=case.seed,
            rank=ranks.rank,
            num_ranks=ranks.size,
            cache=self._pipeline.cache,
        )
        # Only pinned memory is copied to a device without the host waiting.
        return open_loader(recipe, num_workers=self._num_workers, pin_memory=self._setup.device.type == "cuda")

    def _settle_cache(self) -> None:
        """Drop the data from the page cache (cold), or read them into it (hot) as far as they fit."""
        for source in self._sources.values():
            if self._pipeline.cache == "cold":
                drop_all(source.files.units[source.modality])
            else:
                page_cache.warm(source.paths)

    def _around(self, program: Program) -> Program:
        stages: dict[str, Callable[[int], None]] = {}
        if self._loader is not None:
            stages[PREPROCESS] = self._preprocess
        stages.update(program.stages)
        if self._outlet is not None:
            stages[POSTPROCESS] = self._postprocess
        return replace(program, begin=self._begin if self._loader is not None else program.begin, stages=stages)

    def work(self, work: Work) -> Work:
        """The family's work with the pipeline's stages around it; they finish no items."""
        before = (Stage(name=PREPROCESS, on_host=True),) if self._loader is not None else ()
        after = (Stage(name=POSTPROCESS, on_host=True),) if self._outlet is not None else ()
        return work.model_copy(update={"stages": (*before, *work.stages, *after)})

    def _begin(self, step: int) -> None:
        """The family's own ``begin`` reads the inputs, which are not there yet: ``preprocess`` calls it."""
        self._step = step

    def _preprocess(self, repeat: int) -> None:
        assert self._loader is not None, "a stage that is there has its loader"
        with self._counted(PREPROCESS):
            batch: Batch = next(self._loader.batches)
            for fed, samples in zip(self._slots[self._step % len(self._slots)], batch.tensors, strict=True):
                fed.fill(samples)
            self._model.begin(self._step)
        self._counters.num_batches += 1
        for modality, one in batch.skipped:
            # A bad sample comes again with each epoch and counts once.
            self._sources[modality].skipped.setdefault(one.name, one)

    def _postprocess(self, repeat: int) -> None:
        assert self._outlet is not None, "a stage that is there has its outlet"
        # Outside the count: a host that waits for a device in a busy loop does no work.
        self._backend.synchronize()
        with self._counted(POSTPROCESS):
            values = _on_host(self._outlet)
            made = list(finish(self._outlet.modality, values, rate=self._outlet.rate, tokenizer=self._tokenizer))
        self._counters.num_unsafe += made.count(None)
        self._counters.product_bytes = sum(len(one) for one in made if one is not None)

    @contextlib.contextmanager
    def _counted(self, stage: str) -> Iterator[None]:
        """Count the CPU time of what is done here, on all the cores that this process could use before its threads were bound."""
        # Of all threads of the process, those of an encoder included.
        before_s = time.process_time()
        with on_cores(self._cores):
            yield
        self._counters.cpu_s[stage] = self._counters.cpu_s.get(stage, 0.0) + time.process_time() - before_s

    def start_window(self) -> None:
        """Reset the counts of the warm-up and sample the page cache."""
        if self._pipeline.cache == "cold":
            self._settle_cache()
        self._counters = _Counters(
            workers_cpu_s=self._workers_cpu_s(),
            cached={modality: page_cache.cached_fraction(source.paths) for modality, source in self._sources.items()},
        )

    def end_window(self) -> None:
        """Read the clocks of the loader's processes, and keep what the window cost and read."""
        self._used = self._use()

    def _use(self) -> PipelineUse:
        counters, now = self._counters, self._workers_cpu_s()
        # A worker that has ended took its clock along: then the sum is unknown, not smaller.
        spent = [now[pid] - before_s for pid, before_s in counters.workers_cpu_s.items() if pid in now]
        is_known = self._num_workers == 0 or len(spent) == self._num_workers
        return PipelineUse(
            num_workers=self._num_workers,
            cache=self._pipeline.cache,
            stage_cpu_s=counters.cpu_s,
            workers_cpu_s=sum(spent) if is_known else None,
            sources=tuple(self._source_use(source) for source in self._sources.values() if self._reads(source.modality)),
            product_bytes=counters.product_bytes,
            num_unsafe=counters.num_unsafe,
        )

    def _reads(self, modality: Modality) -> bool:
        """Whether a step takes it in: text may be there for the tokenizer of a product alone."""
        return any(one.intake.modality == modality for one in self._fed)

    def _source_use(self, source: _Source) -> DataUse:
        modality, files = source.modality, source.files
        per_batch = sum(one.tensor.shape[0] for one in self._slots[0] if one.intake.modality == modality)
        return DataUse(
            modality=modality,
            path=None if source.is_generated else files.root,
            num_files=files.num_files[modality],
            num_bytes=files.num_bytes[modality],
            num_units=len(files.units[modality]),
            num_samples=per_batch * self._counters.num_batches,
            num_skipped=sum(one.count for one in source.skipped.values()),
            skipped=tuple(source.skipped.values())[:NAMED_SKIPS],
            cached_fraction=self._counters.cached.get(modality),
        )

    def _workers_cpu_s(self) -> dict[int, float]:
        pids = self._loader.workers if self._loader is not None else ()
        return {pid: seconds for pid in pids if (seconds := process_cpu_s(pid)) is not None}

    def close(self) -> PipelineUse | None:
        """End the loader's processes and return what the window cost and read."""
        # The DataLoader's iterator ends its processes when it is collected.
        self._loader = None
        return self._used


def _slots(fed: list[Fed]) -> tuple[tuple[Fed, ...], ...]:
    """The fed tensors of each of a program's input batches: those of one intake, in the order they were made, shared out evenly."""
    by_intake: dict[Intake, list[Fed]] = {}
    for one in fed:
        by_intake.setdefault(one.intake, []).append(one)
    shared = NUM_INPUT_BATCHES
    for ones in by_intake.values():
        shared = gcd(shared, len(ones))
    assert not fed or shared == NUM_INPUT_BATCHES, "a family makes its fed inputs for every one of its batches"
    share = {intake: len(ones) // shared for intake, ones in by_intake.items()}
    return tuple(
        tuple(one for intake, ones in by_intake.items() for one in ones[slot * share[intake] : (slot + 1) * share[intake]])
        for slot in range(shared)
    )


def _spoken(outlet: Outlet | None) -> set[Modality]:
    """Text that a product is detokenised to has its tokenizer trained on text."""
    return {"text"} if outlet is not None and outlet.modality == "text" else set()


def _sources(pipeline: Pipeline, modalities: set[Modality]) -> dict[Modality, _Source]:
    """Return the user's data where it has a modality, and generated files for the rest."""
    own = find_files(pipeline.data) if pipeline.data is not None else None
    if own is not None and pipeline.sha256 is not None and own.sha256 != pipeline.sha256:
        problem = message("--data {root}: files were added, removed or resized since the run began.", root=own.root)
        raise AigcBenchError(problem, message("Its results would be of two data sets: start another run."))
    found: dict[Modality, _Source] = {}
    for modality in sorted(modalities):
        if own is not None and modality in own.modalities:
            screening = screen(own, modality)
            skipped = {one.name: one for one in screening.skipped}
            # What crashes its decoder would end the trial: it is never read.
            files = own.without(screening.crashed, modality)
            found[modality] = _Source(modality=modality, files=files, is_generated=False, skipped=skipped)
        else:
            files = find_files(generated_folder(modality))
            found[modality] = _Source(modality=modality, files=files, is_generated=True)
    return found


def _on_host(outlet: Outlet) -> Any:
    """The product as numpy: pixels become bytes on the device, since a quarter of the traffic is enough."""
    value = outlet.value()
    if outlet.modality == "text":
        return value.cpu().numpy()
    if outlet.modality == "audio":
        return value.float().cpu().numpy()
    pixels = ((value.float() - outlet.low) * (255 / (outlet.high - outlet.low))).clamp(0, 255).round().to(torch.uint8)
    # Grey to RGB, as the encoders and the filter want it.
    if pixels.shape[1] == 1:
        pixels = pixels.expand(-1, 3, *pixels.shape[2:])
    last = (0, *range(2, pixels.dim()), 1)
    return pixels.permute(last).contiguous().cpu().numpy()


@contextlib.contextmanager
def on_cores(cores: set[int] | None) -> Iterator[None]:
    """Let this thread, and those that it starts (an encoder's), run on ``cores``; its own binding comes back at the end."""
    bound = os.sched_getaffinity(0) if cores is not None else None
    if cores is None or bound is None or bound == cores:
        yield
        return
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, bound)


def process_cpu_s(pid: int) -> float | None:
    """CPU seconds of all threads of a living process, ``None`` where it is gone.

    Its clock is ``(~pid << 3) | 2``, as ``clock_getcpuclockid(3)`` makes it (Linux, include/linux/posix-timers.h).
    """
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return None
