"""What it costs that every number of a plan records what it was computed from, in CPU time of whole plans, interleaved pairs.

    python benchmarks/provenance.py [PAIRS] [DEMAND.toml]

Each pair plans the same demand with recording and without; which one comes first changes from pair to pair. Exit 1 where the
median ratio is above the bound.
"""

from __future__ import annotations

import gc
import statistics
import sys
import time
from pathlib import Path

from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.core.derivation import unrecorded
from aigc_bench.plan.demand.demand_reader import read_demand
from aigc_bench.plan.full_plan import full_plan

BOUND = 1.1
DEMAND = Path(__file__).resolve().parent.parent / "examples" / "chat-70b.toml"


def cpu_s(file: Path, *, is_recorded: bool) -> float:
    """CPU seconds of one plan, from the demand's file on."""
    catalogue = load_catalogue(with_user_files=False)
    gc.collect()
    begun = time.process_time()
    if is_recorded:
        full_plan(read_demand(file, catalogue=catalogue), catalogue=catalogue)
    else:
        with unrecorded():
            full_plan(read_demand(file, catalogue=catalogue), catalogue=catalogue)
    return time.process_time() - begun


def main() -> int:
    """Measure and print."""
    num_pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    file = Path(sys.argv[2]) if len(sys.argv) > 2 else DEMAND
    cpu_s(file, is_recorded=True), cpu_s(file, is_recorded=False)  # trace the models and fill the caches
    pairs: list[tuple[float, float]] = []
    for number in range(num_pairs):
        found = {is_recorded: cpu_s(file, is_recorded=is_recorded) for is_recorded in (number % 2 == 0, number % 2 == 1)}
        pairs.append((found[True], found[False]))
    ratio = statistics.median(recorded / plain for recorded, plain in pairs)
    recorded_s, plain_s = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(f"{file.name}: {recorded_s:.2f} s of CPU recorded, {plain_s:.2f} s unrecorded (medians of {num_pairs} pairs)")
    print(f"ratio {ratio:.3f}, bound {BOUND}")
    return 0 if ratio <= BOUND else 1


if __name__ == "__main__":
    sys.exit(main())
