"""Code that a command or Python names as ``module:function``: the only function that imports code by name.

A file never comes through here. ``core.registry`` finds a workload of this kind only after ``load_named_code`` has made it in the
same process, and a worker process makes it only where its request carries the permission (``NamedCode``) that the command gave.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aigc_bench.core import registry
from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.record import Record


class NamedCode(Record):
    """The permission to run ``name``, as it travels from a command to its processes, with the folders where modules are found."""

    name: str
    search: tuple[str, ...]


_permitted: dict[str, NamedCode] = {}


def is_code_name(text: str) -> bool:
    """Whether a user's ``--model`` names code (``module:function``) and not a file or folder."""
    # The name of a file may hold a colon.
    return ":" in text and not Path(text).exists()


def is_well_formed(name: str) -> bool:
    """Whether the text is ``package.module:function``."""
    module, _, function = name.partition(":")
    return all(part.isidentifier() for part in (*module.split("."), function))


def with_its_code(model: Path | str) -> Path | str:
    """The model that a command names; where it is ``module:function``, its code is loaded first."""
    if is_code_name(str(model)):
        load_named_code(str(model))
    return model


def load_named_code(name: str) -> Any:
    """Import the module of ``module:function``, call the function once, and register what it returns under the name.

    A module that is not installed may lie in the current directory. Call this for a name that was typed (or written in Python),
    never for one that was read from a file. Raises ``UsageError`` in one line.
    """
    if name not in _permitted:
        if not is_well_formed(name):
            raise UsageError(
                message("{name}: neither a file, nor a folder, nor module:function.", name=name),
                message("Example: my_package.models:make."),
            )
        if not _is_installed(name):
            search_also([str(Path.cwd())])
        registry.admit("workloads", name, _made(name))
        # Absolute folders: a worker may start in another one.
        _permitted[name] = NamedCode(name=name, search=tuple(str(Path(folder).absolute()) for folder in sys.path))
    return registry.load("workloads", name)


def load_permitted(code: NamedCode | None) -> None:
    """Load the code that the command permitted to this process, if any."""
    if code is not None:
        search_also(code.search)
        load_named_code(code.name)


def permitted(name: str) -> NamedCode | None:
    """The permission that this process has for ``name``, to be handed on to its own processes."""
    return _permitted.get(name)


def search_also(folders: Sequence[str]) -> None:
    """Find modules in these folders, too, after all others: a file there never replaces an installed module."""
    sys.path.extend(folder for folder in dict.fromkeys(folders) if folder not in sys.path)


def _is_installed(name: str) -> bool:
    """Whether the package or module is found without the current directory; nothing is imported."""
    # The first part alone: find_spec() of a dotted name imports the packages above it.
    package = name.partition(":")[0].partition(".")[0]
    return package in sys.modules or importlib.util.find_spec(package) is not None


def _made(name: str) -> Any:
    """What the function returns, or the attribute itself where it is no function."""
    module_name, _, function_name = name.partition(":")
    try:
        function = getattr(importlib.import_module(module_name), function_name)
        return function() if callable(function) else function
    except ModuleNotFoundError as problem:
        raise UsageError(
            message("{name}: no module named {problem_name!r}.", name=name, problem_name=problem.name),
            message("Run in its folder, or put its folder on PYTHONPATH."),
        ) from None
    except AttributeError as problem:
        raise UsageError(message("{name}: {problem}.", name=name, problem=problem)) from None
    # Scripts call sys.exit() when they are imported.
    except (Exception, SystemExit) as problem:
        raise UsageError(
            message("{name}: it raised {type}: {problem}.", name=name, type=type(problem).__name__, problem=problem)
        ) from None
