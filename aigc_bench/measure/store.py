"""A run on disk: a directory that can be copied and shared.

    run.json           what was requested, where, with which versions (``RunInfo``); replaced atomically
    results.jsonl      one line per finished trial (``TrialResult``), flushed and fsynced: a kill loses at most the trial under way
    telemetry.parquet  readings: time_s, source, device, metric, value; until the run ends they lie in ``telemetry.csv``
    report.html        the report
    logs/              what the workers wrote to stderr

``pandas.read_json("results.jsonl", lines=True)`` and ``pandas.read_parquet("telemetry.parquet")`` read them without this package.
"""

from __future__ import annotations

import contextlib
import errno
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from aigc_bench.core.document import MAX_MACHINE_KEYS, check_keys_once, check_measured, read_json
from aigc_bench.core.errors import AigcBenchError, UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.records import Case, TrialResult
from aigc_bench.core.run_records import SCHEMA_VERSION, RunInfo

if TYPE_CHECKING:
    import pandas as pd

RUN_FILE = "run.json"
RESULTS_FILE = "results.jsonl"
TELEMETRY_FILE = "telemetry.parquet"
SPOOL_FILE = "telemetry.csv"
REPORT_FILE = "report.html"
_COMPUTED = ("check", "quality")
"""Keys of a trial under which a model's own output stands: a loss may be 1e-40 or 1e35."""
TELEMETRY_COLUMNS = ("time_s", "source", "device", "metric", "value")
_NUMBERS = ("time_s", "value")
_LAST_MOMENT_S = 2.5e11
"""A reading of a later moment than a calendar can print is none; ``core.records.Moment`` has the same end."""
_LARGEST_READING = 1e30
"""A larger value is what a torn line makes of two; the sensor counts as silent then."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run as it was stored. Trials are in the order they finished; telemetry is read at its first use."""

    path: Path
    info: RunInfo
    trials: tuple[TrialResult, ...]

    @cached_property
    def telemetry(self) -> pd.DataFrame:
        """Readings sorted by time, columns ``time_s, source, device, metric, value``; empty where there are none."""
        return _read_telemetry(self.path)

    def case(self, case_id: str) -> Case:
        """The case of that id."""
        return next(case for case in self.info.cases if case.id == case_id)

    def trials_of(self, case_id: str) -> tuple[TrialResult, ...]:
        """The finished trials of one case, by trial number."""
        return tuple(sorted((t for t in self.trials if t.case == case_id), key=lambda t: t.trial))


def load_run(path: Path | str) -> Run:
    """Read a run directory; raises ``UsageError`` where it is not one, ``AigcBenchError`` where it is damaged."""
    folder = Path(path)
    # A file of the run is as good as its folder.
    if folder.name in (RUN_FILE, RESULTS_FILE, REPORT_FILE):
        folder = folder.parent
    if not (folder / RUN_FILE).is_file():
        raise UsageError(
            message("{folder}: not a run directory (no {run_file}).", folder=folder, run_file=RUN_FILE)
            if folder.exists()
            else message("{folder}: no such run directory.", folder=folder),
            _runs_within(folder) or message("Give the directory that `aigc-bench run` printed at its end."),
        )
    return Run(path=folder, info=_read_info(folder / RUN_FILE), trials=tuple(read_trials(folder)))


def _runs_within(folder: Path) -> str | None:
    """The newest runs that a folder of runs holds, as a hint."""
    runs = sorted((file.parent for file in folder.glob(f"*/{RUN_FILE}")), reverse=True)
    return message("It holds runs: give one of them, such as {run}.", run=runs[0]) if runs else None


