"""Do plans keep what they promise? Seeded demands, planned, then replayed and priced with draws that the planner did not see.

    python benchmarks/replay_attainment.py --demands 100 --save attainment.jsonl

Of every recommended option four promises are checked:

    attainment   share of requests in time in a replay with another seed, at least the required percentile
    interval     share of requests in time at a speed drawn from the predictor's interval and with other requests, within the 80 %
                 interval of the plan
    costs        share of 1,000 scenarios drawn apart whose total cost lies within the plan's P10 to P90
    rank         it costs least by ``constraints.risk`` among the options that are accepted and confirmed, and none that is cheaper
                 was left undecided

A share of requests ends at 1: where the fast end of the interval is 1 a faster draw ties with it, so intervals that end there hold
more than 80 % of the draws. Both counts are printed. Results are appended to ``--save`` one demand at a time; a second call goes on
from there.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from aigc_bench.catalog.loader import Catalogue, load_catalogue
from aigc_bench.plan.demand.demand_reader import read_demand
from aigc_bench.plan.full_plan import full_plan
from aigc_bench.plan.options.measure import measure_of
from aigc_bench.plan.records.plan import Option, Plan
from aigc_bench.plan.replay.replayer import Replayer
from aigc_bench.plan.replay.services import ReplayedPeak, simulated
from aigc_bench.plan.risk.analysis import context_of
from aigc_bench.plan.risk.probabilities import sampled_option
from aigc_bench.plan.risk.scenarios import drifts_from
from aigc_bench.plan.stats.distributions import Z_P90
from aigc_bench.predict.serving.capacity import Server
from aigc_bench.predict.serving.from_model import ServiceModel

CHAT = """
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
IMAGES = """
name = "images"
[[service]]
name = "images"
workload = "latent_diffusion"
preset = "sdxl"
rate = {rate}
settings = {{ num_inference_steps = {steps}, resolution = 1024 }}
[service.slo]
latency = "{latency}s"
percentile = {percentile}
"""
IMAGES_EVERY = 5
"""Every fifth demand is for images, which are answered in whole batches; the others are for chat, answered step by step."""
NUM_COSTS = 1000
APART = 1000
"""Seeds of replays, draws and scenarios are this much above those of the plan, so that none is shared."""


def demand_text(seed: int) -> str:
    """Return a demand drawn from the seed."""
    random = np.random.default_rng(seed)
    percentile = float(random.choice([90, 95, 99]))
    if seed % IMAGES_EVERY == IMAGES_EVERY - 1:
        return IMAGES.format(
            rate=float(np.exp(random.uniform(np.log(0.02), np.log(5)))),
            steps=int(random.integers(20, 50)),
            latency=float(random.uniform(15, 90)),
            percentile=percentile,
        )
    return CHAT.format(
        size=int(random.choice([8, 70])),
        rate=float(np.exp(random.uniform(np.log(0.2), np.log(80)))),
        prompt=int(random.integers(100, 3000)),
        answer=int(random.integers(50, 600)),
        ttft=float(random.uniform(0.8, 4)),
        tpot=float(random.uniform(0.02, 0.1)),
        percentile=percentile,
    )


def drawn_server(peak: ReplayedPeak, z: float) -> Server:
    """Return the server whose speed lies ``z`` standard deviations above the likely one, log-normal between the interval's ends."""
    likely, end = peak.servers.likely, peak.servers.fast if z > 0 else peak.servers.slow
    return likely.model_validate(_between(likely.model_dump(), end.model_dump(), abs(z) / Z_P90))


def _between(middle: object, end: object, share: float) -> object:
    """Return values ``share`` of the way from the middle to the end, in logarithms; all else as in the middle."""
    if isinstance(middle, dict) and isinstance(end, dict):
        return {key: _between(value, end[key], share) for key, value in middle.items()}
    if isinstance(middle, list | tuple) and isinstance(end, list | tuple):
        return [_between(one, other, share) for one, other in zip(middle, end, strict=True)]
    if not isinstance(middle, int | float) or not isinstance(end, int | float) or middle == end or middle <= 0 or end <= 0:
        return middle
    found = middle * (end / middle) ** share
    return max(1, round(found)) if isinstance(middle, int) else found


