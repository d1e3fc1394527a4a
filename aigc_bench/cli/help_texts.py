"""Help texts in the reader's language: click stores them as plain text when a command is defined."""

from __future__ import annotations

import copy
import inspect
from typing import TypeVar

import click

from aigc_bench.core.messages import looked_up

Command = TypeVar("Command", bound=click.Command)


def in_language(command: Command) -> Command:
    """Return a copy of the command whose help, and that of its options and sub-commands, is in the reader's language.

    Help of a command is the docstring of its function; ``tools/messages.py`` collects it with the messages.
    """
    # A copy: commands are module-level objects, and a second call in one process may be in another language.
    shown = copy.copy(command)
    # cleandoc as click does it at definition, so that the text is the one that was collected for translation.
    shown.help = None if command.help is None else looked_up(inspect.cleandoc(command.help))
    shown.short_help = None if command.short_help is None else looked_up(command.short_help)
    shown.params = [_option(param) for param in command.params]
    if isinstance(shown, click.Group):
        shown.commands = {name: in_language(below) for name, below in shown.commands.items()}
    return shown


def _option(param: click.Parameter) -> click.Parameter:
    """Return the option with its help in the reader's language; arguments have none."""
    if not isinstance(param, click.Option) or not param.help:
        return param
    shown = copy.copy(param)
    shown.help = looked_up(param.help)
    return shown
