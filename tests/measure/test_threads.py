"""Where a CPU trial's threads run, and that waiting for a core is seen."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import threading
import time
from functools import cache

import pytest

from aigc_bench.measure.threads import BINDING, binding_environment, place_threads, run_queue_wait_s

NUM_CORES = len(os.sched_getaffinity(0))
needs_two_cores = pytest.mark.skipif(NUM_CORES < 2, reason="one core has nothing to bind to")

PROBE = """
    import json, os, sys
    from aigc_bench.measure.threads import place_threads, unbound
    with unbound():
        import torch
    free = len(os.sched_getaffinity(0))
    torch.set_num_threads(int(sys.argv[1]))
    weights = torch.ones(512, 512, requires_grad=True)
    (torch.ones(512, 512) @ weights).sum().backward()
    is_bound = place_threads(torch.get_num_threads())
    masks = [sorted(os.sched_getaffinity(int(thread))) for thread in os.listdir("/proc/self/task")]
    print(json.dumps({"free": free, "is_bound": is_bound, "masks": masks}))
"""


@cache
def probe(num_threads: int) -> dict:
    """The affinity of every thread of a process that has trained one step."""
    command = [sys.executable, "-c", textwrap.dedent(PROBE), str(num_threads)]
    done = subprocess.run(command, env={**os.environ, **BINDING}, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@needs_two_cores
def test_as_many_threads_as_cores_have_a_core_each_and_no_core_is_left_out() -> None:
    found = probe(NUM_CORES)
    assert found["is_bound"]
    assert all(len(mask) == 1 for mask in found["masks"])
    assert {core for mask in found["masks"] for core in mask} == os.sched_getaffinity(0)


@needs_two_cores
def test_fewer_threads_than_cores_are_left_to_the_scheduler() -> None:
    found = probe(1)
    assert not found["is_bound"]
    assert all(len(mask) == NUM_CORES for mask in found["masks"])


@needs_two_cores
def test_loading_openmp_takes_no_core_from_the_thread_that_loads_it() -> None:
    assert probe(NUM_CORES)["free"] == NUM_CORES


def test_what_the_user_has_bound_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOMP_CPU_AFFINITY", "0")
    assert binding_environment() == {}
    assert not place_threads(NUM_CORES)


def test_threads_that_share_a_core_are_seen_to_wait() -> None:
    cores = os.sched_getaffinity(0)
    before_s = run_queue_wait_s()
    if before_s is None:
        pytest.skip("this kernel keeps no count of waiting")
    neighbour = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        os.sched_setaffinity(neighbour.pid, {min(cores)})
        os.sched_setaffinity(threading.get_native_id(), {min(cores)})
        waited_s, until_s = 0.0, time.monotonic() + 60
        while waited_s <= 0.05 and time.monotonic() < until_s:
            waited_s = (run_queue_wait_s() or 0.0) - before_s
    finally:
        neighbour.kill()
        neighbour.wait()
        os.sched_setaffinity(threading.get_native_id(), cores)
    assert waited_s > 0.05
