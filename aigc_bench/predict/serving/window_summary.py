"""From what happened to what it means: the measured window, percentiles, goodput, use of the server, Little's law.

The first and the last requests meet an emptier server than the others, and are trimmed: by default a tenth of the arrivals at
either end. Latencies are those of the requests that arrive in the window, rates and use those of the window's time.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from aigc_bench.analyze.statistics import percentile, values_needed
from aigc_bench.predict.serving.event_loop import Column, History
from aigc_bench.predict.serving.result import PERCENTILES, Distribution, LittlesLaw, ServingResult
from aigc_bench.predict.serving.server_model import ServerModel, Slo

TRIMMED = 0.1
"""Share of the arrivals that is not measured at either end of a run."""

MAX_LITTLE_ERROR = 1e-6
"""Rounding allowed between the two accounts of the time that requests spent; a lost or doubled request is far beyond it."""

MAX_GROWTH = 0.1
"""Share of the window's arrivals by which the number in the system may grow before the queue is said to grow."""


class Window(NamedTuple):
    """The measured stretch of time and the requests that arrive in it, as a slice of those in order of arrival."""

    start_s: float
    end_s: float
    requests: slice


def measured_window(arrival_s: Column, finish_s: Column, *, warmup: float, cooldown: float) -> Window:
    """The window without that share of the arrivals at its start and at its end; it ends with the last request if none is cut."""
    count = arrival_s.size
    first = min(int(warmup * count), count - 1)
    # At least one request is measured.
    last = max(count - int(cooldown * count), first + 1)
    end_s = arrival_s[last] if last < count else finish_s.max()
    if end_s <= arrival_s[first]:
        end_s = finish_s.max()
    # A run that is not trimmed begins at 0, not at its first arrival.
    start_s = arrival_s[first] if first else min(0.0, arrival_s[0])
    return Window(float(start_s), float(end_s), slice(first, last))


def distribution(values: Column) -> Distribution | None:
    """Mean and percentiles of the values; ``None`` where there are none."""
    if values.size == 0:
        return None
    found = {label: percentile(values, q) for label, q in PERCENTILES.items()}
    return Distribution(n=values.size, mean=float(values.mean()), **found)


def summarise(history: History, *, server: ServerModel, slo: Slo | None, warmup: float, cooldown: float) -> ServingResult:
    """The result of a simulated server, over its measured window."""
    window = measured_window(history.arrival_s, history.finish_s, warmup=warmup, cooldown=cooldown)
    inside, length_s = window.requests, window.end_s - window.start_s
    is_long = history.output_tokens[inside] > 1
    decode_s = history.finish_s[inside] - history.first_token_s[inside]
    # maximum(..., 1) only keeps numpy from dividing by zero where ``is_long`` is false.
    tpot = np.where(is_long, decode_s / np.maximum(history.output_tokens[inside] - 1, 1), 0.0)
    simulated_s = history.first_token_s[inside] - history.arrival_s[inside]
    ttft = (simulated_s + server.front_end_s + server.prompt_pass_s + server.front_end_steps * tpot) * server.first_token_factor
    latency = history.finish_s[inside] - history.arrival_s[inside] + (ttft - simulated_s)
    refused = int(((history.refused_s >= window.start_s) & (history.refused_s < window.end_s)).sum())
    departures = int(((history.finish_s >= window.start_s) & (history.finish_s < window.end_s)).sum())
    # At least 10, since a handful of requests goes up and down by chance.
    grows = in_system(history, window.end_s) - in_system(history, window.start_s) > MAX_GROWTH * max(latency.size, 10)
    whole = distribution(latency)
    queueing = distribution(history.admitted_s[inside] - history.arrival_s[inside])
    assert whole is not None and queueing is not None, "a window holds a request"
    return ServingResult(
        num_requests=history.arrival_s.size + history.refused_s.size,
        num_measured=latency.size,
        num_refused=history.refused_s.size,
        num_preemptions=history.num_preemptions,
        duration_s=float(history.finish_s.max()),
        arrival_rate_per_s=latency.size / length_s,
        throughput_per_s=departures / length_s,
        ttft=distribution(ttft),
        tpot=distribution(tpot[is_long]),
        itl=itl_distribution(history, window),
        latency=whole,
        queueing=queueing,
        **slo_attainment({"ttft": ttft, "tpot": tpot, "latency": latency}, slo=slo, refused=refused, length_s=length_s),
        **use_of_server(history, window, server=server),
        littles_law=check_littles_law(history),
        reasons=(("queue_grows",) if grows else ()) + (("requests_refused",) if history.refused_s.size else ()),
    )


def in_system(history: History, at_s: float) -> int:
    """Requests that have arrived and not finished at that moment."""
    return int((history.arrival_s < at_s).sum() - (history.finish_s < at_s).sum())


def slo_attainment(columns: dict[str, Column], *, slo: Slo | None, refused: int, length_s: float) -> dict[str, float | bool | None]:
    """Goodput and verdict; a request that was refused keeps no bound."""
    if slo is None:
        return {}
    kept = {name: columns[name] <= bound for name, bound in slo.bounds.items()}
    num_requests = next(iter(kept.values())).size + refused
    good = int(np.logical_and.reduce(list(kept.values())).sum())
    # Each bound by itself; 1e-12 forgives rounding of share times number, where exactly that many keep it.
    is_met = all(within.sum() >= slo.share * num_requests * (1 - 1e-12) for within in kept.values())
    return {"goodput_share": good / num_requests, "goodput_per_s": good / length_s, "is_slo_met": bool(is_met)}


