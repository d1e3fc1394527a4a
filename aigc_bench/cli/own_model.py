"""The options of ``run`` that describe the user's own model instead of a profile, gathered into one value."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from aigc_bench.cli.amounts import MOST_ITEMS, Count

if TYPE_CHECKING:
    from aigc_bench.core.records import Mode
    from aigc_bench.measure.profiles import Profile

_OPTIONS = (
    click.option("--model", metavar="PATH|MODULE:FUNCTION", help="Your own model instead: a config.json, a folder, or a function."),
    click.option("--mode", "modes", multiple=True, type=click.Choice(["infer", "train"]), help="Of your model; default infer."),
    click.option(
        "--batch-size", "batch_sizes", multiple=True, type=Count(most=MOST_ITEMS), metavar="N", help="Of your model; default 1."
    ),
    click.option("--precision", metavar="DTYPE", help="Of your model: fp32 (default on a CPU), tf32, bf16, fp16."),
    click.option("--engine", "engines", multiple=True, metavar="NAME", help="Of your model; see `list engines`."),
    click.option("--set", "settings", multiple=True, metavar="K=V", help="A setting of your model's family: prompt_len=256."),
    click.option("--change", "changes", multiple=True, metavar="K=V", help="A key of your model's config.json, changed."),
)
_DESCRIBING = ("modes", "batch_sizes", "precision", "engines", "settings", "changes")


@dataclass(frozen=True, kw_only=True)
class OwnModelWords:
    """What was written of the user's own model."""

    model: str | None
    modes: tuple[Mode, ...]
    batch_sizes: tuple[int, ...]
    precision: str | None
    engines: tuple[str, ...]
    settings: tuple[str, ...]
    changes: tuple[str, ...]

    def profile(self, named: str | None, *, ctx: click.Context) -> str | Profile | None:
        """The model's profile, or the one that was named where there is no model; raises for options that do not go together."""
        described = given(ctx, _DESCRIBING)
        if self.model is None:
            if described:
                why = "a profile says it for its cases (see `aigc-bench profiles new`)"
                raise click.UsageError(f"{', '.join(described)}: only with --model; {why}", ctx=ctx)
            return named
        if named is not None:
            raise click.UsageError("--model and --profile: name one of them", ctx=ctx)
        from aigc_bench import api

        return api.own_profile(
            self.model,
            modes=self.modes or ("infer",),
            batch_sizes=self.batch_sizes or (1,),
            precision=self.precision,
            engines=self.engines or ("torch-eager",),
            settings=self.settings,
            changes=self.changes,
        )


def own_model_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options; it receives them as ``own``."""

    @functools.wraps(function)
    def command(*args: Any, **keys: Any) -> Any:
        own = OwnModelWords(**{name: keys.pop(name) for name in ("model", *_DESCRIBING)})
        return function(*args, own=own, **keys)

    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def given(ctx: click.Context, names: Sequence[str]) -> list[str]:
    """The options, as they are written, that the command line has."""
    written = {name for name in names if ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE}
    return [max(param.opts, key=len) for param in ctx.command.params if param.name in written]
