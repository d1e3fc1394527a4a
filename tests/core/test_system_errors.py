"""Exhausted memory is known by any of its faces, and a folder that was removed is not called a wrong name."""

from __future__ import annotations

import errno
import os
import resource
from pathlib import Path

import pytest

from aigc_bench.core.system_errors import (
    CURRENT_FOLDER_GONE,
    folder_for_children,
    in_one_line,
    is_out_of_memory,
    names_exhausted_memory,
    out_of_memory_words,
)

EXHAUSTED = [
    MemoryError(),
    OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)),
    ImportError("libscipy_openblas.so: failed to map segment from shared object"),
    ImportError("torch.so: cannot allocate memory in static TLS block"),
    RuntimeError("can't start new thread"),
    RuntimeError("std::bad_alloc"),
]


@pytest.mark.parametrize("problem", EXHAUSTED, ids=repr)
def test_exhausted_memory_is_known_by_any_of_its_faces(problem: Exception) -> None:
    assert is_out_of_memory(problem)
    wrapped = ValueError("no column")
    wrapped.__cause__ = problem
    assert is_out_of_memory(wrapped)


@pytest.mark.parametrize(
    "problem", [ValueError("x"), ImportError("No module named 'x'"), OSError(errno.ENOENT, "x"), RuntimeError()]
)
def test_other_errors_are_not_taken_for_it(problem: Exception) -> None:
    assert not is_out_of_memory(problem)


def test_the_last_words_of_thread_pools_are_known() -> None:
    assert names_exhausted_memory("libgomp: Thread creation failed: Resource temporarily unavailable")
    assert names_exhausted_memory("OpenBLAS blas_thread_init: pthread_create failed for thread 1 of 2")
    assert not names_exhausted_memory("BlockingIOError: Resource temporarily unavailable")


def test_a_limit_is_named_with_its_size() -> None:
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (1 << 40, before[1]))
    try:
        assert "1048576 MiB" in out_of_memory_words() and "ulimit -v" in out_of_memory_words()
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def test_a_removed_current_folder_is_named_for_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    assert folder_for_children() is None
    gone.rmdir()
    words = os.strerror(errno.ENOENT)
    assert in_one_line(FileNotFoundError(errno.ENOENT, words)) == CURRENT_FOLDER_GONE
    assert in_one_line(FileNotFoundError(errno.ENOENT, words, "runs/x")) == CURRENT_FOLDER_GONE
    assert in_one_line(FileNotFoundError(errno.ENOENT, words, "/no/where")).startswith("/no/where: ")
    assert folder_for_children() == "/"
