"""Layouts of served models: what divides, what is chosen, and what is refused with the nearest that works."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.core.errors import UsageError
from aigc_bench.predict.closed_form.language import Layout, imbalance
from aigc_bench.predict.closed_form.layouts import chosen_layout, divides, stated_layout, words_of
from aigc_bench.predict.published.language_models import LanguageModel
from aigc_bench.predict.published.name_resolution import language_models

CATALOGUE = load_catalogue(with_user_files=False)
H100 = CATALOGUE.accelerator("h100_sxm_80gb")


def named(name: str) -> LanguageModel:
    return language_models()[name]


LLAMA, DEEPSEEK = named("llama-3.1-8b"), named("deepseek-v3")


def stated(model: LanguageModel = LLAMA, *, engine: str = "vllm", devices: int = 8, **ranks: int) -> Layout:
    return stated_layout(model, engine=engine, ranks=ranks, devices=devices)


@pytest.mark.parametrize(
    ("model", "engine", "ranks", "said"),
    [
        (LLAMA, "vllm", {"tp": 6}, "nearest that works is tp=4"),
        (LLAMA, "vllm", {"tp": 64}, "nearest that works is tp=32"),
        (LLAMA, "vllm", {"pp": 64}, "nearest that works is pp=32"),
        (LLAMA, "vllm", {"ep": 2}, "has no experts"),
        (DEEPSEEK, "vllm", {"tp": 8, "ep": 3}, "nearest that works is ep=2"),
        (LLAMA, "llama.cpp", {"tp": 2}, "Use --parallel pp=2"),
    ],
)
def test_what_does_not_divide_is_refused_with_the_nearest_that_works(
    model: LanguageModel, engine: str, ranks: dict[str, int], said: str
) -> None:
    with pytest.raises(UsageError, match=said) as problem:
        stated(model, engine=engine, devices=64, **ranks)
    assert "\n" not in str(problem.value)


def test_ranks_divide_heads_and_copy_key_value_heads() -> None:
    assert [count for count in range(1, 40) if divides(LLAMA, tensor=count)] == [1, 2, 4, 8, 16, 32]
    # Latent attention has one cache for all 128 heads.
    assert divides(DEEPSEEK, tensor=128)


def test_devices_that_no_rank_needs_hold_replicas_and_experts_join_them() -> None:
    assert stated(tp=2).replicas == 4
    apart = stated(DEEPSEEK, tp=2, dp=4, ep=8)
    assert (apart.tensor, apart.attention_replicas, apart.experts, apart.replicas) == (8, 4, 8, 1)
    assert words_of(apart) == "tp=2,dp=4,ep=8"
    assert words_of(stated(tp=2)) == "tp=2, 4 replicas"


@pytest.mark.parametrize(
    ("least", "devices", "expected"), [(1, 64, "tp=1, 64 replicas"), (4, 64, "tp=4, 16 replicas"), (16, 16, "tp=8,pp=2")]
)
def test_the_fewest_ranks_that_hold_the_model_are_chosen_and_stages_come_after_a_server(
    least: int, devices: int, expected: str
) -> None:
    found = chosen_layout(LLAMA, H100, engine="vllm", devices=devices, ranks={}, fits=lambda layout: layout.ranks >= least)
    assert words_of(found) == expected


def test_a_stated_degree_stays_and_the_others_are_chosen() -> None:
    found = chosen_layout(LLAMA, H100, engine="vllm", devices=8, ranks={"pp": 2}, fits=lambda layout: layout.ranks >= 4)
    assert words_of(found) == "tp=2,pp=2, 2 replicas"


@settings(max_examples=50, deadline=None)
@given(stages=st.integers(1, 32))
def test_the_slowest_stage_has_at_least_the_mean_and_at_most_the_whole_work(stages: int) -> None:
    assert 1 <= imbalance(LLAMA, stages) <= stages
