"""A served language model as a ``ServerModel``: the calibrated closed form, evaluated for one step at a time.

The closed form (``forms.decode_and_prefill``) knows a decode step of n sequences and a prompt read alone. A step of continuous
batching mixes them, so its parts are taken apart and laid into ``StepTime``:

    curve(T)       the later of two ways to spend T tokens: T sequences that decode, without cache and host, or T tokens of
                   prompt, without the attention among themselves
    per_context_s  what a cached token adds to a decode step
    per_pair_s     what a (query, key) pair of a prompt adds
    per_sequence_s what the host spends on a sequence in each step
    prompt_pass_s  launches of a pass that reads prompts, however many it reads (in ``front_end_s`` where an engine hides them)
    front_end_s, front_end_steps, first_token_factor    what the form found of TTFT beyond prompt and queue

Systematic deviations (``effects``) of TPOT multiply the whole step at the load they were seen at. The interval is TPOT's: the
step at its low and at its high end, and TTFT as far as published ones scatter around simulated ones. Limits are those of the
engine's defaults (``LIMITS``).

A pipeline of p stages is p engines side by side, each with a p-th of the cache: p batches are in flight together, each passes
through all stages, and each stage reads its own weights for each of them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from aigc_bench.catalog.records import AcceleratorSpec
from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.record import Sentence
from aigc_bench.core.records import Estimate, Positive, Record
from aigc_bench.core.units import quantity
from aigc_bench.predict.closed_form import forms, language
from aigc_bench.predict.closed_form.columns import ModelRow
from aigc_bench.predict.closed_form.engine_options import EngineOptions, cached_bytes, reasons_of
from aigc_bench.predict.closed_form.language import Layout
from aigc_bench.predict.closed_form.language_rows import CACHE_WORD, ENGINES, language_row, number_format_of
from aigc_bench.predict.closed_form.layouts import words_of
from aigc_bench.predict.closed_form.optioned_rows import Ranks, held_besides, moved_s, optioned
from aigc_bench.predict.fitting.calibration import DEVICE_LEVELS, Calibration
from aigc_bench.predict.fitting.effects import total_effects
from aigc_bench.predict.fitting.grades import closed_form_grade
from aigc_bench.predict.fitting.intervals import bounds
from aigc_bench.predict.fitting.predictions import outside_of, refuse_far_outside
from aigc_bench.predict.language.named import language_named
from aigc_bench.predict.precisions import format_reasons
from aigc_bench.predict.published.language_models import LanguageModel
from aigc_bench.predict.published.name_resolution import NumberFormat, resolve_engine
from aigc_bench.predict.published.row import PublishedQuery
from aigc_bench.predict.serving.capacity import Servers
from aigc_bench.predict.serving.server_model import KvPolicy, Schedule, ServerModel
from aigc_bench.predict.serving.step_time import StepTime

_REFERENCE_SEQUENCES = 32
"""Sequences at which the cost of a cached token is read off; it hardly depends on them."""

_NOTHING = 1e-12
"""Instead of 0 in a column that something is divided by."""
_LEAST_TOKENS = 16
"""Tokens of the smallest cache: one block."""
_FIRST_TOKEN = (-0.34, 0.17, 0.64)
"""Logarithm of published over simulated TTFT, effects taken out: 10th, 50th and 90th percentile over 596 runs of the published
table (benchmarks/serving_accuracy.py, seed 3)."""
# A simulated queue knows its load itself; adding these effects would count it twice.
_LOAD_LEVELS = (".load", ".cell", ".shape_load")
_SIMULATED_STEPS = 1.5
"""Steps to a first token that the simulation makes itself: half a step until the next begins, and the one that makes it."""


class Limits(Record):
    """What an engine admits by default: sequences, tokens of a step, and how it gives away blocks."""

    max_num_seqs: Positive
    max_num_batched_tokens: Positive = 8192
    kv_policy: KvPolicy = "preempt"
    schedule: Schedule = "mixed"
    source: Sentence

    def of(self, options: EngineOptions) -> Limits:
        """Return the limits with the tokens of a step that the options set; a sequence needs one of them."""
        tokens = options.chunk_tokens
        return self if tokens is None else self.model_copy(update={"max_num_batched_tokens": tokens})

    @property
    def hides_launches(self) -> bool:
        """Return whether a pass is prepared while the device runs the one before: it delays what it reads and nothing else."""
        return self.schedule == "prompts_first"


LIMITS: Mapping[str, Limits] = MappingProxyType(
    {
        "vllm": Limits(max_num_seqs=1024, source=message("vLLM V1 defaults of its API server on devices of 70 GiB and more")),
        "sglang": Limits(
            max_num_seqs=1024, schedule="prompts_first", source=message("SGLang, chunked_prefill_size 8192, no mixed chunks")
        ),
        "tensorrt-llm": Limits(
            max_num_seqs=2048, kv_policy="reserve", source=message("TensorRT-LLM, max_batch_size, GUARANTEED_NO_EVICT")
        ),
        "llama.cpp": Limits(
            max_num_seqs=4, max_num_batched_tokens=2048, source=message("llama-server, --parallel 4, --batch-size 2048")
        ),
    }
)
"""General knowledge of the engines' documentation (assumed); ``--batch-size`` sets another number of sequences."""
_OTHER = Limits(max_num_seqs=256, source=message("assumed"))


