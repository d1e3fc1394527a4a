"""The one writer of stdout and stderr: whatever is printed goes through here, and no character of it is obeyed by a terminal."""

from __future__ import annotations

import contextlib

import click

from aigc_bench.core.visible import visible


def say(*lines: str, err: bool = False) -> None:
    r"""Print lines, an empty one where none is given; a newline inside a line is shown as ``\n``.

    Where stderr takes no more (its reader has ended, the terminal is gone), nothing is printed on it and nothing fails.
    """
    with contextlib.suppress(OSError) if err else contextlib.nullcontext():
        for line in lines or ("",):
            click.echo(visible(line), err=err)


def say_document(text: str) -> None:
    """Print a text whose lines its own writer has made, such as JSON or CSV, as it would stand in a file."""
    click.echo(visible(text, keep="\n").removesuffix("\n"))
