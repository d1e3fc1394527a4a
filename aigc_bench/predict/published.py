"""Tables of published results: one row, one metric. The schema that ``validate`` reads and that ``show --as published`` writes.

    family task model gpu gpu_count precision software batch concurrency input_len output_len resolution steps metric value unit
    power_w        and, where known: nodes, config_json (parallel layout: tp, pp, dp, ep, mode), run_key, primary

A missing cell is ``None``. Nothing is converted here but the unit of the value, into SI.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from aigc_bench.core.csv_file import original
from aigc_bench.core.errors import UsageError
from aigc_bench.core.records import Record

REQUIRED = ("family", "model", "gpu", "metric", "value", "unit")
COLUMNS = (
    "family", "task", "model", "gpu", "gpu_count", "precision", "software", "batch", "concurrency", "input_len", "output_len",
    "resolution", "steps", "metric", "value", "unit", "power_w",
)  # fmt: skip
"""The documented columns, in order."""

_UNIT_SCALE = {"ms": 1e-3, "us": 1e-6, "s": 1.0, "minutes": 60.0, "hours": 3600.0, "%": 0.01}
LAYOUT_KEYS = {
    "tp": ("tp", "tp_size", "TP", "tensor_parallel"),
    "pp": ("pp", "pp_size", "PP"),
    "dp": ("dp", "data_parallel"),
    "ep": ("moe_ep_size", "expert_parallel", "EP"),
    "moe_tp": ("moe_tp_size",),
    "cp": ("CP",),
    "attention_dp": ("attention_dp_size",),
    "prefill_tp": ("prefill_tp_size",),
    "prefill_attention_dp": ("prefill_attention_dp_size",),
    "prefill_ep": ("prefill_moe_ep_size",),
    "prefill_workers": ("prefill_num_workers",),
    "decode_tp": ("decode_tp_size",),
    "decode_workers": ("decode_num_workers",),
    "decode_attention_dp": ("decode_attention_dp_size",),
    "in_flight": ("avg_bs", "avg_batch_size"),
    "microbatch": ("micro_batch", "MBS"),
    "ulysses": ("ulysses_degree", "ulysses"),
    "ring": ("ring_degree", "ring"),
    "cfg_parallel": ("cfg",),
    "power_limit_w": ("power_limit_w",),
    "layers": ("layers",),
    "hidden": ("hidden",),
    "heads": ("heads",),
}
"""Name of a layout's dimension -> its spellings in ``config_json``."""
WORD_KEYS = ("mode", "task", "dataset", "power_cap", "padding", "variant", "activation_ckpt", "sharding", "cols", "context")
"""Further keys of ``config_json`` that change the work or name its variant."""


class Query(Record):
    """What a published row asks: the work, the machine, and the metric. ``unit`` is as published, ``value`` in SI."""

    family: str
    task: str = "infer"
    model: str
    gpu: str
    gpu_count: int = Field(default=1, ge=1)
    nodes: float | None = None
    precision: str | None = None
    software: str | None = None
    batch: float | None = None
    concurrency: float | None = None
    input_len: float | None = None
    output_len: float | None = None
    resolution: str | None = None
    steps: float | None = None
    metric: str
    unit: str
    layout: Mapping[str, float] = Field(default_factory=dict)
    words: Mapping[str, str] = Field(default_factory=dict)

    @property
    def is_training(self) -> bool:
        """Whether the row measures training."""
        return self.task.startswith("train")


class PublishedRow(Record):
    """One published value with its query. ``value`` is in SI units (``s`` for every time), ``line`` counts from 1."""

    line: int
    query: Query
    value: float
    is_primary: bool = True
    run_key: str | None = None


def read_rows(path: Path) -> list[PublishedRow]:
    """Rows with a positive value of a ``.csv`` or ``.csv.gz``; raises ``UsageError`` where the file or a column is missing."""
    if not path.exists():
        raise UsageError(
            f"{path}: there is no such file.", "Give a CSV table of published results; docs/method.md has its columns."
        )
    text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    with io.StringIO(text.decode("utf-8"), newline="") as file:
        reader = csv.DictReader(file)
        missing = [name for name in REQUIRED if name not in (reader.fieldnames or ())]
        if missing:
            raise UsageError(f"{path}: column {missing[0]!r} is missing.", f"Required: {', '.join(REQUIRED)}.")
        return list(_rows(map(_originals, reader), path=path))


