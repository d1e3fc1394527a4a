import warnings

import pytest
import torch

from aigc_bench.accelerators.cuda import backend, dotted_cudnn, kernels_reason, name_devices, precision_reason, set_fp32_precision
from aigc_bench.core.records import Case

UUID = "5a1b2c3d-0000-1111-2222-333344445555"
is_here = backend.absence() is None
needs_device = pytest.mark.skipif(not is_here, reason="needs a CUDA or ROCm device")


def case(**changes):
    return Case(workload="vae", preset="mlp-784-400-20", mode="infer", backend="cuda", **changes)


@pytest.mark.skipif(is_here, reason="a device is here")
def test_where_there_is_no_device_the_reason_is_reported():
    absence = backend.absence()
    assert absence is not None and "\n" not in absence.reason and absence.remedy
    if torch.version.cuda is None and torch.version.hip is None:
        assert "without CUDA" in absence.reason and torch.__version__ in absence.reason
        assert "Install" in absence.remedy


@pytest.mark.skipif(is_here, reason="a device is here")
def test_more_devices_than_there_are_is_refused():
    assert backend.unsupported(case()) == "devices = 1, but torch sees 0 cuda devices"


@pytest.mark.parametrize(
    ("precision", "capability", "is_supported"),
    [
        ("fp32", (3, 5), True),
        ("fp16", (7, 0), True),
        ("fp16", (5, 2), False),
        ("bf16", (7, 5), False),
        ("tf32", (7, 5), False),
        ("bf16", (8, 0), True),
        ("tf32", (8, 9), True),
        ("bf16", (12, 0), True),
    ],
)
def test_precisions_follow_the_compute_capability(precision, capability, is_supported):
    reason = precision_reason(precision, capability=capability, name="Some GPU")
    assert (reason is None) == is_supported
    if reason is not None:
        assert precision in reason and "Some GPU has" in reason


@pytest.mark.parametrize(
    ("architectures", "capability", "can_run"),
    [
        (["sm_80", "sm_90"], (8, 0), True),
        (["sm_80", "sm_90"], (8, 9), True),
        (["sm_80", "sm_90"], (12, 0), False),
        (["sm_80", "compute_90"], (12, 0), True),
        (["sm_86"], (8, 0), False),
        (["sm_90a"], (9, 0), True),
        (["sm_100a"], (10, 3), False),
        (["sm_120"], (12, 0), True),
        (["sm_75", "sm_80"], (7, 0), False),
        ([], (9, 0), True),
    ],
)
def test_kernels_are_found_by_the_compatibility_rules(architectures, capability, can_run):
    reason = kernels_reason(architectures, capability=capability, name="Some GPU", version="2.13")
    assert (reason is None) == can_run


def test_uuids_are_written_as_nvml_writes_them():
    assert name_devices([UUID], visible=None) == (f"GPU-{UUID}",)
    assert name_devices([UUID], visible="3") == (f"GPU-{UUID}",)
    assert name_devices([f"GPU-{UUID}"], visible="") == (f"GPU-{UUID}",)


def test_a_mig_instance_keeps_the_name_that_made_it_visible():
    assert name_devices([UUID, UUID], visible="MIG-aaa, MIG-bbb") == ("MIG-aaa", "MIG-bbb")


@pytest.mark.parametrize(("version", "name"), [(91002, "9.10.2"), (90100, "9.1.0"), (8907, "8.9.7")])
def test_cudnn_versions_are_written_as_released(version, name):
    assert dotted_cudnn(version) == name


@pytest.mark.parametrize(
    "words",
    [
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate",
        "CUDA driver error: out of memory",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
        'NVML_SUCCESS == r INTERNAL ASSERT FAILED at "CUDACachingAllocator.cpp":983, please report a bug to PyTorch.',
        "HIP error: hipErrorOutOfMemory",
        "NCCL error: unhandled cuda error. Last error: Failed to CUDA calloc 6291456 bytes",
        "cusolver error: CUSOLVER_STATUS_ALLOC_FAILED, when calling `cusolverDnCreate(handle)`",
    ],
)
def test_out_of_memory_is_recognised_by_the_words_of_each_library(words):
    assert backend.is_out_of_memory(RuntimeError(words))


def test_out_of_memory_is_recognised_by_type_and_other_errors_are_not():
    assert backend.is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"))
    assert backend.is_out_of_memory(MemoryError())
    assert not backend.is_out_of_memory(RuntimeError("CUDA error: an illegal memory access was encountered"))
    assert not backend.is_out_of_memory(ValueError("out of memory"))


def test_software_has_the_same_keys_with_or_without_a_device():
    assert set(backend.software()) == {"platform", "cuda", "hip", "cudnn", "nccl"}


def test_the_tf32_switches_agree_with_torchs_newer_ones_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for is_tf32, expected in ((True, "tf32"), (False, "ieee")):
            set_fp32_precision(is_tf32=is_tf32)
            assert torch.get_float32_matmul_precision() == ("high" if is_tf32 else "highest")
            assert torch.backends.cuda.matmul.allow_tf32 == torch.backends.cudnn.allow_tf32 == is_tf32
            if hasattr(torch.backends.cuda.matmul, "fp32_precision"):
                assert torch.backends.cuda.matmul.fp32_precision == expected


@needs_device
@pytest.mark.gpu
def test_events_measure_device_time_and_peaks_follow_allocations():
    device = backend.select(case())
    assert all(name.startswith(("GPU-", "MIG-")) for name in backend.device_ids(case()))
    matrix = torch.randn(2048, 2048, device=device)
    backend.synchronize()
    backend.reset_peak_memory()
    start = backend.event()
    for _ in range(20):
        matrix = (matrix @ matrix).tanh()
    end = backend.event()
    backend.wait(end)
    assert backend.elapsed_s(start, end) > 0
    allocated, reserved = backend.peak_memory()
    assert matrix.nbytes <= allocated <= reserved


@needs_device
@pytest.mark.gpu
def test_tf32_products_differ_from_fp32_ones():
    if backend.unsupported(case(precision="tf32")) is not None:
        pytest.skip("no tf32 on this device")
    device = backend.select(case())
    matrix = torch.randn(512, 512, device=device)
    exact = matrix.double() @ matrix.double()
    error_fp32 = (matrix @ matrix - exact).abs().max()
    backend.select(case(precision="tf32"))
    assert (matrix @ matrix - exact).abs().max() > 10 * error_fp32
    backend.select(case())