def _read_info(file: Path) -> RunInfo:
    try:
        raw = read_json(file, max_keys=MAX_MACHINE_KEYS)
        version = raw.get("schema_version") if isinstance(raw, dict) else None
        if version != SCHEMA_VERSION:
            raise AigcBenchError(
                message(
                    "{file}: schema version {version}, this aigc-bench reads {known}.",
                    file=file,
                    version=version,
                    known=SCHEMA_VERSION,
                ),
                message("Use the version that wrote the run, or run again."),
            )
        return RunInfo.model_validate(raw)
    except UsageError as problem:
        hint = message("The file was changed or is damaged; the trials in results.jsonl are still readable.")
        raise AigcBenchError(problem.message, hint, details=problem.details) from None
    except ValidationError as problem:
        raise AigcBenchError(
            message("{file}: {mistake}.", file=file, mistake=_first_mistake(problem)),
            message("The file was changed or is damaged; run again, or correct it by hand."),
        ) from None


def read_trials(folder: Path) -> list[TrialResult]:
    """The finished trials; a last line that was cut off by a kill is left out. Raises ``AigcBenchError`` for any other damage."""
    file = folder / RESULTS_FILE
    lines = file.read_bytes().split(b"\n") if file.is_file() else []
    trials = []
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        try:
            check_keys_once(line, where=f"{file}, line {number}")
            check_measured(line, where=f"{file}, line {number}", computed=_COMPUTED)
            trials.append(TrialResult.model_validate_json(line))
        except (ValidationError, UsageError) as problem:
            # A whole file ends in a newline, behind which split() gives an empty line: only a torn one is last here.
            if number == len(lines):
                break
            raise _without_line(problem, where=f"{file}, line {number}") from None
    return trials


def _without_line(problem: ValidationError | UsageError, *, where: str) -> AigcBenchError:
    """Return the error for a damaged line, with the advice to remove it."""
    hint = message("Take that line out to see the run without its trial.")
    if isinstance(problem, UsageError):
        return AigcBenchError(problem.message, hint, details=problem.details)
    return AigcBenchError(message("{where}: {mistake}.", where=where, mistake=_first_mistake(problem)), hint)


def _first_mistake(problem: ValidationError) -> str:
    """``window.wall_s: input should be greater than 0``."""
    first = problem.errors()[0]
    words = first["msg"].removeprefix("Value error, ")
    place = ".".join(map(str, first["loc"]))
    return f"{place}: {words[0].lower()}{words[1:]}" if place else f"{words[0].lower()}{words[1:]}"


