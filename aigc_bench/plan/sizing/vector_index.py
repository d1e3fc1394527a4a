"""Memory and search time of a vector index.

    hnsw       n x (4 d + 4 (2 M + M / ln M))     vectors in fp32 and links of 4 bytes: 2 M on the ground layer, M on those above,
                                                  of which an element has 1 / ln M on average (Malkov and Yashunin 2018, 4.1, 4.2.3)
    ivf_flat   n x (4 d + 8) + 4 d lists          vectors with their numbers, and the centroids of the lists
    ivf_pq     n x (d / 8 + 8) + 4 d lists        a byte for every eight dimensions instead (Jegou, Douze and Schmid 2011)

A search reads vectors at random, so its time on one core is the bytes that it reads over what a core reads of memory: of HNSW
``ef x M`` vectors, of the others ``probes`` of the lists.
"""

from __future__ import annotations

import math

from aigc_bench.core.messages import message
from aigc_bench.core.records import Estimate
from aigc_bench.plan.records.chains import IndexKind
from aigc_bench.plan.stats.estimates import assumed

LINKS = 16
"""M of HNSW: links of an element, the usual default (hnswlib, FAISS)."""
CANDIDATES = 128
"""ef of a search: candidates that it keeps, for a recall of about 0.95 (assumed)."""
PROBES = 64
"""Lists of an inverted file that a search reads (assumed)."""
CORE_BYTES_PER_S = (2e9, 5e9, 10e9)
"""What one core reads of vectors that lie at random in memory (assumed: a third to a tenth of what it streams)."""
CORE_UTILISATION = 0.6
"""Share of the time that the cores of a search may be busy, for short queues (assumed)."""
NUMBER_BYTES = 8


def index_bytes(kind: IndexKind, *, vectors: Estimate, dimensions: int) -> Estimate:
    """Return the bytes of one copy in memory."""

    def size(count: float) -> float:
        """Return the bytes of ``count`` vectors."""
        if kind == "hnsw":
            return count * (4.0 * dimensions + 4.0 * (2 * LINKS + LINKS / math.log(LINKS)))
        each = 4.0 * dimensions if kind == "ivf_flat" else dimensions / 8
        return count * (each + NUMBER_BYTES) + 4.0 * dimensions * num_lists(count)

    ends = {end: size(getattr(vectors, end)) for end in ("value", "low", "high")}
    source = message("{kind} of {dimensions} dimensions (sizing/vector_index.py)", kind=kind, dimensions=dimensions)
    return Estimate(**ends, unit="B", basis="assumed", source=source)


def num_lists(vectors: float) -> float:
    """Return the lists of an inverted file: four times the root of the vectors, as FAISS' guide advises."""
    return 4.0 * math.sqrt(vectors)


def search_s(kind: IndexKind, *, vectors: Estimate, dimensions: int) -> Estimate:
    """Return the seconds of one search on one core."""
    if kind == "hnsw":
        read = CANDIDATES * LINKS * 4.0 * dimensions
    else:
        each = 4.0 * dimensions if kind == "ivf_flat" else dimensions / 8
        read = min(1.0, PROBES / num_lists(vectors.value)) * vectors.value * each
    low, value, high = CORE_BYTES_PER_S
    return assumed(
        read / value, low=read / high, high=read / low, unit="s", source=message("bytes read / bytes/s of a core, assumed")
    )


def search_cores(one_s: Estimate, *, requests_per_s: float) -> Estimate:
    """Return the cores that search at the peak."""
    ends = {end: requests_per_s * getattr(one_s, end) / CORE_UTILISATION for end in ("value", "low", "high")}
    source = message("peak requests/s x seconds of a search / {share:.0f} % in use", share=100 * CORE_UTILISATION)
    return Estimate(**ends, unit="cores", basis="assumed", source=source)
