"""Mistakes in a profile: each is reported once, with its place, in the words of TOML; none runs as something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from aigc_bench.measure.profiles import load_profile
from tests.measure.test_profiles import HEAD, mistake_of, written

GPT = HEAD + '[[case]]\nworkload="gpt"\npreset="tiny"\nmode="infer"\n'


def test_a_file_saved_by_an_editor_on_windows_is_read(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_bytes(b"\xef\xbb\xbf" + GPT.replace("\n", "\r\n").encode())
    assert [case.id for case in load_profile(file).cases] == ["gpt/tiny/infer/fp32/b1"]


def test_an_accelerator_is_expected_by_any_spelling_of_its_name(tmp_path: Path) -> None:
    file = written(tmp_path, 'expects = ["h100", "h100_sxm_80gb"]\n' + GPT)
    assert load_profile(file).expects == ("h100_sxm_80gb",)


@pytest.mark.parametrize("key", ["batch_size", "mode", "precision", "settings.prompt_len"])
def test_a_list_of_nothing_is_a_mistake_and_not_a_profile_without_cases(tmp_path: Path, key: str) -> None:
    text = HEAD + f'[[case]]\nworkload="gpt"\npreset="tiny"\n{key} = []\n'
    assert f"case 1 (gpt), {key} = []: is an empty list" in mistake_of(tmp_path, text)


@pytest.mark.parametrize("value", ["inf", "nan", "-1.0", "1e300"])
def test_a_timeout_is_a_time_that_ends(tmp_path: Path, value: str) -> None:
    assert "timeout_s = " in mistake_of(tmp_path, GPT + f"timeout_s = {value}\n")


@pytest.mark.parametrize("value", ["inf", "nan", "-3", '"0s"'])
def test_a_budget_is_a_time_that_ends(tmp_path: Path, value: str) -> None:
    assert "budget = " in mistake_of(tmp_path, f"budget = {value}\n" + GPT)


def test_a_seed_is_one_that_torch_can_take(tmp_path: Path) -> None:
    assert "seed = 99999999999999999999" in mistake_of(tmp_path, GPT + "seed = 99999999999999999999\n")


@pytest.mark.parametrize(
    ("line", "phrase"),
    [
        ("pipeline = 3", "case 1 (gpt), pipeline = 3: must be true or false or a table."),
        ("pipeline = { workers = 999 }", "case 1 (gpt), pipeline.workers = 999: must be less than or equal to 256."),
        ('pipeline = { cache = "warm" }', "case 1 (gpt), pipeline.cache = 'warm': must be 'hot' or 'cold'."),
        (
            "settings = { prompt_len = { a = 1 } }",
            "case 1 (gpt), settings.prompt_len = a table: must be true or false or a whole number or a number or a text.",
        ),
        ("train = 4", "case 1 (gpt), train = 4: must be a table."),
        ("settings = 4", "case 1 (gpt), settings = 4: must be a table."),
    ],
)
def test_a_value_of_the_wrong_kind_is_one_mistake_in_the_words_of_toml(tmp_path: Path, line: str, phrase: str) -> None:
    assert mistake_of(tmp_path, GPT + line + "\n") == f"{tmp_path / 'mine.toml'}: {phrase}"


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ('name="a"\ntitle="x"\ncase=[3]\n', "case 1 (?) = 3: must be a table."),
        ('name="a"\ntitle="x"\ncase=3\n', "case = 3: must be a list."),
        ('name="a"\ntitle="x"\ndefaults=7\n', "defaults = 7: must be a table."),
        ('expects = "gpu"\n' + GPT, "expects = 'gpu': must be 'any', 'cpu' or 'accelerator' or a list."),
    ],
)
def test_a_file_of_the_wrong_build_is_reported_in_the_words_of_toml(tmp_path: Path, text: str, phrase: str) -> None:
    assert mistake_of(tmp_path, text) == f"{tmp_path / 'mine.toml'}: {phrase}"


def test_a_question_ends_with_its_mark(tmp_path: Path) -> None:
    assert mistake_of(tmp_path, 'expects = ["h100_sxm_80g"]\n' + GPT).endswith(
        "Did you mean h100_sxm_80gb or h800_sxm_80gb or a100_sxm_80gb?"
    )
