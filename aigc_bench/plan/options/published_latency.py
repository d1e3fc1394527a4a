"""Judge the SLO of a service by what is published on an API's latency: medians that others measured, of that provider and model.

    TTFT       median of the source x ``api_latency_tail``
    TPOT       1 / tokens per second x ``api_latency_tail``
    latency    TTFT + tokens of the answer x TPOT

Sources differ two- to threefold, so of several the slowest counts. Nothing here is a promise of the provider.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from aigc_bench.catalog.api_facts import ApiLatency
from aigc_bench.core.messages import joined, message
from aigc_bench.core.record import Sentence
from aigc_bench.core.records import Record
from aigc_bench.core.units import quantity
from aigc_bench.plan.money.apis import ApiOffer
from aigc_bench.plan.records.demand import Service

if TYPE_CHECKING:
    from aigc_bench.catalog.loader import Catalogue

SAME_PROVIDER: Mapping[str, str] = {"google": "gemini", "azure": "azure_ai", "meta": "meta_llama"}
"""Provider of a latency -> the same provider in the price lists."""
VENDORS = ("openai", "anthropic", "gemini", "xai", "deepseek", "mistral")
"""Providers of models of their own, which a source means that names no provider."""


class Judgement(Record):
    """Whether published figures meet every SLO of a service, and what they are in words."""

    is_met: bool
    words: tuple[Sentence, ...]


def published(offer: ApiOffer, *, catalogue: Catalogue) -> tuple[ApiLatency, ...]:
    """Return what is published on the latency of that model at that provider; of the same model elsewhere nothing is taken."""
    name = _plain(offer.model)
    return tuple(row for row in catalogue.api_latency.values() if _is_of(row, offer.provider) and _plain(row.model) == name)


def _is_of(row: ApiLatency, provider: str) -> bool:
    if row.provider is None:
        return provider in VENDORS
    return SAME_PROVIDER.get(row.provider, row.provider) == provider


def _plain(model: str) -> str:
    """Return a model's name without the path of its provider, as sources that write it differently share it."""
    return re.sub(r"[^a-z0-9.]+", "-", model.rpartition("/")[2].lower()).strip("-")


def judged(service: Service, offer: ApiOffer, *, catalogue: Catalogue) -> Judgement | None:
    """Return whether published latency meets the SLO of a service; ``None`` without an SLO or where a part is not published."""
    rows, slo = published(offer, catalogue=catalogue), service.slo
    tail = catalogue.constant("api_latency_tail").value
    ttft = _slowest([row.ttft_s for row in rows], tail)
    tpot = _slowest([1 / row.output_tokens_per_s if row.output_tokens_per_s else None for row in rows], tail)
    whole = ttft + tpot * service.items_per_request.value if ttft is not None and tpot is not None else None
    limits = (("TTFT", slo.ttft_s, ttft), ("TPOT", slo.tpot_s, tpot), ("latency", slo.latency_s, whole))
    asked = [(name, limit, found) for name, limit, found in limits if limit is not None]
    if not asked or any(found is None for _, _, found in asked):
        return None
    sources = joined("; ", dict.fromkeys(f"{row.source}, {row.as_of}" for row in rows))
    words = tuple(
        message(
            "{service}: {name} of {model} at {provider} is {found} ({tail:g} times the slowest published median), the SLO is "
            "{limit}; no contract guarantees it ({sources})",
            service=service.name,
            name=name,
            model=offer.model,
            provider=offer.provider,
            found=quantity(found, "s"),
            tail=tail,
            limit=quantity(limit, "s"),
            sources=sources,
        )
        for name, limit, found in asked
    )
    return Judgement(is_met=all(found is not None and found <= limit for _, limit, found in asked), words=words)


def _slowest(medians: Sequence[float | None], tail: float) -> float | None:
    known = [one for one in medians if one is not None]
    return max(known) * tail if known else None
