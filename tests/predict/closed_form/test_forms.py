"""The closed forms term by term: with all other work absent, each term takes its seconds at peak over its efficiency."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pytest

from aigc_bench.predict.closed_form import forms
from aigc_bench.predict.closed_form.language_rows import ENGINES, QUANTITIES
from aigc_bench.predict.closed_form.step_rows import ASPECTS, FAMILIES
from aigc_bench.predict.closed_form.step_rows import ENGINES as STEP_ENGINES

pytestmark = pytest.mark.filterwarnings("ignore:divide by zero")

REFERENCE = 3.35e12
"""Bytes/s of an H100, on which latencies are quoted."""

WORK = """decode_linear decode_weights decode_attention decode_cache decode_bytes collectives layers moe_layers prefill_linear
prefill_weights prefill_attention prefill_bytes is_offline is_static is_disaggregated link looks_seldom latent_layers engine"""
NOTHING = dict.fromkeys(WORK.split(), 0.0)
ALONE = NOTHING | {
    "sequences": 4.0, "input_len": 100.0, "output_len": 10.0, "replicas": 2.0, "prefill_replicas": 1.0, "waiting": 1.0,
    "stages": 1.0, "attention_ranks": 1.0, "prompts_a_pass": 1.0, "power_share": 0.25, "requested": 4.0, "room": 100.0,
    "bandwidth": REFERENCE, "idle_share": 0.1,
}  # fmt: skip

CONSTANTS = {
    "weights_efficiency": 0.75, "linear_efficiency": 0.5, "attention_efficiency": 0.5, "cache_efficiency": 0.6,
    "staged_efficiency": 1.0, "network_efficiency": 1.0, "bubble": 0.0,
    "link_efficiency": 0.5, "bridge_efficiency": 0.25, "pcie_efficiency": 0.2, "pcie_wide_efficiency": 0.1, "collective_s": 0.1,
    "pcie_collective_s": 0.3, "prefill_efficiency": 0.5, "prefill_attention_efficiency": 0.5, "prefill_link_efficiency": 0.8,
    "expert_layer_s": 0.4, "interference": 0.9, "wave": 0.1, "wave_disaggregated": 0.2, "attention_dp_exponent": 0.5,
    "prompt_expert_layer_s": 0.2, "prompt_latent_layer_s": 0.3, "latency_exponent": 0.5, "power_exponent": 1.0,
    "expert_prefill": 1.5, "seats": 0.5, "seat_wait": 0.7, "batch_limit.tensorrt-llm": 64.0, "batch_limit.tensorrt": 128.0,
    "batch_limit": 256.0,
}  # fmt: skip
OF_ENGINES = {
    "layer_s": 0.2, "step_s": 0.0, "sequence_s": 0.0, "prompt_s": 0.0, "prefill_factor": 1.0, "prompt_layer_s": 0.0,
    "first_steps": 0.0,
}  # fmt: skip


def language(aspect: str, columns: Mapping[str, float], **constants: float) -> float:
    """The quantity of one row; a constant of an engine is that of every engine."""
    of_engines = {name: constants.pop(name, value) for name, value in OF_ENGINES.items()}
    every = {f"{name}.{engine}": value for name, value in of_engines.items() for engine in ENGINES}
    row = {**ALONE, **columns, "aspect": float(QUANTITIES.index(aspect))}
    arrays = {name: np.array([value]) for name, value in row.items()}
    return math.exp(float(forms.log_quantity("language", arrays, {**CONSTANTS, **every, **constants})[0]))


@pytest.mark.parametrize(
    ("columns", "seconds"),
    [
        ({"decode_linear": 2.0}, 2 / 0.5 / 0.25),
        ({"decode_weights": 3.0}, 3 / 0.75),
        ({"decode_attention": 1.0}, 1 / 0.5 / 0.25),
        ({"decode_cache": 3.0}, 3 / 0.6),
        ({"decode_bytes": 1.0}, 2.0),
        ({"decode_bytes": 1.0, "link": 1.0}, 4.0),
        ({"decode_bytes": 1.0, "link": 2.0}, 5.0),
        ({"decode_bytes": 1.0, "link": 3.0}, 10.0),
        ({"collectives": 10.0}, 1.0),
        ({"collectives": 10.0, "link": 1.0}, 1.0),
        ({"collectives": 10.0, "link": 2.0}, 3.0),
        ({"layers": 10.0}, 2.0),
        ({"layers": 10.0, "bandwidth": REFERENCE / 4}, 4.0),
        ({"moe_layers": 5.0}, 2.0),
        # the soft maximum of two equal terms is 2^(1/4) of either
        ({"decode_linear": 2.0, "decode_weights": 12.0}, 16 * 2**0.25),
        ({"decode_attention": 1.0, "decode_cache": 4.8}, 8 * 2**0.25),
    ],
)
def test_a_term_of_a_decode_step_alone(columns: dict[str, float], seconds: float) -> None:
    assert language("decode_rate", columns) == pytest.approx(4 / seconds)


def test_a_decode_step_has_a_fixed_time_and_one_for_each_sequence() -> None:
    assert language("decode_rate", {}, step_s=0.7) == pytest.approx(4 / 0.7)
    assert language("decode_rate", {"sequences": 5.0}, sequence_s=0.1) == pytest.approx(5 / 0.5)


@pytest.mark.parametrize(("engine", "limit"), [("vllm", 256), ("tensorrt-llm", 64), ("tensorrt", 128)])
def test_an_offline_batch_is_cut_at_the_engines_limit_and_its_work_with_it(engine: str, limit: int) -> None:
    full = {"sequences": 512.0, "engine": float(ENGINES.index(engine)), "is_offline": 1.0}
    share = limit / 512
    assert language("decode_rate", full, step_s=2.0) == pytest.approx(limit / 2)
    assert language("decode_rate", full | {"decode_linear": 2.0}) == pytest.approx(limit / (16 * share))
    assert language("decode_rate", full | {"decode_attention": 2.0}) == pytest.approx(limit / (16 * share))
    assert language("decode_rate", full | {"decode_cache": 3.0}) == pytest.approx(limit / (5 * share))
    assert language("decode_rate", full | {"decode_bytes": 1.0}) == pytest.approx(limit / (2 * share))
    assert language("decode_rate", full | {"decode_weights": 3.0}) == pytest.approx(limit / 4), "weights are read once"
    assert language("decode_rate", full | {"is_offline": 0.0}, step_s=2.0) == pytest.approx(512 / 2)
    assert language("decode_rate", full | {"sequences": 8.0}, step_s=2.0) == pytest.approx(8 / 2)


@pytest.mark.parametrize(
    ("columns", "seconds"),
    [
        ({"prefill_linear": 2.0}, 3 * 2 / 0.5 / 0.25),
        ({"prefill_linear": 2.0, "moe_layers": 1.0}, 1.5 * 3 * 2 / 0.5 / 0.25),
        ({"prefill_weights": 3.0}, 3 / 0.75),
        ({"prefill_linear": 0.5, "prefill_weights": 9.0}, 12 * 2**0.25),
        ({"prefill_attention": 1.0}, 1 / 0.5 / 0.25),
        ({"prefill_bytes": 1.0}, 1 / 0.8),
        ({"prefill_bytes": 1.0, "link": 1.0}, 1 / (0.25 * 0.8 / 0.5)),
        ({"layers": 10.0}, 2.0),
        ({"layers": 10.0, "bandwidth": REFERENCE / 4}, 4.0),
    ],
)
def test_a_term_of_a_prefill_alone(columns: dict[str, float], seconds: float) -> None:
    assert language("prefill_rate", columns, prefill_factor=3.0) == pytest.approx(100 / seconds)


DECODE, PREFILL = {"decode_weights": 1.5}, {"prefill_weights": 3.0}
"""2 s a step, 4 s a prompt."""


@pytest.mark.parametrize(
    ("aspect", "value"),
    [
        # a step is disturbed by the prompts of the three others: 0.9 x 3 sequences / 10 tokens x 4 s
        ("tpot", 2 + 0.9 * 3 / 10 * 4),
        # 2 replicas of 4 sequences make 80 tokens in 4 prompts and 10 steps
        ("rate", 2 * 4 * 10 / (4 * 4 + 10 * 2)),
        ("latency", 4 * 4 + 10 * 2 + 0.2 * 5),
        ("request", 4 + 0.2 * 5 + 10 * 2),
        ("prefill_time", 4 * 4 + 0.2 * 5),
        ("prefill_rate", 100 / (4 + 0.2 * 5)),
        ("decode_rate", 4 / 2),
    ],
)
def test_the_requested_metric_is_put_together_of_steps_and_prompts(aspect: str, value: float) -> None:
    assert language(aspect, DECODE | PREFILL, prompt_s=5.0) == pytest.approx(value)


def test_a_static_batch_and_prompts_read_elsewhere_disturb_no_step() -> None:
    for apart in ("is_static", "is_disaggregated"):
        assert language("tpot", DECODE | PREFILL | {apart: 1.0}) == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("columns", "constants", "seconds"),
    [
        ({"sequences": 1.0}, {}, 4.0),
        # data-parallel attention reads a prompt on fewer ranks: 4 s x 9^0.5
        ({"sequences": 1.0, "attention_ranks": 9.0}, {}, 12.0),
        # behind half of the other three clients: wave 0.1
        ({}, {}, 4 + 0.1 * 3 / 2 * 4),
        ({"waiting": 3.0}, {}, 4 + 0.1 * 11 / 2 * 4),
        # prompts apart: two replicas' clients come to one prefill worker
        ({"is_disaggregated": 1.0}, {}, 4 + 0.2 * 7 / 2 * 4),
        ({"sequences": 1.0}, {"prompt_s": 5.0}, 9.0),
        ({"sequences": 1.0}, {"first_steps": 3.0}, 4 + 3 * 2.0),
        # looked for every 10 steps below 16 sequences, every 30 from there on; half of that in the mean
        ({"sequences": 1.0, "looks_seldom": 1.0}, {}, 4 + 5 * 2.0),
        ({"sequences": 16.0, "looks_seldom": 1.0, "waiting": 1 / 16}, {}, 4 + 15 * 2.0),
        ({"sequences": 15.0, "looks_seldom": 1.0, "waiting": 1 / 15}, {}, 4 + 5 * 2.0),
        # launches of a pass over a prompt: 10 layers, 5 with experts, 2 with latents
        ({"sequences": 1.0, "layers": 10.0}, {"prompt_layer_s": 0.1, "layer_s": 0.0}, 5.0),
        ({"sequences": 1.0, "moe_layers": 5.0}, {"expert_layer_s": 0.0}, 4 + 5 * 0.2),
        ({"sequences": 1.0, "latent_layers": 2.0}, {}, 4 + 2 * 0.3),
        ({"sequences": 1.0, "latent_layers": 2.0, "bandwidth": REFERENCE / 4}, {}, 4 + 2 * 2 * 0.3),
        # prompts that share a pass share its launches: 4 s and 0.6 s / 2 each
        ({"latent_layers": 2.0, "prompts_a_pass": 2.0}, {}, 4.6 + 0.15 * (4 + 0.3)),
        ({"latent_layers": 2.0, "prompts_a_pass": 9.0}, {}, 4.6 + 0.15 * (4 + 0.15)),
        ({"latent_layers": 2.0, "prompts_a_pass": 0.1}, {}, 4.6 + 0.15 * (4 + 0.6)),
        # 6 requests for 4 x 0.5 seats: two rounds too many, each 0.7 of an answer of 10 steps
        ({"sequences": 1.0, "requested": 6.0, "room": 4.0}, {"interference": 0.0}, 4 + 2 * 0.7 * 10 * 2),
        ({"sequences": 1.0, "requested": 3.0, "room": 1.0}, {"interference": 0.0}, 4 + 2 * 0.7 * 10 * 2),
        ({"sequences": 1.0, "requested": 1.0, "room": 4.0}, {"interference": 0.0}, 4.0),
        ({"sequences": 1.0, "requested": 6.0, "room": 4.0, "is_disaggregated": 1.0, "replicas": 1.0}, {}, 4.0),
    ],
)  # fmt: skip
def test_the_wait_for_a_first_token_part_by_part(columns: dict[str, float], constants: dict[str, float], seconds: float) -> None:
    assert language("ttft", DECODE | PREFILL | columns, **constants) == pytest.approx(seconds)


def test_a_request_alone_is_disturbed_by_no_prompt() -> None:
    assert language("tpot", DECODE | PREFILL | {"sequences": 1.0}) == pytest.approx(2.0)


STEP = {
    "compute": 0.0, "memory": 0.0, "pointwise": 0.0, "vector": 0.0, "decoder_compute": 0.0, "decoder_memory": 0.0, "depth": 0.0,
    "reduced": 0.0, "exchanged": 0.0, "power_share": 0.5, "limit_share": 1.0, "idle_share": 0.1, "tdp_w": 400.0, "devices": 8.0,
    "host_w": 1000.0, "psu_efficiency": 0.94,
    "state_bytes": 0.0, "kept_bytes": 0.0, "bandwidth": REFERENCE / 4, "family": 0.0, "engine": 0.0,
    "aspect": 0.0, "is_bounded": 1.0, "bound_s": 0.13,
}  # fmt: skip


def step(columns: Mapping[str, float]) -> float:
    constants = {"waiting": 0.2, "host": 1.5}
    for family in FAMILIES:
        constants |= {f"overlap.{family}": 2.0, f"power_exponent.{family}": 2.0, f"launch_exponent.{family}": 0.5}
        constants |= {f"compute_efficiency.{family}": 0.5, f"memory_efficiency.{family}": 0.25, f"vector_share.{family}": 0.1}
        constants |= {f"unfused.{family}": 0.5, f"drawn.{family}": 0.8, f"kept.{family}": 0.25, f"exchange.{family}": 3.0}
    constants |= {f"launch_s.{engine}": 1e-3 for engine in STEP_ENGINES}
    arrays = {name: np.array([value]) for name, value in {**STEP, **columns}.items()}
    return math.exp(float(forms.log_quantity("step", arrays, constants)[0]))


@pytest.mark.parametrize(
    ("columns", "seconds"),
    [
        ({"compute": 2.0}, 2 / 0.5 / 0.25),
        ({"memory": 1.0}, 4.0),
        ({"pointwise": 1.0}, 2.0),
        ({"decoder_compute": 2.0}, 16.0),
        ({"decoder_memory": 1.0, "memory": 1.0}, 8.0),
        ({"decoder_memory": 4.0, "decoder_compute": 2.0}, 16 * 2**0.25),
        ({"compute": 2.0, "memory": 4.0}, 16 * 2 ** (1 / 1.5)),
        ({"vector": 3.0}, 3 * 0.1 / 0.25),
        ({"compute": 2.0, "vector": 3.0}, 16 + 1.2),
        # 100 launches of 2 ms: half of them and three tenths where the device has nothing else to do
        ({"depth": 100.0}, (0.5 + 0.3) * 0.2),
        ({"depth": 100.0, "memory": 1.0}, math.hypot(4, 0.1) + 0.06),
        ({"reduced": 0.5}, 1.0),
        ({"exchanged": 0.5}, 1.5),
        ({"memory": 1.0, "reduced": 0.5, "exchanged": 0.5}, 4 + 1 + 1.5),
    ],
)
def test_a_step_term_by_term(columns: dict[str, float], seconds: float) -> None:
    assert step(columns) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("aspect", "columns", "value"),
    [
        # 0.1 idle + 0.9 x (0.2 + (0.8 - 0.2) x share busy)
        ("power", {"memory": 1.0}, 0.1 + 0.9 * 0.8),
        ("power", {"memory": 1.0, "reduced": 2.0}, 0.1 + 0.9 * (0.2 + 0.6 / 2)),
        ("power", {"memory": 1.0, "limit_share": 0.3}, 0.3),
        ("energy", {"memory": 1.0}, 4 * 0.82),
        ("wall", {"memory": 1.0}, (8 * 400 * 0.82 + 1.5 * 1000) / 0.94),
        ("bound", {}, 0.13),
        ("memory", {"state_bytes": 5e9, "kept_bytes": 4e9}, 5e9 + 1e9 + 1e9),
    ],
)
def test_watts_joules_and_bytes_of_a_step(aspect: str, columns: dict[str, float], value: float) -> None:
    found = step({"memory": 1.0, **columns, "aspect": float(ASPECTS.index(aspect))})
    assert found == pytest.approx(value, rel=0.02), "the soft minimum lies a little below"


def test_every_family_and_engine_takes_its_own_constants() -> None:
    columns = {name: np.array([value, value]) for name, value in (STEP | {"memory": 1.0, "depth": 100.0}).items()}
    columns["family"], columns["engine"] = np.array([0.0, 1.0]), np.array([0.0, 1.0])
    constants = {name: value for name, (value, _) in forms.priors("step").items()}
    changed = constants | {f"memory_efficiency.{FAMILIES[1]}": 0.1, f"launch_s.{STEP_ENGINES[0]}": 1.0}
    before, after = (forms.log_quantity("step", columns, one) for one in (constants, changed))
    assert after[0] > before[0] and after[1] > before[1]
    only = forms.log_quantity("step", columns, constants | {f"memory_efficiency.{FAMILIES[1]}": 0.1})
    assert only[0] == before[0] and only[1] > before[1]


@pytest.mark.parametrize("form", ["language", "step"])
def test_slopes_are_those_of_each_constant_moved_alone(form: forms.Form) -> None:
    """One evaluation serves the constants of all engines or families; each row feels its own."""
    constants = {name: value for name, (value, _) in forms.priors(form).items()}
    served = ALONE | DECODE | PREFILL | {"aspect": 0.0, "layers": 10.0}
    base = served if form == "language" else STEP | {"memory": 1e-3, "depth": 10.0}
    columns = {name: np.full(3, value) for name, value in base.items()}
    columns["engine"] = np.array([0.0, 1.0, 2.0])
    if form == "step":
        columns["family"] = np.array([0.0, 1.0, 2.0])
    here, slopes = forms.log_slopes(form, columns, constants)
    assert here == pytest.approx(forms.log_quantity(form, columns, constants))
    assert slopes.shape == (3, len(constants))
    for index, name in enumerate(constants):
        moved = forms.log_quantity(form, columns, constants | {name: constants[name] * 1.0001})
        assert slopes[:, index] == pytest.approx((moved - here) / math.log(1.0001), abs=1e-9), name


def test_no_constant_that_is_a_share_is_thought_to_be_above_one() -> None:
    for form in ("language", "step"):
        known = forms.priors(form)  # type: ignore[arg-type]
        assert all(value > 0 and spread > 0 for value, spread in known.values())
        assert all(known[name][0] <= 1 for name in forms.SHARES[form])  # type: ignore[index]
    assert {"weights_efficiency", "pcie_wide_efficiency", "power_exponent"} <= forms.SHARES["language"]


def test_the_roofline_is_work_at_the_datasheets_peaks_and_nothing_else() -> None:
    row = {**ALONE, **DECODE, "layers": 10.0, "collectives": 4.0, "aspect": float(QUANTITIES.index("decode_rate"))}
    arrays = {name: np.array([value]) for name, value in row.items()}
    assert math.exp(forms.roofline_log("language", arrays)[0]) == pytest.approx(4 / 1.5)
    linear = arrays | {"decode_linear": np.array([2.0]), "decode_weights": np.array([0.0])}
    assert math.exp(forms.roofline_log("language", linear)[0]) == pytest.approx(4 / 2), "whatever the power"
    bare = STEP | {"compute": 2.0, "decoder_compute": 1.0, "memory": 9.0, "depth": 9.0, "reduced": 1.0}
    steps = {name: np.array([value]) for name, value in bare.items()}
    assert math.exp(forms.roofline_log("step", steps)[0]) == pytest.approx(3.0), "arithmetic alone: fused kernels move fewer bytes"
    assert forms.roofline_log("step", steps | {"is_bounded": np.array([0.0])})[0] == -math.inf
