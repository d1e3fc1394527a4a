"""The ``text`` column of parquet files, row by row."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from aigc_bench.core.messages import message
from aigc_bench.data.bad_sample import BadSampleError, shown
from aigc_bench.data.limits import MAX_ROW_GROUP_CHARS, MAX_ROW_GROUPS
from aigc_bench.data.regular import open_file

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

COLUMN = "text"
# Row groups come in random order over all files of an epoch, so that several footers are in use.
_FOOTERS = 16
_footers: dict[tuple[str, int, int, int], pq.FileMetaData] = {}
_ROWS = 32
"""Rows that are held as Python strings: a dictionary of long texts unfolds no further."""


def num_row_groups(path: str) -> int:
    """The number of row groups; raises where the file is no parquet, or has no column of texts."""
    with _opened(path) as table:
        _refuse_other_columns(table.schema_arrow)
        if not table.metadata.num_rows:
            raise BadSampleError(message("no rows in it"))
        if table.num_row_groups > MAX_ROW_GROUPS:
            raise BadSampleError(
                message(
                    "{num_row_groups:,} row groups, over the limit of {max_row_groups:,}",
                    num_row_groups=table.num_row_groups,
                    max_row_groups=MAX_ROW_GROUPS,
                )
            )
        return int(table.num_row_groups)


def rows(path: str, group: int) -> Iterator[tuple[int, Any]]:
    """Number and value of each row of a row group: a string, ``None`` where it is null, or the error that reading it raised."""
    with _opened(path) as table:
        _refuse_other_columns(table.schema_arrow)
        number, read = 0, 0
        for batch in table.iter_batches(batch_size=_ROWS, row_groups=[group], columns=[COLUMN]):
            for value in _values(batch.column(0)):
                yield number, value
                number += 1
                read += len(value) if isinstance(value, str) else 0
                if read > MAX_ROW_GROUP_CHARS:
                    raise BadSampleError(
                        message(
                            "more than {max_row_group_chars:,} characters of text; the rest is not read",
                            max_row_group_chars=MAX_ROW_GROUP_CHARS,
                        )
                    )


@contextlib.contextmanager
def _opened(path: str) -> Iterator[pq.ParquetFile]:
    """The file; its footer, which describes all row groups, is parsed once and not again for each of them."""
    import pyarrow.parquet as pq

    with open_file(path) as file:
        status = os.fstat(file.fileno())
        key = (path, status.st_size, status.st_mtime_ns, status.st_ino)
        with pq.ParquetFile(file, metadata=_footers.get(key)) as table:
            if key not in _footers and len(_footers) >= _FOOTERS:
                # The oldest: dictionaries keep the order of insertion.
                del _footers[next(iter(_footers))]
            _footers[key] = table.metadata
            yield table


def _values(column: pa.Array) -> Iterator[Any]:
    try:
        values = column.to_pylist()
    except UnicodeDecodeError:  # of one value: the others are good
        for one in column:
            try:
                yield one.as_py()
            except UnicodeDecodeError as problem:
                yield problem
    else:
        yield from values


def _refuse_other_columns(schema: pa.Schema) -> None:
    import pyarrow as pa

    found = [field.type for field in schema if field.name == COLUMN]
    if len(found) != 1:
        names = ", ".join(shown(name, limit=40) for name in schema.names[:8])
        count = "no" if not found else message("more than one")
        raise BadSampleError(message("{count} column {column!r} among {names}", count=count, column=COLUMN, names=names or "none"))
    kind = found[0].value_type if pa.types.is_dictionary(found[0]) else found[0]
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
        raise BadSampleError(
            message("the column {column!r} holds {kind}, not strings", column=COLUMN, kind=shown(str(kind), limit=60))
        )
