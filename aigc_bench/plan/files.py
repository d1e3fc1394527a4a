"""A plan as files: ``plan.json`` (the contract), ``options.csv`` and ``bill.csv``; the same plan gives the same bytes."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from aigc_bench.plan.contract import contract
from aigc_bench.plan.records import Plan

OPTION_COLUMNS = (
    "rank", "kind", "term", "provider", "accelerator", "server", "num_servers", "num_accelerators", "accepted", "bottleneck",
    "next_bottleneck", "capex_usd", "opex_usd_per_year", "tco_usd", "p_slo", "p_budget", "p_oom", "reasons",
)  # fmt: skip
BILL_COLUMNS = ("key", "name", "category", "count", "unit_usd", "usd", "source")


def write_files(plan: Plan, folder: Path) -> None:
    """Write the files into a folder that is made where it is not there; files of the same name are replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(contract(plan), indent=2, ensure_ascii=False, allow_nan=False)
    (folder / "plan.json").write_text(f"{text}\n", encoding="utf-8")
    with (folder / "options.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(OPTION_COLUMNS)
        for option in plan.options:
            cells = [getattr(option, name) for name in OPTION_COLUMNS[:-1]]
            writer.writerow([*(getattr(cell, "value", cell) for cell in cells), "; ".join(option.reasons)])
    best = plan.recommended
    with (folder / "bill.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(BILL_COLUMNS)
        for line in best.room.bill.lines if best and best.room else ():
            each, total = line.unit_usd, line.usd
            writer.writerow(
                [line.key, line.name, line.category, line.count, each and each.value, total and total.value, line.source]
            )
