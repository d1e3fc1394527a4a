"""Expand chains of a demand into the services, jobs and data that the planner sizes.

    [[rag]]             a service each for the embedding of questions, reranking (``retrieved`` pairs a question) and the answer;
                        a batch that embeds what has changed; a data set of passages and vectors; an index in the servers' memory
    [[post_training]]   a batch of rollouts and a training, side by side for the whole run: while a step is trained, the next one
                        is sampled

Of post-training::

    answers a step   prompts x answers of a prompt
    rollouts         steps x answers / (1 - share of the time that waits for the longest answers)
    trained tokens   steps x answers x (prompt + answer) x (1 + 1/3 with a reference model + 1 with a critic): training takes
                     6 FLOPs a parameter and token, a reference model's forward pass 2 (Kaplan et al. 2020, 2.1)
    window           deadline x steps / (steps + 1) - steps x bytes of the weights / link: the first step has nothing to train on,
                     and new weights go to the rollouts after each
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from aigc_bench.core.errors import UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.record import Record
from aigc_bench.plan.demand.amounts import DAY_S, Amount
from aigc_bench.plan.demand.chains_schema import WrittenPostTraining, WrittenRag
from aigc_bench.plan.demand.schema import WrittenBatch, WrittenDataset, WrittenService, WrittenTraining
from aigc_bench.plan.demand.served_options import most_tokens_of
from aigc_bench.plan.demand.slo_schema import WrittenSlo
from aigc_bench.plan.records.chains import Chain, VectorIndex
from aigc_bench.plan.records.demand import Service
from aigc_bench.plan.sizing.vector_index import index_bytes, search_cores, search_s
from aigc_bench.predict.language.of_case import language_model

NO_RERANKER = "none"
INDEXING_S = 8 * 3600.0
"""Changed passages are embedded within a night."""
TEXT_BYTES = 4.0
"""Bytes of UTF-8 text per token (general knowledge)."""
VECTOR_BYTES = 4.0
LINK_BYTES_PER_S = 25e9
"""A server's network at 200 Gbit/s, over which new weights go to the rollouts (assumed)."""
REFERENCE_SHARE, CRITIC_SHARE = 1 / 3, 1.0
LEAST_WINDOW_S = 60.0


class Expanded(Record):
    """What a chain is made of, as a demand file would write it."""

    services: tuple[WrittenService, ...] = ()
    batches: tuple[WrittenBatch, ...] = ()
    trainings: tuple[WrittenTraining, ...] = ()
    datasets: tuple[WrittenDataset, ...] = ()


def expanded_rag(written: WrittenRag) -> Expanded:
    """Return the stages of retrieval-augmented generation; raises ``UsageError`` in one line for what contradicts itself."""
    if written.read > written.retrieved:
        raise UsageError(
            message(
                "read = {read} passages exceed the {retrieved} that are retrieved.", read=written.read, retrieved=written.retrieved
            )
        )
    arrivals = written.arrivals
    question, passage = written.question_tokens, written.passage_tokens
    prompt = _sum(_exact(written.instruction_tokens), question, _scaled(passage, written.read))
    try:
        encoders = [_encoder(written, "embedding", written.embedding, tokens=question, items=1, arrivals=arrivals)]
        if written.reranker != NO_RERANKER:
            pair = _sum(question, passage)
            encoders.append(
                _encoder(written, "reranking", written.reranker, tokens=pair, items=written.retrieved, arrivals=arrivals)
            )
        answer = WrittenService(
            name=stage_name(written.name, "answer"), workload="gpt", preset=written.preset, input_tokens=prompt,
            output_tokens=written.output_tokens, precisions=written.precisions, engines=written.engines,
            engine_options=written.engine_options, **arrivals,
        )  # fmt: skip
        # The answer comes first: what it costs is what people ask of the chain.
        return Expanded(services=(answer, *encoders), batches=_indexing(written), datasets=(_stored(written),))
    except ValidationError as problem:
        raise UsageError(message("{said}.", said=problem.errors()[0]["msg"].removeprefix("Value error, "))) from None


