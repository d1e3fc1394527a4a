"""Memory and speed of quantized checkpoints of one's own: layers that the file leaves in 16 bits are held and read as such."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from aigc_bench.predict.closed_form.language import weight_bytes
from aigc_bench.predict.language.configuration import Configuration
from aigc_bench.predict.language.describe import describe
from aigc_bench.predict.language.of_case import language_model
from aigc_bench.predict.language.packing import _parts
from aigc_bench.predict.language.traits import TRAITS
from aigc_bench.predict.published.name_resolution import number_format
from aigc_bench.predict.queries import predict_one
from aigc_bench.predict.query import Query
from aigc_bench.workloads._language_presets import language_presets
from aigc_bench.workloads._own import resolve
from tests.own_models import write_model
from tests.predict.language.published_sizes import SIZES

GIB = 2**30
_ATTENTION = [f"model.layers.{layer}.self_attn.{name}_proj" for layer in range(126) for name in "qkvo"]
_ENDS = [f"model.layers.{layer}.mlp.{name}_proj" for layer in (0, 125) for name in ("gate", "up", "down")]
_INT4 = {"targets": ["Linear"], "weights": {"num_bits": 4, "type": "int", "group_size": 32, "symmetric": True}}
_KIMI = ["lm_head", "re:.*self_attn.*", "re:.*shared_experts.*", "re:.*mlp\\.(gate|up|gate_up|down)_proj.*"]
_OSS = ["model.layers.*.self_attn", "model.layers.*.mlp.router", "model.embed_tokens", "lm_head"]


def own(folder: Path, preset: str, table: dict[str, Any]) -> Path:
    return write_model(folder, {**language_presets()[preset].config, "quantization_config": table})


def held(path: Path) -> float:
    found = resolve(path)
    model = language_model(found.workload, found.preset, model=found.model)
    assert model is not None and found.quantization is not None
    return weight_bytes(model, number_format(found.quantization.precision), engine="vllm")


@pytest.mark.parametrize(
    ("preset", "table", "published", "devices"),
    [
        # meta-llama/Llama-3.1-405B-Instruct-FP8 on eight devices: 57.75 GiB on each as vLLM reports it (its log was not looked up).
        ("llama-3.1-405b", {"quant_method": "fbgemm_fp8", "modules_to_not_convert": ["lm_head", *_ATTENTION, *_ENDS]}, 57.75, 8),
        # The model card of moonshotai/Kimi-K2-Thinking: 594 GB.
        (
            "kimi-k2",
            {"quant_method": "compressed-tensors", "ignore": _KIMI, "config_groups": {"group_0": _INT4}},
            594e9 / GIB,
            1,
        ),
        ("gpt-oss-120b", {"quant_method": "mxfp4", "modules_to_not_convert": _OSS}, 65.9651, 1),
        ("gpt-oss-20b", {"quant_method": "mxfp4", "modules_to_not_convert": _OSS}, 13.72, 1),
        # The model card of Qwen/Qwen3-8B-AWQ: 5.71 GiB under vLLM (URA's operations notes, 2026).
        ("qwen3-8b", {"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": True}, 5.7071, 1),
        ("qwen3-8b", {"quant_method": "fp8", "weight_block_size": [128, 128]}, 8.8, 1),
    ],
)
def test_weights_of_a_checkpoint_are_within_five_per_cent_of_what_is_published(
    tmp_path: Path, preset: str, table: dict[str, Any], published: float, devices: int
) -> None:
    assert held(own(tmp_path / "x", preset, table)) / devices / GIB == pytest.approx(published, rel=0.05)


@pytest.mark.parametrize("name", [name for name, size in SIZES.items() if Configuration(size.config).model_type in TRAITS])
def test_named_modules_are_nearly_all_of_a_decoder(name: str) -> None:
    """What is left are norms, routers, biases and states."""
    config = SIZES[name].config
    c = Configuration(config)
    model, parts = describe(config), list(_parts(c, TRAITS[c.model_type]))
    assert sum(part.params for part in parts if part.is_routed) == model.routed_params
    dense = sum(part.params for part in parts if not part.is_routed)
    head = model.table_params - model.looked_up_params
    # OPT-350M's table is narrower than its layers, so that its head is counted for twice its size here.
    slack = 0.08 if c.model_type == "opt" else 0.0
    assert 0.96 * model.dense_params <= dense + head <= (1 + slack) * model.dense_params


def test_layers_left_out_are_read_in_sixteen_bits_too(tmp_path: Path) -> None:
    def rows(ignored: list[str]) -> dict[str, float]:
        table = {"quant_method": "fp8", "weight_block_size": [128, 128], "modules_to_not_convert": ["lm_head", *ignored]}
        folder = own(tmp_path / f"m{len(ignored)}", "llama-3.1-8b", table)
        found = predict_one(Query(model=str(folder), engine="vllm", batch_size=1), accelerators=["h100"]).rows
        return {row.metric: row.value for _, row in found if row.value is not None}

    usual, wide = rows([]), rows(["self_attn", "mlp"])
    tpot = {
        precision: next(row.value for _, row in predict_one(query, accelerators=["h100"]).rows if row.metric == "tpot")
        for precision in ("bf16", "fp8")
        for query in [Query(what="gpt/llama-3.1-8b", engine="vllm", precision=precision, batch_size=1)]
    }
    assert usual["tpot"] == pytest.approx(tpot["fp8"], rel=1e-3)
    # The engine's own effect of an fp8 checkpoint is left in both.
    assert wide["tpot"] > 1.3 * usual["tpot"] and wide["tpot"] == pytest.approx(tpot["bf16"], rel=0.2)
    assert wide["memory_allocated_peak"] - usual["memory_allocated_peak"] == pytest.approx(6.98e9, rel=0.01)
