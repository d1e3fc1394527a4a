"""The precisions that a device multiplies in: the default of a case, and the refusal of what a part lacks."""

from __future__ import annotations

from typing import get_args

from aigc_bench.catalog.records import AcceleratorSpec
from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.records import Precision
from aigc_bench.predict.closed_form.language import peak_flops
from aigc_bench.predict.published.name_resolution import NumberFormat

MULTIPLIED_IN = "multiplied_in"
"""Reason of a format that the part stores but does not multiply: weights are widened before each product."""
_WIDE = ("bf16", "fp16", "fp32")
"""Formats in the order in which a case's default is looked for."""


def default_precision(spec: AcceleratorSpec | None, *, backend: str) -> Precision:
    """Return bf16 where the device multiplies in it, else fp16, else fp32; fp32 on a CPU."""
    if backend == "cpu":
        return "fp32"
    # A measured machine knows the peaks that were probed, and may have others.
    known = spec is not None and spec.basis != "measured" and any(spec.peak(name) for name in _WIDE)
    found = next((name for name in _WIDE if spec is not None and spec.peak(name)), "bf16") if known else "bf16"
    return next(name for name in get_args(Precision) if name == found)


def refuse_lacking_precision(precision: str, spec: AcceleratorSpec) -> None:
    """Raise ``UsageError`` where a device has no units for a case's own precision: it is never run in a wider one unsaid."""
    if spec.basis == "measured" or precision not in get_args(Precision) or spec.peak(precision):
        return
    known = [name for name in (*_WIDE, "tf32") if spec.peak(name)]
    raise UsageError(
        message(
            "--precision {precision}: {id} has no {precision} units, or their peak is not known.", precision=precision, id=spec.id
        ),
        message("Use --precision {known}.", known=" or ".join(known)) if known else None,
    )


def refuse_lacking_format(numbers: NumberFormat, spec: AcceleratorSpec) -> None:
    """Raise ``UsageError`` where a narrow format could only be multiplied in fp32, which no engine does."""
    refuse_lacking_precision(numbers.name, spec)
    if numbers.name != "fp32" and multiplied_in(numbers, spec) == "fp32":
        raise UsageError(
            message("--precision {name}: {id} has no units of sixteen bits or fewer for it.", name=numbers.name, id=spec.id),
            message("Use --precision fp32."),
        )


def multiplied_in(numbers: NumberFormat, spec: AcceleratorSpec) -> str | None:
    """Return the precision of the products where it is another than the format's own; ``None`` where no peak is known."""
    try:
        _, dtype = peak_flops(spec, numbers)
    except LookupError:
        return None
    return dtype


def format_reasons(numbers: NumberFormat, spec: AcceleratorSpec) -> tuple[str, ...]:
    """Return ``multiplied_in:bf16`` where the part widens a format before its products."""
    dtype = multiplied_in(numbers, spec)
    native = numbers.compute[0]
    return () if dtype is None or dtype == native else (f"{MULTIPLIED_IN}:{dtype}",)
