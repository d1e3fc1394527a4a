"""The fingerprint of a machine and its software, without importing torch: what must match before two results are compared."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from fnmatch import fnmatchcase
from importlib.metadata import PackageNotFoundError, version

from aigc_bench.catalog.loader import usable_catalogue
from aigc_bench.core.control_group import find_cgroup
from aigc_bench.core.messages import message
from aigc_bench.core.records import Setting
from aigc_bench.core.run_records import AcceleratorInfo, System
from aigc_bench.measure import host_facts
from aigc_bench.telemetry.base import SensorAbsent
from aigc_bench.telemetry.nvml import GpuFacts, describe, nvml_open

PACKAGES = ("torch", "transformers", "diffusers", "numpy", "triton", "nvidia-ml-py", "vllm", "sglang", "tensorrt-llm")
"""Distributions whose version can change a result; those that are not installed are left out."""

VARIABLES = (
    "CUDA_VISIBLE_DEVICES",
    "HIP_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
    "CUDA_DEVICE_ORDER",
    "CUDA_DEVICE_MAX_CONNECTIONS",
    "CUDA_LAUNCH_BLOCKING",
    "CUDA_MODULE_LOADING",
    "NVIDIA_TF32_OVERRIDE",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
    "CUBLAS_WORKSPACE_CONFIG",
    "PYTORCH_*ALLOC_CONF",
    "PYTORCH_NO_CUDA_MEMORY_CACHING",
    "TORCH_COMPILE_DISABLE",
    "TORCHDYNAMO_*",
    "TORCHINDUCTOR_*",
    "TORCH_NCCL_*",
    "NCCL_*",
    "CUDNN_*",
    "MIOPEN_*",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
)
"""Patterns of environment variables that change results or speed without a word in the results (documentation of CUDA, cuBLAS, NCCL
and torch)."""
_MOST_LETTERS = 200


def fingerprint() -> System:
    """Return this machine as the kernel and the driver describe it. Never fails: unknown values are ``None``."""
    driver, accelerators = gpus()
    cgroup = find_cgroup()
    quota = cgroup.cpu_limit() if cgroup else None
    usable = len(os.sched_getaffinity(0))
    return System(
        host_id=host_facts.host_id(),
        os=operating_system(),
        kernel=platform.release(),
        cpu_model=host_facts.cpu_model(),
        num_cores=os.cpu_count() or usable,
        num_usable_cores=min(usable, quota) if quota else usable,
        memory_bytes=host_facts.memory_bytes(),
        memory_limit_bytes=cgroup.memory_limit_bytes() if cgroup else None,
        accelerators=accelerators,
        software={"python": platform.python_version(), **package_versions(), **driver},
        variables=variables(os.environ),
        details={
            **host_facts.details(),
            "cgroup_version": cgroup.version if cgroup else None,
            "cgroup_cpu_limit": quota,
        },
    )


def variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables among ``VARIABLES`` that are set, by name; folders are left out, and long values are cut."""
    return {
        name: value[:_MOST_LETTERS]
        for name, value in sorted(environ.items())
        if not name.endswith(("_DIR", "_PATH")) and any(fnmatchcase(name, pattern) for pattern in VARIABLES)
    }


def changed_software(before: System, now: System) -> list[str]:
    """Names of the software and of the environment's variables that differ, with both values of a variable."""
    software = [name for name in {**before.software, **now.software} if before.software.get(name) != now.software.get(name)]
    variables = [
        message(
            "{name} (from {before} to {now})",
            name=name,
            before=before.variables.get(name, message("unset")),
            now=now.variables.get(name, message("unset")),
        )
        for name in {**before.variables, **now.variables}
        if before.variables.get(name) != now.variables.get(name)
    ]
    return [*software, *variables]


def operating_system() -> str:
    """The distribution's own name for itself."""
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME") or platform.system()
    except OSError:
        return platform.system()


def package_versions() -> dict[str, str | None]:
    """Installed versions of ``PACKAGES``, from the packages' metadata: nothing is imported."""
    found: dict[str, str | None] = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def gpus() -> tuple[dict[str, str | None], tuple[AcceleratorInfo, ...]]:
    """(driver versions, the NVIDIA devices a program can use). A GPU divided by MIG is listed as its instances."""
    try:
        with nvml_open():
            versions, facts = describe()
    except SensorAbsent:
        return {}, ()
    divided = {gpu.parent for gpu in facts if gpu.parent}
    whole = {gpu.uuid: gpu for gpu in facts}
    usable = [gpu for gpu in facts if gpu.uuid not in divided]
    devices = tuple(_accelerator(index, gpu, of=whole.get(gpu.parent or gpu.uuid, gpu)) for index, gpu in enumerate(usable))
    return {"nvidia_driver": versions["driver"], "cuda_driver": cuda_version(versions["cuda"])}, devices


def cuda_version(number: str | None) -> str | None:
    """``12.8`` for NVML's 12080."""
    return f"{int(number) // 1000}.{int(number) % 1000 // 10}" if number else None


def _accelerator(index: int, gpu: GpuFacts, *, of: GpuFacts) -> AcceleratorInfo:
    spec = usable_catalogue().recognise(of.name, of.memory_bytes)
    return AcceleratorInfo(
        index=index,
        name=gpu.name,
        uuid=gpu.uuid,
        backend="cuda",
        catalog_id=spec.id if spec else None,
        memory_bytes=gpu.memory_bytes,
        details=_details(gpu, of),
    )


def _details(gpu: GpuFacts, whole: GpuFacts) -> Mapping[str, Setting | None]:
    """Facts of the physical device; readings of the moment (temperature, processes) are the telemetry's and the doctor's."""
    return {
        "vbios": whole.vbios,
        "compute_capability": whole.compute_capability,
        "power_limit_w": whole.power_limit_w,
        "power_limit_default_w": whole.power_limit_default_w,
        "sm_clock_max_hz": whole.sm_clock_max_hz,
        "memory_clock_max_hz": whole.memory_clock_max_hz,
        "ecc": whole.ecc,
        "mig": whole.mig,
        "mig_parent": gpu.parent,
        "persistence": whole.persistence,
        "pcie_generation_max": whole.pcie_generation_max,
        "pcie_width_max": whole.pcie_width_max,
        "pcie_width": whole.pcie_width,
        "nvlinks": whole.nvlinks,
    }
