"""What the reference kernel says about a CPU trial: whether the machine was slower or restless then, and a throughput without that.

The correction is a metric of its own and touches no other: it assumes that a step slows as the kernel does, which holds for compute
on one thread and less for memory-bound or many-threaded steps. It follows a drift; a neighbour who comes and goes within a window
is not seen in forty milliseconds next to it (measured: with four busy neighbours the corrected CV was the larger one).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from aigc_bench.analyze.sensing import Scene
from aigc_bench.analyze.timing import Quantity, throughput
from aigc_bench.core.records import TrialResult

MAX_SHIFT = 0.05
# A quiet core scatters by 1 to 3 %.
MAX_SCATTER = 0.10


def reference_s(trial: TrialResult) -> float | None:
    """Median time of the reference kernel around the trial's window, in seconds; ``None`` where it was not timed."""
    times = _times(trial)
    return float(np.median(times)) if times else None


def typical_reference_s(trials: Iterable[TrialResult]) -> float | None:
    """Median over a run's trials of the kernel's median time, in seconds; ``None`` where no trial timed it."""
    found = [seconds for trial in trials if (seconds := reference_s(trial)) is not None]
    return float(np.median(found)) if found else None


def reference_mean_s(trial: TrialResult) -> float | None:
    """Mean time of the kernel, in seconds: unlike the median it holds the time that neighbours took from it."""
    times = _times(trial)
    return float(np.mean(times)) if times else None


def scatter(trial: TrialResult) -> float | None:
    """How far the kernel's p90 lies above its median, relative to it; a quiet core gives 1-3 %."""
    times = _times(trial)
    return float(np.quantile(times, 0.9) / np.median(times) - 1) if times else None


def shift(scene: Scene) -> float | None:
    """Return how much slower the kernel ran around this trial than around the run's typical one (the median), relative to that.

    Not the fastest: a clock that boosts once in a run would put every other trial under suspicion.
    """
    own = reference_s(scene.trial)
    return None if own is None or scene.typical_reference_s is None else own / scene.typical_reference_s - 1


def drift_reasons(scene: Scene) -> Iterator[str]:
    """``noisy_host`` where the kernel scattered, ``reference_shifted`` where it was slower than elsewhere in the run."""
    scattered, shifted = scatter(scene.trial), shift(scene)
    if scattered is not None and scattered > MAX_SCATTER:
        yield "noisy_host"
    if shifted is not None and shifted > MAX_SHIFT:
        yield "reference_shifted"


def drift_corrected(scene: Scene) -> Iterator[Quantity]:
    """Return the throughput that the trial would reach on the machine at the speed of the run's typical reference kernel."""
    shifted, work = shift(scene), scene.trial.work
    if shifted is not None and work is not None:
        # A kernel slower by the share s means a machine slower by 1 + s.
        yield Quantity(metric="throughput_drift_corrected", value=throughput(work, scene.window) * (1 + shifted))


def _times(trial: TrialResult) -> tuple[float, ...]:
    return (*trial.reference.before_s, *trial.reference.after_s) if trial.reference else ()