def _originals(cells: dict[str, str]) -> dict[str, str]:
    """The cells as they were before a table of ours was written."""
    return {name: original(text) if isinstance(text, str) else text for name, text in cells.items()}


def _rows(reader: Iterator[dict[str, str]], *, path: Path) -> Iterator[PublishedRow]:
    for line, cells in enumerate(reader, start=2):
        value = number(cells.get("value"))
        if value is None or value <= 0:
            continue
        try:
            yield parse_row(cells, line=line)
        except ValueError as problem:
            raise UsageError(
                f"{path}:{line}: {str(problem).splitlines()[0]}.", "Every row needs family, model, gpu, metric, value and unit."
            ) from None


def parse_row(cells: Mapping[str, Any], *, line: int = 0) -> PublishedRow:
    """One row from its cells as text; raises ``ValueError`` where the value is no number."""
    value = number(cells.get("value"))
    if value is None:
        raise ValueError(f"value {cells.get('value')!r} is no number")
    unit = (cells.get("unit") or "").strip()
    return PublishedRow(
        line=line,
        query=parse_query(cells),
        value=value * _UNIT_SCALE.get(unit.split("(")[0], 1.0),
        is_primary=number(cells.get("primary")) != 0,
        run_key=cells.get("run_key") or None,
    )


def parse_query(cells: Mapping[str, Any]) -> Query:
    """What a row asks, without its value."""
    layout, words = _layout(cells.get("config_json"))
    return Query(
        family=(cells.get("family") or "").strip(),
        task=(cells.get("task") or "infer").strip(),
        model=(cells.get("model") or "").strip(),
        gpu=(cells.get("gpu") or "").strip(),
        gpu_count=max(1, int(number(cells.get("gpu_count")) or 1)),
        nodes=number(cells.get("nodes")),
        precision=cells.get("precision") or None,
        software=cells.get("software") or None,
        batch=number(cells.get("batch")),
        concurrency=math.inf if str(cells.get("concurrency")).lower() == "inf" else number(cells.get("concurrency")),
        input_len=number(cells.get("input_len")),
        output_len=number(cells.get("output_len")),
        resolution=cells.get("resolution") or None,
        steps=number(cells.get("steps")),
        metric=(cells.get("metric") or "").strip(),
        unit=(cells.get("unit") or "").strip(),
        layout=layout,
        words=words,
    )


def number(cell: object) -> float | None:
    """A cell as a finite number, ``None`` where it is empty or text."""
    try:
        value = float(str(cell))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def resolution_pixels(text: str | None) -> float | None:
    """``1024x1024`` as 1,048,576 pixels."""
    sides = [number(side) for side in (text or "").lower().split("x")]
    known = [side for side in sides if side]
    return known[0] * known[1] if len(known) == 2 else None


def _layout(text: object) -> tuple[dict[str, float], dict[str, str]]:
    """The parallel layout and the few words of ``config_json`` that change the work; both empty where there is none."""
    try:
        config = json.loads(str(text))
    except ValueError:
        return {}, {}
    if not isinstance(config, dict):
        return {}, {}
    layout = {name: value for name, keys in LAYOUT_KEYS.items() if (value := _first_number(config, keys)) is not None}
    parallel = str(config.get("parallel", ""))
    for part in parallel.replace(",", " ").split():
        value = number(part[2:])
        if value is not None and part[:2].lower() in ("tp", "pp", "ep"):
            layout[part[:2].lower()] = value
    words = {key: str(config[key]) for key in WORD_KEYS if key in config}
    if isinstance(config.get("case"), dict):
        words["case"] = json.dumps(config["case"])
    columns = config.get("cols")
    if isinstance(columns, dict) and "Model" in columns:
        words["size"] = str(columns["Model"])
    if "BERT-BASE" in str(config.get("context", "")).upper():
        words["size"] = "base"
    return layout, words


def _first_number(config: Mapping[str, Any], keys: tuple[str, ...]) -> float | None:
    for key in keys:
        value = number(config.get(key))
        if value is not None and value > 0:
            return value
    return None
