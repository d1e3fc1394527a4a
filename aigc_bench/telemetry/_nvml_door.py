"""The one access to NVML: every call goes through here, and every NVML error leaves here as a sentence.

pynvml is imported when the library is opened, never before.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from aigc_bench.core.messages import message
from aigc_bench.telemetry.base import SensorAbsent

Answer = TypeVar("Answer")

# nvmlReturn_t of nvml.h, written out because importing pynvml for its names would cost every start.
INVALID_ARGUMENT, NOT_SUPPORTED, NO_PERMISSION, FUNCTION_NOT_FOUND, GPU_IS_LOST, VERSION_MISMATCH = 2, 3, 4, 13, 15, 25
PERMANENT = frozenset({INVALID_ARGUMENT, NOT_SUPPORTED, NO_PERMISSION, FUNCTION_NOT_FOUND, VERSION_MISMATCH})
"""Codes that will be the same at the next call: the metric is absent and not queried again."""

_MEANINGS: Mapping[int, str] = {
    INVALID_ARGUMENT: message("the driver refuses this query for this device"),
    NOT_SUPPORTED: message("this device does not offer it"),
    NO_PERMISSION: message("not permitted for this user"),
    6: message("not found"),
    9: message("the NVIDIA kernel driver is not loaded (load it: `sudo modprobe nvidia`)"),
    10: message("the driver did not answer in time"),
    12: message("no NVIDIA driver library (libnvidia-ml.so.1) on this machine"),
    FUNCTION_NOT_FOUND: message("this driver is too old to know the query"),
    GPU_IS_LOST: message("the GPU has fallen off the bus (see `dmesg | grep -i xid`; reset it or reboot)"),
    16: message("the GPU needs a reset"),
    17: message("the operating system blocks access to the device (in a container: pass the device in)"),
    18: message("the driver library and the kernel module are of different versions (reboot after the driver update)"),
    VERSION_MISMATCH: message("this driver is too old to know the query"),
}


class NvmlProblem(Exception):
    """A query that NVML did not answer: its code, and a sentence with the reason."""

    def __init__(self, code: int) -> None:
        super().__init__(explain(code))
        self.code = code
        self.reason = explain(code)


def explain(code: int) -> str:
    """What an NVML return code means to a user."""
    return _MEANINGS.get(code, message("NVML error {code}", code=code))


def query(call: Callable[..., Answer], *arguments: Any) -> Answer:
    """Call a pynvml function; raises ``NvmlProblem``. A text that is not UTF-8 comes back with its odd bytes replaced."""
    import pynvml

    try:
        return call(*arguments)
    except pynvml.NVMLError as error:
        # 999 is NVML_ERROR_UNKNOWN.
        raise NvmlProblem(getattr(error, "value", 999)) from None
    except UnicodeDecodeError as text:
        return cast(Answer, text.object.decode("utf-8", errors="replace"))


def query_or(call: Callable[..., Answer], *arguments: Any) -> Answer | None:
    """Call a pynvml function; ``None`` where it does not answer."""
    try:
        return query(call, *arguments)
    except NvmlProblem:
        return None


def bind(name: str, handle: Any, *arguments: Any, into: Any) -> Callable[[], Any]:
    """A call of the C function ``name`` that fills ``into`` (a ctypes object, made once) and returns it, or raises ``NvmlProblem``.

    pynvml's own wrappers allocate and look up at each call; at 10 Hz on 8 GPUs that is most of what a sampler costs.
    """
    import pynvml

    try:
        # A driver older than the function lacks the symbol; only the metric is then absent, not the source.
        function = getattr(pynvml.nvmlLib, name)
    except AttributeError:
        function = None
    reference = ctypes.byref(into)

    def call() -> Any:
        code = FUNCTION_NOT_FOUND if function is None else function(handle, *arguments, reference)
        if code:
            raise NvmlProblem(code)
        return into

    return call


@dataclass(frozen=True, kw_only=True)
class Device:
    """A physical GPU, or a MIG instance of the one named ``parent``."""

    index: int
    uuid: str
    handle: Any
    parent: str | None = None
    mig_enabled: bool = False


def open_library() -> Any:
    """Initialise NVML and return pynvml; raises ``SensorAbsent`` with the reason. Pair it with ``close_library``."""
    try:
        import pynvml
    except ImportError:
        raise SensorAbsent(message("the Python package nvidia-ml-py is not installed (pip install nvidia-ml-py)")) from None
    try:
        query(pynvml.nvmlInit)
    except NvmlProblem as problem:
        raise SensorAbsent(problem.reason) from None
    return pynvml


def close_library() -> None:
    """Release NVML; harmless where it has gone already."""
    import pynvml

    query_or(pynvml.nvmlShutdown)


def devices() -> tuple[tuple[Device, ...], tuple[str, ...]]:
    """All devices, each GPU followed by its MIG instances, and why some could not be opened.

    NVML must be open; raises ``NvmlProblem`` where it does not even count the devices.
    """
    import pynvml

    found: list[Device] = []
    problems: list[str] = []
    for index in range(query(pynvml.nvmlDeviceGetCount)):
        try:
            handle = query(pynvml.nvmlDeviceGetHandleByIndex, index)
            uuid = query(pynvml.nvmlDeviceGetUUID, handle)
        except NvmlProblem as problem:
            # A lost GPU does not hide its neighbours.
            problems.append(f"GPU {index}: {problem.reason}")
            continue
        # (current, pending): the pending mode comes into force with the next reset only.
        mode = query_or(pynvml.nvmlDeviceGetMigMode, handle)
        gpu = Device(index=index, uuid=uuid, handle=handle, mig_enabled=bool(mode and mode[0]))
        found += [gpu, *_mig_instances(gpu)]
    return tuple(found), tuple(problems)


def _mig_instances(gpu: Device) -> list[Device]:
    import pynvml

    instances: list[Device] = []
    for slot in range(query_or(pynvml.nvmlDeviceGetMaxMigDeviceCount, gpu.handle) or 0 if gpu.mig_enabled else 0):
        # All slots up to the maximum are tried: those without an instance answer "not found".
        handle = query_or(pynvml.nvmlDeviceGetMigDeviceHandleByIndex, gpu.handle, slot)
        uuid = handle and query_or(pynvml.nvmlDeviceGetUUID, handle)
        if uuid:
            instances.append(Device(index=gpu.index, uuid=uuid, handle=handle, parent=gpu.uuid))
    return instances
