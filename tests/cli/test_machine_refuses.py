"""What the machine refuses (a full disk, a place that takes no file, a terminal that is not UTF-8) is told in one line."""

from __future__ import annotations

import errno
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from aigc_bench.cli import main
from aigc_bench.cli.output import print_json
from aigc_bench.cli.streams import is_utf8, show_what_can_be_shown
from aigc_bench.core.system_errors import REMEDIES, in_one_line

PROGRAM = (sys.executable, "-m", "aigc_bench")


def plain(*words: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """The program as a process with more in its environment."""
    return subprocess.run([*PROGRAM, *words], capture_output=True, env={**os.environ, **environment}, timeout=600)


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="no /dev/full here")
@pytest.mark.parametrize("words", [("list", "engines"), ("list", "engines", "--json"), ("--help",)])
def test_a_full_disk_below_stdout_is_one_line(words: tuple[str, ...]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([*PROGRAM, *words], stdout=full, stderr=subprocess.PIPE, text=True, timeout=600)
    assert done.returncode == 1
    assert done.stderr == "error: cannot write or read: no space left on device. Free some space there, or name another place.\n"


@pytest.mark.parametrize("place", ["/dev/null/below.toml", "/proc/nothing.toml", f"/tmp/{'long' * 80}.toml"])
def test_a_file_that_cannot_be_written_is_named_with_the_reason(place: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profiles", "new", "mine", "--out", place]) == 1
    told = capsys.readouterr().err
    assert told.startswith((f"error: {Path(place).parent}", f"error: {place}"))
    assert "fault of aigc-bench" not in told
    assert told.count("\n") == 1


def test_a_terminal_in_latin_1_gets_the_table_with_question_marks() -> None:
    done = plain("list", "prices", PYTHONIOENCODING="latin-1")
    assert (done.returncode, done.stderr) == (0, b"")
    assert b" ?" in done.stdout


def test_json_on_a_terminal_that_is_not_utf_8_loses_no_character() -> None:
    ascii_only = plain("list", "metrics", "--json", PYTHONIOENCODING="ascii")
    assert ascii_only.returncode == 0
    assert json.loads(ascii_only.stdout) == json.loads(plain("list", "metrics", "--json", PYTHONIOENCODING="utf-8").stdout)


def test_json_on_utf_8_keeps_letters_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"name": "µ–"})
    assert "µ–" in capsys.readouterr().out


def test_a_traceback_is_there_for_those_who_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIGC_BENCH_TRACEBACK", "1")
    with pytest.raises(OSError, match="/dev/null"):
        main(["profiles", "new", "mine", "--out", "/dev/null/below.toml"])


@pytest.mark.parametrize("number", sorted(REMEDIES))
def test_every_error_of_the_system_is_told_with_its_file_and_a_remedy(number: int) -> None:
    told = in_one_line(OSError(number, os.strerror(number), "some/file"))
    assert told.startswith(f"some/file: {os.strerror(number).lower()}. ")
    assert told.endswith(REMEDIES[number])


def test_the_target_of_a_move_is_named_rather_than_its_source() -> None:
    assert in_one_line(OSError(errno.EISDIR, "Is a directory", ".x.new", None, "x")) == "x: is a directory."


@pytest.mark.parametrize("problem", [OSError(), OSError("the device said no"), OSError(errno.EIO, None)])
def test_an_error_without_a_file_is_still_a_sentence(problem: OSError) -> None:
    told = in_one_line(problem)
    assert told.startswith("cannot write or read: ")
    assert told.endswith(".")
    assert ".." not in told


@pytest.mark.parametrize(
    ("encoding", "expected"), [("utf-8", True), ("UTF8", True), ("utf_8_sig", True), ("ascii", False), ("latin-1", False)]
)
def test_an_encoding_is_known_by_any_of_its_spellings(encoding: str, *, expected: bool) -> None:
    assert is_utf8(io.TextIOWrapper(io.BytesIO(), encoding=encoding)) is expected


def test_a_stream_that_is_closed_or_takes_anything_is_left_alone() -> None:
    show_what_can_be_shown((None, io.StringIO()))
    assert is_utf8(io.StringIO())
