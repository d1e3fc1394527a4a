"""Options of serving engines change a prediction as physics says, in the closed form and in the simulation, or are refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.core.errors import UsageError
from aigc_bench.core.records import Setting
from aigc_bench.predict.closed_form.engine_options import (
    OF_ENGINE,
    adapter_params,
    adapters_in_use,
    engine_options,
    expected_tokens,
)
from aigc_bench.predict.language.named import language_named
from aigc_bench.predict.predicted import PredictedRow
from aigc_bench.predict.queries import predict_one
from aigc_bench.predict.query import Query

EAGLE: dict[str, Setting] = {"draft": "eagle", "draft_tokens": 3, "acceptance": 0.7}


def rows(what: str = "llama-3.1-8b", *, options: dict[str, Setting], **keys: object) -> dict[str, PredictedRow]:
    asked = {"engine": "vllm", "batch_size": 16, "settings": {"prompt_len": 4096, "max_new_tokens": 256}, **keys}
    query = Query(what, engine_options=options, **asked)  # type: ignore[arg-type]
    return {row.metric: row for _, row in predict_one(query, accelerators=["h200"]).rows}


def value(found: dict[str, PredictedRow], metric: str) -> float:
    number = found[metric].value
    assert number is not None
    return number


@given(st.floats(0.01, 0.99), st.integers(1, 20))
def test_a_verified_step_gives_between_one_and_all_tokens(acceptance: float, drafted: int) -> None:
    """The sum 1 + a + ... + a^k."""
    assert expected_tokens(acceptance, drafted) == pytest.approx(sum(acceptance**power for power in range(drafted + 1)))
    assert 1 < expected_tokens(acceptance, drafted) < drafted + 1
    assert expected_tokens(0.0, 0) == 1


@pytest.mark.parametrize("load", [None, {"rate_per_s": 1.0, "lengths": "4096/256"}])
def test_a_prefix_in_the_cache_is_not_read_again(load: dict[str, object] | None) -> None:
    keys = {} if load is None else {"load": load, "settings": {}, "batch_size": 64}
    firsts = [value(rows(options={"prefix_hit_rate": rate} if rate else {}, **keys), "ttft") for rate in (0.0, 0.5, 0.9)]
    assert firsts == sorted(firsts, reverse=True)
    assert firsts[2] < firsts[0] / 2


def test_hits_that_come_back_from_the_host_take_the_time_of_its_link() -> None:
    device, host = (rows(options={"prefix_hit_rate": 0.9, "kv_offload": share}) for share in (0.0, 1.0))
    moved = 0.9 * 4096 * 131072 / 64e9
    assert value(host, "ttft") - value(device, "ttft") == pytest.approx(moved, rel=1e-6)
    assert value(host, "throughput") < value(device, "throughput")


def test_a_narrower_cache_holds_and_moves_half() -> None:
    usual, narrow = rows(options={}), rows(options={"kv_cache": "fp8"})
    assert value(narrow, "kv_bytes_per_token") == value(usual, "kv_bytes_per_token") / 2
    assert value(narrow, "tpot") < value(usual, "tpot")
    cache = 16 * (4096 + 256) * 131072
    assert value(usual, "memory_allocated_peak") - value(narrow, "memory_allocated_peak") == pytest.approx(cache / 2, rel=1e-6)


def test_small_chunks_cost_more_than_they_spare() -> None:
    usual, small = rows(options={}), rows(options={"chunk_tokens": 64})
    assert value(small, "throughput") < value(usual, "throughput")
    assert value(rows(options={"chunk_tokens": 8192}), "throughput") == pytest.approx(value(usual, "throughput"))


def test_a_draft_pays_for_few_requests_more_than_for_many() -> None:
    gains = []
    for requests in (1, 64, 256):
        keys = {"batch_size": requests, "settings": {"prompt_len": 128, "max_new_tokens": 256}}
        gains.append(value(rows(options=EAGLE, **keys), "throughput") / value(rows(options={}, **keys), "throughput"))
    assert gains == sorted(gains, reverse=True)
    assert 1 < gains[0] < expected_tokens(0.7, 3)


def test_a_draft_that_is_never_right_only_costs() -> None:
    found = rows(options={"draft": "llama-3.2-1b", "draft_tokens": 4, "acceptance": 0.01})
    assert value(found, "tpot") > value(rows(options={}), "tpot")
    assert value(found, "memory_allocated_peak") > value(rows(options={}), "memory_allocated_peak")


def test_a_models_own_layers_draft_for_it() -> None:
    options: dict[str, Setting] = {"draft": "mtp", "draft_tokens": 1, "acceptance": 0.85}
    own = rows("deepseek-v3.2", options=options, devices=8)
    assert value(own, "tpot") < value(rows("deepseek-v3.2", options={}, devices=8), "tpot")
    with pytest.raises(UsageError, match="no layers that predict several tokens"):
        rows(options=options)


def test_adapters_take_memory_and_time() -> None:
    model = language_named("llama-3.1-8b")
    assert model is not None
    # Rank 16 on q, k, v, o, gate, up and down of 32 layers: 41.9 million, as PEFT prints it.
    assert adapter_params(model, rank=16) == 41_943_040
    assert adapters_in_use(8, sequences=1) == pytest.approx(1)
    assert adapters_in_use(8, sequences=1000) == pytest.approx(8)
    usual, many = rows(options={}), rows(options={"lora_adapters": 32})
    assert value(many, "tpot") > value(usual, "tpot")
    assert value(many, "memory_allocated_peak") - value(usual, "memory_allocated_peak") == pytest.approx(32 * 2 * 41_943_040)


def test_prompts_that_other_devices_read_do_not_stall_decoding() -> None:
    together, apart = (rows(options=options, devices=8) for options in ({}, {"prefill_devices": 4}))
    assert value(apart, "tpot") < value(together, "tpot") * 1.5
    assert any("prefill_devices=4" in reason for reason in apart["ttft"].reasons)
    with pytest.raises(UsageError, match="none of 4 devices decodes"):
        rows(options={"prefill_devices": 4}, devices=4)
    with pytest.raises(UsageError, match="simulates devices that read prompts and decode"):
        rows(options={"prefill_devices": 4}, devices=8, load={"rate_per_s": 1.0, "lengths": "512/64"}, settings={})


def test_an_answer_with_options_is_physics_and_says_so() -> None:
    found = rows(options={"prefix_hit_rate": 0.5})["throughput"]
    assert found.grade == "physics"
    assert "engine_options:prefix_hit_rate=0.5" in found.reasons
    assert rows(options={})["throughput"].grade == "calibrated"


@pytest.mark.parametrize(
    ("engine", "options", "said"),
    [
        ("vllm", {"prefix_hitrate": 0.5}, "unknown option 'prefix_hitrate'"),
        ("vllm", {"prefix_hit_rate": 1.5}, "prefix_hit_rate"),
        ("vllm", {"draft": "eagle"}, "go together"),
        ("vllm", {"kv_offload": 0.5}, "share of prefix_hit_rate"),
        ("llama.cpp", {"chunk_tokens": 512}, "llama.cpp has no such option"),
        ("llama.cpp", EAGLE, "does not draft so"),
        ("transformers", {"prefix_hit_rate": 0.5}, "transformers has no such option"),
        ("fastertransformer", {"kv_cache": "fp8"}, "fastertransformer has no such option"),
        ("torch-eager", {"kv_cache": "fp8"}, "torch-eager has none that is predicted"),
    ],
)
def test_an_option_that_an_engine_has_not_is_refused_in_one_line(engine: str, options: dict[str, Setting], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        engine_options(options, engine=engine)


def test_an_encoder_has_no_options() -> None:
    with pytest.raises(UsageError, match="encodes texts"):
        rows("bge-m3", options={"prefix_hit_rate": 0.5}, settings={})


def test_options_of_every_engine_are_answered() -> None:
    every: dict[str, Setting] = {
        "prefix_hit_rate": 0.5,
        "kv_cache": "fp8",
        "chunk_tokens": 2048,
        "lora_adapters": 4,
        "lora_rank": 8,
    }
    for engine, known in OF_ENGINE.items():
        options = {name: given for name, given in every.items() if name in known}
        assert rows(options=options, engine=engine)["throughput"].value