def use_of_server(history: History, window: Window, *, server: ServerModel) -> dict[str, float | None]:
    """Time-weighted use over the window: each stretch counts with the share of it that lies inside."""
    stretches, length_s = history.stretches, window.end_s - window.start_s
    duration_s = stretches["end_s"] - stretches["start_s"]
    inside_s = overlap_s(stretches["start_s"], stretches["end_s"], window)
    busy_s = float(inside_s.sum())
    # Steps too short for the clock's digits take no time: they count where they begin in the window.
    begins = (stretches["start_s"] >= window.start_s) & (stretches["start_s"] < window.end_s)
    share = np.divide(inside_s, duration_s, out=begins.astype(float), where=duration_s > 0)
    # A prompt's pass gives the first token; stretches count the tokens of decoding sequences only.
    first_tokens = ((history.first_token_s >= window.start_s) & (history.first_token_s < window.end_s)).sum()
    decoded = float((stretches["steps"] * stretches["num_decoding"] * share).sum())
    blocks = server.num_blocks
    return {
        "utilisation": busy_s / (length_s * server.replicas),
        "mean_batch": float((stretches["num_running"] * inside_s).sum()) / busy_s if busy_s else 0.0,
        "mean_queue": float(overlap_s(history.arrival_s, history.admitted_s, window).sum()) / length_s,
        "input_tokens_per_s": float((stretches["prefill_tokens"] * share).sum()) / length_s,
        "output_tokens_per_s": (decoded + float(first_tokens)) / length_s,
        "kv_mean": float((stretches["mean_blocks"] * inside_s).sum()) / (length_s * server.replicas * blocks) if blocks else None,
        "kv_peak": float(stretches["peak_blocks"].max(initial=0.0)) / blocks if blocks else None,
    }


def overlap_s(start_s: Column, end_s: Column, window: Window) -> Column:
    """Seconds of each interval that lie in the window."""
    seconds: Column = np.maximum(np.minimum(end_s, window.end_s) - np.maximum(start_s, window.start_s), 0.0)
    return seconds


def check_littles_law(history: History) -> LittlesLaw:
    """Little's law over the whole run; an ``AssertionError`` where the replicas' count and the requests' times disagree."""
    stretches = history.stretches
    counted = (stretches["num_running"] + stretches["num_waiting"]) * (stretches["end_s"] - stretches["start_s"])
    area = float(counted.sum()) + history.early_wait_s
    return littles_law(area, times_s=history.finish_s - history.arrival_s, duration_s=float(history.finish_s.max()))


def littles_law(area: float, *, times_s: Column, duration_s: float) -> LittlesLaw:
    """Little's law from the integral of the number in the system (request-seconds) and each request's time in it.

    ``L = lambda W`` (Little 1961); raises ``AssertionError`` where the two sides differ by more than rounding.
    """
    # The two sides come from different records: the replicas' stretches, and the requests' own moments.
    in_mean, rate, time_s = area / duration_s, times_s.size / duration_s, float(times_s.mean())
    error = abs(in_mean - rate * time_s) / in_mean
    assert error <= MAX_LITTLE_ERROR, f"Little's law is broken: L = {in_mean:.9g}, lambda * W = {rate * time_s:.9g}"
    return LittlesLaw(mean_in_system=in_mean, rate_per_s=rate, mean_time_s=time_s, error=error)


def itl_distribution(history: History, window: Window) -> Distribution | None:
    """Inter-token latencies of the steps that start in the window, each counted once for every sequence that decodes in it.

    ITLs over a preemption carry no moment and are counted wherever they happened. The steps of a stretch are not listed: a
    quantile is found by halving, since the ITLs up to x are counted in closed form.
    """
    stretches = history.stretches
    inside = (stretches["start_s"] >= window.start_s) & (stretches["start_s"] < window.end_s) & (stretches["num_decoding"] > 0)
    gaps = history.gaps_s
    first = np.concatenate([stretches["first_s"][inside], gaps])
    growth = np.concatenate([stretches["growth_s"][inside], np.zeros(gaps.size)])
    steps = np.concatenate([stretches["steps"][inside], np.ones(gaps.size)])
    # A stretch that begins with sequences which stood still has one step, and their gaps are among ``gaps``.
    weight = np.concatenate([(stretches["num_decoding"] - stretches["num_stalled"])[inside], np.ones(gaps.size)])
    total = int((steps * weight).sum())
    if total == 0:
        return None
    mean = float((weight * (steps * first + growth * steps * (steps - 1) / 2)).sum()) / total
    # A percentile needs enough values beyond it to mean something (``analyze.statistics``).
    found = {
        label: weighted_quantile(q, first=first, growth=growth, steps=steps, weight=weight) if total >= values_needed(q) else None
        for label, q in PERCENTILES.items()
    }
    return Distribution(n=total, mean=mean, **found)


def weighted_quantile(q: float, *, first: Column, growth: Column, steps: Column, weight: Column) -> float:
    """The smallest x that a share ``q`` of the values does not exceed.

    A row stands for ``weight`` times the values ``first``, ``first + growth``, ... ``first + (steps - 1) * growth``.
    """
    low, high = float(first.min()), float((first + growth * (steps - 1)).max())
    wanted = q * float((steps * weight).sum())
    # 1 instead of 0: rows without growth are decided by ``steps`` below, and must not divide by zero.
    slope = np.where(growth > 0, growth, 1.0)

    def reached(x: float) -> bool:
        # How many of first, first + growth, ... are at most x.
        below: NDArray[np.float64] = np.where(growth > 0, np.floor((x - first) / slope + 1), steps)
        return float((np.where(x >= first, np.clip(below, 0, steps), 0) * weight).sum()) >= wanted

    if reached(low):
        return low
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return high
