"""docs/reliability.md tells of exactly the faults that tests/faults tries, with what is expected of each and what was seen."""

from __future__ import annotations

from tests.faults.page import declared, read_rows


def test_the_page_tells_of_each_fault_that_is_tried() -> None:
    faults = declared()
    assert len(faults) > 30
    assert len({fault for fault, _ in faults}) == len(faults)
    assert [(row.fault, row.expected) for row in read_rows()] == faults


def test_something_was_seen_of_each_fault() -> None:
    assert [row.fault for row in read_rows() if not row.seen] == []
