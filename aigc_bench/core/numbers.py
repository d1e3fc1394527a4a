"""Numbers of files: which are accepted at all, and how a person's text becomes one.

The limits hold for every file (TOML, JSON, CSV): no quantity of a computer, a bill or a year lies outside them, and inside them
products of a few quantities stay finite in double precision.
"""

from __future__ import annotations

import math
import re
from typing import Literal

from aigc_bench.core.messages import message

SMALLEST = 1e-30
LARGEST = 1e30
"""Numbers other than 0 lie between these two in size."""
MAX_MOMENT_S = 1e12
"""Seconds from any start that a moment of a trace may lie: Unix times in ms, us or ns taken for seconds lie beyond."""
MAX_DIGITS = 400
"""Longer texts are refused before they are converted: conversion of an integer takes time with the square of its digits."""
OUT_OF_RANGE = message("must be 0 or between {smallest:g} and {largest:g} in size", smallest=SMALLEST, largest=LARGEST)

MOST_DEVICES = 1_000_000
MOST_ITEMS = 1_000_000
"""Of a batch."""
MOST_REQUESTS = 10_000_000
"""Of one simulation."""
# A signed 64-bit integer, as torch's generator takes it.
MOST_SEED = 2**63 - 1

Commas = Literal["thousands", "decimal", "unclear"]
"""What a comma in a number means in a file: 2,500 is 2500; or 2,5 is 2.5 and 2.500 is unclear; or only what cannot be misread."""


def problem_of(value: float) -> str | None:
    """Return what is wrong with a number of a file, in words that follow ``key = value:``; ``None`` where it is sound."""
    if isinstance(value, int):
        if abs(value) >= 10**MAX_DIGITS:  # compared as integers: str() of thousands of digits raises
            return message("must have at most {max_digits} digits", max_digits=MAX_DIGITS)
    elif not math.isfinite(value):
        return message("must be a finite number")
    # -0 equals 0; only its sign shows it.
    elif value == 0 and math.copysign(1.0, value) < 0:
        return message("must be 0, not -0")
    if value != 0 and not SMALLEST <= abs(value) <= LARGEST:
        return OUT_OF_RANGE
    return None


# U+FF01 to U+FF5E are ASCII ! to ~ at a fixed distance, as Chinese and Japanese keyboards type them.
_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
# Ideographic, no-break, figure, thin and narrow no-break space.
_SPACES = dict.fromkeys((0x3000, 0x00A0, 0x2007, 0x2009, 0x202F), " ")
_AS_ASCII = {**_FULL_WIDTH, **_SPACES, 0x2212: "-", 0x2019: "'"}


def as_ascii(text: str) -> str:
    """Return the text with full-width forms, spaces of any width, the minus sign and the apostrophe of typography as in ASCII."""
    return text.translate(_AS_ASCII).strip()


_SIMPLE = re.compile(r"\d{1,15}(?:\.\d{1,15})?", re.ASCII)
"""Most numbers of most files, which cannot be misread and are inside the limits: read ten times as fast."""
_NUMBER = re.compile(
    r"(?P<sign>[+-]?)(?P<figure>\d+(?:[ ,.']\d+)*\.?|[.,]\d+)(?:[eE](?P<exponent>[+-]?\d{1,5})| ?(?P<suffix>[kKM万亿]))?", re.ASCII
)
# 万 is ten thousand, 亿 a hundred million.
_SUFFIXES = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "万": 1e4, "亿": 1e8}
# Not before exactly three digits, unless after 0, points between thousands, or four digits and more.
_DECIMAL_COMMA = re.compile(r"[+-]?(?:\d*,(?:\d{1,2}|\d{4,})|0,\d{3}|\d{1,3}(?:\.\d{3})+,\d+|\d{4,},\d+)(?:[eE][+-]?\d+)?")
# Groups of three after one to three digits, the first of them not 0.
_GROUPS = {mark: re.compile(rf"[1-9]\d{{0,2}}(?:{re.escape(mark)}\d{{3}})+") for mark in " ,.'"}
_NO_NUMBERS = frozenset({"nan", "inf", "infinity", "∞"})
_BOUNDS = ("~", "≈", "<", ">", "≤", "≥", "±", "+/-", "+-", "∼")


def has_decimal_comma(text: str) -> bool:
    """Whether a cell is a number whose comma can only be a decimal one: ``2,5`` and ``1.234,5``, not ``2,500``."""
    return _DECIMAL_COMMA.fullmatch(as_ascii(text)) is not None


