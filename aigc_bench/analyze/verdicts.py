"""Whether a measured number may be trusted: small rules over a trial and its sensors, each giving codes of ``reasons.REASONS``.

Rules look at throttle *reasons*, never at clocks: an idle device runs at a tenth of its clock and is healthy. Throttle masks are
integers and are compared as bits, so that a rule cannot be blind to a mask it has not seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from aigc_bench.analyze.drift import drift_reasons
from aigc_bench.analyze.metric import Metric
from aigc_bench.analyze.reason_codes import concerning, ordered
from aigc_bench.analyze.sensing import Scene, others_share
from aigc_bench.analyze.statistics import coefficient_of_variation
from aigc_bench.analyze.timing import launch_gap
from aigc_bench.core.throttle import MAX_SPOILED_SHARE, SPOILING, SW_POWER_CAP
from aigc_bench.core.units import MIB

MAX_LAUNCH_GAP = 0.05
MAX_STARVED = 0.5
MAX_TRIAL_CV = 0.05
MAX_STEAL = 0.01
MAX_CGROUP_SHARE = 0.01
MAX_OTHERS_SHARE = 0.10
MAX_RUN_QUEUE_WAIT = 0.05
MAX_CLOCK_SPREAD = 0.10
MAX_SWAPPED_BYTES = MIB
# Of a run that does not say: kernels of some Arm machines have pages of 16 or 64 KiB.
USUAL_PAGE_BYTES = 4096
MIN_TRIALS = 3
MIN_WINDOW_S = 0.9
MIN_WINDOW_STEPS = 5
# Of NVML's power sensor and energy counter.
SENSOR_PERIOD_S = 0.1
IN_PHASE = 0.05

Rule = Callable[[Scene], Iterator[str]]


def reasons_of(scene: Scene) -> tuple[str, ...]:
    """Return the codes of every rule that applies to one finished trial, worst first."""
    return ordered(code for rule in RULES for code in rule(scene))


def spread_reasons(values: list[float], *, metric: Metric) -> tuple[str, ...]:
    """Return the codes of one metric's spread over trials: too few trials, or a CV above 5 %."""
    found = ["few_trials"] if len(values) < MIN_TRIALS else []
    cv = coefficient_of_variation(values)
    if cv is not None and cv > MAX_TRIAL_CV:
        found.append("unstable")
    return concerning(found, metric=metric)


def braked_share(scene: Scene, *, bits: int = SPOILING) -> float:
    """Largest share, over the judged devices, of the window's readings that have one of the bits set; 0 where none was read."""
    shares = [_share_with(scene.accelerator(device, "throttle_reasons").value, bits=bits) for device in scene.devices]
    return max(shares, default=0.0)


def _share_with(masks: np.ndarray, *, bits: int) -> float:
    # Telemetry keeps every value as a float; whole numbers are exact up to 2^53.
    return float(((masks.astype(np.int64) & bits) != 0).mean()) if masks.size else 0.0


def _throttling(scene: Scene) -> Iterator[str]:
    if braked_share(scene) > MAX_SPOILED_SHARE:
        yield "throttled"
    if braked_share(scene, bits=SW_POWER_CAP) > MAX_SPOILED_SHARE:
        yield "power_capped"
    if scene.uses_accelerator and not all(len(scene.accelerator(device, "throttle_reasons")) for device in scene.devices):
        yield "throttle_unknown"


def _clock(scene: Scene) -> Iterator[str]:
    if not scene.uses_accelerator:
        return
    for device in scene.devices:
        clock = scene.accelerator(device, "sm_clock_hz").value
        if clock.size > 1 and clock.max() > 0 and float(np.ptp(clock) / clock.max()) > MAX_CLOCK_SPREAD:
            yield "clock_varied"


def _warmup(scene: Scene) -> Iterator[str]:
    if scene.trial.warmup is not None and not scene.trial.warmup.converged:
        yield "warmup_not_converged"


def _window(scene: Scene) -> Iterator[str]:
    window = scene.window
    if window.num_steps < MIN_WINDOW_STEPS or window.wall_s < MIN_WINDOW_S:
        yield "short_window"
    if window.stop_reason != "converged":
        yield "window_not_converged"
    gap = launch_gap(scene.trial)
    is_starved = window.starved_fraction is not None and window.starved_fraction > MAX_STARVED
    if is_starved or (gap is not None and gap > MAX_LAUNCH_GAP):
        yield "host_bound"


