"""One look at a unit: whether its samples decode, and why not. ``python -m aigc_bench.data.sample_checks MODALITY`` is the process
that looks, so that a decoder that crashes takes nothing else along: units come in as JSON lines, a line goes out after each.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import cast, get_args

from aigc_bench.core.pipeline import Modality, SkippedSample
from aigc_bench.core.records import Record
from aigc_bench.data.audio import check_audio
from aigc_bench.data.files import Unit
from aigc_bench.data.images import check_image
from aigc_bench.data.reading import attempted, read_bytes
from aigc_bench.data.text import documents
from aigc_bench.data.video import check_video

_CHECKS: Mapping[Modality, Callable[[bytes], None]] = {"image": check_image, "audio": check_audio, "video": check_video}


class Look(Record):
    """What a unit holds: how many good samples, and the bad ones; ``is_crash`` where its decoder ended the process."""

    num_good: int
    skipped: tuple[SkippedSample, ...]
    is_crash: bool = False


def look_at(unit: Unit, modality: Modality) -> Look:
    """Decode what the unit holds."""
    skips: list[SkippedSample] = []
    num_good = sum(1 for _ in attempted(unit, lambda one: _samples(one, modality, skips), skips=skips))
    return Look(num_good=num_good, skipped=tuple(skips))


def _samples(unit: Unit, modality: Modality, skips: list[SkippedSample]) -> Iterator[None]:
    """One for each good sample of the unit."""
    if modality == "text":
        yield from (None for _ in documents(unit, is_cold=False, skips=skips))
        return
    _CHECKS[modality](read_bytes(unit, is_cold=False))
    yield None


def main() -> None:
    """Look at the units of standard input, one after the other."""
    modality = next(one for one in get_args(Modality) if one == sys.argv[1])
    # Decoders in C print where they please: what they say goes to standard error, and the answers have a file of their own.
    with os.fdopen(os.dup(1), "w", encoding="ascii") as answers:
        os.dup2(2, 1)
        for line in sys.stdin.buffer:
            answers.write(f"{json.dumps(look_at(Unit(*json.loads(line)), cast(Modality, modality)).model_dump())}\n")
            # A line for each unit, so that it is known which one the process did not survive.
            answers.flush()


if __name__ == "__main__":
    # The trial that asked has ended, and with it the need for answers.
    with contextlib.suppress(BrokenPipeError):
        main()
