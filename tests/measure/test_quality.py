"""A fast wrong kernel is seen, and a right one in any precision is not accused."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.core import registry
from aigc_bench.core.records import Case, Quality
from aigc_bench.measure.quality import ALLOWED_ERROR, Call, Prepared, compare, is_image, learns
from aigc_bench.measure.ranks import ALONE
from aigc_bench.measure.tensors import floating, mapped, widen
from aigc_bench.measure.trial import judge, make_setup
from aigc_bench.measure.window import run_step
from aigc_bench.workloads.base import Program
from tests.extensions.fast_but_wrong import engine as wrong_engine
from tests.measure.bench import Bench

CPU = registry.load("accelerators", "cpu")
TINY = {
    "gpt": {"preset": "tiny", "settings": {"prompt_len": 8, "max_new_tokens": 3}},
    "latent_diffusion": {"preset": "tiny", "settings": {"num_inference_steps": 2, "resolution": 64}},
    "video_diffusion": {"preset": "tiny", "settings": {"num_inference_steps": 1}},
    "diffusion_transformer": {"preset": "tiny", "settings": {"num_inference_steps": 2}},
    "transformer": {"preset": "tiny", "settings": {"src_len": 8, "max_new_tokens": 3}},
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


NO_BF16 = CPU.unsupported(Case(workload="gpt", preset="tiny", mode="infer", precision="bf16"))


@pytest.mark.skipif(NO_BF16 is not None, reason="no bf16 here")
@pytest.mark.parametrize(
    ("family", "engine"),
    [
        *(("gpt", name) for name in ("torch-eager", "torch-int8", "torch-int8-dynamic", "torch-int4")),
        ("transformer", "torch-eager"),
    ],
)
def test_lower_precisions_pass_within_what_they_may_err(family: str, engine: str) -> None:
    found = judged(family, engine=engine, precision="bf16")
    assert found.passed is True, found
    assert 1e-4 < found.values["relative_error"] < found.limit
    assert 0 <= found.values.get("token_agreement", 1) <= 1


def test_images_tell_their_psnr_and_logits_their_tokens() -> None:
    assert judged("latent_diffusion").values["psnr"] > 60
    found = judged("gpt")
    assert found.values["token_agreement"] == found.values["token_agreement_near_ties"] == 1
    assert found.floors == {"token_agreement_near_ties": 1}


class Returned(torch.nn.Module):
    """Gives what it was made with."""

    def __init__(self, output: object) -> None:
        super().__init__()
        self.output = output

    def forward(self) -> object:
        return self.output


def compared(output: torch.Tensor, wanted: torch.Tensor, *, limit: float, has_logits: bool = False) -> Quality:
    call = Call(module=0, args=(), keys={}, outputs=(output,), has_logits=has_logits)
    return compare([call], [Returned(wanted)], limit=limit, started=0.0)


def logits(*, positions: int = 1000, vocab_size: int = 2000) -> torch.Tensor:
    return torch.randn(1, positions, vocab_size, generator=torch.Generator().manual_seed(0))


def test_one_wrong_position_of_a_thousand_is_seen_by_its_token() -> None:
    wanted = logits()
    output = wanted.clone()
    output[0, 500] = wanted[0, 499]
    found = compared(output, wanted, limit=ALLOWED_ERROR["bf16"], has_logits=True)
    assert found.values["relative_error"] < found.limit
    assert found.values["token_agreement_near_ties"] == pytest.approx(0.999)
    assert found.passed is False


def test_one_broken_word_of_the_vocabulary_is_seen_by_the_tokens() -> None:
    wanted = logits()
    output = wanted.clone()
    output[..., 7] = 9.0
    found = compared(output, wanted, limit=ALLOWED_ERROR["bf16"] + 0.2, has_logits=True)
    assert found.values["relative_error"] < found.limit
    assert found.passed is False


@given(st.floats(1e-4, 0.4), st.integers(0, 100))
def test_rounding_that_is_half_of_what_is_allowed_never_fails_by_its_tokens(limit: float, seed: int) -> None:
    wanted = logits(positions=20)
    noise = torch.randn(wanted.shape, generator=torch.Generator().manual_seed(seed))
    found = compared(wanted + 0.5 * limit * noise, wanted, limit=limit, has_logits=True)
    assert found.passed is True, found
    assert found.values["token_agreement"] <= found.values["token_agreement_near_ties"] == 1


def test_one_wrong_image_of_a_batch_is_seen_by_its_psnr() -> None:
    wanted = 0.25 + 0.5 * torch.rand(64, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    output = wanted.clone()
    output[5] = wanted[6]
    found = compared(output, wanted, limit=ALLOWED_ERROR["bf16"])
    assert found.values["relative_error"] < found.limit
    assert found.values["psnr"] < found.floors["psnr"] == pytest.approx(21.94, abs=0.01)
    assert found.passed is False


def test_an_output_of_another_shape_is_wrong_even_where_it_could_be_stretched() -> None:
    wanted = logits(positions=1)
    found = compared(wanted.expand(1, 4, -1), wanted, limit=0.1, has_logits=True)
    assert found.passed is False


def test_a_frame_that_is_not_a_number_has_no_psnr() -> None:
    wanted = torch.rand(2, 3, 4, 8, 8)
    output = wanted.clone()
    output[1, 0, 0, 0, 0] = math.nan
    found = compared(output, wanted, limit=0.1)
    assert found.values["psnr"] == 0 and found.passed is False


@given(st.floats(1e-4, 0.5), st.sampled_from([4, 5]))
def test_pixels_that_err_within_the_allowed_share_pass(limit: float, dims: int) -> None:
    wanted = torch.rand((2, 3, *(8,) * (dims - 2)))
    found = compared((wanted + 0.4 * limit * torch.rand_like(wanted)).clamp(0, 1), wanted, limit=limit)
    assert found.passed is True, found


@pytest.mark.skipif(NO_BF16 is not None, reason="no bf16 here")
@pytest.mark.parametrize("family", ["latent_diffusion", "video_diffusion", "diffusion_transformer"])
def test_images_in_bf16_are_far_above_their_floor(family: str) -> None:
    found = judged(family, precision="bf16")
    assert found.passed is True, found
    assert found.values["psnr"] > found.floors["psnr"] + 6


def test_a_program_that_runs_no_module_is_not_judged() -> None:
    workload = registry.load("workloads", "probe_gemm")
    case = Case(workload="probe_gemm", preset=next(iter(workload.presets)), mode="infer")
    none = judge(case, [], workload=workload, engine=wrong_engine, backend=CPU, prepared=Prepared(), device=torch.device("cpu"))
    assert none is None


def test_a_loss_that_is_not_finite_is_a_wrong_result() -> None:
    program = Program(begin=lambda step: None, stages={}, modules=(), check=lambda: {"loss": float("nan")})
    assert learns(program, lambda: None, step_s=1.0, seed=0, ranks=ALONE, started=0.0).passed is False
    silent = Program(begin=lambda step: None, stages={}, modules=(), check=lambda: {"finite": True})
    assert learns(silent, lambda: None, step_s=1.0, seed=0, ranks=ALONE, started=0.0).passed is None


class _Scaled:
    """A line learned through a gradient scaler whose first scale overflows; ``is_broken`` leaves every gradient infinite."""

    def __init__(self, *, is_broken: bool = False) -> None:
        torch.manual_seed(0)
        self.line = torch.nn.Linear(4, 1)
        self.inputs, self.wanted = torch.randn(16, 4), torch.randn(16, 1)
        self.optimizer = torch.optim.SGD(self.line.parameters(), lr=0.002)
        # 2^127 times a gradient above 2 is infinite in fp32, as 2^16 times a small one is in fp16.
        self.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**127)
        self.loss, self.factor = 0.0, float("inf") if is_broken else 1.0

    def step(self) -> None:
        loss = 64 * (self.line(self.inputs) - self.wanted).square().mean()
        self.loss = float(loss.detach())
        self.scaler.scale(loss * self.factor).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad()

    def judged(self) -> Quality:
        program = Program(begin=lambda step: None, stages={}, modules=(), check=lambda: {"loss": self.loss})
        return learns(program, self.step, step_s=1.0, seed=0, ranks=ALONE, started=0.0, scaler=self.scaler)


def test_steps_that_the_gradient_scaler_skips_are_not_counted_as_steps_that_learned_nothing() -> None:
    scaled = _Scaled()
    found = scaled.judged()
    assert found.passed is True, found
    assert scaled.scaler.get_scale() <= 2.0**124, "three steps at least were skipped"


def test_a_loss_whose_gradients_always_overflow_is_a_wrong_result() -> None:
    found = _Scaled(is_broken=True).judged()
    assert found.passed is False and "skipped" in (found.note or "")


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


def test_an_output_that_answers_to_numbers_still_does_when_it_is_copied() -> None:
    from transformers.modeling_outputs import BaseModelOutput

    twin = mapped(BaseModelOutput(last_hidden_state=torch.zeros(2)), lambda tensor: tensor + 1)
    assert float(twin[0][0]) == float(twin.last_hidden_state[0]) == 1


def test_a_module_is_widened_with_the_cache_it_shares_with_another() -> None:
    cache = {"keys": torch.zeros(2, dtype=torch.bfloat16), "length": torch.zeros(1, dtype=torch.int64)}
    first, second = torch.nn.Linear(2, 2).bfloat16(), torch.nn.Linear(2, 2)
    first.cache, second.cache = (cache, 3), [cache]
    widen(first)
    assert first.weight.dtype == cache["keys"].dtype == torch.float32
    assert cache["length"].dtype == torch.int64
    assert second.cache[0]["keys"] is cache["keys"]


def test_images_are_three_planes_between_zero_and_one() -> None:
    assert is_image(torch.rand(1, 3, 4, 4))
    assert not is_image(torch.randn(1, 3, 40, 40))
    assert not is_image(torch.rand(1, 4, 4, 4))


def test_a_broken_kernel_is_condemned_in_the_run_its_table_and_its_report(tmp_path: Path) -> None:
    bench = Bench(folder=tmp_path)
    wrong = '[[case]]\nworkload = "bert"\npreset = "tiny"\nengine = ["torch-eager", "fast-but-wrong"]\n'
    run = tmp_path / "out"
    done = bench.here("run", "--profile", bench.profile(wrong), "--out", run, "--budget", "4s", "--json")
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
    assert "relative_error" in bench.here("show", run).stdout
    page = (run / "report.html").read_text()
    assert "wrong result" in page and "Correctness" in page
