"""Traces that come with the package are today's, and spare a plan torch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from aigc_bench.core.records import Case
from aigc_bench.predict.tracing.keys import FOLDER, case_key, library_versions
from aigc_bench.predict.tracing.shipped_traces import (
    KEYS,
    read_traces,
    shipped_keys,
    shipped_libraries,
    shipped_trace,
    write_traces,
)
from aigc_bench.predict.tracing.trace_cache import trace_case

FILES = sorted(FOLDER.glob("*.json.gz"))
ROOT = Path(__file__).parents[3]


def case_of(workload: str, preset: str, *, batch_size: int) -> Case:
    return Case(workload=workload, preset=preset, mode="infer", precision="bf16", batch_size=batch_size, backend="cuda")


@pytest.fixture(autouse=True)
def same_libraries() -> None:
    if shipped_libraries() != library_versions():
        pytest.skip(f"made with {shipped_libraries()}, here are {library_versions()}: nothing shipped is used")


def test_every_shipped_trace_is_of_todays_sources() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "ship_traces.py")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"nets, workloads or the tracer were changed: run `make traces`.\n{done.stdout}{done.stderr}"
    assert len(FILES) > 80
    families = [path.stem for path in (FOLDER / KEYS).glob("*.json")]
    assert {file for family in families for file, _ in shipped_keys(family).values()} == {file.name for file in FILES}


@pytest.mark.parametrize(
    ("workload", "preset"), [("vae", "conv-64"), ("bert", "base"), ("vision", "resnet-50"), ("stylegan", "tiny")]
)
def test_a_shipped_trace_is_what_tracing_finds(workload: str, preset: str) -> None:
    for batch_size in (1, 8):
        case = case_of(workload, preset, batch_size=batch_size)
        assert shipped_trace(case) == trace_case(case, use_cache=False)


def test_a_presets_own_settings_are_found_whether_they_are_written_or_left_out() -> None:
    case = case_of("latent_diffusion", "sdxl", batch_size=1)
    assert case_key(case) == case_key(case.model_copy(update={"settings": {"resolution": 1024}}))
    assert case_key(case) != case_key(case.model_copy(update={"settings": {"resolution": 512}}))


def test_what_is_not_shipped_is_not_found() -> None:
    assert shipped_trace(case_of("vae", "conv-64", batch_size=977)) is None


def test_equal_traces_make_equal_files_and_are_read_back(tmp_path: Path) -> None:
    traces = read_traces(FILES[0])
    write_traces(tmp_path / "one.json.gz", traces)
    write_traces(tmp_path / "two.json.gz", traces)
    assert (tmp_path / "one.json.gz").read_bytes() == (tmp_path / "two.json.gz").read_bytes()
    assert read_traces(tmp_path / "two.json.gz") == traces


def test_the_examples_are_planned_without_torch(tmp_path: Path) -> None:
    """Loading it and tracing took most of a first plan."""
    code = (
        "import sys\n"
        "from click.testing import CliRunner\n"
        "from aigc_bench.cli.commands.plan import command\n"
        "for name in ('audiobooks', 'mixed-company'):\n"
        f"    found = CliRunner().invoke(command, [f'{ROOT}/examples/{{name}}.toml', '--json'])\n"
        "    assert found.exit_code == 0, found.output\n"
        "assert 'torch' not in sys.modules\n"
    )
    # A fresh cache, in which nothing is put: everything comes with the package.
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "XDG_CACHE_HOME": str(tmp_path)})