def closed_form_server(
    query: PublishedQuery,
    spec: AcceleratorSpec,
    *,
    layout: Layout,
    usable: Estimate,
    calibration: Calibration,
    max_num_seqs: int | None = None,
    options: EngineOptions | None = None,
) -> tuple[Servers, tuple[str, ...]]:
    """The server with its interval, and what was assumed for it.

    ``query`` has the traffic's mean lengths, ``usable`` is the bytes that the driver offers on one device, ``options`` what the
    engine is set to do. Raises
    ``NotPredictable`` where the form does not answer, ``DoesNotFitError`` where the weights leave no room for a cache.
    """
    one = _of_one_replica(query, layout, options=options or EngineOptions())
    engine = resolve_engine(query.software)
    limits = LIMITS.get(engine.name, _OTHER).of(one.options)
    # Every sequence takes a token of the step's budget.
    places = min(max_num_seqs or limits.max_num_seqs, limits.max_num_batched_tokens)
    rows = {count: one.row(spec, sequences=float(count)) for count in _knots(limits.max_num_batched_tokens)}
    reference = rows[min(_REFERENCE_SEQUENCES, limits.max_num_batched_tokens)]
    refuse_far_outside(reference, calibration.ranges)
    room = [
        _cache_tokens(one, spec, usable_bytes=size) // layout.streams
        # In the order likely, fast, slow: more memory goes with the fast end.
        for size in (usable.value, usable.high, usable.low)
    ]
    if room[0] < _LEAST_TOKENS:
        raise _no_room(one, spec)
    constants = calibration.constants["language"]
    name = engine.name if engine.name in ENGINES else ENGINES[-1]
    columns = forms.columns_of([reference])
    pass_s = float(forms.pass_launches_s(columns, constants)[0])
    is_hidden = limits.hides_launches
    seldom = float(forms.steps_to_a_look(columns, columns["sequences"])[0])
    likely = ServerModel(
        step_time=_step_time(one, spec, rows=rows, reference=reference, places=places, calibration=calibration),
        max_num_seqs=places,
        max_num_batched_tokens=limits.max_num_batched_tokens,
        kv_capacity_tokens=room[0],
        kv_policy=limits.kv_policy,
        schedule=limits.schedule,
        # Each stage of a pipeline counts as an engine (module docstring).
        replicas=max(1, int(layout.replicas)) * layout.streams,
        front_end_s=constants[f"prompt_s.{name}"] + is_hidden * pass_s + _moved_s(one, spec),
        prefix_hit_rate=one.options.prefix_hit_rate,
        prompt_pass_s=0.0 if is_hidden else pass_s,
        # ``first_steps`` counts all decode steps before a first token; those that the simulation makes itself are taken off.
        front_end_steps=max(0.0, constants[f"first_steps.{name}"] + seldom - _SIMULATED_STEPS),
        first_token_factor=_first_token_factor(one, spec, calibration),
    )
    ends = zip(_ends(reference, calibration), room[1:], strict=True)
    fast, slow = (_bounding(likely, end, room=tokens) for end, tokens in ends)
    cautions = _cautions(one, spec, layout=layout, reference=reference, calibration=calibration)
    # Published runs were made without such options.
    grade = closed_form_grade(reference, spec, calibration=calibration) if one.options.is_calibrated else "physics"
    return Servers(likely=likely, fast=fast, slow=slow, grade=grade), cautions


def _of_one_replica(query: PublishedQuery, layout: Layout, *, options: EngineOptions) -> _Question:
    """The question of one replica: its stages, and other replicas, are engines of their own to the simulation."""
    return _Question(
        query=query.model_copy(update={"metric": "tpot", "gpu_count": layout.ranks, "concurrency": None, "batch": 1.0}),
        layout=layout.model_copy(update={"replicas": 1.0}),
        options=options,
    )


