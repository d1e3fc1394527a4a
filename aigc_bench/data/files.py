"""The data at a path: files by modality, cut into units that can be read alone, in any order and by any process.

    text    .txt (BookCorpus), .jsonl (a "text" key), .parquet (a "text" column)     unit: a byte range of lines, a row group
    image   .jpg .jpeg .png .webp in folders of classes (ImageNet), or in .tar shards    unit: a file, a member of a shard
    audio   .wav .flac .ogg in any folders (LibriSpeech; its .trans.txt are no text)     unit: a file
    video   .mp4 .mkv .webm                                                              unit: a file

What is not a unit is reported as skipped, by name: empty and too large files, broken links, FIFOs and devices, folders that cannot
be listed. The hash is over relative names and sizes; the stamp also over times and inodes, which a change of contents moves.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.pipeline import Modality, SkippedSample
from aigc_bench.data.bad_sample import BadSampleError, reason_of, shown
from aigc_bench.data.limits import MAX_SAMPLE_BYTES, MAX_TEXT_FILE_BYTES
from aigc_bench.data.parquet import num_row_groups
from aigc_bench.data.regular import Entry, refuse_irregular, walk
from aigc_bench.data.shards import members

EXTENSIONS: Mapping[str, Modality] = {
    ".txt": "text", ".jsonl": "text", ".parquet": "text",
    ".jpg": "image", ".jpeg": "image", ".png": "image", ".webp": "image",
    ".wav": "audio", ".flac": "audio", ".ogg": "audio",
    ".mp4": "video", ".mkv": "video", ".webm": "video",
}  # fmt: skip
_SUFFIXES = frozenset({*EXTENSIONS, ".tar"})
_IMAGE_SUFFIXES = frozenset(suffix for suffix, modality in EXTENSIONS.items() if modality == "image")
_NAMED = 3
"""Skipped files that an error names."""
TEXT_UNIT_BYTES = 1 << 20
"""Text files are cut at the line breaks next to multiples of this."""


class Unit(NamedTuple):
    """A stretch of a file: bytes ``start`` to ``end``; of a parquet file, its row group ``start``. ``name`` is for messages."""

    path: str
    name: str
    start: int
    end: int


@dataclass(frozen=True, kw_only=True)
class DataFiles:
    """Units by modality in the order of their names, what was skipped, the number of files, their bytes, their hash and stamp."""

    root: str
    sha256: str
    stamp: str
    num_files: Mapping[Modality, int]
    num_bytes: Mapping[Modality, int]
    units: Mapping[Modality, tuple[Unit, ...]]
    skipped: Mapping[Modality, tuple[SkippedSample, ...]]

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """Those that have something to read."""
        return tuple(self.units)

    def without(self, names: Collection[str], modality: Modality) -> DataFiles:
        """Return the same data without the units of those names."""
        left = tuple(unit for unit in self.units[modality] if unit.name not in names) if names else self.units[modality]
        return replace(self, units={**self.units, modality: left})


@dataclass(kw_only=True)
class _Found:
    units: list[Unit] = field(default_factory=list)
    skipped: list[SkippedSample] = field(default_factory=list)
    num_files: int = 0
    num_bytes: int = 0


def find_files(root: Path | str) -> DataFiles:
    """Everything readable below ``root`` (a folder or one file); raises ``UsageError`` where there is nothing."""
    folder = _place(root)
    found: dict[Modality, _Found] = {}
    folders: list[SkippedSample] = []
    digest, stamp = hashlib.sha256(), hashlib.sha256()
    base = len(str(folder if folder.is_dir() else folder.parent).rstrip("/")) + 1
    for path, status, problem, is_folder in _entries(folder):
        name = shown(path[base:] or ".")
        if is_folder:
            folders.append(SkippedSample(name=name, reason=problem or ""))
            continue
        suffix = _suffix(path)
        # A .tar holds images.
        mine = found.setdefault(EXTENSIONS.get(suffix, "image"), _Found())
        if status is None:
            mine.skipped.append(SkippedSample(name=name, reason=problem or ""))
            continue
        digest.update(os.fsencode(path[base:]) + f"\0{status.st_size}\n".encode())
        stamp.update(f"{status.st_mtime_ns} {status.st_ctime_ns} {status.st_ino} {status.st_dev}\n".encode())
        _add(mine, path, name=name, size=status.st_size, suffix=suffix)
    kept = {modality: one for modality, one in sorted(found.items()) if one.units}
    if not kept:
        raise _nothing_to_read(root, [*folders, *(one for each in found.values() for one in each.skipped)])
    stamp.update(digest.digest())
    return DataFiles(
        root=str(folder),
        sha256=digest.hexdigest(),
        stamp=stamp.hexdigest(),
        num_files={modality: one.num_files for modality, one in kept.items()},
        num_bytes={modality: one.num_bytes for modality, one in kept.items()},
        units={modality: tuple(one.units) for modality, one in kept.items()},
        skipped={modality: (*folders, *one.skipped) for modality, one in kept.items()},
    )


def _place(root: Path | str) -> Path:
    """The absolute path; raises ``UsageError`` where there is nothing to list, or where its name cannot be recorded."""
    said = shown(str(root))
    try:
        folder = Path(root).expanduser()
        status = folder.stat()
        resolved = folder.resolve()
    except (OSError, RuntimeError, ValueError) as problem:
        if isinstance(problem, FileNotFoundError | NotADirectoryError):
            raise UsageError(message("--data {said}: there is no such file or folder.", said=said)) from None
        raise UsageError(message("--data {said}: cannot be read: {reason}.", said=said, reason=reason_of(problem))) from None
    if not stat.S_ISDIR(status.st_mode):
        try:
            refuse_irregular(status.st_mode)
        except BadSampleError as problem:
            raise UsageError(
                message("--data {said}: {problem}.", said=said, problem=problem), message("Give a folder or a file.")
            ) from None
    # A link whose own path is UTF-8 may lead to one that is not: then the link's is recorded.
    for place in (resolved, folder.absolute()):
        if _is_utf8(place):
            return place
    hint = message("Rename it, or give a link to it whose path is UTF-8.")
    raise UsageError(message("--data {said}: the path is not UTF-8, and a run records it as text.", said=said), hint)


def _is_utf8(place: Path) -> bool:
    try:
        str(place).encode()
    except UnicodeEncodeError:
        return False
    return True


def _nothing_to_read(root: Path | str, skipped: Sequence[SkippedSample]) -> UsageError:
    known = message("Known are files that end in {endings}", endings=", ".join((*EXTENSIONS, ".tar")))
    named = ", ".join(f"{one.name} ({one.reason})" for one in skipped[:_NAMED])
    more = message(" and {num_more} more", num_more=len(skipped) - _NAMED) if len(skipped) > _NAMED else ""
    hint = message("{known}; skipped were {named}{more}.", known=known, named=named, more=more) if skipped else f"{known}."
    return UsageError(message("--data {root}: nothing to read in it.", root=shown(str(root))), hint)


def _entries(folder: Path) -> Iterator[Entry]:
    if folder.is_dir():
        for entry in walk(str(folder), _SUFFIXES):
            # LibriSpeech's transcripts lie among the recordings.
            if entry.is_folder or not entry.path.endswith(".trans.txt"):
                yield entry
    elif _suffix(str(folder)) in _SUFFIXES:
        yield Entry(str(folder), folder.stat())


def _suffix(path: str) -> str:
    return os.path.splitext(path)[1].lower()  # noqa: PTH122 - a million Path objects are slow


def _add(mine: _Found, path: str, *, name: str, size: int, suffix: str) -> None:
    mine.num_files += 1
    mine.num_bytes += size
    if size == 0:
        mine.skipped.append(SkippedSample(name=name, reason=message("empty file")))
        return
    if suffix == ".tar":
        spans, skipped = members(path, name=name, suffixes=_IMAGE_SUFFIXES)
        mine.units += [Unit(path, *span) for span in spans]
        mine.skipped += skipped
        return
    try:
        mine.units += _units(path, name=name, size=size, suffix=suffix)
    except Exception as problem:
        mine.skipped.append(SkippedSample(name=name, reason=reason_of(problem)))


def _units(path: str, *, name: str, size: int, suffix: str) -> list[Unit]:
    if suffix == ".parquet":
        return [Unit(path, f"{name}:{group}", group, group + 1) for group in range(num_row_groups(path))]
    if suffix in (".txt", ".jsonl"):
        if size > MAX_TEXT_FILE_BYTES:
            raise BadSampleError(message("larger than the limit of {limit} TiB", limit=MAX_TEXT_FILE_BYTES >> 40))
        starts = range(0, size, TEXT_UNIT_BYTES)
        return [Unit(path, name, start, min(size, start + TEXT_UNIT_BYTES)) for start in starts]
    if size > MAX_SAMPLE_BYTES:
        raise BadSampleError(message("larger than the limit of {limit} MiB", limit=MAX_SAMPLE_BYTES >> 20))
    return [Unit(path, name, 0, size)]
