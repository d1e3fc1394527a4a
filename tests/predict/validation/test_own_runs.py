"""Own runs calibrate: a machine known by its probes, cases that ran slower than these say, neighbours, and what is left out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from aigc_bench.catalog.loader import load_catalogue
from aigc_bench.catalog.records import AcceleratorSpec
from aigc_bench.core import registry
from aigc_bench.core.errors import UsageError
from aigc_bench.core.records import Case, MetricRow, Work
from aigc_bench.measure.store import Run
from aigc_bench.predict.fitting.posterior import Posterior
from aigc_bench.predict.machine_card import accelerator_from_run
from aigc_bench.predict.model import CALIBRATED, INFORMED, PROBED, TRACED_CAUTION, predict_case
from aigc_bench.predict.validation.own_runs import noise_of, own_posterior
from tests.analyze.synthetic import GPU, make_case, make_run, make_system
from tests.predict.test_machine_card import host_run

CATALOGUE = load_catalogue(with_user_files=False)
H100, A100 = CATALOGUE.accelerator("h100_sxm_80gb"), CATALOGUE.accelerator("a100_sxm_80gb")
ON_GPU = {"backend": "cuda", "precision": "bf16", "batch_size": 8}
VAE = Case(workload="vae", preset="conv-64", mode="infer", **ON_GPU)
GAN = Case(workload="dcgan", preset="dcgan-64-ngf64", mode="infer", **ON_GPU)
HOST_CASE = Case(workload="vae", preset="conv-64", mode="infer", batch_size=8)
PRODUCTS = Case(workload="bert", preset="tiny", mode="infer", settings={"seq_len": 64})
"""Made of what those probes measured."""
SYSTEM = make_system(devices=("host", GPU))
ON_H100 = SYSTEM.model_copy(
    update={"accelerators": tuple(info.model_copy(update={"catalog_id": H100.id}) for info in SYSTEM.accelerators)}
)


def work(case: Case) -> Work:
    declared: Work = registry.load("workloads", case.workload).work(case)
    return declared


def value(case: Case, spec: AcceleratorSpec, posterior: Posterior | None = None, *, metric: str = "step_time") -> float:
    return found_row(case, spec, posterior, metric=metric).value or 0.0


def found_row(case: Case, spec: AcceleratorSpec, posterior: Posterior | None = None, *, metric: str = "step_time") -> MetricRow:
    rows = predict_case(case, spec, catalogue=CATALOGUE, posterior=posterior)
    return next(row for row in rows if row.metric == metric)


def gpu_run(folder: Path, *, factor: float, cases: Sequence[Case] = (VAE,)) -> Run:
    """A run on an H100 whose steps took ``factor`` times as long as predicted."""
    steps = {case.id: factor * value(case, H100) for case in cases}
    return make_run(
        folder,
        cases=cases,
        step_s=lambda case, trial: steps[case.id] * (1 + 0.002 * trial),
        num_steps=20,
        work=work,
        devices=(GPU,),
        system=ON_H100,
    )


def width(row: MetricRow) -> float:
    assert row.high is not None and row.low is not None
    return row.high / row.low


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Posterior:
    run = gpu_run(tmp_path_factory.mktemp("runs") / "slow", factor=1.5)
    return own_posterior([run], specs=[H100, A100], catalogue=CATALOGUE)


def test_the_case_that_was_measured_is_predicted_as_it_was_measured(slow: Posterior) -> None:
    before, after = found_row(VAE, H100), found_row(VAE, H100, slow)
    assert after.value == pytest.approx(1.5 * (before.value or 0), rel=0.1)
    assert width(after) < 0.7 * width(before)
    assert CALIBRATED in after.reasons and TRACED_CAUTION in before.reasons
    assert (after.basis, after.verdict, after.grade) == ("modelled", "modelled", "calibrated")
    assert before.grade == "physics"


def test_another_family_on_that_machine_learns_from_it_and_another_machine_learns_less(slow: Posterior) -> None:
    own, family, neighbour = (value(case, spec, slow) / value(case, spec) for case, spec in ((VAE, H100), (GAN, H100), (VAE, A100)))
    assert own > family > 1.02
    assert own > neighbour > 1.02
    assert width(found_row(VAE, H100, slow)) < width(found_row(VAE, A100, slow)) < width(found_row(VAE, A100))
    assert INFORMED in found_row(VAE, A100, slow).reasons


def test_a_run_that_agrees_with_the_model_moves_nothing_and_narrows_it(tmp_path: Path) -> None:
    posterior = own_posterior([gpu_run(tmp_path / "run", factor=1.0)], specs=[H100], catalogue=CATALOGUE)
    assert value(VAE, H100, posterior) == pytest.approx(value(VAE, H100), rel=0.02)
    assert width(found_row(VAE, H100, posterior)) < width(found_row(VAE, H100))


def test_probes_speak_for_their_machine_and_no_other(tmp_path: Path) -> None:
    probes = host_run(tmp_path / "probes")
    spec = accelerator_from_run(probes, catalogue=CATALOGUE)
    posterior = own_posterior([probes], specs=[spec], catalogue=CATALOGUE)
    row = found_row(PRODUCTS, spec, posterior)
    assert PROBED in row.reasons
    assert width(row) < width(found_row(PRODUCTS, spec))


def test_a_cpu_says_nothing_of_the_speed_of_an_accelerator(tmp_path: Path) -> None:
    probes = host_run(tmp_path / "probes")
    posterior = own_posterior([probes], specs=[H100], catalogue=CATALOGUE)
    assert value(VAE, H100, posterior) == pytest.approx(value(VAE, H100))
    assert TRACED_CAUTION in found_row(VAE, H100, posterior).reasons


def test_a_machine_of_which_nothing_is_known_is_refused_in_one_line(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", cases=[HOST_CASE], work=work)
    with pytest.raises(UsageError, match="no catalogue row or probes describe its machine"):
        own_posterior([run], specs=[H100], catalogue=CATALOGUE)


def test_an_invalid_number_is_not_used_and_a_suspect_one_counts_half() -> None:
    row = found_row(VAE, H100).model_copy(update={"basis": "measured"})
    valid, suspect, invalid = (
        noise_of(row.model_copy(update={"verdict": verdict}), num_trials=3) for verdict in ("valid", "suspect", "invalid")
    )
    assert invalid is None
    assert valid is not None and suspect == pytest.approx(2 * valid)
    assert noise_of(row.model_copy(update={"value": None}), num_trials=3) is None


def test_a_case_that_the_model_does_not_answer_is_left_out_and_the_others_are_used(tmp_path: Path) -> None:
    odd = VAE.model_copy(update={"engine": "somebodys-own"})
    posterior = own_posterior(
        [make_run(tmp_path / "run", cases=[odd, VAE], num_steps=20, work=work, devices=(GPU,), system=ON_H100)],
        specs=[H100],
        catalogue=CATALOGUE,
    )
    assert {one.case for one in posterior.observations} == {VAE.id}


def test_more_trials_of_the_same_spread_narrow_the_interval() -> None:
    row = found_row(VAE, H100)
    few, many = (noise_of(row, num_trials=num) or 0.0 for num in (3, 10))
    assert few < many
    assert noise_of(row, num_trials=1) == pytest.approx(0.15)


def test_a_served_engine_is_calibrated_where_its_metrics_match(tmp_path: Path) -> None:
    case = make_case(
        preset="llama-3.1-8b", engine="vllm", backend="cuda", precision="bf16", batch_size=16,
        settings={"prompt_len": 512, "max_new_tokens": 128},
    )  # fmt: skip
    before = found_row(case, H100, metric="tpot")
    declared = work(case)
    step_s = 1.4 * (before.value or 0) * sum(stage.repeats for stage in declared.stages)
    run = make_run(tmp_path / "run", cases=[case], step_s=step_s, num_steps=20, work=work, devices=(GPU,), system=ON_H100)
    posterior = own_posterior([run], specs=[H100], catalogue=CATALOGUE)
    after = found_row(case, H100, posterior, metric="tpot")
    assert 1.15 < (after.value or 0) / (before.value or 1) < 1.4
    assert width(after) <= width(before)
    assert CALIBRATED in after.reasons


def test_what_is_likely_to_fit_says_how_likely() -> None:
    needed = value(VAE, H100, metric="memory_device_peak")
    chances = []
    for share in (0.6, 1.01, 1.6):
        spec = H100.model_copy(update={"usable_memory_bytes": int(share * needed)})
        row = found_row(VAE, spec, metric="p_fits")
        chances.append(row.value)
        assert ("does_not_fit" in row.reasons) == (share < 1)
    assert chances == sorted(chances)
    assert found_row(VAE, H100, metric="p_fits").value == pytest.approx(0.999)
    assert chances[0] < 0.2 and chances[1] == pytest.approx(0.5, abs=0.1) and chances[2] > 0.9
