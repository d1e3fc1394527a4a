"""Whether two runs differ: Welch's t on trial medians, p < 0.01 *and* more than 1.5 %, false discoveries held at 5 %.

Trials are the sample, never steps: pooled steps call identical code different in a third of all pairs. A single threshold without a
test misses a true 5 % in most. Where hardware differs the same table is a ranking and no regression is called. Trials of one run
share their hour: where the condition of the machine itself differed (``conditions``), a change in that direction is left
undecided.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from aigc_bench.analyze.conditions import Condition, changed, conditions
from aigc_bench.analyze.metric import Better, Metric
from aigc_bench.analyze.metrics import METRICS, metric_of
from aigc_bench.analyze.reason_codes import verdict
from aigc_bench.analyze.rows import CaseAnalysis, analyses
from aigc_bench.analyze.statistics import benjamini_hochberg, geometric_mean, t_quantile, welch_error, welch_p
from aigc_bench.core.messages import joined, message
from aigc_bench.core.overview import Overview, Shown
from aigc_bench.core.record import Sentence
from aigc_bench.core.records import Record, Setting, Verdict
from aigc_bench.core.run_records import RunInfo
from aigc_bench.core.units import quantity
from aigc_bench.measure.store import Run

if TYPE_CHECKING:
    import pandas as pd

MAX_P = 0.01
MIN_EFFECT = 0.015
FALSE_DISCOVERY_RATE = 0.05
POWER = 0.9

Kind = Literal["regression_test", "ranking"]
Finding = Literal["better", "worse", "same", "undecided"]


class KeyDifference(Record):
    """A comparability key on which two runs differ. Keys of the hardware turn a regression test into a ranking."""

    key: str
    base: Setting | None
    other: Setting | None
    is_hardware: bool


class Change(Record):
    """One metric of one case in two runs. ``effect`` is relative to the base; ``p`` is ``None`` with fewer than two trials.

    ``finding``: ``better`` or ``worse`` where the test and the effect floor agree, ``undecided`` where a true change of the minimum
    detectable effect could hide or the machine's condition differed, else ``same``. ``conditions`` are those that differ.
    """

    case: str
    metric: str
    unit: str
    better: Better
    base: float
    other: float
    effect: float
    p: float | None
    num_base: int
    num_other: int
    detectable_effect: float | None
    finding: Finding
    is_regression: bool = False
    verdict: Verdict = "valid"
    conditions: tuple[Condition, ...] = ()

    @property
    def is_machines(self) -> bool:
        """Whether a condition of the machine changed in the direction of this change: worse with a loss, better with a gain."""
        return any(condition.got_worse == (self.loss > 0) for condition in self.conditions)

    @property
    def loss(self) -> float:
        """How much worse the other run is, relative to the base; negative where it is better."""
        return -self.effect if self.better == "higher" else self.effect


class RunComparison(Record):
    """One run against the base."""

    other: str
    kind: Kind
    differing: tuple[KeyDifference, ...]
    changes: tuple[Change, ...]
    throughput_ratio: float | None
    """Geometric mean over cases of the other run's throughput over the base's."""
    only_in_base: tuple[str, ...] = ()
    only_in_other: tuple[str, ...] = ()
    notes: tuple[Sentence, ...] = ()

    @property
    def regressions(self) -> tuple[Change, ...]:
        """The changes that are regressions."""
        return tuple(change for change in self.changes if change.is_regression)


class Comparison(Shown, Record):
    """Runs against a base, in the order given. ``fail_above`` is the loss above which a significant change is a regression."""

    base: str
    fail_above: float | None
    others: tuple[RunComparison, ...]

    @property
    def has_regression(self) -> bool:
        """Whether any run has a regression; never true without ``fail_above``."""
        return any(other.regressions for other in self.others)

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per run, case and metric: both medians, the effect, its p-value and the finding."""
        import pandas as pd

        columns = [name for name in Change.model_fields if name != "conditions"]
        cells = [{"run": other.other, **change.model_dump(include={*columns})} for other in self.others for change in other.changes]
        return pd.DataFrame(cells, columns=["run", *columns])

    @property
    def overview(self) -> Overview:
        """Return the counts of findings, and the changes that are better or worse."""
        rows = [(other.other, change) for other in self.others for change in other.changes]
        counts = Counter(change.finding for _, change in rows)
        found = ", ".join(f"{counts[finding]} {finding}" for finding in get_args(Finding))
        return Overview(
            title=message("Comparison with run {base}: {found}", base=self.base, found=found),
            notes=tuple(f"{other.other}: {other.kind.replace('_', ' ')}" for other in self.others),
            rows=tuple(_cells(name, change) for name, change in rows if change.finding in ("better", "worse")),
            right=("base", "other", "effect"),
        )


def _cells(run: str, change: Change) -> dict[str, str]:
    return {
        "run": run,
        "case": change.case,
        "metric": change.metric,
        "base": quantity(change.base, change.unit),
        "other": quantity(change.other, change.unit),
        "effect": f"{change.effect:+.1%}",
        "finding": "REGRESSION" if change.is_regression else change.finding,
    }


