"""The latencies that a published scenario is bound by: at the highest rate that keeps the bound, they say what the latency is.

MLPerf Inference's rules (``inference_policies``, constraints of the Server and Interactive scenarios; rounds 2.1 to 5.1): the 99th
percentile of the queries must lie below the bound, and a submitter offers as many queries a second as keep it.
"""

from __future__ import annotations

import re

from aigc_bench.core.records import Record
from aigc_bench.predict.published.name_resolution import bare_name
from aigc_bench.predict.published.row import PublishedQuery


class ServiceBound(Record):
    """Seconds that the 99th percentile may take: of a whole query, or of the first token and of each further one."""

    pattern: str
    scenario: str
    latency_s: float | None = None
    first_token_s: float | None = None
    each_token_s: float | None = None


_BOUNDS = (
    ServiceBound(pattern="^bert", scenario="server", latency_s=0.130),
    ServiceBound(pattern="^resnet", scenario="server", latency_s=0.015),
    ServiceBound(pattern="^retinanet", scenario="server", latency_s=0.100),
    ServiceBound(pattern="^rnn-?t", scenario="server", latency_s=1.0),
    ServiceBound(pattern="^sdxl|^stable-diffusion-xl", scenario="server", latency_s=20.0),
    ServiceBound(pattern="^gpt-?j", scenario="server", latency_s=20.0),
    ServiceBound(pattern="^llama-2-70b", scenario="server", first_token_s=2.0, each_token_s=0.2),
    ServiceBound(pattern="^llama-2-70b", scenario="interactive", first_token_s=0.45, each_token_s=0.04),
    ServiceBound(pattern="^mixtral-8x7b", scenario="server", first_token_s=2.0, each_token_s=0.2),
    ServiceBound(pattern="^llama-3.1-405b", scenario="server", first_token_s=6.0, each_token_s=0.175),
    ServiceBound(pattern="^llama-3.1-405b", scenario="interactive", first_token_s=4.5, each_token_s=0.08),
    ServiceBound(pattern="^llama-3.1-8b", scenario="server", first_token_s=2.0, each_token_s=0.1),
    ServiceBound(pattern="^llama-3.1-8b", scenario="interactive", first_token_s=0.5, each_token_s=0.03),
    ServiceBound(pattern="^deepseek-r1", scenario="server", first_token_s=2.0, each_token_s=0.08),
)
_OF_METRIC = {
    "latency_p99": "latency_s",
    "latency_mean": "latency_s",
    "ttft_p99": "first_token_s",
    "ttft_mean": "first_token_s",
    "tpot_p99": "each_token_s",
    "tpot_mean": "each_token_s",
}


def bound_of(query: PublishedQuery) -> float | None:
    """Seconds by which the row's latency is bound; ``None`` where its scenario has no bound on what it measures."""
    field, scenario = _OF_METRIC.get(query.metric), query.words.get("scenario", "").lower()
    if field is None or not scenario:
        return None
    name = bare_name(query.model)
    found = next((bound for bound in _BOUNDS if bound.scenario == scenario and re.search(bound.pattern, name)), None)
    seconds: float | None = None if found is None else getattr(found, field)
    return seconds
