"""What a quantised checkpoint is computed in: served engines take its format as it is, an engine of torch only its own."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.quantization import Quantization

_BUILT: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"torch-fp8": ("fp8",), "torch-int8": ("int8",), "torch-int8-dynamic": ("int8",), "torch-int4": ("int4",)}
)
"""Formats of linear layers that an engine of torch makes itself."""


def refuse_unbuilt(quantization: Quantization | None, *, path: str, engine: str, precision: str | None) -> None:
    """Raise ``UsageError`` where an engine of torch would compute the weights in other numbers than the file has.

    A given ``precision`` computes the architecture in it, whatever the file's weights are kept in.
    """
    if quantization is None or precision is not None or quantization.weights in _BUILT.get(engine, ()):
        return
    builders = [name for name, formats in _BUILT.items() if quantization.weights in formats]
    others = message(", or --engine {engines}", engines=" or ".join(builders)) if builders else ""
    raise UsageError(
        message("{path}: {words}, which {engine} does not build.", path=path, words=quantization.words, engine=engine),
        message("Predict it with --engine vllm{others}; --precision bf16 computes the same architecture in bf16.", others=others),
    )


def served_precision(quantization: Quantization | None, *, path: str, asked: str | None) -> str | None:
    """The format that a served engine computes in: the file's, or without one what is asked.

    Raises ``UsageError`` where both are there and differ: engines serve a checkpoint in the numbers that it has.
    """
    if quantization is None:
        return asked
    if asked is not None and asked != quantization.precision:
        raise UsageError(
            message("--precision {asked}: {path} has {words}.", asked=asked, path=path, words=quantization.words),
            message("Leave --precision out, or give the model without quantisation."),
        )
    return quantization.precision
