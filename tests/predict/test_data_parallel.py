"""Training of traced models on several devices: traffic, memory, refusals."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.core.errors import UsageError
from aigc_bench.core.records import Case
from aigc_bench.predict.data_parallel import exchange_s, sharded
from aigc_bench.predict.predicted import PredictedRow
from aigc_bench.predict.queries import predict_one
from aigc_bench.predict.query import Query
from aigc_bench.predict.tracing.trace_cache import trace_case

CATALOGUE = load_catalogue(with_user_files=False)
CASE = Case(workload="gpt", preset="gpt2-124m", mode="train", engine="torch-eager", precision="bf16", backend="cuda", batch_size=8)
PARTS = ("h100_sxm_80gb", "a100_sxm_80gb", "l4", "rtx_4090", "mi300x", "gb200_186gb")


def seconds(name: str, *, devices: int, shards: int) -> float:
    case = CASE.model_copy(update={"devices": devices})
    return exchange_s(case, CATALOGUE.accelerator(name), trace_case(CASE), shards=shards, catalogue=CATALOGUE).value


def trained(devices: int, parallel: str | None = None, **fields: object) -> dict[str, PredictedRow]:
    query = Query.model_validate(
        {"what": "gpt/gpt2-124m", "mode": "train", "batch_size": 8, "devices": devices, "parallel": parallel, **fields}
    )
    return {row.metric: row for _, row in predict_one(query, accelerators=["h100"]).rows}


@settings(max_examples=30, deadline=None)
@given(name=st.sampled_from(PARTS), power=st.integers(0, 7), further=st.integers(0, 4))
def test_sharding_moves_half_as_much_again_and_more_devices_are_never_faster(name: str, power: int, further: int) -> None:
    """3 (n - 1) / n of the states against 2 (n - 1) / n of the gradients, and three starts against one."""
    devices, more = 2**power, 2 ** (power + further)
    whole, divided = seconds(name, devices=devices, shards=1), seconds(name, devices=devices, shards=devices)
    assert 1.49 * whole <= divided <= 3.01 * whole
    assert seconds(name, devices=more, shards=1) >= whole
    assert seconds(name, devices=more, shards=devices) >= divided


def test_the_exchange_of_one_server_and_of_eight_by_hand() -> None:
    """NVLink at 0.88 of 450 GB/s, eight network cards at 0.9 of 400 GB/s; 18 us a start, 20 us for each doubling of the servers."""
    size = trace_case(CASE).gradient_bytes
    gathers = 3 * (18e-6 + 7 / 8 * size / 396e9)
    assert seconds("h100_sxm_80gb", devices=8, shards=8) == pytest.approx(gathers, rel=1e-3)
    summed = 18e-6 + 3 * 20e-6 + 2 * 63 / 64 * size / 360e9
    assert seconds("h100_sxm_80gb", devices=64, shards=8) == pytest.approx(gathers + summed, rel=1e-3)
    assert seconds("h100_sxm_80gb", devices=64, shards=1) == pytest.approx(summed, rel=1e-3)


def test_a_shard_holds_its_part_of_all_states() -> None:
    trace = trace_case(CASE)
    small = sharded(trace, 8)
    states = trace.params_bytes + trace.gradient_bytes + trace.optimizer_bytes
    assert trace.peak_bytes - small.peak_bytes == pytest.approx(states * 7 / 8 - trace.params_bytes / 8, rel=0.01)
    assert sharded(trace, 1) is trace


def test_a_sharded_step_takes_longer_and_less_memory() -> None:
    whole, divided = trained(8), trained(8, "fsdp=8")
    for metric, is_more in (("step_time", True), ("memory_allocated_peak", False), ("memory_device_peak", False)):
        before, after = whole[metric].value, divided[metric].value
        assert before is not None and after is not None
        assert (after > before) == is_more, metric
    assert trained(8, "dp=8")["throughput"].value == whole["throughput"].value


@pytest.mark.parametrize(
    ("parallel", "fields", "said"),
    [
        ("tp=8", {}, "with data parallelism only"),
        ("fsdp=8", {"mode": "infer"}, "which inference has not"),
        ("fsdp=8", {"mode": "infer", "engine": "vllm"}, "no states of training"),
        ("fsdp=3", {}, "do not divide 8 devices"),
    ],
)
def test_what_cannot_be_divided_so_is_refused_in_one_line(parallel: str, fields: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        trained(8, parallel, **fields)
