"""What a device backend is: the one door to torch's device API. Used in the worker only."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from aigc_bench.core.records import Case

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class Absence:
    """Why torch sees no device of a kind, in one line, and what to do about it."""

    reason: str
    remedy: str


class Backend(ABC):
    """One kind of device. Every method may import torch."""

    title: ClassVar[str]
    is_forkable: ClassVar[bool] = False
    """Whether a worker may be forked from a process that has imported torch (never once a device context exists)."""

    @abstractmethod
    def absence(self) -> Absence | None:
        """Why there is no such device here, or ``None``."""

    @abstractmethod
    def num_devices(self) -> int:
        """How many devices torch sees."""

    def visible_ids(self) -> tuple[str, ...]:
        """UUIDs of every device that torch sees, as far as they are known."""
        return ()

    def defects(self) -> tuple[str, ...]:
        """Why devices that torch sees cannot be used, such as a torch without kernels for them; one line each."""
        return ()

    @abstractmethod
    def unsupported(self, case: Case) -> str | None:
        """Why this device cannot do the case's precision or number of devices, or ``None``."""

    @abstractmethod
    def select(self, case: Case, index: int = 0) -> torch.device:
        """Make device ``index`` current, set threads and matmul precision for the case, and return it."""

    @abstractmethod
    def device_ids(self, case: Case) -> tuple[str, ...]:
        """UUIDs (or ``host``) of the devices the case uses, as the telemetry names them."""

    @abstractmethod
    def synchronize(self) -> None:
        """Return when all the work queued on the device is done."""

    @abstractmethod
    def event(self) -> Any:
        """A marker recorded now in the device's stream."""

    @abstractmethod
    def wait(self, event: Any) -> None:
        """Block until ``event`` has been reached."""

    def is_reached(self, event: Any) -> bool | None:
        """Whether the device has passed ``event`` already, without waiting; ``None`` where host and device are one."""
        return None

    @abstractmethod
    def elapsed_s(self, start: Any, end: Any) -> float:
        """Device time between two reached events, in seconds."""

    def release_memory(self) -> None:
        """Release the unused memory that the allocator holds: counting runs a compiled model eagerly, which takes more memory."""

    @abstractmethod
    def reset_peak_memory(self) -> None:
        """Forget the peaks so far."""

    @abstractmethod
    def peak_memory(self) -> tuple[int | None, int | None]:
        """Peak bytes allocated and reserved since the reset, ``None`` where there is no such counter."""

    @abstractmethod
    def is_out_of_memory(self, error: BaseException) -> bool:
        """Whether the error says that the device's or host's memory was exhausted."""

    def software(self) -> dict[str, str | None]:
        """Versions of the device's own libraries (CUDA, cuDNN, NCCL)."""
        return {}
