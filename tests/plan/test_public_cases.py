"""Sizing questions that were answered in public, asked of the planner and of the performance model that it plans with.

``public_cases.csv`` has each question with its source. Answers have to lie within 0.75 to 1.33 of the published one, counts of
hardware are exact; the few that miss are listed with their cause and must go on missing (strict), so that a mend is noticed.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from datetime import date
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from aigc_bench.core.records import Estimate
from aigc_bench.plan.hardware.hosts import Host, hosts
from aigc_bench.plan.money.option_cost import per_unit
from aigc_bench.plan.placement.rack_fill import rack_fill
from aigc_bench.plan.records.machine import Load, Machine
from aigc_bench.plan.records.rules import rules_from
from aigc_bench.plan.site.fabric import size_fabric
from aigc_bench.plan.site.power_chain import btu_per_hour
from aigc_bench.plan.site.room import RoomNeed, make_room
from aigc_bench.plan.sizing.checkpoints import mtti_s
from aigc_bench.predict.fitting.calibration import shipped_calibration
from aigc_bench.predict.fitting.predictions import predict_rows
from aigc_bench.predict.published.row import PublishedQuery, PublishedRow
from tests.plan.build import exact, make_site
from tests.plan.demands import catalogue, plan_of

LOW, HIGH = 0.75, 1.33
CASES = {row["id"]: row for row in csv.DictReader((Path(__file__).parent / "public_cases.csv").open())}
HOURS, DAY_S = 365.25 * 24, 86_400.0


class Trained(NamedTuple):
    """What the cheapest option of a plan spends on one training run."""

    gpu_hours: float
    machine: Machine


@cache
def trained(preset: str, tokens: float, gpu: str, *, seq_len: int, days: float, method: str = "pretraining") -> Trained:
    """The plan of a training job on one accelerator, of its options the one with the fewest accelerator-hours."""
    text = f"""name = "{preset}"
availability = 0.99
[[training]]
name = "run"
workload = "gpt"
preset = "{preset}"
method = "{method}"
tokens = {tokens:.0f}
settings = {{ seq_len = {seq_len} }}
deadline = "{days:g}d"
"""
    plan = plan_of(text, accelerators=(gpu,))
    found = [
        Trained(option.loads[0].busy_machines.value * days * 24, option.machine)
        for option in plan.options
        if option.loads and option.machine is not None
    ]
    return min(found, key=lambda one: one.gpu_hours)


def hours(preset: str, tokens: float, gpu: str, *, seq_len: int, days: float, method: str = "pretraining") -> float:
    return trained(preset, tokens, gpu, seq_len=seq_len, days=days, method=method).gpu_hours


def predicted(unit: object = "tokens/s", **fields: object) -> float:
    """The performance model's answer to a question in the form of a published row."""
    query = PublishedQuery.model_validate({"unit": unit, **fields})
    (answer,) = predict_rows(
        [PublishedRow(line=1, query=query, value=1.0)], catalogue=catalogue(), calibration=shipped_calibration()
    )
    assert answer.estimate is not None, answer.reason
    return answer.estimate.value


def served(model: str, gpu: str, count: int, lengths: tuple[int, int], **changes: object) -> float:
    """Output tokens/s of TensorRT-LLM at its highest rate, FP8 unless told."""
    plain = {"family": "llm", "metric": "throughput", "precision": "fp8", "software": "TensorRT-LLM 1.0 PyTorch"}
    sizes = {"model": model, "gpu": gpu, "gpu_count": count, "input_len": lengths[0], "output_len": lengths[1]}
    return predicted(**{**plain, **sizes, **changes})


def stepped(model: str, gpu: str, count: int, seq_len: int, software: str, **changes: object) -> float:
    """Tokens/s of one accelerator while it trains in BF16."""
    plain = {"family": "llm-train", "task": "train", "precision": "bf16", "metric": "throughput_per_gpu"}
    sizes = {"model": model, "gpu": gpu, "gpu_count": count, "input_len": seq_len, "software": software}
    return predicted(**{**plain, **sizes, **changes}) / count


