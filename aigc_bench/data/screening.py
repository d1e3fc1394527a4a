"""A first look at a data set before anything is timed, so that bad files are named whether or not the window meets them.

Up to ``FULL_LIMIT`` units of a modality are decoded; of larger sets a seeded sample of that many. What is found is kept in the
cache, under the names, sizes, times and inodes of the files and the versions of what decodes them.
"""

from __future__ import annotations

import importlib.metadata
import json
import random
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256

from aigc_bench.core.messages import message
from aigc_bench.core.pipeline import Modality, SkippedSample
from aigc_bench.data.audio import check_audio
from aigc_bench.data.file_cache import cache_folder, read_cached, write_cached
from aigc_bench.data.files import DataFiles, Unit
from aigc_bench.data.images import check_image
from aigc_bench.data.reading import NothingReadableError, attempted, read_bytes
from aigc_bench.data.text import documents
from aigc_bench.data.video import check_video

FULL_LIMIT = 4_000
# Raised when a check changes; the libraries' versions follow by themselves.
_VERSION = 2
_DECODERS = ("aigc-bench", "pillow", "soundfile", "av", "pyarrow")
_CHECKS: Mapping[Modality, Callable[[bytes], None]] = {"image": check_image, "audio": check_audio, "video": check_video}


def screen(files: DataFiles, modality: Modality) -> tuple[SkippedSample, ...]:
    """Return every bad sample that the look found, in the order of the units, after what the listing found.

    Raises ``NothingReadableError`` where none of those looked at can be read.
    """
    key = _key(files)
    file = cache_folder() / "screened" / f"{key[:24]}-{modality}.json"
    found = read_cached(file, lambda data: _parsed(data, key=key))
    if found is None:
        found = _looked_at(files, modality)
        write_cached(file, json.dumps({"key": key, "found": [one.model_dump() for one in found]}).encode())
    return found


def _looked_at(files: DataFiles, modality: Modality) -> tuple[SkippedSample, ...]:
    units = files.units[modality]
    # A fixed seed: the findings of a data set do not depend on the run.
    chosen = units if len(units) <= FULL_LIMIT else random.Random(0).sample(units, FULL_LIMIT)
    skips: list[SkippedSample] = []
    num_good = 0
    for unit in chosen:
        num_good += sum(1 for _ in attempted(unit, lambda one: _samples(one, modality, skips), skips=skips))
    if not num_good:
        first = message(", the first: {name}: {reason}", name=skips[0].name, reason=skips[0].reason) if skips else ""
        raise NothingReadableError(
            message(
                "--data {root}: nothing of the {modality} data can be read{first}.", root=files.root, modality=modality, first=first
            )
        )
    return (*files.skipped[modality], *skips)


def _samples(unit: Unit, modality: Modality, skips: list[SkippedSample]) -> Iterator[None]:
    """One for each good sample of the unit."""
    if modality == "text":
        yield from (None for _ in documents(unit, is_cold=False, skips=skips))
        return
    _CHECKS[modality](read_bytes(unit, is_cold=False))
    yield None


def _key(files: DataFiles) -> str:
    versions = [f"{name} {_version(name)}" for name in _DECODERS]
    return sha256("\0".join([str(_VERSION), files.stamp, *versions]).encode()).hexdigest()


def _version(library: str) -> str:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return "absent"


def _parsed(data: bytes, *, key: str) -> tuple[SkippedSample, ...] | None:
    """The findings in a kept file; ``None`` where it is of other data or versions."""
    found = json.loads(data)
    return tuple(SkippedSample.model_validate(one) for one in found["found"]) if found["key"] == key else None
