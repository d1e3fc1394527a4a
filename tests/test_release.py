"""What is looked for in a wheel, and what pyproject promises of it."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """``tools/package.py``, as ``make package`` runs it."""
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    import package as module  # type: ignore[import-not-found]

    yield module
    for name in ("package", "installed"):
        sys.modules.pop(name, None)


def test_a_wheel_with_every_tracked_file_and_no_other_is_right(package: ModuleType) -> None:
    files = dict.fromkeys(package.tracked(), b"")
    assert {"aigc_bench/profiles/smoke.toml", "aigc_bench/report/templates/page.html.j2", "aigc_bench/py.typed"} <= set(files)
    assert package.wrong_with(files) == []


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("aigc_bench/tests/test_x.py", b"", "does not belong in a wheel: aigc_bench/tests/test_x.py"),
        ("tests/test_x.py", b"", "does not belong in a wheel: tests/test_x.py"),
        ("setup.cfg", b"", "does not belong in a wheel: setup.cfg"),
        ("aigc_bench/x.py", f"at {ROOT}/x".encode(), "names this machine: aigc_bench/x.py"),
    ],
)
def test_what_is_too_much_in_a_wheel_is_named(package: ModuleType, name: str, content: bytes, told: str) -> None:
    files = dict.fromkeys(package.tracked(), b"") | {name: content}
    assert any(line.startswith(told) for line in package.wrong_with(files))


def test_what_is_missing_from_a_wheel_is_named(package: ModuleType) -> None:
    files = {name: b"" for name in package.tracked() if not name.endswith("smoke.toml")}
    assert package.wrong_with(files) == ["missing: aigc_bench/profiles/smoke.toml"]


def test_every_dependency_states_the_lowest_version_and_has_a_tested_one() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    tested = {line.partition("==")[0].lower() for line in lines}
    for wanted in project["dependencies"]:
        name, separator, _ = wanted.partition(">=")
        assert separator, f"{wanted}: `make test-lowest` needs a lower bound"
        assert name.lower() in tested, f"{name} is not in constraints.txt"