def mfu(count: int, **layout: float) -> float:
    """MFU of GPT-3 175B at a batch of 1,152 sequences of 4,096 tokens."""
    plain = {"family": "llm-train", "task": "train", "precision": "bf16", "metric": "mfu", "software": "megatron-core"}
    sizes = {"model": "GPT-3 175B", "gpu": H100, "gpu_count": count, "batch": 1152, "input_len": 4096, "layout": layout}
    return 100 * predicted("fraction", **plain, **sizes)


def generated(family: str, model: str, gpu: str, resolution: str, steps: int, count: int = 1, software: str = "diffusers") -> float:
    """Seconds of one image or clip."""
    sizes = {"gpu_count": count, "resolution": resolution, "steps": steps, "batch": 1, "software": software}
    return predicted("s", family=family, model=model, gpu=gpu, precision="bf16", metric="latency", **sizes)


def denoiser_days() -> float:
    """Days of Stable Diffusion 2's U-Net on 128 A100: 1.13e9 images of 256 pixels and 1.74e9 of 512."""
    plain = {"family": "diffusion-image", "task": "train", "precision": "fp16", "metric": "throughput", "software": "composer"}

    def rate(side: int) -> float:
        sizes = {"model": "stable-diffusion-2.1", "gpu": A100, "gpu_count": 128, "resolution": f"{side}x{side}"}
        return predicted("images/s", **plain, **sizes)

    return (1.13e9 / rate(256) + 1.74e9 / rate(512)) / DAY_S


H100, A100, H200 = "H100-SXM-80GB", "A100-SXM-80GB", "H200"
FP4: Mapping[str, object] = {"precision": "fp4"}
INTERACTIVE: Mapping[str, object] = {"task": "infer-online", "metric": "throughput_interactive", "software": "vLLM 0.9.0"}
HUNYUAN_S = 1904.08


def host(server: str) -> Host:
    return next(one for one in hosts(catalogue()) if one.server is not None and one.server.id == server)


def power_w(server: str) -> float:
    found = catalogue().servers[server].max_power_w
    assert found is not None
    return found


def switches(server: str, nodes: int) -> tuple[int, int]:
    """Leaf and spine switches of the compute network of a room of that number of servers."""
    need = RoomNeed(num_servers=nodes, room="rear_door")
    fabric = make_room(catalogue().servers[server], need, catalogue=catalogue(), on=date(2026, 11, 25)).networks.compute
    return fabric.leaves, fabric.spines


def read_rate(need: str, accelerators: int) -> float:
    """GB/s that keep accelerators of MLPerf Storage 90 % busy."""
    each = catalogue().storage[need].read_bytes_per_s
    assert each is not None
    return accelerators * each * 0.9 / 1e9


def usd_per_million(usd_per_h: float, tokens_per_s: float) -> float:
    """Cost of a million tokens of one rented accelerator that serves all year at that rate."""
    busy, yearly = exact(1.0, "machines"), exact(tokens_per_s * HOURS * 3600, "tokens/year")
    rate = exact(tokens_per_s, "tokens/s")
    load = Load(
        name="chat", case="c", item="token", rate_items_per_s=rate, busy_machines=busy, mean_machines=busy, items_per_year=yearly
    )
    cost: Mapping[str, Estimate] = per_unit(exact(usd_per_h * HOURS, "usd/year"), [load], unit="usd")
    return 1e6 * cost["chat"].value


def interruptions() -> float:
    """Interruptions of 16,384 accelerators in 54 days."""
    return 54 * DAY_S / mtti_s(16_384, hours=rules_from(catalogue()).hours_between_interruptions.value)


def checkpoint_gb(parameters: float) -> float:
    return parameters * rules_from(catalogue()).checkpoint_bytes_per_param.value / 1e9