def _compiled(scene: Scene) -> Iterator[str]:
    """Whether what was compiled is what the engine's name says, and nothing was compiled within the window."""
    found = {name: value for name, value in scene.trial.environment.items() if isinstance(value, int) and value > 0}
    if "cuda_graphs_skipped" in found:
        yield "cuda_graphs_skipped"
    if "recompilations_in_window" in found:
        yield "compiled_in_window"
    if "graph_breaks" in found:
        yield "graph_breaks"


def _check(scene: Scene) -> Iterator[str]:
    # `is`, because checks hold numbers, too, and 0 is no failure.
    if any(value is False for value in scene.trial.check.values()):
        yield "check_failed"


def _quality(scene: Scene) -> Iterator[str]:
    """Return the codes of the quality gate: it ran in the case's first trial only and holds for the case."""
    if scene.trial.quality is not None and scene.trial.quality.passed is not True:
        yield "quality_unknown" if scene.trial.quality.passed is None else "wrong_result"


def _phase(scene: Scene) -> Iterator[str]:
    """Return the code for steps in phase with a power sensor, which sees a quarter of the time only (arXiv 2312.02741)."""
    steps = scene.trial.steps
    # A counter adds up what lies between its refreshes and misses no phase.
    if not scene.uses_accelerator or scene.energy.source != "integration" or steps is None or not steps.duration_s:
        return
    period_s = scene.window.wall_s / scene.window.num_steps
    # Steps of about 100, 50, 33 and 25 ms: one to four of them fill the sensor's period.
    if any(abs(period_s * k / SENSOR_PERIOD_S - 1) <= IN_PHASE for k in (1, 2, 3, 4)):
        yield "sensor_in_phase"


def _preflight(scene: Scene) -> Iterator[str]:
    """Heat, a brake or broken memory found before the first trial; a device that no trial used is ignored."""
    concerned = {None, *scene.devices, *(scene.parents[device] for device in scene.devices if device in scene.parents)}
    failed = (check for check in scene.run.info.health if check.status == "failure")
    if scene.uses_accelerator and any(check.device in concerned for check in failed):
        yield "preflight_failed"


def _foreign(scene: Scene) -> Iterator[str]:
    counts = [scene.accelerator(device, "num_foreign_processes").value for device in scene.devices]
    if scene.uses_accelerator and any(count.size and count.max() > 0 for count in counts):
        yield "foreign_process"


def _host_load(scene: Scene) -> Iterator[str]:
    others = others_share(scene)
    if others is not None and others > MAX_OTHERS_SHARE:
        yield "busy_host"
    queue = scene.host("run_queue").value
    # One more than the cores, because the sampler is runnable while it reads this.
    if queue.size and float(queue.mean()) > scene.run.info.system.num_cores + 1:
        yield "noisy_host"
    host = scene.trial.host
    if host is not None and (host.run_queue_wait_s or 0.0) > MAX_RUN_QUEUE_WAIT * scene.window.wall_s:
        yield "waited_for_core"
    steal = scene.host("cpu_steal").value
    if steal.size and float(steal.mean()) > MAX_STEAL:
        yield "steal"


def _host_limits(scene: Scene) -> Iterator[str]:
    stopped_s = scene.rise("cgroup_throttled_s")
    if stopped_s is not None and stopped_s > MAX_CGROUP_SHARE * scene.window.wall_s:
        yield "cgroup_throttled"
    pages = (scene.rise("swap_in_pages") or 0.0) + (scene.rise("swap_out_pages") or 0.0)
    if pages * _page_bytes(scene) > MAX_SWAPPED_BYTES:
        yield "swapping"


def _page_bytes(scene: Scene) -> int:
    """Return the page size of the kernel that the run was made on, in bytes."""
    size = scene.run.info.system.details.get("page_bytes")
    return size if isinstance(size, int) and not isinstance(size, bool) and size > 0 else USUAL_PAGE_BYTES


def _sampler(scene: Scene) -> Iterator[str]:
    report = scene.run.info.sampler
    if report is not None and (report.restarts or report.num_lost > 0.01 * max(1, report.num_samples + report.num_lost)):
        yield "telemetry_lost"
    if not scene.readings.series:
        yield "no_telemetry"


RULES: tuple[Rule, ...] = (
    _throttling,
    _clock,
    _warmup,
    _window,
    _compiled,
    _check,
    _quality,
    _phase,
    _preflight,
    _foreign,
    _host_load,
    _host_limits,
    drift_reasons,
    _sampler,
)
