"""Every predicted metric is followed to FLOPs, bytes, peaks and corrections, and its arithmetic gives it again."""

from __future__ import annotations

import pytest

from aigc_bench import api
from aigc_bench.cli import main
from aigc_bench.core.derivation import number_of
from aigc_bench.core.errors import UsageError
from aigc_bench.core.records import MetricRow
from aigc_bench.predict.prediction_trail import explain, trails_of
from aigc_bench.predict.query import Query

H100, L40S = "h100_sxm_80gb", "l40s"
WITHOUT_ARITHMETIC = ("p_fits", "tpot.closed_form", "ttft.closed_form", "throughput.closed_form")
"""A probability of two distributions; and of a served engine the answers of its closed form."""


def rows(query: Query, *accelerators: str) -> tuple[tuple[str, MetricRow], ...]:
    return api.predict(query, accelerators=accelerators or (H100,)).rows


@pytest.mark.parametrize(
    "query",
    [Query(what="gpt/gpt2-124m"), Query(what="gpt/gpt2-124m", mode="train", devices=4), Query(what="bert/base"),
     Query(what="gpt/llama-3.1-8b", engine="vllm")],
    ids=["infer", "train", "bert", "served"],
)  # fmt: skip
def test_every_predicted_number_follows_again_from_its_inputs(query: Query) -> None:
    found = rows(query)
    (trail,) = trails_of(found).values()
    for _, row in found:
        number = number_of(row)
        assert number is not None and (number.value, number.low, number.high) == (row.value, row.low, row.high)
    for key in trail:
        again = trail.recomputed(key)
        if again is not None:
            assert again == pytest.approx(trail[key].value.value, rel=1e-9), key
        elif trail[key].inputs:
            assert key in WITHOUT_ARITHMETIC, key
        else:
            assert trail[key].source, key


def test_a_metric_is_derived_with_its_formula_its_numbers_and_the_sources_below() -> None:
    text = explain(rows(Query(what="gpt/gpt2-124m")), "energy_per_item")
    assert text.startswith("Energy per item: ")
    for words in ("[step_time]", "[power_mean]", "[tdp_w]", "[items_per_step]", "source: TDP of h100_sxm_80gb", "formula: "):
        assert words in text


def test_several_accelerators_are_explained_one_after_the_other() -> None:
    text = explain(rows(Query(what="gpt/gpt2-124m"), H100, L40S), "mfu")
    assert [line for line in text.splitlines() if line in (H100, L40S)] == [H100, L40S]


def test_a_served_engine_shows_the_inputs_of_its_closed_form() -> None:
    text = explain(rows(Query(what="gpt/llama-3.1-8b", engine="vllm")), "tpot")
    assert "closed form llm.tpot" in text and "[inputs.layers]" in text


def test_list_has_every_key_and_an_unknown_one_names_the_nearest() -> None:
    found = rows(Query(what="gpt/gpt2-124m"))
    keys = [line.split()[0] for line in explain(found, "list").splitlines()]
    assert {row.metric for _, row in found} <= set(keys)
    assert all(explain(found, key) for key in keys)
    with pytest.raises(UsageError, match="Did you mean throughput"):
        explain(found, "troughput")


def test_explain_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", "gpt/gpt2-124m", "-a", H100, "--explain", "mfu"]) == 0
    assert "dense peak" in capsys.readouterr().out
    assert main(["predict", "--profile", "cpu", "-a", H100, "--explain", "mfu"]) == 2
    assert "--explain" in capsys.readouterr().err
