"""An NVIDIA driver that misbehaves: the fake library below the real pynvml, made to fail by its trace and its environment."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aigc_bench.measure.store import load_run
from tests.fake_nvml import FakeGpu, FakeNvml
from tests.faults.processes import wait_for
from tests.faults.survivor import Survivor, error_line, finish

Seen = Callable[[str], None]
fault = pytest.mark.fault
UUID = "GPU-0a1b2c3d-0000-0000-0000-000000000001"
ODD = "GPU-0a1b2c3d-0000-0000-0000-000000000002"
QUICK = ("--budget", "1s")
ABSENT = "each metric is absent with its reason; exit 0"
NO_DRIVER = "the CPU is measured; the reason and its remedy stand in the run; exit 0"


def ran(folder: Path, *gpus: FakeGpu, more: tuple[str, ...] = (), **switches: str) -> Survivor:
    """A whole short run with these GPUs; it has ended with exit 0 and can be read."""
    fake = FakeNvml.build(folder, *(gpus or (FakeGpu(uuid=UUID),)), more=more)
    survivor = Survivor(folder=folder, env={**fake.env, **switches})
    code, errors = finish(survivor.start(more=QUICK))
    assert code == 0, errors
    survivor.check_readable()
    return survivor


def sensor(survivor: Survivor) -> dict[str, Any]:
    """What the run says of the driver's sensors."""
    sensors: list[dict[str, Any]] = json.loads((survivor.run / "run.json").read_text())["sensors"]
    return next(one for one in sensors if one["source"] == "nvml")


@fault("a GPU falls off the bus in mid-run", expected="its last words are in the run; its numbers are absent with a reason; exit 0")
def test_lost_in_mid_run(tmp_path: Path, seen: Seen) -> None:
    fake = FakeNvml.build(tmp_path, FakeGpu(uuid=UUID, series={"lost": ((0.0, 0), (14.0, 1))}))
    survivor = Survivor(folder=tmp_path, env=fake.env)
    code, errors = finish(survivor.start(more=("--level", "quick")))
    assert code == 0, errors
    survivor.check_whole()
    status = sensor(survivor)
    assert any("fallen off the bus" in reason for reason in status["absent"].values())
    energy = [row for row in survivor.rows() if row["metric"].startswith("energy")]
    assert all(row["value"] is None and row["reasons"] for row in energy if row["basis"] == "absent")
    seen("exit 0; the reason is in the run; nothing lost")


REFUSALS = [
    pytest.param(3, "this device does not offer it", marks=fault("every NVML query of a device: NOT_SUPPORTED", expected=ABSENT)),
    pytest.param(4, "not permitted for this user", marks=fault("every NVML query of a device: NO_PERMISSION", expected=ABSENT)),
]


@pytest.mark.parametrize(("code", "words"), REFUSALS)
def test_every_query_refused(tmp_path: Path, seen: Seen, code: int, words: str) -> None:
    survivor = ran(tmp_path, FAKE_NVML_REFUSE=str(code))
    status = sensor(survivor)
    assert status["devices"] == [UUID] and status["metrics"] == []
    assert {status["absent"][metric] for metric in ("energy_j", "gpu_utilization", "temperature_c")} == {words}
    assert not [row for row in survivor.rows() if row["metric"].startswith("power") and row["value"] is not None]
    seen("exit 0; every metric absent with its reason")


@fault("not even name and UUID of a GPU are given", expected="the GPU is left out with the reason; exit 0")
def test_no_name(tmp_path: Path, seen: Seen) -> None:
    status = sensor(ran(tmp_path, FAKE_NVML_REFUSE_NAMES="4"))
    assert status["available"] is False
    assert "not permitted for this user" in status["reason"]
    seen("exit 0; left out with its reason")


MISMATCHES = [
    pytest.param(18, "reboot after the driver update", marks=fault("nvmlInit: LIB_RM_VERSION_MISMATCH", expected=NO_DRIVER)),
    pytest.param(9, "modprobe", marks=fault("nvmlInit: DRIVER_NOT_LOADED", expected=NO_DRIVER)),
]


