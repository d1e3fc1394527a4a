"""The posterior of a user's own runs: which spec each run was measured on, and all observations in its rows.

Three kinds of numbers are observed: seconds of a stage, bytes of a memory peak, watts. Probes are cases like any other: their
operators are traced, and their times say what these operators cost on that machine. A served engine's throughput, TTFT and TPOT
are set against its closed form. Numbers whose verdict is ``invalid`` are left out, ``suspect`` ones count with twice the noise.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence

from aigc_bench.analyze.rows import metric_rows
from aigc_bench.analyze.statistics import t_quantile
from aigc_bench.catalog.loader import Catalogue
from aigc_bench.catalog.records import AcceleratorSpec
from aigc_bench.core import registry
from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.named_code import permitted
from aigc_bench.core.records import Case, MetricRow
from aigc_bench.measure.store import Run
from aigc_bench.predict.engines import SERVED
from aigc_bench.predict.fitting.posterior import Observation, Posterior, fit
from aigc_bench.predict.fitting.random_effects import spreads
from aigc_bench.predict.machine_card import ProbedAccelerator, accelerator_from_run, machine_name
from aigc_bench.predict.model import PROBED_SUFFIX, machine_of, predict_case
from aigc_bench.predict.roofline.engine_operators import executed_trace
from aigc_bench.predict.roofline.quantities import memory_quantities, power_quantity, served_quantity, stage_quantity
from aigc_bench.predict.tracing.optrace import OpTrace

NOISE_FLOOR = 0.03
"""What repeats of one measurement differ by where their own trials do not show it."""
LONE_NOISE = 0.15
"""Standard deviation given to a number of one trial."""
SUSPECT = 2.0
"""Factor on the noise of a suspect number."""
UNTRACED = frozenset({"probe_disk", "probe_transfer", "probe_collective"})
"""Probes of links and disks: they hold no operator of a model, and their memory is the page cache's."""


def own_posterior(runs: Sequence[Run], *, specs: Sequence[AcceleratorSpec], catalogue: Catalogue) -> Posterior:
    """Return the posterior of all runs together; ``specs`` are those that will be predicted, and the base of runs on the same
    machine.

    Raises ``UsageError`` where a run's machine is neither among them nor in the catalogue and holds no probes either.
    """
    found: list[Observation] = []
    for run in runs:
        spec = _base(run, runs=runs, specs=specs, catalogue=catalogue)
        found += observations(run, spec=spec, catalogue=catalogue)
    return fit(found, spreads=spreads())


def _base(run: Run, *, runs: Sequence[Run], specs: Sequence[AcceleratorSpec], catalogue: Catalogue) -> AcceleratorSpec:
    """The spec that a run's numbers are set against."""
    name = machine_name(run)
    # A spec to be predicted first, which may be probed, so that its own runs calibrate what it predicts.
    spec = next((spec for spec in specs if name == machine_of(spec).removesuffix(PROBED_SUFFIX)), None)
    if spec is None:
        spec = catalogue.accelerators.get(name)
    if spec is None:
        # Another run of the same machine may hold its probes.
        for other in runs:
            if machine_name(other) == name and _is_probed(other):
                return accelerator_from_run(other, catalogue=catalogue)
        raise UsageError(
            message(
                "--run {path}: no catalogue row or probes describe its machine ({name}), so nothing can be predicted for it.",
                path=run.path,
                name=name,
            ),
            message("Probe that machine (aigc-bench run --profile probes) and pass that run as well."),
        )
    return spec


def _is_probed(run: Run) -> bool:
    return {"probe_gemm", "probe_memory"} <= {case.workload for case in run.info.cases}


def observations(run: Run, *, spec: AcceleratorSpec, catalogue: Catalogue) -> Iterator[Observation]:
    """Every number of a run that the model can be set against."""
    by_name = {(row.case, row.metric): row for row in metric_rows(run, catalogue=catalogue)}
    cases = [case for case in run.info.cases if _is_known(case)]
    # Of all cases: a run forks its workers from one process that has imported whatever any of them needs.
    libraries = {name for case in cases if case.backend == "cpu" for name in _imports(case)}
    for case in cases:
        rows = {metric: row for (name, metric), row in by_name.items() if name == case.id}
        # A run with both kinds of case is set against one spec: a CPU's numbers say nothing about an accelerator.
        is_elsewhere = case.workload in UNTRACED or (case.backend == "cpu") != _is_host(spec)
        if is_elsewhere or not rows:
            continue
        with contextlib.suppress(UsageError):  # an engine, number format or size that the model does not answer says nothing
            if case.engine in SERVED:
                yield from _served(case, spec, rows, catalogue=catalogue)
                continue
            trace = executed_trace(case)
            yield from _times(case, spec, trace, rows)
            yield from _memory(case, spec, trace, rows, catalogue=catalogue, libraries=libraries)
            yield from _power(case, spec, trace, rows)