def _cautions(
    one: _Question, spec: AcceleratorSpec, *, layout: Layout, reference: ModelRow, calibration: Calibration
) -> tuple[str, ...]:
    outside = (f"outside_calibrated_range:{column}" for column in outside_of(reference, calibration.ranges))
    stated = (f"layout:{words_of(layout)}", *reasons_of(one.options), *format_reasons(_model_of(one)[1], spec))
    return (*stated, *reference.caution, *outside)


class _Question(Record):
    """The question of a decode step, and the layout of one replica."""

    query: PublishedQuery
    layout: Layout
    options: EngineOptions = EngineOptions()

    @property
    def cache_width(self) -> float:
        """Return bytes of a cached element."""
        model, numbers = _model_of(self)
        del model
        return cached_bytes(self.options, language.default_cache_bytes(numbers, engine=resolve_engine(self.query.software).name))

    def row(self, spec: AcceleratorSpec, *, sequences: float, **changes: object) -> ModelRow:
        """Return the question's row with that many sequences in each batch that is under way, as the engine's options have it.

        The simulation leaves out what is in the cache itself, and reads prompts in chunks itself.
        """
        words = {CACHE_WORD: str(self.cache_width)}
        changed = self.query.model_copy(update={"batch": sequences * self.layout.streams, "words": words, **changes})
        left = self.options.model_copy(update={"prefix_hit_rate": 0.0, "chunk_tokens": None})
        model, numbers = _model_of(self)
        plain = language_row(changed, spec, layout=self.layout)
        return optioned(plain, left, on=Ranks(model, spec, numbers, self.layout))


class DoesNotFitError(UsageError):
    """The weights leave no room for a cache."""


def _first_token_factor(one: _Question, spec: AcceleratorSpec, calibration: Calibration) -> float:
    """Published TTFTs over simulated ones: the effects that the form found of engine, accelerator and lengths, and what remains.

    Effects of a load are left out: the simulation has its own.
    """
    row = one.row(spec, sequences=float(_REFERENCE_SEQUENCES), metric="ttft")
    groups = {level: group for level, group in row.groups.items() if not level.endswith(_LOAD_LEVELS)}
    # [1] is the median of published over simulated.
    return math.exp(float(total_effects([groups], calibration.effects)[0]) + _FIRST_TOKEN[1])


def _bounding(server: ServerModel, log_factor: float, *, room: int) -> ServerModel:
    """The server at one end: all times by a factor, TTFT as far as published ones scatter, and another cache."""
    # Distance of that end from the median, in logs.
    first_token = _FIRST_TOKEN[0 if log_factor < 0 else 2] - _FIRST_TOKEN[1]
    # All times move by ``log_factor`` already: TTFT moves only by what its own scatter exceeds that.
    further = math.copysign(max(0.0, abs(first_token) - abs(log_factor)), log_factor)
    factor = math.exp(log_factor)
    return server.model_copy(
        update={
            "step_time": server.step_time.scaled(factor),
            "front_end_s": server.front_end_s * factor,
            "prompt_pass_s": server.prompt_pass_s * factor,
            "first_token_factor": server.first_token_factor * math.exp(further),
            "kv_capacity_tokens": max(_LEAST_TOKENS, room),
        }
    )


def _knots(most: int) -> tuple[int, ...]:
    """Token counts 1, 2, 4 ... up to the budget of a step."""
    powers = itertools.takewhile(lambda count: count < most, (2**power for power in range(32)))
    return (*powers, most)


