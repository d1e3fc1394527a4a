"""The health gate before a run's first trial: conditions that would invalidate every number are found before the measurement.

    thermal or brake flags     uncorrected ECC errors     a device hotter at idle than its neighbours     foreign processes
    a busy CPU, steal          a cgroup limit below the threads, swapping

Each probe has its positive control, so that a sensor that sees nothing cannot look healthy: the driver must be able to report heat,
and a core that is kept busy must be seen busy. Findings are kept in ``RunInfo.health``; a failure makes every number of the run
suspect (``preflight_failed``). Nothing is stopped: who measures on an unwell machine may have a reason to.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from aigc_bench.core.control_group import find_cgroup
from aigc_bench.core.messages import message
from aigc_bench.core.run_records import Check
from aigc_bench.measure import host_facts
from aigc_bench.measure.doctor import devices, host, sensors, software
from aigc_bench.measure.doctor.finding import absent, warning
from aigc_bench.telemetry.base import SensorAbsent
from aigc_bench.telemetry.host import Host
from aigc_bench.telemetry.nvml import GpuFacts, describe, nvml_open

OBSERVED_S = 0.5


def preflight(
    facts: Sequence[GpuFacts],
    *,
    seen: Mapping[str, float | None],
    controls: Sequence[Check] = (),
    cpu_limit: float | None = None,
    num_cores: int = 1,
    threads: str | None = None,
    swap_bytes: int | None = None,
    variables: Sequence[Check] = (),
) -> tuple[Check, ...]:
    """The findings from what the driver says of each GPU and from the host's metrics over a stretch without work of ours.

    ``seen`` is what ``doctor.host.observe`` gives; ``controls`` are the positive controls of the probes that were used,
    ``variables`` what ``doctor.software.environment`` finds.
    """
    on_devices = devices.health_checks(facts) if facts else [absent("devices", message("no accelerator responds on this machine"))]
    on_host = [
        host.neighbours(seen.get("cpu_utilization")),
        host.steal(seen.get("cpu_steal")),
        host.cpu_limit(cpu_limit, num_cores=num_cores, threads=threads),
        host.swapping(seen, swap_bytes=swap_bytes),
    ]
    return (*on_devices, *on_host, *variables, *controls)


def inspect() -> tuple[Check, ...]:
    """Observe this machine for about a second and judge it; a check that fails is a finding, never an error."""
    try:
        cgroup = find_cgroup()
        return preflight(
            _gpu_facts(),
            seen=host.observe(OBSERVED_S),
            controls=[sensors.cpu_control(Host())],
            cpu_limit=cgroup.cpu_limit() if cgroup else None,
            num_cores=len(os.sched_getaffinity(0)),
            threads=os.environ.get("OMP_NUM_THREADS"),
            swap_bytes=host_facts.swap_bytes(),
            variables=software.environment(os.environ),
        )
    # A probe that trips over an odd machine must not keep anybody from measuring there.
    except Exception as problem:
        return (
            warning(
                "preflight",
                message("could not be made: {type}: {problem}", type=type(problem).__name__, problem=problem),
                remedy=message("See `aigc-bench doctor`."),
            ),
        )


def _gpu_facts() -> tuple[GpuFacts, ...]:
    try:
        with nvml_open():
            return describe()[1]
    except SensorAbsent:
        return ()
