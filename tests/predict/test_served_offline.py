"""Served language models: whether they fit, in which precision, on what layout, and that their figures agree."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.cli import main
from aigc_bench.core.errors import UsageError
from aigc_bench.core.records import Setting
from aigc_bench.predict.predicted import PredictedRow
from aigc_bench.predict.queries import predict_one
from aigc_bench.predict.query import Query, RequestLoad

DESCRIBED = ("num_params", "num_active_params", "kv_bytes_per_token")
CATALOGUE = load_catalogue(with_user_files=False)
LINKED = ["h100_sxm_80gb", "a100_sxm_80gb", "b200_sxm_180gb", "mi300x"]
CARDS = ["l4", "l40s", "rtx_4090", "a10"]


def answer(
    gpu: str = "h100",
    *,
    preset: str = "llama-3.1-8b",
    engine: str = "vllm",
    lengths: tuple[int, int] = (1024, 128),
    **fields: object,
) -> dict[str, PredictedRow]:
    sizes: dict[str, Setting] = {"prompt_len": lengths[0], "max_new_tokens": lengths[1]}
    query = Query.model_validate({"what": f"gpt/{preset}", "engine": engine, "settings": sizes, **fields})
    return {row.metric: row for _, row in predict_one(query, accelerators=[gpu]).rows}


def value(rows: dict[str, PredictedRow], metric: str = "throughput") -> float:
    found = rows[metric].value
    assert found is not None
    return found


def test_a_model_that_one_device_cannot_hold_is_invalid_and_has_no_speed() -> None:
    rows = answer("t4", preset="llama-3.1-70b", batch_size=8)
    assert all(rows.pop(metric).verdict == "modelled" for metric in DESCRIBED)
    assert {row.verdict for row in rows.values()} == {"invalid"}
    assert all("does_not_fit" in row.reasons and row.largest_batch_that_fits is None for row in rows.values())
    assert rows["throughput"].value is None
    assert value(rows, "memory_allocated_peak") > 100e9


def test_a_batch_that_does_not_fit_names_the_largest_that_does() -> None:
    rows = answer(batch_size=5000)
    largest = rows["throughput"].largest_batch_that_fits
    assert largest is not None and rows["throughput"].verdict == "invalid"
    assert answer(batch_size=largest)["throughput"].verdict == "modelled"
    assert answer(batch_size=largest + 1)["throughput"].verdict == "invalid"


def test_the_screen_tells_the_largest_batch_and_the_layout(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", "gpt/llama-3.1-8b", "-a", "h100", "--engine", "vllm", "--batch-size", "5000"]) == 0
    shown = capsys.readouterr().out
    assert "the largest batch that fits is" in shown and "layout:tp=1" in shown


def test_a_prediction_is_never_valid_and_is_graded_by_what_it_was_calibrated_on() -> None:
    seen, unseen = (answer(gpu)["throughput"] for gpu in ("h100", "tpu_v5p"))
    assert (seen.verdict, seen.grade) == ("modelled", "calibrated")
    assert (unseen.verdict, unseen.grade) == ("modelled", "physics")


@pytest.mark.parametrize(("gpu", "precision"), [("t4", "bf16"), ("v100_sxm2_32gb", "bf16")])
def test_a_precision_that_the_part_lacks_is_refused_with_those_it_has(gpu: str, precision: str) -> None:
    with pytest.raises(UsageError, match=f"--precision {precision}: .* has no {precision} units.* Use --precision fp"):
        answer(gpu, precision=precision)


def test_without_a_stated_precision_a_part_without_bf16_runs_fp16() -> None:
    assert answer("t4", preset="llama-3.2-1b")["throughput"].precision == "fp16"


def test_a_format_that_is_widened_before_its_products_says_so() -> None:
    assert "multiplied_in:bf16" in answer("a100", precision="fp8")["tpot"].reasons
    assert "multiplied_in:bf16" in answer("h100", precision="fp4")["tpot"].reasons, "Marlin widens four bits to sixteen"
    assert not any(code.startswith("multiplied_in") for code in answer("h100", precision="fp8")["tpot"].reasons)


def test_one_token_has_no_time_between_tokens() -> None:
    rows = answer(lengths=(512, 1), batch_size=4)
    assert "tpot" not in rows
    assert value(rows) * value(rows, "ttft") == pytest.approx(4)


@settings(max_examples=25, deadline=None)
@given(
    gpu=st.sampled_from(LINKED + CARDS),
    batch=st.integers(1, 64),
    lengths=st.tuples(st.integers(16, 4096), st.integers(2, 1024)),
    engine=st.sampled_from(["vllm", "sglang", "tensorrt-llm"]),
)
def test_tpot_ttft_throughput_and_lengths_agree_and_every_answer_says_whether_it_fits(
    gpu: str, batch: int, lengths: tuple[int, int], engine: str
) -> None:
    # TensorRT-LLM does not run on AMD's parts.
    assume(gpu != "mi300x" or engine != "tensorrt-llm")
    rows = answer(gpu, engine=engine, batch_size=batch, lengths=lengths)
    fits = value(rows, "memory_allocated_peak")
    assert all((row.verdict == "invalid") == ("does_not_fit" in row.reasons) for row in rows.values())
    assert fits > 0
    if rows["throughput"].value is None:
        return
    seconds = value(rows, "ttft") + (lengths[1] - 1) * value(rows, "tpot")
    assert value(rows) * seconds == pytest.approx(batch * lengths[1])


@pytest.mark.parametrize("gpu", ["h100", "l40s", "rtx_4090"])
def test_a_pipeline_twice_as_long_serves_more_and_less_than_twice_as_much(gpu: str) -> None:
    rates = [
        value(answer(gpu, batch_size=64, devices=count, parallel=f"tp=1,pp={count}", lengths=(256, 64))) for count in (1, 2, 4)
    ]
    assert rates[0] < rates[1] < 2 * rates[0] and rates[1] < rates[2] < 2 * rates[1]


def test_replicas_multiply_what_one_serves_and_share_its_requests() -> None:
    one, eight = answer(batch_size=8), answer(batch_size=64, devices=8)
    assert "layout:tp=1, 8 replicas" in eight["tpot"].reasons
    assert value(eight, "tpot") == pytest.approx(value(one, "tpot"), rel=0.25)
    assert value(eight) == pytest.approx(8 * value(one), rel=0.25)
    # One request keeps one replica busy, however many there are.
    assert value(answer(batch_size=1, devices=8)) == pytest.approx(value(answer(batch_size=1)), rel=0.25)


def test_a_service_is_laid_out_by_the_fewest_ranks_that_keep_its_slo() -> None:
    load = RequestLoad(rate_per_s=2.0, slo_tpot_s=0.012, num_requests=60, lengths="512/64")
    rows = answer(preset="llama-3.1-8b", devices=4, load=load)
    assert next(code for code in rows["goodput"].reasons if code.startswith("layout:")) == "layout:tp=1, 4 replicas"
    tight = load.model_copy(update={"slo_tpot_s": 0.004})
    assert "layout:tp=1, 4 replicas" not in answer(devices=4, load=tight)["goodput"].reasons


def test_a_service_whose_weights_do_not_fit_is_invalid() -> None:
    rows = answer("t4", preset="llama-3.1-70b", load=RequestLoad(rate_per_s=1.0))
    assert (rows["throughput"].value, rows["throughput"].verdict) == (None, "invalid")


@settings(max_examples=15, deadline=None)
@given(
    gpu=st.sampled_from(["h100_sxm_80gb", "l40s", "a100_pcie_80gb"]),
    ranks=st.sampled_from([(1, 1), (2, 1), (4, 1), (8, 1), (1, 2), (1, 4), (1, 8), (2, 2), (2, 4), (4, 2)]),
    batch=st.integers(8, 128),
)
def test_every_factorisation_of_the_same_devices_stays_below_their_arithmetic(gpu: str, ranks: tuple[int, int], batch: int) -> None:
    tensor, stages = ranks
    rows = answer(gpu, batch_size=batch, devices=8, parallel=f"tp={tensor},pp={stages}")
    spec = CATALOGUE.accelerator(gpu)
    # Of each answered token: itself and its share of the prompt, 2 FLOPs for each active parameter.
    flops = 2 * value(rows, "num_active_params") * value(rows) * (1 + 1024 / 128)
    assert 0 < flops < 0.75 * 8 * (spec.peak("bf16") or 0.0)
    assert value(rows, "ttft") > value(rows, "tpot") > 1e-4


def test_a_step_that_waits_for_its_host_says_so() -> None:
    (row,) = (row for _, row in predict_one(Query(what="gpt/gpt2-124m"), accelerators=["h100"]).rows if row.metric == "throughput")
    assert "host_bound" in row.reasons


@pytest.mark.parametrize(("gpu", "is_bound"), [("b200_sxm_180gb", True), ("l4", False)])
def test_a_served_step_that_is_launches_for_more_than_half_says_so(gpu: str, is_bound: bool) -> None:
    """A small model of one request: 2 ms to read its weights on the one, 54 on the other."""
    (row,) = (
        row
        for _, row in predict_one(Query(what="gpt/llama-3.1-8b", engine="vllm", batch_size=1), accelerators=[gpu]).rows
        if row.metric == "tpot"
    )
    assert ("host_bound" in row.reasons) == is_bound


@pytest.mark.parametrize(
    ("engine", "gpu", "said"),
    [
        ("tensorrt-llm", "mi300x", "it does not run on accelerators of AMD"),
        ("tensorrt-llm", "v100_sxm2_32gb", "it needs compute capability 8, and v100_sxm2_32gb has 7.0"),
        ("vllm", "p100_sxm2_16gb", "it needs compute capability 7, and p100_sxm2_16gb has 6.0"),
        ("llama.cpp", "tpu_v6e", "it does not run on accelerators of Google"),
    ],
)
@pytest.mark.parametrize("load", [None, RequestLoad(rate_per_s=1.0)])
def test_an_engine_is_refused_on_parts_that_it_does_not_run_on(engine: str, gpu: str, said: str, load: RequestLoad | None) -> None:
    """MI300X was answered for TensorRT-LLM, as calibrated."""
    with pytest.raises(UsageError, match=said) as refused:
        predict_one(Query(what="gpt/llama-3.2-1b", engine=engine, load=load), accelerators=[gpu])
    assert str(refused.value.hint).startswith("Use --engine ")


def test_replicas_that_no_request_reaches_are_counted_and_the_name_states_the_format() -> None:
    rows = answer("h100", batch_size=4, devices=16, precision="fp8")
    (throughput,) = (row for row in rows.values() if row.metric == "throughput")
    assert "replicas_idle:12" in throughput.reasons
    assert "/fp8/" in throughput.case
    assert not any("replicas_idle" in reason for reason in answer("h100", batch_size=16, devices=16)["throughput"].reasons)
