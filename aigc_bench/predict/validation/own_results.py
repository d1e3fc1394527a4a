"""This tool's own measurements as a published table, and back: what ``show RUN --as published`` writes, ``validate`` can score.

A row of ours names its engine in ``software`` (``torch-eager``, ``torch-compile``) and its preset in ``model``; it is answered by
the traced model, for any family. ``config_json`` holds the case where a case wrote the row; without it the columns count
(``input_len`` is the prompt in inference, the sequence in training). ``gpu`` is an accelerator's id, or ``@RUN`` for a machine
that was probed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import get_args

from pydantic import ValidationError

from aigc_bench.analyze.rows import metric_rows
from aigc_bench.catalog.loader import Catalogue
from aigc_bench.core import registry
from aigc_bench.core.csv_file import csv_text
from aigc_bench.core.errors import AigcBenchError, UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.records import PROBE_PREFIX, Case, MetricRow, Precision, Setting
from aigc_bench.measure.store import Run
from aigc_bench.predict.closed_form.columns import NotPredictable
from aigc_bench.predict.engines import SERVED
from aigc_bench.predict.machine_card import has_probes
from aigc_bench.predict.published.name_resolution import bare_name
from aigc_bench.predict.published.row import COLUMNS, PublishedQuery, resolution_pixels

EXTRA_COLUMNS = ("config_json", "run_key", "notes")
"""Columns besides the documented ones: the case itself, the run, and the verdict with its reasons."""

METRICS = (
    "throughput", "step_time", "ttft", "tpot", "denoising_step_time", "latency_p50", "memory_allocated_peak", "memory_host_peak",
    "energy_per_item",
)  # fmt: skip
"""Metrics that are published, under their own ids."""

_FAMILIES: Mapping[tuple[str, str], str] = {
    ("gpt", "infer"): "llm",
    ("gpt", "train"): "llm-train",
    ("latent_diffusion", "infer"): "diffusion-image",
    ("latent_diffusion", "train"): "diffusion-image",
}
"""Workload and mode -> the family that published tables call it; any other goes by its own name."""

_SETTINGS: Mapping[str, tuple[str, ...]] = {
    "input_len": ("prompt_len", "src_len", "seq_len"),
    "output_len": ("max_new_tokens", "tgt_len"),
    "steps": ("num_inference_steps",),
    "resolution": ("resolution",),
}
"""Column -> the settings it may stand for, the first that the family has; in training a sequence comes first."""


def family_of(workload: str, mode: str) -> str:
    """What published tables call a workload."""
    return _FAMILIES.get((workload, mode), workload)


def _is_published(row: MetricRow) -> bool:
    return row.metric in METRICS and row.value is not None and row.verdict != "invalid"


def published_table(run: Run, *, catalogue: Catalogue, gpu: str | None = None) -> str:
    """A run's valid and suspect numbers as CSV in the documented schema; probes and cases with a data pipeline are left out.

    ``gpu`` names the machine (an id or ``@RUN``); without it the accelerator that the run used, for a CPU ``@`` and the run's own
    directory if it holds the probes, else the processor's name. Raises ``UsageError`` where the run has no number to publish.
    """
    cases = {case.id: case for case in run.info.cases if case.pipeline is None and not case.workload.startswith(PROBE_PREFIX)}
    rows = metric_rows(run, catalogue=catalogue)
    # power_w is a column of every row of the case, not a row of its own.
    watts = {row.case: row.value for row in rows if row.metric == "power_mean" and row.verdict != "invalid"}
    chosen = [row for row in rows if row.case in cases and _is_published(row)]
    if not chosen:
        raise UsageError(
            message("{path}: it has no number to publish.", path=run.path), message("Every case failed, is invalid, or is a probe.")
        )
    columns = (*COLUMNS, *EXTRA_COLUMNS)
    found = []
    for row in chosen:
        machine = gpu or machine_of(run, cases[row.case])
        found.append(_cells(run, cases[row.case], row, gpu=machine, power_w=watts.get(row.case)))
    return csv_text([columns, *([cells.get(name, "") for name in columns] for cells in found)])


def machine_of(run: Run, case: Case) -> str:
    """Return the cell of the ``gpu`` column: an id of the catalogue, ``@RUN``, or the device's own name."""
    if case.backend != "cpu" and run.info.system.accelerators:
        # The first speaks for all: a run's devices are of one kind.
        device = run.info.system.accelerators[0]
        return device.catalog_id or device.name
    return f"@{run.path}" if has_probes(run) else run.info.system.cpu_model


