"""Memory and search time of a vector index, by hand."""

from __future__ import annotations

import math

import pytest

from aigc_bench.core.records import Estimate
from aigc_bench.plan.sizing.vector_index import index_bytes, search_cores, search_s
from aigc_bench.plan.stats.estimates import assumed

VECTORS = assumed(1e6, low=1e4, high=4e6, unit="vectors", source="s")


def ends(found: Estimate) -> tuple[float, float, float]:
    return found.low, found.value, found.high


def test_hnsw_holds_vectors_in_fp32_and_links_of_four_bytes() -> None:
    each = 4 * 1024 + 4 * (32 + 16 / math.log(16))
    found = index_bytes("hnsw", vectors=VECTORS, dimensions=1024)
    assert ends(found) == pytest.approx((1e4 * each, 1e6 * each, 4e6 * each))
    assert (found.unit, found.basis) == ("B", "assumed")
    assert found.source is not None and "1024 dimensions" in found.source


def test_inverted_files_hold_numbers_and_centroids() -> None:
    flat, packed = (index_bytes(kind, vectors=VECTORS, dimensions=512) for kind in ("ivf_flat", "ivf_pq"))
    # 4 sqrt(n) lists: 400, 4,000 and 8,000.
    assert ends(flat) == pytest.approx(
        tuple(n * (2048 + 8) + 2048 * lists for n, lists in ((1e4, 400), (1e6, 4_000), (4e6, 8_000)))
    )
    assert ends(packed) == pytest.approx(
        tuple(n * (64 + 8) + 2048 * lists for n, lists in ((1e4, 400), (1e6, 4_000), (4e6, 8_000)))
    )


def test_a_search_takes_the_bytes_it_reads_over_those_of_a_core() -> None:
    graph = search_s("hnsw", vectors=VECTORS, dimensions=1024)
    read = 128 * 16 * 4 * 1024
    assert ends(graph) == pytest.approx((read / 10e9, read / 5e9, read / 2e9))
    assert (graph.unit, graph.basis) == ("s", "assumed")
    # 64 of 4,000 lists.
    assert search_s("ivf_flat", vectors=VECTORS, dimensions=512).value == pytest.approx(64 / 4_000 * 1e6 * 2048 / 5e9)
    assert search_s("ivf_pq", vectors=VECTORS, dimensions=512).value == pytest.approx(64 / 4_000 * 1e6 * 64 / 5e9)


def test_few_vectors_are_all_read() -> None:
    few = assumed(100.0, low=100.0, high=100.0, unit="vectors", source="s")
    assert search_s("ivf_flat", vectors=few, dimensions=512).value == pytest.approx(100 * 2048 / 5e9)


def test_cores_are_busy_for_three_fifths_of_the_time() -> None:
    found = search_cores(assumed(0.03, low=0.01, high=0.06, unit="s", source="s"), requests_per_s=20.0)
    assert ends(found) == pytest.approx((1 / 3, 1.0, 2.0))
    assert (found.unit, found.basis) == ("cores", "assumed")
    assert found.source is not None and "60 % in use" in found.source
