"""The disk probe: what it reads is what was written, cold and hot are what they claim, and nothing is left behind."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.core.errors import UsageError
from aigc_bench.core.records import Case
from aigc_bench.workloads import _disk
from aigc_bench.workloads.probe_disk import extents, workload

MIB = 2**20
READS = ("random-read", "sequential-read", "dataset-ingest")


def case(preset: str = "sequential-read", *, folder="", batch_size=1, **settings) -> Case:
    own = {"file_mib": 32, **({"folder": str(folder)} if folder else {}), **settings}
    return Case(workload="probe_disk", preset=preset, mode="infer", batch_size=batch_size, settings=own)


def run(program, probe_case: Case, *, steps: int) -> None:
    for step in range(steps):
        program.begin(step)
        for stage in workload.stages(probe_case):
            for repeat in range(stage.repeats):
                program.stages[stage.name](repeat)


def supported(probe_case: Case) -> Case:
    reason = workload.unsupported(probe_case)
    if reason is not None:
        pytest.skip(reason)
    return probe_case


@pytest.mark.parametrize("cache", ["direct", "dropped", "cached"])
@pytest.mark.parametrize("preset", READS)
def test_what_is_read_is_what_was_written(preset, cache, make_setup):
    probe_case = supported(case(preset, cache=cache, batch_size=2))
    program = workload.build(probe_case, make_setup(probe_case))
    run(program, probe_case, steps=7)
    checks = program.check()
    assert checks["content_matches"] is True
    assert checks["cache"] == cache
    assert checks["cold"] is (None if cache == "cached" else True)


@pytest.mark.parametrize("cache", ["direct", "cached"])
def test_a_checkpoint_is_complete_and_readable(cache, make_setup):
    probe_case = supported(case("checkpoint-write", cache=cache, file_mib=33))
    program = workload.build(probe_case, make_setup(probe_case))
    run(program, probe_case, steps=2)
    assert program.check()["complete"] is True
    assert program.check()["content_matches"] is True
    assert [stage.name for stage in workload.stages(probe_case)] == ["write", "fsync"]
    assert workload.work(probe_case).items_per_step == 33 * MIB


def test_no_file_is_left_in_the_folder_even_while_the_probe_runs(tmp_path, make_setup):
    probe_case = supported(case(folder=tmp_path, cache="cached"))
    program = workload.build(probe_case, make_setup(probe_case))
    run(program, probe_case, steps=1)
    assert list(tmp_path.iterdir()) == []


@given(
    file_mib=st.integers(32, 64),
    block=st.sampled_from([(4, 64), (112, 32), (4096, 4)]),
    is_shuffled=st.booleans(),
    seed=st.integers(0, 9),
)
def test_a_pass_reads_every_place_once_and_every_repeat_as_much(file_mib, block, is_shuffled, seed):
    block_kib, num_blocks = block
    plan = extents(
        file_bytes=file_mib * MIB, block_bytes=block_kib * 1024, num_blocks=num_blocks, is_shuffled=is_shuffled, seed=seed
    )
    flat = list(itertools.chain.from_iterable(plan))
    assert all(len(repeat) == num_blocks for repeat in plan)
    assert len({offset for offset, _ in flat}) == len(flat)
    assert all(offset % 4096 == 0 and offset + length <= file_mib * MIB for offset, length in flat)
    assert is_shuffled or flat == sorted(flat)


def test_the_page_cache_is_empty_after_a_drop_and_full_after_a_fill(tmp_path):
    scratch = _disk.ScratchFile(tmp_path, seed=1, is_direct=False)
    scratch.fill(2 * MIB)
    if scratch.is_cached(MIB) is None:
        pytest.skip("the file system cannot tell")
    assert scratch.is_cached(MIB) is True
    scratch.drop()
    assert scratch.is_cached(MIB) is False


def test_no_two_pages_are_alike_and_a_misplaced_page_is_noticed(tmp_path):
    scratch = _disk.ScratchFile(tmp_path, seed=1, is_direct=False)
    content = scratch.content(0) + scratch.content(MIB)
    pages = [content[at : at + 4096] for at in range(0, len(content), 4096)]
    assert len(set(pages)) == len(pages)
    assert scratch.holds(pages[3], offset=3 * 4096)
    assert not scratch.holds(pages[3], offset=4 * 4096)
    assert not scratch.holds(pages[3], offset=3 * 4096 + MIB)


def test_memory_is_not_taken_for_a_disk():
    if _disk.file_system(_disk.Path("/dev/shm")) != "tmpfs":
        pytest.skip("/dev/shm is no tmpfs here")
    assert "in memory (tmpfs)" in (workload.unsupported(case(folder="/dev/shm")) or "")


def test_a_folder_that_is_missing_or_full_is_refused_with_what_to_do(tmp_path):
    assert "is not a folder; name another folder" in (workload.unsupported(case(folder=tmp_path / "none")) or "")
    assert "MiB are needed" in (_disk.refusal(tmp_path, num_bytes=2**60, is_direct=False) or "")


def test_what_is_written_was_never_cached_so_dropping_it_is_a_mistake():
    with pytest.raises(UsageError, match="for reading; use 'cached' or 'direct'"):
        workload.validate(case("checkpoint-write", cache="dropped"))
    assert workload.options(Case(workload="probe_disk", preset="checkpoint-write", mode="infer")).cache == "cached"
    assert workload.options(Case(workload="probe_disk", preset="random-read", mode="infer")).cache == "direct"


def test_the_folder_is_the_setting_then_tmpdir_then_a_disk(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert _disk.default_folder() == tmp_path
    monkeypatch.delenv("TMPDIR")
    assert _disk.default_folder().is_dir()
