"""What comes from outside is shown on a terminal, never obeyed by it."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from rich.console import Console

from aigc_bench.cli.output import print_json, print_table, wrapped
from aigc_bench.cli.progress_display import LiveLine, live_bar
from aigc_bench.cli.terminal import say, say_document
from aigc_bench.core.visible import HIDDEN, visible
from aigc_bench.measure.progress import RunStarted, StageStarted, TrialFinished, TrialStarted
from tests.hostile import HOSTILE, patient, texts
from tests.test_cli import run_command


def is_plain(text: str) -> bool:
    """Whether nothing hidden but newlines is in it."""
    return not HIDDEN.search(text.replace("\n", ""))


@patient
@given(texts)
def test_a_line_stays_one_line_and_nothing_of_it_is_obeyed(text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        stream = io.StringIO()
        patch.setattr("sys.stdout", stream)
        say(text)
        print_table([{"name": text, "value": "1"}])
        print_json({text: text})
    lines = stream.getvalue().splitlines()
    assert lines[0] == visible(text)
    assert is_plain(stream.getvalue())
    assert len(lines) == 1 + 2 + 3


@patient
@given(texts)
def test_wrapping_hides_nothing(text: str) -> None:
    assert "".join("".join(wrapped(text, indent=2)).split()) == "".join(visible(text).split())


def test_a_document_keeps_its_own_lines(capsys: pytest.CaptureFixture[str]) -> None:
    say_document("one\ntwo\x1b[2J\n")
    assert capsys.readouterr().out == "one\ntwo\\x1b[2J\n"


def test_an_error_that_repeats_a_hostile_name_is_one_plain_line(capsys: pytest.CaptureFixture[str]) -> None:
    name = "\x1b[2J\x9b\u202ea\nb\r\t\u200b\udcff[red]"
    for words in (("show", name), ("list", name), (name,), ("plan", name), ("run", "--profile", name), ("run", f"--{name}")):
        code, out, err = run_command(capsys, *words)
        assert (code, out) == (2, ""), words
        assert is_plain(err), words
        assert err.count("\n") == 1, words


def test_several_mistakes_are_a_line_each_and_none_is_forged(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text('name = "x"\n"a\\nerror: forged\\u001b" = 1\n"b" = 2\n')
    code, _, err = run_command(capsys, "plan", str(file))
    assert code == 2
    first, *others = err.splitlines()
    assert first.endswith(f"{file}: {len(others)} mistakes:")
    assert all(line.startswith("  ") for line in others)
    assert any("a\\nerror: forged\\x1b" in line for line in others)


def test_the_live_line_shows_markup_and_escapes_as_text() -> None:
    """rich draws with ESC itself, so the console here is no terminal: what is left comes from the names."""
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=False, width=4000)
    with live_bar(console) as bar:
        line = LiveLine(bar)
        line(RunStarted(path=Path(HOSTILE), num_trials=2, num_done=0, expected_s=1.0))
        line(TrialStarted(case=HOSTILE, trial=0, of=2, attempt=1, remaining_s=1.0))
        line(StageStarted(name="measuring"))
        assert is_plain(str(bar.tasks[0].description))
        line(TrialFinished(case=HOSTILE, trial=0, of=2, status="error", summary=HOSTILE, duration_s=1.0, remaining_s=1.0))
    shown = stream.getvalue()
    assert is_plain(shown)
    assert "[red]markup[/red] :smile: [link=x]" in shown
    assert shown.count(visible(HOSTILE)) >= 3
