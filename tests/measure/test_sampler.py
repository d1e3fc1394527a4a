"""The sampler as the parent uses it: a real process, real files, and a fake device whose truth is known."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from statistics import mean

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_bench.measure.clock import Clock
from aigc_bench.measure.sampler import Task, advance, percentile
from aigc_bench.measure.sampler_client import SamplerClient
from tests.fake_nvml import FakeGpu, FakeNvml

Row = tuple[float, str, str, str, float | None]


def read_spool(path: Path) -> list[Row]:
    rows = (line.split(",") for line in path.read_text().splitlines())
    return [
        (float(time_s), source, device, metric, float(value) if value else None) for time_s, source, device, metric, value in rows
    ]


@pytest.fixture
def client(tmp_path: Path) -> Iterator[SamplerClient]:
    sampler = SamplerClient(spool=tmp_path / "telemetry.csv", clock=Clock.start(), sources=("host",), periods_s={"host": 0.05})
    yield sampler
    sampler.stop()


def wait_for(client: SamplerClient, spool: Path, condition: Callable[[list[Row]], bool]) -> list[Row]:
    """Flush the sampler until what it has written fulfils ``condition``, and return that."""
    until_s = time.monotonic() + 60
    while True:
        client.flush()
        rows = read_spool(spool)
        if condition(rows):
            return rows
        assert time.monotonic() < until_s, "it was never written"
        time.sleep(0.05)


def wait_until_gone(pid: int, *, timeout_s: float = 60.0) -> bool:
    until_s = time.monotonic() + timeout_s
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > until_s:
            return False
        time.sleep(0.02)
    return True


def test_readings_reach_the_spool_on_the_runs_clock_and_the_report_counts_them(tmp_path: Path) -> None:
    clock = Clock.start()
    client = SamplerClient(spool=tmp_path / "telemetry.csv", clock=clock, sources=("host",), periods_s={"host": 0.05})
    statuses = client.start()
    started_s = clock.now_s()
    client.watch(os.getpid())
    rows = wait_for(client, tmp_path / "telemetry.csv", lambda rows: len({row[0] for row in rows if row[2] == "worker"}) >= 5)
    report = client.stop()
    assert [status.source for status in statuses] == ["host"]
    assert {device for _, _, device, _, _ in rows} == {"host", "worker"}
    assert all(started_s - 1 < time_s <= clock.now_s() for time_s, *_ in rows)
    assert report.num_samples >= 5
    assert report.restarts == 0
    assert report.late_p99_s is not None and report.cpu_fraction is not None and 0 < report.cpu_fraction < 1


def test_power_and_energy_of_a_fake_gpu_are_within_two_percent_of_its_truth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu = FakeGpu(power_w=[(0, 120.0), (60, 240.0)], linear=True)
    fake = FakeNvml.build(tmp_path, gpu)
    for name, value in fake.env.items():
        monkeypatch.setenv(name, value)
    clock = Clock.start()
    client = SamplerClient(spool=tmp_path / "telemetry.csv", clock=clock, sources=("nvml",))
    client.start()
    client.edge()
    time.sleep(1.5)
    client.edge()
    client.stop()
    energy = [(time_s, value) for time_s, _, _, metric, value in read_spool(tmp_path / "telemetry.csv") if metric == "energy_j"]
    (first_s, first_j), (last_s, last_j) = min(energy), max(energy)
    power = [value for _, _, _, metric, value in read_spool(tmp_path / "telemetry.csv") if metric == "power_w"]
    assert first_j is not None and last_j is not None
    assert last_j - first_j == pytest.approx(fake.energy_j(first_s, last_s), rel=0.02)
    assert mean(value for value in power if value is not None) == pytest.approx(fake.power_w(first_s, last_s), rel=0.02)


def test_an_edge_reads_the_counters_immediately(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in FakeNvml.build(tmp_path, FakeGpu()).env.items():
        monkeypatch.setenv(name, value)
    clock = Clock.start()
    client = SamplerClient(spool=tmp_path / "telemetry.csv", clock=clock, sources=("nvml",), periods_s={"nvml": 30.0})
    client.start()
    before_s = clock.now_s()
    client.edge()
    after_s = clock.now_s()
    client.stop()
    moments = [time_s for time_s, _, _, metric, _ in read_spool(tmp_path / "telemetry.csv") if metric == "energy_j"]
    assert any(before_s <= time_s <= after_s for time_s in moments)


def test_a_killed_sampler_is_started_again_and_follows_the_same_worker(client: SamplerClient, tmp_path: Path) -> None:
    client.start()
    client.watch(os.getpid())
    first = client.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    assert wait_until_gone(first)
    client.flush()
    moment = len(read_spool(tmp_path / "telemetry.csv"))
    wait_for(
        client, tmp_path / "telemetry.csv", lambda rows: any(row[2] == "worker" and row[4] is not None for row in rows[moment:])
    )
    assert client.pid != first
    assert client.restarts == 1
    assert client.stop().restarts == 1


def test_interrupting_the_terminal_does_not_reach_the_sampler(client: SamplerClient) -> None:
    client.start()
    assert client.pid is not None
    os.kill(client.pid, signal.SIGINT)
    client.flush()
    assert client.restarts == 0
    assert os.getpgid(client.pid) != os.getpgid(0)


def test_the_sampler_ends_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path\n"
        "from aigc_bench.measure.clock import Clock; from aigc_bench.measure.sampler_client import SamplerClient\n"
        f"client = SamplerClient(spool=Path({str(tmp_path / 'telemetry.csv')!r}), clock=Clock.start(), sources=('host',))\n"
        "client.start(); print(client.pid, flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        sampler = int(parent.stdout.readline())
        assert psutil.pid_exists(sampler)
        parent.kill()
    assert wait_until_gone(sampler)


def test_a_source_that_is_absent_is_reported_and_does_not_stop_the_others(tmp_path: Path) -> None:
    client = SamplerClient(spool=tmp_path / "telemetry.csv", clock=Clock.start(), sources=("host", "no_such_source"))
    by_name = {status.source: status for status in client.start()}
    client.stop()
    assert by_name["host"].available
    assert not by_name["no_such_source"].available
    assert "no_such_source" in (by_name["no_such_source"].reason or "")


def test_a_gpu_lost_on_the_way_is_reported_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in FakeNvml.build(tmp_path, FakeGpu(series={"lost": [(4.0, 1)]})).env.items():
        monkeypatch.setenv(name, value)
    client = SamplerClient(spool=tmp_path / "telemetry.csv", clock=Clock.start(), sources=("nvml",))
    client.start()
    wait_for(client, tmp_path / "telemetry.csv", lambda rows: any(row[3] == "power_w" and row[4] is None for row in rows))
    client.stop()
    power = [value for _, _, _, metric, value in read_spool(tmp_path / "telemetry.csv") if metric == "power_w"]
    assert power[0] == 250 and power[-1] is None
    assert any("fallen off the bus" in reason for status in client.sensors for reason in status.absent.values())


def test_a_recording_is_written_next_to_the_readings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in FakeNvml.build(tmp_path, FakeGpu(name="NVIDIA Odd")).env.items():
        monkeypatch.setenv(name, value)
    recording = tmp_path / "odd.csv"
    client = SamplerClient(spool=tmp_path / "telemetry.csv", clock=Clock.start(), sources=("nvml",), record_nvml=recording)
    client.start()
    wait_for(client, tmp_path / "telemetry.csv", lambda rows: any(row[3] == "power_w" for row in rows))
    client.stop()
    lines = recording.read_text().splitlines()
    assert lines[0] == "time_s,device,key,value"
    assert "0,0,name,NVIDIA Odd" in lines
    assert any(",power_w,250.0" in line for line in lines)


def test_starting_costs_no_torch_and_no_pandas() -> None:
    code = (
        "import sys, aigc_bench.measure.sampler, aigc_bench.measure.sampler_client;"
        "sys.exit(bool({'torch', 'pandas', 'scipy', 'numpy', 'psutil'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_clock_of_two_processes_is_the_same() -> None:
    clock = Clock.start()
    code = (
        "from aigc_bench.measure.clock import Clock\n"
        f"print(Clock(anchor_unix_s={clock.anchor_unix_s!r}, anchor_monotonic_ns={clock.anchor_monotonic_ns}).now_s())"
    )
    before_s = clock.now_s()
    child_s = float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    assert before_s < child_s < clock.now_s()
    earliest_s, told_s, latest_s = time.time(), clock.now_s(), time.time()
    assert earliest_s - 0.05 <= told_s <= latest_s + 0.05


@given(
    period_ns=st.integers(min_value=1, max_value=10**9),
    due_ns=st.integers(min_value=0, max_value=10**12),
    late_ns=st.integers(min_value=0, max_value=10**11),
)
def test_deadlines_stay_on_their_grid_and_missed_ones_are_counted(period_ns: int, due_ns: int, late_ns: int) -> None:
    task = Task(source="x", read=list, period_ns=period_ns, slot_ns=due_ns)
    missed = advance(task, due_ns + late_ns)
    assert task.due_ns > due_ns + late_ns
    assert (task.due_ns - due_ns) % period_ns == 0
    assert task.due_ns == due_ns + (missed + 1) * period_ns
    assert missed == late_ns // period_ns


@given(
    period_ns=st.integers(min_value=2, max_value=10**9),
    offsets=st.lists(st.floats(min_value=0, max_value=1, exclude_max=True), min_size=3, max_size=60),
    late_ns=st.integers(min_value=0, max_value=10**10),
)
def test_a_jittered_task_has_one_moment_in_each_slot_and_loses_only_slots_that_have_ended(
    period_ns: int, offsets: list[float], late_ns: int
) -> None:
    draws = iter([*offsets, 0.0, 0.5])
    task = Task(source="x", read=list, period_ns=period_ns, slot_ns=0, offset_ns=lambda: int(next(draws) * period_ns))
    for slot in range(len(offsets)):
        assert slot * period_ns <= task.due_ns < (slot + 1) * period_ns
        assert advance(task, task.due_ns) == 0
    before_ns = task.slot_ns - period_ns
    now_ns = task.slot_ns + late_ns
    missed = advance(task, now_ns)
    assert task.slot_ns == before_ns + (missed + 2) * period_ns
    assert task.slot_ns + period_ns > now_ns
    assert missed == max(0, late_ns // period_ns - 1)


@given(st.lists(st.floats(min_value=0, max_value=1), min_size=1, max_size=200))
def test_the_p99_is_one_of_the_values_and_bounds_99_percent_of_them(values: list[float]) -> None:
    p99 = percentile(values, 0.99)
    assert p99 in values
    assert sum(value <= p99 for value in values) >= 0.99 * len(values)


def test_the_p99_of_nothing_is_missing() -> None:
    assert percentile([], 0.99) is None


@pytest.mark.parametrize("after_s", [0.02, 0.08, 0.2])
def test_an_interrupt_while_an_answer_is_awaited_does_not_mix_the_answers_up(client: SamplerClient, after_s: float) -> None:
    def interrupt(_signal: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with suppress(KeyboardInterrupt):
            signal.setitimer(signal.ITIMER_REAL, after_s)
            client.start()
            time.sleep(after_s)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    report = client.stop()
    assert report.restarts == 0
    assert [status.source for status in client.sensors] in ([], ["host"])
    assert client.pid is None
