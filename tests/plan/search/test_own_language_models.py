"""A plan takes a user's own language model by its configuration: the candidates are the preset's, whatever the folder's name."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from aigc_bench.plan.demand.demand_reader import read_demand
from aigc_bench.plan.records.demand import Service
from aigc_bench.plan.search.load_candidates import Models, candidates_for, is_language
from aigc_bench.predict.fitting.calibration import shipped_calibration
from aigc_bench.workloads._language_presets import language_presets
from tests.own_models import write_model
from tests.plan.demands import catalogue

_DEMAND = 'name = "own"\n[[service]]\nname = "chat"\n{what}\nrate = 5.0\ninput_tokens = 1024\noutput_tokens = 128\n{more}'


def service(folder: Path, what: str, *, more: str = "") -> Service:
    file = folder / "demand.toml"
    file.write_text(_DEMAND.format(what=what, more=more), encoding="utf-8")
    return read_demand(file, catalogue=catalogue()).services[0]


def test_a_copy_of_a_preset_has_its_candidates(tmp_path: Path) -> None:
    write_model(tmp_path / "qwen3-0.6b-x", {**language_presets()["llama-3.1-8b"].config, "architectures": ["LlamaForCausalLM"]})
    models = Models(catalogue=catalogue(), calibration=shipped_calibration())
    specs = [catalogue().accelerators["h100_sxm_80gb"]]
    own = candidates_for(service(tmp_path, 'model = "qwen3-0.6b-x"'), specs, models)
    preset = candidates_for(service(tmp_path, 'workload = "gpt"\npreset = "llama-3.1-8b"'), specs, models)
    assert own is not None and preset is not None
    assert np.array_equal(own.throughput, preset.throughput) and np.array_equal(own.memory_bytes, preset.memory_bytes)


def test_a_demand_for_torch_s_engines_alone_is_traced(tmp_path: Path) -> None:
    write_model(tmp_path / "x", {**language_presets()["llama-3.1-8b"].config, "architectures": ["LlamaForCausalLM"]})
    assert is_language(service(tmp_path, 'model = "x"'))
    assert not is_language(service(tmp_path, 'model = "x"', more='engines = ["torch-compile"]\n'))
