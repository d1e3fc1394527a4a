"""The process in which a data set is looked at first: a decoder in C that crashes ends it and not the trial."""

from __future__ import annotations

import json
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence

from aigc_bench.core.child_python import python
from aigc_bench.core.messages import message
from aigc_bench.core.pipeline import Modality, SkippedSample
from aigc_bench.core.system_errors import folder_for_children
from aigc_bench.data.files import Unit
from aigc_bench.data.reading import NothingReadableError
from aigc_bench.data.sample_checks import Look, look_at

MAX_CRASHES = 100
"""A new process takes half a second; data of which more samples crash are not worth the rest of the look."""
# The last is the kernel's, where a sample takes all memory. Any other signal was meant for the process, not caused by a sample.
_CRASHES = tuple(-one for one in (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGKILL))


def looks(units: Sequence[Unit], modality: Modality) -> Iterator[Look]:
    """Yield a look for each unit, in their order; raises ``NothingReadableError`` where over ``MAX_CRASHES`` crash."""
    left, num_crashes = list(units), 0
    while left:
        num, code = 0, 0
        for answer in _answers(left, modality):
            if isinstance(answer, Look):
                num += 1
                yield answer
            else:
                code = answer
        left = left[num:]
        if code in _CRASHES and left:
            num_crashes += 1
            reason = message("its decoder crashed with {signal}", signal=signal.Signals(-code).name)
            yield Look(num_good=0, skipped=(SkippedSample(name=left.pop(0).name, reason=reason),), is_crash=True)
        elif left:
            # No process could be started, or it ended otherwise: the look goes on here, unprotected.
            yield from looks_here(left, modality)
            return
        if num_crashes > MAX_CRASHES:
            raise NothingReadableError(
                message(
                    "more than {max_crashes} samples of {modality} data crash their decoder",
                    max_crashes=MAX_CRASHES,
                    modality=modality,
                )
            )


def looks_here(units: Sequence[Unit], modality: Modality) -> Iterator[Look]:
    """Yield a look for each unit, made in this process."""
    return (look_at(unit, modality) for unit in units)


def _answers(units: Sequence[Unit], modality: Modality) -> Iterator[Look | int]:
    """What a new process says of the units, then its exit code."""
    with tempfile.TemporaryFile("w+") as asked:
        # ASCII: a name that is no UTF-8 becomes an escape and comes back as it was.
        asked.writelines(f"{json.dumps(unit)}\n" for unit in units)
        asked.flush()
        asked.seek(0)
        try:
            child = subprocess.Popen(
                python("-m", "aigc_bench.data.sample_checks", modality),
                stdin=asked,
                stdout=subprocess.PIPE,
                cwd=folder_for_children(),
            )
        except OSError:
            yield 1
            return
        with child:
            assert child.stdout is not None, "its output is a pipe"
            try:
                for line in child.stdout:
                    # A line without its end was cut off by the crash.
                    if line.endswith(b"\n"):
                        yield Look.model_validate(json.loads(line))
            except BaseException:
                # The reader is gone or interrupted, so the rest is not waited for.
                child.kill()
                raise
        yield child.returncode