@pytest.mark.parametrize(("code", "words"), MISMATCHES)
def test_no_driver(tmp_path: Path, seen: Seen, code: int, words: str) -> None:
    status = sensor(ran(tmp_path, FAKE_NVML_INIT=str(code)))
    assert status["available"] is False
    assert words in status["reason"]
    seen("exit 0; reason and remedy in the run")


@fault("the driver lists more GPUs than answer", expected="those that answer are read, the other is named with its reason")
def test_more_than_there_are(tmp_path: Path, seen: Seen) -> None:
    status = sensor(ran(tmp_path, more=("0,*,count,2",)))
    assert status["devices"] == [UUID]
    assert any("GPU 1" in reason for reason in status["absent"].values())
    seen("exit 0; one GPU read, one named as missing")


@fault("the GPUs are gone when the sampler is started again", expected="the run goes on; no GPU is listed; exit 0")
def test_count_drops(tmp_path: Path, seen: Seen) -> None:
    fake = FakeNvml.build(tmp_path, FakeGpu(uuid=UUID), more=("0,*,count,1", "12,*,count,0"))
    survivor = Survivor(folder=tmp_path, env=fake.env)
    process = survivor.start()
    survivor.wait_for_trials(1)
    time.sleep(max(0.0, fake.started_s + 13 - time.time()))
    os.kill(wait_for("sampler", survivor.mark), signal.SIGKILL)
    code, errors = finish(process)
    assert code == 0, errors
    status = sensor(survivor)
    assert status["available"] is False and "no GPU" in status["reason"]
    seen(f"exit 0; {survivor.check_whole()}")


@fault("the energy counter goes backwards", expected="energy is integrated from power or absent, never 0 or negative; exit 0")
def test_counter_goes_back(tmp_path: Path, seen: Seen) -> None:
    back = tuple((0.05 * step, 1e6 - 25.0 * step) for step in range(8000))
    survivor = ran(tmp_path, FakeGpu(uuid=UUID, series={"energy_j": back}))
    energy = [row for row in survivor.rows() if row["metric"].startswith(("energy", "power"))]
    assert all(row["value"] is None or row["value"] > 0 for row in energy)
    # On a busy machine a reading next to the window may be missing, which is said before the reset can be seen.
    named = [set(row["reasons"]) for row in energy if row["metric"] == "energy_gross"]
    assert named and all(reasons & {"counter_reset", "energy_not_bracketed"} for reasons in named)
    seen("exit 0; nothing negative; the verdict names it")


@fault("a GPU whose name is not UTF-8, one whose name is HTML", expected="shown, escaped, nowhere obeyed; exit 0")
def test_odd_names(tmp_path: Path, seen: Seen) -> None:
    gpus = (
        FakeGpu(uuid=UUID, name=os.fsdecode(b"NVIDIA \xff\xfe H100")),
        FakeGpu(uuid=ODD, name="<script>alert(1)</script>\x1b[31m"),
    )
    survivor = ran(tmp_path, *gpus)
    names = [device.name for device in load_run(survivor.run).info.system.accelerators]
    assert names == ["NVIDIA \ufffd\ufffd H100", "<script>alert(1)</script>\x1b[31m"]
    page = (survivor.run / "report.html").read_text()
    assert "<script>alert(1)" not in page and "\x1b" not in page
    shown = survivor.bench("doctor")
    assert "\x1b" not in shown.stdout and "Traceback" not in shown.stderr
    seen("exit 0; escaped on the page and on the terminal")


@fault("a profile for a GPU while NVML refuses", expected="one line says what was found; nothing is written; exit 2")
def test_profile_for_a_refused_gpu(tmp_path: Path, seen: Seen) -> None:
    fake = FakeNvml.build(tmp_path, FakeGpu(uuid=UUID))
    survivor = Survivor(folder=tmp_path, env={**fake.env, "FAKE_NVML_INIT": "18"})
    process = survivor.bench.start("run", "--profile", "a100", "--out", survivor.run)
    code, errors = finish(process)
    assert code == 2 and "expects" in error_line(errors)
    assert not survivor.run.exists()
    seen("exit 2, one line")
