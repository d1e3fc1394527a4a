"""Keep what ``plan --explain`` prints from, so that a second question about the same plan is a look-up.

A file is named by a hash of all that decides a plan: the demand as it was read, the accelerators, the user's rows of the catalogue,
the option that the key names, and the files of this package. So nothing is ever out of date, and no version reads another's. Its
first line is the hash of the rest: one that was cut short or changed is made anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path

from pydantic import ValidationError

import aigc_bench
from aigc_bench.core.record import Record
from aigc_bench.core.trail import Step, Trail
from aigc_bench.core.units import Currency
from aigc_bench.core.user_folders import cache_home
from aigc_bench.plan.explain.plan_trail import Explanation
from aigc_bench.plan.records.demand import Demand

MOST_FILES = 32
"""Explanations that are kept; one takes about a megabyte."""
MOST_BYTES = 32_000_000
"""A larger file is none of ours."""


class _Kept(Record):
    steps: tuple[Step, ...]
    bests: tuple[str, ...]
    owners: tuple[str, ...]
    currency: str
    usd_per_currency: float


def name_of(demand: Demand, *, key: str, accelerators: Sequence[str], user_files: Iterable[Path]) -> str:
    """Return the name of the explanation of a plan; equal where nothing that decides the plan, or its option, differs."""
    found = hashlib.sha256()
    # A plain key belongs to the recommended option, options.N.KEY to another one, whose numbers are explained apart.
    head, _, rest = key.partition(".")
    option = rest.partition(".")[0] if head == "options" else ""
    for text in (_package(), demand.model_dump_json(), *accelerators, option):
        found.update(f"{len(text)}:{text}".encode())
    for file in user_files:
        content = file.read_bytes()
        found.update(f"{file.name}:{len(content)}:".encode() + content)
    return found.hexdigest()


def _package() -> str:
    """Return a hash of the version and of the size and time of every file of the package, data among them."""
    root = Path(aigc_bench.__file__).parent
    files = sorted(path for path in root.rglob("*") if path.suffix != ".pyc" and path.is_file())
    stats = [(path.relative_to(root).as_posix(), path.stat()) for path in files]
    text = "\n".join(f"{name} {stat.st_size} {stat.st_mtime_ns}" for name, stat in stats)
    return hashlib.sha256(f"{version('aigc-bench')}\n{text}".encode()).hexdigest()


def cache_folder() -> Path:
    """Return ``aigc-bench/explanations`` in the user's cache."""
    return cache_home() / "aigc-bench" / "explanations"


def read(name: str) -> Explanation | None:
    """Return a kept explanation; ``None`` where there is none, or its file is cut short, changed or not ours."""
    path = cache_folder() / f"{name}.json"
    try:
        if path.stat().st_size > MOST_BYTES:
            return None
        head, _, body = path.read_bytes().partition(b"\n")
        if head.decode() != hashlib.sha256(body).hexdigest():
            return None
        kept = _Kept.model_validate_json(body)
        # The newest are kept, by when they were last asked for.
        path.touch()
    except (OSError, ValueError, ValidationError):
        return None
    return Explanation(
        trail=Trail.of(kept.steps),
        bests=kept.bests,
        owners=kept.owners,
        currency=Currency(code=kept.currency, usd=kept.usd_per_currency),
    )


def write(name: str, found: Explanation) -> None:
    """Keep an explanation, and drop the oldest beyond ``MOST_FILES``; a folder that cannot be written costs only time."""
    body = _Kept(
        steps=tuple(found.trail[key] for key in found.trail),
        bests=found.bests,
        owners=found.owners,
        currency=found.currency.code,
        usd_per_currency=found.currency.usd,
    ).model_dump_json()
    folder = cache_folder()
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        # In the same folder: a rename is atomic within one file system only, and several processes may write one file.
        with tempfile.NamedTemporaryFile("wb", dir=folder, suffix=".part", delete=False) as file:
            file.write(f"{hashlib.sha256(body.encode()).hexdigest()}\n{body}".encode())
        Path(file.name).replace(folder / f"{name}.json")
        kept = sorted(folder.glob("*.*"), key=lambda path: path.stat().st_mtime, reverse=True)
        for old in kept[MOST_FILES:]:
            old.unlink(missing_ok=True)
