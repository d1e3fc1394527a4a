"""Checks of the software: Python, torch in a process of its own (what it sees and what it was built for), the compiler."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Mapping

from aigc_bench.core.messages import joined, message
from aigc_bench.core.run_records import Check
from aigc_bench.engines.torch_compile import compiler_name, compiler_reason
from aigc_bench.measure.doctor.finding import absent, failure, note, ok, warning
from aigc_bench.measure.fingerprint import gpus, package_versions
from aigc_bench.measure.torch_survey import NoTorch, TorchSurvey, survey

_HARMFUL: Mapping[str, tuple[tuple[str, ...], str]] = {
    # variable: (values that change nothing, what any other does); the documentation of CUDA, cuBLAS and torch.
    "CUDA_LAUNCH_BLOCKING": (("", "0"), message("every launch waits for its kernel, so that the host bounds all cases")),
    "NVIDIA_TF32_OVERRIDE": (("",), message("fp32 or tf32 is computed otherwise than a case states")),
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE": (("", "0"), message("fp32 products are computed in tf32")),
    "PYTORCH_NO_CUDA_MEMORY_CACHING": (("", "0"), message("every tensor is allocated by the driver")),
    "TORCH_COMPILE_DISABLE": (("", "0"), message("compiled cases run eagerly")),
    "TORCHDYNAMO_DISABLE": (("", "0"), message("compiled cases run eagerly")),
}


def checks() -> list[Check]:
    """Python, the packages, torch, and what ``torch-compile`` needs."""
    driver, accelerators = gpus()
    found = [python(), packages(package_versions())]
    try:
        answer = survey(["cuda"])
    except NoTorch as problem:
        cause = message("cannot be imported: {problem}", problem=problem.reason)
        return [*found, failure("torch", cause, remedy=problem.hint), compiler()]
    devices = torch_devices(answer, num_gpus=len(accelerators), driver_cuda=driver.get("cuda_driver"))
    return [*found, torch(answer), devices, compiler(), *environment(os.environ)]


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


def torch(answer: TorchSurvey) -> Check:
    """That torch can be imported, and how long that takes."""
    build = f"CUDA {answer.cuda}" if answer.cuda else f"ROCm {answer.hip}" if answer.hip else message("CPU only")
    detail = message(
        "{version} ({build}), imported in {import_s:.1f} s, {threads} threads",
        version=answer.version,
        build=build,
        import_s=answer.import_s,
        threads=answer.threads,
    )
    return ok("torch", detail)


def torch_devices(answer: TorchSurvey, *, num_gpus: int, driver_cuda: str | None) -> Check:
    """Whether torch can use the devices that the driver lists."""
    name, cuda = message("torch devices"), answer.backends["cuda"]
    if cuda.absence is not None and num_gpus == 0:
        return absent(name, message("no accelerator: cases run on the CPU"))
    if cuda.absence is not None:
        detail = message(
            "the driver (CUDA {driver_cuda}) lists {num_gpus} device(s), torch can use none: {reason}",
            driver_cuda=driver_cuda or message("unknown"),
            num_gpus=num_gpus,
            reason=cuda.absence,
        )
        return failure(name, detail, remedy=cuda.remedy)
    if cuda.defects:
        remedy = message("Install a build of torch for this generation: https://pytorch.org/get-started.")
        return failure(name, joined("; ", cuda.defects), remedy=remedy)
    if cuda.num_devices < num_gpus:
        return note(
            name,
            message("torch sees {seen} of {num_gpus} devices (CUDA_VISIBLE_DEVICES)", seen=cuda.num_devices, num_gpus=num_gpus),
        )
    return ok(name, message("{seen} device(s)", seen=cuda.num_devices))


def compiler(environ: Mapping[str, str] | None = None) -> Check:
    """Whether ``torch-compile`` can build C++ for a CPU, by the engine's own rule: ``$CXX`` or g++, and Python's header."""
    environ = os.environ if environ is None else environ
    reason = compiler_reason(environ)
    if reason is not None:
        remedy = message("Install it (`sudo apt install g++ python3-dev`) to run cases with the engine torch-compile on the CPU.")
        return note("compiler", reason, remedy=remedy)
    return ok("compiler", shutil.which(compiler_name(environ), path=environ.get("PATH")) or "")


def environment(environ: Mapping[str, str]) -> list[Check]:
    """Variables that are set and make every result slower, or other than a case states."""
    found = ((name, why) for name, (harmless, why) in _HARMFUL.items() if environ.get(name, harmless[0]) not in harmless)
    return [
        warning(
            message("variable {name}", name=name),
            message("{name}={value}: {why}", name=name, value=environ[name], why=why),
            remedy=message("Unset it (`unset {name}`), unless that is what you measure.", name=name),
        )
        for name, why in found
    ]
