"""Questions about served language models by hand: layout, lengths, sequences in flight, what joins the metric to the form."""

from __future__ import annotations

import math
from typing import Any

import pytest

from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.catalog.records import AcceleratorSpec
from aigc_bench.predict.closed_form import language
from aigc_bench.predict.closed_form.columns import ModelRow, NotPredictable
from aigc_bench.predict.closed_form.language_rows import ENGINES, QUANTITIES, format_as_served, language_row
from aigc_bench.predict.closed_form.published_layouts import published_layout
from aigc_bench.predict.published.name_resolution import language_models, number_format, resolve_engine, resolve_language_model
from aigc_bench.predict.published.row import PublishedQuery

CATALOGUE = load_catalogue(with_user_files=False)
H100 = CATALOGUE.accelerator("h100_sxm_80gb")
LLAMA = resolve_language_model("llama-3.1-8b")
assert LLAMA is not None


def row(spec: AcceleratorSpec = H100, **changes: Any) -> ModelRow:
    plain: dict[str, Any] = {
        "family": "llm", "task": "infer-online", "model": "llama-3.1-8b", "gpu": spec.id, "precision": "bf16",
        "software": "vllm 0.6", "concurrency": 8, "input_len": 1000, "output_len": 200, "metric": "tpot", "unit": "s",
    }  # fmt: skip
    return language_row(PublishedQuery(**{**plain, **changes}), spec)


def laid(**changes: Any) -> tuple[float, float, float]:
    """(ranks of a replica, replicas, ranks that keep whole caches) of a model on devices."""
    found = row(**changes)
    words = {"number_format": number_format("bf16"), "sequences": found.columns["sequences"], "context": 1.0, "cache_bytes": 2.0}
    one = language.decode_terms(LLAMA, H100, layout=language.Layout(), **words)["decode_linear"]  # type: ignore[arg-type]
    return round(one / found.columns["decode_linear"]), found.columns["replicas"], found.columns["attention_ranks"]


def test_eight_clients_of_one_device_by_hand() -> None:
    found = row()
    assert LLAMA is not None
    layout, bf16 = language.Layout(), number_format("bf16")
    decode = language.decode_terms(LLAMA, H100, number_format=bf16, layout=layout, sequences=8.0, context=1100.0, cache_bytes=2.0)
    prefill = language.prefill_terms(LLAMA, H100, number_format=bf16, layout=language.Layout(), length=1000.0)
    room = language.cache_capacity_tokens(LLAMA, H100, number_format=bf16, layout=layout, cache_bytes=2.0, context=1100.0) / 1100
    rest = {
        "input_len": 1000.0, "output_len": 200.0, "replicas": 1.0, "prefill_replicas": 1.0, "waiting": 1.0, "is_offline": 0.0,
        "is_static": 0.0, "is_disaggregated": 0.0, "link": 0.0, "looks_seldom": 0.0, "latent_layers": 0.0, "attention_ranks": 1.0,
        "prompts_a_pass": 8.192, "power_share": language.power_share(H100), "requested": 8.0, "room": room,
        "engine": float(ENGINES.index("vllm")), "idle_share": (H100.idle_w or 0) / (H100.tdp_w or 1),
        "bandwidth": H100.memory_bandwidth_bytes_per_s, "aspect": float(QUANTITIES.index("tpot")),
    }  # fmt: skip
    assert found.columns == {name: pytest.approx(value) for name, value in (decode | prefill | rest).items()}
    assert (found.form, found.track, found.offset, found.sign, found.is_rate) == ("language", "llm.tpot", 0.0, 1.0, False)
    assert (found.accelerator, found.caution, found.shapes_constants) == (H100.id, (), True)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"gpu_count": 8}, (8, 1, 1)),
        ({"gpu_count": 8, "layout": {"tp": 2}}, (2, 4, 1)),
        ({"gpu_count": 8, "layout": {"tp": 2, "pp": 2}}, (2, 4, 1)),
        ({"gpu_count": 8, "layout": {"pp": 4}}, (2, 4, 1)),
        ({"gpu_count": 8, "layout": {"ep": 4}}, (4, 2, 1)),
        ({"gpu_count": 8, "layout": {"tp": 4, "attention_dp": 4}}, (4, 2, 4)),
        ({"gpu_count": 4, "layout": {"tp": 8}}, (4, 1, 1)),
        ({"gpu_count": 32, "layout": {"tp": 32}}, (32, 1, 1)),
        # more ranks than an island holds, and no power of two: two thirds write, on 32 ranks at most, the rest read prompts
        ({"gpu_count": 48, "layout": {"tp": 48}, "concurrency": 4096}, (32, 1, 32)),
        ({"gpu_count": 64, "layout": {"tp": 64}, "concurrency": 4096}, (32, 42 / 32, 32)),
        # and under a light load groups of eight next to one of four that reads prompts
        ({"gpu_count": 36, "layout": {"tp": 36}, "concurrency": 256}, (8, 4, 1)),
        ({"gpu_count": 8, "concurrency": None}, (1, 8, 1)),
        ({"gpu_count": 8, "concurrency": math.inf}, (1, 8, 1)),
        ({"gpu_count": 8, "concurrency": None, "layout": {"tp": 4}}, (4, 2, 1)),
        ({"gpu_count": 8, "concurrency": None, "software": "tensorrt-llm 1"}, (8, 1, 1)),
        ({"gpu_count": 8, "software": "llama.cpp"}, (1, 1, 1)),
    ],
)
def test_a_layout_is_as_stated_else_one_replica_or_as_many_as_fit(changes: dict[str, Any], expected: tuple[float, ...]) -> None:
    ranks, replicas, attention = laid(**changes)
    if changes.get("gpu_count", 0) > 32:
        assert (ranks, replicas) == (expected[0], pytest.approx(expected[1]))
        return
    assert (ranks, replicas, attention) == expected


