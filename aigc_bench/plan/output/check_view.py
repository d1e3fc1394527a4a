"""The simulation of an option as rows: services with their shares and latencies, jobs with their windows."""

from __future__ import annotations

from collections.abc import Iterator

from aigc_bench.core.messages import message
from aigc_bench.core.record import Sentence
from aigc_bench.core.records import Record
from aigc_bench.plan.explain.option_steps import job_share, service_shares
from aigc_bench.plan.output.shown_number import Shown, key_of
from aigc_bench.plan.records.plan import Option
from aigc_bench.plan.records.replay import Replay, ReplayedJob, ReplayedService


class Latency(Record):
    """A latency at the percentile of the SLO, simulated and analytic; ``limit_s`` is the SLO."""

    name: Sentence
    share: float
    simulated_s: float
    analytic_s: float | None
    limit_s: float | None


class CheckedService(Record):
    """A service as simulated; ``num_added`` accelerators were added beyond the analytic model until it held.

    ``simulated``, ``analytic`` and ``with_failures`` are shares of its requests within the SLO.
    """

    found: ReplayedService
    simulated: Shown
    analytic: Shown
    with_failures: Shown
    latencies: tuple[Latency, ...]
    num_added: int


class CheckedJob(Record):
    """A job as simulated, with the share of its runs that meet the deadline."""

    found: ReplayedJob
    in_time: Shown


class CheckView(Record):
    """A simulation and whether it confirms the plan. ``notes`` of all services, each once."""

    seed: int
    is_met: bool
    services: tuple[CheckedService, ...]
    jobs: tuple[CheckedJob, ...]
    notes: tuple[Sentence, ...]


def check_view(option: Option) -> CheckView | None:
    """Return the simulation of an option; ``None`` if it was not simulated, such as an API."""
    replay = option.replay
    if replay is None:
        return None
    at = f"{key_of(option)}.replay"
    return CheckView(
        seed=replay.seed,
        is_met=replay.is_met,
        services=tuple(_service(one, replay, at=at) for one in replay.services),
        jobs=tuple(_job(one, replay, at=at) for one in replay.jobs),
        notes=tuple(dict.fromkeys(note for one in replay.services for note in one.notes)),
    )


def _service(one: ReplayedService, replay: Replay, *, at: str) -> CheckedService:
    found = {name: (title, value) for name, title, value in service_shares(one, seed=replay.seed)}

    def share(name: str, missing: str) -> Shown:
        title, value = found.get(name, (name, None))
        return Shown(key=f"{at}.{one.name}.{name}", name=title, value=value, missing=missing)

    return CheckedService(
        found=one,
        simulated=share("simulated_share", message("no SLO")),
        analytic=share("analytic_share", message("no analytic model for this service")),
        with_failures=share("share_with_failures", message("no SLO")),
        latencies=tuple(_latencies(one)),
        num_added=replay.added_machines.get(one.name, 0),
    )


def _job(one: ReplayedJob, replay: Replay, *, at: str) -> CheckedJob:
    name = message("share of runs that meet the deadline")
    return CheckedJob(
        found=one, in_time=Shown(key=f"{at}.{one.name}.share_in_time", name=name, value=job_share(one, seed=replay.seed))
    )


def _latencies(one: ReplayedService) -> Iterator[Latency]:
    for name, found in one.percentiles.items():
        if found.simulated_s is not None:
            yield Latency(
                name=name if name == "latency" else name.upper(),
                share=found.share,
                simulated_s=found.simulated_s,
                analytic_s=found.analytic_s,
                limit_s=found.limit_s,
            )
