"""The figures of a campaign as the section "Fuzzing" of docs/reliability.md."""

from __future__ import annotations

from collections.abc import Sequence
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
    """Replace the section's figures, or put the section at the end of the page."""
    before = page.read_text(encoding="utf-8") if page.exists() else _TITLE
    made = f"{BEGIN}\n{_figures(tallies, count=count)}{END}"
    if BEGIN in before and END in before:
        head, _, rest = before.partition(BEGIN)
        text = head + made + rest.partition(END)[2]
    else:
        text = f"{before.rstrip()}\n\n{_HEADING}{made}\n"
    page.write_text(text, encoding="utf-8")


def _figures(tallies: Sequence[Tally], *, count: int) -> str:
    titles = {kind.name: kind.title for kind in all_kinds().values()}
    lines = [
        f"`make fuzz` reads {count:,} changed inputs of each kind, each under {CPU_LIMIT_S:g} s of CPU time and"
        f' {MEMORY_LIMIT_BYTES / 2**30:g} GB of memory. A finding is a traceback, "fault of aigc-bench", a message that no user can'
        " use, a hang, or a process that dies. Accepted inputs then go through whole commands.",
        "",
        "| kind | inputs | accepted | refused in a clear line | findings | slowest, s CPU | largest, MiB |",
        "|---|---|---|---|---|---|---|",
    ]
    for tally in tallies:
        name, _, whole = tally.kind.partition(", ")
        title = f"{titles[name]}{': whole commands' if whole else ''}"
        lines.append(
            f"| {title} | {tally.num_inputs:,} | {tally.num_accepted:,} | {tally.num_refused:,} | {sum(tally.findings.values()):,}"
            f" | {tally.slowest_s:.2f} | {tally.largest_bytes / 2**20:.0f} |"
        )
    return "\n".join([*lines, "", f"The ordinary tests replay {len(entries())} findings of earlier runs, minimised.", ""])
