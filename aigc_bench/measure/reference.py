"""The reference kernel: a fixed single-thread matrix product, timed just before and just after a window and never inside it.

It says how fast the machine itself was at that moment: a neighbour, a hypervisor or a clock that falls slows it as it slows the
case. On a shared two-core machine dividing one-thread step times by it took their CV from 0.5-2 % to 0.3-1.5 %.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

SIZE = 384
"""113 MFLOP and 1.7 MB: about a millisecond on a core, within its second-level cache."""
NUM_REPEATS = 20
# The first products load the matrices into the cache and let the clock rise.
NUM_WARMUPS = 2


def timed_kernel() -> tuple[float, ...]:
    """Seconds of each of ``NUM_REPEATS`` products of two fp32 matrices on one thread, after a few that are not counted."""
    with _single_thread(), torch.inference_mode():
        # Allocated before the clock runs; constants serve, since a product's time does not depend on values.
        left, right, product = torch.full((SIZE, SIZE), 0.5), torch.full((SIZE, SIZE), 2.0), torch.empty(SIZE, SIZE)
        return _repeat(lambda: torch.mm(left, right, out=product))


def _repeat(run: Callable[[], object]) -> tuple[float, ...]:
    durations: list[float] = []
    for _ in range(NUM_WARMUPS + NUM_REPEATS):
        start_ns = time.perf_counter_ns()
        run()
        durations.append((time.perf_counter_ns() - start_ns) / 1e9)
    return tuple(durations[NUM_WARMUPS:])


@contextmanager
def _single_thread() -> Iterator[None]:
    """One thread within, as many as before after it."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
