"""A rank of a data-parallel trial besides rank 0: ``python -m aigc_bench.measure.follower PARENT_PID RANK PORT``.

It sends its stages, and its failure if it has one, to rank 0 on stdout, one JSON object a line; stray prints go to the log.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

from aigc_bench.measure.lifeline import die_with_parent
from aigc_bench.measure.protocol import TrialRequest, encode


def main() -> None:
    """Read the request from stdin and run the trial together with rank 0."""
    die_with_parent(int(sys.argv[1]))
    request = TrialRequest.model_validate_json(sys.stdin.buffer.readline())
    channel = os.dup(1)
    os.dup2(2, 1)

    def emit(event: Mapping[str, Any]) -> None:
        os.write(channel, encode(event))

    from aigc_bench.measure.trial import follow

    sys.exit(follow(request, emit, rank=int(sys.argv[2]), port=int(sys.argv[3])))


if __name__ == "__main__":
    main()
