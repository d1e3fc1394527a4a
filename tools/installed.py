"""A virtual environment of its own for a release, and the commands that show that what is installed in it works."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
IMPORT_ALL = """
import importlib, pkgutil, sys, aigc_bench
from pathlib import Path
assert Path(aigc_bench.__file__).is_relative_to(sys.prefix), aigc_bench.__file__
names = [found.name for found in pkgutil.walk_packages(aigc_bench.__path__, "aigc_bench.") if not found.name.endswith("__main__")]
failed = []
for name in names:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as problem:
        if (problem.name or "").split(".")[0] not in {"onnxruntime", "onnxscript", "onnx", "openvino"}:
            failed.append(f"{name}: {problem}")
    except Exception as problem:
        failed.append(f"{name}: {type(problem).__name__}: {problem}")
print(f"{len(names)} modules imported from {Path(aigc_bench.__file__).parent}")
sys.exit("\\n".join(failed) if failed else 0)
"""
"""Imports every module; those of an engine that is an extra may miss its library."""


class Venv:
    """A virtual environment in a folder; commands run in it see nothing of this project's source."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)

    def install(self, *words: str) -> None:
        """pip install, with as little said as possible."""
        self.run("python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *words, cwd=self.folder)

    def run(self, program: str, *words: str, cwd: Path) -> str:
        """Run a program of the environment and return what it printed; ends the script where it fails."""
        hidden = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
        env = {name: value for name, value in os.environ.items() if name not in hidden}
        env |= {"PATH": f"{self.folder / 'bin'}{os.pathsep}{env.get('PATH', '')}", "XDG_CONFIG_HOME": str(self.folder / "config")}
        done = subprocess.run(
            [str(self.folder / "bin" / program), *words],
            cwd=cwd,
            env=env,
            capture_output=True,
            text=True,
        )
        if done.returncode != 0:
            sys.exit(
                f"failed with {done.returncode}: {program} {' '.join(words)[:300]}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
            )
        return done.stdout


def timed(title: str, started_s: float) -> None:
    """Say how long a part took."""
    print(f"{title}: {time.monotonic() - started_s:.0f} s", flush=True)


def smoke(venv: Venv, *, work: Path) -> None:
    """Import every module, measure the smoke profile, plan a shipped example and write a report, all from the folder ``work``."""
    print(venv.run("python", "-c", IMPORT_ALL, cwd=work).strip())
    steps: Sequence[tuple[str, ...]] = (
        ("run", "--profile", "smoke", "--out", "run"),
        ("show", "run", "--json"),
        ("plan", "--new", "chat-assistant", "--out", "demand.toml"),
        ("plan", "demand.toml", "--accelerator", "l40s", "--out", "plan"),
        ("report", "run", "-o", "report.html"),
    )
    for words in steps:
        began_s = time.monotonic()
        venv.run("aigc-bench", *words, cwd=work)
        timed(f"aigc-bench {' '.join(words)}", began_s)
    for name in ("run/results.jsonl", "run/report.html", "plan/plan.html", "plan/plan.json", "report.html"):
        if not (work / name).stat().st_size:
            sys.exit(f"{name} is empty")
