"""Items of one request in a batch: side by side where they do not depend on one another, else in a row."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.plan.search.load_candidates import Models, candidates_for, capability_of
from aigc_bench.plan.sizing.batching import INDEPENDENT, entries_of, requests_in, steps_of
from aigc_bench.predict.fitting.calibration import shipped_calibration
from tests.plan.demands import catalogue, demand_of

BATCHES = np.array([1.0, 2.0, 4.0, 8.0, 512.0])
RANKING = """
name = "ranking alone"
[[service]]
name = "ranking"
workload = "recommendation"
preset = "dlrm-criteo-kaggle"
rate = 100
items_per_request = {items}
"""


@pytest.mark.parametrize(("asked", "each", "entries"), [(1, 1, 1), (500, 1, 500), (60, 6.9, 9), (0.2, 1, 1)])
def test_entries_are_whole_and_at_least_one(asked: float, each: float, entries: int) -> None:
    assert entries_of(asked, items_per_entry=each) == entries


def test_five_images_fill_batches_side_by_side_and_five_sentences_follow_one_another() -> None:
    assert steps_of(5, batch=BATCHES, item="image").tolist() == [5, 3, 2, 1, 1]
    assert requests_in(BATCHES, entries=5, item="image").tolist() == [1, 1, 1, 1, 102]
    assert steps_of(5, batch=BATCHES, item="audio_s").tolist() == [5] * 5
    assert requests_in(BATCHES, entries=5, item="audio_s").tolist() == BATCHES.tolist()


@given(entries=st.integers(1, 5000), batch=st.integers(1, 8192), item=st.sampled_from([*INDEPENDENT, "token", "frame"]))
def test_a_batch_never_does_more_than_its_entries_in_the_steps_it_takes(entries: int, batch: int, item: str) -> None:
    size = np.array([float(batch)])
    done = requests_in(size, entries=entries, item=item) * entries
    assert (done <= steps_of(entries, batch=size, item=item) * size).all()


@given(entries=st.integers(1, 5000), batch=st.integers(1, 8192))
def test_side_by_side_is_never_slower_than_in_a_row(entries: int, batch: int) -> None:
    size = np.array([float(batch)])
    assert steps_of(entries, batch=size, item="sample") <= steps_of(entries, batch=size, item="token")


@pytest.fixture(scope="module")
def models() -> Models:
    return Models(catalogue=catalogue(), calibration=shipped_calibration())


@pytest.mark.parametrize("items", [1, 500])
def test_concurrent_requests_are_answered_at_the_stated_rate(items: int, models: Models) -> None:
    """Little's law: what a replica holds, over how long it holds it, is its throughput, but for what does not fill a batch."""
    (workload,) = demand_of(RANKING.format(items=items)).services
    rows = candidates_for(workload, [catalogue().accelerators["l4"]], models)
    assert rows is not None
    assert np.allclose(rows.slots * items / rows.service_s, rows.throughput)
    assert rows.batch.max() >= min(8 * items, 128) / 2


def test_a_ranking_of_five_hundred_is_one_batch_and_not_five_hundred(models: Models) -> None:
    specs = [catalogue().accelerators["l4"]]
    seconds = {}
    for items in (1, 500):
        (workload,) = demand_of(RANKING.format(items=items)).services
        rows = candidates_for(workload, specs, models)
        assert rows is not None
        seconds[items] = rows.service_s.min()
    assert seconds[1] <= seconds[500] < 20 * seconds[1]


def test_a_replay_knows_the_time_of_requests_in_one_batch(models: Models) -> None:
    """Knots are in requests, not in entries of a batch, and more requests never take less."""
    (workload,) = demand_of(RANKING.format(items=500)).services
    spec = catalogue().accelerators["l4"]
    rows = candidates_for(workload, [spec], models)
    assert rows is not None
    capability = capability_of(workload, rows, int(np.argmax(rows.slots)), spec=spec, models=models)
    sizes, seconds = zip(*capability.batch_times_s, strict=True)
    assert sizes[0] == 1 and sizes[-1] == capability.slots == max(rows.slots)
    assert list(seconds) == sorted(seconds)
    assert capability.service_s is not None and seconds[-1] == pytest.approx(capability.service_s.value)
