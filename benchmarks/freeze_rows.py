"""The small sample of published rows on which the test suite holds the performance model's accuracy, and the errors it accepts.

    python benchmarks/freeze_rows.py TABLE.csv.gz...  draw the rows anew, then accept the errors of this working tree
    python benchmarks/freeze_rows.py --accept         accept the errors of this working tree on the rows as they are

Rows: up to ``PER_GROUP`` answered ones of every family, task and metric, drawn with a fixed seed, with their sources. Errors: the
median by family, of the shipped calibration (it has seen these rows) and of fits on the sample that leave accelerators out.
The gate in ``tests/predict/validation/test_score.py`` fails where either rises by more than a tenth.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import json
import random
from collections.abc import Sequence
from pathlib import Path

from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.core.csv_file import write_csv
from aigc_bench.predict.closed_form.columns import NotPredictable
from aigc_bench.predict.fitting.calibration import shipped_calibration
from aigc_bench.predict.fitting.left_out import errors_by_family
from aigc_bench.predict.fitting.predictions import Machines, model_row, predict_rows
from aigc_bench.predict.published.layout import LAYOUT_KEYS, OTHER_KEYS, WORD_KEYS
from aigc_bench.predict.published.row import COLUMNS
from aigc_bench.predict.published.table import parse_row, read_published
from aigc_bench.predict.validation.score import validation

PER_GROUP = 12
SEED = 0
NUM_FOLDS = 8
"""Parts into which the sample's accelerators are dealt."""
FOLDER = Path(__file__).parent.parent / "tests" / "predict" / "data"
CONFIGURATION = {*(key for keys in LAYOUT_KEYS.values() for key in keys), "parallel", *WORD_KEYS, *OTHER_KEYS}
"""Keys of the configuration that the model reads; the others are dropped."""
KEPT = ("source", "source_version", *COLUMNS, "config_json")
ACCEPTED = ("family", "shipped", "left_out", "num_rows")


def short_configuration(text: str) -> str:
    """The configuration cut down to what is read."""
    config = json.loads(text) if text else {}
    return json.dumps({key: value for key, value in config.items() if key in CONFIGURATION}, sort_keys=True)


def drawn(tables: Sequence[Path]) -> list[dict[str, str]]:
    """The sample, as cells."""
    catalogue = load_catalogue(with_user_files=False)
    machines = Machines(catalogue)
    groups: dict[tuple[str, str, str], list[dict[str, str]]] = {}
    for table in tables:
        with io.StringIO(gzip.decompress(table.read_bytes()).decode("utf-8"), newline="") as file:
            for cells in csv.DictReader(file):
                groups.setdefault((cells["family"], cells["task"], cells["metric"]), []).append(cells)
    kept = []
    for key in sorted(groups):
        answered = 0
        for cells in random.Random(f"{SEED}{key}").sample(groups[key], k=len(groups[key])):
            try:
                query = parse_row(cells).query
                model_row(query, machines.named(query.gpu))
            except (NotPredictable, ValueError):
                continue
            kept.append(cells | {"config_json": short_configuration(cells["config_json"])})
            answered += 1
            if answered == PER_GROUP:
                break
    return kept


def accepted(path: Path) -> list[tuple[str, str, str, int]]:
    """Family by family: the median error of the shipped calibration, that of the left-out fits, and the rows."""
    rows, catalogue = read_published(path).rows, load_catalogue(with_user_files=False)
    shipped = validation(predict_rows(rows, catalogue=catalogue, calibration=shipped_calibration()), by=["family"]).groups
    found = {group.by["family"]: group.median_ape for group in shipped}
    left_out = errors_by_family(rows, catalogue=catalogue, num_folds=NUM_FOLDS)
    return [(family, f"{found[family]:.4f}", f"{error:.4f}", count) for family, (error, count) in left_out.items()]


def write(path: Path, header: tuple[str, ...], rows: list) -> None:
    """Rows, as mappings or tuples, as CSV."""
    found = [[row.get(name, "") for name in header] if isinstance(row, dict) else row for row in rows]
    write_csv(path, [header, *found], line_end="\n")
    print(f"{path}: {len(rows)} rows")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", type=Path, nargs="*", help="published results, .csv.gz")
    parser.add_argument("--accept", action="store_true", help="keep the rows, accept the errors of this working tree on them")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where frozen_rows.csv and accepted_errors.csv lie")
    given = parser.parse_args()
    if not given.tables and not given.accept:
        print("freeze_rows.py needs a table of published results, or --accept: python benchmarks/freeze_rows.py TABLE.csv.gz")
        return
    if given.tables:
        write(given.folder / "frozen_rows.csv", KEPT, drawn(given.tables))
    write(given.folder / "accepted_errors.csv", ACCEPTED, accepted(given.folder / "frozen_rows.csv"))


if __name__ == "__main__":
    main()
