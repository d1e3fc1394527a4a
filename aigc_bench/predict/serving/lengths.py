"""How long prompts and answers are: fixed, uniform, lognormal, or drawn from a list that was seen.

Lengths are drawn once per simulation from a seeded stream of their own, so a change of arrivals or of the server leaves them as
they are (common random numbers). The written form, for a command line: ``512``, ``uniform:100,900``, ``lognormal:512,0.8``.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.numbers import parse_number
from aigc_bench.core.records import Positive, Record

Tokens = NDArray[np.int64]
MOST_TOKENS = 100_000_000
"""Of a prompt or an answer."""
# Far beyond any traffic.
MOST_CV = 1000.0


class FixedLength(Record):
    """Every request has the same number of tokens."""

    kind: Literal["fixed"] = "fixed"
    tokens: Positive


class UniformLength(Record):
    """Whole numbers from ``low`` to ``high``, both included, equally likely."""

    kind: Literal["uniform"] = "uniform"
    low: Positive
    high: Positive

    @model_validator(mode="after")
    def _is_ordered(self) -> Self:
        assert self.low <= self.high, "low is not above high"
        return self


class LognormalLength(Record):
    """Lognormal with that mean and coefficient of variation before rounding and cutting to 1 .. ``maximum``,
    or ``MOST_TOKENS``."""

    kind: Literal["lognormal"] = "lognormal"
    mean: float = Field(ge=1, le=MOST_TOKENS)
    cv: float = Field(gt=0, le=MOST_CV)
    maximum: Positive | None = None


class EmpiricalLength(Record):
    """Drawn with replacement from the lengths that were seen."""

    kind: Literal["empirical"] = "empirical"
    tokens: tuple[Positive, ...] = Field(min_length=1)


Length = Annotated[FixedLength | UniformLength | LognormalLength | EmpiricalLength, Field(discriminator="kind")]


def draw_lengths(length: Length, *, count: int, random: np.random.Generator) -> Tokens:
    """``count`` token counts, each at least 1."""
    if isinstance(length, FixedLength):
        return np.full(count, length.tokens, dtype=np.int64)
    if isinstance(length, UniformLength):
        return random.integers(length.low, length.high, endpoint=True, size=count, dtype=np.int64)
    if isinstance(length, EmpiricalLength):
        return random.choice(np.array(length.tokens, dtype=np.int64), size=count)
    # Of a lognormal: cv**2 = exp(sigma**2) - 1, and mean = exp(mu + sigma**2 / 2).
    sigma = math.sqrt(math.log1p(length.cv**2))
    drawn = np.exp(math.log(length.mean) - sigma**2 / 2 + sigma * random.standard_normal(count))
    return np.clip(np.rint(drawn), 1, length.maximum or MOST_TOKENS).astype(np.int64)


def mean_tokens(length: Length) -> float:
    """Mean of the distribution, in tokens; for a lognormal, before it is cut to its maximum."""
    if isinstance(length, FixedLength):
        return float(length.tokens)
    if isinstance(length, UniformLength):
        return (length.low + length.high) / 2
    if isinstance(length, EmpiricalLength):
        return sum(length.tokens) / len(length.tokens)
    return length.mean


def parse_length(text: str) -> Length:
    """A length as a person writes it; raises ``UsageError`` for anything else.

    ``512`` or ``fixed:512``; ``uniform:LOW,HIGH``; ``lognormal:MEAN,CV`` or ``lognormal:MEAN,CV,MAX``.
    """
    kind, _, rest = text.strip().rpartition(":")
    try:
        numbers = [parse_number(part, suffix=False) for part in rest.split(",")]
        match kind, numbers:
            case "" | "fixed", [tokens]:
                return FixedLength(tokens=_whole(tokens))
            case "uniform", [low, high]:
                return UniformLength(low=_whole(low), high=_whole(high))
            case "lognormal", [mean, cv]:
                return LognormalLength(mean=mean, cv=cv)
            case "lognormal", [mean, cv, maximum]:
                return LognormalLength(mean=mean, cv=cv, maximum=_whole(maximum))
    # A wrong number and an unknown kind are the same mistake to whoever wrote the text: one message below.
    except ValueError:
        pass
    raise UsageError(
        message("{text!r} is not a length in tokens.", text=text), message("Write 512, uniform:100,900 or lognormal:MEAN,CV[,MAX].")
    )


def _whole(number: float) -> int:
    if not number.is_integer() or number > MOST_TOKENS:
        raise ValueError(message("tokens are whole, and not more than a request can have"))
    return int(number)
