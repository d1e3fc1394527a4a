"""Traces on disk: read back equal, without torch, and never for another case."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aigc_bench.core.errors import UnknownNameError
from aigc_bench.core.records import Case
from aigc_bench.predict.tracing.keys import trace_key
from aigc_bench.predict.tracing.trace_cache import cache_folder, trace_case

CASE = Case(workload="vae", preset="mlp-784-400-20", mode="infer", batch_size=2)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "aigc-bench" / "traces"


def test_a_trace_is_written_once_and_read_back_equal(folder: Path) -> None:
    first = trace_case(CASE)
    (file,) = folder.iterdir()
    written = file.stat().st_mtime_ns
    assert trace_case(CASE) == first
    assert file.stat().st_mtime_ns == written


def test_a_hit_needs_no_torch() -> None:
    trace_case(CASE)
    code = (
        "import sys\n"
        "from aigc_bench.core.records import Case\n"
        "from aigc_bench.predict.tracing.trace_cache import trace_case\n"
        f"case = Case(**{CASE.model_dump()!r})\n"
        "assert trace_case(case).flops > 0\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_the_cache_nothing_is_written(folder: Path) -> None:
    trace_case(CASE, use_cache=False)
    assert not folder.exists()


def test_a_file_that_was_cut_short_is_traced_again(folder: Path) -> None:
    first = trace_case(CASE)
    (file,) = folder.iterdir()
    file.write_text(file.read_text()[:100])
    assert trace_case(CASE) == first
    assert len(file.read_text()) > 100


def test_a_folder_that_cannot_be_written_costs_only_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert trace_case(CASE).flops > 0


@pytest.mark.parametrize(
    "change", [{"batch_size": 3}, {"precision": "bf16"}, {"mode": "train"}, {"backend": "cuda"}, {"preset": "conv-64"}]
)
def test_what_changes_the_operators_changes_the_key(change: dict[str, object]) -> None:
    assert trace_key(CASE.model_copy(update=change)) != trace_key(CASE)


@pytest.mark.parametrize("change", [{"seed": 7}, {"threads": 3}, {"engine": "torch-compile"}, {"timeout_s": 5.0}])
def test_what_does_not_change_the_operators_does_not_change_the_key(change: dict[str, object]) -> None:
    assert trace_key(CASE.model_copy(update=change)) == trace_key(CASE)


def test_an_unknown_name_is_refused_before_anything_is_traced() -> None:
    with pytest.raises(UnknownNameError, match="vae"):
        trace_case(CASE.model_copy(update={"workload": "vaes"}))


def test_the_home_folder_is_used_where_no_other_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "aigc-bench" / "traces"


@pytest.fixture
def key_after(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], str]]:
    """The key of the case in a copy of the package in which one file has another text."""
    import aigc_bench
    from aigc_bench.predict.tracing import keys

    caches = (keys.sources_digest, keys.meaning)

    def key(changed: str, text: str) -> str:
        package = tmp_path / f"{changed.replace('/', '-')}-{len(text)}"
        shutil.copytree(Path(aigc_bench.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__", "data"))
        if changed:
            (package / changed).write_text(text)
        monkeypatch.setattr(keys, "_PACKAGE", package)
        for cache in caches:
            cache.cache_clear()
        return trace_key(CASE)

    yield key
    monkeypatch.undo()
    for cache in caches:
        cache.cache_clear()


def test_another_familys_sources_do_not_change_the_key(key_after: Callable[[str, str], str]) -> None:
    """So that a new family leaves the traces of the others as they are."""
    before = key_after("", "")
    assert key_after("workloads/bert.py", "") == before
    decisive = ("workloads/vae.py", "workloads/base.py", "nets/vae.py", "predict/tracing/trace.py")
    assert len({before, *(key_after(file, "") for file in decisive)}) == 5


def test_comments_docstrings_and_layout_do_not_change_the_key(key_after: Callable[[str, str], str]) -> None:
    import aigc_bench

    file = "nets/vae.py"
    text = (Path(aigc_bench.__file__).parent / file).read_text()
    before = key_after("", "")
    assert key_after(file, "# A comment.\n" + text.replace('"""', '"""Other words. ', 1)) == before
    assert key_after(file, text + "\nMORE = 1\n") != before
