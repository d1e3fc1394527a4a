"""Write all output to stdout and stderr, with control characters escaped so that no terminal obeys them."""

from __future__ import annotations

import contextlib

import click

from aigc_bench.core.messages import translated
from aigc_bench.core.visible import visible


def say(*lines: str, err: bool = False) -> None:
    r"""Print lines in the reader's language, an empty one where none is given; a newline inside a line is shown as ``\n``.

    If stderr fails (its reader has ended, the terminal is gone), nothing is printed on it and no error is raised.
    """
    with contextlib.suppress(OSError) if err else contextlib.nullcontext():
        for line in lines or ("",):
            click.echo(visible(translated(line)), err=err)


def say_document(text: str) -> None:
    """Print a multi-line text such as JSON or CSV as it would be written to a file."""
    # echo adds a newline of its own.
    click.echo(visible(text, keep="\n").removesuffix("\n"))
