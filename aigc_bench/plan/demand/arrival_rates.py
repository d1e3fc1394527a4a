"""Derive the peak rate, the mean rate and the daily profile of requests from what a demand states.

The default day is the load-duration curve of two public weeks of requests to language models, laid over a day with its peak in the
early afternoon: the mean of the conversation and the coding trace of the Azure LLM inference dataset 2024 (Stojkovic and others,
DynamoLLM, HPCA 2025). Of the busiest hour of its week the conversation service has 46, 62 and 74 % in its lower quartile, median
and upper quartile of hours, the coding service 13, 20 and 52 %; their busiest hours of a working day are 2 and 10 times their
quietest. The mean of the curve is 0.48, a busiest hour of 2.1 times the mean hour; the catalogue's ``diurnal_peak_factor`` is 2.

    share of hour h    shape_h ^ p,   p so that the mean of the shares is that of the demand

The rate of the peak, by what the demand states::

    users    users * active share * requests per user and minute / 60 * peak factor
    rate     the stated rate at the peak
    hourly   the busiest of 24 hours, requests an hour / 3600 * peak factor
    trace    requests/s of the busiest minute of a file of arrival times

A trace is a table with the column ``arrival_s``, one request per row.
The peak factor is busiest minutes over busiest hour: users and hours speak of the busy hour already. ``duty`` is mean over peak,
where it is not stated 1 / (busiest hour over mean hour) / peak factor; ``cv2`` of a trace is that of the gaps between its requests.

Rented capacity follows ``Arrival.day``: the 24 hours where they are known (``hourly_requests``, a trace of a day or more), else the
default day of that mean. A rate without a duty is a flat one, and so is the day of a shorter trace.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from aigc_bench.core.derivation import Derivation, changed, record
from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.numbers import MAX_MOMENT_S, parse_number
from aigc_bench.core.records import Estimate
from aigc_bench.core.table_file import read_table
from aigc_bench.plan.records.demand import Arrival
from aigc_bench.plan.stats.estimates import bounded, estimate, named, scaled, times

HOURS_PER_DAY = 24
FLAT = (1.0,) * HOURS_PER_DAY
QUARTILES = (0.0, 0.25, 0.5, 0.75, 1.0)
LOADS = (0.16, 0.29, 0.41, 0.63, 1.0)
"""Load of the hours at ``QUARTILES`` over that of the busiest: means of the two traces."""
BUSIEST = 14
"""Hour of the day with the peak; only the order of the hours depends on it, no cost does."""
# A power of 64 leaves the busiest hour alone (a mean of 1 / 24), one of 2^-10 a flat day.
POWERS = np.concatenate([[0.0], np.geomspace(2.0**-10, 64.0, 240)])


@lru_cache(maxsize=1)
def shape() -> tuple[float, ...]:
    """Return the 24 loads of the default day over that of its busiest hour."""
    loads = np.interp(np.linspace(1.0, 0.0, HOURS_PER_DAY), QUARTILES, LOADS)
    # From the busiest hour outwards, later and earlier in turn, so that the quiet hours are those of the night.
    places = [(BUSIEST + (step + 1) // 2 * (1 if step % 2 else -1)) % HOURS_PER_DAY for step in range(HOURS_PER_DAY)]
    day = dict(zip(places, loads.tolist(), strict=True))
    return tuple(day[hour] for hour in range(HOURS_PER_DAY))


def day_of(mean_share: float) -> tuple[float, ...]:
    """Return 24 shares of the peak with that mean (0 to 1); the busiest hour has 1, however small the mean is."""
    if mean_share >= 1:
        return FLAT
    return tuple(float(share) for share in with_mean(np.array(shape()), np.array([mean_share]))[:, 0])


def with_mean(day: np.ndarray, mean_share: np.ndarray) -> np.ndarray:
    """Return a day of shape (24,) raised to the powers that give it each of the means, of shape (24, means); a flat day stays."""
    # Means fall as powers rise; interp needs rising abscissae.
    means = (day[:, None] ** POWERS[None, :]).mean(axis=0)
    powers = np.interp(mean_share, means[::-1], POWERS[::-1])
    return np.asarray(day[:, None] ** powers[None, :])


COLUMN = "arrival_s"


def read_arrivals(file: Path) -> list[float]:
    """Return the arrival times of a trace in rising order, in seconds from the first.

    Raises ``UsageError`` with the line of a cell that is not a time, or if there are fewer than two distinct times.
    """
    table = read_table(file, required=(COLUMN,), hint=message("Write one request per row, in seconds from any start."))
    found: list[float] = []
    for row in table.rows:
        try:
            if row.problem is not None:
                raise ValueError(message("row {problem}", problem=row.problem))
            # No suffix: 2M may be two million or two minutes to whoever wrote the trace.
            moment_s = parse_number(row.cells[COLUMN], commas=table.commas, suffix=False)
            if abs(moment_s) > MAX_MOMENT_S:
                raise ValueError(message("is beyond {most:g} s; is it in another unit?", most=MAX_MOMENT_S))
            found.append(moment_s)
        except ValueError as problem:
            said = str(problem) if row.problem else f"{COLUMN} {row.cells[COLUMN][:40]!r} {problem}"
            raise UsageError(
                message("{file}: line {line}: {said}.", file=file, line=row.line, said=said),
                message("Write one request per row, in seconds from any start."),
            ) from None
    # A trace that was merged from several servers need not be in order.
    found.sort()
    if len(found) < 2 or found[-1] <= found[0]:
        raise UsageError(message("{file}: needs requests at two different times at least.", file=file))
    # Only differences matter, and a trace may count from any start.
    return [moment - found[0] for moment in found]


BUSY_WINDOW_S, HOUR_S, DAY_S = 60.0, 3600.0, 86400.0
ALWAYS = message("a stated rate without a duty: the same at all hours")


def from_users(
    *,
    users: Estimate,
    active_share: Estimate,
    requests_per_minute: Estimate,
    peak_factor: Estimate,
    duty: Estimate,
    minutes_over_hour: float = 1.0,
) -> Arrival:
    """Return the peak requests/s of a population of users; ``minutes_over_hour`` as for ``default_day``."""
    formula = message("users x active share x requests a minute / 60 x peak factor")
    product = times(users, active_share, requests_per_minute, peak_factor, unit="request/min")
    parts = {
        message("users"): users,
        message("active share"): active_share,
        message("requests a minute"): requests_per_minute,
        message("peak factor"): peak_factor,
    }
    return Arrival(
        peak_requests_per_s=named(scaled(product, 1 / 60, unit="request/s"), formula),
        duty=duty,
        formula=formula,
        parts=parts,
        day=default_day(duty, minutes_over_hour=minutes_over_hour),
    )


def default_day(duty: Estimate, *, minutes_over_hour: float) -> tuple[float, ...]:
    """Return the default day of a service with that duty: 24 shares of the peak, a function of the duty alone.

    An hour needs the capacity of its busiest minutes, which have ``minutes_over_hour`` times its mean rate. So demands of the same
    peak and the same mean have the same day, however they are written.
    """
    return day_of(min(1.0, duty.value * minutes_over_hour))


def usual_duty(*, diurnal: Estimate, peak_factor: Estimate) -> Estimate:
    """Return mean over peak rate where a demand does not state it, a fraction: mean hour / busiest hour / peak factor.

    ``diurnal`` is busiest hour over mean hour, ``peak_factor`` busiest minutes over busiest hour; a higher peak leaves the mean.
    """
    source = message("1 / (busiest hour over mean hour) / (busiest minutes over busiest hour)")
    ratio = times(diurnal, peak_factor, unit="ratio")
    ends = {"value": 1 / ratio.value, "low": 1 / ratio.high, "high": 1 / ratio.low}
    share = record(changed(ratio, **ends, unit="fraction"), Derivation("1 / {0}", (ratio,)))
    return named(bounded(share, ceiling=1.0), source)


def from_rate(rate: Estimate, *, duty: Estimate | None = None, minutes_over_hour: float = 1.0) -> Arrival:
    """Return the arrival of a stated peak rate, which holds at all hours where no ``duty`` is stated."""
    always = estimate(1.0, unit="fraction", basis="assumed", source=ALWAYS)
    return Arrival(
        peak_requests_per_s=rate,
        duty=duty or always,
        formula=message("stated rate at the peak"),
        parts={"rate": rate},
        day=default_day(duty or always, minutes_over_hour=minutes_over_hour),
    )


def from_hourly(requests_per_hour: Sequence[float], *, peak_factor: Estimate, source: str) -> Arrival:
    """Return the arrival of 24 numbers, the requests per hour of a day; ``peak_factor`` is busiest minutes over busiest hour."""
    assert len(requests_per_hour) == HOURS_PER_DAY and min(requests_per_hour) >= 0, "a day has 24 hours, none of them negative"
    busiest = max(requests_per_hour)
    hour = estimate(busiest / 3600, unit="request/s", basis="assumed", source=source)
    # Mean hour over busiest hour; the peak is the busiest minutes, so duty divides it by the peak factor once more.
    mean_share = sum(requests_per_hour) / HOURS_PER_DAY / busiest if busiest else 0.0
    duty_source = message("mean hour / busiest hour / peak factor")
    formula = message("requests of the busiest hour / 3600 x peak factor")
    # The quotient falls in the peak factor, so the ends change places.
    ends = {"value": mean_share / peak_factor.value, "low": mean_share / peak_factor.high, "high": mean_share / peak_factor.low}
    hours = tuple(count / busiest for count in requests_per_hour) if busiest else None
    return Arrival(
        peak_requests_per_s=named(times(hour, peak_factor, unit="request/s"), formula),
        duty=bounded(Estimate(**ends, unit="fraction", basis="assumed", source=duty_source), ceiling=1.0),
        formula=formula,
        parts={message("busiest hour"): hour, message("peak factor"): peak_factor},
        hourly=hours,
        day=hours or FLAT,
    )


def from_times(times_s: Sequence[float], *, source: str) -> Arrival:
    """Return the arrival of rising times in seconds: the busiest minute is the peak, the whole file the mean."""
    assert len(times_s) >= 2 and times_s[-1] > times_s[0], "a trace holds at least two moments"
    span_s = times_s[-1] - times_s[0]
    # n requests have n - 1 gaps.
    mean = (len(times_s) - 1) / span_s
    # In a trace shorter than a minute the half-open window leaves out the last request, which would put the peak below the mean.
    peak = max(mean, _busiest(times_s, window_s=min(BUSY_WINDOW_S, span_s)))
    gaps = [later - earlier for earlier, later in itertools.pairwise(times_s)]
    middle = sum(gaps) / len(gaps)
    # Squared coefficient of variation: variance of the gaps over their squared mean, 1 for Poisson arrivals.
    cv2 = sum((gap - middle) ** 2 for gap in gaps) / len(gaps) / middle**2
    rate = estimate(peak, unit="request/s", basis="measured", source=message("busiest minute of {source}", source=source))
    hours = _hours(times_s, peak_per_s=peak) if span_s >= DAY_S else None
    return Arrival(
        peak_requests_per_s=rate,
        duty=estimate(
            mean / peak, unit="fraction", basis="measured", source=message("mean over busiest minute of {source}", source=source)
        ),
        formula=message("requests of the busiest minute / 60"),
        parts={"rate": rate},
        hourly=hours,
        day=hours or FLAT,
        cv2=cv2,
    )


def _hours(times_s: Sequence[float], *, peak_per_s: float) -> tuple[float, ...]:
    """Return the busiest minute of each hour of the day over the peak, 24 shares; the day begins with the trace."""
    counts: dict[int, int] = {}
    for moment in times_s:
        minute = int(moment // BUSY_WINDOW_S)
        counts[minute] = counts.get(minute, 0) + 1
    busiest = [0.0] * HOURS_PER_DAY
    for minute, count in counts.items():
        hour = int(minute * BUSY_WINDOW_S // HOUR_S) % HOURS_PER_DAY
        busiest[hour] = max(busiest[hour], count / BUSY_WINDOW_S / peak_per_s)
    # The peak may straddle two whole minutes, so that the busiest of them lies below it.
    top = max(busiest)
    return tuple(share / top for share in busiest)


def _busiest(times_s: Sequence[float], *, window_s: float) -> float:
    """Return the highest rate of any window that starts at a request, in requests/s."""
    most, first = 0, 0
    for last, moment in enumerate(times_s):
        # Two pointers: both only move forward, so a trace of millions of rows takes linear time.
        while moment - times_s[first] >= window_s:
            first += 1
        most = max(most, last - first + 1)
    return most / window_s
