"""Builds workloads in this process: the ``Setup`` that the worker would make, without a worker."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
import torch

from aigc_bench.core.records import Case
from aigc_bench.workloads.base import Setup

DTYPES = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def build_setup(case: Case, *, device: str = "cpu") -> Setup:
    """An eager ``Setup`` for ``case`` on ``device`` (``cpu`` or ``meta``), seeded by the case's seed."""
    torch.manual_seed(case.seed)
    dtype = DTYPES[case.precision]
    training = case.mode == "train"

    def autocast() -> contextlib.AbstractContextManager[Any]:
        mixed = training and dtype != torch.float32
        return torch.autocast("cpu", dtype=dtype) if mixed else contextlib.nullcontext()

    return Setup(
        device=torch.device(device),
        dtype=dtype,
        training=training,
        generator=torch.Generator().manual_seed(case.seed),
        autocast=autocast,
        prepare=lambda module: module,
    )


@pytest.fixture
def make_setup() -> Callable[..., Setup]:
    """``make_setup(case, device="cpu")`` returns a ready ``Setup``."""
    return build_setup
