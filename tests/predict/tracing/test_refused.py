"""A model that a library refuses is reported by what the library found, not by its headings and types."""

from __future__ import annotations

import pytest

from aigc_bench.predict.tracing.trace import _first_sentence


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "Class validation error for validator 'v':\n    ValueError: The hidden size (77) is no multiple.",
            "The hidden size (77) is no multiple",
        ),
        ("Field 'x' matches no type in (<class 'int'>, <class 'torch.dtype'>)", "Field 'x' matches no type in (int, dtype)"),
        ("shapes differ. This is a stack trace\n  at line 1", "shapes differ"),
        ("", "RuntimeError"),
    ],
)
def test_the_first_sentence_is_what_failed(text: str, sentence: str) -> None:
    assert _first_sentence(RuntimeError(text)) == sentence
