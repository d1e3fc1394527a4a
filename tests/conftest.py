"""A real run, made once for all tests that read one."""

from __future__ import annotations

import gc
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.shared import made_once, shared_folder

# How long an example takes is the machine's doing, not the code's.
_PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("same", parent=_PATIENT, derandomize=True)
settings.register_profile("search", parent=_PATIENT)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))
"""One verdict on one tree: the suite draws the same examples each time; ``make search`` and ``make fuzz`` look for new ones."""

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in the background of a shell: programs started here would ignore it, too
    signal.signal(signal.SIGINT, signal.default_int_handler)

os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_collection_finish() -> None:
    """Tests and libraries are a million objects that stay: the collector need not look through them again."""
    gc.collect()
    gc.freeze()
    # Of records without cycles, which a plan makes by the ten thousand, it would otherwise take a fifth of the time.
    gc.set_threshold(20_000, 20, 20)


@pytest.fixture(scope="session", autouse=True)
def own_configuration(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests see no profile, price file, cached data or width of the terminal of the user who runs them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        patch.setenv("XDG_CACHE_HOME", str(shared_folder(tmp_path_factory, "cache")))
        patch.delenv("COLUMNS", raising=False)
        yield


@pytest.fixture(scope="session")
def smoke_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a finished run: one small case of the smoke profile, three trials, with its report."""
    from aigc_bench import api

    made = made_once(tmp_path_factory, "smoke", lambda folder: api.run("smoke", only=["vae"], out=folder))
    # A report is written into its run: each worker has a run of its own.
    return shutil.copytree(made, tmp_path_factory.mktemp("smoke") / "run")


CORRUPT, EMPTY = "images/class-001/cut-short.jpg", "images/class-002/empty.jpg"


@pytest.fixture(scope="session")
def small_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve images, four recordings, two texts and a clip, plus a corrupt image and an empty file."""
    return made_once(tmp_path_factory, "data", _write_small_data)


def _write_small_data(folder: Path) -> None:
    from aigc_bench.data.generated import write_files

    write_files("image", folder / "images", count=12)
    write_files("audio", folder / "audio", count=4, suffix=".wav")
    write_files("text", folder / "text", count=2)
    write_files("video", folder / "video", count=1)
    whole = next((folder / "images").rglob("*.jpg")).read_bytes()
    (folder / CORRUPT).write_bytes(whole[: len(whole) // 2])
    (folder / EMPTY).write_bytes(b"")
