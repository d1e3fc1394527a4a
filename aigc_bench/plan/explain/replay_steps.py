"""Build the steps of a simulated replay: shares of requests in time, simulated and analytic."""

from __future__ import annotations

from collections.abc import Iterator

from aigc_bench.core.messages import message
from aigc_bench.core.records import Estimate
from aigc_bench.plan.explain.option_steps import Place
from aigc_bench.plan.records.replay import ReplayedJob, ReplayedService


def add_replay(place: Place) -> None:
    """Add a leaf for every share; a simulated share has no arithmetic."""
    replay = place.option.replay
    for service in replay.services if replay else ():
        for name, title, value in _shares(service, seed=replay.seed if replay else 0):
            place.add(f"replay.{service.name}.{name}", message("{title}, {name}", title=title, name=service.name), value)
    for job in replay.jobs if replay else ():
        value = _share(job.share_in_time, source=_of_job(job, seed=replay.seed if replay else 0))
        place.add(f"replay.{job.name}.share_in_time", message("share of runs that meet the deadline, {name}", name=job.name), value)


def _shares(one: ReplayedService, *, seed: int) -> Iterator[tuple[str, str, Estimate]]:
    drawn = message(
        "simulated: {num_requests:,} requests on {num_simulated_replicas} replicas by {method}, seed {seed}",
        num_requests=one.num_requests,
        num_simulated_replicas=one.num_simulated_replicas,
        method=one.method,
        seed=seed,
    )
    if one.simulated_share is not None:
        ends = sorted((*(one.share_interval or ()), one.simulated_share))
        value = _share(one.simulated_share, low=ends[0], high=ends[-1], source=drawn)
        yield "simulated_share", message("simulated share of requests within the SLO"), value
    if one.analytic_share is not None:
        source = message("P(wait <= slack of the SLO) of M/G/c (Allen-Cunneen)")
        yield "analytic_share", message("analytic share of requests within the SLO"), _share(one.analytic_share, source=source)
    if one.share_with_failures is not None:
        source = message("{drawn}; weighted over the failure states of the fleet", drawn=drawn)
        yield (
            "share_with_failures",
            message("share within the SLO with server failures"),
            _share(one.share_with_failures, source=source),
        )


def _of_job(one: ReplayedJob, *, seed: int) -> str:
    return message(
        "simulated: {num_windows} windows while servers fail and are repaired, seed {seed}", num_windows=one.num_windows, seed=seed
    )


def _share(value: float, *, source: str, low: float | None = None, high: float | None = None) -> Estimate:
    return Estimate(
        value=value,
        low=value if low is None else low,
        high=value if high is None else high,
        unit="fraction",
        basis="modelled",
        source=source,
    )