def _cells(run: Run, case: Case, row: MetricRow, *, gpu: str, power_w: float | None) -> dict[str, object]:
    columns = _setting_columns(case)
    if "resolution" in columns:
        # Presets know one side, published tables write both.
        columns["resolution"] = f"{columns['resolution']}x{columns['resolution']}"
    return {
        "family": family_of(case.workload, case.mode),
        "task": case.mode,
        "model": case.preset,
        "gpu": gpu,
        "gpu_count": case.devices,
        "precision": case.precision,
        "software": " ".join(filter(None, (case.engine, run.info.system.software.get("torch")))),
        "batch": case.batch_size,
        **columns,
        "metric": row.metric,
        "value": row.value,
        "unit": row.unit,
        "power_w": power_w,
        "config_json": json.dumps({"case": case.model_dump(mode="json", exclude_defaults=True)}),
        "run_key": f"{run.info.id}:{case.id}",
        "notes": ", ".join((row.verdict, *row.reasons)),
    }


def _setting_columns(case: Case) -> dict[str, Setting]:
    """Column -> value; of a workload that is not registered here (user code), only what its case states."""
    known = case.workload in registry.names("workloads")
    stated = registry.load("workloads", case.workload).options(case).model_dump() if known else case.settings
    return {column: stated[setting] for column, setting in _own_settings(case, stated).items()}


def _own_settings(case: Case, fields: Iterable[str]) -> dict[str, str]:
    """Column -> setting of this family."""
    known = set(fields)
    found = {}
    for column, names in _SETTINGS.items():
        # False sorts before True: seq_len comes first, the others keep their order.
        in_order = sorted(names, key=lambda name: name != "seq_len") if case.mode == "train" else names
        setting = next((name for name in in_order if name in known), None)
        # A training step generates nothing and denoises once, whatever its settings say.
        if setting is not None and not (case.mode == "train" and column in ("output_len", "steps")):
            found[column] = setting
    return found


def is_own(query: PublishedQuery) -> bool:
    """Whether a row was measured with this tool's own engines on one of its presets."""
    engine = (query.software or "").split(" ")[0]
    # Served engines have a published closed form, which answers their rows.
    return engine in registry.names("engines") and engine not in SERVED and _workload_of(query) is not None


def case_of_row(query: PublishedQuery) -> Case:
    """The case that a row of ours measured; raises ``NotPredictable`` where it does not say one."""
    workload, preset = _workload_of(query) or ("", "")
    # The case as it was run, if this tool wrote the row: columns cannot state all of its settings.
    stated = query.words.get("case")
    try:
        case = _from_columns(query, workload=workload, preset=preset) if stated is None else Case.model_validate_json(stated)
        registry.load("workloads", case.workload).validate(case)
    except ValidationError:
        raise NotPredictable(message("config_json holds no case")) from None
    except AigcBenchError as problem:
        raise NotPredictable(str(problem)) from None
    return case


def _from_columns(query: PublishedQuery, *, workload: str, preset: str) -> Case:
    own: tuple[Precision, ...] = get_args(Precision)
    precision = next((name for name in own if name == (query.precision or "bf16").lower()), None)
    if precision is None:
        raise NotPredictable(message("precision {precision!r} is none of {own}", precision=query.precision, own=", ".join(own)))
    case = Case(
        workload=workload,
        preset=preset,
        mode="train" if query.is_training else "infer",
        engine=(query.software or "").split(" ")[0],
        precision=precision,
        batch_size=max(1, int(query.batch or 1)),
        devices=query.gpu_count,
        backend="cuda",
    )
    fields = type(registry.load("workloads", workload).options(case)).model_fields
    return case.model_copy(update={"settings": dict(_stated(query, _own_settings(case, fields)))})


def _stated(query: PublishedQuery, settings: Mapping[str, str]) -> Iterator[tuple[str, Setting]]:
    for column, setting in settings.items():
        value = getattr(query, column)
        if column == "resolution":
            pixels = resolution_pixels(value)
            # resolution_pixels gives the area; the families make squares.
            value = None if pixels is None else pixels**0.5
        if value is not None and not float(value).is_integer():
            wanted = "square" if column == "resolution" else message("a whole number")
            raise NotPredictable(
                message(
                    "{column} {value} is not {wanted}, as this tool's cases are",
                    column=column,
                    value=getattr(query, column),
                    wanted=wanted,
                )
            )
        if value is not None:
            yield setting, int(value)


def _workload_of(query: PublishedQuery) -> tuple[str, str] | None:
    """Workload and preset that a row names, ``None`` where it names none of ours."""
    mode = "train" if query.is_training else "infer"
    name = bare_name(query.model)
    for workload, presets in _presets().items():
        if query.family in (workload, family_of(workload, mode)):
            found = next((preset for preset in presets if preset == query.model or bare_name(preset) == name), None)
            if found is not None:
                return workload, found
    return None


@cache
def _presets() -> Mapping[str, Sequence[str]]:
    return {name: tuple(registry.load("workloads", name).presets) for name in registry.names("workloads")}
