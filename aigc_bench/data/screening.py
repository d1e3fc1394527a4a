"""A first look at a data set before anything is timed, so that bad files are named whether or not the window meets them.

Up to ``FULL_LIMIT`` units of a modality are decoded, in a process of their own; of larger sets a seeded sample of that many.
What is found is kept in the cache, under the names, sizes, times and inodes of the files and the versions of what decodes them.
"""

from __future__ import annotations

import importlib.metadata
import json
import random
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256

from aigc_bench.core.messages import message
from aigc_bench.core.pipeline import Modality, SkippedSample
from aigc_bench.core.records import Record
from aigc_bench.data.file_cache import cache_folder, read_cached, write_cached
from aigc_bench.data.files import DataFiles, Unit
from aigc_bench.data.reading import NothingReadableError
from aigc_bench.data.sample_checks import Look
from aigc_bench.data.screening_process import looks

FULL_LIMIT = 4_000
# Raised when a check changes; the libraries' versions follow by themselves.
_VERSION = 3
_DECODERS = ("aigc-bench", "pillow", "soundfile", "av", "pyarrow")


class Screening(Record):
    """Every bad sample that the look found, in the order of the units, and the names of units that crash their decoder."""

    skipped: tuple[SkippedSample, ...]
    crashed: tuple[str, ...] = ()


Looks = Callable[[Sequence[Unit], Modality], Iterator[Look]]


def screen(files: DataFiles, modality: Modality, *, look: Looks = looks) -> Screening:
    """Return what the look found, after what the listing found; ``look`` decodes elsewhere (``looks``) or here (``looks_here``).

    Raises ``NothingReadableError`` where none of those looked at can be read.
    """
    key = _key(files)
    file = cache_folder() / "screened" / f"{key[:24]}-{modality}.json"
    found = read_cached(file, lambda data: _parsed(data, key=key))
    if found is None:
        found = _looked_at(files, modality, look)
        write_cached(file, json.dumps({"key": key, "found": found.model_dump()}).encode())
    return found


def _looked_at(files: DataFiles, modality: Modality, look: Looks) -> Screening:
    units = files.units[modality]
    # A fixed seed: the findings of a data set do not depend on the run.
    chosen = units if len(units) <= FULL_LIMIT else random.Random(0).sample(units, FULL_LIMIT)
    skips: list[SkippedSample] = []
    crashed: list[str] = []
    num_good = 0
    for unit, one in zip(chosen, look(chosen, modality), strict=True):
        num_good += one.num_good
        skips += one.skipped
        crashed += [unit.name] if one.is_crash else []
    if not num_good:
        first = message(", the first: {name}: {reason}", name=skips[0].name, reason=skips[0].reason) if skips else ""
        raise NothingReadableError(
            message(
                "--data {root}: nothing of the {modality} data can be read{first}.", root=files.root, modality=modality, first=first
            )
        )
    return Screening(skipped=(*files.skipped[modality], *skips), crashed=tuple(crashed))


def _key(files: DataFiles) -> str:
    versions = [f"{name} {_version(name)}" for name in _DECODERS]
    return sha256("\0".join([str(_VERSION), files.stamp, *versions]).encode()).hexdigest()


def _version(library: str) -> str:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return "absent"


def _parsed(data: bytes, *, key: str) -> Screening | None:
    """The findings in a kept file; ``None`` where it is of other data or versions."""
    found = json.loads(data)
    return Screening.model_validate(found["found"]) if found["key"] == key else None
