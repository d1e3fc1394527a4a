"""What a REPL and a notebook show of a result: a title, a few remarks and the first rows of its table."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from html import escape

from aigc_bench.core.messages import message, translated
from aigc_bench.core.record import Record, Sentence
from aigc_bench.core.text_table import aligned
from aigc_bench.core.visible import visible

MOST_LINES, MOST_ROWS = 8, 20
"""Rows of the table in a REPL, where a screen is short, and in a notebook."""

TONES: Mapping[str, str] = {
    "valid": "ok", "ok": "ok", "better": "ok", "yes": "ok",
    "suspect": "warn", "undecided": "warn", "partial": "warn", "not_run": "warn",
    "invalid": "bad", "worse": "bad", "REGRESSION": "bad", "no": "bad", "error": "bad", "oom": "bad", "timeout": "bad",
}  # fmt: skip
"""Word -> colour, as in the report."""

_STYLE = """
.aigc-bench { font: 13px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, Arial, sans-serif; font-variant-numeric: tabular-nums; }
.aigc-bench .title { font-size: 15px; font-weight: 650; margin: 0 0 2px; }
.aigc-bench .muted { opacity: .7; margin: 0 0 2px; }
.aigc-bench table { border-collapse: collapse; margin: 8px 0; }
.aigc-bench th, .aigc-bench td { padding: 3px 10px 3px 0; border-bottom: 1px solid #8884; text-align: left; }
.aigc-bench .right { text-align: right; }
.aigc-bench .chip { padding: 1px 8px; border-radius: 999px; font-size: 12px; }
.aigc-bench .ok { background: #e3f2e9; color: #186f43; }
.aigc-bench .warn { background: #fbefd9; color: #8a5200; }
.aigc-bench .bad { background: #fbe4e2; color: #b3261e; }
"""
"""The report's type and colours; a notebook has its own ink and paper, light or dark, so those are left to it."""


class Overview(Record):
    """A result in a few lines. Rows have equal keys, the columns; those in ``right`` are aligned to the right."""

    title: Sentence
    notes: tuple[Sentence, ...] = ()
    rows: tuple[Mapping[str, str], ...] = ()
    right: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """Return the overview for a terminal, without hidden characters."""
        lines = [visible(translated(line)) for line in (self.title, *self.notes)]
        return "\n".join([*lines, *aligned(self.rows[:MOST_LINES], right=self.right), *map(translated, self._more(MOST_LINES))])

    @property
    def html(self) -> str:
        """Return the overview as an HTML fragment; everything is escaped."""
        head = "".join(f"<th{self._side(name)}>{_safe(name)}</th>" for name in (self.rows[0] if self.rows else ()))
        body = "".join(f"<tr>{self._cells(row)}</tr>" for row in self.rows[:MOST_ROWS])
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>" if self.rows else ""
        notes, more = (_paragraphs(lines) for lines in (self.notes, self._more(MOST_ROWS)))
        return f'<div class="aigc-bench"><style>{_STYLE}</style><p class="title">{_safe(self.title)}</p>{notes}{table}{more}</div>'

    def _cells(self, row: Mapping[str, str]) -> str:
        return "".join(f"<td{self._side(name)}>{_chip(cell)}</td>" for name, cell in row.items())

    def _side(self, column: str) -> str:
        return ' class="right"' if column in self.right else ""

    def _more(self, most: int) -> list[str]:
        left = len(self.rows) - most
        return [message("... and {left} more rows; to_pandas() has them all", left=left)] if left > 0 else []


def _paragraphs(lines: Sequence[str]) -> str:
    return "".join(f'<p class="muted">{_safe(line)}</p>' for line in lines)


def _chip(cell: str) -> str:
    return f'<span class="chip {TONES[cell]}">{_safe(cell)}</span>' if cell in TONES else _safe(cell)


def _safe(text: str) -> str:
    return escape(visible(translated(text)))


class Shown(ABC):
    """What a REPL and a notebook show of a result: its overview instead of all its fields. The first base of a class."""

    @property
    @abstractmethod
    def overview(self) -> Overview:
        """Return what is shown."""

    def __repr__(self) -> str:
        return self.overview.text

    def __str__(self) -> str:
        return self.overview.text

    def _repr_html_(self) -> str:
        return self.overview.html