def test_prompts_that_are_read_elsewhere_have_workers_of_their_own() -> None:
    """Two prefill workers of four; the other eight of sixteen devices make two decode workers of four."""
    stated = {"decode_tp": 4.0, "prefill_tp": 4.0, "prefill_workers": 2.0}
    found = row(gpu_count=16, words={"mode": "disagg"}, layout=stated).columns
    assert (found["is_disaggregated"], found["replicas"], found["prefill_replicas"]) == (1.0, 2.0, 2.0)
    assert found["attention_ranks"] == 1.0
    assert LLAMA is not None
    prompt = language.prefill_terms(
        LLAMA, H100, number_format=number_format("bf16"), layout=language.Layout(tensor=4), length=1000.0
    )
    assert found["prefill_linear"] == pytest.approx(prompt["prefill_linear"])
    apart = row(
        gpu_count=16, words={"mode": "disagg"}, layout=stated | {"prefill_attention_dp": 4.0, "decode_workers": 1.0}
    ).columns
    assert (apart["attention_ranks"], apart["replicas"]) == (4.0, 1.0)
    assert row(gpu_count=16, words={"mode": "disagg"}, layout=stated).groups["tpot.engine"] == "tpot|vllm|disaggregated|"


@pytest.mark.parametrize(
    ("devices", "ranks", "clients", "expected"),
    [
        # One group of each kind is stated whatever their number: as many as such runs have.
        (16, (8, 8), 64, (8, 4.0, 1)),
        # Under a heavy load one group whose attention is in data parallel, and always where it is wider than two servers.
        (16, (8, 8), 2048, (8, 1.0, 8)),
        (36, (32, 4), 64, (32, 1.0, 32)),
        # Both groups count all devices: there are half as many, laid out as such runs are.
        (72, (36, 36), 64, (8, 4.0, 1)),
        (72, (36, 36), 4096, (24, 1.0, 24)),
        # No device holds a model of 671 billion parameters.
        (2, (1, 1), 64, (8, 4.0, 1)),
    ],
)
def test_groups_that_a_row_leaves_open_are_as_many_as_such_runs_have(
    devices: int, ranks: tuple[int, int], clients: int, expected: tuple[float, ...]
) -> None:
    model, words = language_models()["deepseek-v3"], {"mode": "disagg"}
    query = PublishedQuery(
        family="llm", model="deepseek-v3", gpu="GB200", gpu_count=devices, software="trtllm", concurrency=clients, metric="tpot",
        unit="s", words=words, layout={"decode_tp": ranks[0], "prefill_tp": ranks[1]},
    )  # fmt: skip
    gb200 = CATALOGUE.accelerator("gb200_186gb")
    found = published_layout(query, model, gb200, engine=resolve_engine("trtllm"), numbers=number_format("fp8"))
    assert (found.tensor, found.replicas, found.attention_replicas) == expected
    assumed = language_row(query, gb200)
    assert "layout_assumed" in assumed.caution and not assumed.shapes_constants
    stated = query.model_copy(update={"layout": {**query.layout, "decode_workers": 1.0}})
    assert "layout_assumed" not in language_row(stated, gb200).caution


