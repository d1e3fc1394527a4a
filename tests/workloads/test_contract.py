"""What every family must hold, tested the moment its file exists."""

import functools
import json
import socket
import subprocess
import sys

import pytest
import torch

from aigc_bench.core import registry
from aigc_bench.core.records import Case
from aigc_bench.workloads.base import Preset, Workload

NAMES = registry.names("workloads")


@functools.cache
def family(name: str) -> Workload:
    return registry.load("workloads", name)


def is_probe(name: str) -> bool:
    """Probes measure a factor of the machine: they need not hold a model."""
    return name.startswith("probe_")


def size(preset: Preset) -> float:
    return preset.num_params or float("inf")


def smallest(name: str) -> str:
    return min(family(name).presets, key=lambda preset: size(family(name).presets[preset]))


def largest(name: str) -> str:
    return max(family(name).presets, key=lambda preset: size(family(name).presets[preset]))


def run_step(program, stages, *, step):
    program.begin(step)
    for stage in stages:
        for repeat in range(stage.repeats):
            program.stages[stage.name](repeat)


MODES = [(name, mode) for name in NAMES for mode in family(name).modes]
PRESETS = [(name, preset) for name in NAMES for preset in family(name).presets]


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*args):
        raise AssertionError(f"a workload reached for the network: {args[1:]}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.parametrize(("name", "mode"), MODES)
def test_a_program_runs_the_stages_it_declares_and_gives_finite_numbers_that_the_seed_determines(name, mode, make_setup):
    case = Case(workload=name, preset=smallest(name), mode=mode, batch_size=2, seed=3)
    family(name).validate(case)
    stages = family(name).stages(case)
    checks = []
    for _ in range(2):
        program = family(name).build(case, make_setup(case))
        assert set(program.stages) == {stage.name for stage in stages}
        for step in range(2):
            run_step(program, stages, step=step)
        checks.append(dict(program.check()))
    assert checks[0], "a check says something of what was computed"
    assert all(value is not False for value in checks[0].values())
    numbers = {key: value for key, value in checks[0].items() if isinstance(value, float)}
    assert all(torch.isfinite(torch.tensor(value)) for value in numbers.values())
    assert numbers == pytest.approx({key: checks[1][key] for key in numbers}, rel=1e-3)
    assert {**checks[1], **numbers} == checks[0]


@pytest.mark.parametrize(("name", "mode"), MODES)
def test_another_seed_gives_another_result(name, mode, make_setup):
    checks = []
    for seed in (0, 1):
        case = Case(workload=name, preset=smallest(name), mode=mode, seed=seed)
        program = family(name).build(case, make_setup(case))
        run_step(program, family(name).stages(case), step=0)
        checks.append(dict(program.check()))
    if checks[0] == {"finite": True}:
        pytest.skip(f"{name} checks nothing in mode {mode} but that its output is finite")
    assert checks[0] != checks[1]


@pytest.mark.parametrize(("name", "mode"), MODES)
def test_twice_the_batch_finishes_twice_the_items(name, mode):
    def work(batch_size):
        return family(name).work(Case(workload=name, preset=smallest(name), mode=mode, batch_size=batch_size))

    assert work(1).items_per_step > 0
    assert work(6).items_per_step == 2 * work(3).items_per_step


@pytest.mark.parametrize(("name", "mode"), MODES)
def test_a_training_step_moves_parameters_and_an_inference_step_none(name, mode, make_setup):
    case = Case(workload=name, preset=smallest(name), mode=mode)
    program = family(name).build(case, make_setup(case))
    before = [parameter.detach().clone() for module in program.modules for parameter in module.parameters()]
    run_step(program, family(name).stages(case), step=0)
    after = [parameter.detach() for module in program.modules for parameter in module.parameters()]
    assert before or is_probe(name), "parameters are counted from the program's modules"
    changed = any(not torch.equal(old, new) for old, new in zip(before, after, strict=True))
    assert changed == (mode == "train")


@pytest.mark.parametrize("name", NAMES)
def test_the_largest_preset_is_built_on_meta_without_memory(name, make_setup):
    for mode in family(name).modes:
        case = Case(workload=name, preset=largest(name), mode=mode)
        program = family(name).build(case, make_setup(case, device="meta"))
        devices = {parameter.device.type for module in program.modules for parameter in module.parameters()}
        assert devices == {"meta"} or (is_probe(name) and not devices)
        assert set(program.stages) == {stage.name for stage in family(name).stages(case)}


@pytest.mark.parametrize(("name", "preset"), PRESETS)
def test_every_preset_has_a_title_a_source_and_defaults_that_are_valid(name, preset):
    declared = family(name).presets[preset]
    assert declared.title
    assert declared.source
    assert declared.config
    for mode in family(name).modes:
        case = Case(workload=name, preset=preset, mode=mode)
        family(name).validate(case)
        assert family(name).work(case).items_per_step > 0


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_is_described(name):
    for key, field in family(name).settings.model_fields.items():
        assert field.description, key


def test_listing_the_families_imports_no_torch():
    script = (
        "import json, sys; from aigc_bench.core import registry; from aigc_bench.core.records import Case\n"
        "for name in registry.names('workloads'):\n"
        "    family = registry.load('workloads', name)\n"
        "    for preset in family.presets:\n"
        "        for mode in family.modes:\n"
        "            case = Case(workload=name, preset=preset, mode=mode)\n"
        "            family.validate(case), family.work(case), family.imports(case), family.unsupported(case)\n"
        "print(json.dumps([name for name in ('torch', 'transformers', 'diffusers', 'numpy') if name in sys.modules]))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


@pytest.mark.parametrize("name", ["transformer", "gpt", "bert"])
def test_language_models_have_their_published_number_of_parameters(name, make_setup):
    for preset, declared in family(name).presets.items():
        # Experts next to states are run once to learn their caches, and on meta their grouped product knows bf16 alone.
        case = Case(workload=name, preset=preset, mode="infer", precision="bf16")
        program = family(name).build(case, make_setup(case, device="meta"))
        counted = sum(parameter.numel() for module in program.modules for parameter in module.parameters())
        assert counted == pytest.approx(declared.num_params, rel=0.01), preset
