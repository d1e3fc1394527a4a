"""The models behind published results of steps: the work of one item each, from the shipped traces wherever we can build them.

``data/step_models.csv`` is written by ``benchmarks/step_models.py``. A model that this tool cannot build has figures by closed form
or from its paper, with the source in its row.
"""

from __future__ import annotations

import csv
import functools
import re
from importlib.resources import files
from pathlib import Path

from aigc_bench.core.records import Record
from aigc_bench.predict.published.name_resolution import bare_name
from aigc_bench.predict.published.row import PublishedQuery


class StepModel(Record):
    """Forward work of one item of ``reference_items`` tokens or pixels in sixteen bits, one call, one branch of guidance.

    ``attention_flops`` grow with the square of the size, all else in proportion. ``product_bytes`` are activations that products,
    convolutions and attention read and write, ``pointwise_bytes`` those of everything else, ``kernels`` are of one pass. ``once_``
    is done once an item (prompt encoders, decoders of latents). ``decoder_`` is one step of an autoregressive decoder over one
    sequence: the parameters it reads, its FLOPs, the bytes of its caches; it takes ``decoder_steps`` of them.
    """

    name: str
    pattern: str
    family: str
    preset: str = ""
    branches: float = 1.0
    reference_items: float = 1.0
    params: float = 0.0
    flops: float = 0.0
    attention_flops: float = 0.0
    product_bytes: float = 0.0
    pointwise_bytes: float = 0.0
    kernels: float = 0.0
    once_flops: float = 0.0
    once_bytes: float = 0.0
    once_kernels: float = 0.0
    decoder_steps: float = 0.0
    decoder_params: float = 0.0
    decoder_flops: float = 0.0
    decoder_bytes: float = 0.0
    decoder_kernels: float = 0.0
    source: str


def data_file() -> Path:
    """Where the figures lie."""
    return Path(str(files("aigc_bench.predict").joinpath("data/step_models.csv")))


@functools.cache
def step_models() -> tuple[StepModel, ...]:
    """The known models, in the order in which their patterns are tried."""
    with data_file().open(encoding="utf-8") as file:
        # An empty cell is left out, so that the record's default holds.
        return tuple(
            StepModel.model_validate({name: cell for name, cell in row.items() if cell != ""}) for row in csv.DictReader(file)
        )


def resolve_step_model(query: PublishedQuery) -> StepModel | None:
    """The model a row means, by its family and name."""
    # Both spellings, since a bare name drops what tells some variants apart.
    names = f"{bare_name(query.model)} {query.model.lower()}"
    if query.family == "bert" and query.words.get("size") == "base":
        names = "bert-base"
    if "dimension" in query.words:
        names += f" {query.words['dimension']}d"
    return next((row for row in step_models() if row.family == query.family and re.search(row.pattern, names)), None)
