"""Write a plan as files: ``plan.json`` (the contract), ``options.csv`` and ``bill.csv``; the same plan gives the same bytes."""

from __future__ import annotations

from pathlib import Path

from aigc_bench.core.csv_file import write_csv
from aigc_bench.core.json_text import json_text
from aigc_bench.plan.output.contract import contract
from aigc_bench.plan.output.plan_view import PlanView
from aigc_bench.plan.records.plan import OPTION_COLUMNS
from aigc_bench.plan.site.bill import BillLine

BILL_COLUMNS = ("key", "name", "category", "count", "unit_usd", "usd", "source")


def write_files(view: PlanView, folder: Path) -> None:
    """Write the files into a folder, which is created if needed; files of the same name are replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "plan.json").write_text(f"{json_text(contract(view))}\n", encoding="utf-8")
    write_csv(folder / "options.csv", [OPTION_COLUMNS, *(option.cells for option in view.plan.options)])
    bills = view.bills if view.bought is view.plan.recommended else ()
    write_csv(folder / "bill.csv", [BILL_COLUMNS, *(_line(line) for bill in bills for line in bill.lines)])


def _line(line: BillLine) -> list[object]:
    each, total = line.unit_usd, line.usd
    return [line.key, line.name, line.category, line.count, each and each.value, total and total.value, line.source]
