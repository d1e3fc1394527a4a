"""Do the plans that are recommended hold in the simulation? Seeded demands for chat, planned and replayed with another seed.

    python benchmarks/replay_attainment.py --demands 100

A demand counts as held where the share of requests in time is at least the required percentile minus one point, in a replay with a
seed that the planner did not see.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.plan.demand.demand_reader import read_demand
from aigc_bench.plan.full_plan import full_plan
from aigc_bench.plan.planner import plan_demand
from aigc_bench.plan.records.rules import rules_from
from aigc_bench.plan.replay.replayer import Replayer
from aigc_bench.predict.serving.from_model import ServiceModel

DEMAND = """
name = "chat"
[[service]]
name = "chat"
workload = "gpt"
preset = "llama-3.1-{size}b"
rate = {rate}
input_tokens = {prompt}
output_tokens = {answer}
[service.slo]
ttft = "{ttft}s"
tpot = {tpot}
percentile = {percentile}
"""


def demand_text(seed: int) -> str:
    """A demand drawn from the seed."""
    random = np.random.default_rng(seed)
    return DEMAND.format(
        size=int(random.choice([8, 70])),
        rate=float(np.exp(random.uniform(np.log(0.2), np.log(80)))),
        prompt=int(random.integers(100, 3000)),
        full_plan=int(random.integers(50, 600)),
        ttft=float(random.uniform(0.8, 4)),
        tpot=float(random.uniform(0.02, 0.1)),
        percentile=float(random.choice([90, 95, 99])),
    )


def main() -> None:
    """Print the shares before and after the simulation took part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--demands", type=int, default=100)
    count = parser.parse_args().demands
    catalogue = load_catalogue(with_user_files=False)
    rules, model, began = rules_from(catalogue), ServiceModel(catalogue), time.process_time()
    analytic, held, planned, marked, grown = 0, 0, 0, 0, 0
    for seed in range(count):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "demand.toml"
            file.write_text(demand_text(seed))
            demand = read_demand(file, catalogue=catalogue)
        other = Replayer(demand=demand, rules=rules, catalogue=catalogue, model=model, seed=1000 + seed)
        first, best = plan_demand(demand, catalogue=catalogue).recommended, full_plan(demand, catalogue=catalogue).recommended
        if best is None or first is None or best.kind == "api" or first.kind == "api":
            continue
        planned += 1
        marked += best.replay is not None and not best.replay.is_met
        grown += best.replay is not None and bool(best.replay.added_machines)
        for option, add in ((first, "analytic"), (best, "held")):
            found = other.replay(option)
            assert found is not None, "what is bought or rented is replayed"
            is_held = all((one.simulated_share or 0.0) >= one.asked_share - 0.01 for one in found.services)
            analytic, held = analytic + (is_held and add == "analytic"), held + (is_held and add == "held")
    print(
        f"{planned} of {count} demands are met by machines; {time.process_time() - began:.0f} s of CPU, with both plans and replays"
    )
    print(f"formulae alone     {analytic} held, {analytic / planned:.1%}")
    print(f"after simulation   {held} held, {held / planned:.1%}; {grown} grown, {marked} marked as not confirmed")


if __name__ == "__main__":
    main()
