"""Every load of an option replayed on the option's machines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aigc_bench.core.errors import UsageError
from aigc_bench.plan.records.demand import Demand, Job, Service
from aigc_bench.plan.records.machine import Capability, Load
from aigc_bench.plan.records.plan import Option
from aigc_bench.plan.records.replay import Replay, ReplayedJob
from aigc_bench.plan.records.rules import Rules
from aigc_bench.plan.replay.jobs import Night, Saving, replay_jobs
from aigc_bench.plan.replay.servers import replica_of
from aigc_bench.plan.replay.services import ReplayedPeak, is_enough, replay_service
from aigc_bench.plan.sizing.checkpoints import interval_s, mtti_s, stall_of
from aigc_bench.plan.sizing.fleets import grown, needed, off_peak_share
from aigc_bench.plan.stats.estimates import ceil

if TYPE_CHECKING:
    from aigc_bench.catalog.loader import Catalogue
    from aigc_bench.predict.serving.from_model import ServiceModel


@dataclass(frozen=True, kw_only=True)
class Replayer:
    """The common settings of all replays of one demand."""

    demand: Demand
    rules: Rules
    catalogue: Catalogue
    model: ServiceModel
    seed: int = 0

    def replay(self, option: Option) -> Replay | None:
        """Return the option's replay; ``None`` where nothing of it can be replayed, such as a commercial API."""
        parts = option.parts or (option,)
        services = tuple(replay_service(peak) for part in parts for peak in self.peaks(part))
        jobs = tuple(job for part in parts for job in self._jobs(part))
        return Replay(seed=self.seed, services=services, jobs=jobs) if services or jobs else None

    def missed(self, option: Option) -> bool:
        """Return whether a service or job of the option falls short at its likely speed, which alone decides."""
        parts = option.parts or (option,)
        if not all(is_enough(peak) for part in parts for peak in self.peaks(part)):
            return True
        return not all(job.is_met for part in parts for job in self._jobs(part))

    def peaks(self, option: Option) -> Iterator[ReplayedPeak]:
        """Return the peak of each non-empty service of an option without parts, where the time of a request is known."""
        for load, capability in _running(option):
            service = next((one for one in self.demand.services if one.name == load.name), None)
            if service is None or capability.service_s is None or load.rate_items_per_s.value <= 0:
                continue
            peak = self._peak(option, load, capability, service)
            if peak is not None:
                yield peak

    def _peak(self, option: Option, load: Load, capability: Capability, service: Service) -> ReplayedPeak | None:
        spec = self.catalogue.accelerators.get(option.accelerator or "")
        try:
            servers = replica_of(service, capability, spec=spec, catalogue=self.catalogue, model=self.model)
        # What the performance model does not support keeps its analytic result.
        except UsageError:
            return None
        return ReplayedPeak(
            service=service,
            capability=capability,
            servers=servers,
            # The peak at the end of the horizon, for which the fleet was sized.
            rate_per_s=service.arrival.peak_requests_per_s.value * grown(self.demand.growth)[0].value,
            num_replicas=self.replicas(load),
            num_serving=option.num_servers - option.num_spares,
            num_spares=option.num_spares,
            machine_availability=self.rules.machine_availability.value,
            seed=self.seed,
        )

    def replicas(self, load: Load) -> int:
        """Return the replicas that the plan counts for a service, without those from rounding to servers."""
        return max(1, ceil(needed(load, rules=self.rules).value / load.machines_per_replica))

    def _jobs(self, option: Option) -> tuple[ReplayedJob, ...]:
        running = {load.name: capability for load, capability in _running(option)}
        jobs: list[tuple[Job, Capability]] = [(job, running[job.name]) for job in self.demand.jobs if job.name in running]
        if not jobs or option.machine is None:
            return ()
        names = {job.name for job in self.demand.jobs}
        reserved = [
            self._machines_by_night(load) for load in option.loads if load.name not in names and load.busy_machines.value > 0
        ]
        night = Night(
            num_serving=option.num_servers - option.num_spares,
            num_spares=option.num_spares,
            machines_per_server=option.machine.machines_per_server.value,
            kept_by_services=float(sum(reserved)),
            machine_availability=self.rules.machine_availability.value,
            restart_s=self.rules.restart_s.value,
            savings={
                load.name: self._saving(job, load)
                for load in option.loads
                for job, _ in jobs
                if job.name == load.name and job.mode == "train"
            },
            seed=self.seed,
        )
        return replay_jobs(jobs, night)

    def _saving(self, job: Job, load: Load) -> Saving:
        """Return a checkpoint at Young and Daly's interval for the accelerators that the job keeps busy."""
        stall_s = stall_of(job, self.rules).value
        # A job keeps at least one replica, as in the formula of the lost share.
        busy = max(load.busy_machines.value, load.machines_per_replica)
        between_s = mtti_s(busy, hours=self.rules.hours_between_interruptions.value)
        return Saving(every_s=interval_s(stall_s, mtti_s=between_s), stall_s=stall_s)

    def _machines_by_night(self, load: Load) -> int:
        """Return the machines that a service keeps while jobs run, as the fleet counts them (``sizing``)."""
        quiet = off_peak_share(self.demand, rules=self.rules).value
        return max(1, ceil(quiet * needed(load, rules=self.rules).value / load.machines_per_replica)) * load.machines_per_replica


def _running(option: Option) -> Iterator[tuple[Load, Capability]]:
    """Yield each load with the capability that it runs with."""
    capability = {one.case: one for one in option.machine.capabilities} if option.machine else {}
    yield from ((load, capability[load.case]) for load in option.loads if load.case in capability)
