"""Define the options of ``run`` that add the data pipeline to its cases."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from aigc_bench.cli.number_types import Count
from aigc_bench.core.messages import message

if TYPE_CHECKING:
    from aigc_bench.core.pipeline import Cache, Pipeline

_OPTIONS = (
    click.option("--pipeline", is_flag=True, help=message("Also decode inputs and encode outputs, from generated files.")),
    click.option("--data", type=click.Path(), metavar="PATH", help=message("... from your own text, images, audio or video.")),
    click.option(
        "--data-workers", multiple=True, type=Count(least=0, most=256), metavar="N", help=message("... with N loader processes.")
    ),
    click.option(
        "--data-cache", multiple=True, type=click.Choice(["hot", "cold"]), help=message("... from the page cache or the disk.")
    ),
)
_NAMES = ("pipeline", "data", "data_workers", "data_cache")


@dataclass(frozen=True, kw_only=True)
class DataWords:
    """Hold the options of the data pipeline; any of them enables it."""

    pipeline: bool
    data: str | None
    data_workers: tuple[int, ...]
    data_cache: tuple[Cache, ...]

    def pipelines(self) -> tuple[Pipeline, ...]:
        """Return one pipeline per cache state and number of loader processes; none if no option is given."""
        if not (self.pipeline or self.data is not None or self.data_workers or self.data_cache):
            return ()
        from aigc_bench import api

        return api.pipelines(self.data, caches=self.data_cache or ("hot",), workers=self.data_workers)


def data_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command; it receives them as ``data``."""

    @functools.wraps(function)
    def command(*args: Any, **keys: Any) -> Any:
        words = DataWords(**{name: keys.pop(name) for name in _NAMES})
        return function(*args, data=words, **keys)

    # Decorators apply from the inside out: reversed, help lists them in the order above.
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
