"""A first look at a data set before anything is timed, so that bad files are named whether or not the window meets them.

Up to ``FULL_LIMIT`` files of a modality are decoded; of larger sets a seeded sample of that many, and the result says so. What is
found is kept in the cache under the data's hash.
"""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable, Mapping, Sequence

from aigc_bench.core.pipeline import Modality, SkippedSample
from aigc_bench.data.files import DataFiles, Unit
from aigc_bench.data.generated import cache_folder
from aigc_bench.data.images import check_image
from aigc_bench.data.reading import read_bytes, reason_of
from aigc_bench.data.text import documents

FULL_LIMIT = 4_000
_VERSION = 1


def screen(files: DataFiles, modality: Modality) -> tuple[SkippedSample, ...]:
    """Every bad sample that the look found, in the order of the units, after the empty files."""
    kept = cache_folder() / "screened" / f"{files.sha256[:24]}-{modality}-{_VERSION}.json"
    if kept.is_file():
        return tuple(SkippedSample(**one) for one in json.loads(kept.read_text()))
    units = files.units[modality]
    chosen = units if len(units) <= FULL_LIMIT else random.Random(0).sample(units, FULL_LIMIT)
    found = (*files.skipped[modality], *_bad(chosen, _CHECKS[modality]))
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps([one.model_dump() for one in found]))
    return found


def _bad(units: Sequence[Unit], check: Callable[[Unit], None]) -> list[SkippedSample]:
    found = []
    for unit in units:
        try:
            check(unit)
        except (OSError, ValueError, KeyError, SyntaxError, RuntimeError, EOFError) as problem:
            found.append(SkippedSample(name=unit.name, reason=reason_of(problem)))
    return found


def _image(unit: Unit) -> None:
    check_image(read_bytes(unit, is_cold=False))


def _audio(unit: Unit) -> None:
    import soundfile

    samples, _ = soundfile.read(io.BytesIO(read_bytes(unit, is_cold=False)), dtype="int16")
    if not len(samples):
        raise ValueError("no samples in it")


def _video(unit: Unit) -> None:
    import av

    with av.open(unit.path) as container:
        if next(container.decode(video=0), None) is None:
            raise ValueError("no frames in it")


def _text(unit: Unit) -> None:
    skips: list[SkippedSample] = []
    for _ in documents(unit, is_cold=False, skips=skips):
        pass
    if skips:
        raise ValueError(f"{len(skips)} bad lines, the first: {skips[0].name}: {skips[0].reason}")


_CHECKS: Mapping[Modality, Callable[[Unit], None]] = {"text": _text, "image": _image, "audio": _audio, "video": _video}
