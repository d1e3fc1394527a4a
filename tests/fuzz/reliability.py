"""The figures of a campaign as the section "Fuzzing" of docs/reliability.md."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.fuzz.batches import CPU_LIMIT_S, MEMORY_LIMIT_BYTES
from tests.fuzz.campaign import Tally
from tests.fuzz.corpus import entries
from tests.fuzz.kinds import ROOT, all_kinds

PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- fuzzing -->", "<!-- /fuzzing -->"
_TITLE = "# Reliability\n\n"
_HEADING = "## Fuzzing\n\n"


def write_figures(tallies: Sequence[Tally], *, count: int, page: Path = PAGE) -> None:
    """Write the kinds that were read now over their earlier rows, or put the section at the end of the page.

    A whole campaign takes hours, so kinds are run apart: each row says when it was.
    """
    before = page.read_text(encoding="utf-8") if page.exists() else _TITLE
    rows = dict(_rows_of(before)) | dict(map(_row, tallies))
    made = f"{BEGIN}\n{_figures(rows, count=count)}{END}"
    if BEGIN in before and END in before:
        head, _, rest = before.partition(BEGIN)
        text = head + made + rest.partition(END)[2]
    else:
        text = f"{before.rstrip()}\n\n{_HEADING}{made}\n"
    page.write_text(text, encoding="utf-8")


def _rows_of(page: str) -> Iterator[tuple[str, str]]:
    """The rows that stand between the markers, by their title."""
    for line in page.partition(BEGIN)[2].partition(END)[0].splitlines():
        if line.startswith("| ") and not line.startswith("| kind "):
            yield line.split("|")[1].strip(), line


def _row(tally: Tally) -> tuple[str, str]:
    name, _, whole = tally.kind.partition(", ")
    title = f"{all_kinds()[name].title}{': whole commands' if whole else ''}"
    cells = (
        title,
        f"{datetime.date.today():%Y-%m-%d}",
        f"{tally.num_inputs:,}",
        f"{tally.num_accepted:,}",
        f"{tally.num_refused:,}",
        f"{sum(tally.findings.values()):,}",
        f"{tally.slowest_s:.2f}",
        f"{tally.largest_bytes / 2**20:.0f}",
    )
    return title, f"| {' | '.join(cells)} |"


def _figures(rows: dict[str, str], *, count: int) -> str:
    lines = [
        f"`make fuzz` reads {count:,} changed inputs of each kind, each under {CPU_LIMIT_S:g} s of CPU time and"
        f' {MEMORY_LIMIT_BYTES / 2**30:g} GB of memory. A finding is a traceback, "fault of aigc-bench", a message that no user can'
        " use, a hang, or a process that dies. Accepted inputs then go through whole commands.",
        "",
        "| kind | run on | inputs | accepted | refused in a clear line | findings | slowest, s CPU | largest, MiB |",
        "|---|---|---|---|---|---|---|---|",
        *(rows[title] for title in sorted(rows)),
    ]
    return "\n".join([*lines, "", f"The ordinary tests replay {len(entries())} findings of earlier runs, minimised.", ""])
