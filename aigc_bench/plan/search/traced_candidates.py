"""Candidates for all families except served language models: their own operators, traced once, on every accelerator's roofline.

inference   a replica is one accelerator, a request waits for its batch and for the steps that make its items (``side_by_side``)
training    a replica is 1, 2, 4 or 8 accelerators of one server, gradients are summed over the scale-up link each step
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from aigc_bench.core import registry
from aigc_bench.core.errors import UsageError
from aigc_bench.core.identity import Same
from aigc_bench.core.records import Case, Mode, OwnModel, Setting
from aigc_bench.plan.search.candidates import Candidates, power_caps, stacked, with_caps
from aigc_bench.plan.sizing.batching import INDEPENDENT, entries_of, requests_in, steps_of
from aigc_bench.predict.closed_form.collectives import collective_s
from aigc_bench.predict.engines import engine_costs
from aigc_bench.predict.fitting.effects import Floats
from aigc_bench.predict.roofline.device_power import BUSY_ARITHMETIC, BUSY_MEMORY, mean_watts
from aigc_bench.predict.roofline.operator_table import OperatorTable, stage_times, tables
from aigc_bench.predict.tracing.optrace import OpTrace

if TYPE_CHECKING:
    from aigc_bench.catalog.loader import Catalogue
    from aigc_bench.catalog.records import AcceleratorSpec

ENGINES = ("torch-eager", "torch-compile")
# 1 to 128.
BATCHES = tuple(2**power for power in range(8))
WHOLE_REQUESTS = 8
"""Requests whose items fill the largest searched batch, where the items of one request run side by side."""
MOST_POWER = 16
"""Limit of the largest batch, a power of two, independent of the items of a request: 65,536."""
RANKS = (1, 2, 4, 8)
PRECISION = "bf16"
"""The precision that most accelerators share; one without bf16 runs fp16, with the same operators and bytes."""


def as_traced(precision: str) -> str:
    """Return the precision whose trace is used for this one: fp16 and bf16 have the same operators and bytes."""
    return PRECISION if precision == "fp16" else precision


def traced_candidates(
    workload: str,
    preset: str,
    *,
    mode: Mode,
    settings: Mapping[str, Setting],
    items_per_request: float,
    specs: Sequence[AcceleratorSpec],
    engines: Sequence[str],
    precisions: Sequence[str],
    model: OwnModel | None = None,
    catalogue: Catalogue,
    trace: Callable[[Case], OpTrace],
) -> Candidates | None:
    """Return every configuration of a traced case; ``items_per_request`` items make one request."""
    return _found(
        (workload, preset, mode),
        Same(settings),
        items_per_request,
        tuple(map(Same, specs)),
        (tuple(engines), tuple(precisions)),
        Same(model),
        Same(catalogue),
        Same(trace),
    )


# A plan of a chain, of owned machines or of several rates asks for the same configurations more than once.
@lru_cache(maxsize=16)
def _found(
    run: tuple[str, str, Mode],
    settings: Same[Mapping[str, Setting]],
    items_per_request: float,
    specs: tuple[Same[AcceleratorSpec], ...],
    allowed: tuple[tuple[str, ...], tuple[str, ...]],
    model: Same[OwnModel | None],
    catalogue: Same[Catalogue],
    trace: Same[Callable[[Case], OpTrace]],
) -> Candidates | None:
    (workload, preset, mode), (engines, precisions) = run, allowed
    parts: list[dict[str, object]] = []
    for precision in [one for one in (precisions or (PRECISION,)) if one in ("fp32", "tf32", "bf16", "fp16")]:
        case = case_of(workload, preset, mode, precision=precision, settings=settings.held, model=model.held)
        for table in tables(case, batches_for(case, items_per_request), trace=trace.held):
            for spec in (one.held for one in specs):
                for engine in [one for one in ENGINES if not engines or one in engines]:
                    own = "fp16" if precision == "bf16" and not spec.peak("bf16") else precision
                    parts += _blocks(table, spec, engine, own, mode, items_per_request=items_per_request, catalogue=catalogue.held)
    return stacked(parts)


def batches_for(case: Case, items_per_request: float) -> tuple[int, ...]:
    """Return powers of two up to 128, and further while a request's own items fill more than an eighth of the batch."""
    item = registry.load("workloads", case.workload).item
    most = WHOLE_REQUESTS * items_per_request if item in INDEPENDENT and case.mode == "infer" else 0
    return (*BATCHES, *(2**power for power in range(len(BATCHES), MOST_POWER + 1) if 2**power <= most))