def test_gpt_oss_in_four_bits_is_its_own_checkpoint_and_unpacked_where_there_are_no_four_bit_cores() -> None:
    model = language_models()["gpt-oss-120b"]
    for stated in ("fp4", "bf16", None):
        assert format_as_served(model, stated, name="").name == "mxfp4"
    assert format_as_served(LLAMA, "fp4", name="").name == "fp4"
    assert language.peak_flops(H100, number_format("mxfp4"))[1] == "bf16"
    assert language.peak_flops(CATALOGUE.accelerator("b200_sxm_180gb"), number_format("mxfp4"))[1] == "fp8"


def test_a_step_reads_what_a_checkpoint_leaves_in_16_bits_at_that_width() -> None:
    head = LLAMA.vocab_size * LLAMA.hidden_size
    read = language.read_bytes(LLAMA, number_format("fp8"), tokens=1.0)
    assert read == pytest.approx(LLAMA.dense_params + head)
    assert language.read_bytes(LLAMA, number_format("bf16"), tokens=1.0) == pytest.approx(2.0 * LLAMA.dense_params)
    # Experts of gpt-oss are packed, and nothing else: a step of one token reads most of its bytes of the latter.
    oss = language_models()["gpt-oss-120b"]
    assert language.read_bytes(oss, number_format("mxfp4"), tokens=0.0) == pytest.approx(2.0 * oss.dense_params)


@pytest.mark.parametrize(
    ("metric", "unit", "given", "lengths"),
    [
        ("tpot", "s", {}, (400, 250)),
        ("tpot", "s", {"input_len": 7}, (7, 250)),
        ("throughput_offline", "tokens/s", {}, (778, 73)),
        ("ttft_mean", "s", {}, (778, 73)),
        ("throughput_offline", "tokens/s", {"input_len": 7}, (7, 250)),
        ("throughput", "tokens/s", {}, (400, 250)),
        ("decode_throughput", "tokens/s", {}, (1, 200)),
        ("prefill_throughput", "tokens/s", {}, (512, 1)),
        ("prefill_latency", "s", {"output_len": 9}, (512, 9)),
    ],
)
def test_lengths_that_a_row_does_not_say_are_those_of_its_data_set_or_usual(
    metric: str, unit: str, given: dict[str, float], lengths: tuple[float, float]
) -> None:
    found = row(**{"metric": metric, "unit": unit, "input_len": None, "output_len": None, **given})
    assert (found.columns["input_len"], found.columns["output_len"]) == lengths
    assert ("lengths_assumed" in found.caution) == (not given)


def test_as_many_sequences_run_as_are_sent_as_fit_or_as_the_batch_says() -> None:
    room = row().columns["room"]
    crowded = row(concurrency=10 * room).columns
    assert crowded["sequences"] == pytest.approx(room) and crowded["waiting"] == pytest.approx(10.0)
    assert crowded["requested"] == pytest.approx(10 * room)
    split = row(gpu_count=4, layout={"tp": 1}, concurrency=40).columns
    assert (split["sequences"], split["requested"], split["replicas"]) == (10.0, 10.0, 4.0)
    batch = row(batch=5, concurrency=None).columns
    assert (batch["sequences"], batch["is_static"], batch["is_offline"], batch["waiting"]) == (5.0, 1.0, 0.0, 1.0)
    offline = row(concurrency=None).columns
    assert (offline["sequences"], offline["is_offline"]) == (pytest.approx(room), 1.0) and offline["requested"] == offline[
        "sequences"
    ]
    short = row(concurrency=None, input_len=1, output_len=1).columns
    assert short["sequences"] == 2048.0
    assert row(concurrency=0.1).columns["sequences"] == 1.0
    assert row(metric="itl_median").columns["is_static"] == 1.0
    reserving = row(software="tensorrt-llm 1").columns["room"]
    assert reserving == pytest.approx(room * 1100 / 1200), "the whole answer is reserved"


