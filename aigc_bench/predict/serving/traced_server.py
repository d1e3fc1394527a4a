"""A traced workload as a service: its operators, timed at a few batch sizes, become the step time or the time of a batch.

A language family (stages ``prefill`` and ``decode``) is served by continuous batching. Each trace of b sequences with prompts of
L tokens gives two points of ``StepTime``'s curve, at b tokens (a decode step) and at b L (a prefill), after attention is taken
out of them: that part grows with the context (``per_context_s``) and with the pairs of a prompt (``per_pair_s``).

Any other family answers whole batches; the time of a batch is that of a step, linear between the sizes that were traced.
torch's engines are no servers: the scheduler is assumed, their operators are not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from aigc_bench.catalog.loader import Catalogue
from aigc_bench.catalog.records import AcceleratorSpec
from aigc_bench.core import registry
from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.records import Case, Estimate
from aigc_bench.core.units import quantity
from aigc_bench.predict.engines import engine_costs
from aigc_bench.predict.memory.peak import peak_memory
from aigc_bench.predict.model import stage_times
from aigc_bench.predict.roofline import roofline
from aigc_bench.predict.roofline.engine_operators import executed_trace
from aigc_bench.predict.serving.batch_queue import BatchServer
from aigc_bench.predict.serving.capacity import Servers
from aigc_bench.predict.serving.server_model import ServerModel
from aigc_bench.predict.serving.step_time import StepTime
from aigc_bench.predict.tracing.optrace import OpTrace

MAX_SEQUENCES = 64
"""Default number of sequences in flight (assumed)."""
SCHEDULER_ASSUMED = "scheduler_assumed"
"""torch's engines are no servers: how they would batch requests is assumed."""
# As the served engines' ``max_num_batched_tokens``.
_TOKEN_BUDGET = 8192
_GROWTH = 8
"""Factor between traced batch sizes: a step bends once, from memory bound to compute bound."""
# One block of the cache.
_LEAST_TOKENS = 16

ENDS = ("value", "low", "high")
"""The likely, the fast and the slow time."""


def is_language(case: Case) -> bool:
    """Whether the case's family answers token by token: it prefills a prompt of ``prompt_len`` and decodes ``max_new_tokens``."""
    workload = registry.load("workloads", case.workload)
    if not {"prompt_len", "max_new_tokens"} <= set(type(workload.options(case)).model_fields):
        return False
    # With a single new token there is no decode stage to be seen.
    more = case.model_copy(update={"settings": {**case.settings, "max_new_tokens": 2}})
    return {"prefill", "decode"} <= {stage.name for stage in workload.stages(more)}


def traced_language_server(
    case: Case, spec: AcceleratorSpec, *, prompt_len: int, catalogue: Catalogue, max_num_seqs: int | None = None
) -> tuple[Servers, tuple[str, ...]]:
    """Continuous batching of a traced language model, one replica on each device; prompts of about ``prompt_len`` tokens.

    With what was assumed. Raises ``UsageError`` where the weights leave no room for a cache.
    """
    places = max_num_seqs or MAX_SEQUENCES
    # Two new tokens: one from the prefill, one from a single decode step.
    lengths = {**case.settings, "prompt_len": prompt_len, "max_new_tokens": 2}
    cases = [case.model_copy(update={"settings": lengths, "batch_size": size, "devices": 1}) for size in _sizes(places)]
    traces = [executed_trace(one) for one in cases]
    times = [stage_times(one, spec, trace) for one, trace in zip(cases, traces, strict=True)]
    usable = catalogue.usable_memory(spec)
    # Likely, fast, slow, in the order of ENDS.
    room = [
        _cache_tokens(traces[-1], size, prompt_len=prompt_len, catalogue=catalogue)
        for size in (usable.value, usable.high, usable.low)
    ]
    if room[0] < _LEAST_TOKENS:
        weights = quantity(traces[0].params_bytes, "B")
        raise UsageError(
            message(
                "{workload}/{preset} in {precision}: weights of {weights} leave no room for a cache on {id}.",
                workload=case.workload,
                preset=case.preset,
                precision=case.precision,
                weights=weights,
                id=spec.id,
            ),
            message("Take a served engine and spread it (--engine vllm --devices 4 --parallel tp=4), or a larger accelerator."),
        )
    likely, fast, slow = (
        ServerModel(
            step_time=_step_time(
                traces,
                [{name: getattr(time, end) for name, time in own.items()} for own in times],
                case=case,
                spec=spec,
                prompt_len=prompt_len,
            ),
            max_num_seqs=places,
            # ServerModel demands a token of the budget for every sequence.
            max_num_batched_tokens=max(_TOKEN_BUDGET, places),
            kv_capacity_tokens=max(_LEAST_TOKENS, tokens),
            replicas=case.devices,
        )
        for end, tokens in zip(ENDS, room, strict=True)
    )
    return Servers(likely=likely, fast=fast, slow=slow), (*_reasons(times), SCHEDULER_ASSUMED)


