"""Chains of a demand: what they expand into, how their bound is divided, what an index takes, and what is refused."""

from __future__ import annotations

import itertools
import math
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from aigc_bench import api
from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.core.errors import UsageError
from aigc_bench.plan.chain_budgets import PARTS, Stage, division
from aigc_bench.plan.demand.demand_reader import read_demand
from aigc_bench.plan.records.demand import Demand
from aigc_bench.plan.records.plan import Plan
from aigc_bench.plan.sizing.vector_index import index_bytes, search_cores, search_s
from aigc_bench.plan.stats.estimates import assumed

CATALOGUE = load_catalogue(with_user_files=False)
RAG = """
name = "handbooks"
[[rag]]
name = "handbooks"
preset = "llama-3.1-8b"
rate = 2
passages = {passages}
passage_tokens = 300
question_tokens = 40
output_tokens = 200
{more}
[rag.slo]
{slo}
[site]
region = "germany"
[constraints]
confidence = 0
without = ["api"]
"""
POST_TRAINING = """
name = "reasoning"
[[post_training]]
name = "reasoning"
preset = "llama-3.1-8b"
steps = 100
prompts_per_step = 64
{more}
input_tokens = 500
output_tokens = 1500
waiting_share = 0.2
deadline = "{deadline}"
"""


def demand_of(folder: Path, text: str) -> Demand:
    file = folder / "demand.toml"
    file.write_text(text)
    return read_demand(file, catalogue=CATALOGUE)


def rag(*, passages: str = "1_000_000", slo: str = 'ttft = "2s"', more: str = "") -> str:
    return RAG.format(passages=passages, slo=slo, more=more)


@cache
def plan_of(text: str, folder: Path) -> Plan:
    file = folder / "demand.toml"
    file.write_text(text)
    return api.plan(file, accelerators=("l40s", "h100_sxm_80gb"))


def test_a_question_is_embedded_searched_reranked_and_answered(tmp_path: Path) -> None:
    demand = demand_of(tmp_path, rag())
    answer, embedding, reranking = demand.services
    assert [one.workload for one in demand.services] == ["gpt", "bert", "bert"]
    assert embedding.items_per_request.value == 1
    assert reranking.items_per_request.value == 50
    assert reranking.settings["seq_len"] == 340
    # The instruction, the question, and the six passages that are read.
    assert answer.input_tokens is not None and answer.input_tokens.value == 300 + 40 + 6 * 300
    assert len({one.arrival.peak_requests_per_s.value for one in demand.services}) == 1
    (job,) = demand.jobs
    assert job.items.value == pytest.approx(10_000)
    (data,) = demand.datasets
    assert data.size_bytes.value == pytest.approx(1e6 * (300 * 4 + 1024 * 4))


def test_reranking_can_be_left_out(tmp_path: Path) -> None:
    assert len(demand_of(tmp_path, rag(more='reranker = "none"')).services) == 2


def test_an_index_takes_vectors_and_links_or_codes_and_centroids() -> None:
    vectors = assumed(1e6, unit="vectors", source="a test")
    flat, graph, codes = (index_bytes(kind, vectors=vectors, dimensions=1024).value for kind in ("ivf_flat", "hnsw", "ivf_pq"))
    # Malkov and Yashunin 2018: 2 M links on the ground layer, M / ln M above, of 4 bytes each.
    assert graph == pytest.approx(1e6 * (4096 + 4 * (32 + 16 / math.log(16))))
    assert flat == pytest.approx(1e6 * (4096 + 8) + 4096 * 4000)
    assert codes < flat / 20
    one = search_s("hnsw", vectors=vectors, dimensions=1024)
    assert 0.2e-3 < one.value < 10e-3
    assert search_cores(one, requests_per_s=600).value == pytest.approx(1000 * one.value)


