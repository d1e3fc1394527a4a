"""The search for the largest batch: doubling until one does not fit, then bisection. Every batch that is tried is a measured case.

A search holds no state besides its trials, so that an interrupted search is continued from them.

On a CPU nothing is tried that is expected to take more memory than there is: the kernel would kill a process. Expected is what two
smaller batches took, continued in a straight line (activations grow with the batch, weights do not), and before there are two the
prediction's high end. An accelerator refuses by itself, and its ``oom`` is an answer.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from aigc_bench.core.control_group import find_cgroup
from aigc_bench.core.records import Case, TrialResult
from aigc_bench.core.run_records import FoundBatch, Search

LARGEST = 1 << 16
FINE = 16
"""Up to this batch the answer is exact, beyond it within a sixteenth."""
HEADROOM = 0.9
"""Share of the available memory that a trial may take."""
# For what grows faster than the line, as allocators that round up do.
STRAIGHT_LINE_MARGIN = 1.05
LEAST_STEPS = 8
"""Steps that a trial takes at least, warm-up included: longer ones than the timeout allows are not tried."""

PredictBytes = Callable[[Case], int | None]


@dataclass
class Bisection:
    """Largest integer that fits, where every integer above one that does not fit does not fit either."""

    low: int = 0
    high: int | None = None

    def next(self) -> int | None:
        """Return the next integer to try, ``None`` when the search is done: the answer is ``low``, 0 where not even 1 fits."""
        if self.high is None:
            return None if self.low >= LARGEST else max(1, 2 * self.low)
        return None if self.high - self.low <= max(1, self.low // FINE) else (self.low + self.high) // 2

    def record(self, value: int, *, fits: bool) -> None:
        """Record whether one integer fits."""
        if fits:
            self.low = max(self.low, value)
        else:
            self.high = value if self.high is None else min(self.high, value)


@dataclass
class _Hunt:
    """The search of one case."""

    template: Case
    bisection: Bisection = field(default_factory=Bisection)
    bound: str | None = None
    peaks: dict[int, int] = field(default_factory=dict)
    step_s: dict[int, float] = field(default_factory=dict)

    def at(self, batch_size: int) -> Case:
        return self.template.model_copy(update={"batch_size": batch_size})


class BatchSearch:
    """Which cases a run measures next, queried whenever it has measured all it has."""

    def __init__(
        self, cases: Sequence[Case], *, max_latency_s: float | None, predict_bytes: PredictBytes, available: Callable[[], int]
    ) -> None:
        """Cases that differ in their batch size only are one search. ``available`` is the memory that a CPU trial may take."""
        templates = dict.fromkeys(case.model_copy(update={"batch_size": 1}).id for case in cases)
        # Reversed, so that of several cases the first stays.
        first = {case.model_copy(update={"batch_size": 1}).id: case for case in reversed(cases)}
        self._hunts = [_Hunt(template=first[name]) for name in templates]
        self._max_latency_s = max_latency_s
        self._predict_bytes = predict_bytes
        self._available = available

    def grow(self, finished: Sequence[TrialResult]) -> tuple[Case, ...]:
        """The next case of every search that is still open; ``finished`` holds every trial of those that were proposed before."""
        of_case: dict[str, list[TrialResult]] = {}
        for trial in finished:
            of_case.setdefault(trial.case, []).append(trial)
        proposals = (self._next(hunt, of_case) for hunt in self._hunts)
        return tuple(case for case in proposals if case is not None)

    def result(self) -> Search:
        """Return the results so far."""
        return Search(
            max_latency_s=self._max_latency_s,
            cases=tuple(hunt.template for hunt in self._hunts),
            found=tuple(_found(hunt) for hunt in self._hunts),
        )

    def _next(self, hunt: _Hunt, of_case: Mapping[str, Sequence[TrialResult]]) -> Case | None:
        while (batch_size := hunt.bisection.next()) is not None:
            case = hunt.at(batch_size)
            if case.id in of_case:
                self._judge(hunt, case, of_case[case.id])
                continue
            reason = self._refusal(hunt, case)
            if reason is None:
                return case
            hunt.bound = reason
            hunt.bisection.record(batch_size, fits=False)
        return None

    def _judge(self, hunt: _Hunt, case: Case, trials: Sequence[TrialResult]) -> None:
        batch_size = case.batch_size
        failed = next((trial for trial in trials if trial.status != "ok"), None)
        if failed is not None:
            hunt.bound = {"oom": "memory", "timeout": "time"}.get(failed.status, "error")
            hunt.bisection.record(batch_size, fits=False)
            return
        medians = [statistics.median(trial.steps.duration_s) for trial in trials if trial.steps is not None]
        hunt.step_s[batch_size] = statistics.median(medians)
        peaks = [trial.memory.host_peak_bytes for trial in trials if trial.memory and trial.memory.host_peak_bytes]
        if peaks and hunt.template.backend == "cpu":
            hunt.peaks[batch_size] = max(peaks)
        is_late = self._max_latency_s is not None and hunt.step_s[batch_size] > self._max_latency_s
        hunt.bound = "latency" if is_late else hunt.bound
        hunt.bisection.record(batch_size, fits=not is_late)

    def _refusal(self, hunt: _Hunt, case: Case) -> str | None:
        """Return why a batch is skipped: it would take longer than its timeout, or more memory than the host has."""
        if hunt.step_s:
            largest = max(hunt.step_s)
            if hunt.step_s[largest] * case.batch_size / largest * LEAST_STEPS > case.timeout_s:
                return "time"
        if case.backend != "cpu":
            return None
        expected = straight_line(hunt.peaks, case.batch_size) or self._predict_bytes(case)
        return "memory" if expected is not None and expected > HEADROOM * self._available() else None


def straight_line(peaks: dict[int, int], batch_size: int) -> int | None:
    """Bytes at a batch size, continued from the two largest that were measured; ``None`` before there are two."""
    if len(peaks) < 2:
        return None
    left, right = sorted(peaks)[-2:]
    slope = max(0.0, (peaks[right] - peaks[left]) / (right - left))
    return int(STRAIGHT_LINE_MARGIN * (peaks[right] + slope * (batch_size - right)))


def _found(hunt: _Hunt) -> FoundBatch:
    low = hunt.bisection.low
    bound = "largest_tried" if hunt.bisection.high is None else hunt.bound
    if hunt.bisection.next() is not None:
        bound = "unfinished"
    return FoundBatch(case=hunt.at(max(1, low)).id, batch_size=low or None, smallest_too_large=hunt.bisection.high, bound=bound)


def available_bytes(*, proc: Path = Path("/proc"), sys: Path = Path("/sys")) -> int:
    """Memory that new work can take without swapping: what the kernel calls available, within the limits of all control groups."""
    text = (proc / "meminfo").read_text()
    match = re.search(r"^MemAvailable:\s*(\d+) kB", text, re.MULTILINE)
    available = int(match[1]) * 1024 if match else 0
    cgroup = find_cgroup(proc=proc, sys=sys)
    left = cgroup.memory_left_bytes() if cgroup else None
    return available if left is None else min(available, left)
