"""NVIDIA devices through ``torch.cuda``, and AMD's through the same API where torch is built for ROCm (HIP)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from aigc_bench.accelerators.base import Absence, Backend
from aigc_bench.core.messages import message, plural
from aigc_bench.core.records import Case

if TYPE_CHECKING:
    import torch

Capability = tuple[int, int]

VISIBLE = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")
"""Variables that hide devices from CUDA's or ROCm's runtime."""

OUT_OF_MEMORY_WORDS = (
    "out of memory",
    "outofmemory",  # hipErrorOutOfMemory
    "cudaerrormemoryallocation",
    "alloc_failed",  # of cuBLAS, cuSOLVER, cuSPARSE, cuFFT and cuDNN up to version 8
    "allocation_failed",  # of cuDNN 9, on the host and on the device
    "rocblas_status_memory_error",
    "can't allocate memory",
    "failed to cuda calloc",  # NCCL's buffers
    # torch asks NVML about memory when an allocation has failed, and ends here where it may not.
    "nvml_success == r internal assert failed",
)
"""How a device's or host's exhausted memory is worded by torch, the driver and its libraries, in lower case."""

_SINCE: dict[str, tuple[Capability, str]] = {
    # precision: (first compute capability that computes in it, its name). CUDA C++ Programming Guide, "Arithmetic Instructions".
    "tf32": ((8, 0), "Ampere"),
    "bf16": ((8, 0), "Ampere"),
    "fp16": ((5, 3), "Maxwell (Tegra X1)"),
}


class CudaBackend(Backend):
    """Devices of CUDA or ROCm. Not forkable: a device context does not survive a fork, so each worker is spawned."""

    title: ClassVar[str] = message("NVIDIA CUDA (or AMD ROCm)")

    def absence(self) -> Absence | None:
        """Why torch sees no device: its build, ``CUDA_VISIBLE_DEVICES``, or the driver; with the remedy of each."""
        import torch

        if torch.version.cuda is None and torch.version.hip is None:
            return Absence(
                reason=message("torch {torch} is built without CUDA and without ROCm", torch=torch.__version__),
                remedy=message("Install the build of torch that matches the driver: https://pytorch.org/get-started."),
            )
        if torch.cuda.is_available():
            return None
        for name in VISIBLE:
            visible = os.environ.get(name)
            if visible is not None and visible.strip() in {"", "-1", "NoDevFiles"}:
                return Absence(
                    reason=message("{name} = {visible!r} hides every device", name=name, visible=visible),
                    remedy=message("Unset {name}, or list devices in it (`{name}=0`).", name=name),
                )
        try:
            # is_available() swallows the driver's reason; the initialisation raises it.
            torch.cuda.init()  # type: ignore[no-untyped-call]
        except (RuntimeError, AssertionError) as problem:
            reason = (str(problem).strip().splitlines() or [type(problem).__name__])[0]
        else:
            reason = message(
                "torch {torch} is built for {platform}, but its driver offers no device",
                torch=torch.__version__,
                platform=_platform(),
            )
        return Absence(
            reason=reason,
            remedy=message(
                "Update the driver, or install a build of torch for the CUDA version that the driver supports "
                "(`nvidia-smi` shows it); in a container, pass the devices in (`--gpus all`)."
            ),
        )

    def num_devices(self) -> int:
        """How many devices torch sees (``CUDA_VISIBLE_DEVICES`` counted in); each visible MIG instance is one."""
        import torch

        return torch.cuda.device_count()

    def defects(self) -> tuple[str, ...]:
        """NVIDIA devices that this torch has no kernels for; each kind once."""
        import torch

        if torch.version.hip is not None:
            return ()
        return tuple(dict.fromkeys(filter(None, map(_kernels_reason, range(self.num_devices())))))

    def unsupported(self, case: Case) -> str | None:
        """Why not: too few devices, a precision the chip lacks, or a torch without kernels for the chip."""
        import torch

        count = self.num_devices()
        if case.devices > count:
            return plural(
                "devices = {devices}, but torch sees {count} cuda device",
                "devices = {devices}, but torch sees {count} cuda devices",
                count=count,
                devices=case.devices,
            )
        if torch.version.hip is not None:
            # Compute capabilities and sm_ kernels are NVIDIA's: HIP reports other numbers under the same names.
            return _rocm_reason(case.precision)
        for index in range(case.devices):
            capability, name = torch.cuda.get_device_capability(index), torch.cuda.get_device_name(index)
            reason = precision_reason(case.precision, capability=capability, name=name) or _kernels_reason(index)
            if reason is not None:
                return reason
        return None

    def select(self, case: Case, index: int = 0) -> torch.device:
        """Make device ``index`` current and set how its fp32 products are computed."""
        import torch

        set_fp32_precision(is_tf32=case.precision == "tf32")
        if case.threads is not None:
            torch.set_num_threads(case.threads)
        device = torch.device("cuda", index)
        torch.cuda.set_device(device)
        return device

    def device_ids(self, case: Case) -> tuple[str, ...]:
        """UUIDs as NVML writes them: ``GPU-...``, and ``MIG-...`` where ``CUDA_VISIBLE_DEVICES`` names instances."""
        return self._ids(case.devices)

    def visible_ids(self) -> tuple[str, ...]:
        """The same of every device that torch sees."""
        return self._ids(self.num_devices())

    def _ids(self, count: int) -> tuple[str, ...]:
        import torch

        uuids = [str(torch.cuda.get_device_properties(index).uuid) for index in range(count)]
        return name_devices(uuids, visible=os.environ.get("CUDA_VISIBLE_DEVICES"))

    def synchronize(self) -> None:
        """Wait for all streams of the current device."""
        import torch

        torch.cuda.synchronize()

    def event(self) -> Any:
        """A timing event recorded in the current stream; nothing waits."""
        import torch

        marker = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        marker.record()
        return marker

    def wait(self, event: Any) -> None:
        """Block until the device has passed the event."""
        event.synchronize()

    def is_reached(self, event: Any) -> bool | None:
        """Whether the stream has passed the event; a query costs about a microsecond."""
        return bool(event.query())

    def elapsed_s(self, start: Any, end: Any) -> float:
        """Device time between two passed events, in seconds (the driver counts milliseconds, to about 0.5 us)."""
        return float(start.elapsed_time(end)) / 1e3

    def release_memory(self) -> None:
        """Return the caching allocator's free blocks to the driver."""
        import gc

        import torch

        # Tensors in reference cycles hold their blocks until they are collected.
        gc.collect()
        torch.cuda.empty_cache()

    def reset_peak_memory(self) -> None:
        """Forget the allocator's peaks on the current device."""
        import torch

        torch.cuda.reset_peak_memory_stats()

    def peak_memory(self) -> tuple[int | None, int | None]:
        """Peak bytes in tensors, and peak bytes that torch's caching allocator held from the driver."""
        import torch

        return torch.cuda.max_memory_allocated(), torch.cuda.max_memory_reserved()

    def is_out_of_memory(self, error: BaseException) -> bool:
        """Return whether this is torch's own error, the same from cuBLAS, cuDNN or the driver by its text, or the host's."""
        import torch

        if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
            return True
        # The libraries' failures to allocate their workspaces reach Python as plain RuntimeErrors.
        text = str(error).lower()
        return isinstance(error, RuntimeError) and any(word in text for word in OUT_OF_MEMORY_WORDS)

    def software(self) -> dict[str, str | None]:
        """Platform (CUDA or ROCm) and the versions of its libraries in this torch."""
        import torch

        cudnn: Any = torch.backends.cudnn
        version = cudnn.version() if cudnn.is_available() else None
        return {
            "platform": _platform(),
            "cuda": torch.version.cuda,
            "hip": torch.version.hip,
            "cudnn": None if version is None else dotted_cudnn(version),
            "nccl": _nccl_version(),
        }


