"""Families with real inputs and products around them: what is fed, counted and reported."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
import torch

from aigc_bench import api
from aigc_bench.analyze.pipeline_quantities import host_cpu_s
from aigc_bench.analyze.rows import analyses
from aigc_bench.analyze.waste_ledger import ledger_of
from aigc_bench.core import registry
from aigc_bench.core.errors import UsageError
from aigc_bench.core.pipeline import Pipeline, PipelineUse
from aigc_bench.core.records import Case, Mode
from aigc_bench.measure.data_pipeline import DataPipeline, on_cores, process_cpu_s
from aigc_bench.measure.piped_profile import piped, pipelines
from aigc_bench.measure.profiles import load_profile
from aigc_bench.measure.store import Run
from aigc_bench.measure.trial import make_setup
from aigc_bench.workloads.base import Program, Setup, Workload
from tests.conftest import CORRUPT, EMPTY

PROFILE = """
name = "small"
title = "small"
level = "quick"
[defaults]
backend = "cpu"
[[case]]
workload = "vision"
preset = "resnet-tiny"
mode = "train"
batch_size = 4
settings = { resolution = 64 }
[[case]]
workload = "gpt"
preset = "tiny"
mode = "infer"
[[case]]
workload = "recommendation"
preset = "tiny"
mode = "infer"
"""


def small_case(workload: str, mode: Mode, *, preset: str = "tiny", pipeline: Pipeline | None = None, **settings: int) -> Case:
    return Case(workload=workload, preset=preset, mode=mode, batch_size=2, pipeline=pipeline, settings=settings)


def built(case: Case, device: str = "cpu") -> tuple[Workload, Setup, Program]:
    family: Workload = registry.load("workloads", case.workload)
    setup = make_setup(case, device=torch.device(device), engine=registry.load("engines", "torch-eager"))
    return family, setup, family.build(case, setup)


FAMILIES = [name for name in registry.names("workloads") if not name.startswith("probe_")]


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("mode", ["train", "infer"])
def test_a_family_is_fed_with_what_it_declares_and_makes_what_it_declares(name: str, mode: Mode) -> None:
    """On ``meta``, where nothing is computed."""
    family: Workload = registry.load("workloads", name)
    preset = min(family.presets, key=lambda one: family.presets[one].num_params or float("inf"))
    case = small_case(name, mode, preset=preset, pipeline=Pipeline())
    if not family.has_pipeline(mode):
        pytest.skip("this family has no pipeline in that mode")
    if mode not in family.modes or family.unsupported(case):
        pytest.skip("this family does not do that")
    with torch.inference_mode(mode == "infer"):
        _, setup, program = built(case, "meta")
    declared = set(family.fed_with(mode))
    has_prompts = not preset.startswith("dit-")  # DiT is conditioned on a class, not a text
    assert {fed.intake.modality for fed in setup.fed or ()} == (declared if has_prompts else declared - {"text"})
    assert (program.outlet.modality if program.outlet else None) == (family.writes if mode == "infer" else None)


def test_a_case_without_pipeline_keeps_nothing_to_be_fed() -> None:
    _, setup, _ = built(small_case("bert", "train"))
    assert setup.fed is None


def stepped(case: Case, steps: int = 2) -> tuple[Setup, Program, PipelineUse]:
    family, setup, program = built(case)
    data = DataPipeline(case, setup, program, backend=registry.load("accelerators", "cpu"))
    work = data.work(family.work(case))
    data.start_window()
    with torch.inference_mode(case.mode == "infer"):
        for step in range(steps):
            data.program.begin(step)
            for stage in work.stages:
                for repeat in range(stage.repeats):
                    data.program.stages[stage.name](repeat)
    data.end_window()
    used = data.close()
    assert used is not None
    return setup, program, used


def test_bert_learns_to_restore_the_real_words_it_was_fed_with(small_data: Path) -> None:
    case = small_case("bert", "train", pipeline=Pipeline(data=str(small_data), workers=0))
    setup, program, _ = stepped(case)
    assert setup.fed
    words = setup.fed[0].tensor
    program.begin(0)
    step = program.stages["forward"].__self__  # type: ignore[attr-defined]
    tokens, labels = step.batch
    hidden = labels != -100
    assert (labels[hidden] == words[hidden]).all()
    assert (tokens[~hidden] == words[~hidden]).all()


def test_images_reach_their_tensors_and_what_derives_from_them(small_data: Path) -> None:
    case = small_case("image_enhancement", "infer", preset="inpainting-tiny", pipeline=Pipeline(data=str(small_data), workers=0))
    _, setup, _ = built(case)
    assert setup.fed
    before = setup.fed[0].tensor.clone()
    setup, _, used = stepped(case)
    assert setup.fed
    assert not torch.equal(setup.fed[0].tensor, before)
    assert used.stage_cpu_s.keys() == {"preprocess", "postprocess"}
    assert all(seconds > 0 for seconds in used.stage_cpu_s.values())
    assert used.product_bytes and used.product_bytes > 1000
    assert [source.num_samples for source in used.sources] == [4]


@pytest.mark.parametrize("workload", ["speech_recognition", "text_to_speech"])
def test_sound_goes_in_and_comes_out(workload: str, small_data: Path) -> None:
    for mode in ("train", "infer"):
        _, program, used = stepped(small_case(workload, mode, pipeline=Pipeline(data=str(small_data), workers=0)))  # type: ignore[arg-type]
        assert program.check()["finite"]
        assert {source.modality for source in used.sources} == set(registry.load("workloads", workload).fed_with(mode))


def test_the_cpu_clock_of_another_process_counts_its_work() -> None:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        while time.process_time() < 0.2:
            pass
        os.write(writing, repr(time.process_time()).encode())
        signal.pause()
        os._exit(0)
    try:
        told_s = float(os.read(reading, 100))
        assert process_cpu_s(pid) == pytest.approx(told_s, abs=0.02)
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
    assert process_cpu_s(pid) is None


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core cannot be bound to fewer")
def test_a_bound_thread_is_free_inside_a_host_stage_and_bound_again_after_it() -> None:
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        with pytest.raises(RuntimeError), on_cores(cores):
            assert os.sched_getaffinity(0) == cores
            raise RuntimeError
        assert os.sched_getaffinity(0) == {min(cores)}
    finally:
        os.sched_setaffinity(0, cores)


def test_loader_processes_have_all_cores_though_the_trial_is_bound(small_data: Path) -> None:
    cores = os.sched_getaffinity(0)
    case = small_case("vae", "train", preset="conv-64", pipeline=Pipeline(data=str(small_data), workers=2))
    _, setup, program = built(case)
    data = DataPipeline(case, setup, program, backend=registry.load("accelerators", "cpu"))
    try:
        os.sched_setaffinity(0, {min(cores)})
        data.start_window()
        for step in range(3):
            data.program.begin(step)
            data.program.stages["preprocess"](0)
        workers = tuple(data._counters.workers_cpu_s)
        assert len(workers) == 2
        assert all(os.sched_getaffinity(pid) == cores for pid in workers)
        data.end_window()
    finally:
        os.sched_setaffinity(0, cores)
        used = data.close()
    assert used is not None and used.workers_cpu_s is not None
    deadline = time.monotonic() + 120
    while any(process_cpu_s(pid) is not None for pid in workers):
        assert time.monotonic() < deadline, "the loader's processes end with it"
        time.sleep(0.05)


def test_cpu_time_with_an_unread_worker_is_unknown() -> None:
    assert host_cpu_s(PipelineUse(num_workers=1, cache="hot", stage_cpu_s={"preprocess": 1.0})) is None
    assert host_cpu_s(PipelineUse(num_workers=1, cache="hot", stage_cpu_s={"preprocess": 1.0}, workers_cpu_s=2.0)) == 3.0


@pytest.fixture(scope="module")
def piped_run(tmp_path_factory: pytest.TempPathFactory, small_data: Path) -> Run:
    """Training with two loader processes, hot and cold, and generation without any."""
    folder = tmp_path_factory.mktemp("piped")
    (folder / "small.toml").write_text(PROFILE)
    chosen = load_profile(folder / "small.toml")
    return api.run(chosen, out=folder / "run", budget_s=12, pipelines=pipelines(small_data, caches=("hot", "cold")))


def value(run: Run, case: str, metric: str) -> float | None:
    return next(row.value for row in api.rows(run) if row.case.startswith(case) and row.metric == metric)


def test_a_run_reports_stalls_shares_cores_and_processes(piped_run: Run) -> None:
    assert {case.workload for case in piped_run.info.cases} == {"vision", "gpt"}, "what reads none of the data is left out"
    assert {trial.status for trial in piped_run.trials} == {"ok"}
    stall, share = (value(piped_run, "vision", metric) for metric in ("data_stall", "pipeline_share"))
    assert stall is not None and 0 < stall < 1 and stall == share
    assert value(piped_run, "vision", "loader_workers") == 2
    cores, per_item = (value(piped_run, "vision", metric) for metric in ("cores_per_device", "host_cpu_per_item"))
    assert cores is not None and cores > 0
    assert per_item is not None and 1e-5 < per_item < 0.5
    ledger = next(one for one in map(ledger_of, analyses(piped_run)) if one and one.case.startswith("vision"))
    assert (ledger.share("data_loading") or 0) > 0
    assert value(piped_run, "gpt", "loader_workers") == 0
    shares = [value(piped_run, "gpt", f"stage_share.{stage}") for stage in ("preprocess", "postprocess")]
    assert all(one is not None and 0 < one < 1 for one in shares)


def test_bad_files_are_skipped_counted_and_named(piped_run: Run) -> None:
    uses = [trial.pipeline for trial in piped_run.trials if trial.case.startswith("vision") and trial.pipeline]
    assert uses
    for use in uses:
        (source,) = use.sources
        assert source.num_skipped == 2
        assert {one.name for one in source.skipped} == {CORRUPT, EMPTY}
    (line,) = api.skipped(piped_run)
    assert line.startswith("skipped 2 of image: ")
    assert CORRUPT in line and "empty file" in line
    page = (piped_run.path / "report.html").read_text()
    assert "Data pipeline" in page
    assert CORRUPT in page and EMPTY in page


def test_hot_and_cold_are_declared_and_measured(piped_run: Run) -> None:
    hot, cold = ([t.pipeline for t in piped_run.trials if t.pipeline and t.pipeline.cache == cache] for cache in ("hot", "cold"))
    fractions = [[source.cached_fraction for use in uses for source in use.sources] for uses in (hot, cold)]
    if fractions[0][0] is None:
        pytest.skip("this file system does not tell what is cached")
    assert min(one for one in fractions[0] if one is not None) > max(one for one in fractions[1] if one is not None)


def test_each_pipeline_is_a_case_of_its_own(small_data: Path, tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(PROFILE)
    profile = load_profile(tmp_path / "small.toml")
    names = [case.id for case in piped(profile, pipelines(None, caches=("hot", "cold"), workers=(0, 4))).cases]
    assert "vision/resnet-tiny/train/fp32/b4/pipeline+cold+workers=4/resolution=64" in names
    assert len(names) == len(set(names)) == 2 * 4 + 1, "recommendation has none and runs as it is"
    ours = piped(profile, pipelines(small_data)).cases[0]
    assert f"/pipeline@{ours.pipeline.sha256[:8]}" in ours.id if ours.pipeline and ours.pipeline.sha256 else False


def test_data_that_no_case_reads_is_refused(tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(PROFILE)
    (tmp_path / "sound.wav").write_bytes(b"x")
    with pytest.raises(UsageError, match="no case of profile 'small' reads audio"):
        piped(load_profile(tmp_path / "small.toml"), pipelines(tmp_path / "sound.wav"))


def test_a_profile_asks_for_the_pipeline(tmp_path: Path) -> None:
    table = 'pipeline = [false, true, { workers = 3, cache = "cold" }]\n'
    (tmp_path / "p.toml").write_text(
        f'name = "p"\ntitle = "p"\n[[case]]\nworkload = "gpt"\npreset = "tiny"\nmode = "infer"\n{table}'
    )
    assert [case.pipeline for case in load_profile(tmp_path / "p.toml").cases] == [
        None,
        Pipeline(),
        Pipeline(workers=3, cache="cold"),
    ]
    (tmp_path / "p.toml").write_text(
        'name = "p"\ntitle = "p"\n[[case]]\nworkload = "gpt"\npreset = "tiny"\npipeline = { wokers = 3 }\n'
    )
    with pytest.raises(UsageError, match="wokers"):
        load_profile(tmp_path / "p.toml")