def compare(base: Run, others: Sequence[Run], *, fail_above: float | None = None) -> Comparison:
    """Compare each run with ``base``. ``fail_above`` is a fraction (0.05 for 5 %); without it nothing is called a regression."""
    cases = {analysis.case.id: analysis for analysis in analyses(base)}
    compared = tuple(_against(base, other, base_cases=cases, fail_above=fail_above) for other in others)
    return Comparison(base=base.info.id, fail_above=fail_above, others=compared)


def comparability_keys(info: RunInfo) -> dict[str, tuple[Setting | None, bool]]:
    """What must match for two runs to be a regression test, and whether it is hardware.

    Hardware: CPU, usable cores, memory, accelerators by name, power limits, MIG, ECC. The rest: software,
    environment variables, profile, level, seed.
    """
    system = info.system
    keys: dict[str, tuple[Setting | None, bool]] = {
        "cpu_model": (system.cpu_model, True),
        "num_usable_cores": (system.num_usable_cores, True),
        # In a container its limit is the memory.
        "memory_bytes": (system.memory_limit_bytes or system.memory_bytes, True),
        "accelerators": (", ".join(sorted(device.name for device in system.accelerators)) or "none", True),
        "power_limits_w": (_details(info, "power_limit_w"), True),
        "mig": (_details(info, "mig"), True),
        "ecc": (_details(info, "ecc"), True),
        # Of the operating system: an update is no other machine.
        "kernel": (system.kernel, False),
        "profile_hash": (info.profile_hash, False),
        "level": (info.level, False),
        "budget_s": (info.budget_s, False),
        "seed": (info.seed, False),
    }
    keys |= {f"software.{name}": (version, False) for name, version in sorted(system.software.items())}
    return keys | {f"variable.{name}": (value, False) for name, value in sorted(system.variables.items())}


def _details(info: RunInfo, name: str) -> str | None:
    """One detail of every accelerator, in a line; ``None`` where none says it."""
    values = [device.details.get(name) for device in info.system.accelerators]
    return ", ".join(str(value) for value in values) if any(value is not None for value in values) else None


def differing_keys(base: RunInfo, other: RunInfo) -> tuple[KeyDifference, ...]:
    """The keys on which two runs differ, hardware first."""
    left, right = comparability_keys(base), comparability_keys(other)
    settings = [{key: setting for key, (setting, _) in keys.items()} for keys in (left, right)]
    found = [
        KeyDifference(key=key, base=before, other=after, is_hardware=hardware)
        for key, (_, hardware) in (left | right).items()
        if (before := settings[0].get(key)) != (after := settings[1].get(key))
    ]
    # Stable: within hardware and software the keys keep their order.
    return tuple(sorted(found, key=lambda difference: not difference.is_hardware))


def _measured_in_both(
    base: Mapping[str, CaseAnalysis], other: Mapping[str, CaseAnalysis]
) -> dict[str, tuple[CaseAnalysis, CaseAnalysis]]:
    """Return the cases of which both runs have a finished trial, in the order of the first."""
    shared = {case: (ours, other[case]) for case, ours in base.items() if case in other}
    return {case: pair for case, pair in shared.items() if all(one.scenes for one in pair)}


def _against(base: Run, other: Run, *, base_cases: Mapping[str, CaseAnalysis], fail_above: float | None) -> RunComparison:
    other_cases = {analysis.case.id: analysis for analysis in analyses(other)}
    pairs = _measured_in_both(base_cases, other_cases)
    differing = differing_keys(base.info, other.info)
    is_same_hardware = not any(difference.is_hardware for difference in differing)
    is_same_kernel = is_same_hardware and not any(difference.key == "software.torch" for difference in differing)
    changes = [change for pair in pairs.values() for change in _changes(*pair, is_same_kernel=is_same_kernel)]
    # Other hardware is a ranking, in which nothing regresses.
    decided = decide(changes, fail_above=fail_above if is_same_hardware else None)
    return RunComparison(
        other=other.info.id,
        kind="regression_test" if is_same_hardware else "ranking",
        differing=differing,
        changes=tuple(decided),
        throughput_ratio=_throughput_ratio(decided),
        only_in_base=tuple(case for case in base_cases if case not in pairs),
        only_in_other=tuple(case for case in other_cases if case not in pairs),
        notes=(*_notes(base.info, other.info), *_machine_notes(decided)),
    )


def _throughput_ratio(changes: Sequence[Change]) -> float | None:
    # A ratio's logarithm is taken: zero has none.
    ratios = [c.other / c.base for c in changes if c.metric == "throughput" and c.verdict != "invalid" and c.other > 0]
    return geometric_mean(ratios)