class RunWriter:
    """Writes a run directory. Every write reaches the disk before the call returns, whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "logs").mkdir(parents=True, exist_ok=True)
        _cut_torn_line(folder / RESULTS_FILE)
        self._results = (folder / RESULTS_FILE).open("ab", buffering=0)

    @classmethod
    def begin(cls, folder: Path, info: RunInfo) -> RunWriter:
        """Write ``run.json`` before anything else: a run that is killed from here on can be read and resumed."""
        _write_info(folder, info)
        return cls(folder)

    @property
    def spool(self) -> Path:
        """Where the sampler appends its readings while the run is under way."""
        return self.folder / SPOOL_FILE

    def write_info(self, info: RunInfo) -> None:
        """Replace ``run.json`` atomically."""
        with self._on_disk(RUN_FILE):
            _write_info(self.folder, info)

    def append(self, trial: TrialResult) -> None:
        """Add one finished trial; raises ``AigcBenchError`` where the disk is full or the folder is gone."""
        line = trial.model_dump_json(exclude_none=False).encode() + b"\n"
        with self._on_disk(RESULTS_FILE):
            if not self._is_in_place():
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
            whole = os.fstat(self._results.fileno()).st_size
            try:
                while line:  # a disk that is nearly full takes a part and fails only at the next write
                    line = line[self._results.write(line) :]
                os.fsync(self._results.fileno())
            except OSError:
                with contextlib.suppress(OSError):
                    # Half a line would make the next one unreadable, too.
                    self._results.truncate(whole)
                raise

    def _is_in_place(self) -> bool:
        """Whether the results still lie where the run was started: a file that was removed goes on taking what is written to it."""
        try:
            return os.path.samestat(os.fstat(self._results.fileno()), (self.folder / RESULTS_FILE).stat())
        except OSError:
            return False

    @contextlib.contextmanager
    def _on_disk(self, name: str) -> Iterator[None]:
        """Return the error for what the disk refused, with how the run is continued."""
        try:
            yield
        except OSError as problem:
            if not self._is_in_place():
                raise AigcBenchError(
                    message("{folder}: the run folder was removed or moved while the run was in progress.", folder=self.folder),
                    message(
                        "Finished trials are in the moved folder: continue there with aigc-bench run --resume, or start a new run."
                    ),
                ) from problem
            remedy = _TO_CONTINUE.get(problem.errno or 0, message("Fix that"))
            raise AigcBenchError(
                message(
                    "{file}: {reason}. Finished trials are saved.",
                    file=self.folder / name,
                    reason=(problem.strerror or message("cannot be written")).lower(),
                ),
                message("{remedy}, then continue: aigc-bench run --resume {folder}", remedy=remedy, folder=self.folder),
            ) from problem

    def close(self) -> None:
        """Close the results and turn the spooled readings into ``telemetry.parquet``."""
        try:
            with self._on_disk(TELEMETRY_FILE):
                self._keep_readings()
        finally:
            self._results.close()

    def _keep_readings(self) -> None:
        if self.spool.is_file():
            readings = _read_telemetry(self.folder)
            with _replacing(self.folder / TELEMETRY_FILE) as temporary, temporary.open("wb") as file:
                readings.to_parquet(file, index=False)
            self.spool.unlink()


_TO_CONTINUE = {
    errno.ENOSPC: message("Free some space"),
    errno.EDQUOT: message("Free some of your quota"),
    errno.EFBIG: message("Raise the limit of file sizes (ulimit -f)"),
    errno.EROFS: message("Mount it writable again"),
    errno.EIO: message("See what is wrong with the disk (dmesg)"),
    errno.EACCES: message("Make it writable again"),
    errno.EPERM: message("Make it writable again"),
}
"""Number of an error -> what must be done before a run can go on in its folder."""


def is_unstarted(folder: Path) -> bool:
    """Whether a folder is empty, but for what a run leaves that was killed before its ``run.json`` was whole."""
    return folder.is_dir() and all(entry.name == _draft_of(folder / RUN_FILE).name for entry in folder.iterdir())


def last_moment_s(folder: Path, *, info: RunInfo, trials: Sequence[TrialResult]) -> float:
    """The last moment, in Unix seconds of the run's clock, that anything in the folder is from."""
    stored = [info.finished_s or info.created_s, *(trial.finished_s for trial in trials)]
    spool = folder / SPOOL_FILE
    if spool.is_file():
        with spool.open("rb") as file:
            file.seek(max(0, spool.stat().st_size - _TAIL_BYTES))
            # The first of the tail is the end of some line.
            tail = file.read().decode(errors="replace").splitlines()[1:]
        for line in tail:
            with contextlib.suppress(ValueError):
                stored.append(float(line.partition(",")[0]))
    return max(moment for moment in stored if math.isfinite(moment))


_TAIL_BYTES = 1 << 16


def _write_info(folder: Path, info: RunInfo) -> None:
    with _replacing(folder / RUN_FILE) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write(info.model_dump_json(indent=1))
        file.flush()
        # Before the rename: a crash must not leave the new name with an empty file.
        os.fsync(file.fileno())


def _draft_of(file: Path) -> Path:
    return file.with_name(f".{file.name}.new")


@contextlib.contextmanager
def _replacing(file: Path) -> Iterator[Path]:
    """Yield a file next to ``file`` that replaces it when it is complete; an incomplete one is deleted."""
    temporary = _draft_of(file)
    try:
        yield temporary
        temporary.replace(file)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def _cut_torn_line(file: Path) -> None:
    """Drop a last line without its newline, left by a kill in the middle of a write."""
    if not file.is_file():
        return
    content = file.read_bytes()
    if content and not content.endswith(b"\n"):
        with file.open("r+b") as handle:
            handle.truncate(content.rfind(b"\n") + 1)


