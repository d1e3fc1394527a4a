"""Seconds to simulate 10,000 requests of continuous batching, and how many times faster per request that is than Vidur.

    python benchmarks/serving_speed.py
    python benchmarks/serving_speed.py --vidur VENV/bin/python      # an interpreter that has vidur==0.0.26

The second form runs the same load (same lengths, Poisson arrivals at the same rate, same step-time formula, token budget, places
and KV blocks) through Vidur's own simulator (Sarathi scheduler: chunked prefill, iteration level) on the same machine, in turns
with ours. Vidur's predictor is replaced by the step-time formula and its plots, traces and files are off, so that only its event
loop, scheduler and request accounting are timed: the ratio is the least that a user would see. Its start-up (imports, training of
the predictor) is not counted, ours neither; the ratio is of CPU seconds, which a busy machine does not bend. Our seconds include drawing the requests, all percentiles and the check of Little's
law.
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

NUM_REQUESTS = 10_000
NUM_REQUESTS_VIDUR = 1_000
REPEATS = 5
REPEATS_VIDUR = 3
TARGET_S = 5.0
TARGET_RATIO = 20.0

WEIGHTS_S, PER_TOKEN_S, PER_CONTEXT_S, PER_PAIR_S, OVERHEAD_S = 5.0e-3, 3.0e-5, 4.0e-8, 5.0e-10, 1.0e-3
"""An 8-billion-parameter model in bf16 on an 80 GB accelerator, roughly."""
INPUT_TOKENS, OUTPUT_TOKENS = 1024, 256
BUDGET, PLACES, KV_TOKENS, BLOCK = 2048, 128, 400_000, 16
RATES = (1.0, 10.0, 16.0)
"""Requests per second: nearly idle, busy, and close to what the server can do."""


def ours(rate_per_s: float, *, num_requests: int) -> tuple[float, float]:
    """Seconds and CPU seconds to simulate that many requests with aigc-bench, all figures included."""
    from aigc_bench.predict.serving.arrivals import Arrivals, Traffic
    from aigc_bench.predict.serving.capacity import simulate
    from aigc_bench.predict.serving.lengths import FixedLength
    from aigc_bench.predict.serving.server import ServerModel, Slo
    from aigc_bench.predict.serving.step_time import StepTime

    step_time = StepTime.roofline(
        weights_s=WEIGHTS_S, per_token_s=PER_TOKEN_S, per_context_s=PER_CONTEXT_S, per_pair_s=PER_PAIR_S, overhead_s=OVERHEAD_S
    )
    server = ServerModel(
        step_time=step_time,
        max_num_seqs=PLACES,
        max_num_batched_tokens=BUDGET,
        kv_capacity_tokens=KV_TOKENS,
        block_size=BLOCK,
    )
    traffic = Traffic(
        arrivals=Arrivals(rate_per_s=rate_per_s),
        input_tokens=FixedLength(tokens=INPUT_TOKENS),
        output_tokens=FixedLength(tokens=OUTPUT_TOKENS),
        num_requests=num_requests,
    )
    started, started_cpu = time.perf_counter(), time.process_time()
    result = simulate(server, traffic, slo=Slo(ttft_s=0.5, tpot_s=0.05))
    seconds, cpu_s = time.perf_counter() - started, time.process_time() - started_cpu
    assert result.littles_law.error < 1e-6 and result.num_refused == 0
    return seconds, cpu_s


def vidur(rate_per_s: float, *, num_requests: int, folder: str) -> dict[str, float]:
    """CPU seconds of Vidur's event loop for the same load; runs in an interpreter that has Vidur and not us."""
    from vidur._native.entities import ExecutionTime
    from vidur.config import config as settings
    from vidur.execution_time_predictor.execution_time_predictor_registry import ExecutionTimePredictorRegistry
    from vidur.simulator import Simulator
    from vidur.types import ExecutionTimePredictorType
    from vidur.utils.random import set_seeds

    class Formula:
        def __init__(self, **_: object) -> None:
            self.layers = 32

        def get_execution_time(self, batch: object, _stage: int) -> object:
            tokens = batch.total_num_q_tokens
            context = pairs = 0
            for queries, keys in zip(batch.num_q_tokens, batch.num_kv_tokens, strict=True):
                if queries == 1:
                    context += keys
                else:
                    pairs += queries * (keys - queries) + queries * (queries + 1) // 2
            seconds = max(WEIGHTS_S, PER_TOKEN_S * tokens) + PER_CONTEXT_S * context + PER_PAIR_S * pairs + OVERHEAD_S
            return ExecutionTime(self.layers, 0, 0, seconds * 1e3 / self.layers, *[0.0] * 11)

    ExecutionTimePredictorRegistry._registry[ExecutionTimePredictorType.RANDOM_FORREST] = Formula
    set_seeds(0)
    config = settings.SimulationConfig(
        log_level="error",
        cluster_config=settings.ClusterConfig(
            replica_config=settings.ReplicaConfig(num_pipeline_stages=1, tensor_parallel_size=1),
            cache_config=settings.CacheConfig(block_size=BLOCK, num_blocks=KV_TOKENS // BLOCK),
            replica_scheduler_config=settings.SarathiSchedulerConfig(chunk_size=BUDGET, batch_size_cap=PLACES),
        ),
        request_generator_config=settings.SyntheticRequestGeneratorConfig(
            length_generator_config=settings.FixedRequestLengthGeneratorConfig(
                prefill_tokens=INPUT_TOKENS, decode_tokens=OUTPUT_TOKENS
            ),
            interval_generator_config=settings.PoissonRequestIntervalGeneratorConfig(qps=rate_per_s),
            num_requests=num_requests,
        ),
        metrics_config=settings.MetricsConfig(write_metrics=False, enable_chrome_trace=False, store_plots=False, output_dir=folder),
    )
    simulator = Simulator(config)
    simulator._write_output = lambda: None
    started = time.process_time()
    simulator.run()
    return {"cpu_s": time.process_time() - started, "simulated_s": simulator._time}


def ask_vidur(python: str, *, rate_per_s: float) -> dict[str, float]:
    """Run ``vidur`` in the other interpreter; its last line is the answer."""
    with tempfile.TemporaryDirectory() as folder:
        command = [python, str(Path(__file__).resolve()), "--as-vidur", str(rate_per_s), "--folder", folder]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    if done.returncode:
        sys.exit(f"Vidur did not run: {done.stderr.strip().splitlines()[-1:]}")
    answer: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


def main() -> int:
    """Print the table; 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vidur", metavar="PYTHON", help="an interpreter that has vidur==0.0.26")
    parser.add_argument("--as-vidur", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.as_vidur is not None:
        print(json.dumps(vidur(options.as_vidur, num_requests=NUM_REQUESTS_VIDUR, folder=options.folder)))
        return 0
    print(f"{INPUT_TOKENS} tokens in, {OUTPUT_TOKENS} out, {PLACES} places, budget {BUDGET}; median of {REPEATS}")
    is_good = True
    for rate_per_s in RATES:
        seconds, cpu, theirs = [], [], []
        for repeat in range(REPEATS):
            wall_s, cpu_s = ours(rate_per_s, num_requests=NUM_REQUESTS)
            seconds.append(wall_s)
            cpu.append(cpu_s)
            if options.vidur and repeat < REPEATS_VIDUR:
                theirs.append(ask_vidur(options.vidur, rate_per_s=rate_per_s)["cpu_s"])
        each_s = statistics.median(cpu) / NUM_REQUESTS
        is_good &= max(seconds) <= TARGET_S
        line = (
            f"{rate_per_s:5.1f} requests/s: {statistics.median(seconds):5.2f} s (worst {max(seconds):.2f} s, CPU {statistics.median(cpu):.2f} s)"
            f" per {NUM_REQUESTS} requests = {1 / each_s:,.0f} requests per CPU second"
        )
        if theirs:
            their_s = statistics.median(theirs) / NUM_REQUESTS_VIDUR
            is_good &= their_s / each_s >= TARGET_RATIO
            line += f"; Vidur {their_s * 1e3:.2f} ms of CPU per request, {their_s / each_s:.0f} times ours"
        print(line)
    print(f"targets (at most {TARGET_S:.0f} s, at least {TARGET_RATIO:.0f} times Vidur): {'met' if is_good else 'MISSED'}")
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
