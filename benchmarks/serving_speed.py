"""Seconds to simulate 10,000 requests of continuous batching, and how many times faster per request that is than Vidur.

    python benchmarks/serving_speed.py
    python benchmarks/serving_speed.py --vidur VENV/bin/python      # an interpreter that has vidur==0.0.26

The second form sends the very same requests (moments and lengths) through Vidur's own simulator, with the same step-time formula,
token budget, places and KV blocks (its Sarathi scheduler: chunked prefill, one event per iteration), on the same machine, in turns
with ours. Vidur's predictor is replaced by the formula, and its metrics, plots, traces and files are off, so that only its event
loop, scheduler and request accounting are timed: the ratio is the least that a user would see. Start-up is counted on neither
side; ours includes drawing the requests, all percentiles and the check of Little's law. The ratio is one of CPU seconds, since
both use one core. Last comes how far apart the two are in mean TTFT and mean end-to-end latency of the same requests.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

NUM_REQUESTS, REPEATS = 10_000, 5
NUM_REQUESTS_VIDUR, REPEATS_VIDUR = 1_000, 3
TARGET_S, TARGET_RATIO = 5.0, 20.0
RATES = (1.0, 8.0, 14.0)
"""Requests per second: nearly idle, busy, and close to what the server can do."""

WEIGHTS_S, PER_TOKEN_S, PER_CONTEXT_S, PER_PAIR_S, OVERHEAD_S = 5.0e-3, 3.0e-5, 4.0e-8, 5.0e-10, 1.0e-3
"""An 8-billion-parameter model in bf16 on an 80 GB accelerator, roughly."""
BUDGET, PLACES, KV_TOKENS, BLOCK, MAX_TOKENS = 2048, 128, 400_000, 16, 4096


def load(rate_per_s: float, *, num_requests: int) -> Any:
    """Poisson arrivals; prompts of 1,024 and answers of 256 tokens on average, lognormal."""
    from aigc_bench.predict.serving.lengths import LognormalLength
    from aigc_bench.predict.serving.request_arrivals import Arrivals, Traffic

    return Traffic(
        arrivals=Arrivals(rate_per_s=rate_per_s),
        input_tokens=LognormalLength(mean=1024, cv=0.8, maximum=MAX_TOKENS - 1024),
        output_tokens=LognormalLength(mean=256, cv=0.8, maximum=1024),
        num_requests=num_requests,
    )


def ours(rate_per_s: float, *, num_requests: int) -> dict[str, float]:
    """Simulate that many requests with aigc-bench, all figures included."""
    from aigc_bench.predict.serving.capacity import simulate
    from aigc_bench.predict.serving.server_model import ServerModel, Slo
    from aigc_bench.predict.serving.step_time import StepTime

    step_time = StepTime.roofline(
        weights_s=WEIGHTS_S, per_token_s=PER_TOKEN_S, per_context_s=PER_CONTEXT_S, per_pair_s=PER_PAIR_S, overhead_s=OVERHEAD_S
    )
    limits = {"max_num_seqs": PLACES, "max_num_batched_tokens": BUDGET, "kv_capacity_tokens": KV_TOKENS, "block_size": BLOCK}
    server = ServerModel(step_time=step_time, **limits)
    traffic = load(rate_per_s, num_requests=num_requests)
    started, started_cpu = time.perf_counter(), time.process_time()
    result = simulate(server, traffic, slo=Slo(ttft_s=0.5, tpot_s=0.05), warmup=0, cooldown=0)
    wall_s, cpu_s = time.perf_counter() - started, time.process_time() - started_cpu
    assert result.littles_law.error < 1e-6 and result.num_refused == 0
    return {"wall_s": wall_s, "cpu_s": cpu_s, "ttft_s": result.ttft.mean, "latency_s": result.latency.mean}


class Formula:
    """Stands in for Vidur's predictor: the step-time formula, as a time per layer in milliseconds."""

    layers = 32

    def __init__(self, **_: object) -> None:
        from vidur._native.entities import ExecutionTime

        self.execution_time = ExecutionTime

    def get_execution_time(self, batch: Any, _stage: int) -> Any:
        """Vidur's record of the time of one iteration."""
        context = pairs = 0
        for queries, keys in zip(batch.num_q_tokens, batch.num_kv_tokens, strict=True):
            if queries == 1:
                context += keys
            else:
                pairs += queries * (keys - queries) + queries * (queries + 1) // 2
        seconds = max(WEIGHTS_S, PER_TOKEN_S * batch.total_num_q_tokens) + PER_CONTEXT_S * context + PER_PAIR_S * pairs + OVERHEAD_S
        return self.execution_time(self.layers, 0, 0, seconds * 1e3 / self.layers, *[0.0] * 11)


