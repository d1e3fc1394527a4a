"""A TOML file against a record: every mistake once, at its place, with what is allowed there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, Field

from aigc_bench.core.document import mistakes, read_toml
from aigc_bench.core.errors import UsageError
from aigc_bench.core.records import Record
from aigc_bench.core.toml_file import check, inner_record


def _even(value: int) -> int:
    if value % 2:
        raise ValueError("must be even")
    return value


class Cooling(Record):
    kind: Literal["air", "water"] = "air"
    limit_c: float = Field(default=30.0, gt=0, le=60)


class Service(Record):
    name: str
    users: Annotated[int, Field(ge=0, strict=True)] = 0
    pairs: Annotated[int, AfterValidator(_even)] = 0
    cooling: bool | Cooling = False
    tags: tuple[str, ...] = ()


class File(Record):
    title: str
    service: tuple[Service, ...] = ()
    limits: Mapping[str, int] = Field(default_factory=dict)


def found_mistakes(raw: Mapping[str, Any]) -> list[str]:
    return check(raw, File)[1]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({}, ["title is missing"]),
        ({"title": 3}, ["title = 3: must be a text"]),
        ({"title": "x", "titel": 1}, ["unknown key 'titel'. Did you mean title?"]),
        ({"title": "x", "service": 3}, ["service = 3: must be a list"]),
        ({"title": "x", "service": [3]}, ["service 1: must be a table"]),
        ({"title": "x", "service": [{"users": 1}]}, ["service 1, name is missing"]),
        (
            {"title": "x", "service": [{"name": "a"}, {"name": "b", "users": -1}]},
            ["service 2 (b), users = -1: must be greater than or equal to 0"],
        ),
        ({"title": "x", "service": [{"name": "a", "users": True}]}, ["service 1 (a), users = true: must be a whole number"]),
        ({"title": "x", "service": [{"name": "a", "pairs": 3}]}, ["service 1 (a), pairs = 3: must be even"]),
        (
            {"title": "x", "service": [{"name": "a", "cooling": 7}]},
            ["service 1 (a), cooling = 7: must be true or false or a table"],
        ),
        (
            {"title": "x", "service": [{"name": "a", "cooling": {"limit_c": 90}}]},
            ["service 1 (a), cooling, limit_c = 90: must be less than or equal to 60"],
        ),
        (
            {"title": "x", "service": [{"name": "a", "cooling": {"knid": "air"}}]},
            ["service 1 (a), cooling, unknown key 'knid'. Did you mean kind?"],
        ),
        ({"title": "x", "service": [{"name": "a", "tags": "one"}]}, ["service 1 (a), tags = 'one': must be a list"]),
        ({"title": "x", "service": [{"name": "a", "tags": [1]}]}, ["service 1 (a), tags 1: must be a text"]),
        (
            {"title": "x", "limits": {"a": "many"}},
            ["limits, a = 'many': must be a whole number"],
        ),
    ],
)
def test_a_mistake_is_reported_once_with_its_place_and_what_is_allowed(raw: Mapping[str, Any], expected: list[str]) -> None:
    assert found_mistakes(raw) == expected


def test_all_mistakes_are_reported_together_in_the_order_of_the_file() -> None:
    raw = {"service": [{"name": "a", "users": -1}, {"usres": 1}], "title": 1}
    assert found_mistakes(raw) == [
        "title = 1: must be a text",
        "service 1 (a), users = -1: must be greater than or equal to 0",
        "service 2, name is missing",
        "service 2, unknown key 'usres'. Did you mean users?",
    ]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "users", "cooling", "tags", "kind", "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["title", "service", "limits", "other"]), values, max_size=4))
def test_whatever_a_file_holds_it_is_a_record_or_a_list_of_single_lines(raw: dict[str, Any]) -> None:
    found, problems = check(raw, File)
    assert (found is None) == bool(problems)
    assert len(problems) == len(set(problems))
    for problem in problems:
        assert "\n" not in problem.replace(repr(raw), "")
        assert "pydantic" not in problem
        assert "instance of" not in problem


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_every_editor_s_utf_8_is_read(tmp_path: Path, start: bytes, end: bytes) -> None:
    file = tmp_path / "a.toml"
    file.write_bytes(start + b'title = "caf\xc3\xa9"' + end + b"limits = { a = 1 }" + end)
    assert read_toml(file) == {"title": "café", "limits": {"a": 1}}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"title = ", "not TOML: invalid value"),
        (b"# caf\xe9", "line 1: neither UTF-8 nor UTF-16 nor GB18030"),
    ],
)
def test_what_is_no_toml_is_one_line_with_its_file(tmp_path: Path, content: bytes, words: str) -> None:
    file = tmp_path / "a.toml"
    file.write_bytes(content)
    with pytest.raises(UsageError, match=words) as problem:
        read_toml(file)
    assert str(problem.value).startswith(f"{file}: ")
    assert "\n" not in str(problem.value)


def test_utf_16_is_read(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_bytes('name = "显卡"\r\n'.encode("utf-16"))
    assert read_toml(file) == {"name": "显卡"}


def test_a_folder_and_a_file_that_is_not_there_are_distinguished(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="a folder"):
        read_toml(tmp_path)
    with pytest.raises(UsageError, match="no such file"):
        read_toml(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("problems", "expected"),
    [
        (["a is missing"], "f.toml: a is missing."),
        (["a is missing."], "f.toml: a is missing."),
        (["Did you mean b?"], "f.toml: Did you mean b?"),
        (["a.", "b"], "f.toml: 2 mistakes:\n  a\n  b"),
    ],
)
def test_one_mistake_ends_as_a_sentence_and_several_are_a_list(problems: list[str], expected: str) -> None:
    assert str(mistakes(Path("f.toml"), problems)) == expected


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (Cooling, Cooling),
        (Cooling | None, Cooling),
        (tuple[Cooling, ...], Cooling),
        (bool | Cooling, Cooling),
        (int, None),
        (Annotated[Cooling, 1], Cooling),
    ],
)
def test_the_record_inside_a_type_is_found(annotation: Any, expected: Any) -> None:
    assert inner_record(annotation) is expected
