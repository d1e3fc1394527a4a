"""The small sample of published rows on which the test suite holds the performance model's accuracy.

    python benchmarks/freeze_rows.py TABLE.csv.gz tests/predict/data/frozen_rows.csv

Up to ``PER_GROUP`` rows of every family, task and metric that are answered, drawn with a fixed seed, with their sources.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import json
import random
from pathlib import Path

from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.predict.answers import model_row
from aigc_bench.predict.published import COLUMNS, LAYOUT_KEYS, WORD_KEYS, parse_row
from aigc_bench.predict.rows import Unanswered

PER_GROUP = 5
SEED = 0
CONFIGURATION = {*(key for keys in LAYOUT_KEYS.values() for key in keys), "parallel", *WORD_KEYS}
"""Keys of the configuration that the model reads; the others are dropped."""
KEPT = ("source", "source_version", *COLUMNS, "config_json")


def short_configuration(text: str) -> str:
    """The configuration cut down to what is read."""
    config = json.loads(text) if text else {}
    return json.dumps({key: value for key, value in config.items() if key in CONFIGURATION}, sort_keys=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    catalogue = load_catalogue(with_user_files=False)
    groups: dict[tuple[str, str, str], list[dict[str, str]]] = {}
    with io.StringIO(gzip.decompress(given.table.read_bytes()).decode("utf-8"), newline="") as file:
        for cells in csv.DictReader(file):
            groups.setdefault((cells["family"], cells["task"], cells["metric"]), []).append(cells)
    kept = []
    for key in sorted(groups):
        own = random.Random(f"{SEED}{key}").sample(groups[key], k=len(groups[key]))
        answered = 0
        for cells in own:
            query = parse_row(cells).query
            try:
                model_row(query, catalogue.published_accelerator(query.gpu))
            except Unanswered:
                continue
            kept.append(cells | {"config_json": short_configuration(cells["config_json"])})
            answered += 1
            if answered == PER_GROUP:
                break
    with given.out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, KEPT, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(kept)


if __name__ == "__main__":
    main()
