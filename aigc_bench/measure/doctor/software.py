"""Checks of the software: Python, torch in a process of its own (what it sees and what it was built for), the compiler."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from aigc_bench.core.child_python import python as interpreter
from aigc_bench.core.messages import message
from aigc_bench.core.run_records import Check
from aigc_bench.core.system_errors import folder_for_children
from aigc_bench.engines.torch_compile import compiler_name, compiler_reason
from aigc_bench.measure.doctor.finding import absent, failure, note, ok
from aigc_bench.measure.fingerprint import gpus, package_versions

_IMPORT_TIMEOUT_S = 120.0
_TORCH_QUERY = """
import json, time
started = time.perf_counter()
import torch
cuda = torch.cuda.is_available()
print(json.dumps({
    "version": torch.__version__, "import_s": time.perf_counter() - started, "threads": torch.get_num_threads(),
    "cuda": torch.version.cuda, "hip": torch.version.hip, "num_devices": torch.cuda.device_count() if cuda else 0,
    "architectures": torch.cuda.get_arch_list() if cuda else [],
    "capabilities": ["%d.%d" % torch.cuda.get_device_capability(i) for i in range(torch.cuda.device_count())] if cuda else [],
}))
"""


def checks() -> list[Check]:
    """Python, the packages, torch, and what ``torch-compile`` needs."""
    driver, accelerators = gpus()
    answer, problem = query_torch()
    found = [python(), packages(package_versions())]
    if answer is None:
        remedy = message("Install it again: `pip install --force-reinstall torch` (https://pytorch.org/get-started).")
        return [*found, failure("torch", message("cannot be imported: {problem}", problem=problem), remedy=remedy), compiler()]
    devices = torch_devices(answer, num_gpus=len(accelerators), driver_cuda=driver.get("cuda_driver"))
    return [*found, torch(answer), devices, compiler()]


def query_torch() -> tuple[Mapping[str, Any] | None, str | None]:
    """Return (what torch reports of itself, why it could not be queried); a child imports it, this process never does."""
    try:
        child = subprocess.run(
            interpreter("-c", _TORCH_QUERY),
            capture_output=True,
            text=True,
            timeout=_IMPORT_TIMEOUT_S,
            check=False,
            cwd=folder_for_children(),
        )
    except subprocess.TimeoutExpired:
        return None, message("no answer within {import_timeout_s:.0f} s", import_timeout_s=_IMPORT_TIMEOUT_S)
    if child.returncode != 0:
        return None, (child.stderr.strip().splitlines() or [message("exit status {returncode}", returncode=child.returncode)])[-1]
    # The last line, since an import may print before it.
    return json.loads(child.stdout.splitlines()[-1]), None


def python() -> Check:
    """The interpreter."""
    return ok("python", f"{platform.python_version()} ({sys.executable})")


def packages(versions: Mapping[str, str | None]) -> Check:
    """The libraries that own the model definitions."""
    missing = [name for name in ("torch", "transformers", "diffusers", "nvidia-ml-py") if name not in versions]
    detail = ", ".join(f"{name} {number}" for name, number in versions.items())
    if missing:
        return failure(
            "packages",
            message("missing: {missing}", missing=", ".join(missing)),
            remedy=message("pip install {missing}", missing=" ".join(missing)),
        )
    return ok("packages", detail)


def torch(answer: Mapping[str, Any]) -> Check:
    """That torch can be imported, and how long that takes."""
    build = f"CUDA {answer['cuda']}" if answer["cuda"] else f"ROCm {answer['hip']}" if answer["hip"] else message("CPU only")
    detail = message(
        "{version} ({build}), imported in {import_s:.1f} s, {threads} threads",
        version=answer["version"],
        build=build,
        import_s=answer["import_s"],
        threads=answer["threads"],
    )
    return ok("torch", detail)


def torch_devices(answer: Mapping[str, Any], *, num_gpus: int, driver_cuda: str | None) -> Check:
    """Whether torch can use the devices that the driver lists."""
    name, seen = message("torch devices"), answer["num_devices"]
    if num_gpus == 0 and seen == 0:
        return absent(name, message("no accelerator: cases run on the CPU"))
    if seen == 0 and answer["cuda"] is None:
        remedy = message("Install a CUDA build of torch (https://pytorch.org/get-started).")
        return failure(
            name,
            message("the driver lists {num_gpus} device(s), but this torch is built for the CPU", num_gpus=num_gpus),
            remedy=remedy,
        )
    if seen == 0:
        detail = message(
            "the driver (CUDA {driver_cuda}) lists {num_gpus} device(s), torch for CUDA {torch_cuda} can use none",
            driver_cuda=driver_cuda,
            num_gpus=num_gpus,
            torch_cuda=answer["cuda"],
        )
        remedy = message(
            "Update the driver, or install torch for CUDA {driver_cuda}; check CUDA_VISIBLE_DEVICES.", driver_cuda=driver_cuda
        )
        return failure(name, detail, remedy=remedy)
    foreign = [
        message("compute capability {capability}", capability=c)
        for c in answer["capabilities"]
        if not _has_kernels(c, answer["architectures"])
    ]
    if foreign and answer["hip"] is None:
        detail = message(
            "this torch has no kernels for {foreign} (it has {known})",
            foreign=", ".join(sorted(set(foreign))),
            known=", ".join(answer["architectures"]),
        )
        return failure(name, detail, remedy=message("Install a build of torch for this generation."))
    if seen < num_gpus:
        return note(name, message("torch sees {seen} of {num_gpus} devices (CUDA_VISIBLE_DEVICES)", seen=seen, num_gpus=num_gpus))
    return ok(name, message("{seen} device(s)", seen=seen))


def _has_kernels(capability: str, architectures: list[str]) -> bool:
    """Binaries run on the same major version from their minor on; ``compute_*`` (PTX) on everything later."""
    major, minor = (int(part) for part in capability.split("."))
    for architecture in architectures:
        kind, _, digits = architecture.partition("_")
        digits = digits.rstrip("af")
        if not digits.isdigit():
            continue
        built = (int(digits[:-1]), int(digits[-1]))
        if built <= (major, minor) and (kind == "compute" or built[0] == major):
            return True
    return False


def compiler(environ: Mapping[str, str] | None = None) -> Check:
    """Whether ``torch-compile`` can build C++ for a CPU, by the engine's own rule: ``$CXX`` or g++, and Python's header."""
    environ = os.environ if environ is None else environ
    reason = compiler_reason(environ)
    if reason is not None:
        remedy = message("Install it (`sudo apt install g++ python3-dev`) to run cases with the engine torch-compile on the CPU.")
        return note("compiler", reason, remedy=remedy)
    return ok("compiler", shutil.which(compiler_name(environ), path=environ.get("PATH")) or "")