def rag_chain(written: WrittenRag, services: Sequence[Service]) -> Chain:
    """Return the chain of the services that a table was expanded into; its budgets are divided with the whole plan."""
    answer, *encoders = (one.name for one in expanded_rag(written).services)
    names = (*encoders, answer)
    peak = next(one.arrival.peak_requests_per_s.value for one in services if one.name == names[0])
    vectors, dimensions = written.passages.estimate("vectors", source=message("stated in the demand")), _dimensions(written)
    one_s = search_s(written.index, vectors=vectors, dimensions=dimensions)
    slo = written.slo
    return Chain(
        name=written.name,
        kind="rag",
        stages=names,
        ttft_s=slo.ttft,
        tpot_s=slo.tpot,
        latency_s=slo.latency,
        percentile=slo.percentile / 100,
        index=VectorIndex(
            kind=written.index,
            memory_bytes=index_bytes(written.index, vectors=vectors, dimensions=dimensions),
            copies=written.index_copies,
            search_s=one_s,
            cores=search_cores(one_s, requests_per_s=peak),
        ),
    )


def stage_name(chain: str, stage: str) -> str:
    """Return the name of a stage's load."""
    return f"{chain} {stage}"


def _encoder(
    written: WrittenRag, stage: str, preset: str, *, tokens: Amount, items: int, arrivals: Mapping[str, Any]
) -> WrittenService:
    # Sequences of a batch are padded to the longest: the upper end is what runs.
    length = max(8, round(tokens.high))
    return WrittenService(
        name=stage_name(written.name, stage), workload="bert", preset=preset, items_per_request=_exact(items),
        settings={"seq_len": length}, work_cv=0.0, request_kb=_exact(items * length * TEXT_BYTES / 1000),
        response_kb=_exact(items * VECTOR_BYTES * _dimensions(written) / 1000 if items == 1 else items * VECTOR_BYTES / 1000),
        # Neither vectors of questions nor scores are kept.
        kept=LEAST_WINDOW_S, slo=WrittenSlo(), **arrivals,
    )  # fmt: skip


def _indexing(written: WrittenRag) -> tuple[WrittenBatch, ...]:
    changed = _product(written.passages, written.changed_per_day)
    if changed.high < 1:
        return ()
    return (
        WrittenBatch(
            name=stage_name(written.name, "indexing"), workload="bert", preset=written.embedding, items=changed,
            deadline=INDEXING_S, every=DAY_S, settings={"seq_len": max(8, round(written.passage_tokens.high))},
            item_kb=_scaled(written.passage_tokens, TEXT_BYTES / 1000),
            response_kb=_exact(_dimensions(written) * VECTOR_BYTES / 1000), kept=LEAST_WINDOW_S,
        ),
    )  # fmt: skip


def _stored(written: WrittenRag) -> WrittenDataset:
    """Return passages and vectors on storage, from which every copy of the index is loaded."""
    each = _sum(_scaled(written.passage_tokens, TEXT_BYTES), _exact(_dimensions(written) * VECTOR_BYTES))
    size = _scaled(_product(written.passages, each), 1e-9)
    return WrittenDataset(name=stage_name(written.name, "index"), size_gb=_at_least(size, 1e-6))


def _dimensions(written: WrittenRag) -> int:
    """Return the dimensions of a vector: as stated, else the width of the encoder."""
    if written.dimensions is not None:
        return written.dimensions
    model = language_model("bert", written.embedding)
    if model is None:
        raise UsageError(
            message("embedding = {name}: its width is not known.", name=written.embedding), message("Give dimensions.")
        )
    return model.hidden_size


