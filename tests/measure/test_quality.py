"""A fast wrong kernel is seen, and a right one in any precision is not accused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from aigc_bench.core import registry
from aigc_bench.core.records import Case, Quality
from aigc_bench.measure.quality import Prepared, is_image, learns
from aigc_bench.measure.ranks import ALONE
from aigc_bench.measure.tensors import floating, mapped
from aigc_bench.measure.trial import judge, make_setup
from aigc_bench.measure.window import run_step
from tests.extensions.fast_but_wrong import engine as wrong_engine
from tests.measure.bench import Bench

CPU = registry.load("accelerators", "cpu")
TINY = {
    "gpt": {"preset": "tiny", "settings": {"prompt_len": 8, "max_new_tokens": 3}},
    "bert": {"preset": "tiny", "settings": {"seq_len": 16}},
    "vae": {"preset": "mlp-784-400-20"},
    "transformer": {"preset": "tiny", "settings": {"src_len": 8, "max_new_tokens": 3}},
    "latent_diffusion": {"preset": "tiny", "settings": {"num_inference_steps": 2, "resolution": 64}},
    "dcgan": {},
}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def judged(family: str, *, engine: str | object = "torch-eager", precision: str = "fp32", **keys: object) -> Quality:
    workload = registry.load("workloads", family)
    executing = registry.load("engines", engine) if isinstance(engine, str) else engine
    name = engine if isinstance(engine, str) else "fast-but-wrong"
    own = {"preset": next(iter(workload.presets)), **TINY.get(family, {}), **keys}
    case = Case(workload=family, mode="infer", engine=name, precision=precision, threads=1, **own)
    device = CPU.select(case)
    prepared = Prepared()
    program = workload.build(case, make_setup(case, device=device, engine=executing, prepared=prepared))
    with torch.inference_mode():
        run_step(program, workload.stages(case), CPU, step=0)
    found = judge(case, [program], workload=workload, engine=executing, backend=CPU, prepared=prepared, device=device)
    assert found is not None
    return found


@pytest.mark.parametrize("family", TINY)
def test_every_family_passes_in_fp32_and_fails_with_a_broken_kernel(family: str) -> None:
    right = judged(family)
    assert right.passed is True, right
    assert right.values["relative_error"] < 1e-4
    wrong = judged(family, engine=wrong_engine)
    assert wrong.passed is False, wrong
    assert wrong.values["relative_error"] > 0.5


@pytest.mark.skipif(
    CPU.unsupported(Case(workload="gpt", preset="tiny", mode="infer", precision="bf16")) is not None, reason="no bf16 here"
)
@pytest.mark.parametrize("engine", ["torch-eager", "torch-int8", "torch-int8-dynamic", "torch-int4"])
def test_lower_precisions_pass_within_what_they_may_err(engine: str) -> None:
    found = judged("gpt", engine=engine, precision="bf16")
    assert found.passed is True, found
    assert 1e-4 < found.values["relative_error"] < found.limit
    assert 0 <= found.values["token_agreement"] <= 1


def test_images_tell_their_psnr_and_logits_their_tokens() -> None:
    assert judged("latent_diffusion").values["psnr"] > 60
    assert judged("gpt").values["token_agreement"] == 1


def test_a_program_that_runs_no_module_is_not_judged() -> None:
    workload = registry.load("workloads", "probe_gemm")
    case = Case(workload="probe_gemm", preset=next(iter(workload.presets)), mode="infer")
    none = judge(case, [], workload=workload, engine=wrong_engine, backend=CPU, prepared=Prepared(), device=torch.device("cpu"))
    assert none is None


def test_a_trial_that_has_little_time_left_is_not_kept_from_its_result() -> None:
    workload = registry.load("workloads", "vae")
    case = Case(workload="vae", preset="mlp-784-400-20", mode="infer", timeout_s=10.0)
    prepared = Prepared(built=[torch.nn.Identity()], executed=[torch.nn.Identity()])
    found = judge(
        case,
        [],
        workload=workload,
        engine=wrong_engine,
        backend=CPU,
        prepared=prepared,
        device=torch.device("cpu"),
        seconds_spent=6.0,
    )
    assert found is not None and found.passed is None
    assert "timeout_s" in found.note


def trained(family: str, *, engine: object, **keys: object) -> Quality:
    workload = registry.load("workloads", family)
    own = {**TINY.get(family, {}), **keys}
    own["settings"] = {
        key: value for key, value in dict(own.get("settings", {})).items() if key not in ("prompt_len", "max_new_tokens")
    }
    if family == "transformer":
        own["settings"] = {"src_len": 8, "tgt_len": 8}
    case = Case(workload=family, mode="train", threads=1, **{"preset": next(iter(workload.presets)), **own})
    program = workload.build(case, make_setup(case, device=CPU.select(case), engine=engine))
    step = lambda: run_step(program, workload.stages(case), CPU, step=0)  # noqa: E731 - a closure over the program is all it is
    step()
    return learns(program, step, step_s=0.01, seed=0, ranks=ALONE, started=0.0)


@pytest.mark.parametrize("family", TINY)
def test_every_trainable_family_learns_a_repeated_batch(family: str) -> None:
    found = trained(family, engine=registry.load("engines", "torch-eager"))
    assert found.passed is True, found
    assert found.values["loss_last"] < found.values["loss_first"]


@pytest.mark.parametrize("family", ["gpt", "bert", "vae", "transformer"])
def test_turned_gradients_are_a_wrong_result(family: str) -> None:
    assert trained(family, engine=wrong_engine).passed is False


def test_a_loss_that_is_not_finite_is_a_wrong_result() -> None:
    from aigc_bench.workloads.base import Program

    program = Program(begin=lambda step: None, stages={}, modules=(), check=lambda: {"loss": float("nan")})
    assert learns(program, lambda: None, step_s=1.0, seed=0, ranks=ALONE, started=0.0).passed is False
    silent = Program(begin=lambda step: None, stages={}, modules=(), check=lambda: {"finite": True})
    assert learns(silent, lambda: None, step_s=1.0, seed=0, ranks=ALONE, started=0.0).passed is None


def test_nested_tensors_are_copied_and_found() -> None:
    class Box:
        def __init__(self) -> None:
            self.inside = [torch.ones(2)]
            self.dtype = torch.float32

    box = Box()
    twin = mapped({"box": box, "plain": (1, None)}, lambda tensor: tensor + 1)
    assert twin["plain"] == (1, None)
    assert float(twin["box"].inside[0][0]) == 2 and float(box.inside[0][0]) == 1
    found = list(floating({"a": torch.ones(1), "b": (torch.ones(1, dtype=torch.int64), [torch.zeros(2)]), "c": None}))
    assert [tensor.numel() for tensor in found] == [1, 2]


def test_images_are_three_planes_between_zero_and_one() -> None:
    assert is_image(torch.rand(1, 3, 4, 4))
    assert not is_image(torch.randn(1, 3, 40, 40))
    assert not is_image(torch.rand(1, 4, 4, 4))


def test_a_broken_kernel_is_condemned_in_the_run_its_table_and_its_report(tmp_path: Path) -> None:
    bench = Bench(folder=tmp_path)
    wrong = '[[case]]\nworkload = "bert"\npreset = "tiny"\nengine = ["torch-eager", "fast-but-wrong"]\n'
    run = tmp_path / "out"
    done = bench("run", "--profile", bench.profile(wrong), "--out", run, "--budget", "4s", "--json")
    verdicts = {(one["case"].split("/")[2], "fast" in one["case"]): one for one in json.loads(done.stdout)["cases"]}
    for mode in ("train", "infer"):
        assert verdicts[mode, True]["verdict"] == "invalid"
        assert "wrong_result" in verdicts[mode, True]["reasons"]
        assert "wrong_result" not in verdicts[mode, False]["reasons"]
    rows = {(row["case"], row["metric"]): row for row in bench.rows(run)}
    wrong_rows = [row for (case, _), row in rows.items() if "fast-but-wrong" in case and row["value"] is not None]
    assert {row["verdict"] for row in wrong_rows if row["metric"] in ("throughput", "memory_host_peak", "relative_error")} == {
        "invalid"
    }
    assert "relative_error" in bench("show", run).stdout
    page = (run / "report.html").read_text()
    assert "wrong result" in page and "Correctness" in page
