"""Collects what each fault was seen to do, and writes the table of docs/reliability.md where ``--write`` says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.faults.page import Row, write_rows

_rows: dict[str, Row] = {}
_failed: set[str] = set()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write", action="store_true", help="write the faults that were seen into docs/reliability.md")


@pytest.fixture
def seen(request: pytest.FixtureRequest) -> Iterator[Callable[[str], None]]:
    """Takes what was seen, in a few words that are the same on every machine."""
    words: list[str] = []
    yield words.append
    request.node.user_properties.append(("seen", "; ".join(words)))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    mark = item.get_closest_marker("fault")
    assert mark is not None, f"{item.name} names no fault"
    item.user_properties += [("fault", mark.args[0]), ("expected", mark.kwargs["expected"])]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    properties = dict(report.user_properties)
    if "fault" not in properties:
        return
    if report.failed:
        _failed.add(report.nodeid)
    reason = report.longrepr[2] if report.skipped and isinstance(report.longrepr, tuple) else ""
    if reason:
        _rows[report.nodeid] = _row(properties, f"not tried here: {reason.removeprefix('Skipped: ')}")
    elif report.when == "teardown" and report.nodeid not in _rows:
        _rows[report.nodeid] = _row(properties, str(properties.get("seen", "")))


def _row(properties: dict[str, object], seen: str) -> Row:
    return Row(fault=str(properties["fault"]), expected=str(properties["expected"]), seen=seen)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if session.config.getoption("--write", default=False) and not hasattr(session.config, "workerinput"):
        write_rows([row for name, row in _rows.items() if name not in _failed])
