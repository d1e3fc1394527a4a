"""How the items of one request share a batch.

Images, sequences and samples of one request do not depend on one another: they fill a batch side by side. Tokens, seconds of audio
and frames are sequential in one entry of the batch, whose other entries are other requests.
"""

from __future__ import annotations

import math

import numpy as np

from aigc_bench.predict.fitting.effects import Floats

INDEPENDENT = frozenset({"image", "sample", "sequence"})


def entries_of(items_per_request: float, *, items_per_entry: float) -> int:
    """Return the entries of a batch that one request needs, side by side or in sequence."""
    # A request occupies whole entries, even where its items fill only a part of the last one.
    return max(1, math.ceil(items_per_request / items_per_entry))


def steps_of(entries: int, *, batch: Floats, item: str) -> Floats:
    """Return the steps until a request of that many entries is answered, without queueing."""
    # Independent items share a step; sequential ones take a step each, whatever the batch.
    steps: Floats = np.ceil(entries / batch) if item in INDEPENDENT else np.full_like(batch, float(entries))
    return steps


def requests_in(batch: Floats, *, entries: int, item: str) -> Floats:
    """Return the concurrent requests of one batch."""
    # Floor division: a request is not split over two batches. One that is larger than a batch runs alone.
    held: Floats = np.maximum(1.0, batch // entries) if item in INDEPENDENT else batch
    return held
