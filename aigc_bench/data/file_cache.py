"""Files cached between runs: generated data, tokenizers, findings. A damaged one is made again."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from aigc_bench.core.user_folders import cache_home
from aigc_bench.data.regular import open_file

T = TypeVar("T")
# What is kept here is far smaller: a larger file is not ours, and is not read into memory.
_MAX_BYTES = 1 << 26


def cache_folder() -> Path:
    """Where generated data, trained tokenizers and the findings of screenings are kept; safe to delete."""
    return cache_home() / "aigc-bench" / "data"


def read_cached(file: Path, parse: Callable[[bytes], T]) -> T | None:
    """What ``parse`` makes of a kept file; ``None`` where there is none, or a torn, foreign or older one."""
    try:
        with open_file(str(file)) as opened:
            data = opened.read(_MAX_BYTES + 1)
        return parse(data) if len(data) <= _MAX_BYTES else None
    except Exception:  # parsers raise what they please over bytes that another program wrote
        return None


def write_cached(file: Path, data: bytes) -> None:
    """Write a file whole or not at all: to the disk under another name, then renamed. Where that fails nothing is kept."""
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(dir=file.parent)
        try:
            with os.fdopen(handle, "wb") as opened:
                opened.write(data)
                opened.flush()
                # Without it a crash may leave the new name on an empty file.
                os.fsync(opened.fileno())
            Path(draft).replace(file)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise
