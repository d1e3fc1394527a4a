"""The suite next to busy loops: ``python -m tests.busy [WORDS OF PYTEST]`` runs pytest while two processes compute without end.

The loops are favoured by the scheduler (nice -5) where this user may do that, so that a test that trusts a quiet machine fails.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

NUM_LOOPS = 2
NICENESS = -5
_LOOP = "import os\nparent = os.getppid()\nwhile os.getppid() == parent: pass"
"""Computes until its parent is gone, however that ends."""


@contextmanager
def busy_loops(num: int = NUM_LOOPS) -> Iterator[list[int]]:
    """Keep ``num`` processes computing, and give their process ids."""
    loops = [subprocess.Popen([sys.executable, "-c", _LOOP]) for _ in range(num)]
    try:
        for loop in loops:
            with suppress(PermissionError):
                os.setpriority(os.PRIO_PROCESS, loop.pid, NICENESS)
        yield [loop.pid for loop in loops]
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def main(words: Sequence[str]) -> int:
    """Run pytest with ``words`` next to the loops, and return its exit code."""
    with busy_loops():
        return subprocess.run([sys.executable, "-m", "pytest", *words], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