def parse_number(text: str, *, commas: Commas = "thousands", suffix: bool = True) -> float:
    """Return the number that a person wrote: ``2500``, ``2,500``, ``2 500``, ``2'500``, ``2.5k``, ``1.2e3``, full-width digits.

    Raises ``ValueError`` with a reason that follows the quoted text, such as ``is not a number``, for everything else: what could
    be read in two ways, bounds and spreads, units, and numbers outside the limits of files. Without ``suffix`` a ``k`` or ``M`` is
    refused: they mean 1,024 and 1,048,576 to some in a count of tokens.
    """
    if commas != "decimal" and _SIMPLE.fullmatch(text):
        return float(text)
    plain = as_ascii(text)
    if len(plain) > MAX_DIGITS:
        raise ValueError(
            message(
                "has {num_plain:,} characters; a number has at most {max_digits} digits",
                num_plain=len(plain),
                max_digits=MAX_DIGITS,
            )
        )
    match = _NUMBER.fullmatch(plain)
    if match is None:
        raise ValueError(_why_no_number(plain))
    if match["suffix"] in ("k", "K", "M") and not suffix:
        raise ValueError(
            message("may mean a power of 1,000 or of 1,024 by {suffix!r}; write the number out", suffix=match["suffix"])
        )
    figure = _ungrouped(match["figure"], commas=commas)
    value = float(f"{match['sign']}{figure}e{match['exponent'] or 0}") * _SUFFIXES[match["suffix"] or ""]
    # Over- and underflow of the conversion: the text was another number.
    if math.isinf(value) or (value == 0 and figure.strip("0.")):
        raise ValueError(OUT_OF_RANGE)
    problem = problem_of(value)
    if problem is not None:
        raise ValueError(problem)
    return value


def _why_no_number(text: str) -> str:
    if not text:
        return message("is empty")
    if text.lstrip("+-").lower() in _NO_NUMBERS:
        return message("must be a finite number")
    if any(mark in text for mark in _BOUNDS):
        return message("is a bound, an approximation or a spread; write one number")
    if "_" in text and text.replace("_", "").isdigit():
        return message("is not a number; write {text}", text=text.replace("_", ""))
    if re.match(r"[+-]?[\d.,]+ ?[^\W\d_%]+$|.*%$", text):
        return message("carries a unit or a word; write the number alone")
    return message("is not a number")


def _is_grouped(whole: str, *, last: str) -> bool:
    """Whether the marks in a whole number separate its thousands; ``last`` is the last mark of the number with its decimals."""
    marks = {mark for mark in whole if not mark.isdigit()}
    if not marks:
        return True
    # All groups of one number have the same mark; points separate groups where a comma is the decimal mark alone.
    return len(marks) == 1 and _GROUPS[min(marks)].fullmatch(whole) is not None and (marks != {"."} or last == ",")


def _ungrouped(figure: str, *, commas: Commas) -> str:
    """Digits with a point at most; raises ``ValueError`` where the marks between digits can be read in two ways or in none."""
    marks = [mark for mark in figure if not mark.isdigit()]
    if not marks:
        return figure
    last, whole = marks[-1], figure
    decimals = ""
    # The last mark is the decimal one if it stands once and separates no thousands.
    if last in ".," and marks.count(last) == 1 and not _is_group(figure, last, commas=commas):
        whole, _, decimals = figure.rpartition(last)
    if not _is_grouped(whole, last=last):
        raise ValueError(message("groups its digits in an unusual way; write them without separators"))
    return f"{''.join(c for c in whole if c.isdigit())}.{decimals or 0}"


def _is_group(figure: str, mark: str, *, commas: Commas) -> bool:
    """Whether the only ``mark`` of a figure parts thousands; raises ``ValueError`` where it could also be the decimal one."""
    if mark == ".":
        if commas == "decimal" and _GROUPS["."].fullmatch(figure):
            raise ValueError(
                message(
                    "is unclear where other numbers have a decimal comma; write {whole} or {figure}0",
                    whole=figure.replace(".", ""),
                    figure=figure,
                )
            )
        return False
    if not _GROUPS[","].fullmatch(figure):
        if re.match(r"0\d", figure):
            raise ValueError(message("begins with a zero and has a comma; write a decimal point"))
        if commas == "thousands":
            raise ValueError(message("has a comma that separates no thousands; write a decimal point"))
        return False
    if commas != "thousands":
        raise ValueError(
            message(
                "is unclear: {whole} or {decimal}? Write it without the comma",
                whole=figure.replace(",", ""),
                decimal=figure.replace(",", "."),
            )
        )
    return True
