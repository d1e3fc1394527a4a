"""Numbers of options: read as those of files are, within bounds that mean something."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import click

from aigc_bench.core.messages import message

if TYPE_CHECKING:
    _FloatType = click.ParamType[float]
    _IntType = click.ParamType[int]
else:  # the oldest click that we allow has no generic type
    _FloatType = _IntType = click.ParamType


class Amount(_FloatType):
    """A number from ``least`` to ``most``, where they are given; NaN, infinity and what could be read in two ways are refused."""

    name = "number"

    def __init__(self, *, least: float = -math.inf, most: float = math.inf) -> None:
        self._least, self._most = least, most

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number; report a mistake through click."""
        from aigc_bench.core.numbers import parse_number

        try:
            # Defaults come as numbers, the command line as text.
            number = float(value) if isinstance(value, int | float) else parse_number(str(value), suffix=False)
        except ValueError as problem:
            self.fail(f"{str(value)[:40]!r} {problem}", param, ctx)
        if not self._least <= number <= self._most:
            self.fail(
                message("{value!r} is not from {least:g} to {most:g}", value=str(value)[:40], least=self._least, most=self._most),
                param,
                ctx,
            )
        return number


class Count(_IntType):
    """A whole number from ``least`` to ``most``, in digits alone."""

    name = message("whole number")

    def __init__(self, *, least: int = 1, most: int) -> None:
        self._least, self._most = least, most

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number; report a mistake through click."""
        text = str(value).strip()
        # isdigit alone accepts other scripts and superscripts; 20 digits bound what int() has to convert.
        if not (text.isascii() and text.isdigit() and len(text) <= 20 and self._least <= int(text) <= self._most):
            self.fail(
                message(
                    "{text!r} is not a whole number from {least:,} to {most:,}", text=text[:40], least=self._least, most=self._most
                ),
                param,
                ctx,
            )
        return int(text)