def vidur(requests: list[list[float]], *, folder: str) -> dict[str, float]:
    """Send the requests (moment, input, output) through Vidur; runs in an interpreter that has Vidur and not us."""
    from vidur.config import config as settings
    from vidur.entities import Request
    from vidur.execution_time_predictor.execution_time_predictor_registry import ExecutionTimePredictorRegistry
    from vidur.request_generator import RequestGeneratorRegistry
    from vidur.simulator import Simulator
    from vidur.types import ExecutionTimePredictorType, RequestGeneratorType

    sent = [Request(moment, int(inputs), int(outputs)) for moment, inputs, outputs in requests]
    generator = type("Replay", (), {"__init__": lambda self, _: None, "generate": lambda self: sent})
    ExecutionTimePredictorRegistry._registry[ExecutionTimePredictorType.RANDOM_FORREST] = Formula
    RequestGeneratorRegistry._registry[RequestGeneratorType.SYNTHETIC] = generator
    lengths = settings.FixedRequestLengthGeneratorConfig(max_tokens=MAX_TOKENS)
    config = settings.SimulationConfig(
        log_level="error",
        cluster_config=settings.ClusterConfig(
            replica_config=settings.ReplicaConfig(num_pipeline_stages=1, tensor_parallel_size=1),
            cache_config=settings.CacheConfig(block_size=BLOCK, num_blocks=KV_TOKENS // BLOCK),
            replica_scheduler_config=settings.SarathiSchedulerConfig(chunk_size=BUDGET, batch_size_cap=PLACES),
        ),
        request_generator_config=settings.SyntheticRequestGeneratorConfig(length_generator_config=lengths),
        metrics_config=settings.MetricsConfig(write_metrics=False, enable_chrome_trace=False, store_plots=False, output_dir=folder),
    )
    simulator = Simulator(config)
    simulator._write_output = lambda: None
    started = time.process_time()
    simulator.run()
    return {
        "cpu_s": time.process_time() - started,
        "ttft_s": statistics.fmean(request.prefill_completed_at - request.arrived_at for request in sent),
        "latency_s": statistics.fmean(request.e2e_time for request in sent),
    }


def ask_vidur(python: str, *, rate_per_s: float) -> dict[str, float]:
    """Run ``vidur`` in the other interpreter; its last line is the answer."""
    from aigc_bench.predict.serving.request_arrivals import draw_requests

    drawn = draw_requests(load(rate_per_s, num_requests=NUM_REQUESTS_VIDUR))
    columns = (drawn.arrival_s.tolist(), drawn.input_tokens.tolist(), drawn.output_tokens.tolist())
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "requests.json").write_text(json.dumps(list(zip(*columns, strict=True))))
        command = [python, str(Path(__file__).resolve()), "--as-vidur", folder]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    if done.returncode:
        sys.exit(f"Vidur did not run: {done.stderr.strip()[-500:]}")
    answer: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


def report(rate_per_s: float, *, python: str | None) -> bool:
    """Print one line of the table; whether its targets are met."""
    runs, theirs = [], []
    for repeat in range(REPEATS):
        runs.append(ours(rate_per_s, num_requests=NUM_REQUESTS))
        if python and repeat < REPEATS_VIDUR:
            theirs.append(ask_vidur(python, rate_per_s=rate_per_s))
    wall_s, cpu_s = (statistics.median(run[key] for run in runs) for key in ("wall_s", "cpu_s"))
    worst_s = max(run["wall_s"] for run in runs)
    print(
        f"{rate_per_s:5.1f} requests/s: {wall_s:.2f} s (worst {worst_s:.2f} s, CPU {cpu_s:.2f} s) per {NUM_REQUESTS:,} requests",
        end="",
    )
    print(f", {NUM_REQUESTS / cpu_s:,.0f} requests per CPU second", end="")
    if not theirs:
        print()
        return worst_s <= TARGET_S
    each_s = statistics.median(run["cpu_s"] for run in theirs) / NUM_REQUESTS_VIDUR
    ratio = each_s / (cpu_s / NUM_REQUESTS)
    same = ours(rate_per_s, num_requests=NUM_REQUESTS_VIDUR)
    apart = {name: same[name] / theirs[0][name] - 1 for name in ("ttft_s", "latency_s")}
    print(f"; Vidur {each_s * 1e3:.2f} ms of CPU per request, {ratio:.0f} times ours", end="")
    print(f"; ours against Vidur: mean TTFT {apart['ttft_s']:+.1%}, mean latency {apart['latency_s']:+.1%}")
    return worst_s <= TARGET_S and ratio >= TARGET_RATIO


def main() -> int:
    """Print the table; 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vidur", metavar="PYTHON", help="an interpreter that has vidur==0.0.26")
    parser.add_argument("--as-vidur", metavar="FOLDER", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.as_vidur is not None:
        requests = json.loads((Path(options.as_vidur) / "requests.json").read_text())
        print(json.dumps(vidur(requests, folder=options.as_vidur)))
        return 0
    print(f"{PLACES} places, budget of {BUDGET} tokens, {KV_TOKENS:,} tokens of KV cache; medians of {REPEATS} runs")
    reports = [report(rate_per_s, python=options.vidur) for rate_per_s in RATES]
    is_good = all(reports)
    against = f", at least {TARGET_RATIO:.0f} times Vidur" if options.vidur else ""
    print(f"targets (at most {TARGET_S:.0f} s{against}): {'met' if is_good else 'MISSED'}")
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
