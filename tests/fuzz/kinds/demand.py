"""Demand files, and the arrival times that lie beside them."""

from __future__ import annotations

import functools
import json
import random
import tomllib
from pathlib import Path
from typing import Any

from tests.fuzz import cells, raw, trees, written
from tests.fuzz.kinds import ROOT, Kind
from tests.fuzz.outcome import Files

FILE, ARRIVALS = "demand.toml", "arrivals.csv"
_EVERYTHING = """
name = "everything"
availability = 0.99
growth_per_year = 0.2
horizon = "2y"
[[service]]
name = "images"
workload = "latent_diffusion"
preset = "sdxl"
hourly_requests = [5, 5, 4, 3, 2, 2, 4, 9, 20, 30, 35, 40, 42, 41, 40, 38, 35, 30, 28, 25, 20, 15, 10, 7]
peak_factor = 1.4
work_cv = 1.0
response_kb = 900
kept = "90d"
precisions = ["bf16"]
engines = ["torch-eager", "torch-compile"]
settings = { num_inference_steps = 30 }
[service.slo]
latency = "20s"
percentile = 95
[[service]]
name = "chat"
workload = "gpt"
preset = "llama-3.1-8b"
trace = "arrivals.csv"
input_tokens = [100, 500, 900]
output_tokens = 200
request_kb = 4
turns = 3
think_time = "20s"
min_replicas = 1
max_replicas = 500
[service.engine_options]
prefix_hit_rate = 0.4
kv_offload = 0.5
kv_cache = "fp8"
chunk_tokens = 4096
draft = "eagle"
draft_tokens = 3
acceptance = 0.7
prefill_devices = 1
lora_adapters = 8
lora_rank = 16
[[service]]
name = "search"
workload = "bert"
preset = "base"
rate = 20
duty = 0.4
[[batch]]
name = "night"
workload = "gpt"
preset = "llama-3.1-8b"
items = 50000
deadline = "6h"
every = "1d"
input_tokens = 800
output_tokens = 120
[[training]]
name = "tune"
workload = "gpt"
preset = "llama-3.1-8b"
method = "lora"
tokens = 5e8
deadline = "3d"
every = "4w"
checkpoints_kept = 3
checkpoint_stall = "30s"
settings = { seq_len = 2048 }
[[rag]]
name = "handbooks"
preset = "llama-3.1-8b"
embedding = "bge-m3"
reranker = "bge-m3"
rate = 2
duty = 0.4
passages = [1e5, 1e6, 1e7]
passage_tokens = 300
question_tokens = 40
instruction_tokens = 200
retrieved = 20
read = 5
output_tokens = 150
changed_per_day = 0.01
index = "ivf_pq"
dimensions = 1024
index_copies = 2
[rag.slo]
ttft = "3s"
percentile = 90
[[post_training]]
name = "reasoning"
preset = "llama-3.1-8b"
method = "full"
steps = 100
prompts_per_step = 64
answers_per_prompt = 8
input_tokens = 300
output_tokens = [500, 1000, 2000]
reference = true
critic = false
waiting_share = 0.2
deadline = "7d"
every = "30d"
[[dataset]]
name = "books"
profile = "bookcorpus"
copies = 2
[[dataset]]
name = "own"
size_gb = [100, 200, 400]
[[owned]]
accelerator = "a100"
count = 4
per_server = 4
year = 2024
book_value_usd = 20000
[[quote]]
name = "q1"
vendor = "a vendor"
accelerator = "h100"
accelerators = 8
units = 4
price = 250000
currency = "EUR"
vat = 0.19
support_per_year = 9000
delivery = "12w"
dated = 2026-11-01
[site]
region = "germany"
power_kw = 120
racks = 6
rack_kw = 17
rack_cooling_kw = 15
rack_units = 42
cooling = "air"
inlet_c = 25
floor_kg_per_m2 = 1200
pue = 1.35
electricity_usd_per_kwh = 0.2
demand_charge_usd_per_kw_month = 8
grid_g_per_kwh = 350
uplink_gbit_per_s = 10
store_tb = 80
store_gb_per_s = 5
[colocation]
rack_kw = 15
cooling = "air"
power_kw = 200
racks = 12
uplink_gbit_per_s = 10
[finance]
discount_rate = 0.08
life = "4y"
residual_share = 0.2
space_usd_per_kw_month = 150
adders_share = 0.1
staff_usd_per_year = 90000
currency = "EUR"
vat = 0.19
[constraints]
budget_usd = 3e6
budget_usd_per_year = 2e6
vendors = ["nvidia"]
accelerators = ["h100", "l40s"]
without = ["api"]
no_cloud = false
confidence = 0.8
risk = "p90"
regions = ["eu"]
providers = ["verda", "nebius"]
data_residency = "EU"
"""


@functools.cache
def examples() -> tuple[Any, ...]:
    """The trees of every demand that is shipped, and of one that uses all the rest."""
    folders = (ROOT / "examples", ROOT / "aigc_bench" / "plan" / "demand" / "scenarios")
    texts = [_EVERYTHING, *(file.read_text("utf-8") for folder in folders for file in sorted(folder.glob("*.toml")))]
    return tuple(trees.tree_of(tomllib.loads(text)) for text in texts)


@functools.cache
def arrivals() -> bytes:
    """A quiet hour and a busy minute."""
    moments = [*(30.0 * number for number in range(40)), *(1200.0 + 0.5 * number for number in range(60))]
    return ("arrival_s\n" + "\n".join(map(str, moments)) + "\n").encode()


def make_demand(draw: random.Random) -> Files:
    """An example with changes of its keys and values, sometimes of its bytes as well, or of these alone."""
    kind = draw.random()
    tree = draw.choice(examples())
    if kind < 0.9:
        tree = trees.changed(tree, others=examples(), draw=draw, dialect="toml")
    content = written.as_toml(tree)
    if kind > 0.82:
        content = raw.broken(content, draw=draw, other=written.as_toml(draw.choice(examples())))
    return {FILE: content, ARRIVALS: arrivals()}


def make_arrivals(draw: random.Random) -> Files:
    """A sound demand beside a changed table of arrival times."""
    table = cells.changed_table(cells.table_of(arrivals()), draw=draw)
    content = cells.as_csv(table, draw=draw)
    if draw.random() < 0.2:
        content = raw.broken(content, draw=draw, other=arrivals())
    return {FILE: written.as_toml(examples()[0]), ARRIVALS: content}


def read_folder(folder: Path) -> None:
    """Read the demand as ``plan`` does."""
    from aigc_bench.plan.demand.demand_reader import read_demand

    json.dumps(read_demand(folder / FILE, catalogue=_catalogue()).model_dump(mode="json"), allow_nan=False)


@functools.cache
def _catalogue() -> Any:
    from aigc_bench.catalog.loader import load_catalogue

    return load_catalogue(with_user_files=False)


def _prepare() -> None:
    """Read the catalogue once for all children."""
    from aigc_bench.catalog.loader import KINDS as TABLES

    for table in TABLES:
        _catalogue().rows(table)


KINDS = (
    Kind(
        name="demand",
        title="demand files",
        make=make_demand,
        read=read_folder,
        prepare=_prepare,
        commands=(("plan", "{}/demand.toml"), ("plan", "{}/demand.toml", "--json")),
    ),
    Kind(
        name="arrivals",
        title="arrival times of a demand",
        make=make_arrivals,
        read=read_folder,
        prepare=_prepare,
        commands=(("plan", "{}/demand.toml", "--json"),),
    ),
)
