"""Recorded requests, which ``predict --scenario server --trace`` replays."""

from __future__ import annotations

import json
import random
from pathlib import Path

from tests.fuzz import cells, raw
from tests.fuzz.kinds import Kind
from tests.fuzz.outcome import Files

FILE = "trace.csv"
EXAMPLES: tuple[cells.Table, ...] = (
    [["arrival_s", "input_tokens", "output_tokens"], *([str(0.3 * n), str(100 + n), str(20 + n % 7)] for n in range(30))],
    [
        ["TIMESTAMP", "ContextTokens", "GeneratedTokens"],
        *([f"2023-11-16 18:{n:02d}:03.9799600", str(374 + n), "44"] for n in range(20)),
    ],
    [
        ["Timestamp", "Model", "Request tokens", "Response tokens", "Total tokens"],
        *([str(5 * n), "ChatGPT", "472", str(n), "490"] for n in range(20)),
    ],
    [["timestamp", "input_length", "output_length"], *([str(27482 * n), "6758", "500"] for n in range(12))],
    [["arrival_ms", "input_tokens", "output_tokens"], *([str(250.5 * n), "67", "50"] for n in range(12))],
    [["input_tokens", "output_tokens"], *([str(10 * n + 1), "7"] for n in range(9))],
    [["arrived_at", "num_prefill_tokens", "num_decode_tokens"], *([f"2024-05-0{1 + n}T00:00:00Z", "50", "60"] for n in range(8))],
)


def make(draw: random.Random) -> Files:
    """A trace of one of the known schemas with changes."""
    table = cells.changed_table(draw.choice(EXAMPLES), draw=draw)
    content = cells.as_csv(table, draw=draw)
    if table and draw.random() < 0.2:
        # As Mooncake publishes it. Cells stay texts where they are no numbers.
        content = "".join(f"{json.dumps(dict(zip(table[0], map(_value, row), strict=False)))}\n" for row in table[1:]).encode()
    if draw.random() < 0.15:
        content = raw.broken(content, draw=draw, other=cells.as_csv(draw.choice(EXAMPLES), draw=draw))
    return {FILE: content}


def _value(cell: str) -> object:
    try:
        return json.loads(cell)
    except ValueError:
        return cell


def read(folder: Path) -> None:
    """Read the trace and draw from it the requests that a simulation would replay, at its own rate and at another."""
    from aigc_bench.predict.serving.request_arrivals import Arrivals, Traffic, draw_requests
    from aigc_bench.predict.serving.trace_file import read_trace

    trace = read_trace(folder / FILE)
    pattern = "poisson" if trace.arrival_s is None else "trace"
    for rate in (None, 3.0):
        if rate is None and trace.arrival_s is None:
            continue
        traffic = Traffic(arrivals=Arrivals(pattern=pattern, rate_per_s=rate), num_requests=100, trace=trace)
        requests = draw_requests(traffic)
        assert (requests.arrival_s >= 0).all() and (requests.input_tokens >= 1).all(), "moments from 0 on, and no empty request"


_WHAT = ("predict", "gpt/llama-3.1-8b", "-a", "h100", "--engine", "vllm", "--scenario", "server", "--trace", "{}/trace.csv")
KINDS = (
    Kind(
        name="trace",
        title="recorded requests",
        make=make,
        read=read,
        commands=((*_WHAT,), (*_WHAT, "--rate", "2", "--requests", "200", "--json")),
    ),
)
