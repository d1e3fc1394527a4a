"""Engine options of a demand are those of ``predict``: the same work, the same refusals, and costs that move as physics says."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aigc_bench import api
from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.core.errors import UsageError
from aigc_bench.core.records import Setting
from aigc_bench.plan.demand.demand_reader import read_demand
from aigc_bench.plan.records.demand import Demand
from aigc_bench.plan.records.plan import Plan
from aigc_bench.plan.search.served_candidates import served_candidates
from aigc_bench.predict.closed_form.engine_options import engine_options
from aigc_bench.predict.fitting.calibration import shipped_calibration
from aigc_bench.predict.fitting.predictions import estimate_rows
from aigc_bench.predict.language.of_case import language_model
from aigc_bench.predict.queries import predict_one
from aigc_bench.predict.query import Query
from aigc_bench.predict.serving.concurrency import Setting as ServedSetting
from aigc_bench.predict.serving.concurrency import curves

CATALOGUE = load_catalogue(with_user_files=False)
CALIBRATION = shipped_calibration()
COUNTS = (1, 16, 128)
OPTIONS: dict[str, dict[str, Setting]] = {
    "none": {},
    "hits": {"prefix_hit_rate": 0.7},
    "hits of the host": {"prefix_hit_rate": 0.7, "kv_offload": 1.0},
    "eagle": {"draft": "eagle", "draft_tokens": 3, "acceptance": 0.7},
    "draft model": {"draft": "llama-3.2-1b", "draft_tokens": 3, "acceptance": 0.7},
    "adapters": {"lora_adapters": 64},
    "chunks": {"chunk_tokens": 512},
    "cache in fp8": {"kv_cache": "fp8"},
}


def setting(given: dict[str, Setting]) -> ServedSetting:
    model = language_model("gpt", "llama-3.1-8b")
    assert model is not None
    return ServedSetting(
        model=model, spec=CATALOGUE.accelerator("h200"), engine="vllm", precision="bf16", ranks=1, input_len=4096.0,
        output_len=256.0, options=engine_options(given, engine="vllm"),
    )  # fmt: skip


def predicted(given: dict[str, Setting], *, devices: int = 1) -> dict[str, float]:
    query = Query(
        "llama-3.1-8b", engine="vllm", precision="bf16", batch_size=16, devices=devices, engine_options=given,
        settings={"prompt_len": 4096, "max_new_tokens": 256},
    )  # fmt: skip
    return {row.metric: row.value for _, row in predict_one(query, accelerators=["h200"]).rows if row.value is not None}


@pytest.mark.parametrize("name", OPTIONS)
def test_a_search_over_batches_has_the_work_of_one_answer_after_the_other(name: str) -> None:
    one = setting(OPTIONS[name])
    found = curves([one], COUNTS, calibration=CALIBRATION)
    for index, count in enumerate(COUNTS):
        row = one.row("tpot", sequences=float(count))
        assert found.tpot_s[0, index] == pytest.approx(estimate_rows([row], calibration=CALIBRATION)[0].value)


@pytest.mark.parametrize("name", [name for name in OPTIONS if name != "none"])
@pytest.mark.parametrize("metric", ["ttft", "tpot", "throughput"])
def test_an_option_changes_a_plan_as_it_changes_a_prediction(name: str, metric: str) -> None:
    """Prediction and plan differ by what three closed forms differ by (Little's law); an option adds 4 % to that at most."""

    def planned(given: dict[str, Setting]) -> float:
        found = curves([setting(given)], (16,), calibration=CALIBRATION)
        first, each = float(found.ttft_s[0, 0]), float(found.tpot_s[0, 0])
        return {"ttft": first, "tpot": each, "throughput": 16 * 256 / (first + 255 * each)}[metric]

    before, after = planned({}) / predicted({})[metric], planned(OPTIONS[name]) / predicted(OPTIONS[name])[metric]
    assert after == pytest.approx(before, rel=0.04)


def test_devices_that_read_prompts_are_part_of_a_replica_and_bound_its_requests() -> None:
    apart = setting({"prefill_devices": 1})
    found = curves([apart], (16,), calibration=CALIBRATION)
    foreseen = predicted({"prefill_devices": 1}, devices=2)
    assert apart.devices == 2
    # The closed form of a rate counts prompts into the round of a batch, also where others read them.
    assert found.tpot_s[0, 0] == pytest.approx(foreseen["tpot"], rel=0.3)
    assert found.tpot_s[0, 0] < curves([setting({})], (16,), calibration=CALIBRATION).tpot_s[0, 0]
    assert found.prompt_s[0, 0] > 0


@settings(max_examples=15, deadline=None)
@given(hits=st.lists(st.floats(0.0, 0.95), min_size=2, max_size=2).map(sorted), batch=st.sampled_from([1, 8, 64]))
def test_more_prefix_hits_never_make_a_replica_slower(hits: list[float], batch: int) -> None:
    few, many = (curves([setting({"prefix_hit_rate": share})], (batch,), calibration=CALIBRATION) for share in hits)
    assert many.ttft_s[0, 0] <= few.ttft_s[0, 0] * (1 + 1e-9)
    assert many.tpot_s[0, 0] <= few.tpot_s[0, 0] * (1 + 1e-9)


@settings(max_examples=15, deadline=None)
@given(accepted=st.lists(st.floats(0.05, 0.95), min_size=2, max_size=2).map(sorted), drafted=st.integers(1, 8))
def test_a_better_draft_never_makes_a_token_slower(accepted: list[float], drafted: int) -> None:
    worse, better = (
        curves([setting({"draft": "eagle", "draft_tokens": drafted, "acceptance": share})], (8,), calibration=CALIBRATION)
        for share in accepted
    )
    assert better.tpot_s[0, 0] <= worse.tpot_s[0, 0] * (1 + 1e-9)


@settings(max_examples=10, deadline=None)
@given(adapters=st.lists(st.integers(0, 400), min_size=2, max_size=2).map(sorted))
def test_more_adapters_never_take_less_memory_or_time(adapters: list[int]) -> None:
    few, many = (setting({"lora_adapters": count} if count else {}) for count in adapters)
    times = [curves([one], (32,), calibration=CALIBRATION).tpot_s[0, 0] for one in (few, many)]
    assert times[1] >= times[0] * (1 - 1e-9)


def test_caches_of_people_who_think_take_room_on_the_device_until_they_go_to_the_host() -> None:
    model = language_model("gpt", "llama-3.1-8b")
    assert model is not None
    hits = engine_options({"prefix_hit_rate": 0.5}, engine="vllm")

    def largest(idle_s: float) -> float:
        found = served_candidates(
            model, lengths=(4096.0, 256.0), specs=[CATALOGUE.accelerator("h200")], engines=["vllm"], precisions=["bf16"],
            catalogue=CATALOGUE, calibration=CALIBRATION, options=hits, idle_s=idle_s,
        )  # fmt: skip
        assert found is not None
        return float(found.batch[found.fits & (found.devices == 1)].max())

    assert largest(0.0) > largest(60.0) >= 1


DEMAND = """
name = "options"
[[service]]
name = "chat"
workload = "gpt"
preset = "llama-3.1-8b"
rate = 30
input_tokens = 3000
output_tokens = 150
{more}
[service.slo]
ttft = "3s"
[service.engine_options]
{options}
[constraints]
accelerators = ["l40s"]
confidence = 0
without = ["api"]
"""


def file_of(folder: Path, *, options: str = "", more: str = "") -> Path:
    file = folder / "demand.toml"
    file.write_text(DEMAND.format(options=options, more=more))
    return file


def plan_of(folder: Path, **given: str) -> Plan:
    return api.plan(file_of(folder, **given), accelerators=("l40s",))


def demand_of(folder: Path, **given: str) -> Demand:
    return read_demand(file_of(folder, **given), catalogue=CATALOGUE)


def cost(plan: Plan) -> float:
    best = plan.recommended
    assert best is not None
    return best.tco_usd.value


def test_a_plan_with_more_prefix_hits_costs_less_and_says_so(tmp_path: Path) -> None:
    none, half, most = (plan_of(tmp_path, options=f"prefix_hit_rate = {share}") for share in (0, 0.5, 0.9))
    assert cost(none) >= cost(half) >= cost(most)
    assert cost(most) < cost(none)


@pytest.mark.parametrize(
    ("options", "more", "words"),
    [
        ("prefix_hit_rate = 0.5", 'engines = ["torch-eager"]', "engine_options: torch-eager has none"),
        ("prefill_devices = 1", 'engines = ["llama.cpp"]', "engine_options prefill_devices: llama.cpp has no such option"),
        ('draft = "eagle"', "", "draft, draft_tokens and acceptance go together"),
        ('draft = "mtp"\ndraft_tokens = 2\nacceptance = 0.8', "", "engine_options draft=mtp"),
        ('draft = "llama-3.1-70b"\ndraft_tokens = 2\nacceptance = 0.8', "", "no smaller than the model"),
        ("prefix_hit_rate = 90", "", "must be between 0 and 0.999"),
        ("kv_offload = 1", "", "kv_offload is a share of prefix_hit_rate's hits"),
        ("", 'think_time = "30s"', "think_time is the time between the turns"),
        ("", "min_replicas = 3\nmax_replicas = 2", "max_replicas = 2 is below min_replicas = 3"),
        ("", "turns = 60", "exceed the 131,072 of llama-3.1-8b"),
    ],
)
def test_what_an_engine_or_a_model_does_not_have_is_refused_in_one_line(
    tmp_path: Path, options: str, more: str, words: str
) -> None:
    with pytest.raises(UsageError, match=r"demand\.toml") as problem:
        demand_of(tmp_path, options=options, more=more)
    assert words in str(problem.value)


def test_turns_of_a_conversation_hold_those_before_them_and_hit_what_they_hold(tmp_path: Path) -> None:
    (service,) = demand_of(tmp_path, more='turns = 5\nthink_time = "30s"').services
    # On average two turns of 3,150 tokens lie before a prompt of 3,000.
    assert service.input_tokens is not None and service.input_tokens.value == 3000 + 2 * 3150
    assert service.engine_options.prefix_hit_rate == pytest.approx(6300 / 9300)
    assert service.conversation.continued_share == pytest.approx(0.8)
    (stated,) = demand_of(tmp_path, more="turns = 5", options="prefix_hit_rate = 0").services
    assert stated.engine_options.prefix_hit_rate == 0


def test_replicas_are_kept_running_and_never_exceed_their_limit(tmp_path: Path) -> None:
    free, kept = plan_of(tmp_path), plan_of(tmp_path, more="min_replicas = 20")
    assert kept.recommended is not None and kept.recommended.num_accelerators >= 20
    assert cost(kept) > cost(free)
    capped = plan_of(tmp_path, more="max_replicas = 1")
    assert capped.recommended is None
    assert any("max_replicas is 1" in reason for option in capped.options for reason in option.reasons)