def _read_telemetry(folder: Path) -> pd.DataFrame:
    import pandas as pd

    parts = []
    if (folder / TELEMETRY_FILE).is_file():
        parts.append(_read_parquet(folder / TELEMETRY_FILE))
    if (folder / SPOOL_FILE).is_file():
        parts.append(_read_spool(folder / SPOOL_FILE))
    if not parts:
        return pd.DataFrame(
            {name: pd.Series(dtype="float64" if name in ("time_s", "value") else "str") for name in TELEMETRY_COLUMNS}
        )
    frame = pd.concat(parts, ignore_index=True).astype(dict.fromkeys(_NUMBERS, "float64"))
    # Duplicates: a kill between writing the Parquet and removing the spool leaves both.
    frame = frame[frame["time_s"].abs() <= _LAST_MOMENT_S].drop_duplicates()
    frame["value"] = frame["value"].where(frame["value"].abs() <= _LARGEST_READING)
    return frame.sort_values("time_s", kind="stable", ignore_index=True)


def _read_parquet(file: Path) -> pd.DataFrame:
    """The stored readings; raises ``AigcBenchError`` where the file is cut short or holds something else."""
    import pandas as pd
    import pyarrow as pa

    frame, why = pd.DataFrame(), message("it is truncated or not Parquet")
    try:
        with file.open("rb") as handle:  # pyarrow itself takes no name that is not UTF-8
            frame = pd.read_parquet(handle)
        why = _why_no_readings(frame)
    except OSError as problem:
        if problem.errno is not None:  # pyarrow's own errors of a damaged file have no number
            raise
    except (ValueError, TypeError, KeyError, RuntimeError, pa.lib.ArrowException):
        pass
    if why:
        raise AigcBenchError(
            message("{file}: no telemetry can be read, {why}.", file=file, why=why),
            message("Move it away to see the run without its sensors."),
        )
    return frame[list(TELEMETRY_COLUMNS)]


def _why_no_readings(frame: pd.DataFrame) -> str:
    """Return what a table lacks to be one of readings; empty if it is one."""
    import pandas as pd
    import pyarrow as pa

    missing = sorted({*TELEMETRY_COLUMNS} - {*frame.columns})
    if missing or not frame.columns.is_unique:
        return message("it lacks {missing}", missing=", ".join(missing)) if missing else message("it has two columns of one name")
    for name in TELEMETRY_COLUMNS if len(frame) else ():
        kind = pd.api.types.infer_dtype(frame[name], skipna=True)
        wanted = ("floating", "integer", "empty") if name in _NUMBERS else ("string", "categorical", "empty")
        if kind not in wanted:
            return (
                message("its column {name} holds no numbers", name=name)
                if name in _NUMBERS
                else message("its column {name} holds no names", name=name)
            )
        try:
            # Arrow decodes a name where it is first used: bytes that are no UTF-8 would fail far from here.
            list(frame[name].unique())
        except (UnicodeDecodeError, pa.lib.ArrowException):
            return message("its column {name} holds names that are not UTF-8", name=name)
    return ""


def _read_spool(file: Path) -> pd.DataFrame:
    """The sampler's CSV; a line torn by a kill is left out."""
    import pandas as pd

    rows = (line.split(",") for line in file.read_text(encoding="utf-8", errors="replace").splitlines())
    whole = [row for row in rows if len(row) == len(TELEMETRY_COLUMNS)]
    return _frame_of(whole) if whole else pd.DataFrame(columns=list(TELEMETRY_COLUMNS))


def _frame_of(rows: Iterable[list[str]]) -> pd.DataFrame:
    import pandas as pd

    frame = pd.DataFrame(list(rows), columns=list(TELEMETRY_COLUMNS))
    # An empty field is a reading that was missing; an unreadable one counts as such.
    frame["time_s"] = pd.to_numeric(frame["time_s"], errors="coerce")
    frame["value"] = pd.to_numeric(frame["value"], errors="coerce")
    return frame.dropna(subset=["time_s"])
