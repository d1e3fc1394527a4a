"""The findings that there ever were: a folder each, below ``corpus/KIND``, with the files that were read."""

from __future__ import annotations

import re
from pathlib import Path

from tests.fuzz.outcome import Files

CORPUS = Path(__file__).parent / "corpus"


def entries() -> list[tuple[str, Path]]:
    """Kind and folder of every entry, sorted."""
    return [(folder.parent.name, folder) for folder in sorted(CORPUS.glob("*/*")) if folder.is_dir()]


def files_of(folder: Path) -> Files:
    """The files below a folder by their names relative to it."""
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def folder_name(what: str) -> str:
    """A folder's name for a finding."""
    return re.sub(r"[^a-z0-9]+", "-", what.lower()).strip("-")[:60].strip("-") or "finding"
