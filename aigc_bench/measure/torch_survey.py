"""What torch says of itself and of the devices of each backend, in a process of its own: the parent of a run never imports torch.

``python -m aigc_bench.measure.torch_survey BACKEND ...`` prints the survey as one line of JSON.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterable, Mapping

from pydantic import ValidationError

from aigc_bench.core import registry
from aigc_bench.core.child_python import python
from aigc_bench.core.errors import AigcBenchError
from aigc_bench.core.messages import message
from aigc_bench.core.record import Record
from aigc_bench.core.system_errors import folder_for_children

TIMEOUT_S = 120.0


class SurveyedBackend(Record):
    """One kind of device as torch sees it: why it is absent and what to do, else the devices and the versions of its libraries.

    ``device_ids`` are the UUIDs of what torch sees; ``defects`` are devices that are seen and cannot be used, each with the reason.
    """

    absence: str | None = None
    remedy: str | None = None
    num_devices: int = 0
    device_ids: tuple[str, ...] = ()
    defects: tuple[str, ...] = ()
    software: Mapping[str, str | None] = {}


class TorchSurvey(Record):
    """Version and build of torch, the seconds its import took, the threads it computes with, and the backends that were named."""

    version: str
    cuda: str | None = None
    hip: str | None = None
    import_s: float
    threads: int
    backends: Mapping[str, SurveyedBackend] = {}

    @property
    def software(self) -> dict[str, str | None]:
        """Versions of the devices' libraries, as the fingerprint of a machine names them."""
        found = (backend.software for backend in self.backends.values() if backend.absence is None)
        return {name: version for one in found for name, version in one.items() if version is not None}


class NoTorch(AigcBenchError):
    """torch could not be asked; the message says why, the hint how to install it again."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            message("torch cannot be imported: {reason}", reason=reason),
            message("Install it again: `pip install --force-reinstall torch` (https://pytorch.org/get-started)."),
        )
        self.reason = reason


def survey(backends: Iterable[str]) -> TorchSurvey:
    """Ask torch in a child process, about 3 s; raises ``NoTorch`` where it cannot be imported or does not answer."""
    try:
        child = subprocess.run(
            python("-m", "aigc_bench.measure.torch_survey", *backends),
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
            cwd=folder_for_children(),
        )
    except subprocess.TimeoutExpired:
        raise NoTorch(message("no answer within {timeout_s:.0f} s", timeout_s=TIMEOUT_S)) from None
    lines = child.stdout.splitlines()
    if child.returncode != 0 or not lines:
        last = (child.stderr.strip().splitlines() or [message("exit status {returncode}", returncode=child.returncode)])[-1]
        raise NoTorch(last)
    try:
        # The last line, since an import may print before it.
        return TorchSurvey.model_validate_json(lines[-1])
    except ValidationError:
        raise NoTorch(message("it answered {line!r}", line=lines[-1][:100])) from None


def main() -> None:
    """Print the survey of the backends that are named."""
    started = time.perf_counter()
    import torch

    import_s = time.perf_counter() - started
    found = TorchSurvey(
        version=str(torch.__version__),
        cuda=torch.version.cuda,
        hip=torch.version.hip,
        import_s=import_s,
        threads=torch.get_num_threads(),
        backends={name: _surveyed(name) for name in sys.argv[1:]},
    )
    sys.stdout.write(found.model_dump_json() + "\n")


def _surveyed(name: str) -> SurveyedBackend:
    backend = registry.load("accelerators", name)
    absence = backend.absence()
    if absence is not None:
        return SurveyedBackend(absence=absence.reason, remedy=absence.remedy)
    return SurveyedBackend(
        num_devices=backend.num_devices(),
        device_ids=backend.visible_ids(),
        defects=backend.defects(),
        software=backend.software(),
    )


if __name__ == "__main__":
    main()
