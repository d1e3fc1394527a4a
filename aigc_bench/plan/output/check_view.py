"""The check of an option by simulation as rows: each service with its latencies, each job with its runs."""

from __future__ import annotations

from collections.abc import Iterator

from aigc_bench.core.record import Sentence
from aigc_bench.core.records import Record
from aigc_bench.plan.records.plan import Option
from aigc_bench.plan.records.replay import ReplayedJob, ReplayedService


class Latency(Record):
    """A latency at the percentile of the SLO, simulated and analytic; ``limit_s`` is the SLO."""

    name: Sentence
    share: float
    simulated_s: float
    analytic_s: float | None
    limit_s: float | None


class CheckedService(Record):
    """A service as simulated; ``num_added`` accelerators were added beyond the analytic model until it held."""

    found: ReplayedService
    latencies: tuple[Latency, ...]
    num_added: int


class CheckView(Record):
    """A simulation and whether it confirms the plan. ``notes`` of all services, each once."""

    seed: int
    is_met: bool
    services: tuple[CheckedService, ...]
    jobs: tuple[ReplayedJob, ...]
    notes: tuple[Sentence, ...]


def check_view(option: Option) -> CheckView | None:
    """Return the simulation of an option; ``None`` if it was not simulated, such as an API."""
    replay = option.replay
    if replay is None:
        return None
    return CheckView(
        seed=replay.seed,
        is_met=replay.is_met,
        services=tuple(
            CheckedService(found=one, latencies=tuple(_latencies(one)), num_added=replay.added_machines.get(one.name, 0))
            for one in replay.services
        ),
        jobs=replay.jobs,
        notes=tuple(dict.fromkeys(note for one in replay.services for note in one.notes)),
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
