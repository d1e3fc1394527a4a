"""What is made once for all processes of a test run: by the first that needs it, while the others wait."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest


def shared_folder(tmp_path_factory: pytest.TempPathFactory, name: str) -> Path:
    """Return a folder of this test run that every worker of pytest-xdist sees."""
    own = tmp_path_factory.getbasetemp()
    # A worker's folder lies in that of the whole test run.
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / f"shared-{name}"
    folder.mkdir(exist_ok=True)
    return folder


def made_once(tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return the folder that ``make`` fills; every worker of pytest-xdist gets the same one, and none may change it."""
    folder = shared_folder(tmp_path_factory, name)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "is-made").exists():
            make(folder / "made")
            (folder / "is-made").touch()
    return folder / "made"
