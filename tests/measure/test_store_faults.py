"""What the system does to a run folder while it is written: full disks, removed folders, clocks that are set back, odd names."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from aigc_bench.core.errors import AigcBenchError
from aigc_bench.measure.clock import Clock
from aigc_bench.measure.store import RunWriter, is_unstarted, last_moment_s, load_run
from tests.measure.test_store import info, trial, written


@contextlib.contextmanager
def largest_file(size: int) -> Iterator[None]:
    """As ``ulimit -f``: a write that crosses the limit takes what fits, the next one fails, like on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_trial_that_does_not_fit_whole_leaves_nothing_and_the_run_goes_on_later(tmp_path: Path) -> None:
    writer = written(tmp_path)
    size = (tmp_path / "results.jsonl").stat().st_size
    with largest_file(size + 20), pytest.raises(AigcBenchError, match=r"ulimit -f.*--resume"):
        writer.append(trial(2))
    assert (tmp_path / "results.jsonl").stat().st_size == size
    writer.append(trial(2))
    assert load_run(tmp_path).trials == (trial(0), trial(1), trial(2))


def test_a_run_file_that_does_not_fit_leaves_the_old_one_and_no_draft(tmp_path: Path) -> None:
    writer = written(tmp_path)
    with largest_file(10), pytest.raises(AigcBenchError, match=r"run\.json: file too large"):
        writer.write_info(info())
    assert load_run(tmp_path).info == info()
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("is_moved", [True, False])
def test_a_folder_that_was_removed_or_moved_in_mid_run_is_reported_as_that(tmp_path: Path, is_moved: bool) -> None:
    folder = tmp_path / "run"
    writer = written(folder)
    folder.rename(tmp_path / "elsewhere") if is_moved else shutil.rmtree(folder)
    for write in (lambda: writer.append(trial(2)), lambda: writer.write_info(info())):
        with pytest.raises(AigcBenchError, match="was removed or moved while the run was in progress"):
            write()
    if is_moved:
        assert load_run(tmp_path / "elsewhere").trials == (trial(0), trial(1))


def test_a_run_can_be_read_from_the_first_file_on(tmp_path: Path) -> None:
    RunWriter.begin(tmp_path, info())
    assert load_run(tmp_path).trials == ()


def test_a_folder_with_a_torn_first_file_is_as_good_as_empty(tmp_path: Path) -> None:
    assert is_unstarted(tmp_path)
    (tmp_path / ".run.json.new").write_text('{"id": ')
    assert is_unstarted(tmp_path)
    RunWriter.begin(tmp_path, info())
    assert not is_unstarted(tmp_path)
    assert not is_unstarted(tmp_path / "run.json")


def test_the_last_moment_of_a_run_is_that_of_its_last_reading(tmp_path: Path) -> None:
    assert last_moment_s(tmp_path, info=info(), trials=[]) == 1.0
    assert last_moment_s(tmp_path, info=info(), trials=[trial(0)]) == 2.0
    (tmp_path / "telemetry.csv").write_text("3.0,host,host,power_w,1.0\n4.5,host,host,power_w,nan\nnan,x\n9.")
    assert last_moment_s(tmp_path, info=info(), trials=[trial(0)]) == 9.0


def test_a_resumed_run_goes_on_behind_its_last_reading_whatever_the_clock_was_set_to() -> None:
    ahead_s = time.time() + 3600
    assert Clock.start(not_before_s=ahead_s).now_s() > ahead_s


def test_a_run_that_starts_at_once_has_the_time_of_day() -> None:
    """A clock that ran ahead of the system's would shift every reading against what other programs log of the same moment."""
    just_now_s = time.time() - 1e-4
    clock = Clock.start(not_before_s=just_now_s)
    assert clock.anchor_unix_s - just_now_s < 0.5


def test_telemetry_is_kept_under_a_name_that_is_not_utf_8(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"run\xff")
    writer = written(folder)
    writer.spool.write_text("3.0,host,host,power_w,1.0\n")
    writer.close()
    assert list(load_run(folder).telemetry["value"]) == [1.0]
    assert not writer.spool.exists()
