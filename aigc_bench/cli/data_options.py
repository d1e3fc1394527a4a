"""The options of ``run`` that add the data pipeline to its cases, gathered into one value."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from aigc_bench.cli.amounts import Count

if TYPE_CHECKING:
    from aigc_bench.core.pipeline import Cache, Pipeline

_OPTIONS = (
    click.option("--pipeline", is_flag=True, help="Also decode inputs and encode products, from generated files."),
    click.option("--data", type=click.Path(), metavar="PATH", help="... from your own text, images, audio or video."),
    click.option("--data-workers", multiple=True, type=Count(least=0, most=256), metavar="N", help="... with N loader processes."),
    click.option("--data-cache", multiple=True, type=click.Choice(["hot", "cold"]), help="... from the page cache or the disk."),
)
_NAMES = ("pipeline", "data", "data_workers", "data_cache")


@dataclass(frozen=True, kw_only=True)
class DataWords:
    """What was written of the data pipeline; any of the options asks for it."""

    pipeline: bool
    data: str | None
    data_workers: tuple[int, ...]
    data_cache: tuple[Cache, ...]

    def pipelines(self) -> tuple[Pipeline, ...]:
        """One for each cache state and number of loader processes; none where nothing was asked for."""
        if not (self.pipeline or self.data is not None or self.data_workers or self.data_cache):
            return ()
        from aigc_bench import api

        return api.pipelines(self.data, caches=self.data_cache or ("hot",), workers=self.data_workers)


def data_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options; it receives them as ``data``."""

    @functools.wraps(function)
    def command(*args: Any, **keys: Any) -> Any:
        words = DataWords(**{name: keys.pop(name) for name in _NAMES})
        return function(*args, data=words, **keys)

    for option in reversed(_OPTIONS):
        command = option(command)
    return command