def _is_host(spec: AcceleratorSpec) -> bool:
    """A CPU has no row in the catalogue: only a probed machine can be one."""
    return isinstance(spec, ProbedAccelerator) and spec.backend == "cpu"


def _is_known(case: Case) -> bool:
    """Return whether the case's workload is registered here; user code, for example, is not and cannot be scored."""
    return case.workload in registry.names("workloads") or permitted(case.workload) is not None


def _imports(case: Case) -> tuple[str, ...]:
    return tuple(registry.load("workloads", case.workload).imports(case))


def noise_of(row: MetricRow, *, num_trials: int) -> float | None:
    """Standard deviation of the logarithm of a row's value by its interval, Student's t over trials; ``None``: may not be used."""
    if row.value is None or row.value <= 0 or row.verdict == "invalid":
        return None
    noise = LONE_NOISE
    if row.low is not None and row.high is not None and num_trials > 1:
        # Relative half-width of the 95 % interval of the mean; over t it is the standard error.
        half = (row.high - row.low) / 2 / row.value
        # Variances add: what repeats differ by, and what the trials show.
        noise = (NOISE_FLOOR**2 + (half / t_quantile(0.975, degrees=num_trials - 1)) ** 2) ** 0.5
    return noise * (SUSPECT if row.verdict == "suspect" else 1.0)


def _times(case: Case, spec: AcceleratorSpec, trace: OpTrace, rows: Mapping[str, MetricRow]) -> Iterator[Observation]:
    """The time of every stage; the only stage of a case is its step."""
    # It does nothing for a while: its time is its setting.
    if case.workload == "probe_idle":
        return
    for stage in trace.stages:
        # A single stage has no row of its own, since it is the step.
        row = rows.get(f"stage_time.{stage.name}" if len(trace.stages) > 1 else "step_time")
        noise = None if row is None else noise_of(row, num_trials=rows["trial_cv"].n)
        if row is not None and row.value and noise is not None:
            yield Observation(
                quantity=stage_quantity(stage, spec, case=case, machine=machine_of(spec)),
                value=row.value,
                noise=noise,
                case=case.id,
            )


def _memory(
    case: Case,
    spec: AcceleratorSpec,
    trace: OpTrace,
    rows: Mapping[str, MetricRow],
    *,
    catalogue: Catalogue,
    libraries: set[str],
) -> Iterator[Observation]:
    quantities = memory_quantities(trace, case=case, machine=machine_of(spec), catalogue=catalogue, libraries=libraries)
    for metric, quantity in quantities.items():
        row = rows.get(metric)
        noise = None if row is None else noise_of(row, num_trials=rows["trial_cv"].n)
        if row is not None and row.value and noise is not None:
            yield Observation(quantity=quantity, value=row.value, noise=noise, case=case.id)


def _power(case: Case, spec: AcceleratorSpec, trace: OpTrace, rows: Mapping[str, MetricRow]) -> Iterator[Observation]:
    row, step = rows.get("power_mean"), rows.get("step_time")
    noise = None if row is None else noise_of(row, num_trials=rows["trial_cv"].n)
    # Power follows from how busy the step keeps the device, so both must be known.
    if row is None or row.value is None or noise is None or step is None or not step.value or not trace.flops:
        return
    quantity = power_quantity(case, spec, trace=trace, step_s=step.value, machine=machine_of(spec))
    if quantity is not None:
        # Measured watts are of all devices, the quantity is of one.
        yield Observation(quantity=quantity, value=row.value / case.devices, noise=noise, case=case.id)


def _served(case: Case, spec: AcceleratorSpec, rows: Mapping[str, MetricRow], *, catalogue: Catalogue) -> Iterator[Observation]:
    """The metrics of a served engine that its closed form knows."""
    for predicted in predict_case(case, spec, catalogue=catalogue):
        row = rows.get(predicted.metric)
        noise = None if row is None else noise_of(row, num_trials=rows["trial_cv"].n)
        if row is not None and row.value and noise is not None and predicted.value:
            yield Observation(
                quantity=served_quantity(case, predicted, machine=machine_of(spec)), value=row.value, noise=noise, case=case.id
            )