backend = CudaBackend()


def set_fp32_precision(*, is_tf32: bool) -> None:
    """Compute fp32 matrix products and convolutions on tensor cores in tf32, or else in IEEE fp32.

    These two switches are the ones that torch keeps consistent with its newer ``fp32_precision`` properties and that
    ``torch.compile`` reads; setting the newer ones alone makes ``torch.compile`` raise (seen with torch 2.13).
    """
    import torch

    torch.set_float32_matmul_precision("high" if is_tf32 else "highest")
    torch.backends.cudnn.allow_tf32 = is_tf32


def precision_reason(precision: str, *, capability: Capability, name: str) -> str | None:
    """Why an NVIDIA device of this compute capability does not compute in ``precision``, or ``None``."""
    if precision not in _SINCE:
        return None
    first, architecture = _SINCE[precision]
    if capability >= first:
        return None
    needs = message(
        "{precision} needs compute capability {major}.{minor} ({architecture}) or later",
        precision=precision,
        major=first[0],
        minor=first[1],
        architecture=architecture,
    )
    return message(
        "{needs}; {name} has {major}.{minor}",
        needs=needs,
        name=name,
        major=capability[0],
        minor=capability[1],
    )


def kernels_reason(architectures: Iterable[str], *, capability: Capability, name: str, version: str) -> str | None:
    """Why this torch has nothing to run on the device, or ``None``.

    ``sm_XY`` code runs on the same major version with an equal or later minor one; ``compute_XY`` (PTX) runs on any later
    device. Suffixed names such as ``sm_90a`` run on exactly that device. CUDA C++ Programming Guide, "Application Compatibility".
    """
    known = list(architectures)
    if not known:
        return None
    for architecture in known:
        found = re.fullmatch(r"(sm|compute)_(\d+)(\d)([af]?)", architecture)
        if found is None:
            continue
        built = (int(found[2]), int(found[3]))
        is_same_major = built[0] == capability[0] and built[1] <= capability[1]
        if built == capability or (not found[4] and (is_same_major or (found[1] == "compute" and built <= capability))):
            return None
    return message(
        "torch {version} has no kernels for {name} (sm_{major}{minor}); it has {known}",
        version=version,
        name=name,
        major=capability[0],
        minor=capability[1],
        known=", ".join(known),
    )


