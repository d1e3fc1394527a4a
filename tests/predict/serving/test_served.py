"""A case behind a server: the step time that the models give it, the order of the answers, and the words of the command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from aigc_bench import api
from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.catalog.records import AcceleratorSpec
from aigc_bench.cli import main
from aigc_bench.core.errors import UsageError
from aigc_bench.core.records import MetricRow
from aigc_bench.predict.closed_form.engine_options import Serving
from aigc_bench.predict.closed_form.language_rows import language_row
from aigc_bench.predict.fitting.calibration import shipped_calibration
from aigc_bench.predict.fitting.predictions import estimate_rows
from aigc_bench.predict.model import stage_times
from aigc_bench.predict.predicted import PredictedRow
from aigc_bench.predict.published.row import PublishedQuery
from aigc_bench.predict.queries import case_of
from aigc_bench.predict.query import Query, RequestLoad
from aigc_bench.predict.serving.batch_queue import BatchServer
from aigc_bench.predict.serving.capacity import estimate_highest_rate, highest_rate, simulate
from aigc_bench.predict.serving.closed_form_server import LIMITS
from aigc_bench.predict.serving.from_model import ServiceModel, service_level
from aigc_bench.predict.serving.lengths import FixedLength, LognormalLength
from aigc_bench.predict.serving.request_arrivals import Arrivals, Traffic
from aigc_bench.predict.serving.server_model import ServerModel, Slo
from aigc_bench.predict.tracing.trace_cache import trace_case

CATALOGUE = load_catalogue(with_user_files=False)
H100 = CATALOGUE.accelerator("h100_sxm_80gb")
MODEL = ServiceModel(CATALOGUE)
SLO = Slo(ttft_s=0.5, tpot_s=0.04)


def chat(rate_per_s: float = 5.0, *, num_requests: int = 300, prompt: float = 700) -> Traffic:
    return Traffic(
        arrivals=Arrivals(rate_per_s=rate_per_s),
        input_tokens=LognormalLength(mean=prompt, cv=1, maximum=6000),
        output_tokens=LognormalLength(mean=150, cv=1, maximum=1000),
        num_requests=num_requests,
    )


def llama(
    spec: AcceleratorSpec = H100,
    *,
    engine: str = "vllm",
    devices: int = 1,
    preset: str = "llama-3.1-8b",
    parallel: dict[str, int] | None = None,
    max_batch: int | None = None,
) -> ServerModel:
    case = case_of(Query(what=f"gpt/{preset}", engine=engine, devices=devices))
    found = MODEL.servers(case, spec, traffic=chat(), serving=Serving(parallel=parallel or {}), max_batch=max_batch)[0].likely
    assert isinstance(found, ServerModel)
    return found


@pytest.mark.parametrize("engine", ["vllm", "tensorrt-llm", "sglang"])
@pytest.mark.parametrize("sequences", [1, 16, 256])
def test_a_step_that_only_decodes_takes_what_the_calibrated_form_says(engine: str, sequences: int) -> None:
    query = PublishedQuery(
        family="llm", task="infer-online", model="llama-3.1-8b", gpu=H100.id, precision="bf16", software=engine, batch=sequences,
        input_len=700, output_len=150, metric="tpot", unit="s",
    )  # fmt: skip
    expected = estimate_rows([language_row(query, H100)], calibration=shipped_calibration())[0].value
    step = llama(engine=engine).step_time
    seconds = step.seconds(num_tokens=sequences, num_sequences=sequences, context_tokens=sequences * 775)
    assert seconds == pytest.approx(expected, rel=0.25)


@settings(max_examples=15, deadline=None)
@given(rate=st.floats(0.5, 20.0), factor=st.floats(1.2, 4.0), seed=st.integers(0, 3))
def test_a_higher_rate_never_brings_the_last_percent_its_first_token_sooner(rate: float, factor: float, seed: int) -> None:
    """But for which requests meet a pass that is being launched, which is chance: that much is allowed to one, not to the mean."""
    server = llama()
    chance_s = server.prompt_pass_s * server.first_token_factor
    traffic = chat(rate).model_copy(update={"seed": seed})
    calm, busy = simulate(server, traffic), simulate(server, traffic.at_rate(rate * factor))
    assert calm.ttft and busy.ttft and calm.ttft.p99 and busy.ttft.p99
    assert busy.ttft.p99 >= calm.ttft.p99 * 0.98 - chance_s
    assert busy.ttft.mean >= calm.ttft.mean * 0.98


@settings(max_examples=8, deadline=None)
@given(memory=st.floats(1.0, 3.0), compute=st.floats(1.0, 3.0))
def test_more_bandwidth_and_more_flops_never_lower_the_highest_rate(memory: float, compute: float) -> None:
    faster = H100.model_copy(
        update={
            "memory_bandwidth_bytes_per_s": H100.memory_bandwidth_bytes_per_s * memory,
            "peak_flops": {dtype: peak * compute for dtype, peak in H100.peak_flops.items()},
        }
    )
    before, after = (highest_rate(llama(spec), chat(), slo=SLO, precision=0.03).rate_per_s or 0.0 for spec in (H100, faster))
    assert after >= before * 0.97


@settings(max_examples=10, deadline=None)
@given(
    rate=st.floats(0.2, 60.0),
    gpu=st.sampled_from(["h100_sxm_80gb", "a100_sxm_80gb", "b200_sxm_180gb", "l40s", "mi300x"]),
    engine=st.sampled_from(["vllm", "tensorrt-llm", "sglang", "llama.cpp"]),
)
def test_every_figure_lies_in_its_interval_and_littles_law_holds(rate: float, gpu: str, engine: str) -> None:
    # TensorRT-LLM does not run on AMD's parts.
    assume(gpu != "mi300x" or engine != "tensorrt-llm")
    case = case_of(Query(what="gpt/llama-3.1-8b", engine=engine))
    servers, _ = MODEL.servers(case, CATALOGUE.accelerator(gpu), traffic=chat())
    level = service_level(servers, chat(rate, num_requests=120))
    assert all(one.low <= one.value <= one.high for one in level.figures.values())
    assert level.figures["littles_law_error"].high < 1e-9
    assert level.highest_rate is None


def test_a_pipeline_of_two_stages_is_two_engines_with_half_the_cache_each() -> None:
    one = llama(preset="llama-3.1-70b", devices=4, parallel={"tp": 4})
    two = llama(preset="llama-3.1-70b", devices=8, parallel={"tp": 4, "pp": 2})
    assert (one.replicas, two.replicas) == (1, 2)
    ratio = two.step_time.curve_s(64) / one.step_time.curve_s(64)
    assert 1 < ratio < 1.4, "a step also goes from stage to stage, and waits for the slowest"
    assert one.kv_capacity_tokens and two.kv_capacity_tokens
    assert two.kv_capacity_tokens > one.kv_capacity_tokens


def test_devices_that_no_rank_needs_are_replicas() -> None:
    assert llama(devices=8, parallel={"tp": 2}).replicas == 4


def test_engines_have_their_own_limits_and_a_stated_batch_overrides_the_places() -> None:
    assert llama(engine="tensorrt-llm").kv_policy == "reserve"
    assert llama().max_num_seqs == LIMITS["vllm"].max_num_seqs
    assert llama(max_batch=16).max_num_seqs == 16


def test_weights_that_leave_no_room_for_a_cache_are_reported_with_a_way_out() -> None:
    with pytest.raises(UsageError, match=r"llama-3.1-70b in bf16: its weights of 131 GiB leave no room .* 1 x h100_sxm_80gb.*tp=4"):
        llama(preset="llama-3.1-70b")


def test_a_repeated_question_is_answered_from_memory() -> None:
    case = case_of(Query(what="gpt/llama-3.1-8b", engine="vllm"))
    first = MODEL.servers(case, H100, traffic=chat(1.0))
    assert MODEL.servers(case, H100, traffic=chat(9.0)) is first
    assert MODEL.servers(case, H100, traffic=chat(9.0, prompt=900)) is not first


def test_a_traced_language_model_decodes_as_its_operators_do() -> None:
    case = case_of(Query(what="gpt/tiny"))
    traffic = Traffic(arrivals=Arrivals(rate_per_s=1.0), input_tokens=FixedLength(tokens=48), output_tokens=FixedLength(tokens=8))
    servers, cautions = MODEL.servers(case, H100, traffic=traffic, max_batch=8)
    traced = case.model_copy(update={"batch_size": 8, "settings": {"prompt_len": 48, "max_new_tokens": 2}})
    times = stage_times(traced, H100, trace_case(traced))
    for end, server in (("value", servers.likely), ("low", servers.fast), ("high", servers.slow)):
        assert isinstance(server, ServerModel)
        step = server.step_time.seconds(num_tokens=8, num_sequences=8, context_tokens=8 * 49)
        assert step == pytest.approx(getattr(times["decode"], end), rel=0.15)
    assert "scheduler_assumed" in cautions


def test_a_family_that_answers_whole_is_served_in_batches() -> None:
    case = case_of(Query(what="vae"))
    servers, _ = MODEL.servers(case, H100, traffic=chat(), max_batch=16)
    assert isinstance(servers.likely, BatchServer)
    assert servers.likely.max_batch == 16
    single, whole = (servers.likely.batch_time.seconds(num_tokens=size, num_sequences=size) for size in (1, 16))
    assert single <= whole < 16 * single
    rates = [
        estimate_highest_rate(MODEL.servers(case, H100, traffic=chat(), max_batch=size)[0], chat(), slo=Slo(latency_s=1.0)).value
        for size in (1, 16)
    ]
    assert rates[0] < rates[1] <= 16 / whole * 1.001
    with pytest.raises(UsageError, match="no first token"):
        service_level(servers, chat(), slo=Slo(ttft_s=1.0))


def predicted(**changes: object) -> dict[str, MetricRow]:
    load = {"rate_per_s": 5.0, "slo_ttft_s": 0.5, "slo_tpot_s": 0.04, "num_requests": 200, "lengths": "700/lognormal:150,1"}
    rows = api.predict(
        "gpt/llama-3.1-8b",
        accelerators=["h100"],
        engine="vllm",
        load=RequestLoad.model_validate({**load, **changes}),
    ).rows
    assert {name for name, _ in rows} == {"h100_sxm_80gb"}
    return {row.metric: row for _, row in rows}


def test_the_api_gives_percentiles_goodput_and_the_highest_rate_as_modelled_rows() -> None:
    rows = predicted()
    families = {f"{family}_{label}" for family in ("ttft", "tpot", "itl", "latency") for label in ("mean", "p90", "p95", "p99")}
    assert families | {"ttft", "tpot", "itl_p50", "latency_p50", "goodput", "highest_rate", "littles_law_error"} <= set(rows)
    for row in rows.values():
        assert row.value is not None and row.low is not None and row.high is not None
        assert row.low <= row.value <= row.high
        assert (row.basis, row.scenario, row.engine) == ("modelled", "server", "vllm")
        assert row.case.endswith("/server/vllm/rate=5")
    assert rows["highest_rate"].reasons == ("limited_by_slo", "layout:tp=1")
    assert {row.verdict for row in rows.values()} == {"modelled"}
    assert rows["goodput"].grade == "calibrated"
    assert rows["goodput"].value == pytest.approx(rows["goodput_share"].value * rows["arrival_rate"].value)  # type: ignore[operator]


def test_a_bound_for_more_of_the_requests_never_allows_more_of_them() -> None:
    rates = [predicted(percentile=percentile)["highest_rate"].value or 0.0 for percentile in (50.0, 90.0, 99.0)]
    assert rates == sorted(rates, reverse=True)


def test_a_trace_brings_its_lengths_and_its_moments(tmp_path: Path) -> None:
    file = tmp_path / "trace.csv"
    lines = [f"{index / 4},{100 + index},{20 + index % 7}" for index in range(120)]
    file.write_text("arrival_s,input_tokens,output_tokens\n" + "\n".join(lines) + "\n")
    kept = predicted(rate_per_s=None, lengths=None, num_requests=None, trace=file)
    assert kept["arrival_rate"].value == pytest.approx(4.0, rel=0.02)
    squeezed = predicted(rate_per_s=8.0, lengths=None, num_requests=None, trace=file)
    assert squeezed["arrival_rate"].value == pytest.approx(8.0, rel=0.02)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--scenario", "server"], "arrival rate is missing"),
        (["--scenario", "server", "--rate", "0"], "more than 0 requests"),
        (["--rate", "3"], "add --scenario server"),
        (["--scenario", "server", "--rate", "3", "--lengths", "12"], "the output length is missing"),
        (["--scenario", "server", "--rate", "3", "--lengths", "12/normal:3"], "not a length"),
        (["--scenario", "server", "--rate", "3", "--slo-ttft", "-1"], "more than 0 seconds"),
        (["--scenario", "server", "--rate", "3", "--slo-ttft", "1", "--percentile", "101"], "up to 100"),
        (["--scenario", "server", "--rate", "3", "--trace", "nowhere.csv"], "nowhere.csv"),
        (["--scenario", "server", "--rate", "3", "--mode", "train"], "serves language models only"),
        (["--scenario", "server", "--rate", "3", "--engine", "vlm"], "Did you mean vllm"),
        (["--scenario", "server", "--rate", "3", "--precision", "fp9"], "fp8"),
        (["--scenario", "sever"], "server"),
    ],
)
def test_a_mistake_in_the_load_gets_one_line(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", "gpt/llama-3.1-8b", "-a", "h100", "--engine", "vllm", *words]) == 2
    output = capsys.readouterr().err.strip()
    assert message in output
    assert len(output.splitlines()) == 1


def test_the_command_prints_a_list_with_the_keys_of_show_and_the_accelerator(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["predict", "gpt/llama-3.1-8b", "-a", "h100", "-a", "b200", "--engine", "vllm", "--scenario", "server", "--rate", "4"]
    assert main([*words, "--requests", "100", "--slo-tpot", "0.05", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["accelerator"] for row in rows} == {"h100_sxm_80gb", "b200_sxm_180gb"}
    assert all(set(row) == {"accelerator", *PredictedRow.model_fields} for row in rows)
    assert all(row["low"] <= row["value"] <= row["high"] and row["basis"] == "modelled" for row in rows)
