"""Parameters and KV cache of a language model as numbers that know where they come from."""

from __future__ import annotations

from aigc_bench.core.derivation import Derivation, given, record
from aigc_bench.core.messages import message
from aigc_bench.core.records import Estimate
from aigc_bench.predict.published.language_models import LanguageModel

_SOURCE = message("counted from the model's configuration, layer by layer (predict/language)")


def figures(model: LanguageModel, *, cache_bytes: float) -> dict[str, Estimate]:
    """Return parameters, active parameters and KV bytes of a token by metric id; ``cache_bytes`` are those of one element.

    They are of the whole model, not of one device. A layer with a window counts like any other: it keeps every token until its
    window is full.
    """
    total = _exact(model.total_params, "parameters", key="num_params", title=message("parameters"))
    elements = _exact(
        model.kv_elements_per_token, "elements/token", key="kv_elements_per_token", title=message("cached elements of a token")
    )
    width = given(
        cache_bytes,
        "B",
        source=message("number format of the KV cache"),
        key="kv_element_bytes",
        title=message("bytes of a cached element"),
    )
    return {
        "num_params": total,
        "num_active_params": _active(model, total),
        "kv_bytes_per_token": _computed(
            model.kv_elements_per_token * cache_bytes, "B/token", Derivation("{0} * {1}", (elements, width))
        ),
    }


def _active(model: LanguageModel, total: Estimate) -> Estimate:
    if not model.num_experts:
        return _computed(model.num_active_params, "parameters", Derivation("{0}", (total,)))
    routed = _exact(model.routed_params, "parameters", key="routed_params", title=message("parameters of routed experts"))
    chosen = _exact(model.experts_per_token, "experts", key="experts_per_token", title=message("experts of a token"))
    every = _exact(model.num_experts, "experts", key="num_experts", title=message("experts of a layer"))
    table = _exact(
        model.looked_up_params, "parameters", key="looked_up_params", title=message("parameters of tables that are looked up")
    )
    return _computed(
        model.num_active_params,
        "parameters",
        Derivation("{0} - (1 - {1} / {2}) * {3} - {4}", (total, chosen, every, routed, table)),
    )


def _exact(value: float, unit: str, *, key: str, title: str) -> Estimate:
    return given(value, unit, source=_SOURCE, key=key, title=title)


def _computed(value: float, unit: str, derivation: Derivation) -> Estimate:
    return record(Estimate(value=value, low=value, high=value, unit=unit, basis="modelled", source=_SOURCE), derivation)
