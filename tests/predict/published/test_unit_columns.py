"""The closed table of units: the same quantity in any of its units is one value, and nothing else is a unit."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.predict.published.unit_columns import quantity_of, read_unit

TIMES = (
    ("9", "ms"), ("9", "msec"), ("9", "milliseconds"), ("9", "MS"), ("9000", "us"), ("9000", "µs"), ("9000", "μs"), ("9e6", "ns"),
    ("0.009", "s"), ("0.009", "sec"), ("0.009", "seconds"), ("0.00015", "min"), ("0.00015", "minutes"), ("2.5e-6", "h"),
    ("2.5e-6", "hours"), ("9", "ms/token"), ("9", "ms per token"), ("9", "ms / tok"), ("111.11111111111111", "tokens/s/user"),
    ("9", " ｍｓ "),
)  # fmt: skip
RATES = (
    ("900", "tokens/s"), ("900", "tok/s"), ("900", "Tokens / sec"), ("900", "tokens per second"), ("54000", "tokens/min"),
    ("0.9", "k tokens/s"), ("0.9", "ktok/s"), ("0.9", "K tokens/s"), ("0.0009", "Mtokens/s"), ("1.1111111111111112", "ms/token"),
    ("0.0011111111111111111", "s/tok"), ("900", "tps"), ("900", "t/s"), ("3240000", "tokens/h"),
)  # fmt: skip


@pytest.mark.parametrize(("value", "unit"), TIMES)
def test_a_tpot_is_the_same_in_every_unit(value: str, unit: str) -> None:
    assert read_unit(unit, metric="tpot", family="llm").in_si(float(value)) == pytest.approx(0.009)


@pytest.mark.parametrize(("value", "unit"), RATES)
def test_a_throughput_is_the_same_in_every_unit(value: str, unit: str) -> None:
    found = read_unit(unit, metric="throughput", family="llm")
    assert found.in_si(float(value)) == pytest.approx(900)
    assert found.name == "tokens/s"


@pytest.mark.parametrize(
    ("family", "metric", "unit", "value", "expected", "name"),
    [
        ("diffusion-image", "throughput", "s/image", 0.25, 4.0, "images/s"),
        ("diffusion-image", "throughput", "samples/s", 4.0, 4.0, "images/s"),
        ("diffusion-image", "throughput", "imgs/min", 240.0, 4.0, "images/s"),
        ("diffusion-image", "denoise_iterations", "it/s", 20.0, 20.0, "it/s"),
        ("diffusion-image", "denoise_iterations", "s/it", 0.05, 20.0, "it/s"),
        ("diffusion-image", "denoise_iterations", "sec/step", 0.05, 20.0, "it/s"),
        ("diffusion-image", "energy", "Wh/image", 1.0, 3600.0, "J/image"),
        ("diffusion-image", "energy", "kWh/image", 0.001, 3600.0, "J/image"),
        ("diffusion-image", "energy", "images/kJ", 0.5, 2000.0, "J/image"),
        ("llm", "energy", "mJ/output token", 500.0, 0.5, "J/output token"),
        ("llm", "throughput_per_gpu", "tokens/s", 9.0, 9.0, "tokens/s/GPU"),
        ("llm", "throughput_per_gpu", "tok/s/GPU", 9.0, 9.0, "tokens/s/GPU"),
        ("llm", "throughput", "tokens/s (per GPU)", 9.0, 9.0, "tokens/s/GPU"),
        ("llm-train", "throughput", "samples/s", 9.0, 9.0, "sequences/s"),
        ("llm-train", "step_time", "s/it", 0.5, 0.5, "s"),
        ("llm-train", "step_time", "it/s", 2.0, 0.5, "s"),
        ("llm-train", "mfu", "%", 45.0, 0.45, "%"),
        ("llm-train", "model_tflops_per_gpu", "TFLOPS", 400.0, 400.0, "TFLOP/s"),
        ("llm-train", "model_tflops_per_gpu", "PFLOP/s/GPU", 0.4, 400.0, "PFLOP/s/GPU"),
        ("llm-train", "peak_memory", "GiB", 2.0, 2.0 * 2**30, "GiB"),
        ("llm-train", "peak_memory", "MB per GPU", 2.0, 2e6, "MB/GPU"),
        ("bert", "average_power", "kW", 0.3, 300.0, "kW"),
        ("gan", "train_time_per_1000_images", "s/kimg", 7.0, 7.0, "s/kimg"),
        ("audio-tts", "rtf_x_realtime", "x realtime (audio s / wall s)", 7.0, 7.0, "x realtime"),
        ("llm", "not_a_metric", "banana", 7.0, 7.0, "banana"),
    ],
)
def test_units_with_prefixes_inverses_and_devices_are_read(
    family: str, metric: str, unit: str, value: float, expected: float, name: str
) -> None:
    found = read_unit(unit, metric=metric, family=family)
    assert found.in_si(value) == pytest.approx(expected)
    assert found.name == name


@pytest.mark.parametrize(
    ("family", "metric", "unit"),
    [
        ("llm", "tpot", "banana"),
        ("llm", "tpot", "m"),
        ("llm", "tpot", "tokens/s"),
        ("llm", "tpot", "s/image"),
        ("llm", "ttft", "ms/token"),
        ("llm", "throughput", "images/s"),
        ("llm", "throughput", "samples/s"),
        ("llm", "throughput", "ms"),
        ("llm", "throughput", "it/s"),
        ("llm", "throughput", "tokens"),
        ("llm", "throughput", "tokens/s/s"),
        ("llm", "throughput", "tokens/s (thousands)"),
        ("llm", "throughput", "tokens/s; per GPU"),
        ("llm", "throughput", "s/token/GPU"),
        ("vision-cnn", "throughput", "tokens/s"),
        ("diffusion-image", "throughput", "fps"),
        ("diffusion-image", "energy", "J"),
        ("diffusion-image", "energy", "J/request"),
        ("diffusion-image", "latency", "s/image"),
        ("bert", "average_power", "w"),
        ("bert", "average_power", "mj"),
        ("llm-train", "peak_memory", "Gb"),
        ("llm-train", "peak_memory", "KB"),
        ("llm-train", "mfu", "W"),
        ("llm-train", "model_tflops_per_gpu", "TFLOP"),
        ("llm-train", "model_tflops_per_gpu", "TFLOP/min"),
    ],
)
def test_what_is_no_unit_of_the_metric_is_refused_with_those_that_are(family: str, metric: str, unit: str) -> None:
    first = quantity_of(metric, family=family)
    assert first is not None
    with pytest.raises(ValueError, match=re.escape(f"unit {unit!r} is not a unit of {metric}: {first.examples[0]}")):
        read_unit(unit, metric=metric, family=family)


def test_the_nearest_unit_is_named() -> None:
    with pytest.raises(ValueError, match=r"did you mean tokens/s"):
        read_unit("tokns/s", metric="throughput", family="llm")


@pytest.mark.parametrize("family", ["llm", "llm-train", "diffusion-image", "bert", "video", "a family of my own"])
@pytest.mark.parametrize(
    "metric",
    [
        "tpot", "ttft", "latency", "latency_batch", "latency_request", "step_time", "time_to_train", "time_per_epoch", "throughput",
        "throughput_per_gpu", "throughput_offline_samples", "decode_throughput", "denoise_iterations", "energy", "energy_per_item",
        "average_power", "peak_memory", "memory_host_peak", "achieved_mem_bw", "model_tflops_per_gpu", "mfu", "rtf_x_realtime",
        "train_time_per_1000_images",
    ],
)  # fmt: skip
def test_every_unit_that_a_refusal_names_is_read(family: str, metric: str) -> None:
    quantity = quantity_of(metric, family=family)
    assert quantity is not None
    for unit in quantity.examples:
        assert read_unit(unit, metric=metric, family=family).in_si(1.0) > 0


@given(st.text(max_size=20), st.sampled_from(["tpot", "throughput", "energy", "mfu", "peak_memory", "average_power"]))
def test_any_text_is_a_unit_or_refused(text: str, metric: str) -> None:
    try:
        found = read_unit(text, metric=metric, family="llm")
    except ValueError as refused:
        assert metric in str(refused)
    else:
        assert found.in_si(2.0) > 0
