"""What a served model holds on each device, and the requests that fit next to its weights.

    weights + cache of all requests at their full length + what the engine keeps besides (context, activations, graphs)

against the share of the device's memory that engines give away (``language.USABLE_MEMORY``).
"""

from __future__ import annotations

from aigc_bench.catalog.records import AcceleratorSpec
from aigc_bench.core.records import Record
from aigc_bench.predict.closed_form import language
from aigc_bench.predict.closed_form.language import Layout
from aigc_bench.predict.published.language_models import LanguageModel
from aigc_bench.predict.published.name_resolution import NumberFormat


class Holding(Record):
    """Bytes on each device at a batch, the bytes it may use, and the largest batch of all replicas together that fits.

    ``largest_batch`` is 0 where the weights alone do not fit, or not one request next to them.
    """

    weights_bytes: float
    cache_bytes: float
    beside_bytes: float
    usable_bytes: float
    largest_batch: int

    @property
    def total_bytes(self) -> float:
        """Return the bytes in use on each device."""
        return self.weights_bytes + self.cache_bytes + self.beside_bytes


def holding(
    model: LanguageModel,
    spec: AcceleratorSpec,
    *,
    number_format: NumberFormat,
    cache_width: float,
    layout: Layout,
    batch: int,
    tokens: float,
    usable_bytes: float,
    besides_bytes: float = 0.0,
    engine: str = "",
) -> Holding:
    """Return what ``batch`` requests of ``tokens`` tokens each, prompt and answer, hold on the devices of ``layout``.

    Every request is counted at its full length, because a batch that starts together ends together. ``cache_width`` is bytes
    per cached element, ``usable_bytes`` what the driver offers on one device, ``besides_bytes`` what the engine's
    options take there.
    """
    # Engines give away a share of the memory, so that what is taken out of it weighs more than its own size.
    offered = spec.model_copy(update={"usable_memory_bytes": max(1, int(usable_bytes - besides_bytes / language.USABLE_MEMORY))})
    capacity = language.cache_capacity_tokens(
        model, offered, number_format=number_format, layout=layout, cache_bytes=cache_width, context=tokens, engine=engine,
    )  # fmt: skip
    # Requests of a replica are whole; those that do not divide evenly crowd the fullest replica.
    each = -(-batch // max(1, int(layout.replicas)))
    usable = language.USABLE_MEMORY * usable_bytes
    weights = language.weight_bytes(model, number_format, engine=engine) * layout.context / layout.ranks
    per_token = language.cache_token_bytes(model, layout=layout, cache_bytes=cache_width, context=tokens) / layout.ranks
    return Holding(
        weights_bytes=weights,
        cache_bytes=each * tokens * per_token,
        beside_bytes=language.ENGINE_OVERHEAD_BYTES + besides_bytes,
        usable_bytes=usable,
        largest_batch=int(capacity // tokens) * max(1, int(layout.replicas)),
    )
