"""A rank of a data-parallel trial that does not report: ``python -m aigc_bench.measure.follower PARENT_PID RANK PORT``."""

from __future__ import annotations

import sys

from aigc_bench.measure.lifeline import die_with_parent
from aigc_bench.measure.protocol import TrialRequest


def main() -> None:
    """Read the request from stdin and run the trial together with rank 0."""
    die_with_parent(int(sys.argv[1]))
    request = TrialRequest.model_validate_json(sys.stdin.buffer.readline())
    from aigc_bench.measure.trial import follow

    follow(request, rank=int(sys.argv[2]), port=int(sys.argv[3]))


if __name__ == "__main__":
    main()
