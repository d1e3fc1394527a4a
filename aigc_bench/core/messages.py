"""Sentences for people: written in English where they arise, translated where they are shown.

    message("{count} of {total} rows are refused", count=3, total=7)      a sentence with named values
    plural("{count} trial", "{count} trials", count=3)                    one that depends on a number
    filled(name, item="token")                                            one that was made without its values
    joined(", ", names)                                                   several, one after the other
    capitalized(text)                                                     one that begins a sentence
    translated(text)                                                      the sentence in the reader's language

A message is its English text: what is stored, compared, or written as JSON or CSV never depends on a language. It remembers its
template and values, from which ``translated`` makes the text that a terminal, a page or an error line prints. Values are formatted
after the template is translated. docs/adr/0033-messages-are-translated-where-they-are-shown.md has the reasons.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gettext import NullTranslations

# A context variable: a server may answer two readers in two languages in one process.
_TRANSLATIONS: ContextVar[NullTranslations | None] = ContextVar("translations", default=None)
"""Those of the reader's language; ``None`` for English."""


class Message(str):
    """An English text that remembers how it was made; string operations give plain text, in English."""

    __slots__ = ("_count", "_other", "_template", "_values")

    _template: str
    _other: str | None
    _count: int
    _values: Mapping[str, Any]

    def __new__(cls, template: str, other: str | None = None, count: int = 1, values: Mapping[str, Any] | None = None) -> Message:
        """Make a message of a template, its plural with its count if it has one, and values by name."""
        values = values or {}
        # English has two forms; languages with more are asked by count in ``in_words_of``.
        self = super().__new__(cls, _filled(template if other is None or count == 1 else other, values))
        self._template, self._other, self._count, self._values = template, other, count, values
        return self

    def __str__(self) -> str:
        """Return the message itself: ``str(error)`` of an error that holds one is still a message."""
        return self

    @property
    def template(self) -> str:
        """Return the English sentence with its placeholders."""
        return self._template

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        """Copy and send as plain text."""
        return str, (str.__str__(self),)

    def in_words_of(self, translations: NullTranslations) -> str:
        """Return the text in another language, and in English where its translation is missing or names other values."""
        if self._other is None:
            # gettext answers an empty text with the header of its catalogue.
            template = translations.gettext(self._template) if self._template else ""
        else:
            template = translations.ngettext(self._template, self._other, self._count)
        try:
            return _filled(template, {name: _shown_value(value) for name, value in self._values.items()})
        # A translation with a wrong placeholder must not turn an error message into a traceback.
        except (KeyError, IndexError, ValueError):
            return str.__str__(self)


def _filled(template: str, values: Mapping[str, Any]) -> str:
    """Return the template with its values; braces of a template without values are text."""
    # A text without values may hold braces of its own (JSON, TOML).
    return template.format(**values) if values else template


def _shown_value(value: Any) -> Any:
    """Return a value as it is shown inside a translated sentence: messages and errors that hold one are translated, too."""
    if isinstance(value, _Cased):
        return value.change(translated(value.text))
    text = str(value) if isinstance(value, BaseException) else value
    return translated(text) if isinstance(text, Message) else value


def message(template: str, /, **values: Any) -> str:
    """Return a sentence: a literal with named placeholders, and their values.

    Without values the template is the text, braces included.
    """
    return Message(template, values=values)


def plural(one: str, other: str, /, *, count: int, **values: Any) -> str:
    """Return the sentence for one thing or for ``count`` things; both may name ``{count}``."""
    return Message(one, other, count, {"count": count, **values})


def filled(text: str, /, **values: Any) -> str:
    """Return a message whose placeholders were left open, such as the name of a metric per ``{item}``, with its values."""
    if not isinstance(text, Message):
        return text.format(**values)
    return Message(text.template, values={**text._values, **values})


def joined(separator: str, texts: Iterable[str]) -> str:
    """Return texts one after the other as one; messages among them, and a separator that is one (" and "), are translated."""
    parts = {f"part{number}": text for number, text in enumerate(texts)}
    if not parts:
        return Message("")
    # A value and no part of the template: the separator may have braces, and a translation.
    return Message("{between}".join(f"{{{name}}}" for name in parts), values={"between": separator, **parts})


class _Cased(str):
    """A text in other letters, which are changed once more in its translation."""

    __slots__ = ("change", "text")

    text: str
    change: Callable[[str], str]


def _cased(text: str, change: Callable[[str], str]) -> str:
    if not isinstance(text, Message):
        return change(text)
    made = _Cased(change(str.__str__(text)))
    made.text, made.change = text, change
    return Message("{text}", values={"text": made})


def capitalized(text: str) -> str:
    """Return a text that begins with a capital, as a sentence does; the rest is unchanged."""
    return _cased(text, lambda one: f"{one[:1].upper()}{one[1:]}")


def in_lower_case(text: str) -> str:
    """Return a title as it stands inside a sentence."""
    return _cased(text, str.lower)


def is_english() -> bool:
    """Return whether sentences are shown as they are made, in English."""
    return _TRANSLATIONS.get() is None


def translated(text: str) -> str:
    """Return a text in the reader's language: a message translated, any other text as it is."""
    translations = _TRANSLATIONS.get()
    return text.in_words_of(translations) if translations is not None and isinstance(text, Message) else text


def looked_up(text: str) -> str:
    """Return a text that was a message before it was stored, in the reader's language; sentences with values stay in English."""
    translations = _TRANSLATIONS.get()
    if translations is None or not text:
        return text
    return text.in_words_of(translations) if isinstance(text, Message) else translations.gettext(text)


@contextlib.contextmanager
def speaking(translations: NullTranslations | None) -> Iterator[None]:
    """Show messages in the language of these translations (English for ``None``) in this thread or task."""
    token = _TRANSLATIONS.set(translations)
    try:
        yield
    finally:
        _TRANSLATIONS.reset(token)
