"""A worker process: one trial in a fresh interpreter. ``python -m aigc_bench.measure.worker PARENT_PID`` reads a request.

Used where an accelerator is in play, since a device context does not survive a fork; CPU trials are forked from
``fork_server`` instead, where torch is imported once.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from typing import Any

from aigc_bench.measure.lifeline import die_with_parent
from aigc_bench.measure.protocol import TrialRequest, encode


def main() -> None:
    """Read one request from stdin, run it, end."""
    die_with_parent(int(sys.argv[1]))
    request = TrialRequest.model_validate_json(sys.stdin.buffer.readline())
    start_ns = time.perf_counter_ns()
    from aigc_bench.measure import trial

    import_s = (time.perf_counter_ns() - start_ns) / 1e9
    serve(request, trial_module=trial, import_s=import_s)


def serve(request: TrialRequest, *, trial_module: Any, import_s: float) -> None:
    """Run one trial with events on the real stdout, and stray prints in the log that stderr is."""
    # Whatever a library prints goes to the log; only this copy still reaches the parent.
    channel = os.dup(1)
    os.dup2(2, 1)

    def emit(message: Mapping[str, Any]) -> None:
        _write_all(channel, encode(message))

    emit({"event": "started", "pid": os.getpid()})
    trial_module.reset_host_peak()
    trial_module.run_trial(request, emit, import_s=import_s)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        # A pipe takes 64 KiB at a time, a result may have megabytes.
        view = view[os.write(descriptor, view) :]


if __name__ == "__main__":
    main()