def _notes(base: RunInfo, other: RunInfo) -> Iterator[str]:
    """Devices of one name differ in speed by 8 % on average (arXiv 2208.11035), so another unit is noted."""
    ours, theirs = ({device.uuid for device in info.system.accelerators} for info in (base, other))
    if ours != theirs and {d.name for d in base.system.accelerators} == {d.name for d in other.system.accelerators}:
        yield message("other units of the same accelerator: devices of one name differ in speed by 8 % on average")
    if base.system.host_id != other.system.host_id:
        yield message("measured on another host")


def _machine_notes(changes: Sequence[Change]) -> Iterator[str]:
    """Yield why significant changes are undecided: each condition with its largest difference."""
    suspected = [change for change in changes if change.is_machines and change.p is not None and change.p < MAX_P]
    widest: dict[str, Condition] = {}
    for change in suspected:
        for condition in change.conditions:
            if condition.got_worse == (change.loss > 0):
                widest[condition.name] = max(widest.get(condition.name, condition), condition, key=lambda c: abs(c.other - c.base))
    if suspected:
        conditions = (
            message("{name} {base}, then {other}", name=c.name, base=quantity(c.base, c.unit), other=quantity(c.other, c.unit))
            for c in widest.values()
        )
        yield message(
            "{count} change(s) undecided, since the machine's condition differed: {conditions}",
            count=len(suspected),
            conditions=joined("; ", conditions),
        )


def _changes(base: CaseAnalysis, other: CaseAnalysis, *, is_same_kernel: bool) -> Iterator[Change]:
    work = base.scenes[0].trial.work
    found = conditions(base.scenes, other.scenes, is_same_kernel=is_same_kernel)
    for metric in METRICS.values():
        left, right = base.values(metric.id), other.values(metric.id)
        # Effects are relative to the base.
        if metric.is_compared and left and right and np.median(left) != 0:
            named = metric_of(metric.id, item=work.item if work else "item")
            both = verdict((*base.reasons_for(metric), *other.reasons_for(metric)))
            change = change_of(left, right, case=base.case.id, metric=named, verdict=both)
            yield change.model_copy(update={"conditions": changed(found, effect=change.effect)})


def change_of(base: Sequence[float], other: Sequence[float], *, case: str, metric: Metric, verdict: Verdict = "valid") -> Change:
    """The change of one metric between two sets of trial values, not yet decided among its family of tests."""
    assert metric.better is not None, f"{metric.id} has no better direction"
    # The effect is that of the medians, which are shown; Welch's test is about means.
    before, after = float(np.median(base)), float(np.median(other))
    return Change(
        case=case,
        metric=metric.id,
        unit=metric.unit,
        better=metric.better,
        base=before,
        other=after,
        effect=after / before - 1.0,
        p=welch_p(base, other),
        num_base=len(base),
        num_other=len(other),
        detectable_effect=detectable_effect(base, other),
        finding="undecided",
        verdict=verdict,
    )


def detectable_effect(base: Sequence[float], other: Sequence[float]) -> float | None:
    """Smallest true change, relative to the base, that this test finds in 90 % of pairs of runs with this spread.

    ``(t(1 - p/2) + t(power)) x standard error / mean``, and never below the effect floor. ``None`` with fewer than two trials.
    """
    if len(base) < 2 or len(other) < 2:
        return None
    error, degrees = welch_error(base, other)
    factor = t_quantile(1 - MAX_P / 2, degrees=degrees) + t_quantile(POWER, degrees=degrees)
    return max(MIN_EFFECT, factor * error / abs(float(np.mean(base))))


def decide(changes: Sequence[Change], *, fail_above: float | None = None) -> list[Change]:
    """The changes with their findings: significant, above the effect floor, and among the discoveries of the whole family.

    Numbers with the verdict ``invalid`` are left undecided and are no regression.
    """
    tested = [change for change in changes if change.p is not None and change.verdict != "invalid"]
    discovered = benjamini_hochberg([change.p for change in tested if change.p is not None], rate=FALSE_DISCOVERY_RATE)
    found = {id(change) for change, is_discovery in zip(tested, discovered, strict=True) if is_discovery}
    return [_decided(change, is_discovery=id(change) in found, fail_above=fail_above) for change in changes]


def _decided(change: Change, *, is_discovery: bool, fail_above: float | None) -> Change:
    if change.p is None or change.verdict == "invalid":
        return change
    # The test cannot separate a slower program from a slower hour of the machine.
    if is_discovery and change.is_machines:
        return change.model_copy(update={"finding": "undecided"})
    # The rate bounds false discoveries among all changes, p < 0.01 each single one, the floor what is worth a word.
    is_real = is_discovery and change.p < MAX_P and abs(change.effect) > MIN_EFFECT
    if not is_real:
        # "Same" is only said where an effect of that size, at least 3 %, would have been seen.
        is_blind = change.detectable_effect is None or change.detectable_effect > max(abs(change.effect), 2 * MIN_EFFECT)
        return change.model_copy(update={"finding": "undecided" if is_blind else "same"})
    is_regression = fail_above is not None and math.isfinite(change.loss) and change.loss > fail_above
    return change.model_copy(update={"finding": "worse" if change.loss > 0 else "better", "is_regression": is_regression})
