"""Where the threads of a CPU trial run: each on a core of its own, where they are as many as the cores.

A scheduler may keep two threads that wake each other on one core while another core stands idle: on two cores a fresh process in
five was 1.4 to 1.8 times slower on an otherwise idle machine. OpenMP binds the members of each of its teams to places of their own
(OpenMP 5.2, ``OMP_PROC_BIND``, ``OMP_PLACES``); the masters of the teams, which are the process's own threads, are placed here.
With fewer threads than cores, or a quota below the mask, all containers of a host would meet on its first cores: nothing is bound.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from aigc_bench.accelerators.cpu import usable_cores

BINDING = {"OMP_PROC_BIND": "spread", "OMP_PLACES": "threads"}
_USERS_OWN = (*BINDING, "GOMP_CPU_AFFINITY", "KMP_AFFINITY")


def binding_environment() -> dict[str, str]:
    """What OpenMP must find in its environment when it is loaded; nothing where the user has bound the threads already."""
    if not hasattr(os, "sched_getaffinity") or any(name in os.environ for name in _USERS_OWN):
        return {}
    return dict(BINDING) if usable_cores() == len(os.sched_getaffinity(0)) else {}


@contextlib.contextmanager
def unbound() -> Iterator[None]:
    """Give this thread its cores back at the end: OpenMP, when it is loaded, binds the thread that loads it to the first."""
    if not hasattr(os, "sched_getaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    yield
    # Linux's 0 is the calling thread, not the process.
    os.sched_setaffinity(0, cores)


def place_threads(num_threads: int) -> bool:
    """Put every thread that OpenMP has not placed on the first core, where the masters of its teams belong; they take turns.

    Where ``num_threads`` is not the number of cores, every thread is set free instead. Called when the first step has made the
    teams. Returns whether the threads are bound.
    """
    if not BINDING.items() <= os.environ.items():
        return False
    cores = os.sched_getaffinity(0)
    # A chain of comparisons: as many threads as cores, and more than one core.
    is_full = num_threads == len(cores) > 1
    for thread in _threads():
        # A thread may end between being listed and being bound.
        with contextlib.suppress(ProcessLookupError):
            if not is_full:
                os.sched_setaffinity(thread, cores)
            elif os.sched_getaffinity(thread) == cores:
                os.sched_setaffinity(thread, {min(cores)})
    return is_full


def run_queue_wait_s() -> float | None:
    """Seconds that this process's threads were runnable without a core, since each started; ``None`` where the kernel keeps no
    count.

    Source: ``/proc/PID/task/TID/schedstat``, second field, in nanoseconds (kernel, Documentation/scheduler/sched-stats.rst).
    """
    waited_ns = 0
    for thread in _threads():
        try:
            waited_ns += int(Path(f"/proc/self/task/{thread}/schedstat").read_bytes().split()[1])
        except ProcessLookupError:
            continue
        except (OSError, IndexError):
            return None
    return waited_ns * 1e-9


def _threads() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/proc/self/task")]  # noqa: PTH208 - names alone are wanted
    except OSError:
        return []
