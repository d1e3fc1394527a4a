"""From the words of a command to settings: ``prompt_len=2048`` is a name and a number."""

from __future__ import annotations

from collections.abc import Sequence

from aigc_bench.core.errors import UsageError
from aigc_bench.core.records import Setting


def parse_settings(words: Sequence[str], *, option: str = "--set") -> dict[str, Setting]:
    """``("prompt_len=2048", "steps=30")`` as settings, numbers and booleans as such."""
    found: dict[str, Setting] = {}
    for word in words:
        key, separator, text = word.partition("=")
        if not separator or not key:
            raise UsageError(f"{option} {word}: not a setting.", f"Write {option} name=value.")
        found[key.strip()] = _setting(text.strip())
    return found


def _setting(text: str) -> Setting:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
