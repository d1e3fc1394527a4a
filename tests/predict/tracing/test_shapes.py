"""Remembered results of operators on ``meta``: as if they had been worked out, and never for another question."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from aigc_bench.predict.tracing.shapes import Shapes
from aigc_bench.predict.tracing.traffic import facts


def meta(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.empty(shape, dtype=dtype, device="meta")


class Twice(TorchDispatchMode):
    """Asks for every operator twice: the second time it may be answered from memory."""

    def __init__(self) -> None:
        super().__init__()
        self.shapes = Shapes()
        self.pairs: list[tuple[Any, Any]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        first, second = (self.shapes.run(func, facts(func), args, kwargs or {}) for _ in range(2))
        self.pairs.append((first, second))
        return first


def layout(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.shape, value.stride(), value.dtype, value.untyped_storage().nbytes(), value.storage_offset()
    return [layout(part) for part in value]


STEPS = {
    "biased product": lambda: torch.nn.functional.linear(meta(4, 8), meta(3, 8), meta(3)),
    "normalisation": lambda: torch.nn.functional.layer_norm(meta(2, 5, 8), (8,), meta(8), meta(8)),
    "convolution": lambda: torch.nn.functional.conv2d(meta(2, 3, 9, 9), meta(4, 3, 3, 3), stride=2, padding=1),
    "several results": lambda: torch.var_mean(meta(4, 6), dim=1),
    "channels last": lambda: meta(2, 3, 4, 4).to(memory_format=torch.channels_last) * 2.0,
    "expanded": lambda: meta(4, 1).expand(4, 6) + 1,
    "empty": lambda: meta(0, 3) + 1,
    "scalar": lambda: meta(3).sum(),
    "other dtype": lambda: meta(3).to(torch.bfloat16),
}


@pytest.mark.parametrize("name", STEPS)
def test_a_remembered_result_is_laid_out_as_one_worked_out(name: str) -> None:
    with Twice() as mode:
        STEPS[name]()
    assert mode.pairs
    assert [layout(first) for first, _ in mode.pairs] == [layout(second) for _, second in mode.pairs]


def run(shapes: Shapes, func: Any, *args: Any, **kwargs: Any) -> Any:
    return shapes.run(func, facts(func), args, kwargs)


def test_equal_operands_are_answered_from_memory_with_a_new_tensor() -> None:
    shapes, multiply = Shapes(), torch.ops.aten.mul.Tensor
    first, second = (run(shapes, multiply, meta(3, 4), meta(4)) for _ in range(2))
    assert len(shapes._known) == 1
    assert layout(first) == layout(second)
    assert first.untyped_storage()._cdata != second.untyped_storage()._cdata


@pytest.mark.parametrize(
    "other",
    [(meta(3, 5), 2), (meta(3, 4, dtype=torch.int32), 2), (meta(4, 3).t(), 2), (meta(3, 4), 2.0), (meta(3, 4), True)],
)
def test_another_question_gets_its_own_answer(other: tuple[torch.Tensor, object]) -> None:
    shapes, multiply = Shapes(), torch.ops.aten.mul.Tensor
    run(shapes, multiply, meta(3, 4), 2)
    found = run(shapes, multiply, *other)
    assert layout(found) == layout(multiply(*other))
    assert len(shapes._known) == 2


@pytest.mark.parametrize(
    ("func", "args"),
    [
        (torch.ops.aten.view.default, (meta(4, 4), [16])),
        (torch.ops.aten.add_.Tensor, (meta(4), meta(4))),
        (torch.ops.aten.split.Tensor, (meta(4, 4), 2)),
    ],
)
def test_views_and_changes_in_place_are_never_remembered(func: Any, args: Any) -> None:
    shapes = Shapes()
    result = run(shapes, func, *args)
    parts = [result] if isinstance(result, torch.Tensor) else result
    assert all(part.untyped_storage()._cdata == args[0].untyped_storage()._cdata for part in parts)
    assert not shapes._known


def test_tensors_on_the_host_are_run() -> None:
    shapes = Shapes()
    found = [run(shapes, torch.ops.aten.mul.Tensor, torch.tensor([value]), 2) for value in (1.0, 5.0)]
    assert [one.item() for one in found] == [2.0, 10.0]
