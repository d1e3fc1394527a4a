"""When requests come, and how long they are: the load of a simulation, drawn from a seed before it starts.

    poisson    independent arrivals: exponential gaps, cv 1
    constant   equal gaps, really equal: cv 0 (a load generator that calls exponential gaps constant overstates its tail)
    gamma      gaps of a gamma distribution: cv < 1 paced, cv > 1 bursty
    trace      moments that were recorded, as they are or squeezed to another rate
    closed     a fixed number of clients, each sending its next request when the last one is answered

Gaps are drawn with mean 1 and then divided by the rate: at another rate the same requests come in the same pattern, only closer
(common random numbers), so that two rates differ by the rate and not by luck. Arrivals, inputs and outputs have streams of
their own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from aigc_bench.core.records import Positive, Record
from aigc_bench.predict.serving.lengths import FixedLength, Length, Tokens, draw_lengths
from aigc_bench.predict.serving.trace_file import Trace

Pattern = Literal["poisson", "constant", "gamma", "trace", "closed"]
Moments = NDArray[np.float64]


class Arrivals(Record):
    """The pattern of arrivals; ``cv`` is the gaps' coefficient of variation, for ``gamma`` only. A trace may go without a rate."""

    pattern: Pattern = "poisson"
    rate_per_s: float | None = Field(default=None, gt=0)
    cv: float = Field(default=1.0, gt=0)
    concurrency: Positive | None = None

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> Self:
        if self.pattern == "closed":
            assert self.concurrency is not None and self.rate_per_s is None, "closed arrivals have a concurrency and no rate"
        else:
            assert self.concurrency is None, "only closed arrivals have a concurrency"
            assert self.pattern == "trace" or self.rate_per_s is not None, f"{self.pattern} arrivals need a rate"
        assert self.pattern == "gamma" or self.cv == 1.0, "cv is for gamma arrivals"
        return self


class Traffic(Record):
    """Requests to simulate. A ``trace`` gives lengths, and moments if the pattern is ``trace``; a short one is repeated."""

    arrivals: Arrivals
    input_tokens: Length = FixedLength(tokens=1024)
    output_tokens: Length = FixedLength(tokens=256)
    num_requests: Positive = 2000
    seed: int = Field(default=0, ge=0)
    trace: Trace | None = None

    @model_validator(mode="after")
    def _has_its_trace(self) -> Self:
        if self.arrivals.pattern == "trace":
            assert self.trace is not None and self.trace.arrival_s is not None, "trace arrivals need a trace with moments"
        return self

    def at_rate(self, rate_per_s: float) -> Traffic:
        """The same requests in the same pattern at another rate."""
        assert self.arrivals.pattern != "closed", "closed arrivals have no rate"
        return self.model_copy(update={"arrivals": self.arrivals.model_copy(update={"rate_per_s": rate_per_s})})


@dataclass(frozen=True, kw_only=True)
class Requests:
    """The requests, in order of arrival: columns of equal length. ``arrival_s`` is all zero for closed arrivals."""

    arrival_s: Moments
    input_tokens: Tokens
    output_tokens: Tokens
    concurrency: int | None = None

    def __len__(self) -> int:
        return int(self.arrival_s.size)


def draw_requests(traffic: Traffic) -> Requests:
    """The requests of a traffic, as columns of shape ``[requests]``; the same for the same seed."""
    # One stream each for gaps, inputs and outputs: another length distribution leaves the arrivals as they are.
    streams = [np.random.default_rng(child) for child in np.random.SeedSequence(traffic.seed).spawn(3)]
    count, trace = traffic.num_requests, traffic.trace
    if trace is not None:
        # A short trace starts over.
        rows = np.arange(count) % len(trace.input_tokens)
        inputs, outputs = (np.array(column, dtype=np.int64)[rows] for column in (trace.input_tokens, trace.output_tokens))
    else:
        inputs = draw_lengths(traffic.input_tokens, count=count, random=streams[1])
        outputs = draw_lengths(traffic.output_tokens, count=count, random=streams[2])
    return Requests(
        arrival_s=_draw_moments(traffic, random=streams[0]),
        input_tokens=inputs,
        output_tokens=outputs,
        concurrency=traffic.arrivals.concurrency,
    )


def draw_gaps(arrivals: Arrivals, *, count: int, random: np.random.Generator) -> Moments:
    """Gaps between arrivals with mean 1, of shape ``[count]``, for the patterns that are drawn."""
    if arrivals.pattern == "constant":
        return np.ones(count)
    if arrivals.pattern == "gamma":
        # Gamma with mean shape * scale = 1 and coefficient of variation shape**-0.5.
        shape = 1 / arrivals.cv**2
        return random.gamma(shape, 1 / shape, size=count)
    return random.exponential(size=count)


def _draw_moments(traffic: Traffic, *, random: np.random.Generator) -> Moments:
    arrivals, count = traffic.arrivals, traffic.num_requests
    if arrivals.pattern == "closed":
        # Overwritten during the run: each client's next request arrives when its last one is answered.
        return np.zeros(count)
    if arrivals.pattern == "trace":
        return _trace_moments(traffic)
    assert arrivals.rate_per_s is not None
    gaps = draw_gaps(arrivals, count=count, random=random) / arrivals.rate_per_s
    return np.cumsum(gaps)


def _trace_moments(traffic: Traffic) -> Moments:
    """Return recorded moments from 0 on, repeated with a mean gap between where more are needed, scaled to a given rate."""
    assert traffic.trace is not None and traffic.trace.arrival_s is not None
    recorded = np.array(traffic.trace.arrival_s)
    recorded = recorded - recorded[0]
    # 1 s where no gap can be measured: a single request, or all at the same moment.
    mean_gap = recorded[-1] / (recorded.size - 1) if recorded.size > 1 and recorded[-1] > 0 else 1.0
    rounds = math.ceil(traffic.num_requests / recorded.size)
    # A mean gap between the rounds, so that the last and the first request do not coincide.
    period = recorded[-1] + mean_gap
    moments = np.concatenate([recorded + period * index for index in range(rounds)])[: traffic.num_requests]
    if traffic.arrivals.rate_per_s is not None:
        # 1 / mean_gap is the recorded rate; a higher one squeezes the pattern.
        moments = moments / (mean_gap * traffic.arrivals.rate_per_s)
    return moments
