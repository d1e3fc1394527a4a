"""Standard streams that are closed, end early or know only ASCII: no traceback, and an exit code that says what happened."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from aigc_bench.cli.progress_display import PlainLines, WhileShown
from aigc_bench.measure.progress import RunStarted

PROGRAM = f"{sys.executable} -m aigc_bench"
ASCII = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}


def shell(line: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A line of bash in which ``$PROGRAM`` is aigc-bench; its exit code is that of the first command that fails."""
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {line}"],
        capture_output=True, text=True, timeout=600, check=False, env={**os.environ, "PROGRAM": PROGRAM, **environment},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("$PROGRAM list metrics >&-", 0),
        ("$PROGRAM list metrics --json <&- >&- 2>&-", 0),
        ("$PROGRAM --help >&-", 0),
        ("$PROGRAM list nothing >&- 2>&-", 2),
        ("$PROGRAM list nothing 2>&-", 2),
    ],
)
def test_a_closed_stream_changes_no_exit_code(line: str, code: int) -> None:
    done = shell(line)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "")


@pytest.mark.parametrize("words", ["list metrics", "list metrics --json", "--help", "--version"])
def test_a_reader_that_ends_first_is_told_by_the_exit_code_alone(words: str) -> None:
    done = shell(f"(sleep 0.2; exec $PROGRAM {words}) | true")
    assert (done.returncode, done.stderr) == (141, "")


def test_an_error_without_a_reader_keeps_its_exit_code() -> None:
    done = shell("(sleep 0.2; exec $PROGRAM list nothing) 2>&1 >/dev/null | true")
    assert (done.returncode, done.stderr) == (2, "")


def test_no_file_takes_the_number_of_a_closed_stream() -> None:
    program = """
import sys
from aigc_bench.cli.streams import open_missing_streams
open_missing_streams()
opened = open(sys.argv[1], "w")
assert opened.fileno() > 2, opened.fileno()
print("a stray print")
"""
    done = subprocess.run(
        ["bash", "-c", '"$0" -c "$1" /dev/null <&- >&- 2>&-', sys.executable, program], check=False, timeout=600, env={**os.environ}
    )
    assert done.returncode == 0


def test_a_display_that_is_gone_is_not_written_to_again() -> None:
    written: list[str] = []

    def echo(line: str) -> None:
        written.append(line)
        raise BrokenPipeError

    listener = WhileShown(PlainLines(echo))
    for _ in range(3):
        listener(RunStarted(path=Path("x"), num_trials=1, num_done=0, expected_s=None))
    assert len(written) == 1


def test_chinese_names_work_in_a_locale_that_knows_only_ascii(tmp_path: Path) -> None:
    folder = tmp_path / "目录"
    folder.mkdir()
    made = shell(f"cd {tmp_path} && $PROGRAM plan --new chat-assistant --out 目录/需求.toml", **ASCII)
    assert (made.returncode, made.stderr) == (0, "")
    assert (folder / "需求.toml").is_file()
    missing = shell(f"cd {tmp_path} && $PROGRAM show 目录/没有", **ASCII)
    assert missing.returncode == 2
    assert "目录/没有" in missing.stderr and missing.stderr.count("\n") == 1
