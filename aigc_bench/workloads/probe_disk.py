"""The disk under a folder, by the four ways generative models use one, cold and hot apart and declared.

- ``sequential-read``: blocks of 4 MiB in order, as a checkpoint is loaded;
- ``random-read``: pages of 4 KiB in random order, one at a time, so one over its rate of pages is the disk's latency;
- ``dataset-ingest``: samples of 112 KiB (a mean ImageNet picture) in random order by four concurrent readers;
- ``checkpoint-write``: a file is replaced and made durable: ``write``, then ``fsync`` (only both together are the disk's).

``cache`` says what the page cache may do. ``direct`` goes past it (O_DIRECT), ``dropped`` goes through it after a request
to forget the file (at each pass over the file, which is verified), ``cached`` reads what it holds, so that is memory's speed.
A device's own cache and a hypervisor's are beyond a program's reach: a file smaller than those is faster than the disk's
steady state. MLPerf Storage requires five times the memory; set ``file_mib`` so where that is the question.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from os import fstat, fsync, ftruncate, preadv, pwritev
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.records import Case, Mode, Stage
from aigc_bench.workloads import _disk
from aigc_bench.workloads._probing import MIB, bypasses_engine, first_reason, ignores_precision
from aigc_bench.workloads.base import Preset, Program, Settings, Setup, Workload

KIB = 1024
Cache = Literal["direct", "dropped", "cached"]
Extent = tuple[int, int]
"""Offset and length in bytes."""


class DiskSettings(Settings):
    """Where, how large, and what the page cache may do."""

    cache: Cache = Field(
        default="direct", description=message("direct: past the page cache; dropped: through it, cold; cached: from it.")
    )
    file_mib: int = Field(default=256, ge=32, description=message("Size of the file in MiB."))
    folder: str = Field(default="", description=message("Folder on the disk to probe; $TMPDIR or /var/tmp where empty."))


def _reads(title: str, *, source: str, block_kib: int, num_blocks: int, is_shuffled: bool, num_readers: int) -> Preset:
    """``num_blocks`` blocks in one repeat, each read by one of ``num_readers``."""
    config = {"block_bytes": block_kib * KIB, "num_blocks": num_blocks, "is_shuffled": is_shuffled, "num_readers": num_readers}
    return Preset(title=title, source=source, config=config)


_PRESETS = {
    "random-read": _reads(
        message("Random pages of 4 KiB, one at a time"),
        source=message("as fio: rw=randread, bs=4k, iodepth=1"),
        block_kib=4,
        num_blocks=64,
        is_shuffled=True,
        num_readers=1,
    ),
    "sequential-read": _reads(
        message("Blocks of 4 MiB in order"),
        source=message("as fio: rw=read, bs=4m, iodepth=1"),
        block_kib=4096,
        num_blocks=4,
        is_shuffled=False,
        num_readers=1,
    ),
    "dataset-ingest": _reads(
        message("Samples of 112 KiB in random order, four readers"),
        source="ImageNet-1k: 1,281,167 pictures in 138 GiB (Russakovsky et al. 2015); four workers of a data loader",
        block_kib=112,
        num_blocks=32,
        is_shuffled=True,
        num_readers=4,
    ),
    "checkpoint-write": Preset(
        title=message("A checkpoint replaced and made durable"),
        source=message("torch.save to a file, then fsync(2)"),
        config={"block_bytes": 4 * MIB},
        defaults={"cache": "cached"},
    ),
}


class ProbeDisk(Workload):
    """Throughput counts bytes read, or written and durable."""

    title: ClassVar[str] = message("Probe: disk")
    item: ClassVar[str] = "byte"
    modes: ClassVar[tuple[Mode, ...]] = ("infer",)
    settings: ClassVar[type[Settings]] = DiskSettings
    presets: ClassVar[Mapping[str, Preset]] = _PRESETS

    def stages(self, case: Case) -> tuple[Stage, ...]:
        """``read``, or ``write`` and ``fsync``, ``batch_size`` times."""
        config = self.preset(case).config
        if case.preset == "checkpoint-write":
            written = Stage(name="write", repeats=case.batch_size, items=self.options(case).file_mib * MIB)
            return (written, Stage(name="fsync"))
        return (Stage(name="read", repeats=case.batch_size, items=config["block_bytes"] * config["num_blocks"]),)

    def validate(self, case: Case) -> None:
        """As the base; raises ``UsageError`` where a write is to be ``dropped``: it was never in the page cache."""
        super().validate(case)
        if case.preset == "checkpoint-write" and self.options(case).cache == "dropped":
            raise UsageError(
                message(
                    "{workload}/{preset}: cache = 'dropped' is for reading; use 'cached' or 'direct'.",
                    workload=case.workload,
                    preset=case.preset,
                )
            )

    def unsupported(self, case: Case) -> str | None:
        """The folder must lie on a disk with room for the file, and the file system must offer what ``cache`` requires."""
        options = self.options(case)
        return (
            super().unsupported(case)
            or first_reason(case, (bypasses_engine, ignores_precision))
            or _disk.refusal(folder_of(options), num_bytes=options.file_mib * MIB, is_direct=options.cache == "direct")
        )

    def build(self, case: Case, setup: Setup) -> Program:
        """The file, written and durable; on ``meta`` there is none, and the stages do nothing."""
        self.validate(case)
        options, config = self.options(case), self.preset(case).config
        if setup.device.type == "meta":
            return Program(begin=_rest, stages={stage.name: _rest for stage in self.stages(case)}, modules=())
        scratch = _disk.ScratchFile(folder_of(options), seed=case.seed, is_direct=options.cache == "direct")
        if case.preset == "checkpoint-write":
            return _checkpoint(scratch, options=options, block_bytes=config["block_bytes"])
        return _reading(scratch, case=case, options=options, config=config)


workload = ProbeDisk()


def folder_of(options: DiskSettings) -> Path:
    """The folder of the case, or the default one."""
    return Path(options.folder) if options.folder else _disk.default_folder()


def extents(*, file_bytes: int, block_bytes: int, num_blocks: int, is_shuffled: bool, seed: int) -> list[list[Extent]]:
    """One pass over the file: for each repeat the extents that it reads. Blocks that do not fill a repeat are left out."""
    offsets = list(range(0, file_bytes - block_bytes + 1, block_bytes))
    if is_shuffled:
        random.Random(seed).shuffle(offsets)
    full = len(offsets) - len(offsets) % num_blocks
    assert full, "a file holds the blocks of at least one repeat"
    return [[(offset, block_bytes) for offset in offsets[at : at + num_blocks]] for at in range(0, full, num_blocks)]


def _rest(_: int) -> None:
    """Nothing to do."""


def _reading(scratch: _disk.ScratchFile, *, case: Case, options: DiskSettings, config: Mapping[str, Any]) -> Program:
    file_bytes = options.file_mib * MIB
    scratch.fill(file_bytes)
    if options.cache != "cached":
        scratch.drop()
    is_cold = scratch.is_cached(0) is False if options.cache == "dropped" else options.cache == "direct"
    shape = {key: config[key] for key in ("block_bytes", "num_blocks", "is_shuffled")}
    plan = extents(file_bytes=file_bytes, seed=case.seed, **shape)
    descriptor = scratch.buffered if scratch.direct is None else scratch.direct
    read, last_page = _reader(descriptor, num_readers=config["num_readers"], block_bytes=config["block_bytes"])
    state: dict[str, Any] = {"first": 0, "last": plan[0]}

    def begin(step: int) -> None:
        state["first"] = step * case.batch_size % len(plan)
        # Steps advance by batch_size, so that this is the first of a round.
        is_new_pass = state["first"] < case.batch_size
        if is_new_pass and options.cache == "dropped":
            scratch.drop()

    def read_repeat(repeat: int) -> None:
        state["last"] = plan[(state["first"] + repeat) % len(plan)]
        read(state["last"])

    def check() -> Mapping[str, float | str | bool | None]:
        page, offset = last_page(), state["last"][-1][0]
        matches = scratch.holds(page, offset=offset)
        return {"content_matches": matches, "crc32": _disk.checksum(page), **_probe_facts(options, cold=is_cold)}

    return Program(begin=begin, stages={"read": read_repeat}, modules=(), check=check)


def _reader(
    descriptor: int, *, num_readers: int, block_bytes: int
) -> tuple[Callable[[Iterable[Extent]], None], Callable[[], memoryview]]:
    """Return a function that reads extents with ``num_readers`` threads, and one for the first page of the last extent read."""
    buffers = [_disk.aligned_buffer(block_bytes) for _ in range(num_readers)]
    views = [memoryview(buffer) for buffer in buffers]
    pool = ThreadPoolExecutor(num_readers) if num_readers > 1 else None
    last = {"view": views[0]}

    def read_all(share: Iterable[Extent], view: memoryview) -> None:
        for offset, length in share:
            # Releases Python's lock while it waits, so that the readers overlap.
            got = preadv(descriptor, [view[:length]], offset)
            if got != length:
                raise OSError(
                    message(
                        "read {got} of {length} bytes at offset {offset} of the scratch file", got=got, length=length, offset=offset
                    )
                )

    def read(wanted: Iterable[Extent]) -> None:
        todo = list(wanted)
        if pool is None:
            read_all(todo, views[0])
            return
        # The reader that takes the last extent, as they are dealt out in turn.
        last["view"] = views[(len(todo) - 1) % num_readers]
        for done in [pool.submit(read_all, todo[at::num_readers], views[at]) for at in range(num_readers)]:
            done.result()

    return read, lambda: last["view"][: _disk.PAGE_BYTES]


def _checkpoint(scratch: _disk.ScratchFile, *, options: DiskSettings, block_bytes: int) -> Program:
    file_bytes = options.file_mib * MIB
    block = _disk.aligned_buffer(block_bytes)
    for offset in range(0, block_bytes, _disk.UNIT_BYTES):
        block[offset : offset + _disk.UNIT_BYTES] = scratch.content(offset)
    view = memoryview(block)
    descriptor = scratch.buffered if scratch.direct is None else scratch.direct

    def write(repeat: int) -> None:
        # A new checkpoint's blocks are allocated anew; overwriting would measure something cheaper.
        ftruncate(descriptor, 0)
        for offset in range(0, file_bytes, block_bytes):
            part = view[: min(block_bytes, file_bytes - offset)]
            written = pwritev(descriptor, [part], offset)
            if written != len(part):
                raise OSError(
                    message(
                        "wrote {written} of {part} bytes at offset {offset} of the scratch file",
                        written=written,
                        part=len(part),
                        offset=offset,
                    )
                )

    def make_durable(repeat: int) -> None:
        fsync(descriptor)

    def check() -> Mapping[str, float | str | bool | None]:
        # O_DIRECT reads into aligned memory only.
        page = _disk.aligned_buffer(_disk.PAGE_BYTES)
        preadv(descriptor, [page], 0)
        is_complete = fstat(descriptor).st_size == file_bytes
        matches = scratch.holds(page[:], offset=0)
        found = {"complete": is_complete, "content_matches": matches, "crc32": _disk.checksum(page[:])}
        return {**found, **_probe_facts(options, cold=None)}

    return Program(begin=_rest, stages={"write": write, "fsync": make_durable}, modules=(), check=check)


def _probe_facts(options: DiskSettings, *, cold: bool | None) -> Mapping[str, float | str | bool | None]:
    """What was probed, and whether the reads were cold: ``None`` where that is no question (writes, reads from the cache)."""
    folder = folder_of(options)
    is_cold = None if options.cache == "cached" else cold
    return {"cold": is_cold, "cache": options.cache, "file_system": _disk.file_system(folder), "file_mib": float(options.file_mib)}
