"""``aigc-bench`` in a process of its own, with a third party's workloads installed, or in this one."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from aigc_bench.cli import main
from aigc_bench.core import registry
from tests.extensions import FOLDER

HEADER = """
name = "test"
title = "Test"
expects = "any"
level = "quick"
[defaults]
backend = "cpu"
timeout_s = 300.0
threads = 1
"""
KNOWN_RATE = '[[case]]\nworkload = "known_rate"\npreset = "sleep"\nmode = "infer"\n'


def misbehaving(preset: str, **extra: Any) -> str:
    """A case that fails as its preset says."""
    more = "".join(f"{key} = {json.dumps(value)}\n" for key, value in extra.items())
    return f'[[case]]\nworkload = "misbehaving"\npreset = "{preset}"\nmode = "infer"\n{more}'


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Commands run in ``folder``; ``env`` is added to the environment."""

    folder: Path
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        own = {
            "PYTHONPATH": os.pathsep.join(filter(None, (str(FOLDER), os.environ.get("PYTHONPATH")))),
            "XDG_CONFIG_HOME": str(self.folder / "config"),
            "AIGC_BENCH_TEST_MARKER": str(self.marker),
        }
        return {**os.environ, **own, **self.env}

    @property
    def marker(self) -> Path:
        """While it is missing, the preset ``die-once`` dies."""
        return self.folder / "marker"

    def profile(self, *cases: str) -> Path:
        """A profile file of these cases."""
        file = self.folder / "test.toml"
        file.write_text(HEADER + "\n".join(cases))
        return file

    def command(self, *words: object) -> list[str]:
        return [sys.executable, "-m", "aigc_bench", *map(str, words)]

    def __call__(self, *words: object) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            self.command(*words), env=self.environment, cwd=self.folder, capture_output=True, text=True, timeout=900, check=False
        )

    def here(self, *words: object) -> subprocess.CompletedProcess[str]:
        """Run a command in this process, which has imported its libraries already."""
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
        argv = [str(word) for word in words]
        with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            patch.chdir(self.folder)
            patch.syspath_prepend(str(FOLDER))
            for name, value in self.environment.items():
                patch.setenv(name, value)
            registry._third_party.cache_clear()
            try:
                code = main(argv)
            finally:
                registry._third_party.cache_clear()
        return subprocess.CompletedProcess(argv, code, *(said.buffer.getvalue().decode() for said in (out, err)))

    def start(self, *words: object) -> subprocess.Popen[str]:
        """Start a command and leave it running."""
        return subprocess.Popen(
            self.command(*words), env=self.environment, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def rows(self, run: Path) -> list[dict[str, Any]]:
        """What ``show --json`` prints."""
        found: list[dict[str, Any]] = json.loads(self.here("show", run, "--json").stdout)
        return found


def trials(run: Path) -> list[dict[str, Any]]:
    """The finished trials so far."""
    file = run / "results.jsonl"
    return [json.loads(line) for line in file.read_bytes().splitlines() if line.endswith(b"}")] if file.exists() else []
