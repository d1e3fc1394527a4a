"""A model of 70 billion parameters is predicted where 4 GB are free: nothing of it is ever made."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

LIMIT_BYTES = 4 * 10**9

PROGRAM = """
import re, resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_AS, ({limit}, {limit}))
from aigc_bench.cli import main
code = main({words!r})
print(int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024, file=sys.stderr)
sys.exit(code)
"""


@pytest.mark.parametrize(
    "words",
    [
        ["--engine", "vllm", "--devices", "8", "--parallel", "tp=4", "--scenario", "server", "--rate", "2", "--requests", "100"],
        ["--engine", "torch-eager", "--set", "prompt_len=64", "--set", "max_new_tokens=2"],
    ],
)
def test_a_model_of_seventy_billion_parameters_is_predicted_in_four_gigabytes(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    whole = ["predict", "gpt/llama-3.1-70b", "-a", "h200", *words]
    program = PROGRAM.format(limit=LIMIT_BYTES, words=whole)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stderr
    assert "throughput" in done.stdout
    assert int(done.stderr.split()[-1]) < 2 * 10**9
