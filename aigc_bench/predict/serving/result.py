"""The result of a simulation: latencies, rates, use of the server, and whether its own accounts add up."""

from __future__ import annotations

from aigc_bench.core.records import Record


class Distribution(Record):
    """A quantity over requests (or tokens), in seconds. A percentile is ``None`` where too few carry it: a p99 needs 100."""

    n: int
    mean: float
    p50: float | None
    p90: float | None
    p95: float | None
    p99: float | None


class LittlesLaw(Record):
    """L = lambda * W (Little 1961) over the whole run, from empty to empty.

    ``mean_in_system`` L is the replicas' own count of waiting and running requests, integrated over time; ``rate_per_s`` lambda the
    served requests over the duration; ``mean_time_s`` W the mean of their ends minus their arrivals. ``error`` is
    ``|L - lambda * W| / L``.
    """

    mean_in_system: float
    rate_per_s: float
    mean_time_s: float
    error: float


class ServingResult(Record):
    """Figures over the requests that arrived in the measured window, after warm-up and before the end; rates over that window.

    ``ttft`` first token - arrival; ``tpot`` (end - first token) / (output tokens - 1), of requests with more than one; ``itl``
    between two tokens of a sequence, over tokens; ``latency`` end - arrival; ``queueing`` first scheduled - arrival. ``goodput_*``
    count the requests that keep all bounds of the SLO; ``is_slo_met`` requires its share for each bound. ``utilisation`` is busy
    time over time, ``mean_batch`` the running sequences of a busy replica (of a batch queue, the mean size of a batch),
    ``mean_queue`` the requests not yet scheduled, over all replicas. What does not apply is ``None``.
    """

    num_requests: int
    num_measured: int
    num_refused: int
    num_preemptions: int
    duration_s: float
    arrival_rate_per_s: float
    throughput_per_s: float
    input_tokens_per_s: float | None = None
    output_tokens_per_s: float | None = None
    ttft: Distribution | None = None
    tpot: Distribution | None = None
    itl: Distribution | None = None
    latency: Distribution
    queueing: Distribution
    goodput_share: float | None = None
    goodput_per_s: float | None = None
    is_slo_met: bool | None = None
    utilisation: float
    mean_batch: float
    mean_queue: float
    kv_mean: float | None = None
    kv_peak: float | None = None
    littles_law: LittlesLaw
    reasons: tuple[str, ...] = ()
    """``queue_grows``: more came than went, so the latencies depend on how long the run was; ``requests_refused``."""


SINGLE: dict[str, tuple[str, str]] = {
    "arrival_rate_per_s": ("arrival_rate", "requests/s"),
    "throughput_per_s": ("request_throughput", "requests/s"),
    "input_tokens_per_s": ("input_throughput", "tokens/s"),
    "output_tokens_per_s": ("throughput", "tokens/s"),
    "goodput_per_s": ("goodput", "requests/s"),
    "goodput_share": ("goodput_share", "fraction"),
    "utilisation": ("utilisation", "fraction"),
    "mean_batch": ("mean_batch", "requests"),
    "mean_queue": ("mean_queue", "requests"),
    "kv_mean": ("kv_mean", "fraction"),
    "kv_peak": ("kv_peak", "fraction"),
}
"""Field of a result -> metric id and unit."""

DISTRIBUTIONS = ("ttft", "tpot", "itl", "latency", "queueing")
PERCENTILES: dict[str, float] = {"p50": 0.50, "p90": 0.90, "p95": 0.95, "p99": 0.99}


def metric_id(name: str, label: str) -> str:
    """The metric's id as measured runs have it: ``ttft`` and ``tpot`` are medians, the others carry their label (``ttft_p99``)."""
    return name if label == "p50" and name in ("ttft", "tpot") else f"{name}_{label}"


def figures(result: ServingResult) -> dict[str, tuple[float, str]]:
    """Every number that a result has, with its unit, by metric id: ``ttft``, ``ttft_p99``, ``tpot_mean``, ``goodput`` ..."""
    found: dict[str, tuple[float, str]] = {}
    for name in DISTRIBUTIONS:
        distribution: Distribution | None = getattr(result, name)
        if distribution is not None:
            of_it = {metric_id(name, label): getattr(distribution, label) for label in ("mean", *PERCENTILES)}
            found |= {key: (value, "s") for key, value in of_it.items() if value is not None}
    found["littles_law_error"] = (result.littles_law.error, "fraction")
    single = {key: (getattr(result, field), unit) for field, (key, unit) in SINGLE.items()}
    return found | {key: (value, unit) for key, (value, unit) in single.items() if value is not None}
