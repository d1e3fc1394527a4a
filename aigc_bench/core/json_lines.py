"""Tables that programs write as JSON lines (JSONL, NDJSON): one object a line, read as rows of ``core.table_file``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aigc_bench.core.document import parse_json
from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.table_file import Row


def is_json_lines(text: str) -> bool:
    """Return whether a text begins with an object: no header of a CSV does."""
    return text.lstrip()[:1] == "{"


def json_rows(text: str, *, file: Path) -> Iterator[Row]:
    """Yield each object as a row: numbers and texts as cells, null as an empty one; lists and objects inside are left out.

    Raises ``UsageError`` with file and line for what is not an object or holds a number that no document may.
    """
    # Not splitlines(): a text in JSON may hold line ends of Unicode.
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        if not line.strip():
            continue
        parsed = parse_json(line, where=message("{file}, line {line}", file=file, line=number))
        if not isinstance(parsed, dict):
            raise UsageError(message("{file}, line {line}: not an object of JSON.", file=file, line=number))
        yield Row(line=number, cells={name.strip(): cell for name, value in parsed.items() if (cell := _cell(value)) is not None})


def _cell(value: Any) -> str | None:
    if isinstance(value, list | dict):
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value).strip()