def promises(seed: int, catalogue: Catalogue) -> dict[str, object]:
    """Return what a demand's recommendation promised and what came of it."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "demand.toml"
        file.write_text(demand_text(seed))
        demand = read_demand(file, catalogue=catalogue)
    plan = full_plan(demand, catalogue=catalogue)
    best = plan.recommended
    if best is None or best.kind == "api" or best.replay is None:
        return {"seed": seed, "recommended": None if best is None else best.kind}
    other = Replayer(demand=demand, rules=plan.rules, catalogue=catalogue, model=ServiceModel(catalogue), seed=APART + seed)
    promised, peak = best.replay.services[0], next(other.peaks(best))
    # One simulation: a replay near the required share states the worst of several, which would count against the plan.
    again = simulated(peak, peak.servers.likely, num_replicas=peak.num_replicas)
    z = float(np.random.default_rng(APART + seed).standard_normal())
    drawn = simulated(replace(peak, seed=2 * APART + seed), drawn_server(peak, z), num_replicas=peak.num_replicas)
    context = context_of(demand, plan.rules, drifts_from(catalogue), num=NUM_COSTS, seed=APART + seed)
    costs = sampled_option(best, context).cost.tco
    return {
        "seed": seed,
        "recommended": best.kind,
        "asked": promised.asked_share,
        "replayed": again.goodput_share,
        "interval": promised.share_interval,
        "z": z,
        "drawn": drawn.goodput_share,
        "cost_held": float(np.mean((costs >= (best.cost_p10_usd or 0.0)) & (costs <= (best.cost_p90_usd or 0.0)))),
        "is_least": is_least(plan, best),
    }


def is_least(plan: Plan, best: Option) -> bool:
    """Return whether no option that may be recommended, or that was left undecided, costs less by the plan's measure."""
    risk = plan.demand.constraints.risk
    rivals = [one for one in plan.options if one.accepted and one.confirmed is not False and not one.misses_confidence]
    return bool(best.accepted and best.confirmed) and all(measure_of(best, risk) <= measure_of(one, risk) for one in rivals)


def summary(rows: list[dict[str, object]]) -> str:
    """Return the counts of what was kept."""
    met = [row for row in rows if row.get("replayed") is not None]
    lines = [f"{len(met)} of {len(rows)} demands are met by machines that are simulated"]
    if not met:
        return lines[0]
    held = sum(row["replayed"] >= row["asked"] for row in met)  # type: ignore[operator]
    within = sum(row["replayed"] >= row["asked"] - 0.01 for row in met)  # type: ignore[operator]
    lines.append(f"attainment   {held} at least as asked, {within} within a point of sampling error")
    inside = [row["interval"][0] <= row["drawn"] <= row["interval"][1] for row in met]  # type: ignore[index, operator]
    open_ended = [row["interval"][1] < 1 for row in met]  # type: ignore[index]
    lines.append(f"interval     {sum(inside)} hold the drawn value, {sum(inside) / len(met):.0%}")
    alone = [one for one, is_open in zip(inside, open_ended, strict=True) if is_open]
    lines.append(f"             of {len(alone)} that end below 100 %: {sum(alone)}")
    shares = [float(row["cost_held"]) for row in met]  # type: ignore[arg-type]
    good = sum(0.76 <= share <= 0.84 for share in shares)
    spread = f"{min(shares):.1%} to {max(shares):.1%}"
    lines.append(f"costs        {np.mean(shares):.1%} of scenarios in the mean, {spread}; {good} within 76-84 %")
    lines.append(f"rank         {sum(bool(row['is_least']) for row in met)} are the least by their measure")
    return "\n".join(lines)


def main() -> None:
    """Print how many promises were kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--demands", type=int, default=100)
    parser.add_argument("--first", type=int, default=0, help="seed of the first demand, so that two processes can share the work")
    parser.add_argument("--save", type=Path, help="JSON lines, one a demand; those that are there are not planned again")
    given = parser.parse_args()
    rows = [json.loads(line) for line in given.save.read_text().splitlines()] if given.save and given.save.exists() else []
    known, catalogue = {row["seed"] for row in rows}, load_catalogue(with_user_files=False)
    for seed in range(given.first, given.first + given.demands):
        if seed in known:
            continue
        row = promises(seed, catalogue)
        rows.append(row)
        if given.save:
            with given.save.open("a") as file:
                file.write(json.dumps(row) + "\n")
    sys.stdout.write(summary(rows) + "\n")


if __name__ == "__main__":
    main()
