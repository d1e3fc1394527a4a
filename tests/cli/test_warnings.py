"""Warnings that reach the user: one line each, shown and not obeyed."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from aigc_bench.cli import _warnings_as_notes
from tests.test_cli import run_command


def test_a_warning_of_a_library_is_one_plain_line(capsys: pytest.CaptureFixture[str]) -> None:
    with _warnings_as_notes():
        warnings.warn("two\nlines \x1b[2J", UserWarning, stacklevel=1)
    assert capsys.readouterr().err == "UserWarning: two lines \\x1b[2J\n"


def test_a_note_about_a_file_shows_its_name(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "a\x1b[2J\u202e.toml"
    file.write_bytes('name = "对话"\n'.encode("gbk"))
    _, _, err = run_command(capsys, "plan", str(file))
    assert f"note: {tmp_path}/a\\x1b[2J\\u202e.toml: read as GB18030" in err
    assert "\x1b" not in err
    assert "\u202e" not in err
