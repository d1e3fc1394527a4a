"""The messages between parent and worker: one JSON object per line, requests down stdin, events up stdout.

{"event": "started", "pid": 4711}          a trial's process lives; its pid may be watched and killed
{"event": "stage", "stage": "warm-up"}     what it is doing
{"event": "measured", "trial": {...}}      the trial's measurement, before its results are checked: nothing that follows loses it
{"event": "result", "trial": {...}}        the finished trial
{"event": "exit", "code": -9}              the process has ended (sent by the fork server; a spawned worker just ends)
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Literal

from aigc_bench.core.messages import message
from aigc_bench.core.named_code import NamedCode
from aigc_bench.core.records import Case, Record, TrialResult
from aigc_bench.measure.clock import Clock
from aigc_bench.measure.stopping import StoppingRule

TrialStage = Literal["starting", "building", "warm-up", "measuring", "finishing"]
Emit = Callable[[Mapping[str, Any]], None]


class TrialRequest(Record):
    """One trial to run in a fresh process, whose stderr is the run's log.

    ``flops`` are a step's counts of an earlier trial of the same case: they need no counting again. ``code`` is the permission to
    make the case's workload with the user's own code; without it, registered workloads only.
    """

    case: Case
    trial: int
    attempt: int = 1
    rule: StoppingRule
    clock: Clock
    flops: Mapping[str, int | None] | None = None
    code: NamedCode | None = None

    @property
    def is_judged(self) -> bool:
        """Whether this trial also runs the quality gate: once per case is enough."""
        return self.trial == 0

    @property
    def name(self) -> str:
        """Case and trial, as messages name it."""
        return message("{id} trial {trial}", id=self.case.id, trial=self.trial)


def encode(message: Mapping[str, Any]) -> bytes:
    """One line."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def decode(line: bytes) -> dict[str, Any] | None:
    """The message in a line, or ``None`` where a killed process left half of one."""
    try:
        message = json.loads(line)
    except ValueError:
        return None
    return message if isinstance(message, dict) and "event" in message else None


def measured_event(trial: TrialResult) -> dict[str, Any]:
    """The event that carries a measured trial whose results are still to be checked."""
    return {"event": "measured", "trial": trial.model_dump(mode="json")}


def result_event(trial: TrialResult) -> dict[str, Any]:
    """The event that carries a finished trial."""
    return {"event": "result", "trial": trial.model_dump(mode="json")}