def _kernels_reason(index: int) -> str | None:
    import torch

    return kernels_reason(
        torch.cuda.get_arch_list(),
        capability=torch.cuda.get_device_capability(index),
        name=torch.cuda.get_device_name(index),
        version=torch.__version__,
    )


def name_devices(uuids: Iterable[str], *, visible: str | None) -> tuple[str, ...]:
    """UUIDs as NVML writes them, from torch's bare ones and ``CUDA_VISIBLE_DEVICES``.

    With MIG the runtime may report the parent's UUID; the instance is known by the name that made it visible.
    """
    chosen = [entry.strip() for entry in (visible or "").split(",")]
    names = []
    for index, uuid in enumerate(uuids):
        if index < len(chosen) and chosen[index].startswith("MIG-"):
            names.append(chosen[index])
        else:
            names.append(uuid if uuid.startswith(("GPU-", "MIG-")) else f"GPU-{uuid}")
    return tuple(names)


def dotted_cudnn(version: int) -> str:
    """cuDNN's number as its release name: 91002 is 9.10.2 (from 9.0 on), 8907 is 8.9.7."""
    major_unit = 10_000 if version >= 90_000 else 1_000
    major, rest = divmod(version, major_unit)
    return f"{major}.{rest // 100}.{rest % 100}"


def _platform() -> str | None:
    import torch

    if torch.version.hip is not None:
        return f"ROCm (HIP {torch.version.hip})"
    return f"CUDA {torch.version.cuda}" if torch.version.cuda is not None else None


def _rocm_reason(precision: str) -> str | None:
    import torch

    if precision == "tf32":
        return message("tf32 is a format of NVIDIA's tensor cores; torch on ROCm does not offer it, use fp32")
    if precision == "bf16" and not torch.cuda.is_bf16_supported(including_emulation=False):
        return message("{device_name} does not compute in bf16", device_name=torch.cuda.get_device_name())
    return None


def _nccl_version() -> str | None:
    import torch

    if not (torch.distributed.is_available() and torch.distributed.is_nccl_available()):
        return None
    nccl: Any = torch.cuda.nccl
    return ".".join(str(part) for part in nccl.version())
