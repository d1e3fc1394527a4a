"""What a question becomes before a model answers it: columns for the closed form, groups for the effects, a link to the value.

``log(quantity) = sign * log(value) + offset`` joins the published value (SI) to the quantity that the closed form computes:
a throughput to the seconds of a step, tokens per second and GPU to those of all.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

from aigc_bench.catalog.records import AcceleratorSpec
from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.records import Case, Record

Form = Literal["language", "step"]


class NotPredictable(Exception):
    """The model does not answer, and why, in a few words that ``validate`` counts."""


def uncalibrated(problem: NotPredictable, *, case: Case, spec: AcceleratorSpec) -> UsageError:
    """Return the error of a case that the model does not answer on this accelerator."""
    return UsageError(
        message("{id} on {spec_id}: {problem}.", id=case.id, spec_id=spec.id, problem=problem),
        message("See docs/method.md for what is calibrated."),
    )


class ModelRow(Record):
    """One question in the model's own terms. ``track`` names the kind of work whose errors are alike (``llm.tpot``)."""

    form: Form
    track: str
    columns: Mapping[str, float]
    groups: Mapping[str, str]
    is_rate: bool
    # -1 where the quantity falls as the value rises: a published rate, a computed time.
    sign: float = 1.0
    offset: float = 0.0
    accelerator: str = ""
    caution: tuple[str, ...] = ()
    shapes_constants: bool = True

    def log_quantity(self, value: float) -> float:
        """The published value (SI) as the logarithm of the quantity that the closed form computes."""
        return self.sign * math.log(value) + self.offset

    def value(self, log_quantity: float) -> float:
        """Back from the quantity's logarithm to the value in SI."""
        # sign is 1 or -1, so that it is its own inverse.
        return math.exp(self.sign * (log_quantity - self.offset))


def log2_bin(value: float, *, width: float) -> str:
    """The bin of a positive number on a logarithmic scale, ``width`` octaves wide."""
    # 1e-3 keeps a 0 (a length that is not stated) in a bin of its own instead of at minus infinity.
    return str(round(math.log2(max(value, 1e-3)) / width))
