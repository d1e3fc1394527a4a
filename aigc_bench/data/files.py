"""What lies at a path: files by modality, cut into units that can be read alone, in any order and by any process.

    text    .txt (BookCorpus), .jsonl (a "text" key), .parquet (a "text" column)     unit: a byte range of lines, a row group
    image   .jpg .jpeg .png .webp in folders of classes (ImageNet), or in .tar shards    unit: a file, a member of a shard
    audio   .wav .flac .ogg in any folders (LibriSpeech; its .trans.txt are no text)     unit: a file
    video   .mp4 .mkv .webm                                                              unit: a file

Empty files are no units: they are told as skipped, by name. The hash is over relative names and sizes.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from aigc_bench.core.errors import UsageError
from aigc_bench.core.pipeline import Modality, SkippedSample

EXTENSIONS: Mapping[str, Modality] = {
    ".txt": "text", ".jsonl": "text", ".parquet": "text",
    ".jpg": "image", ".jpeg": "image", ".png": "image", ".webp": "image",
    ".wav": "audio", ".flac": "audio", ".ogg": "audio",
    ".mp4": "video", ".mkv": "video", ".webm": "video",
}  # fmt: skip
TEXT_UNIT_BYTES = 1 << 20
"""Text files are cut at the line breaks next to multiples of this."""


class Unit(NamedTuple):
    """A stretch of a file: bytes ``start`` to ``end``; of a parquet file, its row group ``start``."""

    path: str
    name: str
    start: int
    end: int


@dataclass(frozen=True, kw_only=True)
class DataFiles:
    """Units by modality in the order of their names, what was skipped, the number of files, their bytes, and their hash."""

    root: str
    sha256: str
    num_files: Mapping[Modality, int]
    num_bytes: Mapping[Modality, int]
    units: Mapping[Modality, tuple[Unit, ...]]
    skipped: Mapping[Modality, tuple[SkippedSample, ...]]

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """Those that have something to read."""
        return tuple(self.units)


@dataclass(kw_only=True)
class _Found:
    units: list[Unit] = field(default_factory=list)
    skipped: list[SkippedSample] = field(default_factory=list)
    num_files: int = 0
    num_bytes: int = 0


def find_files(root: Path | str) -> DataFiles:
    """Everything readable below ``root`` (a folder or one file); raises ``UsageError`` where there is nothing."""
    folder = Path(root).expanduser()
    if not folder.exists():
        raise UsageError(f"--data {root}: there is no such file or folder.")
    base = folder if folder.is_dir() else folder.parent
    found: dict[Modality, _Found] = {}
    digest = hashlib.sha256()
    for path, size in _walk(folder):
        name = os.path.relpath(path, base)
        digest.update(f"{name}\0{size}\n".encode())
        _add(found, path, name=name, size=size)
    if not any(one.units for one in found.values()):
        known = ", ".join((*EXTENSIONS, ".tar"))
        raise UsageError(f"--data {root}: nothing to read in it.", f"Known are files that end in {known}; empty ones are skipped.")
    kept = {modality: one for modality, one in sorted(found.items()) if one.units}
    return DataFiles(
        root=str(folder.resolve()),
        sha256=digest.hexdigest(),
        num_files={modality: one.num_files for modality, one in kept.items()},
        num_bytes={modality: one.num_bytes for modality, one in kept.items()},
        units={modality: tuple(one.units) for modality, one in kept.items()},
        skipped={modality: tuple(one.skipped) for modality, one in kept.items()},
    )


def _walk(folder: Path) -> Iterator[tuple[str, int]]:
    """Paths and sizes of all known files, sorted."""
    if folder.is_file():
        yield str(folder), folder.stat().st_size
        return
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(parent, name)  # noqa: PTH118 - a million Path objects are slow
            suffix = os.path.splitext(name)[1].lower()  # noqa: PTH122
            if (suffix in EXTENSIONS or suffix == ".tar") and not name.endswith(".trans.txt"):
                yield path, os.stat(path).st_size  # noqa: PTH116


def _add(found: dict[Modality, _Found], path: str, *, name: str, size: int) -> None:
    suffix = os.path.splitext(name)[1].lower()  # noqa: PTH122
    modality = EXTENSIONS.get(suffix, "image")
    mine = found.setdefault(modality, _Found())
    mine.num_files += 1
    mine.num_bytes += size
    if size == 0:
        mine.skipped.append(SkippedSample(name=name, reason="empty file"))
        return
    try:
        mine.units += _units(path, name=name, size=size, suffix=suffix)
    except (OSError, tarfile.TarError, ValueError) as problem:
        mine.skipped.append(SkippedSample(name=name, reason=f"cannot be opened: {_first_line(problem)}"))


def _units(path: str, *, name: str, size: int, suffix: str) -> list[Unit]:
    if suffix == ".tar":
        with tarfile.open(path, "r:") as shard:
            members = [
                member for member in shard if member.isfile() and EXTENSIONS.get(Path(member.name).suffix.lower()) == "image"
            ]
        return [Unit(path, f"{name}:{one.name}", one.offset_data, one.offset_data + one.size) for one in members]
    if suffix == ".parquet":
        import pyarrow.parquet as pq

        return [Unit(path, f"{name}:{group}", group, group + 1) for group in range(pq.ParquetFile(path).num_row_groups)]
    if suffix in (".txt", ".jsonl"):
        starts = range(0, size, TEXT_UNIT_BYTES)
        return [Unit(path, name, start, min(size, start + TEXT_UNIT_BYTES)) for start in starts]
    return [Unit(path, name, 0, size)]


def _first_line(problem: Exception) -> str:
    return (str(problem).strip().splitlines() or [type(problem).__name__])[0][:120]
