"""What a language model is, as rows of the registry (``analyze.metrics``): predicted, never measured."""

from __future__ import annotations

from typing import Literal, NamedTuple

from aigc_bench.core.messages import message


class Row(NamedTuple):
    """One metric of a language model."""

    id: str
    name: str
    unit: str
    formula: str
    source: str = message("the model's configuration")
    kind: Literal["memory"] = "memory"


MODEL_METRICS = (
    Row("num_params", message("Parameters"), "parameters", message("all weights of the model; tied tables count once")),
    Row(
        "num_active_params",
        message("Active parameters"),
        "parameters",
        message("all weights; of a mixture of experts without idle experts and the input embedding table (a tied one counts)"),
    ),
    Row(
        "kv_bytes_per_token",
        message("KV cache per token"),
        "B/token",
        message(
            "cached elements of one token over all layers of the whole model x bytes of an element; states keep none per token"
        ),
    ),
)
