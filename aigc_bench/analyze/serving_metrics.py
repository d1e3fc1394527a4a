"""Metrics of a service under load, besides those that a run also measures (``metrics``): percentiles, queue, goodput, capacity."""

from __future__ import annotations

from collections.abc import Iterator

from aigc_bench.analyze.metric import Better, Kind

Row = tuple[str, str, str, str, Kind, Better | None]

_LATENCIES = {
    "ttft": ("TTFT", "requests of (first token - arrival)", ("mean", "p90", "p95", "p99")),
    "tpot": ("TPOT", "requests of (end - first token) / (output tokens - 1)", ("mean", "p90", "p95", "p99")),
    "itl": ("ITL", "tokens of the time since the sequence's last one", ("mean", "p90", "p95")),
    "latency": ("End-to-end latency", "requests of (end - arrival)", ("mean",)),
    "queueing": ("Queueing", "requests of (first scheduled - arrival)", ("mean", "p50", "p90", "p95", "p99")),
}


def serving_metrics() -> Iterator[Row]:
    """Id, name, unit, formula, kind and better direction of each."""
    for family, (name, of, labels) in _LATENCIES.items():
        for label in labels:
            yield f"{family}_{label}", f"{name} {label}", "s", f"{label} over the measured {of}", "latency", "lower"
    yield from _RATES


_RATES: tuple[Row, ...] = (
    ("arrival_rate", "Arrival rate", "requests/s", "requests that arrive / measured time", "speed", None),
    ("request_throughput", "Requests served", "requests/s", "requests that end / measured time", "speed", "higher"),
    ("input_throughput", "Prompt tokens", "tokens/s", "prompt tokens computed / measured time", "speed", "higher"),
    ("goodput", "Goodput", "requests/s", "requests that keep every bound of the SLO / measured time", "speed", "higher"),
    ("goodput_share", "Goodput share", "fraction", "requests that keep every bound of the SLO / requests", "share", "higher"),
    (
        "highest_rate",
        "Highest rate",
        "requests/s",
        "highest arrival rate that keeps the SLO without a growing queue",
        "speed",
        "higher",
    ),
    ("utilisation", "Utilisation", "fraction", "time in which a server is busy / measured time", "use", None),
    ("mean_batch", "Running batch", "requests", "requests in work, mean over busy time", "use", None),
    ("mean_queue", "Queue", "requests", "requests not yet scheduled, mean over measured time", "use", "lower"),
    ("kv_mean", "KV cache, mean", "fraction", "KV blocks in use / KV blocks, mean over measured time", "use", None),
    ("kv_peak", "KV cache, peak", "fraction", "most KV blocks in use / KV blocks", "use", None),
    (
        "littles_law_error",
        "Little's law, error",
        "fraction",
        "|L - lambda W| / L over the whole run (Little 1961)",
        "share",
        "lower",
    ),
)
