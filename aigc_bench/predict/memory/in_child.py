"""Predicted peak memory of a case, computed in a process of its own: the driver of a run never imports torch.

``python -m aigc_bench.predict.memory.in_child`` reads a question as JSON on stdin and prints bytes: the high end of the prediction.
"""

from __future__ import annotations

import subprocess
import sys

from aigc_bench.core.child_python import python
from aigc_bench.core.named_code import NamedCode, load_permitted, permitted
from aigc_bench.core.records import Case, Record


class _Question(Record):
    """The case, and the permission to make its workload with the user's own code."""

    case: Case
    code: NamedCode | None


def predicted_peak_bytes(case: Case) -> int | None:
    """Bytes that the process (or device) of the case takes at most; ``None`` where it cannot be predicted."""
    question = _Question(case=case, code=permitted(case.workload)).model_dump_json()
    words = python("-m", "aigc_bench.predict.memory.in_child")
    # check=False: a case that cannot be traced has no prediction, and the search goes on without one.
    done = subprocess.run(words, input=question, capture_output=True, text=True, check=False)
    return int(done.stdout) if done.returncode == 0 and done.stdout.strip().isdigit() else None


def main() -> None:
    """Answer one case."""
    from aigc_bench.predict.memory.peak import peak_memory
    from aigc_bench.predict.tracing.trace_cache import trace_case

    question = _Question.model_validate_json(sys.stdin.read())
    load_permitted(question.code)
    sys.stdout.write(f"{int(peak_memory(trace_case(question.case)).total.high)}\n")


if __name__ == "__main__":
    main()
