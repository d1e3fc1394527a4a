"""What ``aigc-bench --help`` costs over ``python -c "import click"``, in CPU time (user and system), interleaved pairs.

    python benchmarks/help_cost.py [PAIRS]

Exit 1 where the median ratio is above the bound.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys

BOUND = 1.5
BASE = (sys.executable, "-c", "import click")
HELP = (sys.executable, "-c", "import sys; from aigc_bench.cli import main; sys.exit(main(['--help']))")


def cpu_s(command: tuple[str, ...]) -> float:
    """CPU seconds, user and system, of a command that must succeed."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(command)}: exit {process.returncode}")
    return usage.ru_utime + usage.ru_stime


def main() -> int:
    """Measure and print."""
    num_pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    cpu_s(BASE), cpu_s(HELP)  # byte-compile and warm the page cache
    pairs = [(cpu_s(BASE), cpu_s(HELP)) for _ in range(num_pairs)]
    ratio = statistics.median(help_s / base_s for base_s, help_s in pairs)
    base_ms, help_ms = (1e3 * statistics.median(column) for column in zip(*pairs, strict=True))
    print(f"import click {base_ms:.0f} ms, aigc-bench --help {help_ms:.0f} ms of CPU (medians of {num_pairs} pairs)")
    print(f"ratio {ratio:.2f}, bound {BOUND}")
    return 0 if ratio <= BOUND else 1


if __name__ == "__main__":
    sys.exit(main())
