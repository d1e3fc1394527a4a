"""Tables of published results, which ``validate`` scores."""

from __future__ import annotations

import functools
import json
import random
from pathlib import Path

from tests.fuzz import cells, raw
from tests.fuzz.kinds import ROOT, Kind
from tests.fuzz.outcome import Files

PLAIN, PACKED = "rows.csv", "rows.csv.gz"
UNITS = (
    "ms",
    "msec",
    "us",
    "s",
    "min",
    "minutes",
    "tokens/s",
    "tokens/min",
    "it/s",
    "s/it",
    "banana",
    "%",
    "ms(p50)",
    "",
    "images/sec",
)
CONFIGS = (
    '{"tp": 4}',
    '{"tp": "x"}',
    '{"tp": 1e400}',
    '{"tp": NaN}',
    '{"parallel": "tp8 pp2"}',
    '{"case": {"workload": "os:abort", "preset": "x"}}',
    "[1]",
    "null",
    "{",
    '{"case": {}}',
    '{"cols": {"Model": "x"}}',
    '{"cols": 3}',
    '{"context": 7, "mode": null}',
    '{"a":' * 400 + "1" + "}" * 400,
    '{"tp": ' + "9" * 5_000 + "}",
    '{"parallel": {"tp": 1}}',
    '{"layers": -1, "hidden": 0, "heads": 0}',
    '{"power_limit_w": 1e-308}',
    "1e999",
)


@functools.cache
def example() -> cells.Table:
    """The rows that the tests of the performance model are held to."""
    return cells.table_of((ROOT / "tests" / "predict" / "data" / "frozen_rows.csv").read_bytes())


def make(draw: random.Random) -> Files:
    """Some rows with changed cells, as some program writes them."""
    header = example()[0]
    table = cells.changed_table(example(), draw=draw, max_rows=12)
    if table[0] == header and len(table) > 1:
        for column, choices in (("unit", UNITS), ("config_json", CONFIGS)):
            row, at = draw.choice(table[1:]), header.index(column)
            if draw.random() < 0.25 and at < len(row):
                row[at] = draw.choice(choices)
    content = cells.as_csv(table, draw=draw)
    if draw.random() < 0.15:
        content = raw.broken(content, draw=draw, other=content[::-1])
    return {PACKED: cells.packed(content, draw=draw)} if draw.random() < 0.2 else {PLAIN: content}


def read(folder: Path) -> None:
    """Read and answer the table as ``validate`` does."""
    from aigc_bench import api
    from aigc_bench.core.records import dump

    file = next(folder.iterdir())
    json.dumps(dump(api.validate(file, by=("family", "engine", "gpu"), rows_out=folder.parent / "out.csv")), allow_nan=False)


def _prepare() -> None:
    from aigc_bench.predict.fitting.calibration import shipped_calibration

    shipped_calibration()
    example()


KINDS = (
    Kind(
        name="table",
        title="tables of results, plain and gzip",
        make=make,
        read=read,
        prepare=_prepare,
        commands=(("validate", "{}/rows.csv"), ("validate", "{}/rows.csv", "--json")),
    ),
)
