"""As a user: one model of their own, of each kind, is run on this machine, predicted on another and planned for."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from aigc_bench import api
from tests.measure.bench import Bench, trials
from tests.own_models import CONFIGS, QWEN, SHRUNK, write_model, write_pipeline

ROOT = Path(__file__).resolve().parent.parent.parent
ACCELERATOR = "h100_sxm_80gb"


@dataclass(frozen=True, kw_only=True)
class Mine:
    """A user's model: what they write after ``--model``, what makes it small, and what a demand says of it."""

    model: str
    words: tuple[str, ...] = ()
    demand: str = ""
    family: str
    is_code: bool = False
    """Whether the current directory must be searched, which a process of its own does."""


def config(folder: Path) -> Mine:
    write_model(folder / "mine", QWEN, **SHRUNK["qwen"])
    lengths = ("--set", "prompt_len=8", "--set", "max_new_tokens=3")
    return Mine(model="mine", words=lengths, demand="input_tokens = 64\noutput_tokens = 16\n", family="gpt")


def function(folder: Path) -> Mine:
    """The workload of the guide to extending."""
    guide = (ROOT / "docs" / "extending.md").read_text()
    code = guide.split("<!-- test: my_gru.py -->\n```python\n")[1].split("```")[0]
    (folder / "my_gru.py").write_text(code)
    return Mine(
        model="my_gru:Gru", words=("--set", "seq_len=16"), demand="items_per_request = 64\n", family="my_gru:Gru", is_code=True
    )


def pipeline(folder: Path) -> Mine:
    write_pipeline(folder / "my-flux", "FluxPipeline")
    small = ("--set", "resolution=64", "--set", "num_inference_steps=2")
    demand = "settings = { resolution = 512, num_inference_steps = 4 }\n"
    return Mine(model="my-flux", words=small, demand=demand, family="diffusion_transformer")


KINDS = {"config.json": config, "function": function, "pipeline": pipeline}


def printed(command: Callable[..., CompletedProcess[str]], *words: object) -> Any:
    """The JSON that a command prints; it must succeed."""
    done = command(*words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("kind", KINDS)
def test_a_users_own_model_is_run_predicted_and_planned(tmp_path: Path, kind: str) -> None:
    bench = Bench(folder=tmp_path, env={"XDG_CACHE_HOME": str(tmp_path / "cache")})
    mine = KINDS[kind](tmp_path)
    command = bench if mine.is_code else bench.here

    printed(command, "run", "--model", mine.model, *mine.words, "--out", "out", "--budget", "1s")
    (trial, *_) = trials(tmp_path / "out")
    assert trial["status"] == "ok"
    assert trial["quality"]["passed"] is True
    assert trial["case"].startswith(mine.family)

    rows = printed(command, "predict", "--model", mine.model, *mine.words, "--accelerator", ACCELERATOR)
    found = {row["metric"]: row for row in rows}
    assert found["throughput"]["low"] <= found["throughput"]["value"] <= found["throughput"]["high"]
    assert found["throughput"]["value"] > 0

    service = f'[[service]]\nname = "all"\nmodel = "{mine.model}"\nrate = 2\n{mine.demand}[service.slo]\nlatency = "60s"\n'
    (tmp_path / "demand.toml").write_text(f'name = "mine"\n{service}')
    permission = ("--model", mine.model) if mine.is_code else ()
    plan = printed(command, "plan", "demand.toml", "--accelerator", ACCELERATOR, *permission)
    assert plan["recommendation"]["kind"] != "api"
    assert plan["unplanned"] == []
    assert {one["load"] for one in plan["rests_on"]} == {"all"}


@pytest.mark.slow
def test_published_models_are_planned_at_their_full_size(tmp_path: Path) -> None:
    services = []
    for name, config in CONFIGS.items():
        write_model(tmp_path / name, config)
        asked = "settings = { seq_len = 128 }" if name == "bert" else "input_tokens = 200\noutput_tokens = 50"
        services.append(f'[[service]]\nname = "{name}"\nmodel = "{name}"\nrate = 5\n{asked}\n[service.slo]\nlatency = "30s"\n')
    (tmp_path / "demand.toml").write_text('name = "mine"\n' + "".join(services))
    plan = api.plan(tmp_path / "demand.toml", accelerators=["h200_sxm_141gb"])
    assert plan.recommended is not None
    assert {load.name for load in plan.recommended.loads} == set(CONFIGS)
    assert all(load.busy_machines.value > 0 for load in plan.recommended.loads)
    # Mixtral alone keeps 46.7 GB of weights in fp8, the format that an engine serves it in here.
    assert plan.recommended.factors["memory"].required.value > 46.7e9
