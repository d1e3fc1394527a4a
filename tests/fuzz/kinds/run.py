"""Recorded runs: run.json, results.jsonl, and telemetry as Parquet or as the sampler's spool."""

from __future__ import annotations

import functools
import io
import json
import random
from pathlib import Path
from typing import Any

from tests.fuzz import cells, raw, trees, written
from tests.fuzz.kinds import ROOT, Kind
from tests.fuzz.outcome import Files

SAMPLE = ROOT / "reports" / "sample"
RUN, RESULTS, PARQUET, SPOOL = "run.json", "results.jsonl", "telemetry.parquet", "telemetry.csv"
_CASES_EACH, _TRIALS_EACH, _SAMPLES_EACH = 1, 2, 24
_PUBLISHED_EACH = 4
"""One in so many runs is published as well: it costs as much as all the rest."""


@functools.cache
def examples() -> tuple[tuple[Any, tuple[Any, ...], bytes], ...]:
    """Parts of the sample run: its description, its trials with few samples, and the readings of their time as CSV."""
    info = json.loads((SAMPLE / RUN).read_text("utf-8"))
    trials = [json.loads(line) for line in (SAMPLE / RESULTS).read_text("utf-8").splitlines()]
    readings = _readings()
    found = []
    for start in range(0, len(info["cases"]), _CASES_EACH):
        own = _trials_of(trials, order=start)
        names = {trial["case"] for trial in own}
        shown = [
            case
            for case in info["cases"]
            if any(name.startswith(f"{case['workload']}/{case['preset']}/{case['mode']}") for name in names)
        ]
        lines = [
            line
            for line in readings
            if any(trial["started_s"] <= float(line.split(",")[0]) <= trial["finished_s"] for trial in own)
        ]
        part = trees.tree_of({**info, "cases": shown, "num_trials": _TRIALS_EACH})
        found.append((part, tuple(map(trees.tree_of, own)), ("\n".join(lines[:120]) + "\n").encode()))
    return tuple(found)


def _trials_of(trials: list[dict[str, Any]], *, order: int) -> list[dict[str, Any]]:
    """Few trials of few cases, with few of their samples."""
    names = list(dict.fromkeys(trial["case"] for trial in trials))[order : order + _CASES_EACH]
    kept = [trial for trial in trials if trial["case"] in names and trial["trial"] < _TRIALS_EACH]
    for trial in kept:
        trial["samples"] = {key: column[:_SAMPLES_EACH] for key, column in trial["samples"].items()}
    return kept


@functools.cache
def _readings() -> tuple[str, ...]:
    import pandas as pd

    text: str = pd.read_parquet(SAMPLE / PARQUET).to_csv(index=False, header=False)
    return tuple(text.splitlines())


def make_run(draw: random.Random) -> Files:
    """A changed run.json beside sound results, or the other way round; sometimes both."""
    info, trials, spool = draw.choice(examples())
    others = [part[0] for part in examples()]
    lines = list(trials)
    if (kind := draw.random()) < 0.55:
        info = trees.changed(info, others=others, draw=draw, dialect="json")
    if kind > 0.45 and lines:
        at = draw.randrange(len(lines))
        lent = [trial for part in examples() for trial in part[1]]
        lines[at] = trees.changed(lines[at], others=lent, draw=draw, dialect="json")
    files = {RUN: written.as_json(info), RESULTS: b"".join(written.as_json(trial) + b"\n" for trial in lines), SPOOL: spool}
    if draw.random() < 0.15:
        name = draw.choice((RUN, RESULTS))
        files[name] = raw.broken(files[name], draw=draw, other=files[draw.choice((RUN, RESULTS))])
    if draw.random() < 0.02:
        del files[draw.choice(list(files))]
    return files


def make_telemetry(draw: random.Random) -> Files:
    """A sound run beside changed readings: the spool's lines, or a Parquet file of other columns, types or bytes."""
    info, trials, spool = draw.choice(examples())
    files = {RUN: written.as_json(info), RESULTS: b"".join(written.as_json(trial) + b"\n" for trial in trials)}
    table = cells.changed_table(cells.table_of(spool), draw=draw)
    if draw.random() < 0.5:
        files[SPOOL] = cells.as_csv(table, draw=draw)
        if draw.random() < 0.3:
            files[SPOOL] = raw.broken(files[SPOOL], draw=draw, other=spool)
    else:
        files[PARQUET] = _parquet(table, draw=draw)
    return files


def _parquet(table: cells.Table, *, draw: random.Random) -> bytes:
    """The rows as Parquet: numbers as numbers where they are, or all text, renamed, nested or with bytes broken."""
    import pandas as pd

    names = ["time_s", "source", "device", "metric", "value"]
    cleaned = [[cell.encode(errors="replace").decode() for cell in (row + [""] * 5)[:5]] for row in table]
    frame = pd.DataFrame(cleaned, columns=names)
    if draw.random() < 0.8:
        frame["time_s"] = pd.to_numeric(frame["time_s"], errors="coerce")
        frame["value"] = pd.to_numeric(frame["value"], errors="coerce")
    change = draw.randrange(8)
    if change == 0:
        frame = frame.rename(columns={draw.choice(names): draw.choice((*names, "x"))})
    elif change == 1:
        frame["value"] = [[1.0, 2.0]] * len(frame)
    elif change == 2:
        frame["time_s"] = pd.to_datetime(frame["time_s"], unit="s", errors="coerce")
    elif change == 3:
        frame = frame.head(0)
    elif change == 4:
        frame["device"] = range(len(frame))
    buffer = io.BytesIO()
    try:
        frame.to_parquet(buffer, index=draw.random() < 0.2)
    except (ValueError, TypeError, UnicodeError):
        return b"PAR1"
    content = buffer.getvalue()
    return raw.broken(content, draw=draw) if draw.random() < 0.3 else content


def read(folder: Path) -> None:
    """Read the run and work out its numbers, as ``show``, ``show --as published`` and the report's findings do."""
    from aigc_bench import api
    from aigc_bench.core.errors import UsageError
    from aigc_bench.core.records import dump

    run = api.load(folder)
    assert len(run.telemetry.columns) == 5, "a table of readings"
    json.dumps([dump(row) for row in api.rows(run)], allow_nan=False)
    for summary in api.cases(run):
        assert summary.error_line != "", "a reason has words"
    api.skipped(run)
    if (folder / RUN).stat().st_size % _PUBLISHED_EACH:
        return
    try:
        api.published(run, gpu="h100")
    except UsageError as problem:
        if "no number to publish" not in str(problem):
            raise


def _prepare() -> None:
    import pandas as pd

    examples()
    pd.DataFrame({"a": [1]})


_COMMANDS: tuple[tuple[str, ...], ...] = (
    ("show", "{}"),
    ("show", "{}", "--json"),
    ("compare", "{}", str(SAMPLE)),
    ("report", "{}", "-o", "{}/out.html"),
    ("run", "--resume", "{}"),
)
KINDS = (
    Kind(name="run", title="run.json and results.jsonl", make=make_run, read=read, prepare=_prepare, commands=_COMMANDS[:4]),
    Kind(
        name="telemetry",
        title="telemetry, Parquet and spool",
        make=make_telemetry,
        read=read,
        prepare=_prepare,
        commands=_COMMANDS[:4],
    ),
)
