"""What the probes share: each measures one factor of a machine, in inference mode only, and holds no model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from aigc_bench.core.messages import message
from aigc_bench.core.records import Case

MIB = 1024 * 1024
ELEMENT_BYTES = {"fp32": 4, "tf32": 4, "bf16": 2, "fp16": 2}


def bypasses_engine(case: Case) -> str | None:
    """Why an engine other than eager torch cannot be honoured by a probe that calls the device's library itself."""
    if case.engine == "torch-eager":
        return None
    return message("{workload} calls the library below the engines; use engine = 'torch-eager'", workload=case.workload)


def ignores_precision(case: Case) -> str | None:
    """Why a precision other than the default cannot be honoured by a probe that moves bytes or rests."""
    if case.precision == "fp32":
        return None
    return message("{workload} computes nothing, so a precision has no meaning; leave precision at 'fp32'", workload=case.workload)


def first_reason(case: Case, rules: Iterable[Callable[[Case], str | None]]) -> str | None:
    """The first reason that one of the rules gives."""
    return next((reason for rule in rules if (reason := rule(case)) is not None), None)


def check_values(values: Any) -> Mapping[str, float | str | bool | None]:
    """Whether the first values of a tensor are finite, and their mean square, which the seed determines."""
    # A sample, because the check must not take longer than the probe.
    sample = values.flatten()[:65536].float()
    return {"finite": bool(sample.isfinite().all()), "mean_square": float(sample.square().mean())}
