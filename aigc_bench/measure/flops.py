"""FLOPs of one step, counted by torch's own registry while the step really runs once, eagerly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from aigc_bench.core.records import Stage
from aigc_bench.workloads.base import Program

if TYPE_CHECKING:
    from collections.abc import Iterator


def count_flops(program: Program, stages: Sequence[Stage]) -> Mapping[str, int | None]:
    """FLOPs per stage, all repeats of one step together (a multiply-add counts two); ``None`` where nothing was counted.

    Matrix products, convolutions and attention count, as in ``torch.utils.flop_counter``; element-wise work does not. A stage
    that counts nothing has either no such operator or hides it in a fused one, so it is unknown, not zero.
    """
    from torch.utils.flop_counter import FlopCounterMode

    from aigc_bench.nets.flop_formulas import missing_formulas

    formulas = missing_formulas()
    counted: dict[str, int | None] = {}
    with _visible_operators():
        program.begin(0)
        for stage in stages:
            counter = FlopCounterMode(display=False, custom_mapping=formulas)
            with counter:
                for repeat in range(stage.repeats):
                    program.stages[stage.name](repeat)
            counted[stage.name] = counter.get_total_flops() or None
    return counted


@contextmanager
def _visible_operators() -> Iterator[None]:
    """Compiled and exported modules run eagerly, fused Transformer layers as their parts: the counter sees every operator."""
    import torch

    from aigc_bench.engines.base import counting

    fast_path = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.compiler.set_stance("force_eager"), counting():
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_path)
