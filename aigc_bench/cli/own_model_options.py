"""The options of ``run`` that describe the user's own model instead of a profile, gathered into one value."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from aigc_bench.cli.number_types import Count
from aigc_bench.core.messages import message
from aigc_bench.core.numbers import MOST_ITEMS

if TYPE_CHECKING:
    from aigc_bench.core.records import Mode
    from aigc_bench.measure.profiles import Profile

_OPTIONS = (
    click.option(
        "--model",
        metavar="PATH|MODULE:FUNCTION",
        help=message("Your own model: a config.json, its folder, or a function."),
    ),
    click.option(
        "--mode", "modes", multiple=True, type=click.Choice(["infer", "train"]), help=message("Its mode (default infer).")
    ),
    click.option(
        "--batch-size",
        "batch_sizes",
        multiple=True,
        type=Count(most=MOST_ITEMS),
        metavar="N",
        help=message("Its batch size (default 1)."),
    ),
    click.option("--precision", metavar="DTYPE", help=message("Its precision: fp32 (default on a CPU), tf32, bf16, fp16.")),
    click.option("--engine", "engines", multiple=True, metavar="NAME", help=message("Its engine; see `list engines`.")),
    click.option(
        "--set", "settings", multiple=True, metavar="K=V", help=message("A setting of its family, such as prompt_len=256.")
    ),
    click.option("--change", "changes", multiple=True, metavar="K=V", help=message("Override a key of its config.json.")),
)
_DESCRIBING = ("modes", "batch_sizes", "precision", "engines", "settings", "changes")


@dataclass(frozen=True, kw_only=True)
class OwnModelWords:
    """Hold the options of the user's own model."""

    model: str | None
    modes: tuple[Mode, ...]
    batch_sizes: tuple[int, ...]
    precision: str | None
    engines: tuple[str, ...]
    settings: tuple[str, ...]
    changes: tuple[str, ...]

    def profile(self, named: str | None, *, ctx: click.Context) -> str | Profile | None:
        """Return the model's profile, or without a model the ``named`` one; raise for options that cannot be combined."""
        # By the command line and not by value: a default is no statement of the user.
        described = given(ctx, _DESCRIBING)
        if self.model is None:
            if described:
                why = message("a profile states this for its cases (see `aigc-bench profiles new`)")
                raise click.UsageError(
                    message("{described}: only with --model; {why}", described=", ".join(described), why=why), ctx=ctx
                )
            return named
        if named is not None:
            raise click.UsageError(message("--model and --profile exclude each other; give one of them"), ctx=ctx)
        from aigc_bench import api
        from aigc_bench.core.words import parse_settings

        return api.own_profile(
            self.model,
            modes=self.modes or ("infer",),
            batch_sizes=self.batch_sizes or (1,),
            precision=self.precision,
            engines=self.engines or ("torch-eager",),
            settings=parse_settings(self.settings),
            changes=parse_settings(self.changes, option="--change"),
        )


def own_model_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command; it receives them as ``own``."""

    @functools.wraps(function)
    def command(*args: Any, **keys: Any) -> Any:
        own = OwnModelWords(**{name: keys.pop(name) for name in ("model", *_DESCRIBING)})
        return function(*args, own=own, **keys)

    # Decorators apply from the inside out: reversed, help lists them in the order above.
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def given(ctx: click.Context, names: Sequence[str]) -> list[str]:
    """Return the options that the command line gives, as written."""
    written = {name for name in names if ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE}
    # The long spelling of an option that has a short one as well.
    return [max(param.opts, key=len) for param in ctx.command.params if param.name in written]