def test_a_bound_is_divided_where_all_stages_together_cost_least() -> None:
    """Against every division of three stages of which one is dear to hurry."""
    budgets = np.arange(PARTS + 1, dtype=float)
    with np.errstate(divide="ignore"):
        cheap = Stage(cost=np.where(budgets >= 2, 1.0, np.inf), seconds=np.full(PARTS + 1, 1.0))
        dear = Stage(cost=np.where(budgets >= 5, 100.0 / budgets, np.inf), seconds=np.full(PARTS + 1, 2.0))
    found = division([cheap, dear, cheap])
    costs = {
        (one, two, PARTS - one - two): cheap.cost[one] + dear.cost[two] + cheap.cost[PARTS - one - two]
        for one, two in itertools.product(range(1, PARTS), repeat=2)
        if PARTS - one - two >= 1
    }
    assert sum(found) == PARTS
    assert costs[found] <= 1.02 * min(costs.values())
    assert found[1] > PARTS / 3


def test_the_stages_of_a_plan_keep_the_bound_of_the_chain_together(tmp_path: Path) -> None:
    plan = plan_of(rag(), tmp_path)
    (chain,) = plan.demand.chains
    assert chain.index is not None
    assert sum(seconds for _, seconds in chain.budgets) + chain.index.search_s.high == pytest.approx(2.0)
    answer, embedding, reranking = plan.demand.services
    assert embedding.slo.latency_s == dict(chain.budgets)[embedding.name]
    assert answer.slo.ttft_s == dict(chain.budgets)[answer.name]
    assert reranking.slo.percentile == pytest.approx(1 - 0.05 / 3)
    # Shares that miss add up to what the chain may miss at most.
    assert sum(1 - one.slo.percentile for one in plan.demand.services) == pytest.approx(0.05)
    assert plan.recommended is not None


def test_a_larger_index_never_costs_less_and_is_refused_where_no_host_holds_it(tmp_path: Path) -> None:
    small, large = (plan_of(rag(passages=count), tmp_path) for count in ("100_000", "100_000_000"))
    assert small.recommended is not None
    held = [one for one in large.options if one.accepted]
    assert not held or min(one.tco_usd.value for one in held) >= small.recommended.tco_usd.value * 0.999
    huge = plan_of(rag(passages="30_000_000_000", more="changed_per_day = 0"), tmp_path)
    # A host whose memory no data sheet states is judged by its devices alone, so rented ones may stay.
    assert any(reason.startswith("memory") for option in huge.options for reason in option.reasons)


def test_rollouts_and_training_take_the_whole_run_side_by_side(tmp_path: Path) -> None:
    demand = demand_of(tmp_path, POST_TRAINING.format(deadline="7d", more=""))
    rollouts, training = demand.jobs
    answers = 100 * 64 * 8
    # Four fifths of the rollouts' time are useful; a reference model adds a third to training.
    assert rollouts.items.value == pytest.approx(answers * 1500 / 0.8)
    assert training.items.value == pytest.approx(answers * 2000 * 4 / 3)
    assert rollouts.window_s == training.window_s
    # 16 GB of weights over 200 Gbit/s after each of 100 steps, and one step without training.
    assert rollouts.window_s == pytest.approx(7 * 86400 * 100 / 101 - 100 * 2 * 8.03e9 / 25e9, rel=1e-3)
    ppo = demand_of(tmp_path, POST_TRAINING.format(deadline="7d", more="critic = true\nreference = false"))
    assert ppo.jobs[1].items.value == pytest.approx(answers * 2000 * 2)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (rag(more="read = 80"), "read = 80 passages exceed the 50 that are retrieved"),
        (rag(more='embedding = "bge-9"'), "bge-9"),
        (rag(more="users = 5"), "give one of users, rate"),
        (POST_TRAINING.format(deadline="90s", more=""), "leave no time next to the exchange of weights"),
        (POST_TRAINING.format(deadline="7d", more="answers_per_prompt = 0"), "answers_per_prompt"),
    ],
)
def test_a_chain_that_contradicts_itself_is_refused_in_one_line(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(UsageError) as problem:
        demand_of(tmp_path, text)
    assert words in str(problem.value)
