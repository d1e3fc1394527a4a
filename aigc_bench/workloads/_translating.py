"""What the families share that read a text through an encoder and write one with a decoder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from aigc_bench.core.records import Case, Stage
from aigc_bench.workloads._feeding import Outlet
from aigc_bench.workloads._training import training_stages
from aigc_bench.workloads.base import Program, Workload

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from aigc_bench.nets.encoder_decoder import EncoderDecoderGeneration


class TranslatingWorkload(Workload):
    """A family whose settings have ``src_len``, ``tgt_len`` (training) and ``max_new_tokens`` (inference), in tokens."""

    item = "token"
    learns_from = ("text",)
    reads = ("text",)
    writes = "text"

    def stages(self, case: Case) -> tuple[Stage, ...]:
        """Every decode finishes one token of each text."""
        options, batch = self.options(case), case.batch_size
        decode = Stage(name="decode", repeats=options.max_new_tokens, items=batch)
        return training_stages(items=batch * options.tgt_len) if case.mode == "train" else (Stage(name="encode"), decode)

    def input_items(self, case: Case) -> int | None:
        """Source tokens of one step."""
        return case.batch_size * int(self.options(case).src_len)


def generating(
    generation: EncoderDecoderGeneration,
    model: PreTrainedModel,
    *,
    begin: Callable[[int], None],
    stages: Mapping[str, Callable[[int], None]],
) -> Program:
    """Return the program of a greedy generation, which writes the tokens that it generated last."""
    outlet = Outlet(modality="text", value=lambda: generation.generated.T, vocab_size=model.config.vocab_size)
    return Program(begin=begin, stages=stages, modules=(model,), check=generation.check, outlet=outlet)
