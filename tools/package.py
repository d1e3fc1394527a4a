"""Build the wheel and the sdist, look at what is in them, install the wheel outside this tree and use it there: ``make package``.

The wheel is built from the sdist, and once more from the tree: both must hold the same files, so that a packager builds
what we test. The environment is a new one with the versions of constraints.txt; nothing in it comes from this project's own.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path

from installed import ROOT, Venv, smoke, timed

PACKAGE = "aigc_bench"
SHIPPED = ("profiles", "aigc_bench")
"""Folders whose every tracked file must be in the wheel."""
FOREIGN = ("tests/", "benchmarks/", "tools/", "docs/", ".ci/", ".venv", "__pycache__", ".mypy_cache", "conftest.py")
"""What no wheel may hold."""


def build(out: Path, *words: str) -> None:
    """Build the sdist and from it the wheel, or what ``words`` say, into a folder."""
    done = subprocess.run(
        [sys.executable, "-m", "build", *words, "--outdir", str(out), str(ROOT)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        sys.exit(f"the build failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")


def contents(wheel: Path) -> dict[str, bytes]:
    """The files of a wheel by name, without the list of their own hashes."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist() if not name.endswith("/RECORD")}


def tracked() -> list[str]:
    """What must be in the wheel, by its name there."""
    listed = subprocess.run(["git", "ls-files", *SHIPPED], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        files = [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]
    else:  # an unpacked sdist
        paths = (path for folder in SHIPPED for path in (ROOT / folder).rglob("*"))
        files = [path.relative_to(ROOT).as_posix() for path in paths if path.is_file() and "__pycache__" not in path.parts]
    return [f"{PACKAGE}/{name}" if name.startswith("profiles/") else name for name in files]


def wrong_with(files: Mapping[str, bytes]) -> list[str]:
    """What is missing from a wheel, what is too much in it, and which of its files name this machine."""
    wrong = [f"missing: {name}" for name in tracked() if name not in files]
    wrong += [f"does not belong in a wheel: {name}" for name in files if any(part in name for part in FOREIGN)]
    wrong += [f"does not belong in a wheel: {name}" for name in files if not name.startswith((f"{PACKAGE}/", f"{PACKAGE}-"))]
    places = {str(place).encode() for place in (ROOT, Path.home(), Path(sys.prefix))}
    wrong += [
        f"names this machine: {name} ({place.decode()})"
        for name, content in files.items()
        for place in places
        if len(place) > 5 and place in content  # not "/" or "/root", which are words of every machine
    ]
    return wrong


def main() -> None:
    """Build, look, install, use; ends with 1 and the reason where something is wrong."""
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="aigc-bench-package-") as place:
        folder = Path(place)
        build(folder / "dist")
        build(folder / "tree", "--wheel")
        sdist, wheel = next((folder / "dist").glob("*.tar.gz")), next((folder / "dist").glob("*.whl"))
        from_tree = contents(next((folder / "tree").glob("*.whl")))
        timed("built twice", began_s)
        files = contents(wheel)
        differing = sorted(name for name in {*files, *from_tree} if files.get(name) != from_tree.get(name))
        wrong = [f"not the same from the sdist and from the tree: {name}" for name in differing] + wrong_with(files)
        with tarfile.open(sdist) as archive:
            num_in_sdist = sum(member.isfile() for member in archive)
        if wrong:
            sys.exit("\n".join(wrong[:40]))
        size, digest = wheel.stat().st_size, hashlib.sha256(wheel.read_bytes()).hexdigest()[:12]
        print(f"{wheel.name}: {len(files)} files, {size / 1e6:.1f} MB, sha256 {digest}; {sdist.name}: {num_in_sdist} files")
        install_s = time.monotonic()
        venv = Venv(folder / "venv")
        venv.install("--constraint", str(ROOT / "constraints.txt"), str(wheel))
        timed("installed", install_s)
        (folder / "elsewhere").mkdir()
        smoke(venv, work=folder / "elsewhere")
    timed("in all", began_s)


if __name__ == "__main__":
    main()
