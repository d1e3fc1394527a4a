"""glibc's malloc: what fits a hole, what is mapped, and when the heap shrinks."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aigc_bench.predict.tracing.caching_allocator import MIB, Event
from aigc_bench.predict.tracing.glibc_malloc import Malloc, peak_resident_bytes

KIB = 1024


def test_a_large_block_is_mapped_and_gone_when_it_is_freed() -> None:
    malloc = Malloc()
    malloc.take(1, 64 * MIB)
    assert 64 * MIB <= malloc.resident_bytes < 65 * MIB
    malloc.give_back(1)
    assert malloc.resident_bytes == 0


def test_after_a_mapped_block_was_freed_its_like_comes_from_the_heap_and_stays() -> None:
    malloc = Malloc()
    for owner in (1, 2):
        malloc.take(owner, MIB)
        malloc.give_back(owner)
    assert malloc.resident_bytes >= MIB


@pytest.mark.parametrize(("keeps_one_in", "grows"), [(1, True), (1000, False)])
def test_a_tensor_fits_the_hole_that_its_equal_left_only_where_the_ends_next_to_it_are_free(keeps_one_in: int, grows: bool) -> None:
    malloc = Malloc(keeps_one_in=keeps_one_in)
    for owner in range(3):
        malloc.take(owner, 64 * KIB)
    before = malloc.resident_bytes
    malloc.give_back(1)
    malloc.take(3, 64 * KIB)
    assert (malloc.resident_bytes > before) == grows


def test_the_end_of_the_heap_is_given_back() -> None:
    malloc = Malloc(keeps_one_in=1000)
    for owner in range(40):
        malloc.take(owner, 64 * KIB)
    full = malloc.resident_bytes
    for owner in reversed(range(40)):
        malloc.give_back(owner)
    assert malloc.resident_bytes < full / 4


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 40 * MIB), st.booleans()), min_size=1, max_size=60))
def test_a_process_never_holds_less_than_its_live_tensors(requests: list[tuple[int, bool]]) -> None:
    malloc, live = Malloc(), {}
    for owner, (size, is_freed) in enumerate(requests):
        malloc.take(owner, size)
        live[owner] = size
        if is_freed:
            freed = min(live)
            malloc.give_back(freed)
            del live[freed]
        assert malloc.resident_bytes >= sum(live.values())


def test_the_peak_is_over_all_events() -> None:
    events = [Event(1, 50 * MIB), Event(1, None), Event(2, 20 * MIB)]
    assert 50 * MIB <= peak_resident_bytes(events) < 51 * MIB
