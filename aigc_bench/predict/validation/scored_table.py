"""A table of published results, scored: its groups, and every row with its prediction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.core.csv_file import write_csv
from aigc_bench.core.errors import AigcBenchError, UsageError
from aigc_bench.core.messages import message
from aigc_bench.predict.fitting.calibration import shipped_calibration
from aigc_bench.predict.fitting.predictions import RowPrediction
from aigc_bench.predict.published.row import RefusedRow
from aigc_bench.predict.published.table import read_published
from aigc_bench.predict.validation.score import Validation, validation
from aigc_bench.predict.validation.whole_table import predict_table

QUERY_COLUMNS = ("family", "task", "model", "gpu", "gpu_count", "precision", "software", "metric", "unit")
ROW_COLUMNS = ("line", "accelerator", "predicted", "low", "high", "error", "reason")


class NoUsableRowError(AigcBenchError):
    """A table that scores nothing: it has no row, or each is refused or not answered; ``scored`` gives the reason."""

    def __init__(self, path: Path, scored: Validation) -> None:
        count = len(scored.refused) + sum(scored.unanswered.values())
        said = (
            message("none of its {count} rows can be scored", count=count)
            if count > 1
            else message("its row cannot be scored")
            if count
            else message("it has no row")
        )
        super().__init__(message("{path}: {problem}.", path=path, problem=said), message("docs/method.md describes the columns."))
        self.scored = scored


def validate_table(path: Path, *, by: Sequence[str] = (), rows_out: Path | None = None) -> Validation:
    """Return the scores of a table; ``rows_out`` gets every row's prediction (SI units) or the reason why there is none.

    Raises ``NoUsableRowError`` where no row is answered, ``UsageError`` where the file cannot be read.
    """
    # samefile sees through links and relative paths; writing would destroy the input.
    if rows_out is not None and rows_out.exists() and rows_out.samefile(path):
        raise UsageError(message("--rows {rows_out}: this is the table itself.", rows_out=rows_out), message("Name another file."))
    table = read_published(path)
    answers = predict_table(table.rows, catalogue=load_catalogue(), calibration=shipped_calibration())
    scored = validation(answers, refused=table.refused, by=by)
    if rows_out is not None:
        write_rows(answers, rows_out, refused=table.refused)
    if all(answer.estimate is None for answer in answers):
        raise NoUsableRowError(path, scored)
    return scored


def write_rows(answers: Sequence[RowPrediction], path: Path, *, refused: Sequence[RefusedRow] = ()) -> None:
    """Write every row in the order of its table, with its prediction in SI units or the reason why there is none, as CSV."""
    # Refused rows were set aside while reading: by line number both find their place again.
    written = [(answer.row.line, _answered(answer)) for answer in answers] + [(row.line, _refused(row)) for row in refused]
    rows = (cells for _, cells in sorted(written, key=lambda line: line[0]))
    write_csv(path, [(*QUERY_COLUMNS, "value", *ROW_COLUMNS), *rows])


def _answered(answer: RowPrediction) -> Iterator[object]:
    query, estimate, truth = answer.row.query, answer.estimate, answer.row.value
    yield from (getattr(query, name) for name in QUERY_COLUMNS)
    yield from (truth, answer.row.line, answer.accelerator)
    # predicted, low, high, error
    yield from [None] * 4 if estimate is None else [estimate.value, estimate.low, estimate.high, estimate.value / truth - 1]
    yield answer.reason


def _refused(row: RefusedRow) -> Iterator[object]:
    """A refused row with its cells as they stand, and why."""
    yield from (row.columns.get(name) for name in (*QUERY_COLUMNS, "value"))
    yield from (row.line, None, None, None, None, None, message("refused: {reason}", reason=row.reason))
