"""Hidden characters become escapes, and nothing else changes."""

from __future__ import annotations

import json
import sys
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.core.json_text import json_text
from aigc_bench.core.visible import HIDDEN, visible
from tests.hostile import HOSTILE, patient, texts

SEEN = {0x600, 0x601, 0x602, 0x603, 0x604, 0x605, 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD}
"""Signs of Arabic, Syriac and Kaithi that Unicode calls format characters and that have a shape."""


def test_every_control_format_and_surrogate_character_is_escaped() -> None:
    hidden = ("Cc", "Cf", "Cs", "Zl", "Zp")
    characters = (chr(code) for code in range(sys.maxunicode + 1) if code not in SEEN)
    assert not [one for one in characters if unicodedata.category(one) in hidden and not HIDDEN.fullmatch(one)]


def test_what_people_write_is_left_as_it_is() -> None:
    for text in ("gpt/gpt2-124m", "千问 7B（对话）", "Größe ± 2 %", "naïve – 3×10⁻³ µs", "عربى", "👍🏽 ❤️", "C:\\path\\n", "a b"):
        assert visible(text) == text


def test_escapes_say_which_character_stood_there() -> None:
    assert visible("a\x1b[31m\n\t\u202eb\U000e0041\udcff") == "a\\x1b[31m\\n\\t\\u202eb\\U000e0041\\udcff"
    assert visible("two\nlines\x1b", keep="\n") == "two\nlines\\x1b"


@patient
@given(texts)
def test_nothing_hidden_is_left_and_twice_is_once(text: str) -> None:
    shown = visible(text)
    assert not HIDDEN.search(shown)
    assert visible(shown) == shown
    shown.encode("utf-8")


@patient
@given(st.recursive(texts, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3)), st.booleans())
def test_json_reads_back_as_it_was_and_shows_nothing_hidden(value: object, is_ascii: bool) -> None:
    text = json_text(value, is_ascii=is_ascii)
    assert not HIDDEN.search(text.replace("\n", ""))
    text.encode("ascii" if is_ascii else "utf-8")
    assert json.loads(text) == json.loads(json.dumps(value))


def test_json_of_a_hostile_text_is_the_same_text() -> None:
    assert json.loads(json_text({HOSTILE: [HOSTILE]})) == json.loads(json.dumps({HOSTILE: [HOSTILE]}))
