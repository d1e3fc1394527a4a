"""A decoder in C that crashes over a file costs the file, not the trial."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from aigc_bench.core.pipeline import Pipeline
from aigc_bench.data import screening_process
from aigc_bench.data.files import find_files
from aigc_bench.data.reading import NothingReadableError
from aigc_bench.data.screening import screen
from aigc_bench.data.screening_process import looks
from aigc_bench.measure.data_pipeline import _sources
from tests.data.bad_samples import JPEG

DIES = """
import os
real = os.pread
def pread(handle, length, offset):
    data = real(handle, length, offset)
    if data.startswith(b"DIE"):
        os.kill(os.getpid(), int(data[3:5]))
    return data
os.pread = pread
"""


@pytest.fixture
def deadly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for data; in processes started from here a file that begins with DIE and a signal's number kills its reader."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(DIES)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path / "site"), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def test_files_that_crash_their_decoder_are_named_once_and_never_read_again(deadly: Path) -> None:
    for name, content in (("a", JPEG), ("b", b"DIE11"), ("c", b"no image"), ("d", b"DIE06"), ("e", JPEG), ("f", b"DIE09")):
        (deadly / f"{name}.jpg").write_bytes(content)
    files = find_files(deadly)
    first, kept = screen(files, "image"), screen(files, "image")
    assert first == kept
    assert [(one.name, one.reason) for one in first.skipped if one.name != "c.jpg"] == [
        (f"{name}.jpg", f"its decoder crashed with {signal.Signals(number).name}")
        for name, number in (("b", 11), ("d", 6), ("f", 9))
    ]
    assert [one.name for one in first.skipped] == ["b.jpg", "c.jpg", "d.jpg", "f.jpg"]
    assert first.crashed == ("b.jpg", "d.jpg", "f.jpg")
    source = _sources(Pipeline(data=str(deadly)), {"image"})["image"]
    assert [unit.name for unit in source.files.units["image"]] == ["a.jpg", "c.jpg", "e.jpg"]
    assert set(source.skipped) == {"b.jpg", "c.jpg", "d.jpg", "f.jpg"}


def test_a_name_that_is_no_utf_8_is_looked_at_under_itself(deadly: Path) -> None:
    (deadly / os.fsdecode(b"caf\xe9.jpg")).write_bytes(JPEG)
    (deadly / "line\nend.jpg").write_bytes(JPEG)
    (unit, other) = find_files(deadly).units["image"]
    assert [look.num_good for look in looks((unit, other), "image")] == [1, 1]


def test_data_that_only_crash_are_an_error_of_one_line(deadly: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        (deadly / f"{number}.jpg").write_bytes(b"DIE11")
    with pytest.raises(NothingReadableError, match=r"nothing of the image data .* 0\.jpg: its decoder crashed with SIGSEGV"):
        screen(find_files(deadly), "image")
    monkeypatch.setattr(screening_process, "MAX_CRASHES", 1)
    with pytest.raises(NothingReadableError, match="more than 1 samples of image data crash"):
        list(looks(find_files(deadly).units["image"], "image"))


def test_without_a_process_the_look_goes_on_in_this_one(deadly: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (deadly / "a.jpg").write_bytes(JPEG)
    (deadly / "b.jpg").write_bytes(b"no image")
    units = find_files(deadly).units["image"]
    monkeypatch.setattr("sys.executable", "/nonexistent/python")
    assert [look.num_good for look in looks(units, "image")] == [1, 0]
