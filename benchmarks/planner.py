"""What planning costs: CPU seconds of every example, next to a loop in plain Python that is timed right before and after it.

    python benchmarks/planner.py [DEMAND.toml ...]

The first plan of a family traces its model once; the second is what counts, with traces cached. CPU seconds of a shared core grow
with what its neighbours do, so the ratio to the loop is what can be compared between machines and days.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.core.errors import UsageError
from aigc_bench.plan.demand.demand_reader import read_demand
from aigc_bench.plan.full_plan import full_plan
from aigc_bench.plan.hardware.hosts import hosts, specs_of
from aigc_bench.plan.search.load_candidates import Models, candidates_for
from aigc_bench.predict.fitting.calibration import shipped_calibration

LOOPS = 5_000_000
"""Additions of the reference loop: 0.13 s on the machine of the documented figures (December 2026)."""
EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def reference_s() -> float:
    """Return the CPU seconds of the reference loop."""
    begun, total = time.process_time(), 0
    for number in range(LOOPS):
        total += number
    return time.process_time() - begun


def main() -> int:
    catalogue = load_catalogue(with_user_files=False)
    models = Models(catalogue=catalogue, calibration=shipped_calibration())
    specs = specs_of(hosts(catalogue))
    for file in [Path(name) for name in sys.argv[1:]] or sorted(EXAMPLES.glob("*.toml")):
        try:
            demand = read_demand(file, catalogue=catalogue)
        except UsageError as problem:
            sys.stdout.write(f"{file.name:<24} not planned: {str(problem).splitlines()[0]}\n")
            continue
        full_plan(demand, catalogue=catalogue)
        loop = reference_s()
        begun = time.process_time()
        found = [candidates_for(workload, specs, models) for workload in (*demand.services, *demand.jobs)]
        searched = time.process_time()
        plan = full_plan(demand, catalogue=catalogue)
        done = time.process_time()
        loop = (loop + reference_s()) / 2
        rate = sum(len(one) for one in found if one is not None) / (searched - begun)
        used = f"{done - searched:6.2f} s of CPU  {(done - searched) / loop:5.1f} x the loop of {loop:.2f} s"
        figures = f"{used}  {plan.num_candidates:7,} candidates  {rate:9,.0f} /s  {len(plan.options)} options"
        sys.stdout.write(f"{file.name:<24} {figures}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
