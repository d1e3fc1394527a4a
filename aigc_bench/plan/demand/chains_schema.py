"""Define the keys of chains: retrieval-augmented generation as one service, and training by reinforcement as one job."""

from __future__ import annotations

from typing import Literal

from aigc_bench.core.messages import message
from aigc_bench.plan.demand.amounts import (
    DAY_S,
    YEAR_S,
    Amount,
    Flag,
    LongDuration,
    Names,
    Whole,
    WrittenAmount,
    between,
    documented,
    lasting,
    zero_or,
)
from aigc_bench.plan.demand.arrivals_schema import NamedTable, OneArrival
from aigc_bench.plan.demand.serving_schema import WrittenEngineOptions
from aigc_bench.plan.demand.slo_schema import WrittenSlo
from aigc_bench.plan.records.chains import IndexKind


def _about(low: float, value: float, high: float) -> Amount:
    return Amount(low=low, value=value, high=high)


class WrittenRag(OneArrival):
    """``[[rag]]``: questions are embedded, passages searched and reranked, and a language model answers; one SLO for all of it."""

    preset: str = documented(message("language model that answers"), default=...)
    embedding: str = documented(message("encoder of questions and passages, a preset of bert"), default="bge-m3")
    reranker: str = documented(
        message("encoder that reranks passages, a preset of bert; none leaves reranking out"), default="bge-m3"
    )
    passages: WrittenAmount = documented(message("passages in the index"), unit="passage", limits=between(1, 1e11), default=...)
    passage_tokens: WrittenAmount = documented(
        message("tokens per passage"), unit="token", limits=between(8, 8192), default=_about(200, 300, 500)
    )
    question_tokens: WrittenAmount = documented(
        message("tokens per question"), unit="token", limits=between(1, 8192), default=_about(20, 40, 80)
    )
    instruction_tokens: Whole = documented(
        message("tokens of the instruction before every prompt"), unit="token", limits=zero_or(1, 1e5), default=300
    )
    retrieved: Whole = documented(
        message("passages that the search finds and the reranker reads"), unit="count", limits=between(1, 10_000), default=50
    )
    read: Whole = documented(message("passages that go into the prompt"), unit="count", limits=between(1, 1000), default=6)
    output_tokens: WrittenAmount = documented(message("tokens per answer"), unit="token", limits=between(1, 1e6), default=...)
    changed_per_day: WrittenAmount = documented(
        message("share of the passages that is embedded anew every day"),
        unit="fraction",
        limits=zero_or(1e-6, 1),
        default=_about(0.002, 0.01, 0.05),
    )
    index: IndexKind = documented(
        message("index of the vectors: hnsw, ivf_flat or ivf_pq (codes of an eighth of the dimensions)"), default="hnsw"
    )
    dimensions: Whole | None = documented(
        message("dimensions of a vector (default: width of the encoder)"), unit="count", limits=between(8, 65_536)
    )
    index_copies: Whole = documented(message("copies of the index in memory"), unit="count", limits=between(1, 100), default=2)
    precisions: Names = documented(message("allowed precisions of the language model"), default=())
    engines: Names = documented(message("allowed engines of the language model"), default=())
    engine_options: WrittenEngineOptions | None = documented(message("options of the serving engine"))
    slo: WrittenSlo = documented(message("the SLO of the whole chain"), default=WrittenSlo())


class WrittenPostTraining(NamedTable):
    """``[[post_training]]``: training by reinforcement: a fleet samples answers, another trains on them, step by step."""

    preset: str = documented(message("language model that is trained"), default=...)
    method: Literal["full", "lora"] = documented(message("all weights, or LoRA adapters"), default="full")
    steps: Whole = documented(message("steps of the optimizer"), unit="count", limits=between(1, 1e7), default=...)
    prompts_per_step: Whole = documented(message("prompts in a step"), unit="count", limits=between(1, 1e6), default=...)
    answers_per_prompt: Whole = documented(
        message("answers sampled for a prompt (the group of GRPO)"), unit="count", limits=between(1, 1024), default=8
    )
    input_tokens: WrittenAmount = documented(message("tokens per prompt"), unit="token", limits=between(1, 1e6), default=...)
    output_tokens: WrittenAmount = documented(message("tokens per answer"), unit="token", limits=between(1, 1e6), default=...)
    reference: Flag = documented(message("false: no reference model weighs the answers (no KL term)"), default=True)
    critic: Flag = documented(message("true: a critic of the same size is trained, too (PPO)"), default=False)
    waiting_share: WrittenAmount = documented(
        message("share of the rollouts' time that waits for the longest answers"),
        unit="fraction",
        limits=between(0, 0.9),
        default=_about(0.1, 0.2, 0.4),
    )
    deadline: LongDuration = documented(message("time limit of the whole run"), limits=lasting(60, 10 * YEAR_S), default=...)
    every: LongDuration | None = documented(
        message("interval between runs (default: one run in the life of the servers)"), limits=lasting(DAY_S, 10 * YEAR_S)
    )
    precisions: Names = documented(message("allowed precisions of the rollouts"), default=("bf16",))
    engines: Names = documented(
        message("allowed engines of the rollouts, which take new weights while they run"), default=("vllm", "sglang")
    )