A80, A40, H = "a100_sxm_80gb", "a100_sxm_40gb", "h100_sxm_80gb"
ASKED: Mapping[str, Callable[[], float]] = {
    "S01": lambda: hours("llama-3.1-405b", 15.6e12, H, seq_len=8192, days=80),
    "S03": lambda: hours("llama-3.1-8b", 15e12, H, seq_len=8192, days=60),
    "S05": lambda: hours("llama-2-7b", 2e12, A80, seq_len=4096, days=60),
    "S07": lambda: 2.0 * hours("deepseek-v3", 14.8e12, "h800_sxm_80gb", seq_len=4096, days=57),
    "S09": lambda: 0.4 * hours("bloom-176b", 366e9, A80, seq_len=2048, days=117) / 1000,
    "S11": lambda: hours("mpt-7b", 1e12, A40, seq_len=2048, days=9.5) / 440 / 24,
    "S13": lambda: stepped("MPT-7b", H100, 8, 2048, "llm-foundry/Composer FSDP"),
    "S15": lambda: mfu(96, tp=8, pp=12),
    "S17": lambda: 50.33 / 960 * stepped("Llama-3.1-70B", "TPU v6e", 256, 8192, "maxtext"),
    "S19": lambda: stepped("qwen2.5-32b", H100, 1024, 8192, "olmo"),
    "S21": lambda: hours("starcoder2-15b", 35e9, A80, seq_len=8192, days=10, method="full"),
    "S23": lambda: (
        predicted(
            "s", family="llm-finetune", task="train", model="Llama-2-70B-lora", gpu=H100, gpu_count=8, precision="fp8",
            software="NeMo", metric="time_to_train",
        ) / 60
    ),
    "S27": denoiser_days,
    "S29": lambda: served("Llama-3.3-70B", H100, 2, (1000, 1000)),
    "S31": lambda: served("Llama-3.1-405B", H100, 8, (2048, 2048)),
    "S33": lambda: served("Llama-3.3-70B", "RTX PRO 6000 Blackwell Server", 1, (1000, 1000), **FP4),
    "S35": lambda: served("Llama-3.1-70B", "Gaudi 3", 8, (2048, 2048), batch=600, software="vllm"),
    "S39": lambda: 1814 * 24 * usd_per_million(2.0, 1.0) * 3600 / 1e6,
    "S43": lambda: served("Llama-2-70B", "MI300X", 8, (1, 1), **INTERACTIVE),
    "S45": lambda: served("Qwen3-4B", "RTX 4090", 1, (16, 128), precision="bf16", software="vLLM 0.17.0", concurrency=64),
    "S49": lambda: generated("diffusion-image", "FLUX.1-dev", "L40S", "512x512", 50),
    "S51": lambda: HUNYUAN_S / clip(1) * clip(8),
    "S53": lambda: generated("video", "Wan2.1-T2V-1.3B", "RTX 4090", "480x832x81f", 50) / 60,
    "S55": lambda: 13 * 60 / predicted(
        "x", family="audio-asr", model="Whisper large-v3-turbo", gpu="RTX 2080 Ti", software="faster-whisper", precision="fp16",
        metric="rtf_x_realtime", batch=1,
    ),
    "S61": lambda: power_w("gb300_nvl72") / 1000,
    "S63": lambda: 24_576 / 8 / racks_filled(),
    "S65": interruptions,
    "S67": lambda: checkpoint_gb(1e12) / rules_from(catalogue()).checkpoint_stall_s.value,
    "S69": lambda: usd_per_million(1.41, 90.0),
    "P01": lambda: hours("llama-7b", 1e12, A80, seq_len=2048, days=60),
    "P02": lambda: hours("llama-2-70b", 2e12, A80, seq_len=4096, days=60),
    "P03": lambda: hours("llama-3.1-70b", 15e12, H, seq_len=8192, days=60),
    "P04": lambda: hours("llama-65b", 1.4e12, A80, seq_len=2048, days=21),
    "P07": lambda: btu_per_hour(host("dgx_h100").machine.design_heat_w.value),
    "P08": lambda: btu_per_hour(host("dgx_b200").machine.design_heat_w.value),
    "P09": lambda: host("dgx_b200").machine.peak_power_w.value,
    "P10": lambda: read_rate("mlps_unet3d_h100", 36),
    "P11": lambda: read_rate("mlps_unet3d_a100", 72),
    "P12": lambda: checkpoint_gb(70e9),
    "P13": lambda: served("Llama-3.3-70B", H200, 1, (1000, 1000)),
    "P14": lambda: served("Llama-3.3-70B", "B200", 1, (1000, 1000), **FP4),
    "P15": lambda: served("Llama-3.3-70B", H100, 2, (128, 2048)),
    "P16": lambda: served("Llama-3.3-70B", H100, 2, (5000, 500)),
    "P17": lambda: served("Llama-3.1-405B", H200, 8, (2048, 2048)),
    "P18": lambda: stepped("Llama-2-70B", "TPU v5p", 512, 4096, "maxtext"),
    "P19": lambda: 1.99 * hours("mpt-7b", 1e12, A40, seq_len=2048, days=9.5),
}  # fmt: skip
"""The question of each row as the product is asked it, in the unit of the row."""
PUBLISHED: Mapping[str, float] = {
    # Of rows with several numbers the one that is asked; of ranges and bounds a middle.
    "S15": 47.0, "S19": 1900.0, "S45": 2954.0, "S51": 337.58, "S61": 136.0, "S63": 1536.0, "S67": 250.0, "S69": 4.20,
}  # fmt: skip
COUNTS: Mapping[str, tuple[Callable[[], tuple[int, int]], tuple[int, int]]] = {
    "S57": (lambda: switches("dgx_h100", 127), (32, 16)),
    "P05": (lambda: switches("dgx_h100", 31), (8, 4)),
    "P06": (lambda: switches("dgx_b200", 32), (8, 4)),
}
"""Leaf and spine switches, exact."""
MISSED: Mapping[str, str] = {
    "S03": "0.47: 1.46 million hours are 14 % of the H100's peak, a known odd point beside 38 % at 70B and 405B",
    "S07": "1.71: trained in FP8 with expert parallelism, planned in BF16 with sharded weights",
    "S43": "1.84: MLPerf's interactive bounds of 450 ms and 40 ms are not part of the row's question",
    "S55": "1.74: faster-whisper (CTranslate2) fuses what the predicted engine does not",
}
"""Cases outside the range: the ratio and its cause."""
NOT_ASKED: Mapping[str, str] = {
    "S25": "between checkpoints: the tokens to convergence are not published",
    "S37": "prefill and decode on nodes of their own with 72-way expert parallelism: the lengths of decoding are not stated",
    "S41": "production load without its lengths",
    "S47": "input and output tokens together, of an unstated mix",
    "S59": "576 nodes are asked in its own test: 36 spines are a ninth more than a full fabric needs",
}


