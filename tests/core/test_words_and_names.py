"""From what people type to values and names, and back: settings, durations, numbers with units, registered names."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from aigc_bench.core import registry
from aigc_bench.core.errors import AigcBenchError, UnknownNameError, UsageError
from aigc_bench.core.named_code import load_named_code
from aigc_bench.core.throttle import NAMES, SPOILING, throttle_names
from aigc_bench.core.units import clock, digits, memory, parse_duration, quantity, scale
from aigc_bench.core.visible import visible
from aigc_bench.core.words import parse_settings

keys = st.text("abcdefgh_", min_size=1, max_size=8)


@given(
    st.dictionaries(
        keys, st.booleans() | st.integers(-(10**12), 10**12) | st.floats(1e-30, 1e30) | st.floats(-1e30, -1e-30), max_size=5
    )
)
def test_settings_that_are_written_out_are_read_back(settings: dict[str, bool | int | float]) -> None:
    found = parse_settings([f"{key}={value}" for key, value in settings.items()])
    assert found == settings
    assert {key: type(value) for key, value in found.items()} == {key: type(value) for key, value in settings.items()}


@pytest.mark.parametrize(("word", "value"), [("a= x y ", "x y"), ("a=b=c", "b=c"), ("a=", ""), ("a=TRUE", True), ("a=1e3", 1000.0)])
def test_a_value_is_all_that_follows_the_first_sign(word: str, value: object) -> None:
    assert parse_settings([word]) == {"a": value}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nan", "must be a finite number"),
        ("-INF", "must be a finite number"),
        ("1e308", "must be 0 or between"),
        ("1e-308", "must be 0 or between"),
        ("1e-400", "must be 0 or between"),
        ("1e999", "must be a finite number"),
        ("-0.0", "must be 0, not -0"),
        ("-0", "must be 0, not -0"),
        ("1_000", "write 1000"),
        ("9" * 401, "at most 400 digits"),
        ("9" * 5000, "at most 400 digits"),
    ],
)
def test_a_number_that_no_setting_can_have_is_refused(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        parse_settings([f"a={text}"])


@pytest.mark.parametrize("text", ["fp16", "a_b", "info", "nano", "1.2.3", "tp=4", "e5", "_1"])
def test_words_that_look_a_little_like_numbers_stay_words(text: str) -> None:
    assert parse_settings([f"a={text}"]) == {"a": text}


@pytest.mark.parametrize("word", ["", "a", "=1", "="])
def test_a_word_without_name_or_sign_is_no_setting(word: str) -> None:
    with pytest.raises(UsageError, match=r"--change .*not a setting. Write --change name=value"):
        parse_settings([word], option="--change")


@given(st.integers(0, 500), st.integers(0, 59), st.integers(0, 59))
def test_a_duration_is_read_in_every_spelling(hours: int, minutes: int, seconds: int) -> None:
    expected = hours * 3600 + minutes * 60 + seconds
    for text in (
        f"{hours}h{minutes}m{seconds}s",
        f"{hours} h {minutes} min {seconds}",
        f"{expected}",
        f"{expected}s",
        f"{expected / 60!r}m",
    ):
        assume("e" not in text)
        assert parse_duration(text) == pytest.approx(expected)


@given(st.integers(0, 10**6))
def test_a_clock_tells_a_time_that_is_read_back_to_its_last_place(seconds: int) -> None:
    assert abs(parse_duration(clock(seconds)) - seconds) < (60 if seconds >= 3600 else 1)


@pytest.mark.parametrize("text", ["", " ", "soon", "1d", "-1s", "1s2m", "nan", "inf", "1e3s", "1.2.3", "١0s x"])
def test_what_is_no_duration_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match="write 90s, 20m or 1h30m"):
        parse_duration(text)


@given(st.floats(1e-4, 1e15, exclude_max=True), st.integers(1, 6))
def test_rounded_digits_are_within_half_of_the_last_one(value: float, significant: int) -> None:
    shown = float(digits(value, significant=significant).replace(",", ""))
    assert shown == pytest.approx(value, rel=0.5000001 * 10 ** (1 - significant))


@given(
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from(["B", "s", "W", "FLOP/s", "fraction", "C", "usd", "token/s", "J/token"]),
)
def test_every_number_prints_in_every_unit(value: float, unit: str) -> None:
    printed = quantity(value, unit)
    assert printed == printed.strip() != ""
    assert ("–" in printed) is False


@given(st.floats(1e-9, 1e17))
def test_a_prefix_leaves_a_number_that_a_person_can_read(value: float) -> None:
    factor, unit = scale(value, "FLOP/s")
    assert unit.endswith("FLOP/s")
    assert 0.99 <= value / factor <= 1001 or value < 1e-9 * 1.001


@given(st.integers(0, 2**60), st.integers(0, 2**60))
def test_more_bytes_never_print_as_a_smaller_unit(a: int, b: int) -> None:
    order = ["B", "KiB", "MiB", "GiB"]
    few, many = (order.index(memory(size).split()[-1]) for size in sorted((a, b)))
    assert few <= many


@pytest.mark.parametrize("group", sorted(registry.GROUPS))
def test_every_registered_name_loads_and_its_object_stays_the_same(group: str) -> None:
    assert registry.names(group)
    assert list(registry.names(group)) == sorted(set(registry.names(group)))
    for name in registry.names(group):
        assert registry.load(group, name) is registry.load(group, name)


@pytest.mark.parametrize("group", sorted(registry.GROUPS))
@pytest.mark.parametrize("name", ["", "base", "_private", "../x", "no such"])
def test_a_name_that_is_not_registered_is_reported_with_those_that_are(group: str, name: str) -> None:
    with pytest.raises(UnknownNameError, match=r"unknown .*(Known:|Did you mean)"):
        registry.load(group, name)


def test_code_of_the_user_is_found_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_family_of_this_test.py").write_text(
        "made = object()\ndef make():\n    return made\ndef broken():\n    return 1 / 0\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(UsageError, match="a file must not name code"):
        registry.load("workloads", "my_family_of_this_test:make")
    found = load_named_code("my_family_of_this_test:make")
    assert found is load_named_code("my_family_of_this_test:made")
    assert found is registry.load("workloads", "my_family_of_this_test:make")
    with pytest.raises(UsageError, match="it raised ZeroDivisionError"):
        load_named_code("my_family_of_this_test:broken")
    with pytest.raises(UsageError, match="no attribute 'nothing'"):
        load_named_code("my_family_of_this_test:nothing")
    with pytest.raises(UsageError, match="no module named 'nowhere_at_all'"):
        load_named_code("nowhere_at_all:make")
    with pytest.raises(UsageError, match="it raised SystemExit"):
        load_named_code("sys:exit")
    with pytest.raises(UsageError, match="neither a file, nor a folder, nor module:function"):
        load_named_code("./no-such-model:v2")


def test_the_current_folder_is_searched_only_for_code_that_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    assert load_named_code("collections:OrderedDict") == {}
    assert str(tmp_path) not in sys.path
    with pytest.raises(UsageError, match="no module named 'not_installed_anywhere'"):
        load_named_code("not_installed_anywhere:make")
    assert sys.path[-1] == str(tmp_path)


@given(st.integers(0, 2**40))
def test_every_bit_of_a_throttle_mask_has_one_name(mask: int) -> None:
    names = throttle_names(mask)
    assert len(names) == len(set(names)) == mask.bit_count()
    assert throttle_names(mask & sum(NAMES)) == tuple(name for name in names if name in NAMES.values())


def test_what_spoils_a_number_is_heat_or_a_brake_and_never_idleness_or_a_cap() -> None:
    assert {NAMES[bit] for bit in NAMES if bit & SPOILING} == {
        "hw_slowdown", "sw_thermal_slowdown", "hw_thermal_slowdown", "hw_power_brake_slowdown",
    }  # fmt: skip


@example("\U000e0100", {"\U000e0101"})  # a selector of variants: Python calls it printable, and nobody sees it
@given(st.text(max_size=12), st.sets(st.text(max_size=8), max_size=5))
def test_an_unknown_name_is_always_reported_with_what_is_known(name: str, known: set[str]) -> None:
    problem = UnknownNameError("thing", name, known=known)
    assert problem.exit_code == 2
    assert visible(f"unknown thing {name!r}") in visible(str(problem))
    assert problem.hint is not None
    assert any(visible(one) in visible(problem.hint) for one in known) or problem.hint == "Known: none."


def test_errors_end_with_their_own_exit_codes() -> None:
    assert (AigcBenchError("a").exit_code, UsageError("a").exit_code) == (1, 2)
    assert str(AigcBenchError("What.", "Hint.")) == "What. Hint."
    assert math.isclose(parse_duration("1h"), 3600.0)
