"""A user without a home, or with another user's, has a place for caches and none for a configuration; nothing fails."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from aigc_bench.core.user_folders import cache_home, config_home


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No XDG folders, and temporary files below ``tmp_path``."""
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()


def without_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """As ``env -i`` for a number that the password database does not know."""

    def unknown(number: int) -> None:
        raise KeyError(number)

    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", unknown)


def test_the_home_holds_both(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert (config_home(), cache_home()) == (tmp_path / ".config", tmp_path / ".cache")


def test_what_xdg_names_goes_before_the_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "a"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "b"))
    assert (config_home(), cache_home()) == (tmp_path / "a", tmp_path / "b")


def test_a_user_without_a_home_has_no_configuration_and_a_cache_of_the_users_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    without_home(monkeypatch)
    assert config_home() is None
    cache = cache_home()
    assert cache == tmp_path / "temporary" / f"aigc-bench-{os.getuid()}"
    assert cache.stat().st_mode & 0o777 == 0o700
    assert cache_home() == cache


def test_a_cache_that_others_can_write_to_is_left_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    without_home(monkeypatch)
    planted = tmp_path / "temporary" / f"aigc-bench-{os.getuid()}"
    planted.mkdir()
    planted.chmod(0o777)
    assert cache_home() != planted
    planted.rmdir()
    planted.symlink_to(tmp_path)
    assert cache_home() != planted


@pytest.mark.parametrize("home", ["/dev/null", "/proc/1/nothing", "/nonexistent/home"])
def test_a_home_that_can_hold_nothing_is_no_place_for_a_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, home: str) -> None:
    if home == "/nonexistent/home" and os.getuid() == 0:
        pytest.skip("root can make any folder")
    monkeypatch.setenv("HOME", home)
    assert cache_home().is_relative_to(tmp_path / "temporary")
