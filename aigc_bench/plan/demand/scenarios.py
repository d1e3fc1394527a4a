"""Offer example demands: commented demand files for common uses, one TOML file each in ``scenarios/``."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from aigc_bench.core.errors import UnknownNameError, UsageError


def scenario_names() -> tuple[str, ...]:
    """Return the names of the examples, sorted."""
    folder = files(__package__).joinpath("scenarios")
    return tuple(sorted(file.name.removesuffix(".toml") for file in folder.iterdir() if file.name.endswith(".toml")))


def scenario_text(name: str) -> str:
    """Return the text of an example; raise ``UnknownNameError`` with the nearest names."""
    if name not in scenario_names():
        raise UnknownNameError("scenario", name, known=scenario_names())
    return files(__package__).joinpath("scenarios", f"{name}.toml").read_text(encoding="utf-8")


def new_demand(name: str, *, out: Path | None = None) -> Path:
    """Write an example to a new file (by default ``NAME.toml`` here); an existing file is never overwritten."""
    text, file = scenario_text(name), out or Path(f"{name}.toml")
    try:
        with file.open("x", encoding="utf-8") as handle:
            handle.write(text)
    except FileExistsError:
        raise UsageError(f"{file}: exists already.", "Choose another file with --out.") from None
    except OSError as problem:
        raise UsageError(f"{file}: {(problem.strerror or 'cannot be written').lower()}.") from None
    return file
