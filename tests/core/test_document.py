"""TOML and JSON of files: what numbers and what shape are taken, and that the rest is refused by key and place, soon."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.core.document import MAX_DEPTH, MAX_KEYS, parse_json, read_json, read_toml, shown
from aigc_bench.core.errors import UsageError

RANGE = "must be 0 or between 1e-30 and 1e+30 in size"


def refusal(reader: Callable[[Path], Any], file: Path, text: str) -> str:
    """What the reader says of the text, without the file's name."""
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        reader(file)
    said = str(caught.value)
    assert said.startswith(f"{file}: ")
    return said.removeprefix(f"{file}: ")


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("1e-308", f"= 1e-308: {RANGE}."),
        ("1e308", f"= 1e308: {RANGE}."),
        ("1e-500", f"= 1e-500: {RANGE}."),
        ("1e999", "= 1e999: must be a finite number."),
        ("nan", "= nan: must be a finite number."),
        ("-inf", "= -inf: must be a finite number."),
        ("-0.0", "= -0.0: must be 0, not -0."),
        ("9" * 300, f"= {'9' * 27}...: {RANGE}."),
        ("0x" + "f" * 100_000, "= a number too large: must have at most 400 digits."),
    ],
)
def test_a_number_of_a_toml_file_is_refused_with_its_key(tmp_path: Path, written: str, problem: str) -> None:
    text = f"[[service]]\nname = 'chat'\nusers = {written}\n"
    assert refusal(read_toml, tmp_path / "a.toml", text) == f"service 1 (chat), users {problem}"


@pytest.mark.parametrize("written", ["9" * 5000, "-" + "1_" * 300 + "1"])
def test_a_number_that_is_not_even_parsed_is_refused_with_its_line_and_key(tmp_path: Path, written: str) -> None:
    text = f"# 1\n[site]\npower_kw = {written}\n"
    assert refusal(read_toml, tmp_path / "a.toml", text).startswith("line 3, power_kw: a number must have at most 400 digits")


def test_a_whole_minus_zero_is_refused_with_its_line_and_key(tmp_path: Path) -> None:
    assert refusal(read_toml, tmp_path / "a.toml", "a = [1, { b = -0 }]") == "line 1, b: must be 0, not -0."


def test_what_looks_like_a_refused_number_in_texts_comments_and_dates_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text(
        f'a = \'-0 {"9" * 500} [[[\' # = -0 {"9" * 500} {"[" * 100}\nb = 1979-05-27T00:32:00-07:00\nc = """\n{"[" * 100}\n"""\n',
        encoding="utf-8",
    )
    assert set(read_toml(file)) == {"a", "b", "c"}


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("1e-308", f"= 1e-308: {RANGE}."),
        ("NaN", "= NaN: must be a finite number."),
        ("-Infinity", "= -Infinity: must be a finite number."),
        ("-0", "= -0: must be 0, not -0."),
        ("-0.0", "= -0.0: must be 0, not -0."),
        ("0." + "0" * 400 + "1", f"= 0.{'0' * 25}...: {RANGE}."),
        ("9" * 5000, f"= {'9' * 27}...: must have at most 400 digits."),
        ('"\\ud800"', ": must not hold half of a surrogate pair."),
        ('"a\\u0000b"', ": must not hold a NUL character."),
    ],
)
def test_a_value_of_a_json_file_is_refused_with_its_place(tmp_path: Path, written: str, problem: str) -> None:
    said = refusal(read_json, tmp_path / "a.json", f'{{"parts": [{{"size": {written}}}]}}')
    assert said in (f"parts 1, size {problem}", f"parts 1, size{problem}")


def test_every_refused_number_is_named_once(tmp_path: Path) -> None:
    said = refusal(read_toml, tmp_path / "a.toml", "a = nan\nb = [1, inf]\n" + "".join(f"c{n} = 1e99\n" for n in range(30)))
    lines = said.split("\n  ")
    assert lines[0] == "32 mistakes:" or lines[0].endswith("mistakes:")
    assert lines[1:3] == ["a = nan: must be a finite number", "b 2 = inf: must be a finite number"]
    assert lines[-1] == "and 12 more"


@pytest.mark.parametrize(
    ("reader", "text", "problem"),
    [
        (read_toml, "a = " + "[" * (MAX_DEPTH + 1), "line 1: more than 64 lists or tables inside each other."),
        (read_toml, "a = " + "[" * 1_000_000, "line 1: more than 64 lists or tables inside each other."),
        (read_toml, ".".join("a" * 1_000_000) + " = 1", "line 1: a key of more than 64 parts."),
        (read_toml, "a = " + "{a.b.c = " * 40 + "1" + "}" * 40, "more than 64 lists or tables inside each other."),
        (read_toml, "\n".join(f"k{n} = 1" for n in range(MAX_KEYS + 1)), "10,001 keys; at most 10,000 are read."),
        (read_toml, "a = [" + "1," * 3_000_000 + "]", "characters; at most 4,194,304 are read. Split it."),
        (read_json, "[" * 1_000_000, "line 1: more than 64 lists or tables inside each other."),
        (read_json, '{"a": ' * 65 + "1" + "}" * 65, "line 1: more than 64 lists or tables inside each other."),
        (read_json, json.dumps({f"k{n}": 1 for n in range(MAX_KEYS + 1)}), "10,001 keys; at most 10,000 are read."),
        (read_json, "[" + "1," * 9_000_000 + "1]", "characters; at most 16,777,216 are read. Split it."),
        (read_json, '{"a": 1, "b": {"c": 1, "c": 2}}', "key 'c' appears 2 times in one object. Keep one of them."),
        (read_json, '{"a":\n[1,]}', "line 2: not JSON: expecting value, at character 4."),
        (read_toml, "[a]\n[a]", "not TOML: cannot declare a twice, at line 2, character 3."),
    ],
)
def test_a_shape_is_refused_in_one_line(tmp_path: Path, reader: Callable[[Path], Any], text: str, problem: str) -> None:
    said = refusal(reader, tmp_path / "a.file", text)
    assert problem in said
    assert "\n" not in said
    assert len(said) < 200


def test_as_deep_and_as_many_as_allowed_are_read(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text(
        "a = " + "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1) + "\n" + "".join(f"k{n} = 1\n" for n in range(MAX_KEYS - 1))
    )
    assert len(read_toml(file)) == MAX_KEYS
    assert parse_json("[" * MAX_DEPTH + "]" * MAX_DEPTH, where="it")[0]


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.text() | st.floats(1e-30, 1e30) | st.floats(-1e30, -1e-30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@given(plain)
def test_json_is_read_as_it_was_written_or_refused_in_words(value: Any) -> None:
    try:
        assert parse_json(json.dumps(value), where="it") == value
    except UsageError as problem:
        assert "NUL" in str(problem) or "surrogate" in str(problem)


@given(st.floats())
def test_a_number_is_refused_exactly_outside_its_limits(value: float) -> None:
    is_sound = (value == 0 and math.copysign(1, value) > 0) or (math.isfinite(value) and 1e-30 <= abs(value) <= 1e30)
    try:
        assert parse_json(json.dumps(value), where="it") == value
        assert is_sound
    except UsageError:
        assert not is_sound


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "true"), ("a" * 99, f"'{'a' * 57}...'"), ([1, False], "[1, false]"), ({"a": 1}, "a table"), (1.5, "1.5")],
)
def test_a_value_is_shown_as_files_write_it(value: object, text: str) -> None:
    assert shown(value) == text