def _step_time(
    one: _Question,
    spec: AcceleratorSpec,
    *,
    rows: Mapping[int, ModelRow],
    reference: ModelRow,
    places: int,
    calibration: Calibration,
) -> StepTime:
    """The parts of a step, from decode steps without a context and from prompts of every size in ``rows``."""
    constants, counts = calibration.constants["language"], np.array(list(rows), dtype=float)
    factor = np.exp(total_effects([row.groups for row in rows.values()], calibration.effects))
    # Cache and host have coefficients of their own in StepTime, so they are taken out of the curve.
    bare = [_without(row, "decode_cache", "decode_attention", "sequences") for row in rows.values()]
    decode_s = forms.decode_and_prefill(forms.columns_of(bare), constants)[0]
    prompts = [one.row(spec, sequences=1.0, input_len=count) for count in counts.tolist()]
    whole_s = forms.decode_and_prefill(forms.columns_of(prompts), constants)[1]
    linear_s = forms.decode_and_prefill(forms.columns_of([_without(row, "prefill_attention") for row in prompts]), constants)[1]
    # More tokens than sequences can decode are prompt tokens; decode_s[0] then is the floor of reading the weights.
    # A step that verifies a draft gives several tokens: its share of one of them is what a simulated step takes.
    each_s = decode_s / one.options.tokens_a_step
    seconds = np.maximum(np.where(counts <= places, each_s, each_s[0]), linear_s) * factor
    context = (one.query.input_len or 1.0) + (one.query.output_len or 1.0) / 2
    return StepTime(
        # Effects by load bin may make the curve dip, and StepTime demands that more tokens never take less time.
        token_knots=tuple(zip(counts.tolist(), np.maximum.accumulate(seconds).tolist(), strict=True)),
        per_context_s=_per_sequence(reference, "decode_cache", "decode_attention", calibration=calibration)
        / context
        / one.options.tokens_a_step,
        # A prompt of T tokens has T (T + 1) / 2 causal pairs; the longest prompt tells the difference best.
        per_pair_s=float(whole_s[-1] - linear_s[-1]) / (counts[-1] * (counts[-1] + 1) / 2),
        per_sequence_s=_per_sequence(reference, "sequences", calibration=calibration) / one.options.tokens_a_step,
    )


def _per_sequence(row: ModelRow, *columns: str, calibration: Calibration) -> float:
    """Seconds of a decode step that these columns bring, for each of its sequences."""
    constants = calibration.constants["language"]
    seconds = forms.decode_and_prefill(forms.columns_of([row, _without(row, *columns)]), constants)[0]
    factor = math.exp(float(total_effects([row.groups], calibration.effects)[0]))
    # With and without the columns: soft maxima let no term be read off by itself.
    return max(0.0, factor * float(seconds[0] - seconds[1]) / row.columns["sequences"])


def _without(row: ModelRow, *columns: str) -> ModelRow:
    """The row with nothing in these columns."""
    return row.model_copy(update={"columns": {**row.columns, **dict.fromkeys(columns, _NOTHING)}})


def _ends(row: ModelRow, calibration: Calibration) -> tuple[float, float]:
    """Logarithms of the low and the high end of a step over its value, both as TPOT has them."""
    familiar = any(f"{level}={group}" in calibration.effects for level, group in row.groups.items() if level in DEVICE_LEVELS)
    return bounds(row, calibration.quantiles, is_outside=bool(outside_of(row, calibration.ranges)), is_familiar=familiar)


def _cache_tokens(one: _Question, spec: AcceleratorSpec, *, usable_bytes: float) -> int:
    """Tokens of cache of one replica over all of its devices; 0 where the weights alone do not fit."""
    model, numbers = _model_of(one)
    besides = held_besides(one.options, model=model, numbers=numbers, layout=one.layout) / language.USABLE_MEMORY
    return int(
        language.cache_capacity_tokens(
            model,
            spec.model_copy(update={"usable_memory_bytes": max(1, int(usable_bytes - besides))}),
            number_format=numbers,
            layout=one.layout,
            cache_bytes=one.cache_width,
            context=(one.query.input_len or 1.0) + (one.query.output_len or 1.0) / 2,
            engine=resolve_engine(one.query.software).name,
        )
    )


def _moved_s(one: _Question, spec: AcceleratorSpec) -> float:
    model, _ = _model_of(one)
    return moved_s(one.options, model=model, spec=spec, input_len=one.query.input_len or 1.0, width=one.cache_width)


def _no_room(one: _Question, spec: AcceleratorSpec) -> DoesNotFitError:
    model, numbers = _model_of(one)
    weights = quantity(language.weight_bytes(model, numbers, engine=resolve_engine(one.query.software).name), "B")
    return DoesNotFitError(
        message(
            "{model} in {name}: its weights of {weights} leave no room for a cache on {num_ranks} x {id}.",
            model=one.query.model,
            name=numbers.name,
            weights=weights,
            num_ranks=one.layout.ranks,
            id=spec.id,
        ),
        message("Spread it over more devices (--devices, --parallel tp=4,pp=2) or take fewer bits (--precision fp8)."),
    )


def _model_of(one: _Question) -> tuple[LanguageModel, NumberFormat]:
    model = one.query.language or language_named(one.query.model)
    assert model is not None, "the form has answered for this model"
    return model, number_format_of(one.query, model)
