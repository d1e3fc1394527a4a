"""Metrics of a service under load, besides those that a run also measures (``metrics``): percentiles, queue, goodput, capacity."""

from __future__ import annotations

from collections.abc import Iterator

from aigc_bench.analyze.metric import Better, Kind
from aigc_bench.core.messages import message

Row = tuple[str, str, str, str, Kind, Better | None]

_LATENCIES = {
    "ttft": ("TTFT", message("requests of (first token - arrival)"), ("mean", "p90", "p95", "p99")),
    "tpot": ("TPOT", message("requests of (end - first token) / (output tokens - 1)"), ("mean", "p90", "p95", "p99")),
    "itl": ("ITL", message("tokens of the time since the sequence's last one"), ("mean", "p90", "p95")),
    "latency": (message("End-to-end latency"), message("requests of (end - arrival)"), ("mean",)),
    "queueing": (message("Queueing"), message("requests of (first scheduled - arrival)"), ("mean", "p50", "p90", "p95", "p99")),
}


def serving_metrics() -> Iterator[Row]:
    """Id, name, unit, formula, kind and better direction of each."""
    for family, (name, of, labels) in _LATENCIES.items():
        for label in labels:
            yield (
                f"{family}_{label}",
                message("{name} {label}", name=name, label=label),
                "s",
                message("{label} over the measured {of}", label=label, of=of),
                "latency",
                "lower",
            )
    yield from _RATES


_RATES: tuple[Row, ...] = (
    ("arrival_rate", message("Arrival rate"), "requests/s", message("requests that arrive / measured time"), "speed", None),
    (
        "request_throughput",
        message("Requests served"),
        "requests/s",
        message("requests that end / measured time"),
        "speed",
        "higher",
    ),
    (
        "input_throughput",
        message("Prompt tokens"),
        "tokens/s",
        message("prompt tokens computed / measured time"),
        "speed",
        "higher",
    ),
    (
        "goodput",
        message("Goodput"),
        "requests/s",
        message("requests that keep every bound of the SLO / measured time"),
        "speed",
        "higher",
    ),
    (
        "goodput_share",
        message("Goodput share"),
        "fraction",
        message("requests that keep every bound of the SLO / requests"),
        "share",
        "higher",
    ),
    (
        "highest_rate",
        message("Highest rate"),
        "requests/s",
        message("highest arrival rate that keeps the SLO without a growing queue"),
        "speed",
        "higher",
    ),
    ("utilisation", message("Utilisation"), "fraction", message("time in which a server is busy / measured time"), "use", None),
    ("mean_batch", message("Running batch"), "requests", message("requests in work, mean over busy time"), "use", None),
    ("mean_queue", message("Queue"), "requests", message("requests not yet scheduled, mean over measured time"), "use", "lower"),
    (
        "kv_mean",
        message("KV cache, mean"),
        "fraction",
        message("KV blocks in use / KV blocks, mean over measured time"),
        "use",
        None,
    ),
    ("kv_peak", message("KV cache, peak"), "fraction", message("most KV blocks in use / KV blocks"), "use", None),
    (
        "littles_law_error",
        message("Little's law, error"),
        "fraction",
        message("|L - lambda W| / L over the whole run (Little 1961)"),
        "share",
        "lower",
    ),
)
