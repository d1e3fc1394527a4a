"""How fast demands are planned: seconds and candidates a second for every example, on the cores at hand.

    python benchmarks/planner.py [DEMAND.toml ...]

The first plan of a family traces its model once; the second is what counts, with traces cached.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.core.errors import UsageError
from aigc_bench.plan.demand.demand_reader import read_demand
from aigc_bench.plan.hardware.hosts import hosts, specs_of
from aigc_bench.plan.planner import plan_demand
from aigc_bench.plan.search.load_candidates import Models, candidates_for
from aigc_bench.predict.fitting.calibration import shipped_calibration

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


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
        plan_demand(demand, catalogue=catalogue)
        begun = time.perf_counter()
        found = [candidates_for(workload, specs, models) for workload in (*demand.services, *demand.jobs)]
        searched = time.perf_counter()
        plan = plan_demand(demand, catalogue=catalogue)
        done = time.perf_counter()
        rate = sum(len(one) for one in found if one is not None) / (searched - begun)
        figures = f"{done - searched:6.2f} s  {plan.num_candidates:7,} candidates  {rate:9,.0f} /s  {len(plan.options)} options"
        sys.stdout.write(f"{file.name:<24} {figures}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
