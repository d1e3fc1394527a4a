"""The five ways a check can end, in short."""

from __future__ import annotations

from aigc_bench.core.run_records import Check


def ok(name: str, detail: str) -> Check:
    """As it should be."""
    return Check(name=name, status="ok", detail=detail)


def note(name: str, detail: str, *, remedy: str | None = None) -> Check:
    """Worth knowing; numbers are not affected."""
    return Check(name=name, status="note", detail=detail, remedy=remedy)


def warning(name: str, detail: str, *, remedy: str | None = None) -> Check:
    """Would make numbers worse or less certain."""
    return Check(name=name, status="warning", detail=detail, remedy=remedy)


def failure(name: str, detail: str, *, remedy: str | None = None) -> Check:
    """Does not work, or would make numbers wrong."""
    return Check(name=name, status="failure", detail=detail, remedy=remedy)


def absent(name: str, detail: str, *, remedy: str | None = None) -> Check:
    """Absent, so nothing to check."""
    return Check(name=name, status="absent", detail=detail, remedy=remedy)