def traced_batch_server(case: Case, spec: AcceleratorSpec, *, catalogue: Catalogue) -> tuple[Servers, tuple[str, ...]]:
    """Batches of up to the case's batch size, one server on each device; and whether the largest fits.

    Raises ``UsageError`` where the engine does not run the case.
    """
    cases = [case.model_copy(update={"batch_size": size, "devices": 1}) for size in _sizes(case.batch_size)]
    traces = [executed_trace(one) for one in cases]
    times = [stage_times(one, spec, trace) for one, trace in zip(cases, traces, strict=True)]
    likely, fast, slow = (
        BatchServer(
            batch_time=StepTime(
                token_knots=_rising(
                    (one.batch_size, sum(getattr(time, end) for time in own.values()))
                    for one, own in zip(cases, times, strict=True)
                )
            ),
            max_batch=case.batch_size,
            num_servers=case.devices,
        )
        for end in ENDS
    )
    need, usable = peak_memory(traces[-1], catalogue=catalogue).total, catalogue.usable_memory(spec)
    # The middle does not fit, or only the pessimistic ends overlap.
    fit = ("does_not_fit",) if need.value > usable.value else ("may_not_fit",) if need.high > usable.low else ()
    return Servers(likely=likely, fast=fast, slow=slow), (*_reasons(times), *fit)


def _reasons(times: Iterable[Mapping[str, Estimate]]) -> tuple[str, ...]:
    """What the stage times rest on, each reason once."""
    return tuple(dict.fromkeys(code for own in times for time in own.values() for code in time.reasons))


def _sizes(most: int) -> list[int]:
    """1, 8, 64 ... and ``most`` itself."""
    sizes = [1]
    while sizes[-1] * _GROWTH < most:
        sizes.append(sizes[-1] * _GROWTH)
    return [*sizes, most] if most > 1 else sizes


def _step_time(
    traces: Sequence[OpTrace], times: Sequence[dict[str, float]], *, case: Case, spec: AcceleratorSpec, prompt_len: int
) -> StepTime:
    """Parts of a step from traces of b sequences with one prefill and one decode step each; ``times`` by stage.

    Of attention the trace with most sequences speaks: there it is least disturbed by launches.
    """
    points: list[tuple[float, float]] = []
    per_context_s, per_pair_s = 0.0, 0.0
    for trace, seconds in zip(traces, times, strict=True):
        prefill_s, decode_s = (
            seconds[name] * _attention_share(trace, name, case=case, spec=spec) for name in ("prefill", "decode")
        )
        # Of the last trace, which has the most sequences: each turn overwrites the one before.
        per_pair_s = prefill_s / (trace.batch_size * prompt_len * (prompt_len + 1) / 2)
        per_context_s = decode_s / (trace.batch_size * (prompt_len + 1))
        # (tokens of the step, seconds without attention)
        points.append((trace.batch_size, seconds["decode"] - decode_s))
        points.append((trace.batch_size * prompt_len, seconds["prefill"] - prefill_s))
    return StepTime(token_knots=_rising(points), per_context_s=per_context_s, per_pair_s=per_pair_s)


def _attention_share(trace: OpTrace, stage: str, *, case: Case, spec: AcceleratorSpec) -> float:
    """The share of a stage's device time that attention takes."""
    costs = engine_costs(case.engine, backend=case.backend)

    def seconds(kinds: Iterable[str] | None) -> float:
        return sum(
            point.weight * op.count * roofline.operator_s(op, spec, costs=costs, precision=case.precision)
            for point in trace.stage(stage).points
            for op in point.operators
            if kinds is None or op.kind in kinds
        )

    return seconds(("attention",)) / seconds(None)


def _rising(points: Iterable[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """Knots in order of tokens, each once, whose seconds never fall."""
    longest: dict[float, float] = {}
    for tokens, seconds in points:
        # A decode step of b sequences and a prompt of b tokens may fall together.
        longest[float(tokens)] = max(seconds, longest.get(float(tokens), 0.0))
    tokens_in_order = sorted(longest)
    seconds_in_order = np.maximum.accumulate([longest[tokens] for tokens in tokens_in_order]).tolist()
    return tuple(zip(tokens_in_order, seconds_in_order, strict=True))


def _cache_tokens(trace: OpTrace, usable_bytes: float, *, prompt_len: int, catalogue: Catalogue) -> int:
    """Return the tokens of cache that fit next to the weights, buffers, and what library and driver keep."""
    # The traced cache is allocated for the prompt and two new tokens of each sequence.
    per_token = trace.kv_cache_bytes / (trace.batch_size * (prompt_len + 2))
    terms: dict[str, Estimate] = dict(peak_memory(trace, catalogue=catalogue).terms)
    # Left out: what grows with the sequences (cache, inputs), and the allocator's holes.
    fixed_bytes = sum(terms[name].value for name in terms if name not in ("kv_cache", "allocator", "inputs"))
    return max(0, int((usable_bytes - fixed_bytes) / per_token))
