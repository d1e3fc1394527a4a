"""Install the lowest versions that pyproject.toml allows and see that they work: ``make test-lowest``.

The lowest release of every direct dependency that its range allows is looked up and pinned; what these depend on is pip's choice.
torch is the exception: constraints.txt keeps its build for CPUs, since other releases would bring gigabytes of CUDA libraries.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
import tomllib

from installed import ROOT, Venv, smoke, timed
from packaging.requirements import Requirement
from packaging.version import Version

KEPT = ("torch",)
TEST_TOOLS = ("pytest", "hypothesis")
TESTS = ("tests/core", "tests/catalog", "tests/analyze", "tests/report", "tests/cli", "tests/telemetry")
"""Fast tests that between them touch every dependency."""
FOLDER = ROOT / "build" / "lowest"


def requirements() -> list[Requirement]:
    """Direct dependencies, and the tools that the tests need."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [Requirement(line) for line in project["dependencies"]]
    dev = [Requirement(line) for line in project["optional-dependencies"]["dev"]]
    return [*wanted, *(one for one in dev if one.name in TEST_TOOLS)]


def lowest(wanted: Requirement) -> str:
    """The lowest release with a wheel for this Python that a requirement allows."""
    words = ["index", "versions", "--only-binary", ":all:", wanted.name]
    told = subprocess.run([sys.executable, "-m", "pip", *words], capture_output=True, text=True, check=False)
    found = re.search(r"Available versions: (.*)", told.stdout)
    versions = [Version(word) for word in found[1].split(", ")] if found else []
    allowed = [version for version in versions if wanted.specifier.contains(version)]
    if not allowed:
        sys.exit(f"{wanted}: no release with a wheel for this Python: {(told.stderr.strip().splitlines() or ['no answer'])[-1]}")
    return f"{wanted.name}=={min(allowed)}"


def pins() -> list[str]:
    """One line for each direct dependency."""
    kept = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line.partition("==")[0] in KEPT]
    return kept + [lowest(one) for one in requirements() if one.name not in KEPT]


def main() -> None:
    """Resolve, install, import, measure, plan, report, test."""
    began_s = time.monotonic()
    pinned = pins()
    print("\n".join(pinned))
    timed("looked up", began_s)
    install_s = time.monotonic()
    shutil.rmtree(FOLDER, ignore_errors=True)
    venv = Venv(FOLDER / "venv")
    listed = FOLDER / "pins.txt"
    listed.write_text("\n".join(pinned) + "\n")
    venv.install("--requirement", str(listed), str(ROOT))
    timed("installed", install_s)
    work = FOLDER / "elsewhere"
    work.mkdir()
    smoke(venv, work=work)
    tests_s = time.monotonic()
    print(venv.run("python", "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS, cwd=ROOT).strip().splitlines()[-1])
    timed("tests", tests_s)
    timed("in all", began_s)


if __name__ == "__main__":
    main()
