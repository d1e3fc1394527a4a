"""Every family that is registered, at its smallest: its FLOPs are plausible, the gate passes it and sees a broken kernel."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import torch

from aigc_bench.analyze.cpu_peak import cpu_peak_flops_per_s
from aigc_bench.core import registry
from aigc_bench.core.records import Case, Quality
from aigc_bench.measure.fingerprint import fingerprint
from aigc_bench.measure.flops import count_flops
from aigc_bench.measure.quality import Prepared, learns
from aigc_bench.measure.ranks import ALONE
from aigc_bench.measure.trial import judge, make_setup
from aigc_bench.measure.window import run_step
from aigc_bench.workloads.base import Program, Workload
from tests.extensions.fast_but_wrong import engine as wrong_engine

CPU = registry.load("accelerators", "cpu")
FAMILIES = [name for name in registry.names("workloads") if not name.startswith("probe_")]
SETTINGS = {
    ("gpt", "infer"): {"prompt_len": 8, "max_new_tokens": 3},
    ("gpt", "train"): {"seq_len": 16},
    ("bert", "train"): {"seq_len": 16},
    ("latent_diffusion", "infer"): {"num_inference_steps": 2, "resolution": 64},
    ("latent_diffusion", "train"): {"resolution": 64},
    ("stylegan", "train"): {"r1_interval": 2},
}
EAGER = "torch-eager"


@dataclass(frozen=True, kw_only=True)
class Built:
    """A family's smallest preset, ready to run."""

    case: Case
    workload: Workload
    program: Program
    prepared: Prepared

    def step(self) -> None:
        run_step(self.program, self.workload.stages(self.case), CPU, step=0)

    def quality(self) -> Quality:
        if self.case.mode == "train":
            return learns(self.program, self.step, step_s=0.1, seed=0, ranks=ALONE, started=0.0)
        engine = wrong_engine if self.case.engine != EAGER else registry.load("engines", EAGER)
        own = {"workload": self.workload, "engine": engine, "backend": CPU, "prepared": self.prepared}
        found = judge(self.case, [self.program], device=torch.device("cpu"), **own)
        assert found is not None
        return found


@contextlib.contextmanager
def built(family: str, mode: str, *, engine: str = EAGER) -> Iterator[Built]:
    workload = registry.load("workloads", family)
    preset = min(workload.presets, key=lambda name: workload.presets[name].num_params or float("inf"))
    settings = SETTINGS.get((family, mode), {})
    case = Case(workload=family, preset=preset, mode=mode, engine=engine, batch_size=2, threads=1, settings=settings)
    executing = wrong_engine if engine != EAGER else registry.load("engines", engine)
    threads, prepared = torch.get_num_threads(), Prepared()
    setup = make_setup(case, device=CPU.select(case), engine=executing, prepared=prepared)
    try:
        with torch.inference_mode() if mode == "infer" else contextlib.nullcontext():
            made = Built(case=case, workload=workload, program=workload.build(case, setup), prepared=prepared)
            made.step()
            yield made
    finally:
        torch.set_num_threads(threads)


MODES = [(family, mode) for family in FAMILIES for mode in registry.load("workloads", family).modes]


@pytest.mark.parametrize(("family", "mode"), MODES)
def test_counted_flops_never_exceed_the_peak_and_the_gate_passes(family: str, mode: str) -> None:
    with built(family, mode) as made:
        flops = sum(counted or 0 for counted in count_flops(made.program, made.workload.stages(made.case)).values())
        start_ns = time.perf_counter_ns()
        made.step()
        step_s = (time.perf_counter_ns() - start_ns) / 1e9
        peak, _ = cpu_peak_flops_per_s(made.case, fingerprint())
        assert flops > 0
        if peak is not None:
            assert 0 < flops / step_s / peak <= 1
        found = made.quality()
    assert found.passed is True, found
    if mode == "infer":
        assert found.values["relative_error"] < 1e-4
    else:
        assert found.values["loss_last"] < found.values["loss_first"]


@pytest.mark.parametrize(("family", "mode"), MODES)
def test_a_broken_kernel_is_a_wrong_result(family: str, mode: str) -> None:
    with built(family, mode, engine="fast-but-wrong") as made:
        found = made.quality()
    assert found.passed is False, found
    assert mode == "train" or found.values["relative_error"] > 0.5
