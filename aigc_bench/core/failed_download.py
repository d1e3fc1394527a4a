"""Files that are not what their names say: pointers of Git LFS, web pages, files of no bytes. Known by their first bytes."""

from __future__ import annotations

from pathlib import Path

from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message

_LFS = b"version https://git-lfs.github.com/spec/"
"""A pointer's first line begins so (github.com/git-lfs/git-lfs, docs/spec.md)."""
_PAGES = (b"<!doctype html", b"<html", b"<head", b"<?xml")
# Longer than any of the marks with the blank lines that servers put before a page.
_HEAD = 512


def refuse_failed_download(file: Path) -> None:
    """Raise ``UsageError`` where the file is a pointer of Git LFS, a web page, or empty; other files are left to their readers."""
    try:
        with file.open("rb") as handle:
            head = handle.read(_HEAD)
    except OSError:
        # Its reader says what is wrong with it.
        return
    if head.startswith(_LFS):
        raise UsageError(
            message("{file}: a Git LFS pointer, not the file itself.", file=file),
            message("Run `git lfs pull` in its repository, or download the file again."),
        )
    # A byte order mark is no part of the page.
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith(_PAGES):
        raise UsageError(
            message("{file}: a web page (HTML), not the file itself.", file=file),
            message("The download was answered by a page: sign in or accept the licence, and take the address of the raw file."),
        )
    if not head:
        raise UsageError(message("{file}: the file is empty.", file=file), message("Is the download complete?"))
