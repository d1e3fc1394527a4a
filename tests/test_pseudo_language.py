"""In another language, help, errors, screens and pages are translated; JSON, CSV, exit codes and flags are not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from aigc_bench.cli import COMMANDS, main
from aigc_bench.core.messages import capitalized, in_lower_case, joined, message, plural, speaking, translated
from aigc_bench.core.records import Estimate
from tests.pseudo_language import pseudo, translations

SAMPLE = Path(__file__).resolve().parent.parent / "reports" / "sample"


@pytest.fixture
def in_pseudo() -> Iterator[None]:
    with speaking(translations()):
        yield


def test_the_made_up_language_keeps_placeholders_and_tags() -> None:
    assert pseudo("Predict {what:,} in `run`") == "[Ƥřḗḓīƈŧ {what:,} īƞ `run`]"


def test_a_message_is_english_until_it_is_shown(in_pseudo: None) -> None:
    made = message("Print the version.")
    assert made == "Print the version."
    assert f"{made}" == "Print the version."
    assert translated(made) == "[Ƥřīƞŧ ŧħḗ ṽḗřşīǿƞ.]"


def test_values_are_formatted_after_translation(in_pseudo: None) -> None:
    made = message("{where}: {num_characters:,} characters; at most {most:,} are read.", where="a", num_characters=5000, most=1000)
    assert translated(made).startswith("[a: 5,000 ƈħ")


def test_messages_inside_messages_are_translated(in_pseudo: None) -> None:
    inner = message("must be a finite number")
    assert "ḿŭşŧ ƀḗ" in translated(message("error: {problem}", problem=ValueError(inner)))
    assert translated(joined("; ", [inner, "x"])) == f"{pseudo('must be a finite number')}; x"


def test_the_plural_follows_the_count(in_pseudo: None) -> None:
    one, several = "{count} row refused: line {lines}: {reason}", "{count} rows refused: lines {lines}: {reason}"
    assert plural(one, several, count=1, lines="7", reason="x") == "1 row refused: line 7: x"
    assert "řǿẇ ř" in translated(plural(one, several, count=1, lines="7", reason="x"))
    assert "řǿẇş ř" in translated(plural(one, several, count=2, lines="7, 8", reason="x"))


def test_what_is_not_translated_is_shown_in_english(in_pseudo: None) -> None:
    assert translated(message("not in the template: {count}", count=1)) == "not in the template: 1"


@pytest.mark.parametrize("command", ["", *(name for name in COMMANDS)])
def test_help_is_translated(command: str, in_pseudo: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command.split(), "--help"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "Show this message and exit." not in line]  # click's own
    assert any("[" in line for line in lines)
    assert not [line for line in lines if re.search(r" (the|of|and|a|in) ", line)]


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        (["rnu"], 2, pseudo("unknown command {name!r}. {nearest}").partition("{")[0]),
        (["show", "nothing-here"], 2, "ƞḗīŧħḗř ȧ řŭƞ ḓīřḗƈŧǿřẏ ƞǿř ȧƞ ȧƈƈḗŀḗřȧŧǿř"),
        (["run", "--budget", "soon"], 2, "īş ƞǿŧ ȧ ḓŭřȧŧīǿƞ"),
    ],
)
def test_errors_are_translated_with_the_same_exit_code(
    words: list[str], code: int, expected: str, in_pseudo: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == code
    shown = capsys.readouterr().err
    assert expected in shown
    assert shown.startswith(pseudo("error: {problem}").partition("{")[0])


def test_a_page_is_translated_but_for_what_stored_files_say(in_pseudo: None, tmp_path: Path) -> None:
    assert main(["report", str(SAMPLE), "-o", str(tmp_path / "page.html")]) == 0
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    for text in ("Cases with numbers", "Throughput and latency", "Table of cases", "Step time", "Idle power"):
        assert pseudo(text) in page
    assert ">Summary<" not in page
    assert "Every number with its interval" not in page


def test_a_screen_is_translated(in_pseudo: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    assert pseudo("rental prices of accelerators") in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        ["list", "--json"],
        ["list", "metrics", "--json"],
        ["show", str(SAMPLE), "--json"],
        ["show", str(SAMPLE), "--as", "published", "--gpu", "h100"],
        ["compare", str(SAMPLE), str(SAMPLE), "--json"],
        ["predict", "gpt/llama-3.1-8b", "-a", "h100", "--engine", "vllm", "--json"],
        ["profiles", "show", "smoke", "--json"],
    ],
)
def test_json_and_csv_do_not_depend_on_the_language(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    main(words)
    english = capsys.readouterr().out
    with speaking(translations()):
        main(words)
    assert capsys.readouterr().out == english


def test_capitals_and_separators_follow_the_translation(in_pseudo: None) -> None:
    name = message("must be a finite number")
    assert capitalized(name) == "Must be a finite number"
    assert translated(in_lower_case(message("Idle power"))) == pseudo("Idle power").lower()
    assert translated(capitalized(name)) == pseudo("must be a finite number").capitalize()
    assert translated(joined(message(" and "), ["a", name])) == f"a{pseudo(' and ')}{pseudo('must be a finite number')}"


def test_a_record_keeps_its_sentences(in_pseudo: None) -> None:
    found = Estimate(value=1, low=1, high=1, unit="W", basis="assumed", source=message("must be a finite number"))
    assert translated(found.source or "") == pseudo("must be a finite number")
    assert '"source":"must be a finite number"' in found.model_dump_json()


ENGLISH = re.compile(r" (the|of|and|a|in|is|are|with|for|that|to|at) ")
DATA = ("Chat on Llama 3.1 70B for 20,000 people", "growth per year")
"""The demand's own words, and the name of a random stream."""


def test_a_plan_is_translated_to_the_last_word(in_pseudo: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "examples/chat-70b.toml"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert not [line for line in lines if ENGLISH.search(line) and not any(text in line for text in DATA)]
