"""A real run, made once for all tests that read one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session", autouse=True)
def own_configuration(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests see no profile or price file of whoever runs them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        yield


@pytest.fixture(scope="session")
def smoke_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a finished run: one small case of the smoke profile, three trials, with its report."""
    from aigc_bench import api

    folder = tmp_path_factory.mktemp("smoke") / "run"
    return api.run("smoke", only=["vae"], out=folder).path