def expanded_post_training(written: WrittenPostTraining, *, life_s: float) -> Expanded:
    """Return the rollouts and the training of a run; raises ``UsageError`` where its deadline leaves them no time."""
    answers = float(written.steps * written.prompts_per_step * written.answers_per_prompt)
    waiting = written.waiting_share
    useful = Amount(low=1 - waiting.high, value=1 - waiting.value, high=1 - waiting.low)
    window = _window_s(written)
    every = max(written.every or life_s, written.deadline)
    tokens = _scaled(_sum(written.input_tokens, written.output_tokens), answers * _passes(written))
    length = max(8, round(written.input_tokens.value + written.output_tokens.value))
    most = most_tokens_of("gpt", written.preset, model=None)
    if most is not None and length > most:
        raise UsageError(
            message("input_tokens and output_tokens: {length:,} tokens exceed the {most:,} of {preset}.", length=length, most=most,
                    preset=written.preset),
            message("Lower them, or take a model with a longer context."),
        )  # fmt: skip
    try:
        rollouts = WrittenBatch(
            name=stage_name(written.name, "rollouts"), workload="gpt", preset=written.preset, items=_quotient(answers, useful),
            deadline=window, every=every, input_tokens=written.input_tokens, output_tokens=written.output_tokens,
            precisions=written.precisions, engines=written.engines,
        )  # fmt: skip
        training = WrittenTraining(
            name=stage_name(written.name, "training"), workload="gpt", preset=written.preset, method=written.method, tokens=tokens,
            deadline=window, every=every, settings={"seq_len": length},
        )  # fmt: skip
    except ValidationError as problem:
        raise UsageError(message("{said}.", said=problem.errors()[0]["msg"].removeprefix("Value error, "))) from None
    return Expanded(batches=(rollouts,), trainings=(training,))


def post_training_chain(written: WrittenPostTraining, *, life_s: float) -> Chain:
    """Return the chain of rollouts and training, with what it counts in words."""
    made = expanded_post_training(written, life_s=life_s)
    return Chain(
        name=written.name,
        kind="post_training",
        stages=(made.batches[0].name, made.trainings[0].name),
        rests_on=(
            message(
                "{steps:,} steps of {prompts:,} prompts x {answers} answers; rollouts of one step run while the step before is "
                "trained",
                steps=written.steps,
                prompts=written.prompts_per_step,
                answers=written.answers_per_prompt,
            ),
            message(
                "{share:.0f} % of the rollouts' time waits for the longest answers; a trained token takes {passes:.2f} times the "
                "work of plain training (reference model and critic)",
                share=100 * written.waiting_share.value,
                passes=_passes(written),
            ),
            message("new weights reach the rollouts after each step, within {seconds:.2g} s", seconds=_weights_s(written)),
        ),
    )


def _passes(written: WrittenPostTraining) -> float:
    return 1.0 + REFERENCE_SHARE * written.reference + CRITIC_SHARE * written.critic


def _weights_s(written: WrittenPostTraining) -> float:
    """Return the seconds in which new weights of 16 bits reach the rollouts, all of them at a time; adapters are small."""
    model = language_model("gpt", written.preset)
    return 0.0 if model is None or written.method == "lora" else 2.0 * model.total_params / LINK_BYTES_PER_S


def _window_s(written: WrittenPostTraining) -> float:
    steps = written.steps
    window = written.deadline * steps / (steps + 1) - steps * _weights_s(written)
    if window < LEAST_WINDOW_S:
        raise UsageError(
            message("deadline: {steps:,} steps leave no time next to the exchange of weights.", steps=steps),
            message("Give a longer deadline or fewer steps."),
        )
    return window


def _exact(number: float) -> Amount:
    return Amount(low=number, value=number, high=number)


def _ends(make: Mapping[str, float]) -> Amount:
    assert all(math.isfinite(end) for end in make.values()), "ranges of the keys keep products finite"
    return Amount(**make)


def _sum(*parts: Amount) -> Amount:
    return _ends({end: math.fsum(getattr(part, end) for part in parts) for end in ("low", "value", "high")})


def _product(first: Amount, second: Amount) -> Amount:
    return _ends({end: getattr(first, end) * getattr(second, end) for end in ("low", "value", "high")})


def _scaled(amount: Amount, factor: float) -> Amount:
    return _ends({end: getattr(amount, end) * factor for end in ("low", "value", "high")})


def _quotient(number: float, over: Amount) -> Amount:
    return Amount(low=number / over.high, value=number / over.value, high=number / over.low)


def _at_least(amount: Amount, floor: float) -> Amount:
    return Amount(low=max(floor, amount.low), value=max(floor, amount.value), high=max(floor, amount.high))