def clip(gpus: int) -> float:
    """Seconds of one HunyuanVideo clip: the card is not named, so that only the scaling is asked."""
    return generated(
        "video", "HunyuanVideo", H100, "720x1280x129f", 50, count=gpus, software="xDiT USP" if gpus > 1 else "diffusers"
    )


def racks_filled() -> int:
    """Servers of a rack with a feed and cooling of 24 kW, as in Meta's halls."""
    site = make_site(rack_power_w=exact(24_000.0, "W"), rack_cooling_w=exact(24_000.0, "W"))
    fill = rack_fill(host("dgx_h100").machine, site)
    assert fill is not None and fill.servers is not None
    return fill.servers


def cases() -> list[object]:
    marks = {name: [pytest.mark.xfail(reason=f"{CASES[name]['question']} {why}", strict=True)] for name, why in MISSED.items()}
    return [pytest.param(name, marks=marks.get(name, [])) for name in ASKED]


@pytest.mark.parametrize("name", cases())
def test_a_question_answered_in_public_is_answered_alike(name: str) -> None:
    published = PUBLISHED.get(name) or float(CASES[name]["value"])
    ratio = ASKED[name]() / published
    assert LOW <= ratio <= HIGH, f"{CASES[name]['question']} {ratio:.2f} of {published:g} {CASES[name]['unit']}"


@pytest.mark.parametrize("name", COUNTS)
def test_counts_of_published_architectures_are_exact(name: str) -> None:
    count, published = COUNTS[name]
    assert count() == published
    assert CASES[name]["value"] == f"{published[0]} / {published[1]}"


def test_a_superpod_of_576_b300_has_its_leaves_and_a_full_fabrics_spines() -> None:
    """S59: 64 leaves and 36 spines of 144 ports. 4,608 links fill 32 spines; the reference keeps a ninth for growth."""
    fabric = size_fabric(576, nics_per_node=8, ports=144)
    assert (fabric.leaves, fabric.spines) == (64, 32)
    assert LOW <= fabric.spines / 36 <= HIGH


def test_every_row_is_asked_or_says_why_not_and_has_its_source() -> None:
    assert {*ASKED, *COUNTS, *NOT_ASKED} == {*CASES}
    assert all(row["source"] and row["as_of"] and row["question"] for row in CASES.values())
    assert len(ASKED) + len(COUNTS) - len(MISSED) >= 40
