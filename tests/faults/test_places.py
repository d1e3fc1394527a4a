"""Places that fill up, vanish, refuse or have odd names; streams that are closed; limits and clocks."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aigc_bench.measure.store import load_run
from tests.fake_clock import FakeClock
from tests.faults.survivor import Survivor, error_line, finish
from tests.measure.bench import KNOWN_RATE, trials

Seen = Callable[[str], None]
fault = pytest.mark.fault
PROGRAM = [sys.executable, "-m", "aigc_bench"]


@contextlib.contextmanager
def disk(folder: Path, *, size: str) -> Iterator[None]:
    """A file system of its own at ``folder``; skips the test where none may be mounted."""
    folder.mkdir(exist_ok=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True, check=False)
    if mounted.returncode != 0:
        pytest.skip("this user may not mount a file system")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=False)


def remount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)


@fault(
    "the disk fills up in mid-run",
    expected="one line names it; the run is readable and can be resumed; exit 1",
)
def test_full_disk(tmp_path: Path, seen: Seen) -> None:
    with disk(tmp_path / "disk", size="1m"):
        survivor = Survivor(folder=tmp_path, name="disk/out")
        process = survivor.start()
        kept = survivor.wait_for_trials(1)
        with contextlib.suppress(OSError), (tmp_path / "disk" / "filler").open("wb", buffering=0) as filler:
            while True:
                filler.write(bytes(4096))
        code, errors = finish(process)
        assert code == 1
        assert "no space left on device" in error_line(errors) and "--resume" in error_line(errors)
        seen(f"exit 1; {survivor.check_readable(kept=kept)}")
        (tmp_path / "disk" / "filler").unlink()
        remount(tmp_path / "disk", "size=64m")
        assert survivor.resume().returncode == 0
        seen(f"resumed: {survivor.check_whole()}")


@fault("a file size limit (`ulimit -f`) in mid-run", expected="one line names it; what fits is kept; exit 1")
def test_file_size_limit(tmp_path: Path, seen: Seen) -> None:
    survivor = Survivor(folder=tmp_path)
    process = survivor.start()
    kept = survivor.wait_for_trials(1)
    resource.prlimit(
        process.pid, resource.RLIMIT_FSIZE, ((survivor.run / "results.jsonl").stat().st_size + 100, resource.RLIM_INFINITY)
    )
    code, errors = finish(process)
    assert code == 1
    assert "ulimit -f" in error_line(errors)
    seen(f"exit 1; {survivor.check_readable(kept=kept)}")


@fault("the file system becomes read-only in mid-run", expected="one line names it; the run is readable and can be resumed; exit 1")
def test_read_only_in_mid_run(tmp_path: Path, seen: Seen) -> None:
    with disk(tmp_path / "disk", size="64m"):
        survivor = Survivor(folder=tmp_path, name="disk/out")
        process = survivor.start()
        kept = survivor.wait_for_trials(1)
        place = str(tmp_path / "disk")  # a file system that is written to cannot be turned: one is put over it
        subprocess.run(["mount", "--bind", place, place], check=True)
        subprocess.run(["mount", "-o", "remount,ro,bind", place], check=True)
        code, errors = finish(process)
        assert code == 1
        assert "read-only file system" in error_line(errors)
        seen(f"exit 1; {survivor.check_readable(kept=kept)}")
        subprocess.run(["umount", "--lazy", place], check=True)
        assert survivor.resume().returncode == 0
        seen(f"resumed: {survivor.check_whole()}")


@fault("a read-only place for the run", expected="one line before anything is run; exit 1")
def test_read_only_place(tmp_path: Path, seen: Seen) -> None:
    with disk(tmp_path / "disk", size="1m"):
        remount(tmp_path / "disk", "ro")
        survivor = Survivor(folder=tmp_path, name="disk/out")
        code, errors = finish(survivor.start())
        assert code == 1
        assert "mounted read-only: name another place" in error_line(errors)
        seen("exit 1, one line")


@fault("the run folder is removed in mid-run", expected="one line says so, not that a place does not exist; exit 1")
def test_removed_folder(tmp_path: Path, seen: Seen) -> None:
    survivor = Survivor(folder=tmp_path)
    process = survivor.start()
    survivor.wait_for_trials(1)
    shutil.rmtree(survivor.run)
    code, errors = finish(process)
    assert code == 1
    assert "was removed or moved" in error_line(errors)
    assert not survivor.run.exists()
    seen("exit 1, one line")


@fault("the run folder is moved in mid-run", expected="one line says so; what was finished is resumed where it is now; exit 1")
def test_moved_folder(tmp_path: Path, seen: Seen) -> None:
    survivor = Survivor(folder=tmp_path)
    process = survivor.start()
    kept = survivor.wait_for_trials(1)
    survivor.run.rename(tmp_path / "moved")
    code, errors = finish(process)
    assert code == 1
    assert "was removed or moved" in error_line(errors)
    moved = Survivor(folder=tmp_path, name="moved", mark=survivor.mark)
    seen(f"exit 1; {moved.check_readable(kept=kept)}")
    assert moved.resume().returncode == 0
    seen(f"resumed: {moved.check_whole()}")


@fault("the current folder was removed before the start", expected="a full path works; a relative one is one line, exit 1")
def test_removed_current_folder(tmp_path: Path, seen: Seen) -> None:
    survivor = Survivor(folder=tmp_path)
    gone = tmp_path / "gone"
    lines = "cd {gone} && rmdir {gone} && exec {words}"

    def run(out: str) -> subprocess.CompletedProcess[str]:
        gone.mkdir()
        words = " ".join([*PROGRAM, "run", "--profile", str(survivor.bench.profile(KNOWN_RATE)), "--budget", "1s", "--out", out])
        line = lines.format(gone=gone, words=words)
        return subprocess.run(["bash", "-c", line], env=survivor.bench.environment, capture_output=True, text=True, check=False)

    relative = run("here")
    assert relative.returncode == 1
    assert relative.stderr.strip() == "error: the current folder was removed. Change to one that exists: cd."
    full = run(str(survivor.run))
    assert full.returncode == 0, full.stderr
    seen(f"exit 1, one line; full path: exit 0, {survivor.check_readable()}")


@fault("a run folder whose name is not UTF-8", expected="run, show, report and resume work")
def test_name_that_is_not_utf_8(tmp_path: Path, seen: Seen) -> None:
    survivor = Survivor(folder=tmp_path, name=os.fsdecode(b"run-\xff\xfe"))
    code, errors = finish(survivor.start(more=("--budget", "1s")))
    assert code == 0, errors
    assert (survivor.run / "report.html").is_file()
    assert survivor.resume().returncode == 0
    seen(f"exit 0; {survivor.check_readable()}")


@fault("LC_ALL=C without UTF-8 coercion, Chinese names", expected="run and report work; names are shown as they are")
def test_chinese_names_in_an_ascii_locale(tmp_path: Path, seen: Seen) -> None:
    ascii_only = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    folder = tmp_path / "目录"
    folder.mkdir()
    survivor = Survivor(folder=folder, name="运行", env=ascii_only)
    code, errors = finish(survivor.start(more=("--budget", "1s")))
    assert code == 0, errors
    assert "目录/运行" in errors
    assert any("运行" in word for word in load_run(survivor.run).info.command)
    seen(f"exit 0; {survivor.check_readable()}")


@fault("stdin, stdout and stderr closed (`<&- >&- 2>&-`)", expected="as with /dev/null: exit 0, nothing of ours is overwritten")
def test_closed_streams(tmp_path: Path, seen: Seen) -> None:
    survivor = Survivor(folder=tmp_path)
    words = [*PROGRAM, "run", "--profile", str(survivor.bench.profile(KNOWN_RATE)), "--budget", "1s", "--out", str(survivor.run)]
    line = f"exec {' '.join(words)} <&- >&- 2>&-"
    done = subprocess.run(["bash", "-c", line], env=survivor.bench.environment, cwd=tmp_path, check=False)
    assert done.returncode == 0
    seen(f"exit 0; {survivor.check_readable()}")


@fault("the reader of progress and result ends early (`head -1` on both)", expected="the run goes on to its end; exit 141")
def test_early_reader(tmp_path: Path, seen: Seen) -> None:
    survivor = Survivor(folder=tmp_path)
    words = [*PROGRAM, "run", "--profile", str(survivor.bench.profile(KNOWN_RATE)), "--out", str(survivor.run)]
    line = f"{' '.join(words)} 2>&1 | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", line], env=survivor.bench.environment, cwd=tmp_path, check=False, capture_output=True, text=True
    )
    assert done.returncode == 141
    assert done.stderr == "" and done.stdout.count("\n") == 1
    seen(f"exit 141; {survivor.check_whole()}")


@fault("no HOME and no entry in the password database", expected="caches lie in a temporary folder of the user's own; exit 0")
def test_no_home(tmp_path: Path, seen: Seen) -> None:
    survivor = Survivor(folder=tmp_path)
    words = [*PROGRAM, "run", "--profile", str(survivor.bench.profile(KNOWN_RATE)), "--budget", "1s", "--out", str(survivor.run)]
    environment = survivor.bench.environment
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "USER", "LOGNAME"):
        environment.pop(name, None)
    line = f"mount --bind /dev/null /etc/passwd || exit 77; exec {' '.join(words)}"
    done = subprocess.run(
        ["unshare", "--mount", "bash", "-c", line], env=environment, cwd=tmp_path, check=False, capture_output=True, text=True
    )
    if done.returncode == 77 or "unshare failed" in done.stderr:
        pytest.skip("this user may not hide the password database")
    assert done.returncode == 0, done.stderr
    seen(f"exit 0; {survivor.check_readable()}")


LIMITS = [
    pytest.param(
        mib,
        marks=fault(f"`ulimit -v` of {mib} MiB", expected="one line names the limit; the run is readable; exit 1"),
    )
    for mib in (60, 300, 600)
]


@pytest.mark.parametrize("mib", LIMITS)
def test_little_memory(tmp_path: Path, seen: Seen, mib: int) -> None:
    survivor = Survivor(folder=tmp_path)
    words = [*PROGRAM, "run", "--profile", str(survivor.bench.profile(KNOWN_RATE)), "--budget", "1s", "--out", str(survivor.run)]
    line = f"ulimit -v {mib << 10}; exec {' '.join(words)}"
    done = subprocess.run(
        ["bash", "-c", line], env=survivor.bench.environment, cwd=tmp_path, check=False, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "memory is exhausted" in error_line(done.stderr) and "ulimit -v" in error_line(done.stderr)
    if (survivor.run / "run.json").exists():
        assert {trial["status"] for trial in trials(survivor.run)} <= {"oom", "ok"}
        seen(f"exit 1, one line; {survivor.check_readable()}")
    else:
        seen("exit 1, one line, before anything was run")


DAY_S = 86_400


@fault("the clock steps by a day back and forth in mid-run", expected="windows and telemetry keep the run's own clock; exit 0")
def test_clock_steps(tmp_path: Path, seen: Seen) -> None:
    clock = FakeClock.build(tmp_path)
    survivor = Survivor(folder=tmp_path, env=clock.env)
    process = survivor.start()
    survivor.wait_for_trials(1)
    clock.set(-DAY_S)
    survivor.wait_for_trials(2)
    clock.set(DAY_S)
    code, errors = finish(process)
    assert code == 0, errors
    check_times(survivor)
    assert {trial["status"] for trial in trials(survivor.run)} == {"ok"}
    seen(f"exit 0; {survivor.check_whole()}; times ascend")


@fault("the clock was set back by a day before a resume", expected="the run's clock goes on behind its last reading; exit 0")
def test_clock_set_back_before_a_resume(tmp_path: Path, seen: Seen) -> None:
    clock = FakeClock.build(tmp_path)
    survivor = Survivor(folder=tmp_path, env=clock.env)
    process = survivor.start()
    kept = survivor.wait_for_trials(1)
    process.kill()
    process.communicate()
    clock.set(-DAY_S)
    done = survivor.resume()
    assert done.returncode == 0, done.stderr
    check_times(survivor)
    assert trials(survivor.run)[: len(kept)] == kept
    seen(f"exit 0; {survivor.check_whole()}; times ascend")


def check_times(survivor: Survivor) -> None:
    """Assert that trials follow one another, their windows last as long as they say, and readings fall into them."""
    run = load_run(survivor.run)
    ends = [time_s for trial in run.trials for time_s in (trial.started_s, trial.finished_s)]
    assert ends == sorted(ends)
    for trial in run.trials:
        assert trial.window is not None
        assert abs(trial.window.end_s - trial.window.start_s - trial.window.wall_s) < 0.1
        assert run.telemetry["time_s"].between(trial.window.start_s, trial.window.end_s).any()
    assert run.info.finished_s is not None and run.info.finished_s >= ends[-1]
    assert run.telemetry["time_s"].max() - run.telemetry["time_s"].min() < DAY_S / 2
