"""Wrapped text fills the cells of a terminal, whatever its script."""

from __future__ import annotations

import pytest

from aigc_bench.core.text_table import aligned
from aigc_bench.core.text_wrap import cells, wrap

CHINESE = "推荐方案：购买 2 台服务器，含 1 台备机；显存是瓶颈，余量为 12 %。"


@pytest.mark.parametrize("width", [8, 11, 20, 44])
def test_lines_of_chinese_text_are_no_wider_than_asked_for_and_lose_nothing(width: int) -> None:
    lines = wrap(CHINESE, width)
    assert max(map(cells, lines)) <= width
    assert "".join(lines).replace(" ", "") == CHINESE.replace(" ", "")


def test_no_line_begins_with_a_closing_mark() -> None:
    for width in range(8, 60):
        assert not [line for line in wrap(CHINESE, width) if line[0] in "，。；："]


def test_continued_lines_are_indented() -> None:
    lines = wrap(CHINESE, 24, initial_indent="  ", subsequent_indent="    ")
    assert lines[0].startswith("  推") and all(line.startswith("    ") for line in lines[1:])


def test_a_word_longer_than_a_line_stays_whole() -> None:
    assert wrap("見 options.3.factors.memory 的推导", 12)[1] == "options.3.factors.memory"


def test_the_last_column_of_a_table_is_wrapped_by_cells() -> None:
    lines = aligned([{"name": "chat", "why": CHINESE}], most=40)
    assert len(lines) > 2 and max(map(cells, lines)) <= 40