@pytest.mark.parametrize(
    ("changes", "offset", "track"),
    [
        ({"metric": "throughput", "unit": "tokens/s"}, 1, "rate"),
        ({"metric": "throughput", "unit": "tokens/s/GPU"}, 4, "rate"),
        ({"metric": "throughput_per_gpu", "unit": "tokens/s"}, 4, "rate"),
        ({"metric": "throughput_offline_samples", "unit": "samples/s"}, 200, "rate"),
        ({"metric": "latency_request", "unit": "s"}, 1, "latency"),
        ({"metric": "tpot_mean", "unit": "s"}, 1, "server_latency"),
        ({"metric": "energy", "unit": "J/output token"}, 4 * 700, "energy"),
        ({"metric": "energy", "unit": "J/request"}, 4 * 700 * 200, "energy"),
    ],
)
def test_a_metric_is_joined_to_the_form_by_its_unit(changes: dict[str, Any], offset: float, track: str) -> None:
    found = row(gpu_count=4, **changes)
    assert (found.offset, found.track) == (pytest.approx(math.log(offset)), f"llm.{track}")
    assert found.sign == (-1.0 if track == "energy" else 1.0)
    assert found.is_rate == (track in ("rate", "energy"))
    assert found.shapes_constants == (track not in ("energy", "server_latency"))
    aspect = QUANTITIES[int(found.columns["aspect"])]
    assert aspect == {"latency": "request", "server_latency": "tpot"}.get(track, track)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"metric": "beauty"}, "metric beauty is not modelled for language models"),
        ({"metric": "energy", "unit": "J"}, "metric energy is not modelled for language models"),
        ({"model": "unheard-of"}, "model 'unheard-of' is not known"),
    ],
)
def test_what_is_not_modelled_says_why(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(NotPredictable) as caught:
        row(**changes)
    assert str(caught.value) == reason


def test_a_device_without_a_peak_or_a_tdp_is_refused() -> None:
    with pytest.raises(NotPredictable, match="no peak for bf16 is known of the accelerator"):
        row(H100.model_copy(update={"peak_flops": {}}))
    with pytest.raises(NotPredictable, match="no TDP"):
        row(H100.model_copy(update={"tdp_w": None}), metric="energy", unit="J/request")


@pytest.mark.parametrize(
    ("model", "precision", "name"),
    [
        ("llama-3.1-8b", None, "bf16"),
        ("llama-3.1-8b", "fp8", "fp8"),
        ("llama-3.1-8b-fp8", None, "fp8"),
        ("deepseek-v3", None, "fp8"),
        ("gpt-oss-20b", None, "mxfp4"),
        ("gpt-oss-20b", "bf16", "mxfp4"),
    ],
)
def test_numbers_are_as_stated_as_named_or_as_published(model: str, precision: str | None, name: str) -> None:
    assert row(model=model, precision=precision, gpu_count=8).groups["tpot.format"] == f"vllm|{name}"


def test_engines_that_are_not_known_and_typical_models_are_said() -> None:
    assert row(software="homebrew").caution == ("engine_unknown",)
    assert ENGINES[int(row(software="homebrew").columns["engine"])] == "other"


def test_blackwell_is_looked_at_seldom_by_one_engine_and_latents_are_counted() -> None:
    b200 = CATALOGUE.accelerator("b200_sxm_180gb")
    assert row(b200, software="sglang 0.5").columns["looks_seldom"] == 1.0
    assert row(b200).columns["looks_seldom"] == row(software="sglang 0.5").columns["looks_seldom"] == 0.0
    deepseek = resolve_language_model("deepseek-v3")
    assert deepseek is not None
    assert row(b200, model="deepseek-v3", gpu_count=8).columns["latent_layers"] == deepseek.num_layers


def test_groups_name_what_rows_have_in_common() -> None:
    found = row(gpu_count=4, layout={"tp": 4, "ep": 1}).groups
    kind = "tpot|vllm|plain|"
    expected = {
        "metric": "tpot", "engine": kind, "version": f"{kind}|0.6", "model": "llama-3.1-8b", "model_engine": f"{kind}|llama-3.1-8b",
        "arch": "Hopper", "arch_format": "Hopper|bf16|vllm", "form": "module|nvlink|vllm", "ranks": f"{kind}|4",
        "ranks_model": f"{kind}|llama-3.1-8b|4", "layout": f"{kind}|llama-3.1-8b|4|1|1", "load": f"{kind}|b2",
        "load_model": f"{kind}|llama-3.1-8b|b2", "data": "vllm|", "shape": f"{kind}|i10o8", "shape_load": f"{kind}|i10o8|b2",
        "shape_model": f"{kind}|llama-3.1-8b|i10o8", "cell": f"{kind}|llama-3.1-8b|0.6|bf16|4|i10o8|b2", "device": H100.id,
        "device_engine": f"{H100.id}|vllm",
    }  # fmt: skip
    assert {name: found[f"tpot.{name}"] for name in expected} == expected
    server = row(metric="throughput_server", unit="tokens/s", words={"dataset": "open-orca"}).groups
    assert server["rate.engine"] == "rate|vllm|server|" and server["rate.data"] == "vllm|open-orca"
    assert row(metric="energy", unit="J/request").groups["energy.engine"] == "energy|vllm|plain|J/request"
    assert row(metric="tpot_mean").groups["server_latency.engine"] == "server_latency|vllm|plain|tpot_mean"


def test_a_model_that_fills_its_devices_has_one_replica() -> None:
    assert row(model="llama-3.1-405b", gpu_count=8, concurrency=None).columns["replicas"] == 1.0
