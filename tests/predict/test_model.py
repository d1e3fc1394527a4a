"""Predictions: physics, monotonicity, the contract of the rows, and one line for every mistake."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.catalog.records import AcceleratorSpec
from aigc_bench.core.errors import UnknownNameError, UsageError
from aigc_bench.core.words import parse_settings
from aigc_bench.predict.closed_form import forms
from aigc_bench.predict.closed_form.columns import NotPredictable
from aigc_bench.predict.closed_form.language_rows import language_row
from aigc_bench.predict.closed_form.step_rows import step_row
from aigc_bench.predict.fitting.calibration import shipped_calibration
from aigc_bench.predict.fitting.predictions import estimate_rows, refuse_far_outside
from aigc_bench.predict.model import predict_case
from aigc_bench.predict.published.row import PublishedQuery
from aigc_bench.predict.queries import case_of, parse_parallel, predict_one
from aigc_bench.predict.query import Query

CATALOGUE = load_catalogue(with_user_files=False)
H100 = CATALOGUE.accelerator("h100_sxm_80gb")


def served(spec: AcceleratorSpec, *, metric: str = "tpot", **changes: object) -> PublishedQuery:
    fields = {
        "family": "llm", "task": "infer-online", "model": "llama-3.1-8b", "gpu": spec.id, "gpu_count": 1, "precision": "bf16",
        "software": "vllm", "concurrency": 32.0, "input_len": 1024.0, "output_len": 256.0, "metric": metric, "unit": "",
    }  # fmt: skip
    return PublishedQuery.model_validate({**fields, **changes})


def value_of(query: PublishedQuery, spec: AcceleratorSpec) -> float:
    row = language_row(query, spec) if query.family == "llm" else step_row(query, spec)
    return estimate_rows([row], calibration=shipped_calibration())[0].value


def faster(spec: AcceleratorSpec, *, compute: float, memory: float, link: float) -> AcceleratorSpec:
    return spec.model_copy(
        update={
            "peak_flops": {dtype: peak * compute for dtype, peak in spec.peak_flops.items()},
            "memory_bandwidth_bytes_per_s": spec.memory_bandwidth_bytes_per_s * memory,
            "scale_up_bytes_per_s": (spec.scale_up_bytes_per_s or 1e9) * link,
        }
    )


factors = st.floats(1.0, 4.0)


@settings(max_examples=40, deadline=None)
@given(
    compute=factors,
    memory=factors,
    link=factors,
    metric=st.sampled_from(["tpot", "ttft", "throughput"]),
    ranks=st.sampled_from([1, 2, 8]),
)
def test_a_faster_device_never_serves_slower(compute: float, memory: float, link: float, metric: str, ranks: int) -> None:
    query = served(H100, metric=metric, model="llama-3.1-70b", gpu_count=ranks, precision="fp8")
    before, after = value_of(query, H100), value_of(query, faster(H100, compute=compute, memory=memory, link=link))
    assert after >= before * 0.9999 if metric == "throughput" else after <= before * 1.0001


@settings(max_examples=40, deadline=None)
@given(
    compute=factors,
    memory=factors,
    link=factors,
    family=st.sampled_from(["bert", "diffusion-image", "vision-cnn"]),
    task=st.sampled_from(["infer", "train"]),
)
def test_a_faster_device_never_steps_slower(compute: float, memory: float, link: float, family: str, task: str) -> None:
    model = {"bert": "BERT-Large", "diffusion-image": "SDXL", "vision-cnn": "ResNet50"}[family]
    query = PublishedQuery(
        family=family, task=task, model=model, gpu=H100.id, gpu_count=8, precision="fp16", software="PyTorch", batch=8, steps=20,
        metric="throughput", unit="items/s",
    )  # fmt: skip
    assert value_of(query, faster(H100, compute=compute, memory=memory, link=link)) >= value_of(query, H100) * 0.9999


@settings(max_examples=30, deadline=None)
@given(shorter=st.integers(16, 8000), factor=st.floats(1.0, 8.0))
def test_a_longer_prompt_never_answers_sooner_in_the_closed_form(shorter: int, factor: float) -> None:
    rows = [language_row(served(H100, metric="ttft", input_len=float(length)), H100) for length in (shorter, int(shorter * factor))]
    logs = forms.log_quantity("language", forms.columns_of(rows), shipped_calibration().constants["language"])
    assert logs[1] >= logs[0] - 1e-9


@settings(max_examples=40, deadline=None)
@given(
    gpu=st.sampled_from(["h100_sxm_80gb", "a100_sxm_80gb", "b200_sxm_180gb", "l4", "rtx_4090", "mi300x"]),
    concurrency=st.integers(1, 512),
    length=st.integers(16, 16_000),
    metric=st.sampled_from(["tpot", "ttft", "throughput"]),
)
def test_no_prediction_is_above_the_roofline(gpu: str, concurrency: int, length: int, metric: str) -> None:
    spec = CATALOGUE.accelerator(gpu)
    row = language_row(served(spec, metric=metric, concurrency=float(concurrency), input_len=float(length)), spec)
    limit = row.value(float(forms.roofline_log("language", forms.columns_of([row]))[0]))
    value = estimate_rows([row], calibration=shipped_calibration())[0].value
    assert value <= limit * 1.0001 if metric == "throughput" else value >= limit * 0.9999


@settings(max_examples=40, deadline=None)
@given(concurrency=st.integers(1, 1024), length=st.integers(1, 30_000), metric=st.sampled_from(["tpot", "ttft", "throughput"]))
def test_every_interval_holds_its_value(concurrency: int, length: int, metric: str) -> None:
    row = language_row(served(H100, metric=metric, concurrency=float(concurrency), input_len=float(length)), H100)
    estimate = estimate_rows([row], calibration=shipped_calibration())[0]
    assert 0 < estimate.low <= estimate.value <= estimate.high
    assert estimate.basis == "modelled"


def test_far_outside_the_calibrated_range_the_model_refuses() -> None:
    row = language_row(served(H100, input_len=1e9), H100)
    with pytest.raises(NotPredictable, match="outside the calibrated range"):
        refuse_far_outside(row, shipped_calibration().ranges)


def test_a_dtype_that_a_device_lacks_is_multiplied_in_the_next_wider_one() -> None:
    a100 = CATALOGUE.accelerator("a100_sxm_80gb")
    eight, sixteen = (language_row(served(a100, precision=name), a100) for name in ("fp8", "bf16"))
    assert eight.columns["decode_linear"] == sixteen.columns["decode_linear"]
    # Llama 3.1 8B: 8.03e9 parameters less the input table are read; the output head, as large, stays in 16 bits.
    table, read = 128_256 * 4096, 8_030_261_248 - 128_256 * 4096
    share = (read - table + 2 * table) / (2 * read)
    assert eight.columns["decode_weights"] == pytest.approx(sixteen.columns["decode_weights"] * share, rel=1e-5)


def test_a_served_model_of_seventy_billion_parameters_is_predicted_without_building_it() -> None:
    query = Query(what="gpt/llama-3.1-70b", engine="tensorrt-llm", precision="fp8", batch_size=16, devices=8, parallel="tp=4")
    rows = predict_one(query, accelerators=["h100"]).rows
    described = {"num_params", "num_active_params", "kv_bytes_per_token"}
    assert {row.metric for _, row in rows} == {"throughput", "ttft", "tpot", "memory_allocated_peak", *described}
    assert all(row.basis == "modelled" and row.precision == "fp8" and row.low <= row.value <= row.high for _, row in rows)


def test_a_traced_case_has_times_memory_and_power_with_intervals() -> None:
    case = case_of(Query(what="transformer", batch_size=2), backend="cuda")
    rows = predict_case(case, H100, catalogue=CATALOGUE)
    found = {row.metric: row for row in rows}
    assert {"throughput", "step_time", "memory_allocated_peak", "flops_rate", "mfu", "power_mean"} <= set(found)
    assert all(row.low <= row.value <= row.high and row.basis == "modelled" for row in rows)
    assert 0 < found["mfu"].value <= 1
    stages = sum(row.value for row in rows if row.metric.startswith("stage_time."))
    assert stages == pytest.approx(found["step_time"].value)


@settings(max_examples=6, deadline=None)
@given(batch=st.integers(1, 16), more=st.integers(1, 16))
def test_a_bigger_batch_never_needs_less_memory(batch: int, more: int) -> None:
    def memory(size: int) -> float:
        rows = predict_case(case_of(Query(what="vae", batch_size=size)), H100, catalogue=CATALOGUE)
        return next(row.value for row in rows if row.metric == "memory_allocated_peak")

    assert memory(batch + more) >= memory(batch)


def test_what_does_not_fit_is_invalid_and_says_so() -> None:
    tiny = H100.model_copy(update={"memory_bytes": 10**8, "usable_memory_bytes": 10**8})
    rows = predict_case(case_of(Query(what="transformer", batch_size=2)), tiny, catalogue=CATALOGUE)
    assert all(row.verdict == "invalid" and "does_not_fit" in row.reasons for row in rows)


@pytest.mark.parametrize(
    ("query", "accelerator", "message"),
    [
        (Query(what="gpt/llama-3.1-8x"), "h100", "llama-3.1-8b"),
        (Query(what="gpt"), "h1000", "Did you mean"),
        (Query(what="gtp"), "h100", "gpt"),
        (Query(what="gpt", engine="vlm"), "h100", "vllm"),
        (Query(what="gpt", precision="fp9"), "h100", "fp"),
    ],
)
def test_an_unknown_name_gets_one_line_with_the_nearest(query: Query, accelerator: str, message: str) -> None:
    with pytest.raises(UnknownNameError) as problem:
        predict_one(query, accelerators=[accelerator])
    assert message in str(problem.value)
    assert "\n" not in str(problem.value)


def test_no_accelerator_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="no accelerator"):
        predict_one(Query(what="gpt"), accelerators=[])


def test_parallel_ranks_must_divide_the_devices() -> None:
    assert parse_parallel("tp=4,pp=2", devices=8) == {"tp": 4, "pp": 2}
    with pytest.raises(UsageError, match="do not divide"):
        parse_parallel("tp=3", devices=8)
    with pytest.raises(UsageError, match=r"dimension is missing.*tp=4"):
        parse_parallel("4", devices=8)
    with pytest.raises(UnknownNameError, match="parallel dimension"):
        parse_parallel("xp=3", devices=3)


def test_settings_are_numbers_where_they_look_like_it() -> None:
    assert parse_settings(["a=1", "b=0.5", "c=true", "d=x"]) == {"a": 1, "b": 0.5, "c": True, "d": "x"}
    with pytest.raises(UsageError, match="not a setting"):
        parse_settings(["prompt_len"])


def test_mfu_and_achieved_flops_of_training_are_one_prediction() -> None:
    def ask(metric: str, unit: str) -> PublishedQuery:
        return PublishedQuery(
            family="llm-train", task="train", model="MPT-7b", gpu=H100.id, gpu_count=8, precision="bf16", software="llm-foundry",
            batch=64, input_len=2048, metric=metric, unit=unit,
        )  # fmt: skip

    share, achieved = step_row(ask("mfu", "%"), H100), step_row(ask("model_tflops_per_gpu", "TFLOP/s/GPU"), H100)
    seconds = 0.0
    assert achieved.value(seconds) * 1e12 / 989.4e12 == pytest.approx(share.value(seconds))
