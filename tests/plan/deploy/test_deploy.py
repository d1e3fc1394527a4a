"""What ``plan --deploy`` writes: commands, manifests that Kubernetes' own schemas accept, scripts that bash accepts."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from aigc_bench.cli import main
from aigc_bench.plan.demand.arrival_rates import from_hourly
from aigc_bench.plan.deploy.commands import ENGINES, start_of
from aigc_bench.plan.deploy.kubernetes import RESOURCES, manifest_text, manifests
from aigc_bench.plan.deploy.replica import Replica
from aigc_bench.plan.deploy.slurm import service_script, training_script
from aigc_bench.plan.money.instances import quietest_machines
from aigc_bench.plan.sizing.fleets import needed, service_load
from aigc_bench.predict.closed_form.engine_options import EngineOptions
from tests.plan.build import exact, make_capability, make_demand, make_rules, make_service

DEMAND = """
name = "two services and a training"
[[service]]
name = "Chat: EU & US"
workload = "gpt"
preset = "llama-3.1-70b"
rate = 20
input_tokens = 1000
output_tokens = 300
engines = ["vllm"]
[service.slo]
ttft = "5 s"
[constraints]
confidence = 0
without = ["colocated", "cloud", "api"]
"""


def replica(**given: Any) -> Replica:
    usual = {
        "load": "Chat: EU & US", "model": "llama-3.1-70b", "engine": "vllm", "precision": "fp8", "tensor": 4, "pipeline": 1,
        "nodes": 1, "batch": 64, "context": 8192, "cores": 48, "memory_gib": 512, "at_least": 2, "at_most": 6, "spares": 1,
    }  # fmt: skip
    return Replica.model_validate({**usual, **given})


def text_of(one: Replica, vendor: str = "NVIDIA") -> str:
    start = start_of(one)
    assert start is not None
    return manifest_text(manifests(one, start, vendor=vendor))


def objects(one: Replica, vendor: str = "NVIDIA") -> dict[str, Any]:
    text = text_of(one, vendor)
    return {found["kind"]: found for found in yaml.safe_load_all(text)}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("vendor", RESOURCES)
def test_every_manifest_is_valid_to_the_schemas_of_kubernetes(engine: str, vendor: str) -> None:
    for found in objects(replica(engine=engine, cores=None, memory_gib=None), vendor).values():
        kubernetes_validate.validate(found, "1.30", strict=True)
    for found in objects(replica(engine=engine), vendor).values():
        kubernetes_validate.validate(found, "1.30", strict=True)


def test_a_wrong_manifest_is_found_by_that_schema() -> None:
    found = objects(replica())["Deployment"]
    found["spec"]["template"]["spec"]["containers"][0]["ports"][0]["containerPort"] = "http"
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(found, "1.30", strict=True)


def test_a_pod_is_one_replica_with_its_share_of_the_server() -> None:
    found = objects(replica(), "AMD")
    spec = found["Deployment"]["spec"]
    container = spec["template"]["spec"]["containers"][0]
    assert spec["replicas"] == 6
    assert container["resources"]["limits"] == {"amd.com/gpu": "4"}
    assert (container["resources"]["requests"]["cpu"], container["resources"]["requests"]["memory"]) == ("43", "460Gi")
    assert container["command"][:3] == ["vllm", "serve", "$(MODEL)"]
    scaler = found["HorizontalPodAutoscaler"]["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (2, 6)
    assert scaler["metrics"][0]["pods"]["target"]["averageValue"] == "51", "80 % of a batch of 64"
    assert found["PodDisruptionBudget"]["spec"]["maxUnavailable"] == 1


def test_the_manifest_says_which_adapter_its_autoscaler_needs() -> None:
    before, _, after = text_of(replica()).partition("kind: HorizontalPodAutoscaler")
    assert after and "prometheus-adapter" in before.rpartition("---")[2]
    assert "vllm_num_requests_running" in before.rpartition("---")[2]
    assert "prometheus-adapter" not in text_of(replica(at_least=6)), "without an autoscaler nothing is needed"


def test_images_are_named_as_their_vendors_publish_them() -> None:
    images = {engine: found.image for engine in ENGINES if (found := start_of(replica(engine=engine)))}
    assert images["tensorrt-llm"].startswith("nvcr.io/nvidia/tensorrt-llm/release:")
    assert images["llama.cpp"].startswith("ghcr.io/ggml-org/llama.cpp:")


def test_the_fewest_replicas_are_those_of_the_quietest_hour_and_not_of_the_mean() -> None:
    arrival = from_hourly([6_000.0] * 8 + [60_000.0] * 16, peak_factor=exact(1.0, "ratio"), source="test")
    service = make_service().model_copy(update={"arrival": arrival})
    demand, rules = make_demand(services=(service,), jobs=()), make_rules()
    load = service_load(service, make_capability())
    busy, most, share = load.busy_machines.value, needed(load, rules=rules).value, min(arrival.day)
    least = quietest_machines(service, load, demand=demand, rules=rules)
    assert least == max(1, math.ceil(busy * share + (most - busy) * math.sqrt(share)))
    assert least < load.mean_machines.value


@pytest.mark.parametrize("engine", ENGINES)
def test_a_command_has_the_batch_the_context_and_the_accelerators_of_the_plan(engine: str) -> None:
    start = start_of(replica(engine=engine, tensor=4, pipeline=2, batch=48, context=16384))
    assert start is not None
    words = list(start.words)
    assert "48" in words
    assert "16384" in words or str(16384 * 48) in words
    assert engine == "llama.cpp" or (words[words.index("4") - 1], words[words.index("2") - 1]) in {
        ("--tensor-parallel-size", "--pipeline-parallel-size"), ("--tp-size", "--pp-size"), ("--tp_size", "--pp_size"),
    }  # fmt: skip


@pytest.mark.parametrize("engine", ENGINES)
def test_scripts_are_bash_and_ask_for_the_weights(engine: str, tmp_path: Path) -> None:
    one = replica(engine=engine, nodes=2, tensor=8, pipeline=2)
    start = start_of(one)
    assert start is not None
    script = service_script(one, start)
    assert "#SBATCH --array=0-5" in script
    assert "#SBATCH --gpus-per-node=8" in script
    for number, text in enumerate((script, training_script("train", nodes=4, devices=8, hours=1.5))):
        file = tmp_path / f"{number}.sh"
        file.write_text(text)
        subprocess.run(["bash", "-n", file], check=True)
        if shutil.which("shellcheck"):
            subprocess.run(["shellcheck", file], check=True)
    ended = subprocess.run(["bash", tmp_path / "0.sh"], capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin"})
    assert ended.returncode != 0 and "MODEL: path or hub id" in ended.stderr


def test_the_replicas_of_a_plan_are_those_that_it_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    demand, out = tmp_path / "demand.toml", tmp_path / "deploy"
    demand.write_text(DEMAND)
    assert main(["plan", str(demand), "--accelerator", "h100", "--deploy", str(out), "--json"]) == 0
    import json

    plan = json.loads(capsys.readouterr().out)
    best = next(one for one in plan["options"] if one["rank"] == plan["recommendation"]["rank"])
    names = sorted(file.name for file in out.iterdir())
    assert names == ["README.md", "chat-eu-us.sbatch", "chat-eu-us.sh", "chat-eu-us.yaml"]
    deployment = next(yaml.safe_load_all((out / "chat-eu-us.yaml").read_text()))
    devices = int(deployment["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"])
    assert deployment["spec"]["replicas"] == best["num_accelerators"] // devices
    assert "llama-3.1-70b" in (out / "README.md").read_text()
    assert (out / "chat-eu-us.sh").stat().st_mode & 0o111


def test_without_a_recommendation_there_is_nothing_to_deploy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    demand = tmp_path / "demand.toml"
    demand.write_text(DEMAND.replace("confidence = 0", "confidence = 0\nbudget_usd = 1"))
    assert main(["plan", str(demand), "--accelerator", "h100", "--deploy", str(tmp_path / "d")]) == 1
    assert "nothing to deploy" in capsys.readouterr().err
    assert not (tmp_path / "d").exists()


def test_a_replica_is_started_with_the_engine_options_of_its_demand() -> None:
    options = EngineOptions(prefix_hit_rate=0.5, chunk_tokens=2048, kv_cache="bf16", draft="ngram", draft_tokens=4, acceptance=0.5)
    vllm, sglang = (start_of(replica(engine=engine, options=options)) for engine in ("vllm", "sglang"))
    assert vllm is not None and sglang is not None
    said = dict(zip(vllm.words, vllm.words[1:], strict=False))
    assert said["--max-num-batched-tokens"] == "2048"
    # A stated format of the cache replaces the eight bits that go with fp8 weights.
    assert said["--kv-cache-dtype"] == "auto"
    assert json.loads(said["--speculative-config"]) == {"method": "ngram", "num_speculative_tokens": 4}
    assert "--enable-prefix-caching" in vllm.words
    assert "NGRAM" in sglang.words