def case_of(
    workload: str, preset: str, mode: Mode, *, precision: str, settings: Mapping[str, Setting], model: OwnModel | None = None
) -> Case:
    """Return the case to trace, on an accelerator; ``precision`` is one of torch's."""
    fields = {"workload": workload, "preset": preset, "mode": mode, "precision": precision, "backend": "cuda", "settings": settings}
    return Case.model_validate({**fields, "model": model})


def _blocks(
    table: OperatorTable,
    spec: AcceleratorSpec,
    engine: str,
    precision: str,
    mode: Mode,
    *,
    items_per_request: float,
    catalogue: Catalogue,
) -> Iterator[dict[str, object]]:
    try:
        step_s: Floats = stage_times(table, spec, costs=engine_costs(engine), precision=precision).sum(axis=0)
    except UsageError:
        return
    if not (step_s > 0).all():
        return
    batches = np.array(table.batches, dtype=float)
    # What the driver offers, times the share that an engine may plan with.
    usable = catalogue.usable_memory(spec).value * catalogue.constant("usable_memory_fraction").value
    peak = spec.peak("bf16") or spec.peak("fp16") or spec.peak("fp32") or math.inf
    for ranks in RANKS if mode == "train" else (1,):
        reduce_s = _reduction_s(table, spec, ranks=ranks, catalogue=catalogue) if mode == "train" else 0.0
        whole_s = step_s + reduce_s
        # Share of the memory's bandwidth that a step uses; (batches,).
        moved = table.step_bytes(engine_costs(engine)) / whole_s / spec.memory_bandwidth_bytes_per_s
        watts = mean_watts(
            spec,
            busy_share=np.minimum(1.0, table.step_flops / whole_s / peak / BUSY_ARITHMETIC),
            memory_share=np.minimum(1.0, moved / BUSY_MEMORY),
        )
        entries = entries_of(items_per_request, items_per_entry=float(table.items[0] / batches[0])) if mode == "infer" else 1
        steps = steps_of(entries, batch=batches, item=table.item)
        requests = requests_in(batches, entries=entries, item=table.item)
        # Share of the batch's entries that hold an item of some request.
        used = requests * entries / (steps * batches)
        block: dict[str, object] = {
            "accelerator": spec.id,
            "engine": engine,
            "precision": precision,
            "devices": ranks,
            "batch": batches,
            "slots": requests,
            # Items of all ranks over one step.
            "throughput": ranks * used * table.items / whole_s,
            "service_s": whole_s * steps,
            "latency_s": whole_s * steps,
            "memory_bytes": table.peak_bytes + catalogue.constant("cuda_context_bytes").value,
            "usable_bytes": usable,
            "power_w": np.full_like(whole_s, np.nan) if watts is None else watts,
        }
        yield from with_caps(block, power_caps(spec, work="training", catalogue=catalogue))


def _reduction_s(table: OperatorTable, spec: AcceleratorSpec, *, ranks: int, catalogue: Catalogue) -> float:
    if ranks > 1 and not spec.has_scale_up_link and spec.pcie_gen is None:
        # Cards without a link or a known PCIe generation cannot sum gradients.
        return math.inf
    return collective_s(table.gradient_bytes, kind="all_reduce", spec=spec, devices=ranks, catalogue=catalogue).value
