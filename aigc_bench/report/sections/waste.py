"""Render the breakdown of each case's wall time: the waste ledger as bars that add up to 100 %."""

from __future__ import annotations

from typing import ClassVar

from aigc_bench.analyze.waste_ledger import WasteShare
from aigc_bench.core.messages import joined, message
from aigc_bench.report.base import MODE_WORDS, ReportContext, Section
from aigc_bench.report.markup import template

COLORS = {
    "useful": "c3",
    "launch_gap": "c2",
    "data_loading": "c6",
    "collectives": "c5",
    "idle": "c8",
    "throttling": "c4",
    "padding": "c7",
}
KIND_WORDS = {
    "useful": message("useful"),
    "launch_gap": message("launch gap"),
    "data_loading": message("data loading"),
    "collectives": message("collectives"),
    "idle": message("idle"),
    "throttling": message("throttling"),
    "padding": message("padding"),
}
REASON_WORDS = {
    "no_accelerator": message("unknown without an accelerator's sensors"),
    "no_utilization_sensor": message("the device reports no utilisation"),
    "no_clock_sensor": message("the device reports no clock"),
    "throttle_unknown": message("the device reports no throttle reasons"),
}


class Waste(Section):
    """Show shares of the measured window's wall time, of the median trial."""

    title: ClassVar[str] = message("Time breakdown")
    order: ClassVar[int] = 50

    def render(self, context: ReportContext) -> str | None:
        """Return the section; ``None`` if no case has a ledger."""
        views = [view for view in context.measured if view.ledger is not None]
        shares = [share for view in views if view.ledger is not None for share in view.ledger.shares]
        values = {
            "views": views,
            "colors": COLORS,
            "kind_words": KIND_WORDS,
            "mode_words": MODE_WORDS,
            "in_order": in_order,
            "unknown": unknown_words(shares),
        }
        return template("waste.html.j2", values) if views else None


def in_order(shares: tuple[WasteShare, ...]) -> list[WasteShare]:
    """Return the known shares, the useful one first."""
    known = [share for share in shares if share.share is not None]
    # Stable: the kinds of waste keep the ledger's order.
    return sorted(known, key=lambda share: share.kind != "useful")


def unknown_words(shares: list[WasteShare]) -> list[tuple[str, str]]:
    """Return the kinds of waste that are unknown in some case, each with its reasons, each once."""
    found: dict[str, dict[str, None]] = {}
    for share in shares:
        if share.share is None:
            words = REASON_WORDS.get(share.reason or "", share.reason or message("unknown"))
            # Cases of one run may differ: a CPU has no sensors, a GPU may lack one of them.
            found.setdefault(KIND_WORDS[share.kind], {})[words] = None
    return [(kind, joined(", ", reasons)) for kind, reasons in found.items()]


section = Waste()
