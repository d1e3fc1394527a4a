"""Forks workers from a process that has imported torch once: ``python -m aigc_bench.measure.fork_server PARENT_PID``.

The first line on stdin is ``{"imports": [...], "search": [...]}``: the modules that the run's workloads build with, and the folders
where the modules of the user's permitted code are found. Every further line is a request; the server forks, waits, and reports how
the worker ended. It never runs an operator itself, so that it has no threads and no device context a fork would lose. It dies with
its parent, and its workers die with it.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from functools import partial

from aigc_bench.core.named_code import search_also
from aigc_bench.measure.lifeline import die_with_parent
from aigc_bench.measure.protocol import TrialRequest, encode
from aigc_bench.measure.threads import unbound
from aigc_bench.measure.worker import serve

LATE_IMPORTS = ("torch._dynamo", "torch.utils.flop_counter", "torch.optim")
"""What torch itself imports only when first used; a worker would pay for it inside its trial."""


def main() -> None:
    """Import, then serve until stdin ends."""
    die_with_parent(int(sys.argv[1]))
    server_pid = os.getpid()
    start_ns = time.perf_counter_ns()
    # Imports take all cores; the workers bind their threads themselves.
    with unbound():
        from aigc_bench.measure import trial

        first = json.loads(sys.stdin.buffer.readline())
        search_also(first["search"])
        for name in [*LATE_IMPORTS, *first["imports"]]:
            importlib.import_module(name)
    gc.collect()
    gc.freeze()  # a worker's collection would otherwise walk, and thereby copy, every page of what was imported here
    import_s = (time.perf_counter_ns() - start_ns) / 1e9
    _say({"event": "ready", "import_s": import_s})
    for line in sys.stdin.buffer:
        request = TrialRequest.model_validate_json(line)
        pid = _fork(partial(_run_child, request, trial_module=trial, server_pid=server_pid))
        _, status = os.waitpid(pid, 0)
        # A worker that was killed in the middle of a line leaves it open, and the next message would be lost with it.
        sys.stdout.buffer.write(b"\n")
        _say({"event": "exit", "code": os.waitstatus_to_exitcode(status)})


def _fork(run: Callable[[], object]) -> int:
    """Fork a worker and tell its process number before it does anything: one that is stopped at its start can be killed by it."""
    # The child reads until the other end closes: it starts when its number is known, even if the server dies.
    gate, latch = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(latch)
        os.read(gate, 1)  # ends when the server has sent the number and closed the other end
        os.close(gate)
        run()
    os.close(gate)
    _say({"event": "forked", "pid": pid})
    os.close(latch)
    return pid


def _run_child(request: TrialRequest, *, trial_module: object, server_pid: int) -> None:
    """In the forked worker: never returns, so that no clean-up of the server's runs twice."""
    code = 1
    try:
        die_with_parent(server_pid)
        # The requests behind this one are the server's to read.
        sys.stdin.close()
        serve(request, trial_module=trial_module, import_s=0.0)
        code = 0
    finally:
        sys.stderr.flush()
        os._exit(code)


def _say(message: dict[str, object]) -> None:
    sys.stdout.buffer.write(encode(message))
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
